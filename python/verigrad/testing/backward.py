"""Gradients element by element, in every dtype that trains, against reverse mode over the record's
composition.

The tape (``reference/tape.py``) answers a float64 value and an error bound for each element: the sum of the
magnitudes that were added, with what the rounding of earlier results becomes. An element of the library's
gradient may be off by ``gradient_tolerance`` times that bound times the machine epsilon of its dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError, expected, prepare
from verigrad.testing.differentiation import Coverage, problem_of
from verigrad.testing.forward import Check, inplace_sample
from verigrad.testing.gradients import analytic
from verigrad.testing.layouts import CONTIGUOUS, EXPANDED, EXPANDED_LAST, SLICED, TRANSPOSED
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec
from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded
from verigrad.testing.samples import Const, Sample, tree_map

Array = np.ndarray[Any, Any]

# Of the inputs and of the incoming gradient; the projections of gradients.py walk all of them in float64.
PAIRS = ((CONTIGUOUS, CONTIGUOUS), (SLICED, TRANSPOSED), (TRANSPOSED, EXPANDED_LAST), (EXPANDED, SLICED))


def training_dtypes(spec: OpSpec) -> tuple[str, ...]:
    """The floating-point dtypes of the record."""
    return tuple(d for d in spec.dtypes if d in FLOATING)


def compose(spec: OpSpec, sample: Sample, arrays: list[Array]) -> tuple[list[tape.Var], list[tape.Var]]:
    """The composition's floating-point results and its differentiable inputs, for these values."""
    if spec.composition is None:
        raise CheckError(f"{spec.name}: expected a composition for its gradients, got none")
    inputs: list[Any] = [
        tape.Var(a.astype(np.float64), dtype=a.dtype) if smooth else a
        for a, smooth in zip(arrays, smooth_tensors(sample), strict=True)
    ]
    result = expected(spec.composition, sample, inputs)
    outputs = [tape.var(r) for r in (result if isinstance(result, list | tuple) else [result])]
    return outputs, [x for x in inputs if isinstance(x, tape.Var)]


def smooth_tensors(sample: Sample) -> list[bool]:
    """Which tensors of a sample get a gradient, in the order of the arguments."""
    found: list[bool] = []

    def visit(leaf: Any) -> Any:
        if isinstance(leaf, Const):
            found.append(False)
        elif isinstance(leaf, np.ndarray):
            found.append(leaf.dtype.kind == "f")
        return leaf

    tree_map(visit, (sample.args, dict(sample.kwargs)))
    return found


def element_error(got: Array, wanted: Rounded, tolerance: float, what: str) -> float:
    """The greatest error over its bound, in units of the machine epsilon of the dtype.

    Raises:
        CheckError: where it is above the tolerance; the element with the greatest excess is named.
    """
    info = np.finfo(got.dtype)
    # A bound that is not finite says nothing; the value itself is the scale then.
    known = np.where(np.isfinite(wanted.error), wanted.error, 0.0)
    bound = np.maximum(known, np.abs(wanted.value)) + float(info.tiny) / float(info.eps)
    with np.errstate(all="ignore"):
        off = np.abs(got.astype(np.float64) - wanted.value) / (bound * float(info.eps))
    same = (np.isnan(got) & np.isnan(wanted.value)) | (got == wanted.value)
    off = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
    worst = float(np.max(off, initial=0.0))
    if worst > tolerance:
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
        raise CheckError(
            f"{what} at {list(index)}: expected {wanted.value[index]!r}, got {got[index]!r} "
            f"({worst:.3g} times its error bound, tolerance {tolerance:.3g})"
        )
    return worst


def elements_error(
    spec: OpSpec, got: Sequence[Array], wanted: Sequence[Rounded], what: Callable[[int], str]
) -> float:
    """The greatest error of several gradients, each of which ``what`` names, see :func:`element_error`."""
    errors = (
        element_error(one, right, spec.gradient_tolerance, what(i))
        for i, (one, right) in enumerate(zip(got, wanted, strict=True))
    )
    return max(errors, default=0.0)


class Answers:
    """The tape's gradients of one sample; layouts that hold the same values share an answer."""

    def __init__(self, spec: OpSpec) -> None:
        self.spec = spec
        self.known: dict[bytes, list[Rounded]] = {}

    def get(self, sample: Sample, arrays: list[Array], weights: list[Array]) -> list[Rounded]:
        """The gradients for these values and incoming gradients."""
        key = b"".join(a.tobytes() for a in (*arrays, *weights))
        if key not in self.known:
            outputs, inputs = compose(self.spec, sample, arrays)
            if [o.shape for o in outputs] != [w.shape for w in weights]:
                raise CheckError(
                    f"{self.spec.name}{sample.label}: expected a composition with results of shapes "
                    f"{[list(w.shape) for w in weights]}, got {[list(o.shape) for o in outputs]}"
                )
            self.known[key] = tape.gradients(outputs, weights, inputs)
        return self.known[key]


