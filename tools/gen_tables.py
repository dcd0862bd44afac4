#!/usr/bin/env python3
"""models/<service>.json -> C++ tables.

    tools/gen_tables.py MODEL OUTDIR            writes OUTDIR/<service>_model.cc and OUTDIR/<service>_keys.h
    tools/gen_tables.py --index OUTDIR MODEL…   writes OUTDIR/models_index.cc and OUTDIR/models_index.h

CMake calls it. The rows are those of src/aws/model.h: offsets into one text pool per service, nothing that needs code or
relocations at start. Python's standard library only.
"""

import json
import pathlib
import re
import sys

NONE = 0xFFFFFFFF
CPP_WORDS = set(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept
    const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double
    dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept
    not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof
    static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union
    unsigned using virtual void volatile wchar_t while xor xor_eq
    NULL EOF errno stdin stdout stderr major minor makedev unix linux assert signal DOMAIN OVERFLOW UNDERFLOW TRY CHECK""".split()
)
PROTOCOLS = {"rest-json": "kRestJson", "query": "kQuery", "ec2": "kEc2", "rest-xml": "kRestXml", "smithy-rpc-v2-cbor": "kCbor"}
PROTOCOL_BITS = ["kJson10", "kJson11", "kRestJson", "kQuery", "kEc2", "kRestXml", "kCbor"]
KINDS = {
    "structure": "kStructure", "list": "kList", "map": "kMap", "string": "kString", "character": "kString", "byte": "kInteger",
    "short": "kInteger", "integer": "kInteger", "long": "kLong", "biginteger": "kLong", "float": "kFloat", "double": "kDouble",
    "bigdecimal": "kDouble", "boolean": "kBoolean", "blob": "kBlob", "timestamp": "kTimestamp",
}
LOCATIONS = {"uri": "kUri", "querystring": "kQuery", "header": "kHeader", "headers": "kHeaders", "statusCode": "kStatusCode"}
FORMATS = {"iso8601": "kIso8601", "rfc822": "kRfc822", "unixTimestamp": "kUnix"}
MEMBER_FLAGS = {
    "required": 1, "flattened": 2, "xmlAttribute": 4, "idempotencyToken": 8, "jsonvalue": 16, "streaming": 32,
    "eventpayload": 64, "eventheader": 128, "hostLabel": 256, "box": 512, "sensitive": 1024,
}
SHAPE_FLAGS = {
    "flattened": 1, "box": 2, "sensitive": 4, "streaming": 8, "document": 16, "union": 32, "eventstream": 64, "event": 128,
    "exception": 256, "fault": 512,
}


def identifier(name):
    name = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if name[0].isdigit():
        name = "_" + name
    return name + "_" if name in CPP_WORDS else name


class Pool:
    def __init__(self):
        self.at = {}
        self.bytes = bytearray()

    def __call__(self, text):
        if not text:
            return "{0,0}"
        data = text.encode()
        if text not in self.at:
            self.at[text] = len(self.bytes)
            self.bytes += data
        return f"{{{self.at[text]},{len(data)}}}"

    def literal(self):
        lines = []
        for i in range(0, len(self.bytes), 120):
            line = ""
            for b in self.bytes[i : i + 120]:
                c = chr(b)
                if c in '"\\?':
                    line += "\\" + c
                elif 32 <= b < 127:
                    line += c
                else:
                    line += f"\\{b:03o}"
            lines.append(f'    "{line}"')
        return "\n".join(lines) or '    ""'


def protocols(metadata):
    def one(p):
        if p == "json":
            return "kJson10" if str(metadata.get("jsonVersion", "1.0")) == "1.0" else "kJson11"
        return PROTOCOLS[p]

    first = one(metadata["protocol"])
    bits = 1 << PROTOCOL_BITS.index(first)
    for p in metadata.get("protocols", []):
        bits |= 1 << PROTOCOL_BITS.index(one(p))
    return first, bits


class Writer:
    def __init__(self, service, model):
        self.service = service
        self.model = model
        self.pool = Pool()
        self.number = {n: i for i, n in enumerate(model["shapes"])}
        self.members, self.shapes, self.operations, self.texts, self.errors = [], [], [], [], []

    def member(self, name, ref, required):
        flags = sum(bit for trait, bit in MEMBER_FLAGS.items() if trait != "required" and ref.get(trait))
        if required or ref.get("required"):
            flags |= MEMBER_FLAGS["required"]
        ns = ref.get("xmlNamespace", {})
        if isinstance(ns, str):
            ns = {"uri": ns}
        p = self.pool
        self.members.append(
            f"{{{p(name)},{p(ref.get('locationName', ''))},{p(ref.get('queryName', ''))},{p(ns.get('uri', ''))},"
            f"{p(ns.get('prefix', ''))},{self.number[ref['shape']]},{flags},"
            f"Location::{LOCATIONS.get(ref.get('location'), 'kBody')},"
            f"TimestampFormat::{FORMATS.get(ref.get('timestampFormat'), 'kDefault')}}}"
        )

    def shape(self, name, shape):
        first = len(self.members)
        payload = NONE
        if "members" in shape:
            for n, ref in shape["members"].items():
                if n == shape.get("payload"):
                    payload = len(self.members)
                self.member(n, ref, n in shape.get("required", ()))
        for part in ("member", "key", "value"):
            if part in shape:
                self.member(part, shape[part], False)
        flags = sum(bit for trait, bit in SHAPE_FLAGS.items() if shape.get(trait))
        error = shape.get("error", {})
        flags |= 1024 if error.get("senderFault") else 0
        flags |= (2048 if "min" in shape else 0) | (4096 if "max" in shape else 0)
        enum_first = len(self.texts)
        p = self.pool
        self.texts += [p(v) for v in shape.get("enum", ())]
        ns = shape.get("xmlNamespace", {})
        if isinstance(ns, str):
            ns = {"uri": ns}
        self.shapes.append(
            f"{{{p(name)},{p(shape.get('pattern', ''))},{p(error.get('code', ''))},{p(shape.get('locationName', ''))},"
            f"{p(ns.get('uri', ''))},{p(ns.get('prefix', ''))},{first},{len(self.members) - first},{enum_first},"
            f"{len(self.texts) - enum_first},{payload}u,{flags},{error.get('httpStatusCode', 0)},"
            f"ShapeKind::{KINDS[shape['type']]},TimestampFormat::{FORMATS.get(shape.get('timestampFormat'), 'kDefault')},"
            f"{shape.get('min', 0)},{shape.get('max', 0)}}}"
        )

    def operation(self, name, op):
        path, _, query = op["http"]["requestUri"].partition("?")
        flags = 1 if op.get("listed", True) else 0
        flags |= 2 if op.get("authtype") == "none" else 0
        flags |= 4 if op.get("httpChecksumRequired") or op.get("httpChecksum", {}).get("requestChecksumRequired") else 0
        output = op.get("output", {})
        if "shape" in output:
            members = self.model["shapes"][output["shape"]].get("members", {})
            if any(self.model["shapes"][m["shape"]].get("eventstream") for m in members.values()):
                flags |= 8
        first = len(self.errors)
        self.errors += [str(self.number[e["shape"]]) for e in op.get("errors", ())]
        given = op.get("input", {})
        ns = given.get("xmlNamespace", {})
        paging = op.get("paginator", {})

        def token(key):
            value = paging.get(key, "")
            return p(",".join(value) if isinstance(value, list) else value)

        p = self.pool
        self.operations.append(
            f"{{{p(name)},{p(op['http']['method'])},{p(path)},{p(query)},{p(output.get('resultWrapper', ''))},"
            f"{p(given.get('locationName', ''))},{p(ns.get('uri', '') if isinstance(ns, dict) else ns)},"
            f"{p(op.get('endpoint', {}).get('hostPrefix', ''))},{self.number.get(given.get('shape'), NONE)}u,"
            f"{self.number.get(output.get('shape'), NONE)}u,{first},{len(self.errors) - first},{flags},"
            f"{op['http'].get('responseCode', 200)},{token('input_token')},{token('output_token')},{token('limit_key')},"
            f"{token('result_key')}}}"
        )

    def text(self):
        for name, shape in self.model["shapes"].items():
            self.shape(name, shape)
        for name in sorted(self.model["operations"]):
            self.operation(name, self.model["operations"][name])
        m, p = self.model["metadata"], self.pool
        uri = m.get("xmlNamespace", "")
        uri = uri.get("uri", "") if isinstance(uri, dict) else uri
        first, bits = protocols(m)
        names = ",".join(
            p(t)
            for t in (
                self.service, m.get("serviceId", ""), m.get("apiVersion", ""), m.get("targetPrefix", ""),
                m.get("endpointPrefix", ""), m.get("signingName", m.get("endpointPrefix", "")), uri, m.get("serviceFullName", ""),
            )
        )

        def table(kind, name, rows):
            if not rows:
                return f"constexpr const {kind}* {name} = nullptr;\n"
            return f"constexpr {kind} {name}[] = {{\n    " + ",\n    ".join(rows) + "};\n"

        return (
            f"// Generated by tools/gen_tables.py from models/{self.service}.json ({self.model.get('origin', '')}).\n"
            '#include "models_index.h"\n#include "aws/model.h"\n\nnamespace savia::aws {\nnamespace {\n'
            "using namespace tables;\n"
            f"constexpr char kPool[] =\n{self.pool.literal()};\n"
            + table("MemberRow", "kMembers", self.members)
            + table("ShapeRow", "kShapes", self.shapes)
            + table("OperationRow", "kOperations", self.operations)
            + table("Str", "kTexts", self.texts)
            + table("uint32_t", "kErrors", self.errors)
            + f"constexpr Tables kTables = {{kPool, kShapes, kMembers, kOperations, kTexts, kErrors, {len(self.shapes)}, "
            f"{len(self.operations)}, {names}, {bits}, Protocol::{first}, "
            f"{'true' if 'awsQueryCompatible' in m else 'false'}}};\n"
            f"}}  // namespace\n\nServiceModel {identifier(self.service)}_model() {{ return ServiceModel(&kTables); }}\n\n"
            "}  // namespace savia::aws\n"
        )


def keys(service, model):
    names = sorted({n for s in model["shapes"].values() for n in s.get("members", {})})
    rows = "".join(f'inline constexpr std::string_view {identifier(n)} = "{n}";\n' for n in names)
    space = identifier(service)
    return (
        f"// Generated by tools/gen_tables.py from models/{service}.json: names of members, for Value::find and set.\n"
        f"#pragma once\n\n#include <string_view>\n\nnamespace savia::{space}::k {{\n{rows}}}  // namespace savia::{space}::k\n"
    )


def index(out, paths):
    names = sorted(pathlib.Path(p).stem for p in paths)
    header = (
        '// Generated by tools/gen_tables.py.\n#pragma once\n\n#include "aws/model.h"\n\nnamespace savia::aws {\n'
        + "".join(f"ServiceModel {identifier(n)}_model();\n" for n in names)
        + "}  // namespace savia::aws\n"
    )
    source = (
        '// Generated by tools/gen_tables.py.\n#include "models_index.h"\n\nnamespace savia::aws {\n\n'
        "std::vector<ServiceModel> all_models() {\n  return {"
        + ", ".join(f"{identifier(n)}_model()" for n in names)
        + "};\n}\n\nServiceModel find_model(std::string_view name) {\n"
        + "".join(f'  if (name == "{n}") return {identifier(n)}_model();\n' for n in names)
        + "  return ServiceModel();\n}\n\n}  // namespace savia::aws\n"
    )
    write(out / "models_index.h", header)
    write(out / "models_index.cc", source)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main():
    if sys.argv[1] == "--index":
        return index(pathlib.Path(sys.argv[2]), sys.argv[3:])
    path, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    model = json.loads(path.read_text(encoding="utf-8"))
    write(out / f"{path.stem}_model.cc", Writer(path.stem, model).text())
    write(out / f"{path.stem}_keys.h", keys(path.stem, model))


if __name__ == "__main__":
    main()
