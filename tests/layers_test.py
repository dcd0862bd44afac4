"""Holds every #include under src/ against src/layers.txt. Run by ./dev lint and ./dev test."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def rules():
    allowed = {}
    for line in (ROOT / "src/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            folder, _, others = line.partition(":")
            allowed[folder.strip()] = set(others.split())
    return allowed


def module_of(path, modules):
    """The longest module name that is a prefix of the path."""
    parts = path.split("/")
    for n in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:n])
        if name in modules:
            return name
    return None


def violations():
    allowed = rules()
    found = []
    for name, others in allowed.items():
        for other in others - set(allowed):
            found.append(f"src/layers.txt: {name} names {other}, which has no line of its own")
    for file in sorted((ROOT / "src").rglob("*")):
        if file.suffix not in (".cc", ".h"):
            continue
        rel = file.relative_to(ROOT / "src").as_posix()
        module = module_of(rel, allowed)
        if module is None:
            found.append(f"src/{rel}: its folder has no line in src/layers.txt")
            continue
        for target in INCLUDE.findall(file.read_text()):
            if target.endswith(("_keys.h", "models_index.h")) and "/" not in target:
                continue  # generated from models/
            if not (ROOT / "src" / target).exists():
                found.append(f'src/{rel}: includes "{target}", which is not below src/ (use <> for libraries)')
                continue
            other = module_of(target, allowed)
            if other != module and other not in allowed[module]:
                found.append(f"src/{rel}: {module} must not include {other} ({target}); src/layers.txt says what it may")
    return found


if __name__ == "__main__":
    bad = violations()
    print("\n".join(bad) if bad else "layers: every include is allowed")
    sys.exit(1 if bad else 0)
