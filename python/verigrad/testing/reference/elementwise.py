"""References of the elementwise kernels: unary, binary, where, copy and fill.

A scalar formula each, and one loop per number of operands. The loops have the kernels' argument order (output
first). Floating-point values are computed in float64 and rounded once, integers in int64 with wrap-around.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import formulas, promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def neg(x: Any) -> Any:
    return -x


@kernel
def abs_(x: Any) -> Any:
    return abs(x)


@kernel
def sign(x: Any) -> Any:
    return int(x > 0) - int(x < 0)


@kernel
def exp(x: Any) -> Any:
    return math.exp(x)


@kernel
def exp2(x: Any) -> Any:
    return math.pow(2.0, x)


@kernel
def expm1(x: Any) -> Any:
    return math.expm1(x)


@kernel
def log2(x: Any) -> Any:
    return math.log2(x)


@kernel
def log10(x: Any) -> Any:
    return math.log10(x)


@kernel
def log1p(x: Any) -> Any:
    return math.log1p(x)


@kernel
def rsqrt(x: Any) -> Any:
    return 1.0 / math.sqrt(x)


@kernel
def square(x: Any) -> Any:
    return x * x


@kernel
def erf(x: Any) -> Any:
    return math.erf(x)


@kernel
def erfc(x: Any) -> Any:
    return math.erfc(x)


@kernel
def log(x: Any) -> Any:
    return math.log(x)


@kernel
def sin(x: Any) -> Any:
    return math.sin(x)


@kernel
def cos(x: Any) -> Any:
    return math.cos(x)


@kernel
def sqrt(x: Any) -> Any:
    return math.sqrt(x)


@kernel
def reciprocal(x: Any) -> Any:
    return 1.0 / x


@kernel
def tanh(x: Any) -> Any:
    return math.tanh(x)


@kernel
def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-x))


@kernel
def relu(x: Any) -> Any:
    return x if not x < 0 else 0


@kernel
def isnan(x: Any) -> Any:
    return x != x


@kernel
def isinf(x: Any) -> Any:
    return abs(x) == math.inf


@kernel
def isfinite(x: Any) -> Any:
    return x - x == 0


@kernel
def logical_not(x: Any) -> Any:
    return x == 0


@kernel
def add(a: Any, b: Any) -> Any:
    return a + b


@kernel
def sub(a: Any, b: Any) -> Any:
    return a - b


@kernel
def mul(a: Any, b: Any) -> Any:
    return a * b


@kernel
def div(a: Any, b: Any) -> Any:
    return a / b


@kernel
def floor_divide(a: Any, b: Any) -> Any:
    """The floor of the exact quotient; x / 0 is infinite or NaN as in IEEE 754. Integers are never divided by
    zero."""
    if b == 0:
        return a / b
    rest = np.fmod(a, b)
    quotient = (a - rest) / b
    if rest != 0 and (rest < 0) != (b < 0):
        quotient -= 1
    return np.rint(quotient) if quotient != 0 else (a / b) * 0.0


@kernel
def floor_divide_int(a: Any, b: Any) -> Any:
    quotient = abs(a) // abs(b)
    if (a < 0) == (b < 0):
        return quotient
    return -quotient if quotient * abs(b) == abs(a) else -quotient - 1


@kernel
def remainder(a: Any, b: Any) -> Any:
    """Python's modulus: the sign of the divisor."""
    rest = np.fmod(a, b)
    return rest + b if rest != 0 and (rest < 0) != (b < 0) else rest


@kernel
def remainder_int(a: Any, b: Any) -> Any:
    rest = abs(a) % abs(b)
    if a < 0:
        rest = -rest
    return rest + b if rest != 0 and (rest < 0) != (b < 0) else rest


@kernel
def pow_(a: Any, b: Any) -> Any:
    return math.pow(a, b)


@kernel
def pow_int(a: Any, b: Any) -> Any:
    """Repeated multiplication with wrap-around. A negative exponent gives the truncated fraction."""
    if b < 0:
        if a == 1:
            return 1
        if a == -1:
            return 1 if b % 2 == 0 else -1
        return 0
    result = 1
    for _ in range(b):
        result *= a
    return result


@kernel
def maximum(a: Any, b: Any) -> Any:
    return a if a != a or a > b else b


