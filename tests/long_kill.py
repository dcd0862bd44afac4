"""200 cycles of kill -9; see killing.py."""
import os
import unittest

from killing import run_cycles


class Kill(unittest.TestCase):
    def test_two_hundred_cycles(self):
        seed = int(os.environ.get("SAVIA_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
        total, bad = run_cycles(200, seed)
        self.assertEqual(bad, [], f"SAVIA_SEED={seed}")
        print(f"{total} operations acknowledged")
