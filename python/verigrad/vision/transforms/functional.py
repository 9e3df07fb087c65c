"""The transforms as functions of their parameters, under the names of `torchvision.transforms.functional`.

Images are PIL images or tensors [..., C, H, W] (also [H, W]). Tensors of several images are transformed
together, all with the same parameters; the random transforms of this package give each image its own.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad._C import nn_functional as _native
from verigrad.utils._extras import require

from ._basic import Normalize, ToPILImage, ToTensor
from ._color import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, rgb_to_grayscale
from ._images import (
    PIL_MODES,
    InterpolationMode,
    batch_of,
    dimensions,
    fills,
    interpolation_mode,
    is_tensor_image,
    pair_of_sizes,
    pil_fill,
    unbatched,
)
from ._resize import resized, rounded

if TYPE_CHECKING:
    from verigrad import Tensor

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "center_crop",
    "crop",
    "erase",
    "get_dimensions",
    "get_image_size",
    "hflip",
    "normalize",
    "pad",
    "resize",
    "rgb_to_grayscale",
    "rotate",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
    "warp",
]

_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def to_tensor(pic: Any) -> Tensor:
    """As `ToTensor`."""
    return ToTensor()(pic)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """As `ToPILImage`."""
    return ToPILImage(mode)(pic)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """As `Normalize`."""
    return Normalize(mean, std, inplace).forward(tensor)


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    return list(dimensions(img))


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    _, height, width = dimensions(img)
    return [width, height]


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image in gray, of one or of three equal channels. Raises TypeError for a tensor."""
    if is_tensor_image(img):
        raise TypeError("Input should be PIL Image")
    return rgb_to_grayscale(img, num_output_channels)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """As `Resize`."""
    mode = interpolation_mode(interpolation)
    size = [size] if isinstance(size, int) else list(size)
    if len(size) not in (1, 2) or not all(isinstance(one, int) and one > 0 for one in size):
        raise ValueError(f"resize: expected one or two positive sizes, got {size}")
    if max_size is not None and len(size) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    _, height, width = dimensions(img)
    if height == 0 or width == 0:
        raise ValueError(f"resize: expected an image with pixels, got {height} rows and {width} columns")
    new_height, new_width = _resized_sizes(height, width, size, max_size)
    if (new_height, new_width) == (height, width):
        return img
    if not is_tensor_image(img):
        return img.resize((new_width, new_height), PIL_MODES[mode])
    return resized(img, new_height, new_width, mode, bool(antialias))


def _resized_sizes(height: int, width: int, size: list[int], max_size: int | None) -> tuple[int, int]:
    if len(size) == 2:
        return size[0], size[1]
    short, long = sorted((height, width))
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller "
                f"edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = max(1, int(max_size * new_short / new_long)), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def _borders(padding: Any) -> tuple[int, int, int, int]:
    # left, top, right, bottom
    if isinstance(padding, int):
        padding = [padding]
    if not isinstance(padding, tuple | list):
        raise TypeError(f"Got inappropriate padding arg {padding!r}")
    if len(padding) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
        )
    if not all(isinstance(one, int) and one >= 0 for one in padding):
        raise ValueError(f"pad: expected whole numbers of at least 0, got {padding}")
    if len(padding) == 1:
        return (padding[0],) * 4
    if len(padding) == 2:
        return padding[0], padding[1], padding[0], padding[1]
    return padding[0], padding[1], padding[2], padding[3]