@kernel
def minimum(a: Any, b: Any) -> Any:
    return a if a != a or a < b else b


@kernel
def eq(a: Any, b: Any) -> Any:
    return a == b


@kernel
def ne(a: Any, b: Any) -> Any:
    return a != b


@kernel
def lt(a: Any, b: Any) -> Any:
    return a < b


@kernel
def le(a: Any, b: Any) -> Any:
    return a <= b


@kernel
def gt(a: Any, b: Any) -> Any:
    return a > b


@kernel
def ge(a: Any, b: Any) -> Any:
    return a >= b


@kernel
def logical_and(a: Any, b: Any) -> Any:
    return a != 0 and b != 0


@kernel
def logical_or(a: Any, b: Any) -> Any:
    return a != 0 or b != 0


@kernel
def logical_xor(a: Any, b: Any) -> Any:
    return (a != 0) != (b != 0)


@kernel
def threshold_backward(g: Any, y: Any) -> Any:
    """The incoming gradient where the result of relu was positive."""
    return g if y > 0 else 0


@kernel
def tanh_backward(g: Any, y: Any) -> Any:
    return g * (1.0 - y * y)


@kernel
def sigmoid_backward(g: Any, y: Any) -> Any:
    return g * y * (1.0 - y)


@kernel
def unary(op: Any, out: Array, a: Array) -> None:
    for i in range(out.size):
        out[i] = op(a[i])


@kernel
def binary(op: Any, out: Array, a: Array, b: Array) -> None:
    for i in range(out.size):
        out[i] = op(a[i], b[i])


@kernel
def where(out: Array, condition: Array, a: Array, b: Array) -> None:
    for i in range(out.size):
        out[i] = a[i] if condition[i] else b[i]


@kernel
def copy(out: Array, a: Array) -> None:
    for i in range(out.size):
        out[i] = a[i]


@kernel
def fill(out: Array, value: Any) -> None:
    for i in range(out.size):
        out[i] = value


# Where an integer needs another formula than a floating-point number.
INTEGER = {floor_divide: floor_divide_int, remainder: remainder_int, pow_: pow_int, **formulas.INTEGER}


def unary_op(formula: Callable[..., Any], kind: str) -> Callable[[Array], Array]:
    """The op over arrays. `kind`: "same" keeps the dtype, "float" promotes integers, "bool" answers yes or
    no."""

    def reference(x: Array) -> Array:
        dtype = promotion.floating(x.dtype) if kind == "float" else x.dtype
        work = promotion.work_dtype(dtype)
        flat = promotion.cast(x.reshape(-1), dtype).astype(work)
        out = np.empty(flat.size, bool if kind == "bool" else work)
        unary(formula if dtype.kind == "f" else INTEGER.get(formula, formula), out, flat)
        return promotion.cast(out, "bool" if kind == "bool" else dtype).reshape(x.shape)

    return reference


def operands(*values: Any, kind: str = "same") -> tuple[np.dtype[Any], tuple[int, ...], list[Array]]:
    """Common dtype (a floating-point one for kind "float"), broadcast shape, and the operands in that dtype
    and shape."""
    dtype = promotion.result_dtype(*values)
    if kind == "float":
        dtype = promotion.floating(dtype)
    arrays = np.broadcast_arrays(*[np.asarray(v) for v in values])
    return dtype, arrays[0].shape, [promotion.cast(a, dtype) for a in arrays]


def binary_op(formula: Callable[..., Any], kind: str) -> Callable[..., Array]:
    """The op over two arrays or Python numbers, with broadcasting. `kind` as for `unary_op`."""

    def reference(a: Any, b: Any) -> Array:
        dtype, shape, (left, right) = operands(a, b, kind=kind)
        work = promotion.work_dtype(dtype)
        chosen = formula if dtype.kind == "f" else INTEGER.get(formula, formula)
        out = np.empty(left.size, bool if kind == "bool" else work)
        binary(chosen, out, *[x.reshape(-1).astype(work) for x in (left, right)])
        return promotion.cast(out, "bool" if kind == "bool" else dtype).reshape(shape)

    return reference


def add_op(a: Any, b: Any, *, alpha: float = 1) -> Array:
    """a + alpha * b."""
    return _scaled(add, a, b, alpha)


