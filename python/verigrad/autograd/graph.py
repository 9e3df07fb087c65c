"""Around the graph: nodes, and hooks on the tensors that ops save for the backward pass.

A node is a tensor's ``grad_fn``. ``node.register_prehook(fn)`` calls ``fn(grad_outputs)`` before the node
runs, ``node.register_hook(fn)`` calls ``fn(grad_inputs, grad_outputs)`` after; both get tuples, with None
where there is no gradient, and a tuple that they return replaces the first. Both return a handle that
removes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from .. import _C
from .._C import Node, Tensor

__all__ = ["Node", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Context manager: what ops save for the backward pass goes through two functions.

    Args:
        pack_hook: called with each tensor when it is saved, without recording. What it returns, of any
            type, is kept in the place of the tensor. It must not change the tensor. An input of an op comes
            as it is; an output without history.
        unpack_hook: called with that when the backward pass asks for the tensor; returns one of the same
            shape, dtype and device.

    Of several managers the innermost is the one that is asked. Changes in place to what a pack hook keeps go
    unnoticed.

    Raises:
        TypeError: a hook is not callable; in the backward pass, where `unpack_hook` returns no tensor.
        RuntimeError: on entering, inside of `disable_saved_tensors_hooks`; in the forward pass, where
            `pack_hook` changes the tensor in place.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        for name, hook in (("pack_hook", pack_hook), ("unpack_hook", unpack_hook)):
            if not callable(hook):
                raise TypeError(
                    f"saved_tensors_hooks: expected {name} to be callable, got {type(hook).__name__}"
                )
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *error: object) -> None:
        _C._pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Context manager: what ops save waits for the backward pass on the CPU, and is copied back then.

    Args:
        pin_memory: in page-locked memory, from and to which copies run beside the program; default False.
            Without a CUDA device the memory is ordinary.
        device_type: the kind of the device that the memory is pinned for: "cuda".

    Raises:
        RuntimeError: another `device_type`.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        if device_type != "cuda":
            raise RuntimeError(f"save_on_cpu: expected device_type 'cuda', got {device_type!r}")

        def pack(tensor: Tensor) -> tuple[_C.device, Tensor]:
            kept = tensor.detach().cpu()
            return tensor.device, kept.pin_memory() if pin_memory and tensor.is_cuda else kept

        def unpack(packed: tuple[_C.device, Tensor]) -> Tensor:
            device, kept = packed
            return kept.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Context manager inside of which `saved_tensors_hooks` raises RuntimeError with this message.

    Raises:
        RuntimeError: with the message at once, inside of `saved_tensors_hooks`.
    """
    before = _C._forbid_saved_tensors_hooks(error_message)
    try:
        yield
    finally:
        _C._forbid_saved_tensors_hooks(before)