def pad(
    img: Any,
    padding: int | Sequence[int],
    fill: float | Sequence[float] = 0,
    padding_mode: str = "constant",
) -> Any:
    """An image with a border.

    Args:
        img: a PIL image or a tensor [..., H, W].
        padding: for all sides; (left and right, top and bottom); or (left, top, right, bottom).
        fill: of the border in mode constant: a number, or one for each channel. Default 0.
        padding_mode: constant, edge (repeats the last pixel), reflect (mirrors without the last pixel) or
            symmetric (mirrors with it). Default constant.

    Raises:
        TypeError, ValueError: padding of another kind, or below 0; more than the image has pixels to mirror.
    """
    left, top, right, bottom = _borders(padding)
    if padding_mode not in _PADDING_MODES:
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    channels, height, width = dimensions(img)
    if not is_tensor_image(img):
        return _pad_pil(img, (left, top, right, bottom), fill, padding_mode)
    if padding_mode == "constant":
        out = verigrad.zeros(*img.shape[:-2], height + top + bottom, width + left + right, dtype=img.dtype)
        values = fills(fill, channels)
        if len(values) > 1:
            out = out + verigrad.tensor(values, dtype=img.dtype).reshape(-1, 1, 1)
        elif values[0]:
            out.fill_(values[0])
        out[..., top : top + height, left : left + width] = img
        return out
    rows = verigrad.tensor(_mirrored(height, top, bottom, padding_mode), dtype=verigrad.int64)
    columns = verigrad.tensor(_mirrored(width, left, right, padding_mode), dtype=verigrad.int64)
    return img.index_select(-2, rows).index_select(-1, columns)


def _mirrored(size: int, before: int, after: int, mode: str) -> list[int]:
    """Which pixel stands at each place of a padded line."""
    most = {"edge": math.inf if size else 0, "reflect": size - 1, "symmetric": size}[mode]
    if max(before, after) > most:
        raise ValueError(
            f"pad: expected at most {most} pixels of padding in mode {mode} beside {size} pixels, "
            f"got {max(before, after)}"
        )
    places = []
    for i in range(-before, size + after):
        if mode == "edge":
            i = min(max(i, 0), size - 1)
        elif mode == "reflect":
            i = -i if i < 0 else 2 * (size - 1) - i if i >= size else i
        else:
            i = -i - 1 if i < 0 else 2 * size - 1 - i if i >= size else i
        places.append(i)
    return places


