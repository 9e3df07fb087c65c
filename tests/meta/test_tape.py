"""The tape of the references: gradients against finite differences, bounds against rounding in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from verigrad.testing.reference import compositions, tape
from verigrad.testing.reference.rounded import Rounded, collect, contract

RNG = np.random.default_rng(7)
Array = np.ndarray[Any, Any]


def draw(*shape: int, low: float = 0.3, high: float = 2.0) -> Array:
    return RNG.uniform(low, high, shape)


PLACES = np.array([[0, 5, -1], [5, 2, 1]])
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "arithmetic": (lambda a, b: (a + b) * a / (b - 3.0) - 2.0 / b, (draw(2, 3), draw(3))),
    "constants on the left": (lambda a: 2.0 - a + 3.0 * a + 1.0 / a, (draw(4),)),
    "functions": (lambda a: tape.exp(a) + tape.log(a) * tape.sqrt(a) + tape.tanh(a), (draw(2, 3),)),
    "absolute": (lambda a: tape.absolute(a) * a, (draw(5, low=-2.0),)),
    "power": (lambda a: tape.power(a, -1.5), (draw(4),)),
    "sum": (lambda a: a.sum(0) * a.sum() + a.sum((0, 1), keepdims=True), (draw(2, 3),)),
    "mean": (lambda a: a.mean(1, keepdims=True) * a, (draw(2, 3),)),
    "shapes": (lambda a: a.reshape(3, 2).swap().transpose(1, 0).expand(2, 3, 2) * a[0, 1], (draw(2, 3),)),
    "where": (lambda a, b: tape.where(a.value > 1.0, a * b, b), (draw(2, 3), draw(1, 3))),
    "maximum": (tape.maximum, (draw(6), draw(6))),
    "matrices": (tape.matmul, (draw(2, 1, 3, 4), draw(5, 4, 2))),
    "vectors": (lambda a, b: tape.matmul(a, b) * tape.matmul(b, a), (draw(4), draw(4))),
    "matrix and vector": (tape.matmul, (draw(2, 3, 4), draw(4))),
    "vector and matrix": (tape.matmul, (draw(4), draw(4, 3))),
    "einsum": (lambda a, b: tape.einsum("abc,cd->abd", a, b), (draw(2, 3, 4), draw(4, 2))),
    "take": (lambda a: tape.take(a, PLACES) * 2.0, (draw(2, 3),)),
    "scatter": (lambda a: tape.scatter(a, PLACES, (7,)), (draw(2, 3),)),
    "concatenate": (lambda a, b: tape.concatenate([a, b, a], 1), (draw(2, 3), draw(2, 1))),
    "select": (lambda a: tape.select(a, np.array([[2], [0]]), 1), (draw(2, 3),)),
    "used twice": (lambda a: a * a * a, (draw(3),)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    function, arrays = FUNCTIONS[name]
    inputs = [tape.Var(a) for a in arrays]
    out = function(*inputs)
    weights = draw(*out.shape)
    for i, got in enumerate(tape.gradients([out], [weights], inputs)):
        for index in np.ndindex(*arrays[i].shape):

            def value(t: float, i: int = i, index: tuple[int, ...] = index) -> float:
                moved = [a.copy() for a in arrays]
                moved[i][index] += t
                return float((function(*map(tape.Var, moved)).value * weights).sum())

            step = 1e-5
            numeric = (value(step) - value(-step)) / (2 * step)
            assert got.value[index] == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bounds_hold_for_float32_and_are_not_idle(name: str) -> None:
    """The same function over arrays that are rounded to float32 after every operation is within the bound."""
    function, arrays = FUNCTIONS[name]
    rounded = [a.astype(np.float32).astype(np.float64) for a in arrays]
    out = function(*map(tape.Var, rounded))
    again = function(*(tape.Var(a) for a in rounded))
    assert np.array_equal(out.value, again.value) and (out.r.error >= 0).all()
    nearest = out.value.astype(np.float32).astype(np.float64)
    eps = float(np.finfo(np.float32).eps)
    moved = name in ("where", "take", "concatenate", "select", "maximum")
    assert moved or (np.abs(nearest - out.value) <= out.r.error * eps).all()
    assert (out.r.error <= 200 * (1.0 + np.abs(out.value))).all()


def test_a_sum_counts_what_was_added() -> None:
    x = np.array([1e6, -1e6, 1.0])
    total = Rounded(x).sum()
    assert total.value == 1.0 and total.error == 2e6 + 1.0
    assert collect(Rounded(x), np.array([0, 0, 1]), 3).error.tolist() == [2e6, 0.0, 0.0]
    assert contract("i,i->", (Rounded(x), Rounded(np.ones(3)))).error == 2e6 + 1.0
    assert Rounded(x[:1]).sum().error == 0.0


def test_errors_grow_where_terms_cancel() -> None:
    y = Rounded(np.array([1.0]), np.array([1.0]))
    difference = y - np.array([1.0 - 2.0**-20])
    assert difference.value[0] == 2.0**-20 and difference.error[0] >= 1.0
    assert (difference / 2.0**-20).error[0] >= 2.0**20


def test_an_input_that_nothing_depends_on_has_zeros() -> None:
    a, b = tape.Var(np.ones(2)), tape.Var(np.ones(3))
    (unused,) = tape.gradients([a * 2.0], [np.ones(2)], [b])
    assert unused.value.tolist() == [0.0] * 3


def test_moved_elements_are_found_by_the_reference_alone() -> None:
    composition = compositions.moved(lambda a, b: np.concatenate([a[::-1], np.full(1, 7.0), b[1:]]))
    a, b = tape.Var(np.array([1.0, 2.0])), tape.Var(np.array([3.0, 4.0]))
    (out,) = composition(a, b)
    assert out.value.tolist() == [2.0, 1.0, 7.0, 4.0]
    by_a, by_b = tape.gradients([out], [np.array([1.0, 2.0, 3.0, 4.0])], [a, b])
    assert by_a.value.tolist() == [2.0, 1.0] and by_b.value.tolist() == [0.0, 4.0]
    assert not by_a.error.any()
