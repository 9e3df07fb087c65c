"""The documented differences, and the report."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agreement.judge import KINDS, Difference, example_difference
from agreement.runner import Result
from verigrad.testing.library import Library

FILE = Path(__file__).with_name("differences.toml")


@dataclass(frozen=True)
class Documented:
    """One entry of ``differences.toml``.

    Attributes:
        name: what it is called in the report.
        ops: regular expression of whole names of operations.
        kinds: of ``judge.KINDS``.
        ours, theirs: regular expressions of what the libraries say.
        call: regular expression of the call's text.
        marks: those that the call must have, see ``judge.Difference``.
        reason: why they differ.
        example: an expression that shows it, see ``judge.evaluate``.
    """

    name: str
    ops: str
    kinds: tuple[str, ...]
    reason: str
    example: str
    ours: str = ""
    theirs: str = ""
    call: str = ""
    marks: tuple[str, ...] = ()

    def explains(self, op: str, difference: Difference, call: str) -> bool:
        """Whether the difference is this one."""
        return (
            difference.kind in self.kinds
            and difference.marks >= set(self.marks)
            and re.fullmatch(self.ops, op) is not None
            and re.search(self.ours, difference.ours) is not None
            and re.search(self.theirs, difference.theirs) is not None
            and re.search(self.call, call) is not None
        )


def documented(path: Path = FILE) -> list[Documented]:
    """The entries of the file.

    Raises:
        ValueError: for a kind that does not exist, or a name that stands twice.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["difference"]
    lists = ("kinds", "marks")
    found = [Documented(**{**e, **{k: tuple(e.get(k, ())) for k in lists}}) for e in entries]
    for entry in found:
        if unknown := set(entry.kinds) - set(KINDS):
            raise ValueError(f"{path.name}: expected kinds out of {list(KINDS)}, got {sorted(unknown)}")
    twice = [name for name, count in Counter(e.name for e in found).items() if count > 1]
    if twice:
        raise ValueError(f"{path.name}: expected one entry for a name, got several for {twice}")
    return found


def stale(entries: Iterable[Documented]) -> list[str]:
    """The entries whose example shows no such difference any more."""
    ours, theirs = Library("verigrad"), Library("torch")
    found = []
    for entry in entries:
        difference = example_difference(entry.example, ours, theirs)
        if difference is None or difference.kind not in {*entry.kinds, *_as_values(entry)}:
            found.append(f"{entry.name}: {entry.example} gives {difference}")
    return found


def _as_values(entry: Documented) -> set[str]:
    """What an example shows: the gradient, flag or input that differs is its value."""
    seen = {"gradient", "flag", "input", "dtype", "shape", "results", "value"}
    return {"value", "results"} if seen & set(entry.kinds) else set()


def explain(results: Iterable[Result], entries: list[Documented]) -> tuple[Counter[str], list[str]]:
    """How often each documented difference occurred, and what nothing explains."""
    counts: Counter[str] = Counter()
    open_ones = []
    for result in results:
        for difference, call in result.differences:
            for entry in entries:
                if entry.explains(result.spec.name, difference, call):
                    counts[entry.name] += 1
                    break
            else:
                said = f"verigrad {difference.ours}; PyTorch {difference.theirs}"
                open_ones.append(f"{result.spec.name}: {KINDS[difference.kind]}: {said}: {call}")
        open_ones += [f"{result.spec.name}: verigrad's process ended: {call}" for call in result.crashed]
    return counts, open_ones


HEAD = """# Side by side with PyTorch {version}

Made by `{command}`; do not edit. Random calls of
{operations} operations: the samples of the records of the verification, and of functions without a record,
with up to three arguments changed (values, NaN, infinities, extremes and zeros of both signs, dtypes, sizes
of 0 and 1, broadcasting, layouts of memory, options of other samples, arguments out of range or of a wrong
type), as function, method, operator, in place or with `out=`. Compared are the types of exceptions, dtypes,
shapes, `requires_grad`, values, inputs afterwards, and gradients with fixed incoming ones.

- **equal**: everything that is no floating-point number, NaN and infinities in the same places.
  Floating-point numbers may be off by {allowed:g} times the tolerance of the operation's record, relative to
  the running error bound of its composition (see [verification.md](verification.md)), to the scale that the
  record names, or else to the largest element.
- **both refuse**: both raise; the same type of exception where one thing is wrong with the call.
- **documented**: they differ, and the table below says why. Each entry has an example that is run by the
  tests: one that does not differ any more is an error.
- Random numbers, dropout and uninitialised memory: dtypes and shapes alone.

{calls} calls: {equal} equal, {refused} refused by both, {explained} documented differences,
{unexplained} others. Gradients were compared in {gradients} calls. {ended} calls ended PyTorch's process or
took too long, and count nowhere.

| family | operations | calls | equal | both refuse | documented |
| :-- | --: | --: | --: | --: | --: |
"""


def markdown(
    results: list[Result], entries: list[Documented], command: str, version: str, allowed: float
) -> str:
    """The report."""
    counts, open_ones = explain(results, entries)
    families: dict[str, list[Result]] = {}
    for result in results:
        families.setdefault(result.spec.family, []).append(result)
    rows = []
    for family, members in families.items():
        calls = sum(r.calls for r in members)
        other, refused = sum(len(r.differences) for r in members), sum(r.refused for r in members)
        cells = (family, len(members), calls, calls - other - refused, refused, other)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    total = sum(r.calls for r in results)
    differing = sum(len(r.differences) for r in results)
    refused = sum(r.refused for r in results)
    head = HEAD.format(
        version=version,
        command=command,
        operations=len(results),
        allowed=allowed,
        calls=total,
        equal=total - differing - refused,
        gradients=sum(r.gradients for r in results),
        refused=refused,
        explained=sum(counts.values()),
        unexplained=len(open_ones),
        ended=sum(len(r.ended) for r in results),
    )
    lines = [head + "\n".join(rows), "", "## Documented differences", ""]
    lines += ["| difference | calls | reason | example |", "| :-- | --: | :-- | :-- |"]
    for entry in entries:
        cells = (entry.name, str(counts[entry.name]), entry.reason, f"`{entry.example}`")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    ended = sorted({r.spec.name for r in results if r.ended})
    if ended:
        lines += ["", f"Calls of {', '.join(f'`{name}`' for name in ended)} ended PyTorch's process."]
    if open_ones:
        lines += ["", "## Others", ""] + [f"- {line[:600]}" for line in open_ones]
    return "\n".join(lines) + "\n"
