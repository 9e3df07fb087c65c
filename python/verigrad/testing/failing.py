"""Checks of calls that must fail: the type, the message, and that nothing has changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from verigrad.testing.calls import CheckError, expected, prepare
from verigrad.testing.forward import Check, inplace_sample
from verigrad.testing.layouts import EXPANDED
from verigrad.testing.library import Library
from verigrad.testing.opspec import ErrorInput, OpSpec
from verigrad.testing.reference.promotion import category
from verigrad.testing.samples import Const, Sample


@dataclass(frozen=True)
class InPlaceError(ErrorInput):
    """A call that must fail since its first tensor cannot be written to.

    Attributes:
        form: "inplace", or "function" for an operation that has no other form.
        leaf: whether the tensor requires a gradient.
    """

    form: str = "inplace"
    leaf: bool = False

    @property
    def sample(self) -> Sample:
        """The call itself."""
        note = "a leaf" if self.leaf else ""
        return Sample(self.args, self.kwargs, layouts=self.layouts, form=self.form, note=note)


def raised(spec: OpSpec, lib: Library, call: ErrorInput, untouched: bool = True) -> Exception:
    """The exception of a call that must fail.

    Args:
        spec: the record.
        lib: the library.
        call: the call.
        untouched: whether the inputs and the random generator must be as they were. PyTorch's are not always.

    Raises:
        CheckError: if the call returns, or has changed an input or drawn numbers before it raised.
    """
    sample = call.sample
    what = f"{spec.name}{sample.label}"
    prepared = prepare(lib, sample)
    if isinstance(call, InPlaceError) and call.leaf:
        prepared.leaves[0].tensor.requires_grad_(True)
    before = [leaf.built.memory.tobytes() for leaf in prepared.leaves]
    random = lib.to_numpy(lib.get_rng_state()).tobytes()
    try:
        result = spec.bind(lib, sample.form)(*prepared.args, **prepared.kwargs)
        # What only the device sees is raised after the rest was written.
        untouched = untouched and lib.device == "cpu"
        lib.synchronize()
    except Exception as error:
        for leaf, old in zip(prepared.leaves, before, strict=True):
            if untouched and leaf.built.memory.tobytes() != old:
                raise CheckError(
                    f"{what}: expected {leaf.label} as it was after the error, got other bytes"
                ) from error
        if untouched and lib.to_numpy(lib.get_rng_state()).tobytes() != random:
            raise CheckError(f"{what}: expected no random numbers to be drawn, got another state") from error
        return error
    raise CheckError(f"{what}: expected {call.error.__name__}, got {result!r}")


def error_checks(spec: OpSpec, lib: Library) -> Iterator[Check]:
    """All calls of a record that must fail."""
    for call in (*spec.errors, *inplace_errors(spec)):
        yield Check("error", "", call.label, _check(spec, lib, call))


def inplace_errors(spec: OpSpec) -> Iterator[InPlaceError]:
    """What every operation in place must refuse: a leaf that requires a gradient, a tensor whose elements
    share memory, and results that its shape or its dtype does not hold."""
    form = "inplace" if spec.inplace else "function"
    if not (spec.inplace or spec.mutates):
        return
    wanted = {"leaf": "leaf", "overlap": "single memory", "shape": "shape|size", "dtype": "cast|type"}
    for dtype in ("float32", "int32"):
        for sample in spec.sample(dtype) if dtype in spec.dtypes else ():
            for kind in _reasons(spec, sample) & wanted.keys():
                yield InPlaceError(
                    sample.args,
                    sample.kwargs,
                    RuntimeError,
                    wanted.pop(kind),
                    layouts=(EXPANDED,) if kind == "overlap" else (),
                    form=form,
                    leaf=kind == "leaf",
                )


def _reasons(spec: OpSpec, sample: Sample) -> set[str]:
    """Why a call may be refused in place."""
    if not sample.args or not isinstance(sample.args[0], np.ndarray | Const) or sample.form != "function":
        return set()
    first = sample.args[0].array if isinstance(sample.args[0], Const) else sample.args[0]
    if spec.mutates or inplace_sample(spec, sample) is not None:
        smooth = first.dtype.kind == "f" and first.ndim > 0 and min(first.shape) > 1
        if not smooth:
            return set()
        # A part that is written to may be free of overlap.
        return {"leaf"} if spec.name == "__setitem__" else {"leaf", "overlap"}
    result = expected(spec.reference, sample, sample.arrays())
    if not isinstance(result, np.ndarray) or sample.kwargs:
        return set()
    if result.shape != first.shape:
        return {"shape"}
    return {"dtype"} if category(result.dtype) > category(first.dtype) else set()


def _check(spec: OpSpec, lib: Library, call: ErrorInput) -> Callable[[], float]:
    def run() -> float:
        error = raised(spec, lib, call)
        what = f"{spec.name}{call.label}"
        if type(error) is not call.error:
            raise CheckError(f"{what}: expected {call.error.__name__}, got {type(error).__name__}: {error}")
        if not re.search(call.match, str(error)):
            raise CheckError(f"{what}: expected a message with {call.match!r}, got {str(error)!r}")
        return 0.0

    return run
