"""Colours: brightness, contrast, saturation, hue and gray, of PIL images and of tensors.

Tensors have the formulas of torchvision: a mixture of the image with black, with its mean gray or with its
gray, limited to 0 .. 1 (floats) or 0 .. 255 (integers, cut to whole numbers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import verigrad
from verigrad.utils._extras import require

from ._images import dimensions, is_tensor_image
from ._resize import limited

if TYPE_CHECKING:
    from verigrad import Tensor

Factor = Any  # a number, or a tensor that broadcasts over the images of a batch


def _check_factor(factor: Factor, what: str) -> None:
    negative = bool((factor < 0).any()) if isinstance(factor, verigrad.Tensor) else factor < 0
    if negative:
        raise ValueError(f"{what} ({factor}) is not non-negative.")


def _check_channels(img: Tensor, permitted: tuple[int, ...]) -> int:
    channels = dimensions(img)[0]
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, but found {channels}"
        )
    return channels


def _working(img: Tensor) -> verigrad.dtype:
    return img.dtype if img.dtype.is_floating_point else verigrad.float32


def _blend(img: Tensor, other: Any, factor: Factor) -> Tensor:
    dtype = _working(img)
    if isinstance(factor, verigrad.Tensor):
        factor = factor.to(dtype)
    mixed = img.to(dtype) * factor + (1.0 - factor) * other
    return limited(mixed, 0.0, 1.0 if img.dtype.is_floating_point else 255.0).to(img.dtype)


def _gray(img: Tensor) -> Tensor:
    """One channel: 0.2989 red + 0.587 green + 0.114 blue (ITU-R 601), cut to whole numbers for integers."""
    dtype = _working(img)
    red, green, blue = (img.select(-3, c).to(dtype) for c in range(3))
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(img.dtype).unsqueeze(-3)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """An image in gray.

    Args:
        img: a PIL image, or a tensor [..., 3, H, W] or [..., 1, H, W].
        num_output_channels: 1, or 3 for three equal channels.
    """
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if not is_tensor_image(img):
        gray = img.convert("L")
        if num_output_channels == 1:
            return gray
        return require("PIL.Image", "Pillow", "train", "rgb_to_grayscale").merge("RGB", (gray, gray, gray))
    if img.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    gray = _gray(img) if _check_channels(img, (1, 3)) == 3 else img
    if num_output_channels == 1:
        return gray.clone() if gray is img else gray
    return gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:])


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    module = require("PIL.ImageEnhance", "Pillow", "train", f"adjust_{kind.lower()}")
    return getattr(module, kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: Factor) -> Any:
    """*brightness_factor* 0 gives black, 1 the image itself, 2 twice its values."""
    _check_factor(brightness_factor, "brightness_factor")
    if not is_tensor_image(img):
        return _enhanced(img, "Brightness", brightness_factor)
    _check_channels(img, (1, 3))
    return _blend(img, 0.0, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: Factor) -> Any:
    """*contrast_factor* 0 gives an even gray (the mean of the image), 1 the image itself."""
    _check_factor(contrast_factor, "contrast_factor")
    if not is_tensor_image(img):
        return _enhanced(img, "Contrast", contrast_factor)
    gray = _gray(img) if _check_channels(img, (1, 3)) == 3 else img
    dims = (-3, -2, -1) if img.ndim > 2 else (-2, -1)
    return _blend(img, gray.to(_working(img)).mean(dims, keepdim=True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: Factor) -> Any:
    """*saturation_factor* 0 gives gray, 1 the image itself. A gray image stays as it is."""
    _check_factor(saturation_factor, "saturation_factor")
    if not is_tensor_image(img):
        return _enhanced(img, "Color", saturation_factor)
    if _check_channels(img, (1, 3)) == 1:
        return img
    return _blend(img, _gray(img).to(_working(img)), saturation_factor)


def adjust_hue(img: Any, hue_factor: Factor) -> Any:
    """The hue turned by *hue_factor*, -0.5 .. 0.5 of the circle. A gray image stays as it is.

    A. R. Smith, "Color Gamut Transform Pairs" (1978): to hue, saturation and value, and back.
    """
    if isinstance(hue_factor, verigrad.Tensor):
        outside = bool(((hue_factor < -0.5) | (hue_factor > 0.5)).any())
    else:
        outside = not -0.5 <= hue_factor <= 0.5
    if outside:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if not is_tensor_image(img):
        return _pil_hue(img, hue_factor)
    if _check_channels(img, (1, 3)) == 1:
        return img
    dtype = _working(img)
    if isinstance(hue_factor, verigrad.Tensor):
        hue_factor = hue_factor.to(dtype).squeeze(-3)
    values = img.to(dtype) if img.dtype.is_floating_point else img.to(dtype) / 255
    hue, saturation, value = _to_hsv(values)
    turned = _to_rgb((hue + hue_factor).remainder(1.0), saturation, value)
    # 255.999 shares the range 0 .. 1 evenly between the whole numbers.
    return turned if img.dtype.is_floating_point else (turned * 255.999).to(img.dtype)


def _pil_hue(img: Any, hue_factor: float) -> Any:
    if img.mode in ("L", "1", "I", "F"):
        return img
    images = require("PIL.Image", "Pillow", "train", "adjust_hue")
    hue, saturation, value = img.convert("HSV").split()
    turn = int(hue_factor * 255)
    hue = hue.point([(one + turn) % 256 for one in range(256)])
    return images.merge("HSV", (hue, saturation, value)).convert(img.mode)


def _to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = (img.select(-3, c) for c in range(3))
    value = img.amax(-3)
    spread = value - img.amin(-3)
    gray = spread == 0
    one = verigrad.ones_like(value)
    saturation = spread / verigrad.where(gray, one, value)
    divisor = verigrad.where(gray, one, spread)
    from_red, from_green, from_blue = ((value - one_) / divisor for one_ in (red, green, blue))
    hue = verigrad.where(
        value == red,
        from_blue - from_green,
        verigrad.where(value == green, 2.0 + from_red - from_blue, 4.0 + from_green - from_red),
    )
    return (hue / 6.0 + 1.0).remainder(1.0), saturation, value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sector = (hue * 6.0).to(verigrad.int64)
    f = hue * 6.0 - sector.to(hue.dtype)
    sector = sector.remainder(6)
    p = limited(value * (1.0 - saturation), 0.0, 1.0)
    q = limited(value * (1.0 - saturation * f), 0.0, 1.0)
    t = limited(value * (1.0 - saturation * (1.0 - f)), 0.0, 1.0)
    channels = []
    for choice in ((value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q)):
        channel = choice[5]
        for number in range(5):
            channel = verigrad.where(sector == number, choice[number], channel)
        channels.append(channel)
    return verigrad.stack(channels, -3)
