"""Compositions of the elementwise functions: a value and its derivative, each written on its own.

Where the derivative is a difference of terms that cancel it is computed with its error bound, from the
rounded result as the usual formula does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded

Array = np.ndarray[Any, Any]
Slope = Callable[[Array, Array], "Array | Rounded"]

LN2, LN10 = math.log(2.0), math.log(10.0)
TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


def result(y: Array) -> Rounded:
    """The function's value as a kernel has it, four units of its last place off at most."""
    return Rounded(y, 4.0 * np.abs(y))


# From the argument x and the value y.
SLOPES: dict[str, Slope] = {
    "neg": lambda x, y: np.full(x.shape, -1.0),
    "abs": lambda x, y: np.sign(x),
    "sign": lambda x, y: np.zeros(x.shape),
    "exp": lambda x, y: result(y),
    "log": lambda x, y: 1.0 / x,
    "exp2": lambda x, y: result(y) * LN2,
    "expm1": lambda x, y: result(y) + 1.0,
    "log2": lambda x, y: 1.0 / (x * LN2),
    "log10": lambda x, y: 1.0 / (x * LN10),
    "log1p": lambda x, y: 1.0 / (Rounded(x) + 1.0),
    "sin": lambda x, y: np.cos(x),
    "cos": lambda x, y: -np.sin(x),
    "sqrt": lambda x, y: 0.5 / result(y),
    "rsqrt": lambda x, y: -0.5 * result(y) * result(y) * result(y),
    "square": lambda x, y: 2.0 * x,
    "erf": lambda x, y: TWO_OVER_ROOT_PI * tape.exp(-tape.var(x) * x).r,
    "erfc": lambda x, y: -TWO_OVER_ROOT_PI * tape.exp(-tape.var(x) * x).r,
    "reciprocal": lambda x, y: -(result(y) * result(y)),
    "tanh": lambda x, y: 1.0 - result(y) * result(y),
    "sigmoid": lambda x, y: result(y) * (1.0 - result(y)),
    "relu": lambda x, y: (x > 0.0).astype(np.float64),
}


def unary(name: str, reference: Callable[[Array], Array]) -> Callable[[Any], tape.Var]:
    """The composition of a function of one tensor."""

    def composition(x: Any) -> tape.Var:
        x = tape.var(x)
        with np.errstate(all="ignore"):
            y = np.asarray(reference(x.value), np.float64)
            return tape.function(x, y, SLOPES[name](x.value, y))

    return composition


def floor(x: tape.Var) -> Array:
    """The whole numbers below, as constants."""
    return np.asarray(np.floor(x.value))


def remainder(a: Any, b: Any) -> tape.Var:
    """a - floor(a / b) b."""
    whole = tape.Var(floor(tape.var(a) / b))
    result: tape.Var = tape.var(a) - whole * b
    return result


def power(a: Any, b: Any) -> tape.Var:
    """a to the b: b a^(b - 1) by a, a^b log(a) by b, both 0 where the factor in front is."""
    a, b = tape.var(a), tape.var(b)
    with np.errstate(all="ignore"):
        x, n = np.broadcast_arrays(a.value, b.value)
        y = np.power(x, n)
        by_base = np.where(n == 0.0, 0.0, n * np.power(x, n - 1.0))
        by_power = np.where(y == 0.0, 0.0, y * np.log(x))
    # The logarithm is rounded before it is multiplied: errors grow with its product with the power.
    stretch = 4.0 + 2.0 * np.abs(n * np.log(np.abs(np.where(x == 0.0, 1.0, x))))
    slopes = [Rounded(by_base, stretch * np.abs(by_base)), Rounded(by_power, stretch * np.abs(by_power))]
    return tape.elementwise(Rounded(y, stretch * np.abs(y)), (a, b), slopes)


BINARY: dict[str, Callable[..., tape.Var]] = {
    "add": lambda a, b, alpha=1: tape.var(a) + tape.var(b) * alpha,
    "sub": lambda a, b, alpha=1: tape.var(a) - tape.var(b) * alpha,
    "mul": lambda a, b: tape.var(a) * b,
    "div": lambda a, b: tape.var(a) / b,
    "remainder": remainder,
    "pow": power,
    "maximum": tape.maximum,
    "minimum": lambda a, b: -tape.maximum(-tape.var(a), -tape.var(b)),
    "threshold_backward": lambda g, x: tape.where(tape.var(x).value > 0.0, g, 0.0),
    "tanh_backward": lambda g, y: tape.var(g) * (1.0 - tape.var(y) * y),
    "sigmoid_backward": lambda g, y: tape.var(g) * (tape.var(y) * (1.0 - tape.var(y))),
}
