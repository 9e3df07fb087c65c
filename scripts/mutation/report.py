"""The report of a run, as a document."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mutation.operators import Mutant
from mutation.results import Result
from mutation.targets import HOST, Target

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True)
class Equivalent:
    """A change of a line that no test can notice.

    Attributes:
        file: where it is.
        before: the line.
        after: the changed line; "*" for every change of it.
        reason: why nothing can notice it.
    """

    file: str
    before: str
    after: str
    reason: str


def load_equivalents(path: Path = EQUIVALENT) -> list[Equivalent]:
    """The list that is kept by hand.

    Raises:
        ValueError: for an entry without a reason.
    """
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", []):
        if len(entry["reason"].split()) < 3:
            raise ValueError(
                f"equivalent.toml: expected a reason for {entry['before']!r}, got {entry['reason']!r}"
            )
        found += [
            Equivalent(entry["file"], entry["before"], after, entry["reason"]) for after in entry["after"]
        ]
    return found


def reason_of(mutant: Mutant | Result, known: Iterable[Equivalent]) -> str | None:
    """Why a mutant is equivalent; None if it is not known to be."""
    for entry in known:
        if entry.file == mutant.file and entry.before == mutant.before and entry.after in ("*", mutant.after):
            return entry.reason
    return None


def _score(killed: int, of: int) -> str:
    return f"{100.0 * killed / of:.1f} %" if of else "-"


def _row(name: str, found: list[Result]) -> str:
    counted = [r for r in found if r.counts]
    equivalent = sum(r.status == "equivalent" for r in counted)
    verify = sum(r.status == "killed" and r.phase == "verify" for r in counted)
    suite = sum(r.status == "killed" and r.phase == "suite" for r in counted)
    survivors = sum(r.status == "survived" for r in counted)
    real = len(counted) - equivalent
    cells = [
        name,
        len(counted),
        equivalent,
        verify,
        suite,
        survivors,
        _score(verify, real),
        _score(verify + suite, real),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _diff(result: Result) -> str:
    minus = [f"- {line.strip()}" for line in result.before.splitlines()]
    plus = [f"+ {line.strip()}" for line in result.after.splitlines() if line.strip()]
    return "\n".join(["```diff", *minus, *(plus or ["+"]), "```"])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


TITLES = "mutants | equivalent | killed by verify | by the suite | survivors | verify alone | together |"
RULER = "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
MARKS = "<!-- mutation -->\n", "<!-- end of mutation -->\n"  # in the page of a target


def _command(document: str, target: Target) -> str:
    return f"python scripts/mutate.py{target.option} --report docs/{document}"


def _table(kind: str, names: Iterable[str], of: Callable[[Result], str], counted: list[Result]) -> list[str]:
    rows = [_row(name, [r for r in counted if of(r) == name]) for name in sorted(names)]
    return [f"| {kind} | {TITLES}", RULER, *rows]


def summary(
    results: list[Result],
    first: dict[str, Result],
    seed: int,
    commit: str,
    date: str,
    seconds: float,
    document: str = "mutation.md",
    target: Target = HOST,
) -> str:
    """The part of a target's page: what was counted, by family.

    Args:
        results: of the sampled mutants and of those that were discarded.
        first: the first result of each.
        seed: of the sample.
        commit: of the sources.
        date: of the run.
        seconds: of work, all workers together.
        document: the name of the whole report.
        target: what was mutated.
    """
    counted = [r for r in results if r.counts]
    discarded = Counter(r.status for r in results if not r.counts)
    real = [r for r in counted if r.status != "equivalent"]
    at_once = sum(first[r.id].status == "killed" and first[r.id].phase == "verify" for r in real)
    crashes = sum(r.status == "killed" and r.how in ("crash", "hang") for r in counted)
    command = _command(document, target)
    verify = f"verify{target.option}" + " --quick" * target.quick
    judge = "the test suite" if target.rest else f"`{target.program}` or {' or '.join(target.tests)}"
    out = [
        "Whether these checks notice a mistake is measured by mutants. A mutant is a change of one line of",
        f"{target.subject}: another operator, a comparison, a bound off",
        "by one, a constant, a statement dropped, arguments swapped, a condition negated.",
        f"`{verify}` (the records that reach the line) must notice it, or else",
        f"{judge}. Written by",
        f"`{command}`, which draws from all families of files:",
        f"seed {seed}, commit {commit}, {date}.",
        f"[{document}]({document}) shows the survivors, and why the equivalent ones change nothing.",
        "",
        f"{len(counted)} mutants; {discarded['invalid']} more did not compile and",
        f"{discarded['same code']} gave the same machine code: these were replaced.",
        f"{crashes} of the killed ones ended in a crash or a hang. {seconds / 3600:.1f} hours of work.",
        f"At first `verify` alone noticed {at_once} of {len(real)} ({_score(at_once, len(real))});",
        "samples were then written for what survived, and those mutants tried again.",
        "",
        *_table("family", {r.family for r in counted}, lambda r: r.family, counted),
        _row("**all**", counted),
        "",
    ]
    return "\n".join(out)


def insert(document: Path, text: str) -> None:
    """Writes the summary between the marks of a document.

    Raises:
        ValueError: the document lacks the marks.
    """
    before = document.read_text(encoding="utf-8")
    first, last = (before.find(mark) for mark in MARKS)
    if not 0 <= first < last:
        raise ValueError(f"mutate: expected {MARKS[0]!r} and {MARKS[1]!r} in {document}, got neither or one")
    after = before[: first + len(MARKS[0])] + "\n" + text + before[last:]
    document.write_text(after, encoding="utf-8")


def markdown(results: list[Result], document: str = "mutation.md", target: Target = HOST) -> str:
    """The whole report.

    Args:
        results: of the sampled mutants.
        document: its name.
        target: what was mutated.
    """
    counted = [r for r in results if r.counts]
    out = [
        "# Mutants" if target is HOST else "# Mutants of the CUDA kernels",
        "",
        f"Made by `{_command(document, target)}`; do not edit. What mutants are, and",
        f"how many of each family were noticed, stands in [{target.page}]({target.page}).",
        "",
        *_table("change", {r.operator for r in counted}, lambda r: r.operator, counted),
        "",
    ]
    survivors = [r for r in counted if r.status == "survived"]
    out += ["## Survivors", ""]
    if not survivors:
        out += ["None.", ""]
    for r in sorted(survivors, key=lambda r: (r.file, r.line)):
        through = f"{r.records} records" + (" and the suite" if r.phase == "suite" else "")
        out += [
            f"`{r.file}:{r.line}` in `{r.scope}` ({r.operator}, survived {through}, id `{r.id}`)",
            "",
            _diff(r),
            "",
        ]
    suite = [r for r in counted if r.status == "killed" and r.phase == "suite"]
    if suite:
        out += ["## Noticed by the suite alone", "", "| where | change | test |", "| --- | --- | --- |"]
        out += [
            f"| `{r.file}:{r.line}` | {r.operator}: `{_escaped(_short(r))}` | `{_escaped(r.by)}` |"
            for r in suite
        ]
        out += [""]
    equivalent = [r for r in counted if r.status == "equivalent"]
    if equivalent:
        out += ["## Equivalent", ""]
        for r in sorted(equivalent, key=lambda r: (r.file, r.line)):
            out += [f"`{r.file}:{r.line}`: {r.text}", "", _diff(r), ""]
    return "\n".join(out).rstrip() + "\n"


def _short(result: Result) -> str:
    return " ".join(result.after.split())[:100] or "(dropped)"
