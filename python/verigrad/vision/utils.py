"""Images side by side: `make_grid` and `save_image`, with torchvision's names and options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import verigrad
from verigrad import Tensor
from verigrad.utils._extras import require

__all__ = ["make_grid", "save_image"]


@verigrad.no_grad()
def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """One image of all, row by row.

    Args:
        tensor: images [N, C, H, W], or one [C, H, W] or [H, W], or a list of images of one shape. Those of
            one channel get three equal ones.
        nrow: images in a row. Default 8.
        padding: pixels between images and around them. Default 2.
        normalize: shift and scale the values to 0 .. 1. Default False.
        value_range: (low, high) that become 0 and 1, values beyond are cut; default the least and the
            greatest value of all.
        scale_each: take these of each image. Default False.
        pad_value: of the pixels between. Default 0.

    Returns:
        [3, H', W'], or [C, H', W'] for images of C > 1 channels; a single image without padding.

    Raises:
        TypeError: *tensor* is neither a tensor nor a list of tensors; *value_range* is no pair of numbers.
        ValueError: a shape without images, or *nrow* or *padding* out of range.
    """
    images = _batch(tensor)
    if nrow < 1 or padding < 0:
        raise ValueError(f"make_grid: expected nrow >= 1 and padding >= 0, got {nrow} and {padding}")
    if normalize:
        images = _normalized(images, value_range, scale_each)
    count, channels, height, width = images.shape
    if count == 1:
        return images[0]
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = verigrad.full(
        (channels, height * rows + padding, width * columns + padding), pad_value,
        dtype=images.dtype, device=images.device,
    )  # fmt: skip
    for number in range(count):
        top, left = number // columns * height + padding, number % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[number]
    return grid


def _batch(tensor: Any) -> Tensor:
    """Images [N, C, H, W] of at least two channels."""
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list | tuple):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for one in tensor:
            if not isinstance(one, Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing {type(one)}")
        tensor = verigrad.stack(list(tensor))
    if tensor.ndim == 2:
        tensor = tensor[None]
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4 or tensor.shape[0] == 0:
        raise ValueError(
            f"make_grid: expected images [N, C, H, W] with N > 0, got shape {list(tensor.shape)}"
        )
    return verigrad.cat([tensor] * 3, 1) if tensor.shape[1] == 1 else tensor


def _normalized(images: Tensor, value_range: Any, scale_each: bool) -> Tensor:
    if value_range is not None and not (isinstance(value_range, tuple) and len(value_range) == 2):
        raise TypeError(
            "value_range has to be a tuple (min, max) if specified. min and max are numbers, got "
            f"{value_range!r}"
        )
    dims = (1, 2, 3) if scale_each else (0, 1, 2, 3)
    low, high = value_range or (images.amin(dims, keepdim=True), images.amax(dims, keepdim=True))
    if value_range is not None:
        images = images.clamp(low, high)
        return (images - low) / max(high - low, 1e-5)
    return (images - low) / (high - low).clamp(min=1e-5)


def save_image(tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Writes the image of `make_grid` to a file. Needs Pillow, which the extra ``train`` brings.

    Args:
        tensor: images with values of 0 .. 1, as for `make_grid`.
        fp: a path, or a binary file.
        format: that of the file, in Pillow's words; default by the name's ending.
        kwargs: options of `make_grid`.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: the format is not known.
        TypeError, ValueError: as `make_grid`.
    """
    image_module = require("PIL.Image", "Pillow", "train", "save_image")
    grid = make_grid(tensor, **kwargs)
    levels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", verigrad.uint8)
    image_module.fromarray(levels.numpy()).save(fp, format=format)
