"""Compositions on the tape that follow from a reference alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import tape

Array = np.ndarray[Any, Any]


def _leaves(tree: Any, visit: Callable[[tape.Var], Any]) -> Any:
    if isinstance(tree, tuple):
        return tuple(_leaves(t, visit) for t in tree)
    if isinstance(tree, list):
        return [_leaves(t, visit) for t in tree]
    if isinstance(tree, dict):
        return {k: _leaves(v, visit) for k, v in tree.items()}
    return visit(tree) if isinstance(tree, tape.Var) else tree


def _collect(tree: Any) -> list[tape.Var]:
    found: dict[int, tape.Var] = {}

    def visit(x: tape.Var) -> None:
        found.setdefault(id(x), x)

    _leaves(tree, visit)
    return list(found.values())


def _floating(result: Any) -> list[Array]:
    results = result if isinstance(result, list | tuple) else [result]
    return [np.asarray(r) for r in results if np.asarray(r).dtype.kind == "f"]


def moved(reference: Callable[..., Any]) -> Callable[..., Any]:
    """The composition of an operation whose results are elements of its inputs, or constants.

    The reference moves the positions of the elements, twice with another offset: what follows the offset is
    an element, what does not is a constant.
    """

    def composition(*args: Any, **kwargs: Any) -> list[tape.Var]:
        inputs = _collect((args, kwargs))
        flat = tape.concatenate([x.reshape(x.size) for x in inputs]) if inputs else tape.Var(np.zeros(0))
        starts = dict(
            zip(map(id, inputs), np.cumsum([0, *(x.size for x in inputs)])[:-1].tolist(), strict=True)
        )

        def run(offset: float) -> list[Array]:
            def positions(x: tape.Var) -> Array:
                flat: Array = np.arange(x.size, dtype=np.float64) + (starts[id(x)] + offset)
                return flat.reshape(x.shape)

            a, k = _leaves((args, kwargs), positions)
            return _floating(reference(*a, **k))

        plain = _leaves((args, kwargs), lambda x: x.value)
        first, second = 2.0**33, 2.0**34
        found = []
        for one, two, values in zip(
            run(first), run(second), _floating(reference(*plain[0], **plain[1])), strict=True
        ):
            element = two - one == first
            index = np.where(element, one - first, -1).astype(np.int64)
            found.append(tape.take(flat, index) + np.where(element, 0.0, values.astype(np.float64)))
        return found

    return composition
