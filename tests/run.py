"""Runs every suite and prints one closing line: N passed, N failed, N skipped.

    tests/run.py [--all] [--list] [WORD]     only suites whose name contains WORD

Suites: project rules; the modules' own tests (build/savia_*_test); programs that drive build/savia with aws, boto3, curl and the
JavaScript SDK (tests/it_*.py, tests/sdk); with --all the long ones (tests/long_*.py, current boto3 and aws from PyPI, the modules' tests
under the address and the thread sanitizer, fuzzing).
"""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
NODE22 = ROOT / ".cache/runtimes/nodejs22.x/bin/node"


class Result:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def run(command, env=None, cwd=ROOT, timeout=1500):
    full = dict(os.environ, **(env or {}))
    try:
        done = subprocess.run(command, cwd=cwd, env=full, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b"").decode(errors="replace") + f"\nnot finished after {timeout} s"


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def rule(script):
    def body():
        code, out = run([PYTHON, script])
        return (1, 0, 0, out) if code == 0 else (0, 1, 0, out)
    return body


def gtest(binary):
    def body():
        code, out = run([str(binary), "--gtest_brief=1"])
        passed = number(r"\[  PASSED  \] (\d+) test", out)
        failed = number(r"(\d+) FAILED TEST", out)
        skipped = number(r"\[  SKIPPED \] (\d+) test", out)
        if code != 0 and failed == 0:
            failed = 1  # it crashed
        return passed, failed, skipped, out
    return body


def unittest(module, python=PYTHON, env=None, timeout=1500):
    def body():
        code, out = run([str(python), "-W", "ignore::ResourceWarning", "-m", "unittest", "-v", module], env=env, cwd=ROOT / "tests", timeout=timeout)
        total = number(r"Ran (\d+) test", out)
        failed = number(r"failures=(\d+)", out) + number(r"errors=(\d+)", out)
        skipped = number(r"skipped=(\d+)", out)
        if code != 0 and failed == 0:
            failed = 1
        return max(total - failed - skipped, 0), failed, skipped, out
    return body


def node_tests(folder):
    def body():
        code, out = run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder) if not (folder / "node_modules/.package-lock.json").exists() else (0, "")
        if code != 0:
            return 0, 1, 0, out
        files = sorted(str(f) for f in folder.glob("*.test.mjs"))
        code, out = run([str(NODE22), "--test", "--test-reporter=tap", *files], cwd=folder)
        passed, failed, skipped = number(r"# pass (\d+)", out), number(r"# fail (\d+)", out), number(r"# skipped (\d+)", out)
        return passed, max(failed, 1 if code != 0 else 0), skipped, out
    return body


def venv():
    """PyPI's current clients, pinned, in a virtual environment of their own."""
    folder = ROOT / ".cache/venv"
    if not (folder / "ready").exists():
        code, out = run(["/usr/bin/python3", "-m", "venv", str(folder)])
        if code == 0:
            code, out = run([str(folder / "bin/pip"), "install", "-q", "-r", "tests/requirements.txt"])
        if code != 0:
            return None, out
        (folder / "ready").write_text("")
    return folder, ""


def current_clients():
    def body():
        folder, out = venv()
        if folder is None:
            return 0, 1, 0, out
        totals = [0, 0, 0]
        for module in sorted(p.stem for p in (ROOT / "tests").glob("it_*.py")):
            passed, failed, skipped, text = unittest(module, folder / "bin/python", {"SAVIA_TEST_AWS": str(folder / "bin/aws"), "SAVIA_TEST_ENDPOINT_BY": "environment"})()
            totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
            out += text
        return (*totals, out)
    return body


def sanitized(kind):
    """Builds with a sanitizer, and runs the modules' own tests: any finding fails the program that has it."""
    def body():
        code, out = run(["./dev", "build", f"--{kind}"], timeout=7200)
        if code != 0:
            return 0, 1, 0, out
        return modules_in(ROOT / f"build-{kind}")
    return body


def modules_in(folder):
    totals, text = [0, 0, 0], ""
    for binary in sorted(folder.glob("savia_*_test")):
        passed, failed, skipped, out = gtest(binary)()
        totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
        if failed:
            text += f"{binary.name}\n{out}\n"
    return (*totals, text)


def suites(everything):
    yield "rules: layers", rule("tests/layers_test.py")
    yield "rules: languages", rule("tests/lang_test.py")
    yield "rules: project", rule("tools/tidy.py")
    for binary in sorted((ROOT / "build").glob("savia_*_test")):
        yield f"module: {binary.name[6:-5]}", gtest(binary)
    for file in sorted((ROOT / "tests").glob("it_*.py")):
        yield f"clients: {file.stem[3:]}", unittest(file.stem)
    yield "clients: JavaScript SDK", node_tests(ROOT / "tests/sdk")
    if everything:
        yield "current boto3 and aws", current_clients()
        for file in sorted((ROOT / "tests").glob("long_*.py")):
            yield f"long: {file.stem[5:]}", unittest(file.stem, timeout=7200)
        yield "long: address sanitizer", sanitized("asan")
        yield "long: thread sanitizer", sanitized("tsan")
        yield "long: fuzz", rule_command(["./dev", "fuzz", os.environ.get("SAVIA_FUZZ_SECONDS", "60")])


def rule_command(command):
    def body():
        code, out = run(command, timeout=7200)
        return (1, 0, 0, out) if code == 0 else (0, 1, 0, out)
    return body


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    everything = "--all" in sys.argv
    total = Result()
    broken = []
    for name, body in suites(everything):
        if arguments and not any(a in name for a in arguments):
            continue
        if "--list" in sys.argv:
            print(name)
            continue
        start = time.monotonic()
        passed, failed, skipped, out = body()
        total.add(passed, failed, skipped)
        print(f"{'ok  ' if failed == 0 else 'FAIL'} {name:<28} {passed:>5} passed{f', {failed} failed' if failed else ''}{f', {skipped} skipped' if skipped else ''}  {time.monotonic() - start:.1f} s", flush=True)
        for line in dict.fromkeys(out.splitlines()):  # each once: a suite may start many servers
            if line.startswith(("not run:", "weaker:")):
                print("     " + line)
        if failed:
            broken.append(name)
            print("\n".join("     " + line for line in out.splitlines()[-120:]), flush=True)
    if "--list" in sys.argv:
        return 0
    print(f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
