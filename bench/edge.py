#!/usr/bin/env python3
"""CPU per request of the edge beside nginx and HAProxy, on one core, in interleaved runs.

    bench/edge.py [--build build] [--seconds 3] [--rounds 5] [--connections 64] [--only proxy,mock]

One proxy process runs on core 1 at a time; wrk and the upstream share core 0. Each round measures every peer once; the table
shows medians. "us/req" is CPU time of the proxy's process (user and system, /proc/PID/schedstat) by requests answered: the
load generator saturates its core, so requests per second understate the fast ones. Differences below 10 % are ties.
"""
import argparse
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
MOCK_BODY = '{"message":"hello from the mock","padding":"' + "x" * 48 + '"}'


def free_port():
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_port(port):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"edge.py: nothing listens on {port}")


def cpu_ns(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def children(pid):
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def pinned(core, command, **kw):
    return subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)


def nginx_conf(folder, port, upstream):
    conf = folder / "nginx.conf"
    conf.write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null crit;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; tcp_nodelay on; default_type application/json;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_http_version 1.1; proxy_set_header Connection "";
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} reuseport;
    location /dev/proxy/ {{ proxy_pass http://up/; }}
    location /dev/mock {{ return 200 '{MOCK_BODY}'; }} }}
}}
""")
    return ["nginx", "-p", str(folder), "-c", str(conf)]


def haproxy_conf(folder, port, upstream):
    conf = folder / "haproxy.cfg"
    conf.write_text(f"""
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  http-request return status 200 content-type application/json string '{MOCK_BODY}' if {{ path /dev/mock }}
  http-request replace-path /dev/proxy/(.*) /\\1
  default_backend up
backend up
  server s1 127.0.0.1:{upstream} pool-max-conn -1
""")
    return ["haproxy", "-f", str(conf), "-db"]


class Peer:
    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = pinned(1, command)
        wait_port(port)
        workers = children(self.process.pid)
        self.pid = workers[0] if workers else self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def run(peer, path, seconds, connections):
    url = f"http://127.0.0.1:{peer.port}{path}"
    before = cpu_ns(peer.pid)
    out = subprocess.run(["taskset", "-c", "0", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                          "-H", f"Host: bench.execute-api.localhost:{peer.port}", url], capture_output=True, text=True, check=True).stdout
    used = cpu_ns(peer.pid) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    if "Non-2xx" in out or requests == 0:
        sys.exit(f"edge.py: {peer.name} answered errors on {path}:\n{out}")
    return used / 1000 / requests, requests / seconds, re.search(r"99%\s+(\S+)", out).group(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default="proxy,mock,proxy64k,fn")
    args = parser.parse_args()
    for tool in ("wrk", "nginx", "haproxy", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"edge.py: {tool} is missing: ./dev setup")
    bench = ROOT / args.build / "bench"
    cases = {"proxy": ("/dev/proxy/x", True), "mock": ("/dev/mock", True), "proxy64k": ("/dev/proxy/65536", True), "fn": ("/dev/fn", False)}
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        upstream = free_port()
        up = pinned(0, [str(bench / "bench_edge_upstream"), str(upstream)])
        peers = []
        try:
            wait_port(upstream)
            for kind in ("savia", "nginx", "haproxy"):
                port = free_port()
                command = {"savia": lambda: [str(bench / "bench_edge_server"), f"127.0.0.1:{port}", str(upstream)],
                           "nginx": lambda: nginx_conf(folder, port, upstream),
                           "haproxy": lambda: haproxy_conf(folder, port, upstream)}[kind]()
                peers.append(Peer(kind, command, port))
            for case in args.only.split(","):
                path, compared = cases[case]
                shown = peers if compared else peers[:1]
                results = {p.name: [] for p in shown}
                for p in shown:
                    run(p, path, 1, args.connections)  # warm
                for _ in range(args.rounds):
                    for p in random.sample(shown, len(shown)):
                        results[p.name].append(run(p, path, args.seconds, args.connections))
                print(f"\n{case} ({path}, {args.connections} connections, {args.rounds} rounds of {args.seconds} s)")
                medians = {}
                for p in shown:
                    us = medians[p.name] = statistics.median(r[0] for r in results[p.name])
                    rps = statistics.median(r[1] for r in results[p.name])
                    print(f"  {p.name:8} {us:7.2f} us/req  {rps:8.0f} req/s  p99 {results[p.name][-1][2]}")
                if compared:
                    best = min(v for k, v in medians.items() if k != "savia")
                    ratio = medians["savia"] / best
                    failed = failed or (case in ("proxy", "mock") and ratio > 1.1)
                    print(f"  savia / best peer: {ratio:.2f}")
        finally:
            for p in peers:
                p.stop()
            up.terminate()
            up.wait()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
