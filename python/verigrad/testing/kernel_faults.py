"""Which calls of a record use which kernels, and whether its checks notice a fault there.

Forward a fault is planted around a whole check. Backward it is planted around ``autograd.grad`` alone, so
that the values with which the gradients are compared are right.

``python -m verigrad.testing.kernel_faults tests/meta`` writes two lists into that folder: what is not
noticed (``missed_faults.txt``, "pass record kernel kind..." a line), and the kinds that spoil nothing in any
kernel of a record, because its samples are too small or not cut for threads (``small_samples.txt``, "pass
record kind..."). ``tests/meta/test_kernel_faults.py`` compares them; lines may only go.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from verigrad.testing.calls import prepare
from verigrad.testing.differentiation import informative_problems
from verigrad.testing.forward import Answers, forward_check
from verigrad.testing.gradients import Problem, analytic, projection_check
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.samples import Sample
from verigrad.testing.verify import extra_checks

LIB = Library("verigrad")
TESTING = LIB.get("_C._testing")
KINDS = tuple(kind for kind in TESTING.kernel_fault_kinds() if kind != "none")
MOST = 12  # calls that are tried with a fault, those with the largest results first
MOST_GRADIENTS = 6

MISSED = "missed_faults.txt"
SMALL = "small_samples.txt"

Outcomes = dict[tuple[str, str], bool | None]


@dataclass(frozen=True)
class Case:
    """One check of a record, and the elements of the largest result of each kernel that it calls; `plain` is
    the call without the check."""

    plain: Callable[[], object]
    check: Callable[[], object]


def quiet(run: Callable[[], object]) -> bool:
    """Whether a check passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run()
        except Exception:
            return False
    return True


def cases(spec: OpSpec, dtype: str) -> Iterator[Case]:
    """Every sample of a dtype, contiguous; the checks of its own where a record has no samples."""

    def plain(sample: Sample) -> Callable[[], object]:
        def run() -> object:
            made = prepare(LIB, sample)
            return spec.bind(LIB, sample.form)(*made.args, **made.kwargs)

        return run

    for sample in spec.sample(dtype):
        yield Case(plain(sample), forward_check(spec, LIB, sample, Answers(spec)))
    for check in extra_checks(spec, LIB):
        if check.dtype == dtype:
            yield Case(check.run, check.run)


def calls_of(run: Callable[[], object]) -> dict[str, int]:
    """The kernels that a call uses, with the elements of their largest results."""
    for slot in TESTING.kernel_slots():
        TESTING.plant_kernel_fault(slot, "none")
    quiet(run)
    found = {slot: largest for slot, (calls, largest, _, _) in TESTING.kernel_calls().items() if calls}
    TESTING.clear_faults()
    return found


def noticed(checks: list[Callable[[], object]], slot: str, kind: str) -> bool | None:
    """Whether one of the checks fails with the fault; None if it spoils nothing in any of them."""
    TESTING.plant_kernel_fault(slot, kind)
    try:
        for check in checks:
            before = TESTING.kernel_calls()[slot][3]
            if not quiet(check) and TESTING.kernel_calls()[slot][3] > before:
                return True
        return False if TESTING.kernel_calls()[slot][3] else None
    finally:
        TESTING.clear_faults()


def outcomes(spec: OpSpec, dtype: str) -> Outcomes:
    """For every kernel that the record uses and every kind of fault: noticed, missed, or without effect."""
    found = [(case, calls_of(case.plain)) for case in cases(spec, dtype)]
    result = {}
    for slot in sorted(set().union(*(calls for _, calls in found))):
        using = sorted((c for c in found if slot in c[1]), key=lambda c: -c[1][slot])[:MOST]
        checks = [case.check for case, _ in using]
        result.update({(slot, kind): noticed(checks, slot, kind) for kind in KINDS})
    return result


class Backward(Library):
    """The library with kernels that are wrong during backward passes."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__()
        self.faults = faults
        self.calls: dict[str, int] = {}
        self.spoiled = 0

    def grad(self, *args: Any, **kwargs: Any) -> list[Any]:
        for slot, kind in self.faults:
            TESTING.plant_kernel_fault(slot, kind)
        try:
            return super().grad(*args, **kwargs)
        finally:
            for slot, (calls, largest, _, spoiled) in TESTING.kernel_calls().items():
                self.spoiled += spoiled
                if calls:
                    self.calls[slot] = max(largest, self.calls.get(slot, 0))
            TESTING.clear_faults()


def backward_calls(problem: Problem) -> dict[str, int]:
    """The kernels of the backward pass, with the elements of their largest results."""
    lib = Backward([(slot, "none") for slot in TESTING.kernel_slots()])
    weights = [np.ones(v.shape) for v in problem.values(problem.arrays)]
    quiet(functools.partial(analytic, replace(problem, lib=lib), weights))
    return lib.calls


def backward_noticed(problems: list[Problem], slot: str, kind: str) -> bool | None:
    """Whether the check of one of the gradients fails with the fault; None if it spoils none."""
    effective = None
    for problem in problems:
        lib = Backward([(slot, kind)])
        wrong = replace(problem, lib=lib)
        passed = quiet(functools.partial(projection_check, wrong))
        if lib.spoiled and not passed:
            return True
        effective = False if lib.spoiled else effective
    return effective


def backward_outcomes(spec: OpSpec) -> Outcomes:
    """The same as `outcomes` for gradients."""
    found = [(problem, backward_calls(problem)) for problem in informative_problems(spec, LIB)]
    result = {}
    for slot in sorted(set().union(*(calls for _, calls in found))):
        using = sorted((c for c in found if slot in c[1]), key=lambda c: -c[1][slot])[:MOST_GRADIENTS]
        problems = [problem for problem, _ in using]
        result.update({(slot, kind): backward_noticed(problems, slot, kind) for kind in KINDS})
    return result


def dtype_of(spec: OpSpec) -> str:
    """The dtype in which a record is tried forward: one pass of float32 has the tolerances that matter."""
    return "float32" if "float32" in spec.dtypes else spec.dtypes[-1]


def differentiated(spec: OpSpec) -> bool:
    """Whether the gradients of a record can show a fault."""
    return spec.order > 0 and not spec.zero_gradient


def lines(name: str, which: str, outcomes: Outcomes) -> tuple[list[str], list[str]]:
    """The lines of a record in the two lists."""
    label = name.replace(" ", "_")
    slots = sorted({slot for slot, _ in outcomes})
    missed = [(slot, [kind for kind in KINDS if outcomes[slot, kind] is False]) for slot in slots]
    small = [kind for kind in KINDS if all(outcomes[slot, kind] is None for slot in slots)]
    return (
        [" ".join((which, label, slot, *kinds)) for slot, kinds in missed if kinds],
        [" ".join((which, label, *small))] if small and slots else [],
    )


def main(folder: Path) -> None:
    """Writes both lists."""
    missed: list[str] = []
    small: list[str] = []
    for name, spec in records().items():
        found = [("forward", outcomes(spec, dtype_of(spec)))]
        if differentiated(spec):
            found.append(("gradient", backward_outcomes(spec)))
        for which, results in found:
            new = lines(name, which, results)
            missed += new[0]
            small += new[1]
    (folder / MISSED).write_text("".join(f"{line}\n" for line in missed), encoding="utf-8")
    (folder / SMALL).write_text("".join(f"{line}\n" for line in small), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
