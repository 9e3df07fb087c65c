"""Transforms that move pixels: sizes, crops, flips, rotations.

Each takes PIL images and tensors [..., C, H, W]. In a tensor of several images, a random transform draws for
each of them, and works on all at once. The draws of a batch are those of its images one after the other.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn

from . import functional as F
from ._images import (
    InterpolationMode,
    batch_of,
    below,
    between,
    count_of,
    dimensions,
    draws,
    interpolation_mode,
    is_batch,
    is_tensor_image,
    pair_of_sizes,
    unbatched,
)

if TYPE_CHECKING:
    from verigrad import Generator

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
Range = tuple[float, float]


class Resize(nn.Module):
    """Resizes to *size*.

    Args:
        size: (height, width), or one number for the shorter side; the other one keeps the ratio.
        interpolation: NEAREST, NEAREST_EXACT, BILINEAR (the default) or BICUBIC; PIL images also BOX, HAMMING
            and LANCZOS.
        max_size: the longer side is at most this, with *size* one number. Default None.
        antialias: for tensors, with BILINEAR or BICUBIC: widen the kernel where an image gets smaller
            (default), as PIL images always do. False or None: interpolate between neighbours only.

    Raises:
        TypeError: *size* is no number and no sequence.
        ValueError: not 1 or 2 sizes; *max_size* with 2 sizes, or below *size*; a mode that tensors lack.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(nn.Module):
    """The middle of an image, *size* or (height, width); what is missing is 0."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair_of_sizes(size, "Please provide only two dimensions (h, w) for size.")

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """A border around an image; the arguments are those of `functional.pad`."""

    def __init__(
        self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        if not isinstance(padding, int | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, int | float | tuple | list):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(nn.Module):
    """A part of *size* at a random place.

    Args:
        size: of the result, a number or (height, width).
        padding: added before, see `functional.pad`. Default None.
        pad_if_needed: also pad (both sides) an image that is smaller than *size*. Default False.
        fill, padding_mode: of the padding, see `functional.pad`.
        generator: of the random numbers. Default: the library's default generator.

    Raises:
        ValueError: the image is smaller than *size*.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.size = pair_of_sizes(size, "Please provide only two dimensions (h, w) for size.")
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode
        self.generator = generator

    @staticmethod
    def get_params(
        img: Any, output_size: tuple[int, int], generator: Generator | None = None
    ) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random part."""
        return RandomCrop._places(img, output_size, generator, 1)[0]

    @staticmethod
    def _places(
        img: Any, size: tuple[int, int], generator: Generator | None, count: int
    ) -> list[tuple[int, int, int, int]]:
        _, height, width = dimensions(img)
        if height < size[0] or width < size[1]:
            raise ValueError(
                f"Required crop size {tuple(size)} is larger than input image size {(height, width)}"
            )
        rows = draws(generator, count, 2)
        return [
            (below(u, height - size[0] + 1), below(v, width - size[1] + 1), size[0], size[1]) for u, v in rows
        ]

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = dimensions(img)
            missing = max(self.size[1] - width, 0), max(self.size[0] - height, 0)
            for borders in ((missing[0], 0), (0, missing[1])):
                if any(borders):
                    img = F.pad(img, list(borders), self.fill, self.padding_mode)
        if not is_batch(img):
            return F.crop(img, *self.get_params(img, self.size, self.generator))
        batch = batch_of(img)
        places = self._places(img, self.size, self.generator, len(batch))
        if not places:
            return img[..., : self.size[0], : self.size[1]]
        parts = [
            image[:, top : top + height, left : left + width]
            for image, (top, left, height, width) in zip(batch, places, strict=True)
        ]
        return unbatched(verigrad.stack(parts), img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class _RandomFlip(nn.Module):
    _dim = -1

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, img: Any) -> Any:
        flip = F.hflip if self._dim == -1 else F.vflip
        chosen = [u < self.p for (u,) in draws(self.generator, count_of(img), 1)]
        if not any(chosen):
            return img
        if not is_batch(img):
            return flip(img)
        batch = batch_of(img)
        mask = verigrad.tensor(chosen).reshape(-1, 1, 1, 1)
        return unbatched(verigrad.where(mask, flip(batch), batch), img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(_RandomFlip):
    """Exchanges left and right with probability *p* (default 0.5).

    *generator*: of the random numbers; default: the library's default generator.
    """


class RandomVerticalFlip(_RandomFlip):
    """Exchanges top and bottom with probability *p* (default 0.5).

    *generator*: of the random numbers; default: the library's default generator.
    """

    _dim = -2


def _symmetric(value: Any, name: str) -> Range:
    """(-value, value) of a number, or the pair itself."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return -float(value), float(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} should be a sequence of length 2.")
    if len(value) != 2:
        raise ValueError(f"{name} should be a sequence of length 2.")
    return float(value[0]), float(value[1])


def _checked_center(center: Any) -> Sequence[float] | None:
    if center is None:
        return None
    if not isinstance(center, Sequence):
        raise TypeError("center should be a sequence of length 2.")
    if len(center) != 2:
        raise ValueError("center should be a sequence of length 2.")
    return center


def _checked_fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, Sequence | numbers.Real):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


