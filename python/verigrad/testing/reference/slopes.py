"""Compositions of the elementwise functions: a value and its derivative, each written on its own.

Where the derivative is a difference of terms that cancel it is computed with its error bound, from the
rounded result as the usual formula does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import gamma, tape
from verigrad.testing.reference.rounded import Rounded

Array = np.ndarray[Any, Any]
Slope = Callable[[Array, Array], "Array | Rounded"]

LN2, LN10 = math.log(2.0), math.log(10.0)
TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


def result(y: Array) -> Rounded:
    """The function's value as a kernel has it, four units of its last place off at most."""
    return Rounded(y, 4.0 * np.abs(y))


def root(x: Rounded) -> Rounded:
    """The square root."""
    y = np.sqrt(x.value)
    return x.function(y, 0.5 / y)


def squared(x: Array) -> Rounded:
    """x^2."""
    return Rounded(x) * x


# From the argument x and the value y.
SLOPES: dict[str, Slope] = {
    "neg": lambda x, y: np.full(x.shape, -1.0),
    "abs": lambda x, y: np.sign(x),
    "sign": lambda x, y: np.zeros(x.shape),
    **dict.fromkeys(("ceil", "floor", "trunc", "round"), lambda x, y: np.zeros(x.shape)),
    "frac": lambda x, y: np.ones(x.shape),
    "exp": lambda x, y: result(y),
    "log": lambda x, y: 1.0 / x,
    "exp2": lambda x, y: result(y) * LN2,
    "expm1": lambda x, y: result(y) + 1.0,
    "log2": lambda x, y: 1.0 / (x * LN2),
    "log10": lambda x, y: 1.0 / (x * LN10),
    "log1p": lambda x, y: 1.0 / (Rounded(x) + 1.0),
    "sin": lambda x, y: np.cos(x),
    "cos": lambda x, y: -np.sin(x),
    "tan": lambda x, y: result(y) * result(y) + 1.0,
    "asin": lambda x, y: 1.0 / root(1.0 - squared(x)),
    "acos": lambda x, y: -(1.0 / root(1.0 - squared(x))),
    "atan": lambda x, y: 1.0 / (squared(x) + 1.0),
    "sinh": lambda x, y: np.cosh(x),
    "cosh": lambda x, y: np.sinh(x),
    "asinh": lambda x, y: 1.0 / root(squared(x) + 1.0),
    "acosh": lambda x, y: 1.0 / root(squared(x) - 1.0),
    "atanh": lambda x, y: 1.0 / (1.0 - squared(x)),
    "deg2rad": lambda x, y: np.full(x.shape, math.pi / 180.0),
    "rad2deg": lambda x, y: np.full(x.shape, 180.0 / math.pi),
    "sqrt": lambda x, y: 0.5 / result(y),
    "rsqrt": lambda x, y: -0.5 * result(y) * result(y) * result(y),
    "square": lambda x, y: 2.0 * x,
    "erf": lambda x, y: TWO_OVER_ROOT_PI * tape.exp(-tape.var(x) * x).r,
    "erfc": lambda x, y: -TWO_OVER_ROOT_PI * tape.exp(-tape.var(x) * x).r,
    "erfinv": lambda x, y: tape.exp(tape.Var(result(y) * result(y))).r * (1.0 / TWO_OVER_ROOT_PI),
    "lgamma": lambda x, y: result(gamma.digamma_op(x)),
    "digamma": lambda x, y: result(gamma.polygamma_op(x, 1)),
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


def division(a: Any, b: Any, *, rounding_mode: str | None = None) -> tape.Var:
    """The quotient; a rounded one is a constant."""
    x: tape.Var = tape.var(a)
    y: tape.Var = tape.var(b)
    if rounding_mode is None:
        return x / y
    with np.errstate(all="ignore"):
        quotient = x.value / y.value
    return tape.Var(np.trunc(quotient) if rounding_mode == "trunc" else np.floor(quotient))


def fmod(a: Any, b: Any) -> tape.Var:
    """a - trunc(a / b) b."""
    x: tape.Var = tape.var(a)
    y: tape.Var = tape.var(b)
    return x - tape.Var(np.trunc(x.value / y.value)) * y


def xlogy(a: Any, b: Any) -> tape.Var:
    """a log(b), and 0 where a is."""
    a, b = tape.var(a), tape.var(b)
    return tape.where(a.value == 0.0, 0.0, a * tape.log(b))


def copysign(a: Any, b: Any) -> tape.Var:
    """a times the product of both signs, which is a constant."""
    x: tape.Var = tape.var(a)
    return x * (np.copysign(1.0, x.value) * np.copysign(1.0, tape.var(b).value))


def atan2(a: Any, b: Any) -> tape.Var:
    """The angle of (b, a): b / (a^2 + b^2) by a, -a / (a^2 + b^2) by b."""
    a, b = tape.var(a), tape.var(b)
    x, y = np.broadcast_arrays(a.value, b.value)
    inverse = 1.0 / (squared(x) + squared(y))
    value = np.arctan2(x, y)
    return tape.elementwise(Rounded(value, 2.0 * np.abs(value)), (a, b), (inverse * y, -(inverse * x)))


def hypot(a: Any, b: Any) -> tape.Var:
    """The root r of the sum of squares: a / r by a, b / r by b."""
    a, b = tape.var(a), tape.var(b)
    x, y = np.broadcast_arrays(a.value, b.value)
    r = result(np.hypot(x, y))
    return tape.elementwise(r, (a, b), (Rounded(x) / r, Rounded(y) / r))


def log_of_sum(base: float) -> Callable[[Any, Any], tape.Var]:
    """The logarithm of the sum of two powers: the share of each by it. The second term is at most that of
    2."""

    def composition(a: Any, b: Any) -> tape.Var:
        a, b = tape.var(a), tape.var(b)
        x, y = np.broadcast_arrays(a.value, b.value)
        with np.errstate(all="ignore"):
            gap = (Rounded(x) - y) * math.log(base)
            small = np.exp(-np.abs(gap.value))
            rest = np.log1p(small) / math.log(base)
            value = np.maximum(x, y) + rest
            error = np.abs(value) + 6.0 * rest + gap.error * small / math.log(base)
            share = np.where(gap.value > 0.0, 1.0, small) / (1.0 + small)
            slope = small / ((1.0 + small) * (1.0 + small))
            first = gap.function(share, slope, share)
            second = gap.function(np.where(gap.value > 0.0, small, 1.0) / (1.0 + small), slope, small)
        return tape.elementwise(Rounded(value, error), (a, b), (first, second))

    return composition


def filled(a: Any, value: Any) -> tape.Var:
    """The value everywhere."""
    return tape.var(value).expand(*a.shape)


def lerp(a: Any, b: Any, weight: Any, *, value: float = 1) -> tape.Var:
    """a + weight (b - a), from the nearer end."""
    a, b, w = tape.var(a), tape.var(b), tape.var(weight)
    if not isinstance(weight, tape.Var):
        w = tape.Var(Rounded(w.value, np.abs(w.value)))
    return tape.where(np.abs(w.value) < 0.5, a + w * (b - a), b - (b - a) * (1.0 - w))


def number(value: float) -> tape.Var:
    """A number of the call, which the library rounds to the dtype."""
    return tape.Var(Rounded(value, abs(value)))


def addcmul(a: Any, b: Any, c: Any, *, value: float = 1) -> tape.Var:
    """a + value b c."""
    product: tape.Var = tape.var(b) * number(value) * c
    return tape.var(a) + product


def addcdiv(a: Any, b: Any, c: Any, *, value: float = 1) -> tape.Var:
    """a + value b / c."""
    quotient: tape.Var = tape.var(b) * number(value) / c
    return tape.var(a) + quotient


BINARY: dict[str, Callable[..., tape.Var]] = {
    "add": lambda a, b, alpha=1: tape.var(a) + tape.var(b) * alpha,
    "sub": lambda a, b, alpha=1: tape.var(a) - tape.var(b) * alpha,
    "mul": lambda a, b: tape.var(a) * b,
    "rsub": lambda a, b, alpha=1: tape.var(b) - tape.var(a) * alpha,
    "div": division,
    "true_divide": division,
    "remainder": remainder,
    "fmod": fmod,
    "xlogy": xlogy,
    "copysign": copysign,
    "atan2": atan2,
    "hypot": hypot,
    "logaddexp": log_of_sum(math.e),
    "logaddexp2": log_of_sum(2.0),
    "fmax": lambda a, b: tape.where(~(tape.var(b).value > tape.var(a).value), a, b),
    "fmin": lambda a, b: tape.where(~(tape.var(b).value < tape.var(a).value), a, b),
    "float_power": power,
    "pow": power,
    "maximum": tape.maximum,
    "minimum": lambda a, b: -tape.maximum(-tape.var(a), -tape.var(b)),
    "threshold_backward": lambda g, x: tape.where(tape.var(x).value > 0.0, g, 0.0),
    "tanh_backward": lambda g, y: tape.var(g) * (1.0 - tape.var(y) * y),
    "sigmoid_backward": lambda g, y: tape.var(g) * (tape.var(y) * (1.0 - tape.var(y))),
}
