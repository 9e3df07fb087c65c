"""Tensors between one's own processes: pickling, and memory that several processes see.

A pickle is a program, so it is for data that come from oneself; `verigrad.load` reads none.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import Any

from . import _C
from ._C import Generator, Tensor

__all__ = ["attach", "is_shared", "share_memory_"]


def _dressed(tensor: Tensor, kind: type[Tensor], requires_grad: bool) -> Tensor:
    if kind is not Tensor:
        made = kind.__new__(kind)  # as it was, without calling __init__ of a subclass
        Tensor.__init__(made, tensor)
        tensor = made
    return tensor.requires_grad_(requires_grad)


def _rebuild_tensor(array: Any, device: str, requires_grad: bool, kind: type[Tensor]) -> Tensor:
    if not array.flags.writeable:
        array = array.copy()
    return _dressed(_C.from_numpy(array).to(device), kind, requires_grad)


def _reduce_tensor(self: Tensor) -> Any:
    """How pickle takes a tensor: its elements in order, dtype, device, requires_grad, class and attributes.

    Graph, hooks and ``.grad`` stay behind. Views get memory of their own.
    """
    array = self.detach().cpu().contiguous().numpy()
    attributes = getattr(self, "__dict__", None)
    parts = (array, str(self.device), self.requires_grad, type(self))
    return (_rebuild_tensor, parts, dict(attributes)) if attributes else (_rebuild_tensor, parts)


def _rebuild_generator(device: Any, state: Tensor) -> Generator:
    generator = Generator(device)
    generator.set_state(state)
    return generator


def _reduce_generator(self: Generator) -> Any:
    """How pickle takes a generator: its device and position."""
    return _rebuild_generator, (self.device, self.get_state())


def attach() -> None:
    """Gives tensors and generators to pickle, and the methods about shared memory to `Tensor`."""
    setattr(Tensor, "__reduce__", _reduce_tensor)  # noqa: B010
    setattr(Generator, "__reduce__", _reduce_generator)  # noqa: B010
    setattr(Tensor, "share_memory_", share_memory_)  # noqa: B010
    setattr(Tensor, "is_shared", is_shared)  # noqa: B010


# -- shared memory -------------------------------------------------------------------------------------------

# Address of each mapping of this process -> its length and file.
_mappings: dict[int, tuple[int, int]] = {}


def _mapping_of(tensor: Tensor) -> tuple[int, int, int] | None:
    """Address, length and file of the shared memory that a tensor lies in."""
    at = tensor.data_ptr()
    for address, (length, file) in _mappings.items():
        if address <= at < address + length:
            return address, length, file
    return None


def _mapped(file: int, length: int, offset: int, dtype: str, shape: Any, strides: Any) -> Tensor:
    """A tensor over a file's memory; the file is closed with it."""
    import numpy

    memory = mmap.mmap(file, length)
    base = numpy.frombuffer(memory, dtype=numpy.uint8)
    address = int(base.ctypes.data)
    _mappings[address] = length, file
    weakref.finalize(memory, _unmapped, address, file)
    kind = numpy.dtype(dtype)
    steps = tuple(step * kind.itemsize for step in strides)
    return _C.from_numpy(numpy.ndarray(shape, kind, base.data, offset, steps))


def _unmapped(address: int, file: int) -> None:
    _mappings.pop(address, None)
    os.close(file)


def is_shared(self: Tensor) -> bool:
    """Whether other processes can see its memory: after `share_memory_`, and on a CUDA device."""
    return self.is_cuda or _mapping_of(self) is not None


def share_memory_(self: Tensor) -> Tensor:
    """Moves the elements to memory that processes started from now on see, and that may be sent to others.

    A forked process has the same memory; `verigrad.multiprocessing` sends it to others by its file. What is
    written in one process is seen in all. Views that were made before keep the old memory. Does nothing for
    shared and for CUDA tensors.

    Raises:
        OSError: there is no memory left for it.
    """
    if not self.numel() or is_shared(self):
        return self
    _register_with_multiprocessing()
    size = self.numel() * self.element_size()
    file = os.memfd_create("verigrad-shared", os.MFD_CLOEXEC)
    try:
        os.ftruncate(file, size)
    except BaseException:
        os.close(file)
        raise
    row_major = _C.empty(self.shape, dtype=_C.bool, device="cpu").stride()
    shared = _mapped(file, size, 0, _dtype_name(self), tuple(self.shape), row_major)
    shared.copy_(self.detach())
    self.data = shared
    return self


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).partition(".")[2]


def _rebuild_shared(sent: Any, length: int, parts: Any, kind: type[Tensor], requires_grad: bool) -> Tensor:
    return _dressed(_mapped(sent.detach(), length, *parts), kind, requires_grad)


def reduce_for_process(tensor: Tensor) -> Any:
    """How a tensor goes to another process: shared memory as its file, all else as a copy.

    Raises:
        RuntimeError: it is the result of recorded ops, whose graph cannot go along.
    """
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
            "not support crossing process boundaries. If you just want to transfer the data, call "
            "detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    found = None if tensor.is_cuda else _mapping_of(tensor)
    if found is None:
        return tensor.__reduce_ex__(5)
    from multiprocessing.context import get_spawning_popen
    from multiprocessing.reduction import DupFd

    address, length, file = found
    start = get_spawning_popen()
    if start is not None:  # a number for each tensor, also where two lie in one file
        file = os.dup(file)
        weakref.finalize(start, os.close, file)
    parts = (tensor.data_ptr() - address, _dtype_name(tensor), tuple(tensor.shape), tuple(tensor.stride()))
    return _rebuild_shared, (DupFd(file), length, parts, type(tensor), tensor.requires_grad)


def _register_with_multiprocessing() -> None:
    from multiprocessing.reduction import ForkingPickler

    from .nn.parameter import Parameter

    for kind in (Tensor, Parameter):
        ForkingPickler.register(kind, reduce_for_process)
