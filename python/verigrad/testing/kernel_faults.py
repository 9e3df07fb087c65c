"""Which calls of a record use which kernels, and whether its checks notice a fault there.

The calls are the record's usual samples and those at the boundaries of the kernels, which are large enough
to be cut for threads. Forward a fault is planted around a whole check. Backward it is planted around
``autograd.grad`` alone, so that the values with which the gradients are compared are right. The library says
on which device.

``python -m verigrad.testing.kernel_faults tests/meta/unnoticed_faults.txt`` brings that list of the CPU up to
date: a line "pass record kernel kind...: reason" for faults that no check notices, with ``*`` for the kernel
where a kind spoils nothing in any kernel of the record. New lines have no reason, which
``tests/meta/test_kernel_faults.py`` refuses: a fault that matters needs a sample. With ``cuda`` as a second
argument the faults are those of CUDA kernels; ``tests/device/unnoticed_faults.txt`` is their list.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from verigrad.testing.backward import Answers as Gradients
from verigrad.testing.backward import gradient_check, smooth_tensors
from verigrad.testing.calls import prepare
from verigrad.testing.crossing import boundary_samples, first_dtype
from verigrad.testing.differentiation import Coverage, informative_problems
from verigrad.testing.forward import Answers, forward_check
from verigrad.testing.gradients import Problem, projection_check
from verigrad.testing.layouts import CONTIGUOUS, Array
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records_on
from verigrad.testing.samples import Sample
from verigrad.testing.verify import extra_checks

LIB = Library("verigrad", "cpu")
TESTING = LIB.get("_C._testing")
KINDS = tuple(kind for kind in TESTING.kernel_fault_kinds() if kind != "none")
CHEAP = 1 << 13  # elements of a result up to which a call is tried first

Outcomes = dict[tuple[str, str], bool | None]


@dataclass(frozen=True)
class Calls:
    """The kernels that a check uses: the elements of the largest result of each, and those that a fault of
    the kind "chunk" would spoil."""

    largest: dict[str, int]
    cut: frozenset[str]


@dataclass(frozen=True)
class Case:
    """A check of a record.

    Attributes:
        run: the check with a fault (slot, kind, once) in its kernels; answers whether it passes, and how many
            calls were spoiled.
        used: the kernels that it uses.
    """

    run: Callable[[str, str, bool], tuple[bool, int]]
    used: Calls


def quiet(run: Callable[[], object]) -> bool:
    """Whether a check passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run()
        except Exception:
            return False
    return True


def calls_of(run: Callable[[], object], device: str) -> Calls:
    """The kernels of a device that a call uses."""
    for slot in TESTING.kernel_slots():
        TESTING.plant_kernel_fault(slot, "none", device=device)
    quiet(run)
    counts = TESTING.kernel_calls()
    TESTING.clear_faults()
    return Calls(
        {slot: largest for slot, (calls, largest, _, _) in counts.items() if calls},
        frozenset(slot for slot, (_, _, cut, _) in counts.items() if cut),
    )


def samples(spec: OpSpec, dtype: str) -> Iterator[Sample]:
    """The samples of a dtype: the usual ones, and those at the boundaries of the kernels."""
    yield from spec.sample(dtype)
    yield from boundary_samples(spec, dtype)


def forward_cases(spec: OpSpec, dtype: str, lib: Library = LIB) -> Iterator[Case]:
    """Every sample of a dtype, contiguous, and the checks that the record adds."""

    def faulty(check: Callable[[], object]) -> Callable[[str, str, bool], tuple[bool, int]]:
        def run(slot: str, kind: str, once: bool) -> tuple[bool, int]:
            TESTING.plant_kernel_fault(slot, kind, once, lib.device)
            try:
                return quiet(check), TESTING.kernel_calls()[slot][3]
            finally:
                TESTING.clear_faults()

        return run

    def plain(sample: Sample) -> Callable[[], object]:
        def run() -> object:
            made = prepare(lib, sample)
            return spec.bind(lib, sample.form)(*made.args, **made.kwargs)

        return run

    for sample in samples(spec, dtype):
        check = forward_check(spec, lib, sample, Answers(spec))
        yield Case(faulty(check), calls_of(plain(sample), lib.device))
    for extra in extra_checks(spec, lib):
        if extra.dtype == dtype:
            yield Case(faulty(extra.run), calls_of(extra.run, lib.device))


class Backward(Library):
    """The library with a kernel that is wrong during backward passes."""

    def __init__(self, slots: Sequence[str], kind: str, once: bool = False, device: str = "cpu") -> None:
        super().__init__(device=device)
        self.slots, self.kind, self.once = slots, kind, once
        self.used = Calls({}, frozenset())
        self.spoiled = 0

    def grad(self, *args: Any, **kwargs: Any) -> list[Any]:
        for slot in self.slots:
            TESTING.plant_kernel_fault(slot, self.kind, self.once, self.device)
        try:
            return super().grad(*args, **kwargs)
        finally:
            largest, cut = dict(self.used.largest), self.used.cut
            for slot, (calls, size, cuts, spoiled) in TESTING.kernel_calls().items():
                self.spoiled += spoiled
                if calls:
                    largest[slot] = max(size, largest.get(slot, 0))
                cut |= {slot} if cuts else set()
            self.used = Calls(largest, cut)
            TESTING.clear_faults()


