"""Checks of results: values against the reference, dtypes, memory, views, in-place forms and flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verigrad.testing.calls import Call, CheckError, Leaf, compare, expected, prepare, tensors
from verigrad.testing.layouts import CONTIGUOUS, DENSE_LAYOUTS, LAYOUTS, SLICED, TRANSPOSED, applies, build
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec
from verigrad.testing.samples import Same, Sample

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Check:
    """One check of one record.

    `run` answers the error that it measured, or raises CheckError. Errors of results are in units of the
    machine epsilon, those of gradients relative.
    """

    kind: str
    dtype: str
    label: str
    run: Callable[[], float]


def variants(sample: Sample, written: int = 0) -> Iterator[Sample]:
    """The sample in every layout: all tensors alike, then the first and the last alone.

    Args:
        sample: the call.
        written: number of leading tensors that are written to, so that no two elements of them may share
            memory.
    """
    yield sample
    if not sample.vary:
        return
    shapes = [a.shape for a in sample.arrays()]
    count = len(shapes)
    for layout in LAYOUTS[1:]:
        if any(applies(shape, layout) for shape in shapes):
            fixed = 0 if layout in DENSE_LAYOUTS else min(written, count)
            if fixed < count:
                yield replace(sample, layouts=(CONTIGUOUS,) * fixed + (layout,) * (count - fixed))
    if count > 1:
        yield replace(sample, layouts=(TRANSPOSED if applies(shapes[0], TRANSPOSED) else SLICED,))
        yield replace(sample, layouts=(CONTIGUOUS,) * (count - 1) + (SLICED,))


def scale_of(spec: OpSpec, sample: Sample, wanted: Any, arrays: list[Array]) -> Any:
    """What the tolerance of each element of a result is multiplied by; None for the element itself."""
    if spec.scale == "bound":
        return _bound(spec, sample, wanted, arrays)
    if spec.scale == "inputs":
        return expected(spec.reference, sample, [np.abs(a) if a.dtype.kind == "f" else a for a in arrays])
    if spec.scale == "norm":
        return _norm(wanted)
    return None


def _bound(spec: OpSpec, sample: Sample, wanted: Any, arrays: list[Array]) -> Any:
    """The running error bounds of the composition, beside the floating-point results."""
    from verigrad.testing.backward import compose

    if not any(a.dtype.kind == "f" for a in _arrays(wanted)):
        return None
    # A bound that is not finite says nothing; the value itself is the scale then.
    bounds = iter([np.nan_to_num(o.r.error, posinf=0.0) for o in compose(spec, sample, arrays)[0]])

    def scale(tree: Any) -> Any:
        if isinstance(tree, list | tuple):
            return [scale(t) for t in tree]
        return next(bounds) if any(a.dtype.kind == "f" for a in _arrays(tree)) else None

    return scale(wanted)


def _arrays(tree: Any) -> list[Array]:
    if isinstance(tree, list | tuple):
        return [a for t in tree for a in _arrays(t)]
    return [np.asarray(tree)] if isinstance(tree, np.ndarray | np.generic) else []


def _norm(wanted: Any) -> Any:
    if isinstance(wanted, list | tuple):
        return [_norm(w) for w in wanted]
    if isinstance(wanted, np.ndarray) and wanted.dtype.kind == "f":
        finite = np.abs(wanted[np.isfinite(wanted)])
        return np.full(wanted.shape, finite.max(initial=0.0))
    return None


def _check_memory(lib: Library, leaf: Leaf, changed: bool, what: str) -> None:
    """Raises if memory changed that should not have: the values of an input, or what lies around a result."""
    values = lib.to_numpy(leaf.tensor) if changed else leaf.array
    fresh = build(lib, values, leaf.layout).memory
    if fresh.tobytes() != leaf.built.memory.tobytes():
        place = "memory outside of the tensor" if changed else "its values or the memory around them"
        raise CheckError(f"{what}: expected {leaf.label} to keep {place}, got other bytes")


def _check_zeros(lib: Library, result: Any, wanted: Any, what: str) -> None:
    """Raises if a zero has another sign than the reference's, which compares as equal."""
    for got, array in zip(tensors(lib, result), _arrays(wanted), strict=True):
        values = lib.to_numpy(got)
        if values.dtype.kind == "f" and np.any((values == 0) & (np.signbit(values) != np.signbit(array))):
            raise CheckError(
                f"{what}: expected zeros with the reference's signs, got one with the other sign"
            )


