#!/usr/bin/env python3
"""The example's Express API: through Savia's edge and Lambda, called directly as an HTTP server, and under serverless-offline.

    bench/express.py [--build build] [--seconds 4] [--rounds 5] [--connections 1,16]

The same application, the same Node, GET /recipes. All three run at the same time, idle but for the one that is measured; wrk
shares the machine with them, unpinned, as a developer's browser would. Each round measures each once, in a random order; figures are
medians. CPU is that of all processes of the peer, per request. Savia uses as many environments as help (the count is shown); the
others are one process each, by their nature.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import common
from common import CACHE, NODE, ROOT, SERVERLESS, Savia, Table, median

EXAMPLE = ROOT / "examples/multinature"
API = EXAMPLE / "apis/multi-public-resources"
LAYERS = [EXAMPLE / "layers" / layer / "nodejs/node_modules" for layer in ("multi-commons-layer", "multi-mysql-layer")]
ENVIRONMENT = {"STAGE": "dev", "LOG_LEVEL": "info", "PUBLIC_BASE_URL": "https://recursos.multinature.example"}

# The example's serverless.yaml less what needs AWS or Docker there: accounts, parameters, layers by ARN.
OFFLINE_YML = """service: multi-public-resources
frameworkVersion: '3'
provider: {{name: aws, runtime: nodejs22.x, stage: dev, memorySize: 256, timeout: 10, environment: {environment}}}
plugins: [serverless-offline]
functions:
  api:
    handler: src/index.handler
    events:
      - http: {{path: /, method: any}}
      - http: {{path: '/{{proxy+}}', method: any}}
"""


def offline(folder):
    """serverless-offline with the application and what its layers bring, in a folder of its own; (process, url)."""
    home = CACHE / "bench-node"
    mark = home / "installed"
    wanted = " ".join(f"{name}@{version}" for name, version in SERVERLESS.items())
    if not mark.exists() or mark.read_text() != wanted:
        print(f"installing {wanted} into {home.relative_to(ROOT)}", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(home), *wanted.split()], check=True)
        mark.write_text(wanted)
    shutil.copytree(API / "src", folder / "src")
    for modules in [API / "node_modules", *LAYERS]:
        shutil.copytree(modules, folder / "node_modules", dirs_exist_ok=True, ignore=shutil.ignore_patterns(".bin", ".package-lock.json"))
    (folder / "node_modules/serverless-offline").symlink_to(home / "node_modules/serverless-offline")
    environment = "{" + ", ".join(f"{k}: '{v}'" for k, v in ENVIRONMENT.items()) + "}"
    (folder / "serverless.yml").write_text(OFFLINE_YML.format(environment=environment))
    port = common.free_port()
    process = subprocess.Popen([str(NODE), str(home / "node_modules/serverless/bin/serverless.js"), "offline", "--httpPort", str(port),
                                "--lambdaPort", str(common.free_port())], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"})
    common.wait_port(port, 60)
    return process, f"http://127.0.0.1:{port}/dev/recipes"


def direct():
    port = common.free_port()
    process = subprocess.Popen([str(NODE), str(ROOT / "bench/express_direct.cjs"), str(API), str(port)], stdout=subprocess.DEVNULL,
                               env={**os.environ, **ENVIRONMENT, "NODE_PATH": ":".join(map(str, LAYERS))})
    common.wait_port(port)
    return process, f"http://127.0.0.1:{port}/recipes"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", default="1,16")
    args = parser.parse_args()
    if not NODE.exists():
        sys.exit("express.py: no Node 22 in .cache/runtimes: ./dev setup")
    table = Table()
    started = []
    with tempfile.TemporaryDirectory(prefix="savia-bench-") as name, Savia(args.build) as savia:
        try:
            up = subprocess.run([str(ROOT / args.build / "savia"), "up", str(EXAMPLE), "--endpoint", savia.endpoint], capture_output=True, text=True)
            url = re.search(r"http://(\S+execute-api\S*?):(\d+)(/\S*recipes)\s", up.stdout)
            if up.returncode != 0 or not url:
                sys.exit("express.py: savia up: " + up.stdout + up.stderr)
            host, port, path = url.groups()
            peers = {"savia": (savia.process, f"http://127.0.0.1:{port}{path}", [f"Host: {host}"])}
            for kind, (process, where) in (("direct", direct()), ("serverless-offline", offline(pathlib.Path(name)))):
                started.append(process)
                peers[kind] = (process, where, [])
            for connections in map(int, args.connections.split(",")):
                results = {kind: [] for kind in peers}
                for kind, (_, where, headers) in peers.items():
                    common.wrk(where, 3, connections, headers, core="0,1")  # warm: code compiled, environments started
                for _ in range(args.rounds):
                    for kind in random.sample(list(peers), len(peers)):
                        process, where, headers = peers[kind]
                        before = common.tree_cpu_ns(process.pid)
                        requests, rate, p50 = common.wrk(where, args.seconds, connections, headers, core="0,1")
                        results[kind].append((rate, p50, (common.tree_cpu_ns(process.pid) - before) / 1000 / requests))
                        time.sleep(0.3)
                rates = {kind: median(r[0] for r in runs) for kind, runs in results.items()}
                for kind, runs in results.items():
                    more = f", {savia.get('/_savia/status')['environments']['all']} environments" if kind == "savia" else ""
                    table.add(f"Express example, {connections} connection{'s' if connections > 1 else ''}, {kind}",
                              f"{rates[kind]:.0f}/s, p50 {median(r[1] for r in runs):.2f} ms, {median(r[2] for r in runs):.0f} µs CPU{more}")
                barred = connections > 1  # rates are of a loaded server; one connection shows latency
                for kind, bar in (("serverless-offline", 4), ("direct", 0.6)):
                    ratio = rates["savia"] / rates[kind]
                    table.add(f"  savia : {kind}", f"{ratio:.2f}×", f"≥ {bar}×" if barred else "", ratio >= bar if barred else None)
        finally:
            for process in started:
                common.stop(process)
    table.done()


if __name__ == "__main__":
    main()
