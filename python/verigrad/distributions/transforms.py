"""Invertible functions of random numbers, with the logarithms of their Jacobian determinants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Size, Tensor
from .._types import finfo
from ..nn import functional
from . import constraints
from .constraints import Constraint
from .utils import sum_rightmost

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "ComposeTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class Transform:
    """y = T(x): called with x it gives y, ``inv(y)`` gives x, ``log_abs_det_jacobian(x, y)`` log |dy / dx|.

    Args:
        cache_size: 1 keeps the last pair, so that the inverse of a result is the very x; default 0.

    Raises:
        ValueError: *cache_size* is neither 0 nor 1.
    """

    bijective = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._cached: tuple[Any, Any] = (None, None)

    @property
    def event_dim(self) -> int:
        """The dimensions of an event, where domain and codomain have the same."""
        if self.domain.event_dim == self.codomain.event_dim:
            return int(self.domain.event_dim)
        raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")

    @property
    def inv(self) -> Transform:
        """The inverse."""
        return _Inverse(self)

    @property
    def sign(self) -> Any:
        """1 where the transform grows, -1 where it falls; of one number."""
        raise NotImplementedError(f"{type(self).__name__}.sign")

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same transform with another cache."""
        if cache_size == self._cache_size:
            return self
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        Transform.__init__(made, cache_size)
        return made

    def __call__(self, x: Tensor) -> Tensor:
        if self._cache_size and x is self._cached[0]:
            return self._cached[1]  # type: ignore[no-any-return]
        y = self._call(x)
        if self._cache_size:
            self._cached = (x, y)
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and y is self._cached[1]:
            return self._cached[0]  # type: ignore[no-any-return]
        x = self._inverse(y)
        if self._cache_size:
            self._cached = (x, y)
        return x

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no values")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |dy / dx|, with the dimensions of events summed."""
        raise NotImplementedError(f"{type(self).__name__}.log_abs_det_jacobian")

    def forward_shape(self, shape: Sequence[int]) -> Size:
        """The shape of y for a shape of x."""
        return Size(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        """The shape of x for a shape of y."""
        return Size(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, transform: Transform) -> None:
        super().__init__(transform._cache_size)
        self._transform = transform

    @property
    def domain(self) -> Any:
        return self._transform.codomain

    @property
    def codomain(self) -> Any:
        return self._transform.domain

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return self._transform.bijective

    @property
    def sign(self) -> Any:
        return self._transform.sign

    @property
    def inv(self) -> Transform:
        return self._transform

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self._transform.with_cache(cache_size).inv

    def __call__(self, x: Tensor) -> Tensor:
        return self._transform._inv_call(x)

    def _inv_call(self, y: Tensor) -> Tensor:
        return self._transform(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._transform.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        return self._transform.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        return self._transform.forward_shape(shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Inverse) and self._transform == other._transform

    __hash__ = Transform.__hash__

    def __repr__(self) -> str:
        return f"_InverseTransform({self._transform!r})"


class _Plain(Transform):
    """One without parameters: all instances are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = Transform.__hash__


class _Monotone(_Plain):
    """One number to one number, growing."""

    domain: Constraint = constraints.real
    codomain: Constraint = constraints.real
    bijective = True
    sign = 1


class ExpTransform(_Monotone):
    """exp(x)."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _C.exp(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return _C.log(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class SigmoidTransform(_Monotone):
    """1 / (1 + exp(-x)); results are kept away from 0 and 1 by the dtype's epsilon."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return _C.sigmoid(x).clamp(finfo(x.dtype).tiny, 1 - finfo(x.dtype).eps)

    def _inverse(self, y: Tensor) -> Tensor:
        y = y.clamp(finfo(y.dtype).tiny, 1 - finfo(y.dtype).eps)
        return _C.log(y) - _C.log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -functional.softplus(-x) - functional.softplus(x)


class TanhTransform(_Monotone):
    """tanh(x)."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return _C.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return _C.atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # log(1 - tanh(x)^2), where tanh(x) rounds to 1 as well.
        return 2 * (math.log(2) - x - functional.softplus(-2 * x))


class SoftplusTransform(_Monotone):
    """log(1 + exp(x))."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return functional.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return _C.log(-_C.expm1(-y)) + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -functional.softplus(-x)


class PowerTransform(_Monotone):
    """x^exponent of positive numbers.

    Args:
        exponent: a tensor or number; not 0.
        cache_size: see `Transform`.
    """

    domain = constraints.positive
    codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent if isinstance(exponent, Tensor) else _C.tensor(float(exponent))

    @property
    def sign(self) -> Any:  # type: ignore[override]
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = Transform.__hash__

    def _call(self, x: Tensor) -> Tensor:
        return x**self.exponent

    def _inverse(self, y: Tensor) -> Tensor:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()


def _events(base: Constraint, dims: int) -> Constraint:
    return base if dims == 0 else constraints.independent(base, dims)


class AffineTransform(Transform):
    """loc + scale x.

    Args:
        loc, scale: tensors or numbers.
        event_dim: how many of the last dimensions make one event; default 0.
        cache_size: see `Transform`.
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim
        self.domain = self.codomain = _events(constraints.real, event_dim)

    @property
    def sign(self) -> Any:
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) - (self.scale < 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        pairs = ((self.loc, other.loc), (self.scale, other.scale))
        return all(bool(same.all()) if isinstance(same := a == b, Tensor) else same for a, b in pairs)

    __hash__ = Transform.__hash__

    def _call(self, x: Tensor) -> Tensor:
        y: Tensor = self.loc + self.scale * x
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x: Tensor = (y - self.loc) / self.scale
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        scale = self.scale
        if not isinstance(scale, Tensor):
            scale = _C.tensor(float(scale), dtype=x.dtype, device=x.device)
        return sum_rightmost(scale.abs().log().expand(x.shape), self._event_dim)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        others = [tuple(value.shape) for value in (self.loc, self.scale) if isinstance(value, Tensor)]
        return _C.broadcast_shapes(tuple(shape), *others)

    inverse_shape = forward_shape


class AbsTransform(_Plain):
    """|x|; its inverse gives the positive of both numbers."""

    domain = constraints.real
    codomain = constraints.nonnegative

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class SoftmaxTransform(_Plain):
    """softmax along the last dimension; its inverse is the logarithm, one of many."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return _C.softmax(x, -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return _C.log(y)


class StickBreakingTransform(_Plain):
    """n numbers to n + 1 probabilities: each breaks its part off what is left of a stick of length 1.

    The k-th of n numbers breaks off sigmoid(x - log(n - k)), so that zeros give equal parts.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _shifted(self, x: Tensor) -> Tensor:
        left = _C.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device)
        return x - left.log()

    def _call(self, x: Tensor) -> Tensor:
        part = _C.sigmoid(self._shifted(x))
        part = part.clamp(finfo(x.dtype).tiny, 1 - finfo(x.dtype).eps)
        one = _C.ones_like(x[..., :1])
        return _C.cat([part, one], -1) * _C.cat([one, (1 - part).cumprod(-1)], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        left = (1 - y[..., :-1].cumsum(-1)).clamp(finfo(y.dtype).tiny)
        count = _C.arange(y.shape[-1] - 1, 0, -1, dtype=y.dtype, device=y.device)
        return y[..., :-1].log() - left.log() + count.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        # Of the k-th part: what was left of the stick, times sigmoid's derivative.
        return (y[..., :-1].log() - functional.softplus(self._shifted(x))).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        return Size((*shape[:-1], shape[-1] + 1))

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        return Size((*shape[:-1], shape[-1] - 1))


class LowerCholeskyTransform(_Plain):
    """A square matrix to a lower triangular one: the diagonal becomes its exponential."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed()


class ReshapeTransform(Transform):
    """Gives the last dimensions another shape.

    Args:
        in_shape, out_shape: the shapes of an event, with equally many elements.
        cache_size: see `Transform`.

    Raises:
        ValueError: they have not.
    """

    bijective = True

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        self.domain = _events(constraints.real, len(self.in_shape))
        self.codomain = _events(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[: x.ndim - len(self.in_shape)], *self.out_shape)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(*y.shape[: y.ndim - len(self.out_shape)], *self.in_shape)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        shape = x.shape[: x.ndim - len(self.in_shape)]
        return _C.zeros(shape, dtype=x.dtype, device=x.device)

    def _moved(self, shape: Sequence[int], before: Size, after: Size) -> Size:
        start = len(shape) - len(before)
        if start < 0 or tuple(shape[start:]) != tuple(before):
            raise ValueError(f"Shape mismatch: expected {before} but got {tuple(shape[max(start, 0) :])}")
        return Size((*shape[:start], *after))

    def forward_shape(self, shape: Sequence[int]) -> Size:
        return self._moved(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        return self._moved(shape, self.out_shape, self.in_shape)


class IndependentTransform(Transform):
    """Another transform with so many dimensions more in an event."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        found = self.base_transform.log_abs_det_jacobian(x, y)
        return sum_rightmost(found, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> Size:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ComposeTransform(Transform):
    """Several transforms, one after the other.

    Args:
        parts: the transforms, the first one first.
        cache_size: see `Transform`.
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else list(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = Transform.__hash__

    @property
    def domain(self) -> Constraint:
        if not self.parts:
            return constraints.real
        wanted = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            wanted = max(wanted + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return _events(self.parts[0].domain, wanted - self.parts[0].domain.event_dim)

    @property
    def codomain(self) -> Constraint:
        if not self.parts:
            return constraints.real
        wanted = self.parts[0].domain.event_dim
        for part in self.parts:
            wanted = max(wanted + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return _events(self.parts[-1].codomain, wanted - self.parts[-1].codomain.event_dim)

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return all(part.bijective for part in self.parts)

    @property
    def sign(self) -> Any:
        sign: Any = 1
        for part in self.parts:
            sign = sign * part.sign
        return sign

    @property
    def inv(self) -> Transform:
        return ComposeTransform([part.inv for part in reversed(self.parts)], self._cache_size)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self if cache_size == self._cache_size else ComposeTransform(self.parts, cache_size)

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        total = _C.zeros_like(x)
        dims = self.domain.event_dim
        total = sum_rightmost(total, dims)
        for part in self.parts:
            after = part(x)
            total = total + sum_rightmost(part.log_abs_det_jacobian(x, after), dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
            x = after
        return total

    def forward_shape(self, shape: Sequence[int]) -> Size:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return Size(shape)

    def inverse_shape(self, shape: Sequence[int]) -> Size:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return Size(shape)

    def __repr__(self) -> str:
        return "ComposeTransform([" + ", ".join(map(repr, self.parts)) + "])"


identity_transform = ComposeTransform([])