def gradient_check(
    spec: OpSpec, lib: Library, sample: Sample, grad_layout: str, answers: Answers, coverage: Coverage
) -> Callable[[], float]:
    """The check of all gradients of one call."""

    def run() -> float:
        problem = problem_of(spec, lib, sample, grad_layout)
        if problem is None:
            raise CheckError(f"{spec.name}{sample.label}: expected an input with a gradient, got none")
        arrays = [leaf.array for leaf in prepare(lib, sample).leaves]
        weights = problem.incoming()
        found = analytic(problem, weights)
        for got in found:
            coverage.largest = max(coverage.largest, got.size)
            coverage.dtypes.add(got.dtype.name)
            coverage.checks += 1
        return elements_error(
            spec,
            found,
            answers.get(sample, arrays, weights),
            lambda i: f"{spec.name}: gradient of {problem.label(i)} in {problem.case}",
        )

    return run


def alone_check(spec: OpSpec, lib: Library, sample: Sample) -> Callable[[], float]:
    """Each input as the only one with a gradient: that is the same, bit for bit, as among the others."""

    def run() -> float:
        problem = problem_of(spec, lib, sample)
        assert problem is not None
        weights = problem.incoming()
        for i, together in enumerate(analytic(problem, weights)):
            alone = analytic(problem, weights, only=i)[0]
            if alone.tobytes() != together.astype(alone.dtype).tobytes():
                raise CheckError(
                    f"{spec.name}{sample.label}: expected the same gradient of {problem.label(i)} where the "
                    "other inputs are constants, got another one"
                )
        return 0.0

    return run


def composition_check(spec: OpSpec, sample: Sample) -> Callable[[], float]:
    """The composition's value against the record's reference."""

    def run() -> float:
        arrays = sample.arrays()
        outputs, _ = compose(spec, sample, arrays)
        result = expected(spec.reference, sample, arrays)
        results = result if isinstance(result, list | tuple) else [result]
        floating = [np.asarray(r) for r in results if np.asarray(r).dtype.kind == "f"]
        if len(floating) != len(outputs):
            raise CheckError(
                f"{spec.name}{sample.label}: expected {len(floating)} results of the composition, "
                f"got {len(outputs)}"
            )
        worst = 0.0
        for right, out in zip(floating, outputs, strict=True):
            what = f"{spec.name}: composition of {sample.label}"
            if right.shape != out.shape:
                raise CheckError(f"{what}: expected shape {list(right.shape)}, got {list(out.shape)}")
            worst = max(worst, element_error(right, out.r, max(8.0, spec.tolerance), what))
        return worst

    return run


def has_gradient(spec: OpSpec) -> bool:
    """Whether the record promises a gradient by a tensor."""
    return spec.order > 0 and bool(training_dtypes(spec))


def element_checks(
    spec: OpSpec,
    lib: Library,
    coverage: Coverage,
    samples: Callable[[str], Iterator[Sample]] | None = None,
    pairs: Sequence[tuple[str, str]] = PAIRS,
) -> Iterator[Check]:
    """The gradients of every smooth sample, in every floating-point dtype and several layouts.

    Args:
        spec: the record.
        lib: the library.
        coverage: takes up what was reached.
        samples: the samples of a dtype; the record's usual ones by default.
        pairs: layouts of the inputs and of the incoming gradient.
    """
    if spec.order == 0:
        return
    for dtype in training_dtypes(spec):
        for sample in spec.sample(dtype) if samples is None else samples(dtype):
            if not sample.grad or not any(smooth_tensors(sample)):
                continue
            answers = Answers(spec)
            if spec.compare:
                yield Check("composition", dtype, sample.label, composition_check(spec, sample))
            for inputs, incoming in pairs if sample.vary else pairs[:1]:
                if spec.ties and inputs in (EXPANDED, EXPANDED_LAST):
                    continue
                variant = replace(sample, layouts=(inputs,) * len(sample.arrays())) if sample.vary else sample
                run = gradient_check(spec, lib, variant, incoming, answers, coverage)
                yield Check("element", dtype, f"{variant.label} gradient {incoming}", run)
            variants = [sample]
            place = inplace_sample(spec, sample)
            if place is not None and place.grad:
                variants.append(replace(place, vary=False))
                run = gradient_check(spec, lib, variants[1], CONTIGUOUS, answers, coverage)
                yield Check("element", dtype, place.label, run)
            if dtype == training_dtypes(spec)[0] and samples is None and sum(smooth_tensors(sample)) > 1:
                for variant in variants:
                    yield Check("alone", dtype, variant.label, alone_check(spec, lib, variant))
