#!/usr/bin/env python3
"""Start, memory and size of the server without runtimes.

    bench/startup.py [--build build] [--rounds 40]

Start: from exec to the first answer of /_savia/health, over a folder that a server has used before and over a fresh one. On a
machine that does other things as well the quickest tenth tells what the program needs; CPU time until the answer stands beside it.
Memory: server and helper five seconds after the start, when it has given back what only the start needed, without a pool of
runtimes; and again after some work. PSS counts a page that two processes share
once; RSS counts it twice.
"""
import argparse
import pathlib
import re
import subprocess
import tempfile
import time

import common
from common import ROOT, Savia, Table, median


def start_once(build, data):
    server = Savia(build, "--pool", "0", data=data)
    server.wait()
    ms = (time.perf_counter() - server.started) * 1000
    cpu = common.tasks_cpu_ns(server.pid) / 1e6
    server.close()
    return ms, cpu


def resident(pid):
    """(name, PSS, RSS) in MiB of the server's own processes."""
    for p in [pid, *common.children(pid)]:
        name = pathlib.Path(f"/proc/{p}/comm").read_text().strip()
        text = pathlib.Path(f"/proc/{p}/smaps_rollup").read_text()
        yield name, *(int(re.search(rf"^{k}:\s+(\d+)", text, re.M).group(1)) / 1024 for k in ("Pss", "Rss"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="savia-bench-") as used:
        start_once(args.build, used)
        runs = {"used folder": [], "fresh folder": []}
        for i in range(args.rounds):
            runs["used folder"].append(start_once(args.build, used))
            if i % 4 == 0:
                with tempfile.TemporaryDirectory(prefix="savia-bench-") as fresh:
                    runs["fresh folder"].append(start_once(args.build, fresh))
    for name, times in runs.items():
        walls = sorted(t[0] for t in times)
        tenth = walls[len(walls) // 10]
        table.add(f"start to first answer of health, {name}",
                  f"{tenth:.1f} ms (median {median(walls):.1f}, CPU {median(t[1] for t in times):.1f})", "≤ 15 ms", tenth <= 15)
    with Savia(args.build, "--pool", "0") as server:
        time.sleep(5)
        parts = list(resident(server.pid))
        for operation in ("identity", "log-group"):
            subprocess.run([str(ROOT / args.build / "bench/bench_api_load"), f"127.0.0.1:{server.port}", operation, "4", "2000"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1)
        used = list(resident(server.pid))
    pss, rss = sum(p[1] for p in parts), sum(p[2] for p in parts)
    table.add("resident idle: " + " + ".join(p[0] for p in parts), f"{pss:.1f} MiB (RSS added up {rss:.1f})", "≤ 12 MiB", pss <= 12)
    pss, rss = sum(p[1] for p in used), sum(p[2] for p in used)
    table.add("  after 4000 signed calls", f"{pss:.1f} MiB (RSS added up {rss:.1f})", "≤ 12 MiB", pss <= 12)
    size = (ROOT / args.build / "savia").stat().st_size / 1e6
    table.add("the program's file", f"{size:.1f} MB", "≤ 25 MB", size <= 25)
    table.done()


if __name__ == "__main__":
    main()