def sub_op(a: Any, b: Any, *, alpha: float = 1) -> Array:
    """a - alpha * b."""
    return _scaled(sub, a, b, alpha)


def _scaled(formula: Callable[..., Any], a: Any, b: Any, alpha: float) -> Array:
    dtype, shape, (left, right) = operands(a, b)
    work = promotion.work_dtype(dtype)
    out = np.empty(left.size, work)
    scaled = np.empty(left.size, work)
    if alpha == 1:
        copy(scaled, right.reshape(-1).astype(work))
    else:
        binary(mul, scaled, right.reshape(-1).astype(work), np.full(left.size, alpha, work))
    binary(formula, out, left.reshape(-1).astype(work), scaled)
    return promotion.cast(out, dtype).reshape(shape)


def div_op(a: Any, b: Any, *, rounding_mode: str | None = None) -> Array:
    """The quotient, rounded to an integer if `rounding_mode` says how."""
    if rounding_mode is None:
        return binary_op(div, "float")(a, b)
    if rounding_mode == "floor":
        return binary_op(floor_divide, "same")(a, b)
    dtype, shape, (left, right) = operands(a, b)
    work = promotion.work_dtype(dtype)
    out = np.empty(left.size, work)
    formula = truncated if dtype.kind == "f" else truncated_int
    binary(formula, out, left.reshape(-1).astype(work), right.reshape(-1).astype(work))
    return promotion.cast(out, dtype).reshape(shape)


@kernel
def truncated(a: Any, b: Any) -> Any:
    return np.trunc(a / b)


@kernel
def truncated_int(a: Any, b: Any) -> Any:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def rsub_op(a: Any, b: Any, *, alpha: float = 1) -> Array:
    """b - alpha * a."""
    return sub_op(b, a, alpha=alpha)


def float_power_op(a: Any, b: Any) -> Array:
    """a to the b in float64."""
    left, right = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    out = np.empty(left.size)
    binary(pow_, out, left.flatten(), right.flatten())
    return out.reshape(left.shape)


@kernel
def ternary(op: Any, out: Array, a: Array, b: Array, c: Array, v: Any) -> None:
    for i in range(out.size):
        out[i] = op(a[i], b[i], c[i], v)


def ternary_op(formula: Callable[..., Any]) -> Callable[..., Array]:
    """The op over three arrays, the last of which may be a Python number, with broadcasting."""

    def reference(a: Array, b: Array, c: Any, *, value: float = 1) -> Array:
        dtype, shape, arrays = operands(a, b, c)
        work = promotion.work_dtype(dtype)
        out = np.empty(arrays[0].size, work)
        x, y, z = [array.reshape(-1).astype(work) for array in arrays]
        ternary(formula, out, x, y, z, float(value) if dtype.kind == "f" else int(value))
        return promotion.cast(out, dtype).reshape(shape)

    return reference


def fill_op(a: Array, value: Any) -> Array:
    """The value everywhere."""
    out = np.empty(a.size, a.dtype)
    fill(out, promotion.cast(np.asarray(value), a.dtype)[()])
    return out.reshape(a.shape)


def where_op(condition: Array, a: Any, b: Any) -> Array:
    """`a` where the condition holds, else `b`; the condition takes no part in promotion."""
    dtype = promotion.result_dtype(a, b)
    arrays = np.broadcast_arrays(condition, np.asarray(a), np.asarray(b))
    out = np.empty(arrays[0].size, dtype)
    where(out, arrays[0].reshape(-1), *[promotion.cast(x.reshape(-1), dtype) for x in arrays[1:]])
    return out.reshape(arrays[0].shape)


def copy_op(a: Array, dtype: Any = None) -> Array:
    """The values in another dtype: NaN becomes 0 and numbers wrap by way of int64 where they do not fit."""
    target = np.dtype(a.dtype if dtype is None else dtype)
    out = np.empty(a.size, target)
    if target.kind == "b":
        unary(logical_not, out, a.reshape(-1))
        return np.logical_not(out).reshape(a.shape)
    if a.dtype.kind == "f" and target.kind != "f":
        whole = np.empty(a.size, np.int64)
        copy(whole, np.nan_to_num(np.trunc(a.reshape(-1).astype(np.float64))))
        return whole.astype(target).reshape(a.shape)
    copy(out, promotion.cast(a.reshape(-1), target))
    return out.reshape(a.shape)
