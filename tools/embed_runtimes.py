#!/usr/bin/env python3
"""runtimes/ -> one C++ table, so that the program needs no files beside it.

    tools/embed_runtimes.py OUT.cc RUNTIMES_DIR
"""
import pathlib
import sys

LITERAL = 8000  # bytes of one string literal; compilers limit the length of one


def literal(data):
    text = ""
    for byte in data:
        if byte == 0x0A:
            text += "\\n"
        elif byte in (0x22, 0x5C, 0x3F):
            text += "\\" + chr(byte)
        elif 0x20 <= byte < 0x7F:
            text += chr(byte)
        else:
            text += "\\%03o" % byte
    return '"' + text + '"'


def main():
    out, root = sys.argv[1], pathlib.Path(sys.argv[2])
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix in (".cjs", ".mjs", ".py"))
    lines = [
        "// Written by tools/embed_runtimes.py.",
        '#include "services/lambda/engine/bootstraps.h"',
        "namespace savia::lambda {",
        "const std::vector<EmbeddedFile>& embedded_runtimes() {",
        "  static const std::vector<EmbeddedFile> files = {",
    ]
    for path in files:
        data = path.read_bytes()
        parts = [literal(data[i : i + LITERAL]) for i in range(0, len(data), LITERAL)] or ['""']
        lines.append('    {"%s", {%s, %d}},' % (path.relative_to(root).as_posix(), "\n      ".join(parts), len(data)))
    lines += ["  };", "  return files;", "}", "}  // namespace savia::lambda", ""]
    text = "\n".join(lines)
    target = pathlib.Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


main()