def _pad_pil(img: Any, borders: tuple[int, int, int, int], fill: Any, mode: str) -> Any:
    if mode == "constant":
        operations = require("PIL.ImageOps", "Pillow", "train", "pad")
        return operations.expand(img, border=borders, fill=pil_fill(img, fill))
    import numpy

    left, top, right, bottom = borders
    array = numpy.asarray(img)
    rows = _mirrored(array.shape[0], top, bottom, mode)
    columns = _mirrored(array.shape[1], left, right, mode)
    images = require("PIL.Image", "Pillow", "train", "pad")
    padded = images.fromarray(numpy.ascontiguousarray(array[rows][:, columns]))
    if padded.mode != img.mode:
        padded = padded.convert(img.mode) if img.mode != "P" else padded
    if img.mode == "P":
        padded.putpalette(img.getpalette())
    return padded


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """*height* rows from *top* and *width* columns from *left*. What lies beyond the image is 0."""
    if not is_tensor_image(img):
        return img.crop((left, top, left + width, top + height))
    _, rows, columns = dimensions(img)
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= columns and bottom <= rows:
        return inside
    beyond = (
        max(-left, 0),
        max(-top, 0),
        max(right - max(columns, left), 0),
        max(bottom - max(rows, top), 0),
    )
    return pad(inside, [min(beyond[0], width), min(beyond[1], height), beyond[2], beyond[3]])


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image; a smaller one is padded with 0 first."""
    crop_height, crop_width = pair_of_sizes(
        output_size, "Please provide only two dimensions (h, w) for size."
    )
    _, height, width = dimensions(img)
    if crop_width > width or crop_height > height:
        extra_width, extra_height = max(crop_width - width, 0), max(crop_height - height, 0)
        left, top = extra_width // 2, extra_height // 2
        img = pad(img, [left, top, (extra_width + 1) // 2 if extra_width else 0, (extra_height + 1) // 2])
        _, height, width = dimensions(img)
    top = round((height - crop_height) / 2.0)
    left = round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def _reversed(img: Tensor, dim: int) -> Tensor:
    index = verigrad.tensor(list(range(int(img.shape[dim]) - 1, -1, -1)), dtype=verigrad.int64)
    return img.index_select(dim, index)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return _reversed(img, -1) if is_tensor_image(img) else img.transpose(0)  # FLIP_LEFT_RIGHT


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return _reversed(img, -2) if is_tensor_image(img) else img.transpose(1)  # FLIP_TOP_BOTTOM


def inverse_affine_matrix(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """Where a pixel of the result comes from: (x, y) -> (m0 x + m1 y + m2, m3 x + m4 y + m5).

    The inverse of T C (rotation, scale, shear) C^-1, with the translation T and the shift C of the centre.
    Angles in degrees; *shear* along x and along y.
    """
    rotation, (shear_x, shear_y) = math.radians(angle), (math.radians(one) for one in shear)
    (centre_x, centre_y), (shift_x, shift_y) = center, translate
    a = math.cos(rotation - shear_y) / math.cos(shear_y)
    b = -math.cos(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(rotation)
    c = math.sin(rotation - shear_y) / math.cos(shear_y)
    d = -math.sin(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(rotation)
    m0, m1, m3, m4 = d / scale, -b / scale, -c / scale, a / scale
    x, y = -centre_x - shift_x, -centre_y - shift_y
    return [m0, m1, m0 * x + m1 * y + centre_x, m3, m4, m3 * x + m4 * y + centre_y]


def warp(
    img: Tensor,
    matrices: Sequence[Sequence[float]],
    size: tuple[int, int] | None = None,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: float | Sequence[float] | None = 0,
) -> Tensor:
    """Tensor images read at other places, each by its own matrix, in one native call.

    Args:
        img: [..., C, H, W].
        matrices: one list of six numbers for all images, or one for each: pixel (x, y) of the result, counted
            from the middle of the image, comes from (m0 x + m1 y + m2, m3 x + m4 y + m5), counted likewise.
        size: (height, width) of the result. Default: that of the image.
        interpolation: NEAREST or BILINEAR (the default).
        fill: what stands outside of the image, a number or one for each channel. Default 0.

    Returns:
        The images, in the dtype of *img*. Integers are rounded half to even.

    Raises:
        ValueError: another interpolation, or another number of matrices than of images.
        NotImplementedError: *img* requires a gradient (while one is recorded); this is not differentiable.
    """
    mode = interpolation_mode(interpolation)
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(f"expected interpolation nearest or bilinear for a tensor, got {mode.value}")
    batch = batch_of(img)
    count, channels, height, width = (int(one) for one in batch.shape)
    if len(matrices) not in (1, count):
        raise ValueError(f"warp: expected 1 or {count} matrices, got {len(matrices)}")
    out_height, out_width = (height, width) if size is None else size
    # From the middle of the image to pixels.
    x0, y0 = (width - 1) / 2, (height - 1) / 2
    x, y = (out_width - 1) / 2, (out_height - 1) / 2
    rows = [
        [m[0], m[1], m[2] + x0 - m[0] * x - m[1] * y, m[3], m[4], m[5] + y0 - m[3] * x - m[4] * y]
        for m in matrices
    ]
    matrix = verigrad.tensor(rows, dtype=verigrad.float64).reshape(len(matrices), 6).expand(count, 6)
    native = batch.dtype == verigrad.uint8 or batch.dtype.is_floating_point
    source = batch if native else batch.to(verigrad.float64)
    values = fills(fill, channels)
    parts = [source] if len(values) == 1 else [source[:, c : c + 1] for c in range(channels)]
    warped = [
        _native.affine_image(part, matrix, (out_height, out_width), mode.value, value)
        for part, value in zip(parts, values, strict=True)
    ]
    result = warped[0] if len(warped) == 1 else verigrad.cat(warped, 1)
    return unbatched(result if native else rounded(result, batch.dtype), img)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: float | Sequence[float] | None = None,
    center: Sequence[float] | None = None,
) -> Any:
    """An image rotated, shifted, scaled and sheared about its centre.

    Args:
        img: a PIL image or a tensor [..., C, H, W].
        angle: in degrees, clockwise.
        translate: pixels to the right and down.
        scale: above 0.
        shear: in degrees: along x, or along x and y.
        interpolation: NEAREST (the default) or BILINEAR; PIL images also BICUBIC.
        fill: outside of the image, a number or one for each channel. Default 0.
        center: (x, y) in pixels from the upper left corner. Default: the middle.
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, numbers.Real):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, tuple | list):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    matrix = affine_place(angle, translate, scale, shear, center, dimensions(img), is_tensor_image(img))
    if is_tensor_image(img):
        return warp(img, [matrix], None, mode, fill)
    images = require("PIL.Image", "Pillow", "train", "affine")
    return img.transform(
        img.size, images.Transform.AFFINE, matrix, PIL_MODES[mode], fillcolor=pil_fill(img, fill)
    )