class RandomRotation(nn.Module):
    """Rotates by a random angle.

    Args:
        degrees: (lowest, highest) angle, counter-clockwise, or one number for (-degrees, degrees).
        interpolation: NEAREST (the default) or BILINEAR; PIL images also BICUBIC.
        expand: make the result large enough for the whole image. Default False. Not for batches, whose images
            would have different sizes.
        center: (x, y) in pixels from the upper left corner. Default: the middle.
        fill: outside of the image, a number or one for each channel. Default 0.
        generator: of the random numbers. Default: the library's default generator.

    Raises:
        TypeError, ValueError: an argument of another kind; *expand* with a batch.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] | None = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = _symmetric(degrees, "degrees")
        self.center = _checked_center(center)
        self.expand = expand
        self.fill = _checked_fill(fill)
        self.generator = generator

    @staticmethod
    def get_params(degrees: Sequence[float], generator: Generator | None = None) -> float:
        """A random angle."""
        return between(draws(generator, 1, 1)[0][0], degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        if not is_batch(img):
            angle = self.get_params(self.degrees, self.generator)
            return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)
        if self.expand:
            raise ValueError("RandomRotation: expected expand=False with a batch of images, got expand=True")
        size = dimensions(img)
        matrices = [
            F.affine_place(-between(u, *self.degrees), (0.0, 0.0), 1.0, (0.0, 0.0), self.center, size, True)
            for (u,) in draws(self.generator, count_of(img), 1)
        ]
        return F.warp(img, matrices, None, self.interpolation, self.fill)

    def __repr__(self) -> str:
        text = f"degrees={self.degrees}, interpolation={self.interpolation.value}, expand={self.expand}"
        if self.center is not None:
            text += f", center={self.center}"
        return f"{type(self).__name__}({text}, fill={self.fill})"


class RandomAffine(nn.Module):
    """Rotates, shifts, scales and shears at random, about the centre.

    Args:
        degrees: (lowest, highest) angle, clockwise, or one number for (-degrees, degrees); 0 for none.
        translate: (a, b): shifts by at most a times the width and b times the height, in whole pixels.
            Default None: none.
        scale: (lowest, highest) factor. Default None: 1.
        shear: in degrees. (lowest, highest), or one number for (-shear, shear), along x; four numbers: the
            two along x, then the two along y. Default None: none.
        interpolation: NEAREST (the default) or BILINEAR; PIL images also BICUBIC.
        fill: outside of the image, a number or one for each channel. Default 0.
        center: (x, y) in pixels from the upper left corner. Default: the middle.
        generator: of the random numbers. Default: the library's default generator.

    Raises:
        TypeError, ValueError: an argument of another kind or length, or out of range.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = NEAREST,
        fill: float | Sequence[float] | None = 0,
        center: Sequence[float] | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = _symmetric(degrees, "degrees")
        for name, value in (("translate", translate), ("scale", scale)):
            if value is not None and not isinstance(value, Sequence):
                raise TypeError(f"{name} should be a sequence of length 2.")
            if value is not None and len(value) != 2:
                raise ValueError(f"{name} should be a sequence of length 2.")
        if translate is not None and not all(0.0 <= one <= 1.0 for one in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and not all(one > 0 for one in scale):
            raise ValueError("scale values should be positive")
        self.translate = translate
        self.scale = scale
        if isinstance(shear, Sequence) and len(shear) == 4:
            self.shear: tuple[float, ...] | None = tuple(float(one) for one in shear)
        elif isinstance(shear, Sequence) and len(shear) != 2:
            raise ValueError("shear should be a sequence of length 2 or 4.")
        else:
            self.shear = None if shear is None else _symmetric(shear, "shear")
        self.fill = _checked_fill(fill)
        self.center = _checked_center(center)
        self.generator = generator

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
        generator: Generator | None = None,
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Random (angle, shift in pixels, scale, shear) for an image of *img_size* (width, height)."""
        row = draws(generator, 1, 6)[0]
        return RandomAffine._chosen(row, degrees, translate, scale_ranges, shears, img_size)

    @staticmethod
    def _chosen(
        row: Sequence[float],
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scales: Sequence[float] | None,
        shears: Sequence[float] | None,
        size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        angle = between(row[0], degrees[0], degrees[1])
        x = y = 0
        if translate is not None:
            most = translate[0] * size[0], translate[1] * size[1]
            x, y = (round(between(u, -one, one)) for u, one in zip(row[1:3], most, strict=True))
        scale = 1.0 if scales is None else between(row[3], scales[0], scales[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = between(row[4], shears[0], shears[1])
            if len(shears) == 4:
                shear_y = between(row[5], shears[2], shears[3])
        return angle, (x, y), scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        size = dimensions(img)
        chosen = [
            self._chosen(row, self.degrees, self.translate, self.scale, self.shear, (size[2], size[1]))
            for row in draws(self.generator, count_of(img), 6)
        ]
        if not is_tensor_image(img):
            return F.affine(img, *chosen[0], self.interpolation, self.fill, self.center)
        matrices = [F.affine_place(*parameters, self.center, size, True) for parameters in chosen]
        return F.warp(img, matrices, None, self.interpolation, self.fill)

    def __repr__(self) -> str:
        text = f"degrees={self.degrees}"
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                text += f", {name}={getattr(self, name)}"
        if self.interpolation is not NEAREST:
            text += f", interpolation={self.interpolation.value}"
        if self.fill != 0:
            text += f", fill={self.fill}"
        if self.center is not None:
            text += f", center={self.center}"
        return f"{type(self).__name__}({text})"