def _check_view(spec: OpSpec, lib: Library, sample: Sample, call: Call, result: Any, what: str) -> None:
    """Changes the input after the call and compares again: a view shows the change, a copy does not."""
    leaf = call.leaves[0]
    values = leaf.array.copy()
    changed = ~values if values.dtype.kind == "b" else values + values.dtype.type(1)
    leaf.built.write(build(lib, changed, leaf.layout).memory)
    first = changed if spec.view else values
    wanted = expected(spec.reference, sample, [first, *(x.array for x in call.leaves[1:])])
    kind = "the input's memory" if spec.view else "memory of its own"
    compare(lib, result, wanted, None, 0.0, f"{what}: result in {kind}, after a change of the input")


class Answers:
    """The reference's answers to one sample: most layouts hold the same values and share an answer."""

    def __init__(self, spec: OpSpec) -> None:
        self.spec = spec
        self.known: dict[bytes, tuple[Any, Any]] = {}

    def get(self, sample: Sample, arrays: list[Array]) -> tuple[Any, Any]:
        """The answer for these values, and what its errors are relative to."""
        key = b"".join(a.tobytes() for a in arrays)
        if key not in self.known:
            wanted = expected(self.spec.reference, sample, arrays)
            scale = scale_of(self.spec, sample, wanted, arrays) if self.spec.compare else None
            self.known[key] = wanted, scale
        return self.known[key]


def forward_check(
    spec: OpSpec, lib: Library, sample: Sample, answers: Answers | None = None
) -> Callable[[], float]:
    """The check of one call against the reference."""
    known = Answers(spec) if answers is None else answers

    def run() -> float:
        what = f"{spec.name}{sample.label}"
        call = prepare(lib, sample)
        arrays = [leaf.array for leaf in call.leaves]
        wanted, scale = known.get(sample, arrays)
        versions = [leaf.tensor._version for leaf in call.leaves]
        result = spec.bind(lib, sample.form)(*call.args, **call.kwargs)
        inplace = sample.form == "inplace"
        if inplace:
            wanted = _as_stored(wanted, call.leaves[0].array)
            if result is not call.leaves[0].tensor:
                raise CheckError(f"{what}: expected the tensor itself, got another object")
            if result._version <= versions[0]:
                raise CheckError(
                    f"{what}: expected a higher version than {versions[0]}, got {result._version}"
                )
        if any(t.requires_grad for t in tensors(lib, result)):
            raise CheckError(f"{what}: expected a result that requires no gradient, got one that does")
        error = 0.0
        if spec.compare:
            error = compare(lib, result, wanted, scale, lib.allowed(spec.tolerance), what)
            if lib.allowed(spec.tolerance) == 0.0 and spec.zeros:
                _check_zeros(lib, result, wanted, what)
        for i, leaf in enumerate(call.leaves):
            _check_memory(lib, leaf, i < max(spec.mutates, int(inplace)), what)
        if spec.view is not None and spec.compare and not inplace and not spec.mutates and call.leaves:
            array = call.leaves[0].array
            watched = (
                array.dtype.kind == "f" and spec.view is False and array.size and np.isfinite(array).all()
            )
            if spec.view or watched:
                if spec.view:
                    _check_view(spec, lib, sample, call, result, what)
                else:
                    _check_copy(lib, call, result, what)
        return error

    return run


def _check_copy(lib: Library, call: Call, result: Any, what: str) -> None:
    before = [lib.to_numpy(t) for t in tensors(lib, result)]
    for leaf in call.leaves:
        leaf.built.write(np.zeros((), leaf.array.dtype))
    for t, old in zip(tensors(lib, result), before, strict=True):
        if lib.to_numpy(t).tobytes() != old.tobytes():
            raise CheckError(
                f"{what}: expected a result in memory of its own, got one that changes with the input"
            )


def _as_stored(wanted: Any, into: Array) -> Any:
    from verigrad.testing.reference.promotion import cast

    return cast(wanted, into.dtype) if isinstance(wanted, np.ndarray) else wanted


