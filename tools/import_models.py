#!/usr/bin/env python3
"""Takes facts from AWS's public service models (as botocore packages them) into models/<service>.json.

    tools/import_models.py --source DIR [--out models] [SERVICE…]

DIR is botocore's data folder, found by `python3 -c "import botocore, os; print(os.path.join(botocore.__path__[0], 'data'))"`;
without --source the botocore of this Python is taken. What is written holds no documentation text: metadata, every
operation's name and route, and, for the operations that models/listed/<service>.txt names, everything that parsing,
rendering and validating them needs. Operations that are not listed are known by name only and answer 501.

models/services.txt names the services: our name, botocore's folder. models/patches/<service>.json holds corrections:
a list of {"reason": …, "merge": {…}}, each a JSON merge patch (RFC 7396) over the result; the reason stays in the patch.
The output is committed; run this again to follow a newer botocore, and read the diff.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys

SHAPE_FACTS = (
    "type", "required", "min", "max", "pattern", "enum", "sensitive", "streaming", "document", "union", "eventstream",
    "event", "error", "exception", "fault", "payload", "flattened", "box", "timestampFormat", "locationName", "xmlNamespace",
    "wrapper",
)
MEMBER_FACTS = (
    "shape", "location", "locationName", "queryName", "flattened", "xmlAttribute", "xmlNamespace", "idempotencyToken",
    "jsonvalue", "streaming", "eventpayload", "eventheader", "hostLabel", "box", "timestampFormat", "sensitive",
)
METADATA_FACTS = (
    "apiVersion", "awsQueryCompatible", "endpointPrefix", "jsonVersion", "protocol", "protocols", "serviceFullName",
    "serviceId", "signatureVersion", "signingName", "targetPrefix", "xmlNamespace",
)
PAGING_FACTS = ("input_token", "output_token", "limit_key", "result_key")


def load(path):
    for name, opener in ((path, open), (path.with_name(path.name + ".gz"), gzip.open)):
        if name.exists():
            with opener(name, "rt", encoding="utf-8") as f:
                return json.load(f)
    return None


def pick(source, names):
    return {n: source[n] for n in names if n in source}


def shape_facts(shape):
    out = pick(shape, SHAPE_FACTS)
    if "members" in shape:
        out["members"] = {n: pick(m, MEMBER_FACTS) for n, m in shape["members"].items()}
    for part in ("member", "key", "value"):
        if part in shape:
            out[part] = pick(shape[part], MEMBER_FACTS)
    return out


def reach(shapes, name, found):
    """Adds the shape and all that it refers to."""
    todo = [name]
    while todo:
        n = todo.pop()
        if n in found:
            continue
        found.add(n)
        shape = shapes[n]
        todo += [m["shape"] for m in shape.get("members", {}).values()]
        todo += [shape[p]["shape"] for p in ("member", "key", "value") if p in shape]


def operation_facts(op, listed, paginator):
    out = {"http": pick(op["http"], ("method", "requestUri", "responseCode"))}
    if op.get("authtype") in ("none",) or op.get("auth") == ["smithy.api#noAuth"]:
        out["authtype"] = "none"
    if "endpoint" in op and "hostPrefix" in op["endpoint"]:
        out["endpoint"] = {"hostPrefix": op["endpoint"]["hostPrefix"]}
    if not listed:
        out["listed"] = False
        return out
    if "input" in op:
        out["input"] = pick(op["input"], ("shape", "locationName", "xmlNamespace"))
    if "output" in op:
        out["output"] = pick(op["output"], ("shape", "resultWrapper", "locationName", "xmlNamespace"))
    if op.get("errors"):
        out["errors"] = [{"shape": e["shape"]} for e in op["errors"]]
    for fact in ("httpChecksumRequired", "httpChecksum"):
        if fact in op:
            out[fact] = op[fact]
    if paginator:
        out["paginator"] = pick(paginator, PAGING_FACTS)
    return out


def read_listed(path, operations):
    """Names of listed operations; `*` is all of them. A name that the model does not have is an error."""
    if not path.exists():
        return set()
    words = set()
    for line in path.read_text().splitlines():
        words |= set(line.split("#")[0].split())
    if "*" in words:
        words |= set(operations)
        words.discard("*")
    without = {w[1:] for w in words if w.startswith("-")}
    words = {w for w in words if not w.startswith("-")} - without
    unknown = (words | without) - set(operations)
    if unknown:
        sys.exit(f"{path}: unknown operations: {', '.join(sorted(unknown))}")
    return words


def merge(target, patch):
    """RFC 7396: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def convert(service, folder, source, out):
    versions = sorted(p for p in (source / folder).iterdir() if p.is_dir())
    model = load(versions[-1] / "service-2.json")
    paging = (load(versions[-1] / "paginators-1.json") or {}).get("pagination", {})
    listed = read_listed(out / "listed" / f"{service}.txt", model["operations"])
    found = set()
    operations = {}
    for name in sorted(model["operations"]):
        op = model["operations"][name]
        operations[name] = operation_facts(op, name in listed, paging.get(name))
        if name in listed:
            for ref in [op.get("input"), op.get("output")] + op.get("errors", []):
                if ref:
                    reach(model["shapes"], ref["shape"], found)
    result = {
        "metadata": pick(model["metadata"], METADATA_FACTS),
        "operations": operations,
        "shapes": {n: shape_facts(model["shapes"][n]) for n in sorted(found)},
    }
    patches = out / "patches" / f"{service}.json"
    if patches.exists():
        for patch in json.loads(patches.read_text()):
            if set(patch) != {"reason", "merge"}:
                sys.exit(f"{patches}: a patch has a reason and a merge")
            merge(result, patch["merge"])
    return result


def write(path, model, origin):
    def line(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    parts = ["{", f'"origin":{line(origin)},', f'"metadata":{line(model["metadata"])},']
    for section in ("operations", "shapes"):
        rows = [f"{line(name)}:{line(value)}" for name, value in model[section].items()]
        parts.append(f'"{section}":{{')
        parts.append(",\n".join(rows))
        parts.append("}," if section == "operations" else "}")
    parts.append("}")
    path.write_text("\n".join(p for p in parts if p) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", help="botocore's data folder (default: of the botocore that this Python imports)")
    parser.add_argument("--out", default=str(pathlib.Path(__file__).resolve().parent.parent / "models"))
    parser.add_argument("services", nargs="*", help="names as in models/services.txt (default: all)")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    version = "of unknown version"
    if args.source:
        source = pathlib.Path(args.source)
        init = source.parent / "__init__.py"
        for text in init.read_text().splitlines() if init.exists() else []:
            if text.startswith("__version__"):
                version = text.split("=")[1].strip().strip("'\"")
    else:
        import botocore

        source = pathlib.Path(os.path.join(botocore.__path__[0], "data"))
        version = botocore.__version__
    wanted = set(args.services)
    for text in (out / "services.txt").read_text().splitlines():
        words = text.split("#")[0].split()
        if not words or (wanted and words[0] not in wanted):
            continue
        service, folder = words[0], words[-1]
        model = convert(service, folder, source, out)
        write(out / f"{service}.json", model, f"botocore {version}, {folder}; Apache-2.0")
        listed = sum(1 for op in model["operations"].values() if op.get("listed", True))
        print(f"{service}: {len(model['operations'])} operations, {listed} listed, {len(model['shapes'])} shapes")


if __name__ == "__main__":
    main()
