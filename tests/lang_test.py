"""Every message of the command line has its Spanish. Run by ./dev test; `--missing` prints those that lack it."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRING = r'"((?:[^"\\]|\\.)*)"'
CALLS = re.compile(r'\b(?:say|say_in|tr)\(\s*(?:[a-z_.]*lang[a-z_()]*,\s*)?' + STRING)
COMMAND = re.compile(r'\bcommand\(\s*"[^"]*",\s*' + STRING)
OPTION = re.compile(r'\bflag_option\(\s*[a-z_]+,\s*"[^"]*",\s*' + STRING)
PAIR = re.compile(r'\{"(?:list|delete)",\s*' + STRING + r'\}|std::pair\{"create",\s*' + STRING + r'\}')


def messages():
    found = {}
    for folder in ("src/cli", "src/server"):
        for file in sorted((ROOT / folder).rglob("*.cc")):
            if file.name == "lang_es.cc" or file.name.endswith("_test.cc"):
                continue
            text = file.read_text()
            for pattern in (CALLS, COMMAND, OPTION, PAIR):
                for match in pattern.finditer(text):
                    message = next(g for g in match.groups() if g is not None)
                    if message:
                        found.setdefault(message, file.relative_to(ROOT).as_posix())
    return found


def translated():
    text = (ROOT / "src/cli/lang_es.cc").read_text()
    return dict(re.findall(r"\{" + STRING + r",\s*" + STRING + r"\}", text))


def main():
    have = translated()
    used = messages()
    missing = [m for m in used if m not in have]
    stale = [m for m in have if m not in used]
    if "--missing" in sys.argv:
        print("\n".join(missing))
        return 0
    bad = [f"{used[m]}: no Spanish in src/cli/lang_es.cc for \"{m}\"" for m in missing]
    bad += [f"src/cli/lang_es.cc: nobody says \"{m}\"" for m in stale]
    for english, spanish in have.items():
        holes = lambda s: sorted(set(re.findall(r"\{\d\}", s)))
        if holes(english) != holes(spanish):
            bad.append(f"src/cli/lang_es.cc: other placeholders than the English: \"{english}\"")
    print("\n".join(bad) if bad else f"lang: {len(have)} messages, all in Spanish too")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
