"""Recordings of AWS's answers as a judge: the folder that SAVIA_VECTORS names, read where it lies and never copied here.

Volatile values are written `<name:n>` there, equal numbers meaning equal values and different numbers different ones; `<name>`
is any value. Unset, the tests say how much was not run; with CI=true that is a failure, so that no run passes by skipping.
"""
import json
import os
import pathlib
import re
import unittest

from harness import ServerTest

ACCOUNT, REGION = "000000000000", "us-east-1"
_HOLE = re.compile(r"<([A-Za-z_][A-Za-z0-9_ -]*)(?::(\d+)|:len\((\d+)\))?>")
_ENUM = re.compile(r"enum value set: \[([^\]]*)\]")
_TIMES = {"date", "datetime", "timestamp"}


def folder():
    """The vectors, or None where they are not at hand."""
    path = os.environ.get("SAVIA_VECTORS")
    return pathlib.Path(path) if path else None


def required(what):
    """Skips a test class's body without vectors; says so in the form that tests/run.py shows."""
    if folder() is not None:
        return True
    if os.environ.get("CI") == "true":
        raise AssertionError(f"SAVIA_VECTORS is not set: {what} cannot be judged")
    print(f"not run: {what} (SAVIA_VECTORS is not set)")
    return False


def errors(*services):
    """Rows of aws-errors.tsv: dicts of service, http, code, message, scenario."""
    lines = (folder() / "aws-errors.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    rows = [dict(zip(names, line.split("\t"))) for line in lines[1:]]
    return [r for r in rows if r["service"] in services]


def scenarios(service):
    """test name (class::test[case]) -> replies. Later recordings of a name win."""
    found = json.loads((folder() / f"recorded/{service}.json").read_text())
    return {name.split("::", 1)[1]: scenario["replies"] for name, scenario in found.items()}


def ordered(text):
    """Sets of an enumeration are printed by AWS in an order that changes."""
    return _ENUM.sub(lambda m: "enum value set: [" + ", ".join(sorted(m.group(1).split(", "))) + "]", text)


def _kebab(key):
    """"CodeSha256" -> "code-sha256": a recording's word for a value that is not kept."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key).lower()


class Match:
    """Compares answers of one scenario with its recording; keeps what each `<name:n>` stood for."""

    def __init__(self, ignore=()):
        self.values = {}  # (name, n) -> value
        self.ignore = set(ignore)
        self.differences = []

    def text(self, recorded, actual, where):
        if recorded in _TIMES or recorded == _kebab(where.rsplit(".", 1)[-1]):
            return
        recorded, actual = ordered(recorded), ordered(actual)
        pattern, holes, at = "", [], 0
        for hole in _HOLE.finditer(recorded):
            pattern += re.escape(recorded[at:hole.start()].replace("111111111111", ACCOUNT))
            at = hole.end()
            name, number, length = hole.groups()
            if name == "region":
                pattern += re.escape(REGION)
            elif name == "partition":
                pattern += "aws"
            elif length:
                pattern += re.escape(name * int(length))
            else:
                holes.append((name, number))
                pattern += "(.*?)"
        pattern += re.escape(recorded[at:].replace("111111111111", ACCOUNT))
        found = re.fullmatch(pattern, actual, re.DOTALL)
        if not found:
            return self.differ(where, recorded, actual)
        for (name, number), value in zip(holes, found.groups()):
            if number is None:
                continue
            known = self.values.setdefault((name, number), value)
            same = [k for k, v in self.values.items() if v == value and k[0] == name and k[1] != number]
            if known != value:
                self.differ(where, f"<{name}:{number}> = {known}", value)
            elif same:
                self.differ(where, f"<{name}:{number}> other than <{name}:{same[0][1]}>", value)

    def differ(self, where, recorded, actual):
        self.differences.append(f"{where}: AWS {recorded!r}, here {actual!r}")

    def check(self, recorded, actual, where=""):
        if isinstance(recorded, dict):
            if not isinstance(actual, dict):
                return self.differ(where, recorded, actual)
            for key in sorted(set(recorded) | set(actual)):
                path = f"{where}.{key}"
                if key in ("HTTPHeaders", "RetryAttempts", "MaxAttemptsReached", "RequestId", "HostId") and where.endswith("ResponseMetadata") or key in self.ignore:
                    continue
                if key not in actual:
                    self.differ(path, recorded[key], "(absent)")
                elif key not in recorded:
                    self.differ(path, "(absent)", actual[key])
                else:
                    self.check(recorded[key], actual[key], path)
        elif isinstance(recorded, list):
            if not isinstance(actual, list) or len(actual) != len(recorded):
                return self.differ(where, recorded, actual)
            for i, (a, b) in enumerate(zip(recorded, actual)):
                self.check(a, b, f"{where}[{i}]")
        elif isinstance(recorded, str) and (_HOLE.search(recorded) or recorded in _TIMES or recorded == _kebab(where.rsplit(".", 1)[-1])):
            self.text(recorded, actual if isinstance(actual, str) else json.dumps(actual, default=str), where)
        elif isinstance(recorded, str) and isinstance(actual, str):
            self.text(recorded, actual, where)
        elif recorded != actual or isinstance(recorded, bool) != isinstance(actual, bool):
            self.differ(where, recorded, actual)


class Replay(ServerTest):
    """A class's tests are named after the recorded ones and say `self.same(label, answer)` after each step."""
    service = ""

    @classmethod
    def setUpClass(cls):
        cls.recordings = None
        names = [n for n in dir(cls) if n.startswith("test_")]
        if not required(f"{len(names)} recorded scenarios of {cls.service}: {cls.__name__}"):
            raise unittest.SkipTest("SAVIA_VECTORS is not set")
        cls.recordings = scenarios(cls.service)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        if cls.recordings is not None:
            super().tearDownClass()

    def replay(self, name, ignore=()):
        """Begins the comparison with one recording; ends with the test."""
        found = [k for k in self.recordings if k == name or k.endswith("::" + name)]
        self.assertTrue(found, f"no recording {name}")
        self.replies, self.match = self.recordings[found[0]], Match({*ignore, *self.unknown()})

        def finish(scenario=name, match=self.match):
            if match.differences:
                raise AssertionError(f"{scenario}:\n  " + "\n  ".join(match.differences))
        self.addCleanup(finish)
        return self.replies

    def unknown(self):
        """Members that the client at hand does not know yet: older clients drop them."""
        return ()

    def same(self, label, answer):
        self.assertIn(label, self.replies, "no such step in the recording")
        self.match.check(self.replies[label], answer, label)
        return answer
