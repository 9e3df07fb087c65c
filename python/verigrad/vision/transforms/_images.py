"""What all transforms share: kinds of images, their sizes, interpolation modes, and random draws."""

from __future__ import annotations

import enum
import numbers
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import verigrad

if TYPE_CHECKING:
    from verigrad import Generator, Tensor


class InterpolationMode(enum.Enum):
    """How pixels between pixels are made. BOX, HAMMING and LANCZOS are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


#: Pillow's numbers of the modes.
PIL_MODES = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def interpolation_mode(value: Any) -> InterpolationMode:
    """The mode itself, or that of Pillow's number (as in older programs)."""
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        for mode, number in PIL_MODES.items():
            if number == value:
                return mode
    raise TypeError(
        f"Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, "
        f"got {value!r}"
    )


def is_pil(image: Any) -> bool:
    """Whether *image* is a PIL image; Pillow is not imported for the question."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def is_tensor_image(image: Any) -> bool:
    """True for a tensor [..., H, W], False for a PIL image.

    Raises:
        TypeError: it is neither, or a tensor of fewer than two dimensions.
    """
    if is_pil(image):
        return False
    if not isinstance(image, verigrad.Tensor):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(image)}")
    if image.ndim < 2:
        raise TypeError(f"Tensor is not a torch image. Expected shape [..., H, W], got {list(image.shape)}")
    return True


def dimensions(image: Any) -> tuple[int, int, int]:
    """(channels, height, width) of a PIL image or a tensor [..., C, H, W]; [H, W] has one channel."""
    if is_tensor_image(image):
        channels = 1 if image.ndim == 2 else int(image.shape[-3])
        return channels, int(image.shape[-2]), int(image.shape[-1])
    width, height = image.size
    return len(image.getbands()), height, width


def is_batch(image: Any) -> bool:
    """Whether *image* is a tensor [..., C, H, W] with dimensions before the channels."""
    return is_tensor_image(image) and image.ndim > 3


def batch_of(image: Tensor) -> Tensor:
    """A tensor [H, W], [C, H, W] or [..., C, H, W] as [N, C, H, W]."""
    if image.ndim == 2:
        return image.reshape(1, 1, *image.shape)
    if image.ndim == 4:
        return image
    count = 1
    for size in image.shape[:-3]:
        count *= int(size)
    return image.reshape(count, *image.shape[-3:])


def count_of(image: Any) -> int:
    """How many images *image* holds: 1, or those of a batch."""
    if not is_batch(image):
        return 1
    count = 1
    for size in image.shape[:-3]:
        count *= int(size)
    return count


def unbatched(result: Tensor, like: Tensor) -> Tensor:
    """The batch *result* [N, C, H, W] with the leading dimensions of *like*."""
    if like.ndim == 2:
        return result.reshape(*result.shape[-2:])
    if like.ndim == 4:
        return result
    return result.reshape(*like.shape[:-3], *result.shape[-3:])


def draws(generator: Generator | None, rows: int, count: int) -> list[list[float]]:
    """*rows* times *count* uniform numbers, 0 <= u < 1, in float64.

    A row takes whole blocks of the generator, so that a batch draws what its images would draw one after the
    other.
    """
    if rows == 0:
        return []
    even = count + count % 2
    values = verigrad.rand(rows, even, dtype=verigrad.float64, generator=generator)
    return [row[:count] for row in values.tolist()]


def between(u: float, low: float, high: float) -> float:
    """The number that lies between *low* and *high* as *u* does between 0 and 1."""
    return low + (high - low) * u


def below(u: float, count: int) -> int:
    """A whole number from 0 to *count* - 1."""
    return min(int(u * count), count - 1)


def pair_of_sizes(size: Any, message: str) -> tuple[int, int]:
    """One size for both sides, or (height, width)."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if isinstance(size, Sequence) and len(size) == 1:
        return int(size[0]), int(size[0])
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(message)
    return int(size[0]), int(size[1])


def fills(fill: float | Sequence[float] | None, channels: int) -> list[float]:
    """One fill for all channels, or one for each.

    Raises:
        TypeError: no number and no sequence of numbers.
        ValueError: another number of fills than channels.
    """
    if fill is None:
        return [0.0]
    if isinstance(fill, numbers.Real):
        return [float(fill)]
    if not isinstance(fill, Sequence) or isinstance(fill, str):
        raise TypeError(f"Got inappropriate fill arg, only Numbers, tuples and lists are allowed: {fill!r}")
    values = [float(one) for one in fill]
    if len(values) not in (1, channels):
        raise ValueError(
            f"The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {channels})"
        )
    return values


def pil_fill(image: Any, fill: float | Sequence[float] | None) -> Any:
    """A fill as Pillow wants it for the mode of the image."""
    channels = len(image.getbands())
    values = fills(fill, channels)
    kept = values if image.mode == "F" else [int(value) for value in values]
    if channels == 1:
        return kept[0]
    return tuple(kept * channels if len(kept) == 1 else kept)
