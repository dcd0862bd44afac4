"""kill -9 in the middle of everything loses nothing that was acknowledged. The long run is long_kill.py."""
import os
import unittest

from killing import run_cycles


class Kill(unittest.TestCase):
    def test_ten_cycles(self):
        seed = int(os.environ.get("SAVIA_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
        total, bad = run_cycles(10, seed)
        self.assertEqual(bad, [], f"SAVIA_SEED={seed}")
        self.assertGreater(total, 100)
