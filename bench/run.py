#!/usr/bin/env python3
"""Runs the benchmarks and prints their ratios: ./dev bench [--list] [--build DIR] [--readme] [NAME…]

Without names all run, one after the other. Each starts the servers and peers that it needs and ends them. Peers that Debian does not
have come from PyPI and npm in pinned versions, into .cache. --readme writes the table into README.md and README.es.md, between the
lines <!-- figures --> and <!-- /figures -->.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

from common import CACHE, ROOT

# Modules of the application that bench_lambda starts.
APP = {"express": "5.1.0", "serverless-http": "4.0.0"}


def app_dir():
    home = CACHE / "bench-app"
    wanted = " ".join(f"{n}@{v}" for n, v in APP.items())
    mark = home / "installed"
    if not mark.exists() or mark.read_text() != wanted:
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(home), *wanted.split()], check=True)
        mark.write_text(wanted)
    return str(home)


def row(what, figure, bar="", good=None):
    return {"what": what, "figure": figure, "bar": bar, "good": good}


def lambda_rows(out):
    for name, engine, bare, share in re.findall(r"warm (\S+)\s+engine p50\s+([\d.]+) us.*?bare loop p50\s+([\d.]+) us\s+own share\s+(-?[\d.]+)", out):
        yield row(f"Warm {name}: engine p50 less a minimal Unix-socket loop", f"{engine} − {bare} = {share} µs", "≤ 100 µs", float(share) <= 100)
    base = re.search(r"node -e 0 ([\d.]+) ms \+ load ([\d.]+) ms = ([\d.]+) ms", out)
    fresh = re.search(r"fresh\s+p50\s+([\d.]+) ms.*?([\d.]+) x", out)
    pooled = re.search(r"pooled p50\s+([\d.]+) ms.*?([\d.]+) x", out)
    if base and fresh and pooled:
        yield row("Cold, Express, fresh process : node -e 0 + its load time", f"{fresh[1]} : {base[3]} ms = {fresh[2]}×", "≤ 1.3×", float(fresh[2]) <= 1.3)
        yield row("Cold, Express, runtime from the pool : fresh process", f"{pooled[1]} : {fresh[1]} ms = {pooled[2]}×", "≤ 0.75×", float(pooled[2]) <= 0.75)


def edge_rows(out):
    for case, body in re.findall(r"^(\w+) \(/[^\n]*\n(.*?)(?=^\w+ \(/|\Z)", out, re.M | re.S):
        us = {m[0]: float(m[1]) for m in re.findall(r"^\s+(\w+)\s+([\d.]+) us/req", body, re.M)}
        if len(us) < 2:
            continue
        peer = min((p for p in us if p != "savia"), key=us.get)
        ratio = us["savia"] / us[peer]
        barred = case in ("mock", "proxy")
        name = {"mock": "MOCK", "proxy": "HTTP proxy"}.get(case, case)
        yield row(f"Edge, {name}: CPU a request, beside {peer}", f"{us['savia']:.1f} : {us[peer]:.1f} µs = {ratio:.2f}×", "≤ 1×" if barred else "",
                  ratio <= 1.1 if barred else None)  # differences below 10 % are ties


def matcher_rows(out):
    one = re.search(r"^1 route\s+([\d.]+) ns", out, re.M)
    more = [float(m) for m in re.findall(r"([+-]\s*[\d.]+) ns against one route", out.replace("+ ", "+"))] or [
        float(m.replace(" ", "")) for m in re.findall(r"([+-]\s*[\d.]+) ns against", out)]
    if one and more:
        yield row("Matcher, 10,000 routes against one", f"{one[1]} ns, at most {max(more):+.0f} ns", "≤ +1000 ns", max(more) <= 1000)


def sandbox_rows(out):
    m = re.search(r"sandbox, pool filled:\s+started p50 ([\d.]+).*?first byte p50 ([\d.]+)", out)
    back = re.search(r"back to back:\s+started p50 ([\d.]+)", out)
    if m and back:
        yield row("Sandbox: request to started, prepared / back to back", f"{m[1]} / {back[1]} ms")


def node_path():
    return {**os.environ, "PATH": f"{CACHE / 'runtimes/nodejs22.x/bin'}:{os.environ['PATH']}"}


# name, what it tells, command (from the build folder), reader of its rows (None: the program writes them itself)
BENCHMARKS = {
    "startup": ("start, memory and size", lambda b: ["/usr/bin/python3", "bench/startup.py", "--build", b], None),
    "control": ("signed calls, beside moto and a bare commit loop", lambda b: ["/usr/bin/python3", "bench/control.py", "--build", b], None),
    "express": ("the example, beside plain Express and serverless-offline", lambda b: ["/usr/bin/python3", "bench/express.py", "--build", b], None),
    "lambda": ("own share of a warm call, cold starts", lambda b: [f"{b}/bench/bench_lambda", app_dir(), "nodejs22.x"], lambda_rows),
    "edge": ("CPU a request, beside nginx and HAProxy", lambda b: ["/usr/bin/python3", "bench/edge.py", "--build", b, "--only", "mock,proxy"], edge_rows),
    "matcher": ("routes", lambda b: [f"{b}/bench/bench_matcher"], matcher_rows),
    "sandbox": ("start of a sandbox", lambda b: [f"{b}/bench/bench_sandbox"], sandbox_rows),
}


def run(name, build):
    """The rows of one benchmark; its output is shown as it comes."""
    _, command, reader = BENCHMARKS[name]
    print(f"\n== {name}: {BENCHMARKS[name][0]}", flush=True)
    started = time.monotonic()
    with tempfile.NamedTemporaryFile() as rows_file:
        process = subprocess.Popen(command(build), cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**node_path(), "SAVIA_BENCH_ROWS": rows_file.name})
        lines = []
        for line in process.stdout:
            lines.append(line)
            print(line, end="", flush=True)
        process.wait()
        rows = list(reader("".join(lines))) if reader else json.loads(pathlib.Path(rows_file.name).read_text() or "[]")
    print(f"   {time.monotonic() - started:.0f} s", flush=True)
    if not rows:
        print(f"   {name} ended with {process.returncode} and gave no figures")
    return rows, not rows


def markdown(results, command):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} cores, {cpu[1].strip() if cpu else platform.machine()}, Linux {platform.release().split('-')[0]}"
    lines = [f"`{command}`, {datetime.date.today().isoformat()}, {machine}:", "", "| what | measured | goal | |", "|---|---|---|---|"]
    for rows in results.values():
        for r in rows:
            verdict = "" if r["good"] is None else ("✓" if r["good"] else "missed")
            lines.append(f"| {r['what'].strip()} | {r['figure']} | {r['bar']} | {verdict} |")
    return "\n".join(lines) + "\n"


def into_readme(table):
    for name in ("README.md", "README.es.md"):
        path = ROOT / name
        text = path.read_text()
        head, mark, rest = text.partition("<!-- figures -->\n")
        if not mark:
            sys.exit(f"bench: {name} has no line <!-- figures -->")
        tail = rest.partition("<!-- /figures -->\n")[2] if "<!-- /figures -->\n" in rest else rest
        path.write_text(head + mark + table + "<!-- /figures -->\n" + tail)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--build", default="build")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--readme", action="store_true", help="write the table into the READMEs")
    args = parser.parse_args()
    if args.list:
        for name, (what, _, _) in BENCHMARKS.items():
            print(f"{name:10} {what}")
        return
    unknown = [n for n in args.names if n not in BENCHMARKS]
    if unknown:
        sys.exit(f"bench: no benchmark named {', '.join(unknown)}; ./dev bench --list names them")
    if args.readme and args.names:
        sys.exit("bench: --readme takes the figures of all benchmarks: give no names")
    results, failed = {}, False
    for name in args.names or BENCHMARKS:
        results[name], bad = run(name, args.build)
        failed = failed or bad
    table = markdown(results, "./dev bench" + "".join(" " + n for n in args.names))
    print("\n" + table)
    CACHE.mkdir(exist_ok=True)
    (CACHE / "bench.md").write_text(table)
    if args.readme:
        into_readme(table)
    missed = [r["what"].strip() for rows in results.values() for r in rows if r["good"] is False]
    print("all goals met" if not missed else "missed: " + "; ".join(missed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
