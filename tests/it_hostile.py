"""Functions that want to do harm: their neighbour, the server and the machine do not notice. As root and, in a second class, as a
user without rights."""
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import ROOT, SAVIA, Server, create_function, invoke

CODE = r"""
const fs = require('fs'), http = require('http'), net = require('net'), child = require('child_process');
const tried = (f) => { try { return { ok: f() }; } catch (e) { return { error: e.code || e.message }; } };
exports.memory = async () => { const keep = []; for (;;) keep.push(Buffer.alloc(8 << 20, 1)); };
exports.forks = async () => { let n = 0; for (let i = 0; i < 3000; i++) { const p = child.spawn('/bin/sleep', ['30'], { stdio: 'ignore' }); p.on('error', () => {}); if (p.pid) n++; } await new Promise((r) => setTimeout(r, 300)); return n; };
exports.logs = async () => { const line = 'x'.repeat(1000); const end = Date.now() + 1500; let n = 0; while (Date.now() < end) { process.stdout.write(line + '\n'); n++; } return n; };
exports.forever = async () => { for (;;) ; };
exports.writes = async () => ({
  root: tried(() => fs.writeFileSync('/x', 'x')), task: tried(() => fs.writeFileSync('/var/task/x', 'x')), usr: tried(() => fs.writeFileSync('/usr/x', 'x')),
  etc: tried(() => fs.writeFileSync('/etc/passwd', 'x')), proc: tried(() => fs.writeFileSync('/proc/sys/kernel/hostname', 'x')), opt: tried(() => fs.writeFileSync('/opt/x', 'x')),
  tmp: tried(() => { fs.writeFileSync('/tmp/x', 'x'); return true; }) });
exports.tmpfull = async () => tried(() => { const b = Buffer.alloc(16 << 20); const f = fs.openSync('/tmp/big', 'w'); for (let i = 0; i < 400; i++) fs.writeSync(f, b); });
exports.looks = async () => ({
  pids: fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n)).length, home: tried(() => fs.readdirSync('/home')), rootdir: tried(() => fs.readdirSync('/root')), data: tried(() => fs.readdirSync(process.env.LOOK_AT)),
  sys: tried(() => fs.readdirSync('/sys/kernel')), kcore: tried(() => fs.readFileSync('/proc/kcore', { length: 1 })), shadow: tried(() => fs.readFileSync('/etc/shadow')),
  mounts: tried(() => fs.readFileSync('/proc/self/mounts', 'utf8')), caps: fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff:\s*(\w+)/)[1], nnp: fs.readFileSync('/proc/self/status', 'utf8').match(/NoNewPrivs:\s*(\d)/)[1],
  seccomp: fs.readFileSync('/proc/self/status', 'utf8').match(/Seccomp:\s*(\d)/)[1] });
exports.mount = async () => ({ mount: child.spawnSync('/bin/mount', ['-t', 'tmpfs', 'x', '/tmp']).status, unshare: child.spawnSync('/usr/bin/unshare', ['-Ur', '/bin/true']).status, chroot: child.spawnSync('/usr/sbin/chroot', ['/', '/bin/true']).status });
exports.connects = async (event) => { const out = {}; for (const [host, port] of event.targets) { out[host + ':' + port] = await new Promise((done) => { const s = net.connect({ host, port, timeout: 800 }); s.on('connect', () => { s.destroy(); done('connected'); }); s.on('timeout', () => { s.destroy(); done('timeout'); }); s.on('error', (e) => done(e.code)); }); } return out; };
exports.kills = async () => { const out = {}; for (const pid of [1, -1]) out[pid] = tried(() => process.kill(pid, 'SIGKILL')); return out; };
exports.good = async () => 'fine';
"""


