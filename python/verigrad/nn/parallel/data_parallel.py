"""``DataParallel`` over one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import cuda
from ..module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """The module as ``.module``, called with the whole batch: a batch is not split over devices.

    Keys of the state dict begin with ``module.``, as in PyTorch.

    Args:
        module: the module.
        device_ids: None or one CUDA device, where the module's parameters must be; PyTorch's None stands for
            all devices, here for the one where the module is. Ignored where there is no CUDA device.
        output_device: None or that device.
        dim: the dimension that holds the batch; with one device it is not cut.

    Raises:
        ValueError: several devices, or another one for the output.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if not cuda.is_available():  # as in PyTorch: on the CPU they say nothing
            device_ids = output_device = None
        devices = [] if device_ids is None else [cuda._index(device) for device in device_ids]
        if len(devices) > 1:
            raise ValueError(f"DataParallel: expected one device, got {list(device_ids or ())}")
        output = None if output_device is None else cuda._index(output_device)
        if output is not None and output not in (devices or [output]):
            raise ValueError(
                f"DataParallel: expected the output on the module's device, got {output_device!r}"
            )
        self.module = module
        self.device_ids = devices
        self.output_device = devices[0] if output is None and devices else output
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of the inputs."""
        return self.module(*inputs, **kwargs)
