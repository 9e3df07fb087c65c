"""Transforms that change what pixels hold: colours, gray, erased parts."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn

from . import functional as F
from ._images import (
    batch_of,
    below,
    between,
    count_of,
    dimensions,
    draws,
    is_batch,
    is_tensor_image,
    unbatched,
)

if TYPE_CHECKING:
    from verigrad import Generator, Tensor

Range = tuple[float, float]


class ColorJitter(nn.Module):
    """Changes brightness, contrast, saturation and hue at random, in random order.

    Args:
        brightness, contrast, saturation: (lowest, highest) factor, or one number b for (max(0, 1 - b),
            1 + b). Default 0: unchanged.
        hue: (lowest, highest) turn within -0.5 .. 0.5, or one number h for (-h, h). Default 0: unchanged.
        generator: of the random numbers. Default: the library's default generator.

    Images are PIL images, or tensors of 1 or 3 channels with 0 .. 1 (floats) or 0 .. 255 (uint8). Each image
    of a batch has factors and an order of its own.

    Raises:
        TypeError, ValueError: an argument of another kind or out of range.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.brightness = self._range(brightness, "brightness")
        self.contrast = self._range(contrast, "contrast")
        self.saturation = self._range(saturation, "saturation")
        self.hue = self._range(hue, "hue", center=0.0, bound=(-0.5, 0.5))
        self.generator = generator

    @staticmethod
    def _range(value: Any, name: str, center: float = 1.0, bound: Range = (0.0, math.inf)) -> Range | None:
        if isinstance(value, numbers.Real):
            if value < 0:
                raise ValueError(f"If {name} is a single number, it must be non negative.")
            low, high = center - float(value), center + float(value)
            if name != "hue":
                low = max(low, 0.0)
        elif isinstance(value, tuple | list) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
        if not bound[0] <= low <= high <= bound[1]:
            raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
        return None if low == high == center else (low, high)

    def forward(self, img: Any) -> Any:
        steps: list[tuple[Callable[[Any, Any], Any], Range | None]] = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        # Four numbers sort the steps, four are their factors.
        rows = draws(self.generator, count_of(img), 8)
        orders = [sorted(range(4), key=row.__getitem__) for row in rows]
        if not is_batch(img):
            for k in orders[0]:
                adjust, limits = steps[k]
                if limits is not None:
                    img = adjust(img, between(rows[0][4 + k], *limits))
            return img
        batch = batch_of(img)
        for position in range(4):
            for k, (adjust, limits) in enumerate(steps):
                chosen = [n for n, order in enumerate(orders) if order[position] == k]
                if limits is None or not chosen:
                    continue
                factors = [between(rows[n][4 + k], *limits) for n in chosen]
                factor = verigrad.tensor(factors, dtype=verigrad.float64).reshape(-1, 1, 1, 1)
                index = verigrad.tensor(chosen, dtype=verigrad.int64)
                batch = batch.index_copy(0, index, adjust(batch.index_select(0, index), factor))
        return unbatched(batch, img)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(nn.Module):
    """An image in gray, of *num_output_channels* (1, the default, or 3) channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomErasing(nn.Module):
    """Overwrites a random rectangle of a tensor image [..., C, H, W]; of a batch, another one in each image.

    Z. Zhong et al., "Random Erasing Data Augmentation" (arXiv 1708.04896), algorithm 1.

    Args:
        p: the probability of doing anything. Default 0.5.
        scale: (lowest, highest) share of the image's area. Default (0.02, 0.33).
        ratio: (lowest, highest) ratio of height to width. Default (0.3, 3.3).
        value: a number, one for each channel, or "random" for normal random numbers. Default 0.
        inplace: change the argument. Default False.
        generator: of the random numbers. Default: the library's default generator.

    Raises:
        TypeError, ValueError: an argument of another kind or out of range; a PIL image.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(value, numbers.Real | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        for name, one in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(one, tuple | list):
                raise TypeError(f"{name} should be a sequence")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError("Scale should be between 0 and 1")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError("Ratio should be two numbers above 0, the lower one first")
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace
        self.generator = generator

    def forward(self, img: Any) -> Any:
        if not is_tensor_image(img):
            raise TypeError(f"img should be Tensor Image. Got {type(img)}")
        channels, height, width = dimensions(img)
        if isinstance(self.value, tuple | list) and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels)"
            )
        out = img if self.inplace else img.clone()
        for image in batch_of(out).unbind(0):  # views: what is written to them is written to `out`
            rectangle = self._rectangle(height, width)
            if rectangle is not None:
                top, left, rows, columns = rectangle
                image[:, top : top + rows, left : left + columns] = self._value(image, rows, columns)
        return out

    def _rectangle(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        # One draw of p and of ten tries for each image, so that a batch draws as its images do.
        chance, _, *rest = draws(self.generator, 1, 42)[0]
        if chance >= self.p:
            return None
        logs = math.log(self.ratio[0]), math.log(self.ratio[1])
        for k in range(0, 40, 4):
            area = height * width * between(rest[k], self.scale[0], self.scale[1])
            ratio = math.exp(between(rest[k + 1], *logs))
            rows, columns = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if rows < height and columns < width:
                top, left = below(rest[k + 2], height - rows + 1), below(rest[k + 3], width - columns + 1)
                return top, left, rows, columns
        return None

    def _value(self, image: Tensor, rows: int, columns: int) -> Tensor:
        if isinstance(self.value, str):
            shape = (int(image.shape[0]), rows, columns)
            return verigrad.randn(*shape, dtype=verigrad.float32, generator=self.generator).to(image.dtype)
        values = self.value if isinstance(self.value, tuple | list) else [self.value]
        return verigrad.tensor(list(values), dtype=image.dtype).reshape(-1, 1, 1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
