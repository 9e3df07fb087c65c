"""Gradient checks made from the records: every smooth sample, in every layout of inputs and of the incoming
gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError, prepare
from verigrad.testing.forward import Check, inplace_sample, variants
from verigrad.testing.gradients import (
    Finding,
    Problem,
    is_tiny,
    jacobian_check,
    projection_check,
    second_order,
)
from verigrad.testing.layouts import CONTIGUOUS, EXPANDED, EXPANDED_LAST, LAYOUTS, TRANSPOSED
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec
from verigrad.testing.samples import Sample, tree_map

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Slot:
    """The place of a differentiable tensor in the arguments."""

    position: int


@dataclass
class Coverage:
    """What the gradient checks of a record reached.

    Attributes:
        seen: inputs that have been differentiated.
        informed: those for which a wrong gradient would have been seen.
        checks: comparisons.
        dtypes: of the gradients that were compared element by element.
        largest: elements of the largest of them.
        cut_forward, cut_backward: loops that were cut into chunks for threads.
    """

    seen: set[str] = field(default_factory=set)
    informed: set[str] = field(default_factory=set)
    checks: int = 0
    dtypes: set[str] = field(default_factory=set)
    largest: int = 0
    cut_forward: int = 0
    cut_backward: int = 0

    @property
    def blind(self) -> set[str]:
        """Inputs whose true gradients were below what the checks can tell in every sample."""
        return self.seen - self.informed


def problem_of(spec: OpSpec, lib: Library, sample: Sample, grad_layout: str = CONTIGUOUS) -> Problem | None:
    """The call as a function of its differentiable tensors, or None if it has none."""
    call = prepare(lib, sample)
    smooth = [leaf for leaf in call.leaves if leaf.differentiable]
    if not smooth:
        return None
    slots = {id(leaf.tensor): _Slot(i) for i, leaf in enumerate(smooth)}
    args, kwargs = tree_map(lambda leaf: slots.get(id(leaf), leaf), (call.args, call.kwargs))
    operation = spec.bind(lib, sample.form)
    copies = spec.mutates > 0 or sample.form == "inplace"

    def function(*tensors: Any) -> Any:
        given = [t.clone() for t in tensors] if copies else tensors

        def fill(leaf: Any) -> Any:
            return given[leaf.position] if isinstance(leaf, _Slot) else leaf

        positional, named = tree_map(fill, (args, kwargs))
        return operation(*positional, **named)

    return Problem(
        spec.name,
        lib,
        function,
        [leaf.array for leaf in smooth],
        [leaf.layout for leaf in smooth],
        [leaf.label for leaf in smooth],
        grad_layout,
        " ".join(
            x for x in (sample.label, "" if grad_layout == CONTIGUOUS else f"gradient {grad_layout}") if x
        ),
    )


def smooth_samples(spec: OpSpec) -> Iterator[Sample]:
    """The samples at which the operation can be differentiated, in place where there is such a form."""
    for dtype in spec.grad_dtypes:
        for sample in spec.sample(dtype):
            if sample.grad:
                yield sample
                place = inplace_sample(spec, sample)
                if place is not None and place.grad:
                    yield replace(place, vary=False)


def problems(spec: OpSpec, lib: Library) -> Iterator[Problem]:
    """All problems of a record: layouts of the inputs, then of the incoming gradient, then of both."""
    for sample in smooth_samples(spec):
        for variant in variants(sample, spec.mutates):
            if spec.ties and any(layout in (EXPANDED, EXPANDED_LAST) for layout in variant.layouts):
                continue
            problem = problem_of(spec, lib, variant)
            if problem is None:
                break
            yield problem
        else:
            if not sample.vary:
                continue
            for layout in LAYOUTS[1:]:
                problem = problem_of(spec, lib, sample, layout)
                if problem is not None and any(v.size > 1 for v in problem.values(problem.arrays)):
                    yield problem


def informative_problems(spec: OpSpec, lib: Library) -> Iterator[Problem]:
    """Two problems per smooth sample, contiguous and transposed, for checks of the checks."""
    for sample in smooth_samples(spec):
        layouts = (TRANSPOSED,) * len(sample.arrays())
        for variant in (sample, replace(sample, layouts=layouts)) if sample.vary else (sample,):
            problem = problem_of(spec, lib, variant)
            if problem is not None and all(a.size for a in problem.arrays):
                yield problem


def gradient_checks(spec: OpSpec, lib: Library, coverage: Coverage) -> Iterator[Check]:
    """All checks of gradients of a record, of first and second order."""
    if spec.order == 0:
        return
    for problem in problems(spec, lib):
        coverage.seen.update(problem.labels)
        yield Check("gradient", "float64", problem.case, _first(spec, problem, coverage))
        if spec.order > 1 and not spec.zero_gradient:
            yield Check("second", "float64", problem.case, _second(problem, coverage))


def _note(coverage: Coverage, finding: Finding) -> float:
    coverage.informed |= finding.informed
    coverage.checks += finding.checks
    return finding.error


def _first(spec: OpSpec, problem: Problem, coverage: Coverage) -> Callable[[], float]:
    def run() -> float:
        error = _note(coverage, projection_check(problem))
        if {*problem.layouts, problem.grad_layout} == {CONTIGUOUS} and is_tiny(problem):
            error = max(error, _note(coverage, jacobian_check(problem)))
        return error

    return run


def _second(problem: Problem, coverage: Coverage) -> Callable[[], float]:
    def run() -> float:
        finding = projection_check(second_order(problem), directions=1)
        coverage.checks += finding.checks
        return finding.error

    return run


def kink_checks(spec: OpSpec, lib: Library) -> Iterator[Check]:
    """The exact gradients that the record demands where there is no derivative."""
    for kink in spec.kinks:
        sample = Sample(kink.args, kink.kwargs)
        yield Check("kink", "float64", sample.label, _kink(spec, lib, sample, kink.grads))


def _kink(spec: OpSpec, lib: Library, sample: Sample, grads: tuple[Any, ...]) -> Callable[[], float]:
    def run() -> float:
        problem = problem_of(spec, lib, sample)
        if problem is None:
            raise CheckError(f"{spec.name}{sample.label}: expected a floating-point input, got none")
        inputs = problem.inputs(problem.arrays, requires_grad=True)
        outputs = problem.outputs(inputs)
        ones = [lib.from_numpy(np.ones(tuple(o.shape))) for o in outputs]
        found = lib.grad(outputs, inputs, ones)
        for i, (got, wanted) in enumerate(zip(found, grads, strict=True)):
            array = np.zeros(problem.arrays[i].shape) if got is None else lib.to_numpy(got)
            if not np.allclose(array, np.asarray(wanted, np.float64), rtol=1e-12, atol=0.0, equal_nan=True):
                raise CheckError(
                    f"{spec.name}{sample.label}: expected gradient {wanted} of {problem.label(i)} "
                    f"at {problem.arrays[i].tolist()}, got {array.tolist()}"
                )
        return 0.0

    return run


def refuse_blind(spec: OpSpec, coverage: Coverage) -> None:
    """Refuses a record whose true gradients are all so small that a wrong gradient would pass.

    Raises:
        CheckError: naming the inputs. Operations whose gradient is zero everywhere say so in
            ``zero_gradient``.
    """
    if spec.order > 0 and not coverage.seen:
        raise CheckError(
            f"{spec.name}: expected a sample with a floating-point input to differentiate, got none"
        )
    blind = coverage.blind - set(spec.zero_inputs)
    if spec.order > 0 and blind and not spec.zero_gradient:
        raise CheckError(
            f"{spec.name}: expected samples with gradients above the tolerance, got none for "
            f"{', '.join(sorted(blind))}; a wrong gradient would pass"
        )
    if spec.zero_gradient and coverage.informed:
        raise CheckError(
            f"{spec.name}: expected zero gradients ({spec.zero_gradient}), got others for "
            f"{', '.join(sorted(coverage.informed))}"
        )
