"""Tensors and the arrays of other libraries: DLPack, and what numpy's functions of tensors return."""

from __future__ import annotations

from typing import Any

from . import _C
from ._C import Tensor

__all__ = ["array_wrap", "from_dlpack"]

_CPU, _CUDA = 1, 2  # DLPack's kinds of devices


def from_dlpack(
    ext_tensor: Any, *, device: _C.device | str | None = None, copy: bool | None = None
) -> Tensor:
    """A tensor over the memory of another library's array, which it keeps alive.

    Args:
        ext_tensor: an object with ``__dlpack__`` and ``__dlpack_device__``, such as a numpy array or a tensor
            of PyTorch, or a capsule, which can be taken once.
        device: where the tensor shall be; default where the array is.
        copy: True for memory of its own, False for never. None, the default, copies only what a tensor cannot
            share: read-only or misaligned memory, negative strides, another device.

    Raises:
        BufferError: a dtype that does not exist here, a device that is neither CPU nor CUDA, a capsule of
            another major version of DLPack, or what cannot be shared with ``copy=False``.
        TypeError: neither such an object nor a capsule.
        RuntimeError: a capsule that has been taken, or no such device on this machine.
        ValueError: another device with ``copy=False``.
    """
    target = None if device is None else _C.device(str(device))
    if hasattr(ext_tensor, "__dlpack__"):
        kind, index = ext_tensor.__dlpack_device__()
        # The producer waits for its own work, as far as our stream needs it. 1 is CUDA's default stream.
        options = {} if kind != _CUDA else {"stream": _C._cuda.current_stream(index) or 1}
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0), **options)
        except TypeError:  # from before version 1
            capsule = ext_tensor.__dlpack__(**options)
    else:
        capsule = ext_tensor
    tensor: Tensor = _C._from_capsule(capsule, copy)
    if target is None or tensor.device == target:
        return tensor
    if copy is False:
        raise ValueError(
            f"from_dlpack: expected copy=None or copy=True to go from {tensor.device} to {target}, got "
            "copy=False"
        )
    return tensor.to(target)


def array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """What a function of numpy makes of tensors, as a tensor: ``numpy.sin(tensor)``.

    Results of bool are uint8, as in PyTorch. An array of a dtype that does not exist here stays an array.
    """
    if array.dtype == bool:
        array = array.astype("uint8")
    try:
        return _C.from_numpy(array)
    except TypeError:
        return array
