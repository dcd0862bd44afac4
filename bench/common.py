"""What the programs in bench/ share: a server of its own for each, ports, CPU time, and rows for the table of results."""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
NODE = CACHE / "runtimes/nodejs22.x/bin/node"

# Peers, pinned: a newer one changes the ratio, and that should be a commit.
MOTO = "moto[server]==5.2.5"
SERVERLESS = {"serverless": "3.40.0", "serverless-offline": "13.9.0"}


def free_port():
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_port(port, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"bench: nothing listens on {port} after {seconds} s")


def tasks_cpu_ns(pid):
    """CPU time of all threads alive of one process. Times of ended threads are not in it."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass
    return total


def children(pid):
    found = []
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += [int(p) for p in (task / "children").read_text().split()]
    except OSError:
        pass
    return found


def tree(pid):
    yield pid
    for child in children(pid):
        yield from tree(child)


def tree_cpu_ns(pid):
    total = 0
    for p in tree(pid):
        try:
            total += tasks_cpu_ns(p)
        except OSError:
            pass
    return total


def stop(process, seconds=15):
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Savia:
    """A server with a folder and ports of its own; use it in a `with`."""

    def __init__(self, build, *arguments, pin=None, data=None):
        self.folder = None if data else tempfile.TemporaryDirectory(prefix="savia-bench-")
        self.data = data or self.folder.name
        self.port, self.edge = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [str(ROOT / build / "savia"), "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}", "--edge",
                   f"127.0.0.1:{self.edge}", "--runtimes", str(CACHE / "runtimes"), *arguments]
        if pin is not None:
            command = ["taskset", "-c", str(pin), *command]
        self.log = tempfile.TemporaryFile()
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)
        self.pid = self.process.pid  # taskset execs

    def __enter__(self):
        self.wait()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        stop(self.process)
        self.log.close()
        if self.folder:
            self.folder.cleanup()

    def wait(self):
        """Returns when /_savia/health has answered; raises when the server ended."""
        while True:
            if self.process.poll() is not None:
                self.log.seek(0)
                sys.exit("bench: the server ended: " + self.log.read().decode()[-500:])
            with socket.socket() as s:
                try:
                    s.connect(("127.0.0.1", self.port))
                    s.sendall(b"GET /_savia/health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                    if s.recv(4096):
                        return
                except OSError:
                    time.sleep(0.0002)

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request("GET", path)
        r = c.getresponse().read()
        c.close()
        return json.loads(r)


def moto(pin=None):
    """moto's server from PyPI, in a virtual environment of its own below .cache; (process, port)."""
    venv = CACHE / "bench-venv"
    mark = venv / "installed"
    if not mark.exists() or mark.read_text() != MOTO:
        shutil.rmtree(venv, ignore_errors=True)
        print(f"installing {MOTO} into {venv.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", MOTO], check=True)
        mark.write_text(MOTO)
    port = free_port()
    command = [str(venv / "bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    if pin is not None:
        command = ["taskset", "-c", str(pin), *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_port(port)
    return process, port


def wrk(url, seconds, connections, headers=(), core=0):
    """(requests answered, requests/s, p50 in ms) of one run; ends the program when an answer was an error."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for h in headers:
        command += ["-H", h]
    out = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    if "Non-2xx" in out or requests == 0:
        sys.exit(f"bench: errors from {url}:\n{out}")
    value, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", out).groups()
    return requests, rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


median = statistics.median


class Table:
    """Rows of results. Each prints at once; run.py also reads them from the last line, as JSON."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, bar="", good=None):
        self.rows.append({"what": what, "figure": figure, "bar": bar, "good": good})
        verdict = "" if good is None else ("met" if good else "MISSED")
        print(f"  {what:62} {figure:34} {bar:12} {verdict}", flush=True)

    def done(self):
        if os.environ.get("SAVIA_BENCH_ROWS"):
            pathlib.Path(os.environ["SAVIA_BENCH_ROWS"]).write_text(json.dumps(self.rows))
