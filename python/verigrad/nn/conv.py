"""Convolution layers.

The geometry of kernels, strides, padding and dilation is that of V. Dumoulin and F. Visin, "A guide to
convolution arithmetic for deep learning" (arXiv 1603.07285).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import _C
from .._C import Tensor
from .._text import short
from . import functional, init
from .module import Module
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Sizes = int | tuple[int, ...]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolution layers share: checked sizes, parameters and their initialisation."""

    _spatial: ClassVar[int]
    _transposed: ClassVar[bool] = False

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: str | Sizes,
        output_padding: Sizes,
        groups: int,
        bias: bool,
        dilation: Sizes,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups != 0:
                raise ValueError(f"{name} must be divisible by groups, got {channels} and {groups}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._sizes("kernel_size", kernel_size)
        self.stride = self._sizes("stride", stride)
        self.dilation = self._sizes("dilation", dilation)
        self.output_padding = self._sizes("output_padding", output_padding)
        self.transposed = self._transposed
        self.groups = groups
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {short(padding)}, should be one of 'same', 'valid' or numbers"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
            self.padding: str | tuple[int, ...] = padding
        else:
            self.padding = self._sizes("padding", padding)
        modes = ("zeros",) if self._transposed else _PADDING_MODES
        if padding_mode not in modes:
            raise ValueError(
                f"padding_mode must be one of {modes}, but got padding_mode={short(padding_mode)}"
            )
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(_C.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(_C.empty((out_channels,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    @classmethod
    def _sizes(cls, name: str, value: Sizes | Sequence[int]) -> tuple[int, ...]:
        """One number for each spatial dimension."""
        if isinstance(value, int):
            return (value,) * cls._spatial
        sizes = tuple(value)
        if len(sizes) != cls._spatial:
            raise ValueError(
                f"{cls.__name__}: expected {name} to be an int or a tuple of {cls._spatial}, "
                f"got {short(value)}"
            )
        return sizes

    def reset_parameters(self) -> None:
        """Draws the parameters anew: uniform in (-1/sqrt(fan_in), 1/sqrt(fan_in))."""
        # With a = sqrt(5), He's uniform bound is 1/sqrt(fan_in), which the bias shares.
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in > 0:
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * self._spatial:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._spatial:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self._spatial:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
    """A convolution; the spatial dimensions are those of the subclass."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )

    def _around(self) -> list[int]:
        """The padding as ``functional.pad`` takes it: before and after, the last dimension first."""
        pairs: list[int] = []
        for i in reversed(range(self._spatial)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                pairs += [total // 2, total - total // 2]
            elif isinstance(self.padding, str):
                pairs += [0, 0]
            else:
                pairs += [self.padding[i]] * 2
        return pairs

    def _apply_to(self, function: Any, input: Tensor) -> Tensor:
        padding: str | tuple[int, ...] | int = self.padding
        if self.padding_mode != "zeros":
            input = functional.pad(input, self._around(), mode=self.padding_mode)
            padding = 0
        result: Tensor = function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )
        return result


class Conv1d(_Conv):
    """Correlates [N, in_channels, L] or [in_channels, L] with learned kernels: [N, out_channels, L_out].

    L_out = (L + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down (arXiv 1603.07285,
    relationship 14). ``weight`` has the shape [out_channels, in_channels / groups, kernel_size], ``bias``
    [out_channels]; both begin uniform in (-1/sqrt(k), 1/sqrt(k)) with k = in_channels / groups *
    kernel_size.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, which is the number of kernels.
        kernel_size: length of a kernel.
        stride: step between neighbouring outputs; default 1.
        padding: elements added on both sides; or "valid" for none, "same" for an output of the input's
            length (stride 1 only). Default 0.
        dilation: distance between neighbouring elements of a kernel; default 1.
        groups: parts into which the channels are cut, each convolved by itself; default 1.
        bias: whether to add a bias; default True.
        padding_mode: "zeros", "reflect", "replicate" or "circular"; default "zeros".
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``, or ``padding`` or ``padding_mode`` is unknown.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.conv1d, input)


class Conv2d(_Conv):
    """Correlates [N, in_channels, H, W] or [in_channels, H, W] with learned kernels: [N, out_channels, H_out,
    W_out].

    H_out = (H + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down (arXiv 1603.07285,
    relationship 14). ``weight`` has the shape [out_channels, in_channels / groups, R, S], ``bias``
    [out_channels]; both begin uniform in (-1/sqrt(k), 1/sqrt(k)) with k = in_channels / groups * R * S.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, which is the number of kernels.
        kernel_size: rows and columns of a kernel; one number for both.
        stride: steps between neighbouring outputs; default 1.
        padding: elements added on all sides; or "valid" for none, "same" for an output of the input's size
            (stride 1 only). Default 0.
        dilation: distances between neighbouring elements of a kernel; default 1.
        groups: parts into which the channels are cut, each convolved by itself; in_channels makes it
            depthwise. Default 1.
        bias: whether to add a bias; default True.
        padding_mode: "zeros", "reflect", "replicate" or "circular"; default "zeros".
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``, or ``padding`` or ``padding_mode`` is unknown.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 2

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.conv2d, input)


class Conv3d(_Conv):
    """Correlates [N, in_channels, D, H, W] or [in_channels, D, H, W] with learned kernels: [N, out_channels,
    D_out, H_out, W_out].

    D_out = (D + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down (arXiv 1603.07285,
    relationship 14). ``weight`` has the shape [out_channels, in_channels / groups, Q, R, S], ``bias``
    [out_channels]; both begin uniform in (-1/sqrt(k), 1/sqrt(k)) with k = in_channels / groups * Q * R * S.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, which is the number of kernels.
        kernel_size: frames, rows and columns of a kernel; one number for all.
        stride: steps between neighbouring outputs; default 1.
        padding: elements added on all sides; or "valid" for none, "same" for an output of the input's size
            (stride 1 only). Default 0.
        dilation: distances between neighbouring elements of a kernel; default 1.
        groups: parts into which the channels are cut, each convolved by itself; in_channels makes it
            depthwise. Default 1.
        bias: whether to add a bias; default True.
        padding_mode: "zeros", "reflect", "replicate" or "circular"; default "zeros".
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``, or ``padding`` or ``padding_mode`` is unknown.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 3

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.conv3d, input)


class _ConvTranspose(_ConvNd):
    """A transposed convolution; the spatial dimensions are those of the subclass."""

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(f"{type(self).__name__}: expected padding to be numbers, got {short(padding)}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )

    def _extra(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding that gives the result the wanted size."""
        if output_size is None:
            return self.output_padding
        wanted = list(output_size)
        leading = input.ndim - self._spatial
        if len(wanted) == leading + self._spatial:
            wanted = wanted[leading:]
        if len(wanted) != self._spatial:
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {self._spatial} or "
                f"{leading + self._spatial} elements (got {len(output_size)})"
            )
        assert not isinstance(self.padding, str)
        least = [
            (input.shape[leading + i] - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(self._spatial)
        ]
        most = [size + stride - 1 for size, stride in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} "
                f"(for an input of {input.shape[leading:]})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))

    def _apply_to(self, function: Any, input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        result: Tensor = function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )
        return result


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a :class:`Conv1d` as a linear map: [N, in_channels, L] to [N, out_channels, L_out].

    L_out = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1. ``weight`` has the
    shape [in_channels, out_channels / groups, kernel_size], ``bias`` [out_channels].

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: length of a kernel.
        stride: of the convolution whose transpose this is; default 1.
        padding: of that convolution: elements cut from both sides of the result; default 0.
        output_padding: elements added to the end of the result; default 0.
        groups: parts into which the channels are cut; default 1.
        bias: whether to add a bias; default True.
        dilation: distance between neighbouring elements of a kernel; default 1.
        padding_mode: "zeros" only.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``; ``output_size`` cannot be reached.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a :class:`Conv2d` as a linear map: [N, in_channels, H, W] to [N, out_channels, H_out,
    W_out].

    H_out = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1. ``weight`` has the
    shape [in_channels, out_channels / groups, R, S], ``bias`` [out_channels].

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: rows and columns of a kernel; one number for both.
        stride: of the convolution whose transpose this is; default 1.
        padding: of that convolution: elements cut from all sides of the result; default 0.
        output_padding: rows and columns added to the end of the result; default 0.
        groups: parts into which the channels are cut; default 1.
        bias: whether to add a bias; default True.
        dilation: distances between neighbouring elements of a kernel; default 1.
        padding_mode: "zeros" only.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``; ``output_size`` cannot be reached.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of a :class:`Conv3d` as a linear map: [N, in_channels, D, H, W] to [N, out_channels,
    D_out, H_out, W_out].

    D_out = (D - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1. ``weight`` has the
    shape [in_channels, out_channels / groups, Q, R, S], ``bias`` [out_channels].

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: frames, rows and columns of a kernel; one number for all.
        stride: of the convolution whose transpose this is; default 1.
        padding: of that convolution: elements cut from all sides of the result; default 0.
        output_padding: frames, rows and columns added to the end of the result; default 0.
        groups: parts into which the channels are cut; default 1.
        bias: whether to add a bias; default True.
        dilation: distances between neighbouring elements of a kernel; default 1.
        padding_mode: "zeros" only.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: channels are not divisible by ``groups``; ``output_size`` cannot be reached.
        RuntimeError: in the call, sizes do not fit.
    """

    _spatial = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.conv_transpose3d, input, output_size)