@dataclass
class Remembered(Problem):
    """A problem that is checked again and again with faults in its backward pass: the results are always the
    same, and computed once."""

    known: dict[tuple[bytes, ...], list[Array]] = field(default_factory=dict)

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        key = tuple(array.tobytes() for array in arrays)
        if key not in self.known:
            self.known[key] = super().values(arrays)
        return self.known[key]


def backward_cases(spec: OpSpec, lib: Library = LIB) -> Iterator[Case]:
    """The gradients of every sample of the first dtype, element by element, and projections in float64."""

    def case(check: Callable[[Library], Callable[[], object]]) -> Case:
        def run(slot: str, kind: str, once: bool) -> tuple[bool, int]:
            faulty = Backward([slot], kind, once, lib.device)
            return quiet(check(faulty)), faulty.spoiled

        counting = Backward(TESTING.kernel_slots(), "none", device=lib.device)
        quiet(check(counting))
        return Case(run, counting.used)

    def elements(sample: Sample) -> Callable[[Library], Callable[[], object]]:
        answers = Gradients(spec)
        return lambda lib: gradient_check(spec, lib, sample, CONTIGUOUS, answers, Coverage())

    def projection(problem: Problem) -> Callable[[Library], Callable[[], object]]:
        remembered = Remembered(**{f.name: getattr(problem, f.name) for f in fields(Problem)})
        return lambda lib: lambda: projection_check(replace(remembered, lib=lib))

    for sample in samples(spec, first_dtype(spec)):
        if sample.grad and any(smooth_tensors(sample)):
            yield case(elements(sample))
    for problem in informative_problems(spec, lib):
        yield case(projection(problem))


def noticed(cases: list[Case], slot: str, kind: str) -> bool | None:
    """Whether one of the checks fails with the fault; None if it spoils nothing in any of them."""
    effective = None
    for once in (False, True):
        for case in cases:
            passed, spoiled = case.run(slot, kind, once)
            if spoiled and not passed:
                return True
            effective = False if spoiled else effective
        if effective is None:
            break  # what spoils nothing in any call spoils nothing in one
    return effective


def outcomes(cases: list[Case]) -> Outcomes:
    """For every kernel that is used and every kind of fault: noticed, missed, or without effect."""
    found = {}
    for slot in sorted(set().union(*(case.used.largest for case in cases))):
        using = sorted(
            (case for case in cases if slot in case.used.largest),
            key=lambda case: (case.used.largest[slot] > CHEAP, -min(case.used.largest[slot], CHEAP)),
        )
        cut = [case for case in using if slot in case.used.cut]
        for kind in KINDS:
            found[slot, kind] = noticed(cut if kind == "chunk" else using, slot, kind)
    return found


def forward_outcomes(spec: OpSpec, lib: Library = LIB) -> Outcomes:
    """What becomes of faults in the kernels of a record's results."""
    with lib.as_default():
        return outcomes(list(forward_cases(spec, first_dtype(spec), lib)))


def backward_outcomes(spec: OpSpec, lib: Library = LIB) -> Outcomes:
    """The same for its gradients."""
    with lib.as_default():
        return outcomes(list(backward_cases(spec, lib)))


def differentiated(spec: OpSpec) -> bool:
    """Whether the gradients of a record can show a fault."""
    return spec.order > 0 and not spec.zero_gradient


def lines(name: str, which: str, outcomes: Outcomes) -> list[str]:
    """The lines of a record, without reasons."""
    start = f"{which} {name.replace(' ', '_')}"
    slots = sorted({slot for slot, _ in outcomes})
    found = [(slot, [kind for kind in KINDS if outcomes[slot, kind] is False]) for slot in slots]
    if slots:
        found.append(("*", [kind for kind in KINDS if all(outcomes[slot, kind] is None for slot in slots)]))
    return [" ".join((start, slot, *kinds)) for slot, kinds in found if kinds]


def read(path: Path) -> dict[str, str]:
    """The reasons of the lines of a list."""
    parts = [line.partition(": ") for line in path.read_text(encoding="utf-8").splitlines()]
    return {line: reason for line, _, reason in parts}


def main(path: Path, device: str = "cpu") -> None:
    """Brings the list up to date and keeps the reasons; prints how many faults spoil something, and how many
    of these are noticed."""
    reasons = read(path) if path.exists() else {}
    lib = Library("verigrad", device)
    found: list[str] = []
    told: list[bool | None] = []
    for name, spec in records_on(device).items():
        passes = {"forward": forward_outcomes}
        if differentiated(spec):
            passes["gradient"] = backward_outcomes
        for which, outcomes_of in passes.items():
            result = outcomes_of(spec, lib)
            found += lines(name, which, result)
            told += result.values()
    print(f"{told.count(True) + told.count(False)} faults, {told.count(True)} noticed")
    text = "".join(f"{line}: {reasons.get(line, '')}\n" for line in found)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
