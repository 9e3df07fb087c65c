"""Functions that are composed of others, and therefore written in Python."""

from __future__ import annotations

import math
from typing import Any

from . import _C
from ._C import Tensor
from ._out import takes_out
from ._text import short

__all__ = ["asarray", "diff", "isin", "logspace", "mvlgamma", "scalar_tensor"]


def asarray(
    obj: Any,
    *,
    dtype: _C.dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Data as a tensor, which shares memory with tensors and arrays where nothing has to change.

    Args:
        obj: a tensor, array, number or nested sequence.
        dtype, device: of the result; default those of the data.
        copy: True always copies; False raises where a copy is needed; None copies where it is.
        requires_grad: whether operations on it are to be recorded.

    Raises:
        ValueError: *copy* is False, and a copy is needed.
    """
    made = _C.as_tensor(obj, dtype=dtype, device=device)
    if isinstance(obj, Tensor):
        shared = made.data_ptr() == obj.data_ptr() and made.dtype == obj.dtype
    else:
        address = getattr(getattr(obj, "ctypes", None), "data", None)
        shared = address is not None and address == made.data_ptr()
    if copy is False and not shared:
        raise ValueError("asarray: can't alias tensor with different dtype, device or memory without a copy")
    if copy and shared:
        made = made.clone()
    return made.requires_grad_() if requires_grad else made


def scalar_tensor(s: Any, *, dtype: _C.dtype | None = None, device: Any = None) -> Tensor:
    """A number as a tensor without dimensions, of the default dtype where none is given."""
    return _C.tensor(s, dtype=_C.get_default_dtype() if dtype is None else dtype, device=device)


@takes_out("diff")
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The differences of neighbours along a dimension, n times; of bools whether they differ.

    Args:
        input: at least one dimension.
        n: how many times.
        dim: the dimension, which gets shorter by n.
        prepend, append: what stands before and after it first.

    Raises:
        RuntimeError: *input* has no dimension, or *n* is negative.
    """
    if input.ndim < 1:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [part for part in (prepend, input, append) if part is not None]
    out = _C.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, out.shape[dim])):
        size = out.shape[dim]
        if size == 0:
            break
        after, before = out.narrow(dim, 1, size - 1), out.narrow(dim, 0, size - 1)
        out = _C.logical_xor(after, before) if out.dtype == _C.bool else after - before
    return out


@takes_out("isin")
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among the test elements: a bool tensor of the shape of *elements*.

    Args:
        elements, test_elements: tensors; one of them may be a number.
        assume_unique: makes no difference to the result; the elements are compared with sorted ones.
        invert: whether it is not.

    Raises:
        ValueError: both are numbers.
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise ValueError(f"isin: expected a tensor, got {short(elements)} and {short(test_elements)}")
    device = (elements if isinstance(elements, Tensor) else test_elements).device
    values = _C.as_tensor(elements, device=device).detach()
    tests = _C.as_tensor(test_elements, device=device).detach().flatten()
    kind = _C.result_type(values, tests)
    values, tests = values.to(kind), tests.to(kind)
    if kind == _C.bool:
        values, tests = values.byte(), tests.byte()
    if not tests.numel():
        found = _C.zeros(values.shape, dtype=_C.bool, device=device)
    else:
        ordered = _C.sort(tests).values
        place = _C.searchsorted(ordered, values.contiguous()).clamp(max=tests.numel() - 1)
        found = ordered[place] == values
    return ~found if invert else found


@takes_out("logspace")
def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: _C.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """*steps* numbers from base^start to base^end, whose logarithms are evenly spaced.

    The powers are taken in float64.

    Raises:
        RuntimeError: *steps* is negative.
    """
    exponents = _C.linspace(start, end, steps, dtype=_C.float64, device=device)
    made = _C.pow(base, exponents).to(_C.get_default_dtype() if dtype is None else dtype)
    return made.requires_grad_() if requires_grad else made


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the gamma function of p dimensions (A. T. James, "Distributions of matrix variates and
    latent roots derived from normal samples", 1964): p (p - 1) / 4 ln(pi) + the sum of lgamma(input - k / 2)
    over k < p.

    Args:
        input: any shape, each element above (p - 1) / 2; elsewhere the sum is what it is.
        p: how many dimensions, 1 or more.
        out: where the result goes.

    Raises:
        RuntimeError: *p* is less than 1.
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    halves = _C.arange(p, dtype=_C.get_default_dtype(), device=input.device) * -0.5
    floating = input if input.dtype.is_floating_point else input.to(_C.get_default_dtype())
    terms = _C.lgamma(floating.unsqueeze(-1) + halves.to(floating.dtype))
    constant = p * (p - 1) / 4 * math.log(math.pi)
    total = terms.sum(-1)
    return total + constant if out is None else _C.add(total, constant, out=out)


def mvlgamma_(self: Tensor, p: int) -> Tensor:
    """`mvlgamma` in place.

    Raises:
        RuntimeError: *p* is less than 1, or the tensor is not of a floating-point dtype.
    """
    if not self.dtype.is_floating_point:
        kind = _C.get_default_dtype()
        raise RuntimeError(
            f"mvlgamma_: result type {kind} can't be cast to the desired output type {self.dtype}"
        )
    return self.copy_(mvlgamma(self.clone(), p))
