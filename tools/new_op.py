#!/usr/bin/env python3
"""Adds an AWS operation to a service: lists it, takes its shapes into the model, and prints them and what is left to write.

    ./dev new-op SERVICE OPERATION [--botocore PATH]

PATH is a botocore package, or its data folder, not older than the one the model was taken from (an older one would take facts of
other operations away). Without it, where the shapes are not in the model yet, the command that brings them is printed.
"""
import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
DEPTH = 6  # of nested shapes that are printed
ERRORS = 12


def known_services():
    lines = (line.split("#")[0].split() for line in (MODELS / "services.txt").read_text().splitlines())
    return [words[0] for words in lines if words]


def load(service):
    return json.loads((MODELS / f"{service}.json").read_text())


def version(text):
    return tuple(int(n) for n in re.findall(r"\d+", text)[:3])


def list_operation(service, operation):
    """Names the operation in models/listed/SERVICE.txt, or takes its exclusion away. Says whether the file changed."""
    path = MODELS / "listed" / f"{service}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    words = {w for line in lines for w in line.split("#")[0].split()}
    if f"-{operation}" in words:
        lines = [re.sub(rf"(^|\s)-{operation}(?=\s|$)", r"\1", line).rstrip() for line in lines]
        lines = [line.strip() if not line.startswith("#") else line for line in lines if line.strip()]
    elif operation in words or "*" in words:
        return False
    else:
        lines.append(operation)
    path.write_text("\n".join(lines) + "\n")
    return True


def data_folder(path):
    for folder in (path, path / "data", path / "botocore/data"):
        if (folder / "_retry.json").exists() or (folder / "endpoints.json").exists():
            return folder
    sys.exit(f"new-op: {path} is no botocore: neither endpoints.json nor data/endpoints.json is there")


def source_of(service, path):
    """The data folder of a botocore that is new enough for this model."""
    data = data_folder(path)
    init = data.parent / "__init__.py"
    found = re.search(r"__version__\s*=\s*['\"]([\d.]+)", init.read_text()) if init.exists() else None
    has = load(service)["origin"]
    if not found or version(found.group(1)) < version(has.split(",")[0]):
        sys.exit(f"new-op: {data.parent} is botocore {found.group(1) if found else 'of unknown version'}; the model is from {has.split(',')[0]}: take that or a newer one")
    return data


def import_model(service, data):
    subprocess.run([sys.executable, ROOT / "tools/import_models.py", "--source", data, "--out", MODELS, service], check=True)


def describe(shape):
    """The facts of a simple shape that validation uses, in a few words."""
    out = [shape["type"]]
    if "enum" in shape:
        out.append("one of " + ", ".join(shape["enum"][:8]) + (", …" if len(shape["enum"]) > 8 else ""))
    if "min" in shape or "max" in shape:
        out.append(f"{shape.get('min', '')}..{shape.get('max', '')}")
    if "pattern" in shape:
        out.append("matches " + shape["pattern"])
    return "  ".join(out + [word for word in ("sensitive", "streaming") if shape.get(word)])


def print_shape(shapes, name, above=()):
    shape, pad = shapes[name], "  " * (len(above) + 1)
    for member, ref in shape.get("members", {}).items():
        inner, notes, target = shapes[ref["shape"]], [], ref["shape"]
        if ref.get("location"):
            notes.append(f"in {ref['location']}" + (f" as {ref['locationName']}" if ref.get("locationName", member) != member else ""))
        kind = describe(inner)
        if inner["type"] in ("list", "map"):
            target = (inner.get("member") or inner.get("value"))["shape"]
            kind += " of " + (target if shapes[target]["type"] == "structure" else describe(shapes[target]))
        elif inner["type"] == "structure":
            kind = target
        must = "*" if member in shape.get("required", ()) else ""
        print(f"{pad}{member}{must}: {kind}" + (f"  ({', '.join(notes)})" if notes else ""))
        if shapes[target]["type"] == "structure" and target not in above and len(above) < DEPTH:
            print_shape(shapes, target, (*above, target))


def print_operation(model, operation):
    op = model["operations"][operation]
    print(f"{operation}: {op['http']['method']} {op['http']['requestUri']}, {model['metadata']['protocol']}, answers {op['http'].get('responseCode', 200)}")
    for direction in ("input", "output"):
        shape = op.get(direction, {}).get("shape")
        print(f"\n{direction}" + (f" {shape}   (* required)" if shape and direction == "input" else f" {shape or '(none)'}"))
        if shape:
            print_shape(model["shapes"], shape, (shape,))
    errors = [e["shape"] for e in op.get("errors", [])]
    print("\nerrors " + (", ".join(errors[:ERRORS]) + (f" and {len(errors) - ERRORS} more" if len(errors) > ERRORS else "") if errors else "(none of its own)"))
    if "paginator" in op:
        print("pages by " + json.dumps(op["paginator"]))


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def print_next(service, operation):
    folder = ROOT / "src/services" / service
    rows = []
    for file in sorted(folder.glob("*.cc")) if folder.exists() else []:
        if not file.name.endswith(("_test.cc", "_fuzz.cc")):
            rows += [f"{file.relative_to(ROOT)}:{n}" for n, line in enumerate(file.read_text().splitlines(), 1) if f'"{operation}"' in line]
    print("\nnext")
    if rows:
        print(f"  it may be there already: {', '.join(rows)}")
    elif not folder.exists():
        print(f"  src/services/{service}/ is not there: start it as ARCHITECTURE.md says (src/services/sts is the smallest), name it in\n"
              "    CMakeLists.txt (savia_module), src/layers.txt and where src/server constructs the services")
    print(f"  a row \"{operation}\" in operations() of src/services/{service}, as its neighbours stand there\n"
          f"  its body, Outcome {snake(operation)}(const CallContext&, const Value&), in the file of its noun; SQL only in store.cc\n"
          f"  a test beside it, and one of tests/it_*.py if clients see something new\n"
          f"  ./dev test {service} && ./dev docs      prints docs/coverage.md; until there is a row the operation answers 501")


def main():
    parser = argparse.ArgumentParser(prog="./dev new-op", description=__doc__.split("\n")[0])
    parser.add_argument("service", help="as in models/services.txt")
    parser.add_argument("operation", help="as AWS spells it")
    parser.add_argument("--botocore", type=pathlib.Path, help="a botocore to take the shapes from")
    args = parser.parse_args()
    if args.service not in known_services():
        sys.exit(f"new-op: no service {args.service}; there are: {', '.join(known_services())}")
    model = load(args.service)
    if args.operation not in model["operations"]:
        near = [name for name in model["operations"] if args.operation.lower() in name.lower()]
        sys.exit(f"new-op: {args.service} has no operation {args.operation}" + (f"; near: {', '.join(near[:8])}" if near else ""))
    source = source_of(args.service, args.botocore) if args.botocore else None
    if list_operation(args.service, args.operation):
        print(f"models/listed/{args.service}.txt: lists {args.operation}")
    if not model["operations"][args.operation].get("listed", True):
        if source is None:
            needs = model["origin"].split(",")[0].replace("botocore ", "botocore>=")
            print(f"its shapes are not in the model yet; bring them with\n  python3 -m pip install --target .cache/botocore '{needs}'\n"
                  f"  ./dev new-op {args.service} {args.operation} --botocore .cache/botocore/botocore")
            return 1
        import_model(args.service, source)
        model = load(args.service)
    print_operation(model, args.operation)
    print_next(args.service, args.operation)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it quietly
    sys.exit(main())
