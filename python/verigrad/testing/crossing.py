"""Checks at the boundaries of the kernels: results and gradients of the record's boundary samples, at every
level of vector code that the processor has, with 1, 2 and 3 threads; on another device, as often, for equal
bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.backward import PAIRS, Answers, element_checks, elements_error, has_gradient
from verigrad.testing.calls import CheckError, prepare, tensors
from verigrad.testing.differentiation import Coverage, problem_of
from verigrad.testing.forward import Answers as Results
from verigrad.testing.forward import Check, forward_check
from verigrad.testing.gradients import draw
from verigrad.testing.layouts import CONTIGUOUS, GUARDED, OFFSET, SLICED, TRANSPOSED, applies
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec
from verigrad.testing.samples import Sample, Sampler

Array = np.ndarray[Any, Any]

LEVELS = ("baseline", "avx2", "avx512")
THREADS = (1, 2, 3)
HEAVY = 1 << 16  # elements above which a sample is compared in floating point only


def levels(lib: Library) -> tuple[str, ...]:
    """The levels of vector code that the processor has, the highest last; another device is one of its
    own."""
    if lib.device != "cpu":
        return (lib.device,)
    return LEVELS[: LEVELS.index(lib.get("_C._testing.max_simd_level")()) + 1]


@contextmanager
def machine(lib: Library, level: str | None = None, threads: int | None = None) -> Iterator[None]:
    """Another level of vector code or number of threads for a while."""
    testing = lib.get("_C._testing")
    before = testing.simd_level(), lib.get("get_num_threads")()
    try:
        if level in LEVELS:
            testing.set_simd_level(level)
        if threads is not None:
            lib.get("set_num_threads")(threads)
        yield
    finally:
        testing.set_simd_level(before[0])
        lib.get("set_num_threads")(before[1])


def boundary_samples(spec: OpSpec, dtype: str) -> Iterator[Sample]:
    """The record's boundary samples of a dtype; of those that are heavy, floating-point ones only."""
    if spec.boundary is None:
        return
    light = dtype not in FLOATING and any(d in FLOATING for d in spec.dtypes)
    for sample in spec.boundary(Sampler(f"{spec.name}/boundary", dtype)):
        if not (light and sum(a.size for a in sample.arrays()) > HEAVY):
            yield sample


def first_dtype(spec: OpSpec) -> str:
    """float32, or the first dtype of a record that lacks it."""
    return "float32" if "float32" in spec.dtypes else spec.dtypes[0]


def _incoming(lib: Library, outputs: list[Any], seed: np.random.Generator) -> tuple[list[Array], list[Any]]:
    weights = [draw(seed, tuple(o.shape), CONTIGUOUS) for o in outputs]
    return weights, [
        lib.from_numpy(w.astype(lib.dtype_name(o))) for w, o in zip(weights, outputs, strict=True)
    ]


class _Run:
    """One call with its gradients, as arrays."""

    def __init__(self, spec: OpSpec, lib: Library, sample: Sample) -> None:
        call = prepare(lib, sample)
        smooth: list[Any] = []
        if spec.order and sample.grad:
            smooth = [leaf.tensor.requires_grad_(True) for leaf in call.leaves if leaf.differentiable]
        args = tuple(a.clone() if spec.mutates and lib.is_tensor(a) else a for a in call.args)
        count = lib.get("_C._testing.cut_loops")
        before = count()
        outputs = tensors(lib, spec.bind(lib, sample.form)(*args, **call.kwargs))
        self.cut_forward = count() - before
        self.results = [lib.to_numpy(t) for t in outputs]
        self.arrays = [leaf.array for leaf in call.leaves]
        floating = [o for o in outputs if o.dtype.is_floating_point]
        self.gradients: list[Array] = []
        self.weights: list[Array] = []
        self.cut_backward = 0
        if smooth and any(o.requires_grad for o in floating):
            problem = problem_of(spec, lib, sample)
            assert problem is not None
            self.weights, incoming = _incoming(lib, floating, problem.seed())
            kept = [(o, g) for o, g in zip(floating, incoming, strict=True) if o.requires_grad]
            before = count()
            grads = lib.grad([o for o, _ in kept], smooth, [g for _, g in kept])
            self.cut_backward = count() - before
            self.gradients = [
                np.zeros(tuple(x.shape)) if g is None else lib.to_numpy(g)
                for x, g in zip(smooth, grads, strict=True)
            ]

    def bits(self) -> list[bytes]:
        """Everything as bytes."""
        return [a.tobytes() for a in (*self.results, *self.gradients)]


