"""Scalar formulas of further elementwise functions; the loops are those of ``elementwise.py``.

Floating-point formulas compute in float64. Where an integer needs another one it stands in ``INTEGER``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference._numba import kernel

ROOT_PI_HALF = 0.5 * math.sqrt(math.pi)


@kernel
def same(x: Any) -> Any:
    return x


@kernel
def ceil(x: Any) -> Any:
    return np.ceil(x)


@kernel
def floor(x: Any) -> Any:
    return np.floor(x)


@kernel
def trunc(x: Any) -> Any:
    return np.trunc(x)


@kernel
def round_(x: Any) -> Any:
    """To the nearest whole number, halves to the even one."""
    down = np.floor(x)
    rest = x - down
    if not abs(x) < 4503599627370496.0:  # from 2^52 on all numbers are whole; infinities, NaN
        return x
    up = rest > 0.5 or (rest == 0.5 and down % 2.0 != 0.0)
    return math.copysign(down + 1.0 if up else down, x)


@kernel
def frac(x: Any) -> Any:
    return x - np.trunc(x)


@kernel
def tan(x: Any) -> Any:
    return math.tan(x)


@kernel
def asin(x: Any) -> Any:
    return math.asin(x)


@kernel
def acos(x: Any) -> Any:
    return math.acos(x)


@kernel
def atan(x: Any) -> Any:
    return math.atan(x)


@kernel
def sinh(x: Any) -> Any:
    return math.sinh(x)


@kernel
def cosh(x: Any) -> Any:
    return math.cosh(x)


@kernel
def asinh(x: Any) -> Any:
    return math.asinh(x)


@kernel
def acosh(x: Any) -> Any:
    return math.acosh(x)


@kernel
def atanh(x: Any) -> Any:
    return math.atanh(x)


@kernel
def deg2rad(x: Any) -> Any:
    return x * (math.pi / 180.0)


@kernel
def rad2deg(x: Any) -> Any:
    return x * (180.0 / math.pi)


@kernel
def erfinv(x: Any) -> Any:
    """Bisection of erf, beyond 1/2 of erfc; the first terms of the series where x is small."""
    a = abs(x)
    if not a < 1.0:
        return x * math.inf if a == 1.0 else math.nan
    if a < 1e-3:
        z = math.pi * a * a
        return ROOT_PI_HALF * x * (1.0 + z / 12.0 + 7.0 * z * z / 480.0)
    low, high = 0.0, 7.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        below = math.erf(middle) < a if a <= 0.5 else math.erfc(middle) > 1.0 - a
        if below:
            low = middle
        else:
            high = middle
    return math.copysign(0.5 * (low + high), x)


@kernel
def bitwise_not(x: Any) -> Any:
    return -x - 1


@kernel
def isposinf(x: Any) -> Any:
    return x == math.inf


@kernel
def isneginf(x: Any) -> Any:
    return x == -math.inf


@kernel
def signbit(x: Any) -> Any:
    return math.copysign(1.0, x) < 0.0


@kernel
def fmod(a: Any, b: Any) -> Any:
    """C's remainder: the sign of the dividend."""
    return np.fmod(a, b)


@kernel
def fmod_int(a: Any, b: Any) -> Any:
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


@kernel
def atan2(a: Any, b: Any) -> Any:
    return math.atan2(a, b)


@kernel
def hypot(a: Any, b: Any) -> Any:
    return math.hypot(a, b)


@kernel
def logaddexp(a: Any, b: Any) -> Any:
    if a == b:
        return a + math.log(2.0)
    return a + math.log1p(math.exp(b - a)) if a > b else b + math.log1p(math.exp(a - b))


@kernel
def logaddexp2(a: Any, b: Any) -> Any:
    if a == b:
        return a + 1.0
    near, far = (a, b) if a > b else (b, a)
    return near + math.log1p(math.pow(2.0, far - near)) / math.log(2.0)