class Hostile(unittest.TestCase):
    user = None

    @classmethod
    def setUpClass(cls):
        cls.home = None
        prefix, data = (), None
        if cls.user:
            if os.geteuid() != 0:
                raise unittest.SkipTest("not root: the other class is the unprivileged one")
            pw = pwd.getpwnam(cls.user)
            data = tempfile.mkdtemp(prefix="savia-hostile-")
            os.chmod(data, 0o700)
            os.chown(data, pw.pw_uid, pw.pw_gid)
            prefix = ("setpriv", f"--reuid={pw.pw_uid}", f"--regid={pw.pw_gid}", "--clear-groups", "--inh-caps=-all")
            # The program and its runtimes, where that user may read them.
            cls.home = tempfile.mkdtemp(prefix="savia-program-")
            os.chmod(cls.home, 0o755)
        cls.server = Server(data=data, prefix=prefix) if not cls.user else cls.start_as_user(prefix, data)
        lam = cls.server.client("lambda")
        for name in ("memory", "forks", "logs", "forever", "writes", "tmpfull", "looks", "mount", "connects", "kills", "good"):
            create_function(lam, name, {"index.js": CODE}, handler=f"index.{name}", Timeout=3 if name == "forever" else 12, MemorySize=256, Environment={"Variables": {"LOOK_AT": cls.server.data}})
        invoke(lam, "good")

    @classmethod
    def start_as_user(cls, prefix, data):
        import harness
        shutil.copy2(SAVIA, cls.home + "/savia")
        shutil.copytree(ROOT / ".cache/runtimes", cls.home + "/runtimes", symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", cls.home], check=True)
        old, harness.SAVIA = harness.SAVIA, cls.home + "/savia"
        old_runtimes, harness.RUNTIMES = harness.RUNTIMES, cls.home + "/runtimes"
        try:
            return Server(data=data, prefix=prefix)
        finally:
            harness.SAVIA, harness.RUNTIMES = old, old_runtimes

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        for d in (cls.home, cls.server.data if cls.user else None):
            if d:
                shutil.rmtree(d, ignore_errors=True)

    def setUp(self):
        self.lam = self.server.client("lambda")
        self.weaker = json.loads(self.server.request("GET", "/_savia/status")[1])["weaker"]
        for w in self.weaker:
            print("weaker:", w)

    def tearDown(self):
        start = time.monotonic()
        self.assertEqual(invoke(self.lam, "good")[1], "fine", "the neighbour goes on")
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(self.server.request("GET", "/_savia/health")[0], 200)

    def test_memory(self):
        answer, body = invoke(self.lam, "memory")
        self.assertEqual(answer["FunctionError"], "Unhandled")
        self.assertEqual(body["errorType"], "Runtime.ExitError")
        self.assertIn("signal: killed", body["errorMessage"])

    def test_forks(self):
        answer, body = invoke(self.lam, "forks")
        if "FunctionError" not in answer:
            self.assertLess(body, 1100)
        self.assertLess(len(os.listdir("/proc")), 6000)

    def test_logs_without_end(self):
        invoke(self.lam, "logs")

    def test_never_returns(self):
        start = time.monotonic()
        answer, body = invoke(self.lam, "forever")
        self.assertLess(time.monotonic() - start, 8)
        self.assertEqual(body["errorType"], "Sandbox.Timedout")

    def test_writes(self):
        _, body = invoke(self.lam, "writes")
        for place in ("root", "task", "usr", "etc", "proc", "opt"):
            self.assertIn("error", body[place], place)
        self.assertEqual(body["tmp"], {"ok": True})
        answer, body = invoke(self.lam, "tmpfull")
        self.assertTrue("FunctionError" in answer or body.get("error") in ("ENOSPC", "ENOMEM"), body)

    def test_looks(self):
        _, body = invoke(self.lam, "looks")
        self.assertLess(body["pids"], 10)
        for place in ("data", "sys", "shadow"):
            self.assertIn("error", body[place], place)
        for place in ("home", "rootdir"):
            self.assertTrue("error" in body[place] or body[place]["ok"] == [], place)
        self.assertEqual(int(body["caps"], 16), 0)
        self.assertEqual(body["nnp"], "1")
        self.assertEqual(body["seccomp"], "2")

    def test_mounts_are_refused(self):
        _, body = invoke(self.lam, "mount")
        for what, status in body.items():
            self.assertNotEqual(status, 0, what)

    def test_reaches_only_the_gateway(self):
        targets = [["127.0.0.1", self.server.port], ["127.0.0.1", self.server.edge_port], ["127.0.0.1", 22], ["169.254.77.1", 4566], ["169.254.77.1", 8080], ["169.254.77.1", 3306]]
        _, body = invoke(self.lam, "connects", {"targets": targets})
        self.assertEqual(body.pop("169.254.77.1:4566"), "connected")
        self.assertEqual(body.pop("169.254.77.1:8080"), "connected")
        for target, how in body.items():
            self.assertNotEqual(how, "connected", target)

    def test_kills(self):
        invoke(self.lam, "kills")


class HostileUnprivileged(Hostile):
    user = "nobody"