def level_check(
    spec: OpSpec, lib: Library, sample: Sample, level: str, answers: Answers, coverage: Coverage
) -> Callable[[], float]:
    """At one level: equal bits for any number of threads, and gradients within their bounds."""

    def run() -> float:
        what = f"{spec.name}{sample.label} at level {level}"
        runs = []
        for threads in THREADS:
            with machine(lib, level, threads):
                runs.append(_Run(spec, lib, sample))
        first = runs[0]
        for threads, other in zip(THREADS[1:], runs[1:], strict=True):
            if other.bits() != first.bits():
                part = next(
                    i for i, (a, b) in enumerate(zip(first.bits(), other.bits(), strict=True)) if a != b
                )
                kind = "result" if part < len(first.results) else "gradient"
                raise CheckError(
                    f"{what}: expected the same bits with {threads} threads as with 1 in a {kind}"
                )
        coverage.cut_forward += first.cut_forward
        coverage.cut_backward += first.cut_backward
        if not first.gradients:
            return 0.0
        wanted = answers.get(sample, first.arrays, first.weights)
        return elements_error(spec, first.gradients, wanted, lambda i: f"{what}: gradient {i}")

    return run


def _at_level(lib: Library, level: str, run: Callable[[], float]) -> Callable[[], float]:
    def inside() -> float:
        with machine(lib, level, 2):
            return run()

    return inside


def boundary_checks(spec: OpSpec, lib: Library, coverage: Coverage) -> Iterator[Check]:
    """All checks of the boundary samples of a record."""
    if spec.boundary is None or lib.name != "verigrad":
        return
    available, main = levels(lib), first_dtype(spec)
    plain = replace(spec, view=None)
    for dtype in spec.dtypes:
        for sample in boundary_samples(spec, dtype):
            results, answers = Results(spec), Answers(spec)
            shapes = [a.shape for a in sample.arrays()]
            layouts = [CONTIGUOUS, *([] if sample.layouts or lib.device != "cpu" else [GUARDED])]
            if sample.vary and dtype in FLOATING:
                layouts += [TRANSPOSED, SLICED, OFFSET]
            for layout in layouts if spec.compare else ():
                if any(applies(shape, layout) for shape in shapes):
                    variant = (
                        sample if layout == CONTIGUOUS else replace(sample, layouts=(layout,) * len(shapes))
                    )
                    yield Check("boundary", dtype, variant.label, forward_check(plain, lib, variant, results))
            # float64 has vectors of half as many elements; how its loops are cut for threads is float32's.
            if dtype != main and (dtype not in FLOATING or sum(a.size for a in sample.arrays()) > HEAVY):
                continue
            for level in available:
                if level != available[-1] and spec.compare:
                    run = forward_check(plain, lib, sample, results)
                    yield Check("boundary", dtype, f"{sample.label} {level}", _at_level(lib, level, run))
                run = level_check(spec, lib, sample, level, answers, coverage)
                yield Check("threads", dtype, f"{sample.label} {level}", run)
    pairs = (*PAIRS[:2], (GUARDED, GUARDED)) if lib.device == "cpu" else PAIRS[:2]
    yield from element_checks(spec, lib, coverage, lambda d: boundary_samples(spec, d), pairs)


def refuse_uncut(spec: OpSpec, coverage: Coverage) -> None:
    """Refuses a record none of whose samples is large enough to be cut for threads, forward and backward.

    Raises:
        CheckError: unless the record says in ``serial`` why its kernels work on the calling thread; a text
            that starts with "forward:" or "backward:" is about that way alone.
    """
    ways, _, reason = spec.serial.partition(":")
    if spec.serial and not (reason and ways in ("forward", "backward")):
        return
    wanted = [("forward", coverage.cut_forward)]
    if spec.order and not spec.zero_gradient and has_gradient(spec):
        wanted.append(("backward", coverage.cut_backward))
    for way, cut in wanted:
        if not cut and way != ways:
            raise CheckError(
                f"{spec.name}: expected a boundary sample whose {way} loops are cut for threads, got none"
            )