@kernel
def xlogy(a: Any, b: Any) -> Any:
    if b != b:
        return b
    return 0.0 if a == 0.0 else a * math.log(b)


@kernel
def copysign(a: Any, b: Any) -> Any:
    return math.copysign(a, b)


@kernel
def fmax(a: Any, b: Any) -> Any:
    if a != a:
        return b
    return b if b > a else a


@kernel
def fmin(a: Any, b: Any) -> Any:
    if a != a:
        return b
    return b if b < a else a


@kernel
def heaviside(a: Any, b: Any) -> Any:
    if a == 0:
        return b
    return 1 if a > 0 else 0


@kernel
def bitwise_and(a: Any, b: Any) -> Any:
    return a & b


@kernel
def bitwise_or(a: Any, b: Any) -> Any:
    return a | b


@kernel
def bitwise_xor(a: Any, b: Any) -> Any:
    return a ^ b


@kernel
def left_shift(a: Any, b: Any) -> Any:
    """The bits that leave the dtype are lost; none are left after a shift by all of them, or by less than
    0."""
    return 0 if b < 0 or b > 63 else a << b


@kernel
def right_shift(a: Any, b: Any) -> Any:
    if b < 0 or b > 63:
        return -1 if a < 0 else 0
    return a >> b


@kernel
def lerp(a: Any, b: Any, w: Any, v: Any) -> Any:
    return a + w * (b - a) if abs(w) < 0.5 else b - (b - a) * (1.0 - w)


@kernel
def addcmul(a: Any, b: Any, c: Any, v: Any) -> Any:
    return a + v * b * c


@kernel
def addcdiv(a: Any, b: Any, c: Any, v: Any) -> Any:
    return a + v * b / c


@kernel
def logit(x: Any, a: Any, b: Any, c: Any) -> Any:
    """ln(x / (1 - x)), as the difference of two terms that are known well near 1/2; x between a and 1 - a."""
    if a >= 0.0:
        x = a if x < a else (1.0 - a if x > 1.0 - a else x)
    t = x - 0.5
    return math.log1p(2.0 * t) - math.log1p(-2.0 * t) if abs(t) < 0.25 else math.log(x / (1.0 - x))


@kernel
def logit_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    if a >= 0.0:
        return 0.0 if x < a or x > 1.0 - a else 1.0 / (x * (1.0 - x))
    return 1.0 / (x * (1.0 - x)) if 0.0 <= x <= 1.0 else math.nan


@kernel
def nan_to_num(x: Any, a: Any, b: Any, c: Any) -> Any:
    if x != x:
        return a
    return b if x == math.inf else (c if x == -math.inf else x)


@kernel
def nan_to_num_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 if abs(x) < math.inf else 0.0


@kernel
def flat_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0


INTEGER = {ceil: same, floor: same, trunc: same, round_: same, fmod: fmod_int}


def round_op(x: np.ndarray[Any, Any], *, decimals: int = 0) -> np.ndarray[Any, Any]:
    """Rounded to so many places. The products and quotients are those of the dtype, which decides where a
    number falls on a half."""
    if x.dtype.kind != "f":
        return x
    if decimals == 0:
        return np.array([round_(float(v)) for v in x.reshape(-1)], x.dtype).reshape(x.shape)
    power = x.dtype.type(10.0 ** abs(decimals))
    scaled = x * power if decimals > 0 else x / power
    whole = np.array([round_(float(v)) for v in np.asarray(scaled).reshape(-1)], x.dtype).reshape(x.shape)
    return np.asarray(whole / power if decimals > 0 else whole * power)


def bitwise_not_op(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The other bits, of bool the other value."""
    if x.dtype.kind == "b":
        return np.array([not v for v in x.reshape(-1)], bool).reshape(x.shape)
    inverted = np.array([bitwise_not(int(v)) for v in x.reshape(-1)], np.int64)
    return inverted.astype(x.dtype).reshape(x.shape)
