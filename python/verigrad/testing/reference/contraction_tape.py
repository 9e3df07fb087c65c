"""Compositions of the products that sum over pairs of dimensions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import tape


def inner(a: Any, b: Any) -> tape.Var:
    """Every row of a with every row of b."""
    x, y = tape.var(a), tape.var(b)
    if x.ndim == 0 or y.ndim == 0:
        return tape.var(x * y)
    lead = x.shape[:-1] + y.shape[:-1]
    rows = y.reshape(int(np.prod(y.shape[:-1])), y.shape[-1])
    return tape.matmul(x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1]), rows.swap()).reshape(*lead)


def outer(a: Any, b: Any) -> tape.Var:
    """Every pair."""
    x = tape.var(a)
    return tape.var(x.reshape(x.size, 1) * b)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> tape.Var:
    """The sum of the products along a dimension."""
    product = tape.var(tape.var(x) * y)
    return product.sum(dim % product.ndim)


def kron(a: Any, b: Any) -> tape.Var:
    """Every element of a times b, as blocks."""
    x, y = tape.var(a), tape.var(b)
    rank = max(x.ndim, y.ndim)
    left = (1,) * (rank - x.ndim) + x.shape
    right = (1,) * (rank - y.ndim) + y.shape
    blocks = x.reshape(*(k for n in left for k in (n, 1))) * y.reshape(*(k for n in right for k in (1, n)))
    return blocks.reshape(*(n * m for n, m in zip(left, right, strict=True)))


def _added(self: Any, product: tape.Var, beta: float, alpha: float) -> tape.Var:
    right = product if alpha == 1 else product * float(alpha)
    if beta == 0:
        return right
    left = tape.var(self)
    return (left if beta == 1 else left * float(beta)) + right


def addmm(self: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> tape.Var:
    """A product of matrices, of a matrix and a vector, or of batches."""
    return _added(self, tape.matmul(a, b), beta, alpha)


def addbmm(self: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> tape.Var:
    """The sum of the products."""
    return _added(self, tape.matmul(a, b).sum(0), beta, alpha)


def addr(self: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> tape.Var:
    """The outer product."""
    return _added(self, outer(a, b), beta, alpha)


def tensordot(a: Any, b: Any, dims: Any = 2) -> tape.Var:
    """Both as matrices, whose depth is what is summed."""
    x, y = tape.var(a), tape.var(b)
    dims = dims.tolist() if isinstance(dims, np.ndarray) else dims
    pairs = (list(range(x.ndim - dims, x.ndim)), list(range(dims))) if isinstance(dims, int) else dims
    left, right = ([d % v.ndim for d in ds] for v, ds in zip((x, y), pairs, strict=True))
    for i, j in zip(left, right, strict=True):
        if y.shape[j] == 1 and x.shape[i] != 1:
            x = x.sum(i, True)
        if x.shape[i] == 1 and y.shape[j] != 1:
            y = y.sum(j, True)
    rows, columns = ([d for d in range(v.ndim) if d not in ds] for v, ds in ((x, left), (y, right)))
    depth = int(np.prod([x.shape[d] for d in left]))
    shape = [x.shape[d] for d in rows] + [y.shape[d] for d in columns]
    wide = x.transpose(*rows, *left).reshape(int(np.prod([x.shape[d] for d in rows])), depth)
    tall = y.transpose(*right, *columns).reshape(depth, int(np.prod([y.shape[d] for d in columns])))
    return tape.matmul(wide, tall).reshape(*shape)


def _subscripts(args: Sequence[Any]) -> tuple[list[list[Any]], list[Any] | None, list[tape.Var]]:
    """The labels of each operand, those of the result, and the operands."""
    if not isinstance(args[0], str):
        operands = [tape.var(x) for x in args[0 : len(args) - len(args) % 2 : 2]]
        output = list(args[-1]) if len(args) % 2 else None
        return [list(x) for x in args[1::2][: len(operands)]], output, operands
    rest = args[1] if isinstance(args[1], list) else args[1:]
    left, arrow, right = args[0].replace(" ", "").replace("...", ".").partition("->")

    def labels(text: str) -> list[Any]:
        return [... if c == "." else c for c in text]

    return [labels(t) for t in left.split(",")], labels(right) if arrow else None, [tape.var(x) for x in rest]


def einsum(*args: Any) -> tape.Var:
    """All operands in the space of all subscripts, multiplied and summed over those that the result lacks."""
    inputs, output, operands = _subscripts(args)
    widest = max((x.ndim - len(s) + 1 for s, x in zip(inputs, operands, strict=True) if ... in s), default=0)
    dots = [("dots", k) for k in range(widest)]

    def spread(labels: list[Any], covered: int) -> list[Any]:
        return [k for s in labels for k in (dots[widest - covered :] if s is ... else [s])]

    full = [spread(s, x.ndim - len(s) + 1 if ... in s else 0) for s, x in zip(inputs, operands, strict=True)]
    flat = [k for s in full for k in s]
    if output is None:
        single = sorted({k for k in flat if not isinstance(k, tuple) and flat.count(k) == 1})
        out = [*dots, *single]
    else:
        out = spread(output, widest)
    order = [*out, *dict.fromkeys(k for k in flat if k not in out)]
    product = None
    for labels, x in zip(full, operands, strict=True):
        places = np.arange(x.size).reshape(x.shape)
        numbers = [order.index(k) for k in labels]
        own = sorted(set(numbers))
        places = np.einsum(places, numbers, own)
        shape = [places.shape[own.index(d)] if d in own else 1 for d in range(len(order))]
        arranged = tape.take(x, places.reshape(shape))
        product = arranged if product is None else product * arranged
    assert product is not None
    return product.sum(tuple(range(len(out), len(order))))


def multi_dot(matrices: Sequence[Any]) -> tape.Var:
    """From the left to the right."""
    return tape.var(functools.reduce(tape.matmul, matrices))


def chain_matmul(*matrices: Any) -> tape.Var:
    """The same."""
    return tape.var(multi_dot(matrices))


def matrix_power(a: Any, n: int) -> tape.Var:
    """Multiplied n times."""
    x = tape.var(a)
    if n == 0:
        return tape.var(x * 0.0 + np.eye(x.shape[-1]))
    return functools.reduce(tape.matmul, [x] * n)


def cross(a: Any, b: Any, dim: int | None = None) -> tape.Var:
    """The three differences of two products."""
    x, y = tape.var(a), tape.var(b)
    d = (x.shape.index(3) if dim is None else dim) % x.ndim
    first, second = [1, 2, 0], [2, 0, 1]

    def picked(v: tape.Var, order: list[int]) -> tape.Var:
        return tape.take(v, np.take(np.arange(v.size).reshape(v.shape), order, d))

    return picked(x, first) * picked(y, second) - picked(x, second) * picked(y, first)


def linalg_cross(a: Any, b: Any, *, dim: int = -1) -> tape.Var:
    """The same, along the last dimension unless another is given."""
    return cross(a, b, dim)
