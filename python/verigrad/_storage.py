"""The memory of a tensor as an object, its layout, and its size in place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from . import _C
from ._C import Tensor

__all__ = ["TypedStorage", "UntypedStorage", "layout", "strided"]


class layout:
    """How the elements of a tensor lie in memory; there is one, `strided`."""

    def __new__(cls) -> layout:
        raise TypeError("cannot create 'verigrad.layout' instances")

    def __repr__(self) -> str:
        return "verigrad.strided"

    def __reduce__(self) -> str:
        return "strided"


strided: layout = object.__new__(layout)


class _Storage:
    """All elements of a tensor's memory, of which the tensor may be a part."""

    def __init__(self, memory: Tensor) -> None:
        self._memory = memory

    @property
    def device(self) -> Any:
        """Where it is."""
        return self._memory.device

    @property
    def is_cuda(self) -> bool:
        """Whether that is a CUDA device."""
        return self._memory.is_cuda

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._memory.data_ptr()

    def nbytes(self) -> int:
        """Its size in bytes."""
        return self._memory.numel() * self._memory.itemsize

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        raise NotImplementedError


class UntypedStorage(_Storage):
    """The bytes of a tensor's memory, from `Tensor.untyped_storage`."""

    def _bytes(self) -> Any:
        import numpy as np

        return self._memory.cpu().numpy().view(np.uint8)

    def size(self) -> int:
        """Its size in bytes."""
        return self.nbytes()

    def element_size(self) -> int:
        """1."""
        return 1

    def tolist(self) -> list[Any]:
        """The bytes, as numbers."""
        found: list[Any] = self._bytes().tolist()
        return found

    def __getitem__(self, index: int) -> int:
        return int(self._bytes()[index])

    def __repr__(self) -> str:
        return f"[verigrad.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


class TypedStorage(_Storage):
    """The elements of a tensor's memory, from `Tensor.storage`."""

    @property
    def dtype(self) -> _C.dtype:
        """The type of the elements."""
        return self._memory.dtype

    def size(self) -> int:
        """How many elements there are."""
        return self._memory.numel()

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._memory.itemsize

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self._memory)

    def tolist(self) -> list[Any]:
        """The elements, as numbers."""
        found: list[Any] = self._memory.tolist()
        return found

    def __getitem__(self, index: int) -> Any:
        return self._memory[index].item()

    def __setitem__(self, index: int, value: Any) -> None:
        self._memory[index] = value

    def __repr__(self) -> str:
        text = "".join(f" {value}\n" for value in self.tolist())
        where = f"dtype={self.dtype}, device={self.device}"
        return f"{text}[verigrad.storage.TypedStorage({where}) of size {len(self)}]"


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes of its memory; views of one tensor have the same ``data_ptr()`` there.

    What is written through it is unnoticed by the graph.
    """
    return UntypedStorage(self._memory())


def storage(self: Tensor) -> TypedStorage:
    """The elements of its memory, among them those that the tensor does not show; as `untyped_storage`."""
    return TypedStorage(self._memory())


def resize_(self: Tensor, *size: Any) -> Tensor:
    """Gives the tensor another size in place: the elements of its memory in order, as many as there are.

    Where more are needed it gets memory of its own, in which those after the old ones are not initialised;
    views of the old memory keep that.

    Raises:
        RuntimeError: the tensor requires a gradient, or a size is negative.
    """
    wanted = tuple(size[0]) if len(size) == 1 and isinstance(size[0], Sequence) else size
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = tuple(length.__index__() for length in wanted)
    if any(length < 0 for length in shape):
        raise RuntimeError(f"resize_: expected sizes of 0 or more, got {list(shape)}")
    if shape == tuple(self.shape):
        return self
    start, numel, memory = self.storage_offset(), math.prod(shape), self._memory()
    if start + numel > memory.numel():
        more = _C.empty(start + numel, dtype=self.dtype, device=self.device)
        more[: memory.numel()] = memory
        memory = more
    self.data = memory[start : start + numel].reshape(shape)
    return self


def resize_as_(self: Tensor, the_template: Tensor) -> Tensor:
    """`resize_` to the size of another tensor."""
    return resize_(self, tuple(the_template.shape))


def attach() -> None:
    """Gives them to `Tensor`."""
    for method in (untyped_storage, storage, resize_, resize_as_):
        setattr(Tensor, method.__name__, method)

    def found(self: Tensor) -> layout:
        return strided

    found.__name__ = "layout"
    setattr(Tensor, "layout", property(found, doc="`strided`."))  # noqa: B010