def affine_place(
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    center: Sequence[float] | None,
    size: tuple[int, int, int],
    from_middle: bool,
) -> list[float]:
    """The matrix of `affine`, for places counted from the middle or from the upper left corner."""
    if isinstance(shear, numbers.Real):
        shear = [float(shear), 0.0]
    if not isinstance(shear, tuple | list):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    if len(shear) == 1:
        shear = [shear[0], shear[0]]
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, tuple | list):
        raise TypeError("Argument center should be a sequence")
    middle = (size[2] * 0.5, size[1] * 0.5)
    given = middle if center is None else center
    if from_middle:
        given = [one - half for one, half in zip(given, middle, strict=True)]
    return inverse_affine_matrix(given, angle, translate, scale, shear)


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
) -> Any:
    """An image rotated.

    Args:
        img: a PIL image or a tensor [..., C, H, W].
        angle: in degrees, counter-clockwise.
        interpolation: NEAREST (the default) or BILINEAR; PIL images also BICUBIC.
        expand: make the result large enough to hold the whole rotated image (about its middle).
        center: (x, y) in pixels from the upper left corner. Default: the middle.
        fill: outside of the image, a number or one for each channel. Default 0.
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, numbers.Real):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, tuple | list):
        raise TypeError("Argument center should be a sequence")
    if not is_tensor_image(img):
        return img.rotate(angle, PIL_MODES[mode], expand, center, fillcolor=pil_fill(img, fill))
    size = dimensions(img)
    matrix = affine_place(-angle, (0.0, 0.0), 1.0, (0.0, 0.0), center, size, True)
    target = None
    if expand:
        quarter = center is None and angle % 90 == 0  # nothing is between pixels then, as in Pillow
        sides = (size[1], size[2]) if angle % 180 == 0 else (size[2], size[1])
        target = sides if quarter else expanded(matrix, size)
    return warp(img, [matrix], target, mode, fill)


def expanded(matrix: Sequence[float], size: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) of what holds a whole rotated image: whole pixels on both sides of the old ones."""
    _, height, width = size
    corners = [(x * width / 2, y * height / 2) for x in (-1, 1) for y in (-1, 1)]
    sizes = []
    for row, side in ((matrix[3:], height), (matrix[:3], width)):
        places = [row[0] * x + row[1] * y + row[2] + side / 2 for x, y in corners]
        # Four digits, so that rounding does not gain a pixel.
        low, high = round(min(places), 4), round(max(places), 4)
        sizes.append(math.ceil(high) - math.floor(low))
    return sizes[0], sizes[1]


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """A tensor image with the value *v* (broadcast) in *h* rows from *i* and *w* columns from *j*."""
    if not isinstance(img, verigrad.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out
