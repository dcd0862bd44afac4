"""Project rules as a test: each rule names what to write instead, and none is wider than this check. Run by ./dev lint."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# (pattern, what to write instead, files that may)
BANNED = [
    (r"\bstd::regex\b", "RE2 (linear time on user input)", ()),
    (r"\bco_await\b|\bco_return\b", "a state machine (g++ 12 miscompiles coroutines)", ()),
    (r"#include\s*<(filesystem|regex|iostream)>", "os/ helpers, RE2, fmt or log_event", ()),
    (r"\bassert\(", "CHECK for our own invariants, an Error for input", ()),
    (r"\brand\(\)|\bsrand\(", "Random (base/random.h)", ()),
    (r"\busing namespace (?!internal)\w", "qualified names", ()),
    (r"\bTODO\b|\bFIXME\b|\bXXX\b", "finish it, or say in the program's answer that it is not built", ()),
]
LINES = {".cc": 800, ".h": 300}
# Rules about weight and style of the product; tests, benchmarks and fuzz entries may be plainer.
PRODUCT_ONLY = {r"#include\s*<(filesystem|regex|iostream)>", r"\busing namespace (?!internal)\w"}


def is_product(rel):
    return rel.startswith("src/") and not re.search(r"(_test|_bench|_fuzz)\.cc$|/(testing|fuzz_entry|corpus)\.h$", rel)


def files():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src", "bench"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / f for f in out.split() if f.endswith((".cc", ".h")) and (ROOT / f).exists()]


def main():
    bad = []
    for file in files():
        rel = file.relative_to(ROOT).as_posix()
        text = file.read_text()
        lines = text.count("\n")
        if lines > LINES[file.suffix]:
            bad.append(f"{rel}: {lines} lines, more than {LINES[file.suffix]}: split it by noun")
        for pattern, instead, may in BANNED:
            if rel in may or (pattern in PRODUCT_ONLY and not is_product(rel)):
                continue
            for match in re.finditer(pattern, text):
                at = text.count("\n", 0, match.start()) + 1
                line = text.splitlines()[at - 1]
                if "//" in line[: line.find(match.group(0)) + 1] and not pattern.startswith(r"\bTODO"):
                    continue
                bad.append(f"{rel}:{at}: {match.group(0)}: write {instead}")
    print("\n".join(bad) if bad else "tidy: no rule is broken")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
