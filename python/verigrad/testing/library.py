"""The library under test, as a value.

Every check takes a :class:`Library`. It is verigrad unless said otherwise; the suite also runs on PyTorch,
because a record that PyTorch fails is a wrong record.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Library:
    """A tensor library with PyTorch's names.

    Args:
        name: the module, ``"verigrad"`` or ``"torch"``.
        device: where its tensors are; the library's default device for None.
    """

    def __init__(self, name: str = "verigrad", device: str | None = None) -> None:
        self.name = name
        self.module: ModuleType = importlib.import_module(name)
        self.device = str(self.module.get_default_device()) if device is None else device

    @classmethod
    def of(cls, tensor: Any) -> Library:
        """The library that a tensor comes from, on the tensor's device."""
        name = "torch" if type(tensor).__module__.split(".")[0] == "torch" else "verigrad"
        return cls(name, str(tensor.device))

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Library]:
        """Inside of the ``with`` block the device is also where operations create tensors.

        Raises:
            RuntimeError: if there is no such device.
        """
        before = self.module.get_default_device()
        if str(before) == self.device:
            yield self
            return
        self.module.set_default_device(self.device)
        try:
            yield self
        finally:
            self.module.set_default_device(before)

    def get(self, path: str) -> Any:
        """What a dotted name stands for: ``"exp"``, ``"nn.functional.linear"``,
        ``"_C._testing.simd_level"``."""
        value: Any = self.module
        parts = path.split(".")
        for i, part in enumerate(parts):
            if hasattr(value, part):
                value = getattr(value, part)
                continue
            try:
                value = importlib.import_module(".".join([self.name, *parts[: i + 1]]))
            except ModuleNotFoundError:
                message = f"testing: expected {self.name} to have {path!r}, got nothing of that name"
                raise AttributeError(message) from None
        return value

    def allowed(self, tolerance: float) -> float:
        """The tolerance of a result; wider on PyTorch, since the records promise verigrad's accuracy."""
        return tolerance if self.name == "verigrad" else 8.0 * max(tolerance, 4.0)

    def dtype(self, name: str) -> Any:
        """The dtype of a numpy name."""
        return getattr(self.module, name)

    def is_tensor(self, value: Any) -> bool:
        """Whether the value is a tensor of this library."""
        return isinstance(value, self.module.Tensor)

    def from_numpy(self, array: Array) -> Any:
        """A tensor that shares the array's memory, on the CPU. numpy's scalars, which 0-d arithmetic answers,
        count as arrays."""
        tensor = self.module.from_numpy(np.asarray(array))
        return tensor if self.device == "cpu" else tensor.to(self.device)

    def to_numpy(self, tensor: Any) -> Array:
        """The tensor's values as an array of their own."""
        plain = tensor.detach().cpu()
        return np.array(plain.numpy(force=True) if self.name == "torch" else plain.numpy())

    def get_rng_state(self) -> Any:
        """The position of the device's generator."""
        if self.device == "cpu":
            return self.get("get_rng_state")()
        return self.get("cuda.get_rng_state")(self.device)

    def set_rng_state(self, state: Any) -> None:
        """Puts the device's generator at a position."""
        if self.device == "cpu":
            self.get("set_rng_state")(state)
        else:
            self.get("cuda.set_rng_state")(state, self.device)

    def synchronize(self) -> None:
        """Waits for the device, which raises what its kernels found."""
        if self.device != "cpu":
            self.get("cuda").synchronize(self.device)

    def dtype_name(self, tensor: Any) -> str:
        """numpy's name of the tensor's dtype."""
        return str(tensor.dtype).rpartition(".")[2]

    def grad(
        self,
        outputs: Sequence[Any],
        inputs: Sequence[Any],
        grad_outputs: Sequence[Any],
        create_graph: bool = False,
    ) -> list[Any]:
        """``autograd.grad``: one gradient per input, None where an input is not used."""
        return list(
            self.module.autograd.grad(
                list(outputs),
                list(inputs),
                list(grad_outputs),
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        )
