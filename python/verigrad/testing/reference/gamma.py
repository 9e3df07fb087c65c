"""References of the gamma function's relatives, in long double.

Every argument is moved up to 30 and more by the recurrences, where the asymptotic series are short
(Abramowitz and Stegun, "Handbook of Mathematical Functions", 6.1.40, 6.3.18, 6.4.11, 23.2.5 with Euler
and Maclaurin's sum, 23.1.30); negative arguments step over their poles in the same way, without a
reflection. Near the zeros of lgamma and digamma the terms are differences from those at the zero, so that
nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference.elementwise import operands

Array = np.ndarray[Any, Any]
Long = np.longdouble

PI = Long(np.pi) + Long(1.2246467991473532e-16)
STEPS = 30
TERMS = 12
# The zero of digamma, as a sum of two doubles.
ZERO = (1.4616321449683622, 9.549995429965697e-17)


def bernoulli_numbers(count: int) -> list[Fraction]:
    """B_0 to B_(count - 1)."""
    found = [Fraction(1)]
    for n in range(1, count):
        total = sum((math.comb(n + 1, k) * found[k] for k in range(n)), Fraction(0))
        found.append(-total / (n + 1))
    return found


BERNOULLI = bernoulli_numbers(2 * TERMS + 2)


def _long(value: Fraction) -> Any:
    return Long(value.numerator) / Long(value.denominator)


def _lifted(x: Array) -> Array:
    """How many steps bring x to 30 and above."""
    return np.asarray(np.where(x < STEPS, np.ceil(STEPS - np.maximum(x, -STEPS)), 0.0))


def _each_step(x: Array, step: Callable[[Array, Array], None]) -> Array:
    """Calls step(which, argument) until all arguments are 30 or above; answers these."""
    a = x.copy()
    counts = _lifted(x)
    for _ in range(2 * STEPS + 1):
        which = counts > 0
        if not which.any():
            break
        step(which, a)
        a = np.where(which, a + 1, a)
        counts = counts - which
    return a


def _stirling(a: Array) -> Array:
    r = 1 / a
    total = np.zeros_like(a)
    for k in range(TERMS, 0, -1):
        total = total * r * r + _long(BERNOULLI[2 * k] / (2 * k * (2 * k - 1)))
    whole = (a - Long(0.5)) * (np.log(a) - 1)
    return np.asarray(whole + total * r + (np.log(2 * PI) - 1) / 2)


def _lgamma_beside(whole: int, e: Array) -> Array:
    """ln Gamma(whole + e) for a whole number 1 or 2 and small e."""
    product = np.zeros_like(e)  # of all 1 + e / k, less 1
    for k in range(whole, STEPS):
        t = e / k
        product = product + t + product * t
    near = np.log1p(e / STEPS)
    value = e * np.log(Long(STEPS)) + (STEPS + e - Long(0.5)) * near - e
    for k in range(1, TERMS + 1):
        n = 2 * k - 1
        value = value + _long(BERNOULLI[2 * k] / (2 * k * n)) / Long(STEPS) ** n * np.expm1(-n * near)
    return np.asarray(value - np.log1p(product))


def _lgamma(x: Array) -> Array:
    product = np.ones_like(x)

    def step(which: Array, a: Array) -> None:
        np.multiply(product, a, out=product, where=which)

    a = _each_step(x, step)
    value = _stirling(a) - np.log(np.abs(product))
    for whole in (1, 2):
        beside = np.abs(x - whole) <= 0.5
        if beside.any():
            value[beside] = _lgamma_beside(whole, x[beside] - whole)
    value[(x <= 0) & (x == np.floor(x)) | np.isinf(x)] = np.inf
    return value


def _digamma_series(a: Array) -> Array:
    r = 1 / a
    total = np.zeros_like(a)
    for k in range(TERMS, 0, -1):
        total = (total + _long(BERNOULLI[2 * k] / (2 * k))) * r * r
    return total


def _digamma(x: Array) -> Array:
    total = np.zeros_like(x)

    def step(which: Array, a: Array) -> None:
        np.subtract(total, 1 / a, out=total, where=which)

    a = _each_step(x, step)
    value = total + np.log(a) - 1 / (2 * a) - _digamma_series(a)
    t = (x - Long(ZERO[0])) - Long(ZERO[1])
    beside = np.abs(t) < 0.3
    if beside.any():
        # Differences from the terms of the zero, which add up to nothing.
        d, zero = t[beside], Long(ZERO[0]) + Long(ZERO[1])
        parts = np.log1p(d / (zero + STEPS)) + d / (2 * (zero + STEPS) * (zero + STEPS + d))
        for k in range(STEPS):
            parts = parts + d / ((zero + k) * (zero + k + d))
        near = np.log1p(d / (zero + STEPS))
        for k in range(1, TERMS + 1):
            size = _long(BERNOULLI[2 * k] / (2 * k)) / (zero + STEPS) ** (2 * k)
            parts = parts - size * np.expm1(-2 * k * near)
        value[beside] = parts
    value[x == 0] = np.copysign(Long(np.inf), -x[x == 0])
    value[(x < 0) & (x == np.floor(x))] = np.nan
    value[x == np.inf] = np.inf
    return value


def _reciprocal_power(s: Array) -> Callable[[Array], Array]:
    """a^-s as a function of a: by products, in a fifth of the time, where every s is a small whole number."""
    if not np.all((s == np.floor(s)) & (s >= 0) & (s < 16)):
        return lambda a: np.asarray(a**-s)
    digits = [(s.astype(np.int64) >> k) & 1 == 1 for k in range(4)]

    def products(a: Array) -> Array:
        power, square = np.ones_like(a), a
        for k, digit in enumerate(digits):
            np.multiply(power, square, out=power, where=digit)
            square = square * square if k < 3 else square
        return np.asarray(1 / power)

    return products


def _zeta_tail(s: Array, a: Array, first: Array) -> Array:
    """The sum of (a + k)^-s for large a; first is a^-s."""
    total, term = first * (a / (s - 1) + Long(0.5)), first * s / a
    for k in range(1, TERMS + 1):
        total = total + term * _long(BERNOULLI[2 * k] / math.factorial(2 * k))
        term = term * ((s + (2 * k - 1)) / a) * ((s + 2 * k) / a)
    return np.asarray(total)


def _zeta(s: Array, q: Array) -> Array:
    total = np.zeros_like(q)
    power = _reciprocal_power(s)

    def step(which: Array, a: Array) -> None:
        np.add(total, power(a), out=total, where=which)

    a = _each_step(q, step)
    first = power(a)
    value = total + np.where(np.isinf(a) | (first == 0), 0, _zeta_tail(s, a, first))
    whole = s == np.floor(s)
    value[(q <= 0) & ~whole] = np.nan
    value[(q <= 0) & (q == np.floor(q))] = np.inf
    value[s == 1] = np.inf
    value[~(s >= 1) | np.isnan(q)] = np.nan
    return value


def _polygamma(x: Array, n: int) -> Array:
    if n == 0:
        return _digamma(x)
    value = _zeta(np.full_like(x, n + 1), x) * math.factorial(n) * (1 if n % 2 else -1)
    value[x == -np.inf] = np.nan
    return value


def _in_long(function: Callable[..., Array], dtype: np.dtype[Any], *arrays: Array) -> Array:
    with np.errstate(all="ignore"):
        flat = [promotion.cast(a, dtype).astype(Long).reshape(-1) for a in arrays]
        return promotion.cast(function(*flat), dtype).reshape(arrays[0].shape)


def lgamma_op(x: Array) -> Array:
    """The logarithm of the gamma function's absolute value."""
    return _in_long(_lgamma, promotion.floating(x.dtype), x)


def digamma_op(x: Array) -> Array:
    """Its derivative."""
    return _in_long(_digamma, promotion.floating(x.dtype), x)


def polygamma_op(x: Array, n: int) -> Array:
    """The n-th derivative of that."""
    return _in_long(lambda a: _polygamma(a, n), promotion.floating(x.dtype), x)


def zeta_op(s: Any, q: Any) -> Array:
    """The zeta function of two arguments."""
    dtype, _, (left, right) = operands(s, q, kind="float")
    return _in_long(_zeta, dtype, left, right)
