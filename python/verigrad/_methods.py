"""Methods of `Tensor` that are composed of others, and therefore written in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _C, _composed, _draws, _pickling, _storage, _types
from ._C import Tensor

__all__ = ["attach"]


def new(self: Tensor, *args: Any, size: Any = None, device: Any = None) -> Tensor:
    """What the typed constructor of this tensor's dtype and device makes of the arguments."""
    made = _types.type_of(self)
    return made(*args, size=size, device=self.device if device is None else device)  # type: ignore[no-any-return]


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replaces each element by what a function of Python's makes of it; for CPU tensors, and slow.

    Raises:
        RuntimeError: the tensor requires a gradient.
        TypeError: it is not on the CPU.
    """
    return _mapped("apply_", self, self.detach(), lambda value, _: callable(value))


def map_(self: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces each element by a function of it and that of *other*, which broadcasts; CPU only, and slow.

    Raises:
        RuntimeError: the tensor requires a gradient, or *other* does not broadcast.
        TypeError: it is not on the CPU.
    """
    return _mapped("map_", self, other, callable)


def _mapped(name: str, self: Tensor, other: Tensor, function: Callable[[Any, Any], Any]) -> Tensor:
    if self.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    if self.device.type != "cpu":
        raise TypeError(f"{name} is only implemented on CPU tensors")
    pairs = zip(self.flatten().tolist(), other.detach().expand(self.shape).flatten().tolist(), strict=True)
    values = [function(mine, theirs) for mine, theirs in pairs]
    return self.copy_(_C.tensor(values, dtype=self.dtype).reshape(self.shape))


def as_subclass(self: Tensor, cls: type[Tensor]) -> Tensor:
    """A tensor of a subclass of `Tensor` over the same memory; ``__init__`` of the subclass is not called.

    Where operations are recorded it is a view, through which gradients flow.

    Raises:
        TypeError: *cls* is no subclass of `Tensor`.
    """
    if not isinstance(cls, type) or not issubclass(cls, Tensor):
        raise TypeError(f"as_subclass: expected a subclass of Tensor, got {cls!r}")
    made = cls.__new__(cls)
    Tensor.__init__(made, _view_of=self)
    return made


def get_device(self: Tensor) -> int:
    """The index of its CUDA device; -1 on the CPU."""
    index = self.device.index
    return -1 if index is None else index


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Sums the dimensions that broadcasting from this size would have repeated.

    Raises:
        RuntimeError: this size does not broadcast to the tensor's.
    """
    wanted = tuple(size[0]) if len(size) == 1 and isinstance(size[0], Sequence) else tuple(size)
    extra = self.ndim - len(wanted)
    padded = (1,) * extra + wanted
    if extra < 0 or any(w not in (1, s) for w, s in zip(padded, self.shape, strict=True)):
        raise RuntimeError(f"size {list(wanted)} is not expandable to size {list(self.shape)}.")
    dims = [i for i, w in enumerate(padded) if i < extra or (w == 1 and self.shape[i] != 1)]
    return self.sum(dims, keepdim=True).reshape(wanted) if dims else self


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Sets the main diagonal: the elements whose indices are all equal.

    Args:
        fill_value: the number.
        wrap: of a matrix with more rows than columns, begin again after the columns and a row between.

    Raises:
        RuntimeError: fewer than two dimensions, or more than two that are not of equal length.
    """
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    if wrap and self.ndim == 2 and self.shape[0] > self.shape[1]:
        rows, columns = self.shape
        for start in range(0, rows, columns + 1):
            part = self[start : start + columns]
            part.diagonal().fill_(fill_value)
        return self
    view = self
    for _ in range(self.ndim - 1):
        # The last dimension runs along the diagonal of the first two that are left.
        view = view.diagonal(0, 0, view.ndim - 1)
    view.fill_(fill_value)
    return self


def narrow_copy(self: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`narrow` with memory of its own."""
    return self.narrow(dim, start, length).clone()


def ndimension(self: Tensor) -> int:
    """The same as ``dim()``."""
    return self.dim()


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same view of the same memory."""
    return (self.data_ptr(), self.shape, self.stride()) == (tensor.data_ptr(), tensor.shape, tensor.stride())


def is_distributed(self: Tensor) -> bool:
    """False: a tensor is in one process."""
    return False


def bernoulli(self: Tensor, p: float | None = None, *, generator: _C.Generator | None = None) -> Tensor:
    """See `verigrad.bernoulli`."""
    return _draws.bernoulli(self, p, generator=generator)


def multinomial(
    self: Tensor, num_samples: int, replacement: bool = False, *, generator: _C.Generator | None = None
) -> Tensor:
    """See `verigrad.multinomial`."""
    return _draws.multinomial(self, num_samples, replacement, generator=generator)


def mvlgamma(self: Tensor, p: int) -> Tensor:
    """See `verigrad.mvlgamma`."""
    return _composed.mvlgamma(self, p)


def _never(name: str, why: str) -> property:
    def answer(self: Tensor) -> bool:
        return False

    answer.__name__ = name
    return property(answer, doc=f"False: {why}.")


_KINDS = {
    "is_sparse": "every tensor is dense",
    "is_sparse_csr": "every tensor is dense",
    "is_quantized": "there are no quantized tensors",
    "is_meta": "every tensor has memory",
    "is_nested": "every tensor has one shape",
    "is_mps": "there is no such device",
    "is_xpu": "there is no such device",
    "is_mkldnn": "there is no such layout",
}


def attach() -> None:
    """Gives them to `Tensor`."""
    methods: tuple[Callable[..., Any], ...] = (
        new, apply_, map_, as_subclass, get_device, sum_to_size, fill_diagonal_, narrow_copy, ndimension,
        is_set_to, is_distributed, mvlgamma, _composed.mvlgamma_, bernoulli, multinomial,
        _draws.bernoulli_, _draws.exponential_,
        _draws.geometric_, _draws.log_normal_, _draws.cauchy_, _draws.random_, _types.is_complex,
        _types.is_conj, _types.is_neg, _types.is_signed, _types.is_nonzero, _types.is_same_size,
    )  # fmt: skip
    for method in methods:
        setattr(Tensor, method.__name__, method)
    setattr(Tensor, "type", _types.tensor_type)  # noqa: B010 - the stub may not know it
    _pickling.attach()
    _storage.attach()
    for name, why in _KINDS.items():
        setattr(Tensor, name, _never(name, why))
