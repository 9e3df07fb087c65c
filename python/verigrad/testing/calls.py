"""From a sample to a call of the library, and from its result to a comparison with the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verigrad.testing.layouts import Built, build, settle
from verigrad.testing.library import Library
from verigrad.testing.samples import Const, D, Raw, Same, Sample, tree_map

Array = np.ndarray[Any, Any]


class CheckError(RuntimeError):
    """A check that failed. Its text names the operation, the call, what was expected and what came."""


@dataclass
class Leaf:
    """One tensor of a call."""

    label: str
    array: Array
    layout: str
    differentiable: bool
    built: Built

    @property
    def tensor(self) -> Any:
        """The library's tensor."""
        return self.built.tensor


@dataclass
class Call:
    """A sample's arguments with tensors in them."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    leaves: list[Leaf] = field(default_factory=list)


def _walk(tree: Any, label: str, visit: Callable[[Any, str], Any]) -> Any:
    if isinstance(tree, tuple):
        return tuple(_walk(t, f"{label}[{i}]", visit) for i, t in enumerate(tree))
    if isinstance(tree, list):
        return [_walk(t, f"{label}[{i}]", visit) for i, t in enumerate(tree)]
    return visit(tree, label)


def prepare(lib: Library, sample: Sample, arrays: list[Array] | None = None) -> Call:
    """Builds the tensors of a call.

    Args:
        lib: the library.
        sample: the call.
        arrays: other values for the tensors, in the order of the arguments.
    """
    call = Call((), {})

    def visit(leaf: Any, label: str) -> Any:
        if isinstance(leaf, np.ndarray | Const):
            position = len(call.leaves)
            array = leaf.array if isinstance(leaf, Const) else leaf
            if arrays is not None:
                array = arrays[position]
            layout = sample.layout(position)
            array = settle(array, layout)
            smooth = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
            call.leaves.append(Leaf(label, array, layout, smooth, build(lib, array, layout)))
            return call.leaves[-1].tensor
        if isinstance(leaf, Same):
            return call.leaves[leaf.position].tensor
        if isinstance(leaf, Raw):
            return leaf.array
        return lib.dtype(leaf.name) if isinstance(leaf, D) else leaf

    call.args = tuple(_walk(a, f"input {i}", visit) for i, a in enumerate(sample.args))
    call.kwargs = {k: _walk(v, k, visit) for k, v in sample.kwargs.items()}
    return call


def expected(reference: Callable[..., Any], sample: Sample, arrays: list[Array]) -> Any:
    """The reference's answer for these values of the tensors."""
    values = iter(arrays)

    def visit(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray | Const):
            return next(values)
        if isinstance(leaf, Same):
            return arrays[leaf.position]
        if isinstance(leaf, Raw):
            return leaf.array
        return np.dtype(leaf.name) if isinstance(leaf, D) else leaf

    args = [tree_map(visit, a) for a in sample.args]
    kwargs = {k: tree_map(visit, v) for k, v in sample.kwargs.items()}
    with np.errstate(all="ignore"):
        return reference(*args, **kwargs)


def tensors(lib: Library, result: Any) -> list[Any]:
    """The tensors of a result, in order."""
    found: list[Any] = []
    tree_map(lambda leaf: found.append(leaf) if lib.is_tensor(leaf) else None, _plain(result))
    return found


def _plain(result: Any) -> Any:
    """Named tuples as tuples, so that a tree can be rebuilt."""
    return tuple(result) if isinstance(result, tuple) else result


def relative_error(got: Array, wanted: Array, scale: Array | None, what: str) -> float:
    """The greatest difference over the scale; NaN and infinities must stand in the same places.

    Raises:
        CheckError: on another shape, dtype, or place of NaN or infinity.
    """
    if got.dtype != wanted.dtype:
        raise CheckError(f"{what}: expected dtype {wanted.dtype}, got {got.dtype}")
    if got.shape != wanted.shape:
        raise CheckError(f"{what}: expected shape {list(wanted.shape)}, got {list(got.shape)}")
    if wanted.dtype.kind != "f":
        wrong = got != wanted
        if wrong.any():
            _raise_at(what, wrong, got, wanted)
        return 0.0
    # Infinities as the reference has them; one that stands for an overflow of the other is found by the sum.
    wrong = (np.isnan(got) != np.isnan(wanted)) | (np.isinf(got) != np.isinf(wanted))
    wrong |= np.isinf(wanted) & np.isinf(got) & (got != wanted)
    if wrong.any():
        _raise_at(what, wrong, got, wanted)
    finite = np.isfinite(wanted)
    difference = np.abs(got[finite].astype(np.float64) - wanted[finite].astype(np.float64))
    base = np.abs(wanted[finite].astype(np.float64))
    if scale is not None:
        base = np.maximum(base, np.broadcast_to(scale, wanted.shape)[finite].astype(np.float64))
    return float(np.max(difference / np.maximum(base, np.finfo(wanted.dtype).tiny), initial=0.0))


def _raise_at(what: str, wrong: Array, got: Array, wanted: Array) -> None:
    index = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    raise CheckError(f"{what}: expected {wanted[index]} at {list(index)}, got {got[index]}")


def compare(lib: Library, got: Any, wanted: Any, scale: Any, tolerance: float, what: str) -> float:
    """The worst relative error of a result, which may be nested, in units of the machine epsilon of its
    dtype.

    Raises:
        CheckError: if anything differs by more than the tolerance, or at all where it is not floating point.
    """
    if isinstance(wanted, np.ndarray | np.generic):
        if not lib.is_tensor(got):
            raise CheckError(f"{what}: expected a tensor, got {type(got).__name__}")
        wanted = np.asarray(wanted)
        if lib.dtype_name(got) != wanted.dtype.name:
            raise CheckError(f"{what}: expected dtype {wanted.dtype.name}, got {lib.dtype_name(got)}")
        if tuple(got.shape) != wanted.shape:
            raise CheckError(f"{what}: expected shape {list(wanted.shape)}, got {list(got.shape)}")
        values = lib.to_numpy(got)
        error = relative_error(values, wanted, scale, what)
        if wanted.dtype.kind == "f":
            error /= float(np.finfo(wanted.dtype).eps)
        if error > tolerance:
            base = (
                np.abs(wanted)
                if scale is None
                else np.maximum(np.abs(wanted), np.broadcast_to(scale, wanted.shape))
            )
            with np.errstate(all="ignore"):
                off = np.abs(values - wanted) / np.maximum(base, np.finfo(wanted.dtype).tiny)
            off = np.where(np.isnan(off), 0.0, off)
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
            raise CheckError(
                f"{what}: expected {wanted[index]!r} at {list(index)}, got {values[index]!r} "
                f"(relative error {error:.3g} epsilon, tolerance {tolerance:.3g})"
            )
        return error
    if isinstance(wanted, list | tuple):
        if not isinstance(got, list | tuple) or len(got) != len(wanted):
            raise CheckError(f"{what}: expected {len(wanted)} results, got {got!r}")
        scales = scale if isinstance(scale, list | tuple) else [scale] * len(wanted)
        parts = zip(got, wanted, scales, strict=True)
        errors = [compare(lib, g, w, s, tolerance, f"{what}[{i}]") for i, (g, w, s) in enumerate(parts)]
        return max(errors, default=0.0)
    same = got == wanted or (wanted != wanted and got != got)
    if type(got) is not type(wanted) or not same:
        raise CheckError(f"{what}: expected {wanted!r}, got {got!r}")
    return 0.0
