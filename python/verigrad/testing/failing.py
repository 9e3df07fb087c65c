"""Checks of calls that must fail: the type, the message, and that nothing has changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from verigrad.testing.calls import CheckError, prepare
from verigrad.testing.forward import Check
from verigrad.testing.library import Library
from verigrad.testing.opspec import ErrorInput, OpSpec
from verigrad.testing.samples import Sample


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
    sample = Sample(call.args, call.kwargs)
    what = f"{spec.name}{sample.label}"
    prepared = prepare(lib, sample)
    before = [leaf.built.memory.tobytes() for leaf in prepared.leaves]
    random = lib.to_numpy(lib.get("get_rng_state")()).tobytes()
    try:
        result = spec.bind(lib)(*prepared.args, **prepared.kwargs)
    except Exception as error:
        for leaf, old in zip(prepared.leaves, before, strict=True):
            if untouched and leaf.built.memory.tobytes() != old:
                raise CheckError(
                    f"{what}: expected {leaf.label} as it was after the error, got other bytes"
                ) from error
        if untouched and lib.to_numpy(lib.get("get_rng_state")()).tobytes() != random:
            raise CheckError(f"{what}: expected no random numbers to be drawn, got another state") from error
        return error
    raise CheckError(f"{what}: expected {call.error.__name__}, got {result!r}")


def error_checks(spec: OpSpec, lib: Library) -> Iterator[Check]:
    """All calls of a record that must fail."""
    for call in spec.errors:
        yield Check("error", "", call.label, _check(spec, lib, call))


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
