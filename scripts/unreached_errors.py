"""List the errors of the ops' C++ code that no error sample of the records raises.

    python scripts/unreached_errors.py [--folder cpp/src/ops]

A site is a VG_CHECK or VG_THROW; the constant parts of its message, in order, are what a raised message is
recognised by. Calls that must fail stand in the records (``errors=``), and in ``verigrad.testing.failing``.
What remains is listed, with the reason, in tests/meta/unreached_errors.txt. Needs what ``.[test]`` installs.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("cpp/src/ops",)
ANYTHING = "(?:.|\n)*"


@dataclass(frozen=True)
class Site:
    """A place that raises: its file and line, the constant text of its message, and a pattern of the whole
    message."""

    file: str
    line: int
    text: str
    pattern: str

    @property
    def name(self) -> str:
        """What the list of unreached sites calls it; lines change too often."""
        return f"{self.file}: {self.text}"


def _end(text: str, start: int) -> int:
    """The place of the parenthesis that closes the one before `start`."""
    depth, at = 1, start
    while True:
        if text[at] == '"':
            at += 1
            while text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        elif text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at
        at += 1


def _arguments(text: str) -> list[str]:
    """The arguments of a call, cut at the commas of the outermost level."""
    found, start, at = [], 0, 0
    while at < len(text):
        if text[at] == '"':
            at += 1
            while text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        elif text[at] in "([{":
            at = _end(text, at + 1)
        elif text[at] == ",":
            found.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*found, text[start:].strip()]


LITERALS = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*)+')
CHOICE = re.compile(r'.*\?\s*("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)


def _content(literals: str) -> str:
    """The characters of adjacent string literals."""
    inner = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
    return inner.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def site_of(arguments: list[str], file: str, line: int) -> Site:
    """A site from the parts of its message."""
    shown, pattern = [], []
    for part in arguments:
        if LITERALS.fullmatch(part):
            shown.append(_content(part))
            pattern.append(re.escape(_content(part)))
        elif choice := CHOICE.fullmatch(part):
            either = [_content(c) for c in choice.groups()]
            shown.append("|".join(either))
            pattern.append("(?:" + "|".join(map(re.escape, either)) + ")")
        else:
            shown.append("*")
            pattern.append(ANYTHING)
    return Site(file, line, re.sub(r"\s+", " ", "".join(shown)), "".join(pattern))


def sites(folders: tuple[str, ...] = FOLDERS, root: Path = ROOT) -> list[Site]:
    """Every VG_CHECK and VG_THROW of the folders' sources."""
    found = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".cpp", ".h"):
                continue
            text = path.read_text(encoding="utf-8")
            for match in re.finditer(r"^[^\n/]*?\bVG_(CHECK|THROW)\s*\(", text, re.MULTILINE):
                inside = text[match.end() : _end(text, match.end())]
                parts = _arguments(inside)[2 if match[1] == "CHECK" else 1 :]
                line = text[: match.end()].count("\n") + 1
                found.append(site_of(parts, path.relative_to(root).as_posix(), line))
    return found


def messages() -> set[str]:
    """What the calls of the records that must fail say."""
    from verigrad.testing.calls import CheckError
    from verigrad.testing.failing import inplace_errors, raised
    from verigrad.testing.library import Library
    from verigrad.testing.opspec import records

    lib = Library("verigrad")
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for spec in records().values():
            for call in (*spec.errors, *inplace_errors(spec)):
                try:
                    found.add(str(raised(spec, lib, call)))
                except CheckError:  # the tests of the records say so
                    continue
    return found


def unreached(folders: tuple[str, ...] = FOLDERS) -> list[Site]:
    """The sites whose messages none of the failing calls raises."""
    said = messages()
    return [s for s in sites(folders) if not any(re.fullmatch(s.pattern, message) for message in said)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Errors of the ops that no error sample raises.")
    parser.add_argument("--folder", action="append", help=f"of C++ sources (default: {', '.join(FOLDERS)})")
    folders = tuple(parser.parse_args().folder or FOLDERS)
    missing = unreached(folders)
    for site in missing:
        print(f"{site.file}:{site.line}: {site.text}")
    print(f"{len(missing)} of {len(sites(folders))} sites", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
