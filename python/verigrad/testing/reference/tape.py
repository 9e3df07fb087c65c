"""Reverse mode in float64 over numpy, as the independent answer to what a gradient is.

A record composes its operation of these functions; the tape answers its gradients, with an error bound for
every element (:mod:`verigrad.testing.reference.rounded`). Nothing of the library is used. The value of a
composition is compared with the record's reference, so the two check each other, and its gradients with
finite differences by way of the library's.

Every function takes tape variables or arrays and broadcasts as numpy does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference.rounded import Rounded, collect, contract, rounded

Array = np.ndarray[Any, Any]
Pull = Callable[[Rounded], Rounded]
FLOAT64 = np.dtype(np.float64)


class Var:
    """A value on the tape.

    Attributes:
        r: the value with its error bound.
        parents: the variables that it was computed from, each with the map from the gradient of this one to
            its own.
        dtype: of the tensor that this one stands for.
    """

    __array_priority__ = 200
    __slots__ = ("dtype", "parents", "r")

    def __init__(
        self, value: Any, parents: Sequence[tuple[Var, Pull]] = (), dtype: np.dtype[Any] = FLOAT64
    ) -> None:
        self.r = rounded(value)
        self.parents = tuple(parents)
        self.dtype = dtype

    @property
    def value(self) -> Array:
        """The float64 array."""
        return self.r.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return self.r.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.r.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.r.value.size

    def __add__(self, other: Any) -> Var:
        b = var(other)
        out = self.r + b.r
        pulls = ((self, lambda g: unbroadcast(g, self.shape)), (b, lambda g: unbroadcast(g, b.shape)))
        return Var(out, pulls)

    def __neg__(self) -> Var:
        return Var(-self.r, [(self, lambda g: -g)])

    def __sub__(self, other: Any) -> Var:
        return self + -var(other)

    def __mul__(self, other: Any) -> Var:
        b = var(other)
        return Var(
            self.r * b.r,
            [
                (self, lambda g: unbroadcast(g * b.r, self.shape)),
                (b, lambda g: unbroadcast(g * self.r, b.shape)),
            ],
        )

    def __truediv__(self, other: Any) -> Var:
        b = var(other)
        out = self.r / b.r
        return Var(
            out,
            [
                (self, lambda g: unbroadcast(g / b.r, self.shape)),
                (b, lambda g: unbroadcast(-(g * out / b.r), b.shape)),
            ],
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Var:
        return var(other) - self

    def __rtruediv__(self, other: Any) -> Var:
        return var(other) / self

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Var:
        """The sum over dimensions."""
        axes = tuple(range(self.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = tuple(a % max(self.ndim, 1) for a in axes) if self.ndim else ()
        shape = tuple(1 if d in axes else n for d, n in enumerate(self.shape))
        return Var(
            self.r.sum(axes, keepdims) if axes else self.r,
            [(self, lambda g: g.moved(lambda a: np.broadcast_to(a.reshape(shape), self.shape)))],
        )

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Var:
        """The mean over dimensions."""
        total = self.sum(axis, keepdims)
        return total / (self.size / max(total.size, 1))

    def reshape(self, *shape: int) -> Var:
        """The same elements in another shape."""
        return Var(
            self.r.moved(lambda a: a.reshape(shape)),
            [(self, lambda g: g.moved(lambda a: a.reshape(self.shape)))],
        )

    def transpose(self, *axes: int) -> Var:
        """The dimensions in another order."""
        back = np.argsort(axes)
        return Var(
            self.r.moved(lambda a: a.transpose(axes)),
            [(self, lambda g: g.moved(lambda a: a.transpose(back)))],
        )

    def swap(self, a: int = -2, b: int = -1) -> Var:
        """Two dimensions exchanged."""
        axes = list(range(self.ndim))
        axes[a], axes[b] = axes[b], axes[a]
        return self.transpose(*axes)

    def expand(self, *shape: int) -> Var:
        """Broadcast to a shape."""
        return Var(
            self.r.moved(lambda a: np.broadcast_to(a, shape)), [(self, lambda g: unbroadcast(g, self.shape))]
        )

    def __getitem__(self, key: Any) -> Var:
        return take(self, np.arange(self.size).reshape(self.shape)[key])


def var(value: Any) -> Var:
    """The variable as it is, or a constant."""
    return value if isinstance(value, Var) else Var(value)


def unbroadcast(g: Rounded, shape: tuple[int, ...]) -> Rounded:
    """The gradient summed down to the shape that was broadcast."""
    lead = g.value.ndim - len(shape)
    axes = tuple(
        i for i in range(g.value.ndim) if i < lead or (shape[i - lead] == 1 and g.value.shape[i] != 1)
    )
    return (g.sum(axes) if axes else g).moved(lambda a: a.reshape(shape))


def gradients(outputs: Sequence[Var], incoming: Sequence[Array], inputs: Sequence[Var]) -> list[Rounded]:
    """The vector-Jacobian products.

    Args:
        outputs: results on the tape.
        incoming: their gradients, exact.
        inputs: the variables to differentiate by; zeros for one that nothing depends on.
    """
    order: list[Var] = []
    seen: set[int] = set()

    def visit(root: Var) -> None:
        stack = [(root, iter(root.parents))]
        seen.add(id(root))
        while stack:
            node, rest = stack[-1]
            for parent, _ in rest:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append((parent, iter(parent.parents)))
                    break
            else:
                order.append(node)
                stack.pop()

    for output in outputs:
        if id(output) not in seen:
            visit(output)
    found: dict[int, Rounded] = {}

    def add(node: Var, g: Rounded) -> None:
        found[id(node)] = found[id(node)] + g if id(node) in found else g

    with np.errstate(all="ignore"):
        for output, g in zip(outputs, incoming, strict=True):
            add(output, Rounded(g))
        for node in reversed(order):
            if id(node) in found:
                for parent, pull in node.parents:
                    add(parent, pull(found[id(node)]))
    return [found.get(id(x), Rounded(np.zeros(x.shape))) for x in inputs]


def function(x: Any, value: Array, slope: Any, noise: Any = 0.0) -> Var:
    """An elementwise function with a known derivative.

    Args:
        x: the argument.
        value: the function there.
        slope: its derivative there: exact values, or a :class:`Rounded` where its formula cancels.
        noise: absolute error of the value beyond two units, in units of epsilon.
    """
    x = var(x)
    slope = slope if isinstance(slope, Rounded) else Rounded(slope, 2.0 * np.abs(slope))
    return Var(x.r.function(value, slope.value, noise), [(x, lambda g: g * slope)])


def elementwise(value: Rounded, inputs: Sequence[Var], slopes: Sequence[Rounded]) -> Var:
    """A function of several arguments at each place, which are broadcast, from its derivatives by each."""

    def pull(x: Var, slope: Rounded) -> Pull:
        return lambda g: unbroadcast(g * slope, x.shape)

    return Var(value, [(x, pull(x, slope)) for x, slope in zip(inputs, slopes, strict=True)])


def exp(x: Any) -> Var:
    """e to the x."""
    x = var(x)
    y = np.exp(x.value)
    out = x.r.function(y, y)
    return Var(out, [(x, lambda g: g * out)])


def log(x: Any) -> Var:
    """The natural logarithm."""
    x = var(x)
    with np.errstate(all="ignore"):
        return Var(x.r.function(np.log(x.value), 1.0 / x.value), [(x, lambda g: g / x.r)])


def sqrt(x: Any) -> Var:
    """The square root."""
    x = var(x)
    with np.errstate(all="ignore"):
        y = np.sqrt(x.value)
        out = x.r.function(y, 0.5 / y)
    return Var(out, [(x, lambda g: g * 0.5 / out)])


def power(x: Any, exponent: float) -> Var:
    """x to a constant power."""
    x = var(x)
    with np.errstate(all="ignore"):
        slope = exponent * x.value ** (exponent - 1.0)
        return function(x, x.value**exponent, slope)


def tanh(x: Any) -> Var:
    """The hyperbolic tangent; its derivative is computed as 1 - y^2."""
    x = var(x)
    y = np.tanh(x.value)
    out = x.r.function(y, 1.0 - y * y)
    return Var(out, [(x, lambda g: g * (1.0 - out * out))])


def absolute(x: Any) -> Var:
    """The absolute value; its derivative at 0 is 0."""
    x = var(x)
    sign = np.sign(x.value)
    return Var(
        Rounded(np.abs(x.value), x.r.error), [(x, lambda g: Rounded(g.value * sign, g.error * np.abs(sign)))]
    )


def where(condition: Array, a: Any, b: Any) -> Var:
    """Elements of a where the condition holds, of b elsewhere."""
    a, b = var(a), var(b)
    condition = np.asarray(condition, bool)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    pick = np.broadcast_to(condition, shape)
    value = np.where(pick, a.value, b.value)
    error = np.where(pick, a.r.error, b.r.error)

    def only(mask: Array, shape: tuple[int, ...]) -> Pull:
        def pull(g: Rounded) -> Rounded:
            return unbroadcast(
                Rounded(np.where(mask, g.value, 0.0), np.where(mask, np.abs(g.error), 0.0)), shape
            )

        return pull

    return Var(Rounded(value, error), [(a, only(pick, a.shape)), (b, only(~pick, b.shape))])


def maximum(a: Any, b: Any) -> Var:
    """The greater one; equal ones share the gradient."""
    a, b = var(a), var(b)
    greater = where(a.value > b.value, a, b)
    return where(a.value == b.value, (a + b) * 0.5, greater)


def einsum(subscripts: str, a: Any, b: Any) -> Var:
    """``numpy.einsum`` of two operands, without repeated letters within one; every letter of an operand is in
    the result or in the other operand."""
    a, b = var(a), var(b)
    (left, right), result = subscripts.split("->")[0].split(","), subscripts.split("->")[1]
    return Var(
        contract(subscripts, (a.r, b.r)),
        [
            (a, lambda g: contract(f"{result},{right}->{left}", (g, b.r))),
            (b, lambda g: contract(f"{result},{left}->{right}", (g, a.r))),
        ],
    )


def matmul(a: Any, b: Any) -> Var:
    """The product of matrices, broadcast and with vectors as ``numpy.matmul`` does."""
    a, b = var(a), var(b)
    if a.ndim == 1:
        out = matmul(a.reshape(1, -1), b)
        return out.reshape(*out.shape[:-2], *out.shape[-1:]) if b.ndim > 1 else out.reshape(*out.shape[1:])
    if b.ndim == 1:
        out = matmul(a, b.reshape(-1, 1))
        return out.reshape(*out.shape[:-1])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = a.expand(*lead, *a.shape[-2:]), b.expand(*lead, *b.shape[-2:])
    return einsum("...ij,...jk->...ik", a, b)


def take(x: Any, index: Array) -> Var:
    """The elements at flat positions, in the shape of the index; 0 where the position is -1."""
    x = var(x)
    index = np.asarray(index, np.int64)

    def pick(a: Array) -> Array:
        flat = np.append(a.reshape(-1), 0.0)
        return np.asarray(flat[index])

    return Var(
        x.r.moved(pick),
        [(x, lambda g: collect(g, index, x.size).moved(lambda a: a.reshape(x.shape)))],
    )


def scatter(x: Any, index: Array, shape: tuple[int, ...]) -> Var:
    """The sums of the elements with equal flat position, in an array of that shape; -1 drops."""
    x = var(x)
    index = np.broadcast_to(np.asarray(index, np.int64), x.shape)

    def pick(a: Array) -> Array:
        flat = np.append(a.reshape(-1), 0.0)
        return np.asarray(flat[index])

    out = collect(x.r, index, int(np.prod(shape))).moved(lambda a: a.reshape(shape))
    return Var(out, [(x, lambda g: g.moved(pick))])


def concatenate(parts: Sequence[Any], axis: int = 0) -> Var:
    """Arrays joined along a dimension."""
    parts = [var(p) for p in parts]
    edges = np.cumsum([0, *(p.shape[axis] for p in parts)])
    value = np.concatenate([p.value for p in parts], axis)
    error = np.concatenate([p.r.error for p in parts], axis)

    def part(i: int) -> Pull:
        span = range(edges[i], edges[i + 1])
        return lambda g: g.moved(lambda a: np.take(a, span, axis))

    return Var(Rounded(value, error), [(p, part(i)) for i, p in enumerate(parts)])


def select(x: Any, index: Array, axis: int) -> Var:
    """``numpy.take_along_axis``."""
    x = var(x)
    flat = np.arange(x.size).reshape(x.shape)
    return take(x, np.take_along_axis(flat, np.asarray(index), axis))
