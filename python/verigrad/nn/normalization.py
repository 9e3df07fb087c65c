"""Normalisation layers."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from . import functional, init
from .module import Module
from .parameter import Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _Affine(Module):
    """A layer with an optional weight, which begins as 1, and an optional bias, which begins as 0."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(
        self, shape: Sequence[int], weight: bool, bias: bool, device: Any = None, dtype: Any = None
    ) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            value = Parameter(_C.empty(tuple(shape), device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, value)

    def reset_parameters(self) -> None:
        """Sets the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _ChannelNorm(_Affine):
    """What batch and instance normalisation share: an affine pair and running statistics per channel."""

    dims: tuple[int, ...]  # numbers of dimensions that an input may have
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    # As in PyTorch: dicts of version 1 have no num_batches_tracked.
    _version = 2

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_affine((num_features,), affine, affine and bias, device, dtype)
        if track_running_stats:
            self.register_buffer("running_mean", _C.zeros((num_features,), device=device, dtype=dtype))
            self.register_buffer("running_var", _C.ones((num_features,), device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", _C.zeros((), device=device, dtype=_C.int64))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def _upgrade_state_dict(self, values: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
        if metadata.get("version", 1) < 2 and self.num_batches_tracked is not None:
            values.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)

    def reset_running_stats(self) -> None:
        """Sets the running mean to 0, the running variance to 1 and the number of batches to 0."""
        if not self.track_running_stats:
            return
        with no_grad():
            for buffer, value in (
                (self.running_mean, 0),
                (self.running_var, 1),
                (self.num_batches_tracked, 0),
            ):
                if buffer is not None:
                    buffer.fill_(value)

    def reset_parameters(self) -> None:
        """Sets the weight to 1, the bias to 0, and the running statistics to their beginning."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            wanted = " or ".join(f"{n}D" for n in self.dims)
            raise ValueError(
                f"{type(self).__name__}: expected {wanted} input (got {input.ndim}D input), "
                f"shape {list(input.shape)}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """Batch normalisation; see ``functional.batch_norm``."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        if not self.training:
            own = self.running_mean is None and self.running_var is None
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, own, 0.0, self.eps
            )
        if not self.track_running_stats:
            return functional.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        count = self.num_batches_tracked
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.momentum is None and count is not None:
            momentum = 1.0 / (int(count.item()) + 1)
        out = functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, self.eps
        )
        if count is not None:  # only now: a call that is refused changes nothing
            count.add_(1)
        return out


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch: [N, C] or [N, C, L]; see ``functional.batch_norm``.

    In training the statistics are those of the batch, and the buffers ``running_mean`` and ``running_var``
    (with n - 1 in its denominator), which evaluation uses, follow them. ``num_batches_tracked`` counts the
    batches.

    Args:
        num_features: the number of channels C.
        eps: what is added to the variance; default 1e-5.
        momentum: share of the batch in the running statistics; None for the average over all batches;
            default 0.1.
        affine: whether to have a weight and a bias [C]; default True.
        track_running_stats: whether to have running statistics; without, evaluation uses those of the batch.
            Default True.
        device: where parameters and buffers live; default the CPU.
        dtype: of parameters and buffers; default the default dtype.
        bias: whether the affine pair has a bias; default True.

    Raises (when called):
        ValueError: the input has another number of dimensions, or one value per channel in training.
        RuntimeError: the input has another number of channels or another dtype.
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over the batch: [N, C, H, W]; else as ``BatchNorm1d``."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over the batch: [N, C, D, H, W]; else as ``BatchNorm1d``."""

    dims = (5,)


class _InstanceNorm(_ChannelNorm):
    """Instance normalisation; see ``functional.instance_norm``."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input.ndim == self.dims[0]
        dim = 0 if single else 1
        if input.shape[dim] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"{type(self).__name__}: expected input's size at dim={dim} to match num_features "
                    f"({self.num_features}), but got: {input.shape[dim]}, shape {list(input.shape)}"
                )
            warnings.warn(
                f"input's size at dim={dim} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        out = functional.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample: [C, L] or [N, C, L]; see ``functional.instance_norm``.

    Args:
        num_features: the number of channels C.
        eps: what is added to the variance; default 1e-5.
        momentum: share of the batch in the running statistics; default 0.1.
        affine: whether to have a weight and a bias [C]; default False.
        track_running_stats: whether to have running statistics, which evaluation then uses; default False.
        device: where parameters and buffers live; default the CPU.
        dtype: of parameters and buffers; default the default dtype.
        bias: whether the affine pair has a bias; default True.

    Raises (when called):
        ValueError: the input has another number of dimensions, another number of channels with ``affine``,
            or one spatial element in training.
        RuntimeError: the input has another dtype.
    """

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample: [C, H, W] or [N, C, H, W]; else as ``InstanceNorm1d``."""

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample: [C, D, H, W] or [N, C, D, H, W]; else as ``InstanceNorm1d``."""

    dims = (4, 5)


def _shape_of(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, Sequence):
        return tuple(normalized_shape)
    return (operator.index(normalized_shape),)


class LayerNorm(_Affine):
    """Normalises over the last dimensions; see ``functional.layer_norm``.

    Args:
        normalized_shape: sizes of these dimensions; a number stands for one dimension.
        eps: what is added to the variance; default 1e-5.
        elementwise_affine: whether to have a weight and a bias of that shape; default True.
        bias: whether the affine pair has a bias; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_affine(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype
        )
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides by the root of the mean square over the last dimensions; see ``functional.rms_norm``.

    Args:
        normalized_shape: sizes of these dimensions; a number stands for one dimension.
        eps: what is added to the mean square; default the machine epsilon of the input's dtype.
        elementwise_affine: whether to have a weight of that shape; default True.
        device: where the weight lives; default the CPU.
        dtype: of the weight; default the default dtype.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = Parameter(_C.empty(self.normalized_shape, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Normalises each sample over groups of channels: [N, C, ...]; see ``functional.group_norm``.

    Args:
        num_groups: number of groups of neighbouring channels.
        num_channels: the number of channels C.
        eps: what is added to the variance; default 1e-5.
        affine: whether to have a weight and a bias [C]; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.
        bias: whether the affine pair has a bias; default True.

    Raises:
        ValueError: ``num_channels`` is no multiple of ``num_groups``.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups <= 0 or num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_affine((num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Normalises over neighbouring channels; see ``functional.local_response_norm``.

    Args:
        size: number of channels.
        alpha: factor of the average of squares; default 1e-4.
        beta: exponent; default 0.75.
        k: what is added to the average; default 1.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return functional.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
