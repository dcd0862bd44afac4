#!/usr/bin/env python3
"""The control plane: latency of signed calls at one connection, and rates at sixteen beside moto and beside a bare commit loop.

    bench/control.py [--build build] [--rounds 3]

bench_api_load makes the same signed requests for both servers. Server on core 1, load generator on core 0. Rounds alternate
between the peers and the figures are medians. moto keeps all in memory; Savia's writes are on the disk (WAL, synchronous=FULL)
before they are answered. The bare loop (bench_group_commit) writes rows of the same size with one prepared INSERT and nothing else.
"""
import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile

import common
from common import ROOT, Savia, Table, median

NAMES = {"identity": "GetCallerIdentity", "function": "GetFunction", "log-group": "CreateLogGroup", "rest-api": "CreateRestApi",
         "tag": "TagResource"}


def load(build, port, operation, connections, count, seconds=5):
    out = subprocess.run(["taskset", "-c", "0", str(ROOT / build / "bench/bench_api_load"), f"127.0.0.1:{port}", operation,
                          str(connections), str(count), str(seconds)], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"control.py: {operation}: {out.stdout}{out.stderr}")
    return json.loads(out.stdout)


def create_function(port):
    import boto3
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("index.js", "exports.handler = async () => ({});\n")
    client = boto3.client("lambda", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="test",
                          aws_secret_access_key="test")
    client.create_function(FunctionName="bench", Runtime="nodejs22.x", Handler="index.handler", Role="arn:aws:iam::000000000000:role/bench",
                           Code={"ZipFile": archive.getvalue()})
    client.get_waiter("function_active_v2").wait(FunctionName="bench")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    table = Table()
    moto, moto_port = common.moto(pin=1)
    try:
        with Savia(args.build, "--pool", "0", pin=1) as savia:
            create_function(savia.port)
            for operation, count, bar in (("identity", 4000, 200), ("function", 4000, 200), ("log-group", 1000, 1000), ("rest-api", 200, 1000),
                                          ("tag", 1000, 1000)):
                runs = [load(args.build, savia.port, operation, 1, count) for _ in range(args.rounds)]
                p50 = median(r["p50_us"] for r in runs)
                table.add(f"{NAMES[operation]}, one connection, p50", f"{p50:.0f} µs (p99 {median(r['p99_us'] for r in runs):.0f})",
                          f"≤ {bar / 1000:g} ms", p50 <= bar)
            rates = {}
            for operation in ("identity", "log-group"):
                ours, theirs, cpu = [], [], []
                for _ in range(args.rounds):
                    before = common.tasks_cpu_ns(savia.pid)
                    r = load(args.build, savia.port, operation, 16, 40000)
                    cpu.append((common.tasks_cpu_ns(savia.pid) - before) / 1000 / r["requests"])
                    ours.append(r["rps"])
                    theirs.append(load(args.build, moto_port, operation, 16, 1500)["rps"])
                rates[operation] = median(ours)
                ratio = median(ours) / median(theirs)
                table.add(f"{NAMES[operation]}, 16 connections, beside moto",
                          f"{median(ours):.0f}/s : {median(theirs):.0f}/s = {ratio:.0f}× ({median(cpu):.0f} µs CPU)", "≥ 20×", ratio >= 20)
    finally:
        common.stop(moto)
    with tempfile.TemporaryDirectory(prefix="savia-bench-", dir=ROOT) as folder:
        out = subprocess.run(["taskset", "-c", "0,1", str(ROOT / args.build / "bench/bench_group_commit"), "1", folder], capture_output=True, text=True, check=True).stdout
    for clients, ours, bare, ratio in re.findall(r"clients=(\d+) ours_per_s=(\d+) bare_per_s=(\d+) .*ratio=([\d.]+)", out):
        table.add(f"writes of the store beside a bare group-commit loop, {clients} clients", f"{ours}/s : {bare}/s = {ratio}×", "≥ 0.5×", float(ratio) >= 0.5)
        if clients == "16":
            table.add("  the same through the API, signed CreateLogGroup", f"{rates['log-group']:.0f}/s = {rates['log-group'] / int(bare):.2f}× of bare")
    table.done()


if __name__ == "__main__":
    main()
