"""Layers for sliding windows and for images of another size."""

from __future__ import annotations

from collections.abc import Sequence

from .._C import Tensor
from . import functional
from .module import Module

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

_Size = int | Sequence[int]


class Unfold(Module):
    """The windows of an image as columns: [N, C, H, W] to [N, C * kernel elements, windows]; see
    ``functional.unfold``.

    Args:
        kernel_size: height and width of a window, or one number for both. So are the other arguments.
        dilation: from one element of a window to the next; default 1.
        padding: zeros around the input; default 0.
        stride: from one window to the next; default 1.
    """

    def __init__(
        self, kernel_size: _Size, dilation: _Size = 1, padding: _Size = 0, stride: _Size = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return functional.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """The sum of columns, each at its window of an image: [N, C * kernel elements, windows] to [N, C, H, W];
    see ``functional.fold``.

    Args:
        output_size: height and width of the image, or one number for both. So are the other arguments.
        kernel_size: height and width of a window.
        dilation: from one element of a window to the next; default 1.
        padding: zeros around the image; default 0.
        stride: from one window to the next; default 1.
    """

    def __init__(
        self,
        output_size: _Size,
        kernel_size: _Size,
        dilation: _Size = 1,
        padding: _Size = 0,
        stride: _Size = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return functional.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Upsample(Module):
    """A signal, an image or a volume in another size; see ``functional.interpolate``.

    Args:
        size: of the spatial dimensions of the output, or one number for all.
        scale_factor: instead of ``size``.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area"; default
            "nearest".
        align_corners: whether the corner elements keep their centres, for linear, bilinear, bicubic and
            trilinear; default None, which is False.
        recompute_scale_factor: whether the positions follow from the rounded output size; default None, which
            is False.
    """

    def __init__(
        self,
        size: _Size | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        self.scale_factor: float | tuple[float, ...] | None
        if isinstance(scale_factor, tuple | list):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None  # type: ignore[arg-type]
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return functional.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """``Upsample`` of an image in mode "nearest".

    Args:
        size: height and width of the output, or one number for both.
        scale_factor: instead of ``size``.
    """

    def __init__(
        self, size: _Size | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """``Upsample`` of an image in mode "bilinear" with aligned corners.

    Args:
        size: height and width of the output, or one number for both.
        scale_factor: instead of ``size``.
    """

    def __init__(
        self, size: _Size | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """[*, C r^2, H, W] to [*, C, H r, W r]; see ``functional.pixel_shuffle``.

    Args:
        upscale_factor: r.
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return functional.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """[*, C, H r, W r] to [*, C r^2, H, W]; see ``functional.pixel_unshuffle``.

    Args:
        downscale_factor: r.
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return functional.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