def flag_check(spec: OpSpec, lib: Library, sample: Sample) -> Callable[[], float]:
    """Results require a gradient exactly if an input does and the operation can be differentiated."""

    def run() -> float:
        what = f"{spec.name}{sample.label}"
        call = prepare(lib, sample)
        function = spec.bind(lib, sample.form)
        for leaf in call.leaves:
            if leaf.differentiable:
                leaf.tensor.requires_grad_(True)
        args = call.args
        if spec.mutates:
            args = tuple(a.clone() if lib.is_tensor(a) else a for a in args)
        result = function(*args, **call.kwargs)
        for t in tensors(lib, result):
            wanted = spec.order > 0 and t.dtype.is_floating_point
            if t.requires_grad != wanted:
                raise CheckError(
                    f"{what}: expected requires_grad {wanted} of the result, got {t.requires_grad}"
                )
            own = any(t is leaf.tensor for leaf in call.leaves)
            if wanted and not own and (t.grad_fn is None or t.is_leaf):
                raise CheckError(f"{what}: expected a result with a grad_fn, got a leaf")
            node = t.grad_fn.name() if wanted and not own else "Backward"
            if not any(part in node for part in ("Backward", "CopySlices")):
                raise CheckError(f"{what}: expected a node whose name says Backward, got {node}")
        if spec.view is not False:  # a view of a tensor that requires a gradient always says that it does
            return 0.0
        with lib.module.no_grad():
            args = tuple(a.clone() if spec.mutates and lib.is_tensor(a) else a for a in call.args)
            for t in tensors(lib, function(*args, **call.kwargs)):
                if t.requires_grad and not any(t is leaf.tensor for leaf in call.leaves):
                    raise CheckError(f"{what}: expected no requires_grad under no_grad, got a result with it")
        return 0.0

    return run


def inplace_sample(spec: OpSpec, sample: Sample) -> Sample | None:
    """The same call in place, or None where the result has no place in the first argument."""
    if spec.inplace is None or sample.form != "function" or sample.kwargs.get("dtype") is not None:
        return None
    if not sample.args or not isinstance(sample.args[0], np.ndarray):
        return None
    from verigrad.testing.reference.promotion import category

    wanted = expected(spec.reference, sample, sample.arrays())
    first = sample.args[0]
    if not isinstance(wanted, np.ndarray) or wanted.shape != first.shape:
        return None
    if category(wanted.dtype) > category(first.dtype):
        return None
    if any(isinstance(a, Same) for a in sample.args):
        return replace(sample, form="inplace", vary=False, grad=False)
    return replace(sample, form="inplace")


def forms(spec: OpSpec, sample: Sample) -> Iterator[Sample]:
    """The same call as a method, by Python's operator, with a tensor for the result, and in place in every
    layout that can be written to."""
    if sample.form != "function":
        return
    if spec.method and sample.args and isinstance(sample.args[0], np.ndarray):
        yield replace(sample, form="method")
    if spec.operator is not None and not sample.kwargs:
        yield replace(sample, form="operator")
    if spec.out:
        yield replace(sample, form="out")
    place = inplace_sample(spec, sample)
    if place is not None:
        for layout in DENSE_LAYOUTS if place.vary else (CONTIGUOUS,):
            if applies(sample.args[0].shape, layout):
                yield replace(place, layouts=(layout,))


def forward_checks(spec: OpSpec, lib: Library, dtypes: tuple[str, ...] | None = None) -> Iterator[Check]:
    """All checks of results, in the order of the dtypes."""
    for dtype in spec.dtypes if dtypes is None else dtypes:
        flagged = False
        for sample in spec.sample(dtype):
            answers = Answers(spec)
            for variant in (*variants(sample, spec.mutates), *forms(spec, sample)):
                run = forward_check(spec, lib, variant, answers)
                yield Check("forward", dtype, variant.label, run)
            differentiable = any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in _flat(sample))
            if differentiable and not flagged:
                flagged = True
                yield Check("flags", dtype, sample.label, flag_check(spec, lib, sample))


def _flat(sample: Sample) -> list[Any]:
    from verigrad.testing.samples import tree_map

    found: list[Any] = []
    tree_map(found.append, (sample.args, dict(sample.kwargs)))
    return found
