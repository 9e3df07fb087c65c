"""Reading a picture as the data sets of the MNIST family store theirs."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad.utils._extras import require

if TYPE_CHECKING:
    from verigrad import Tensor

_FORMATS = ("PNG", "JPEG", "BMP", "GIF")
_SIDE = 28


def read_gray_image(path: str | os.PathLike[str], invert: bool = False) -> Tensor:
    """The picture in a file as uint8 [28, 28], light on dark.

    Colours become gray (ITU-R 601 luma); transparent parts become background; a picture that is not square is
    resized (Lanczos) until its longer side is 28, and padded with background. A gray 28 x 28 picture comes
    back unchanged.

    Args:
        path: a PNG, JPEG, BMP or GIF file (its first frame).
        invert: the picture is dark on light. The background is then white, and the result inverted.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a picture of these formats, damaged, or larger than Pillow thinks safe (89
            megapixels).
        ImportError: Pillow is not installed (it comes with the extra "train").
    """
    image_module = require("PIL.Image", "Pillow", "train", "predict")
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error", image_module.DecompressionBombWarning)
        try:
            image = image_module.open(file, formats=_FORMATS)
            image.load()
        except (
            OSError,  # also Pillow's "cannot identify" and "truncated"
            SyntaxError,  # what Pillow raises for a broken PNG
            ValueError,
            EOFError,
            IndexError,
            struct.error,
            zlib.error,
            image_module.DecompressionBombError,
            image_module.DecompressionBombWarning,
        ) as error:
            raise ValueError(
                f"expected a picture ({', '.join(_FORMATS)}) in {os.fspath(path)!r}, got a file that is not "
                f"one or is damaged: {type(error).__name__}: {error}"
            ) from None
    background = 255 if invert else 0
    gray = _fitted(image_module, _gray(image_module, image, background), background)
    import numpy

    pixels = numpy.array(gray, dtype=numpy.uint8)
    return verigrad.from_numpy(255 - pixels if invert else pixels)


def _gray(image_module: Any, image: Any, background: int) -> Any:
    if image.mode == "I" or image.mode.startswith("I;16"):
        # 16 bits per pixel; convert("L") would clip at 255 instead of scaling.
        import numpy

        return image_module.fromarray(
            (numpy.array(image).astype(numpy.int64) >> 8).clip(0, 255).astype(numpy.uint8)
        )
    if "A" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        opaque = image_module.new("RGBA", image.size, (background, background, background, 255))
        image = image_module.alpha_composite(opaque, image)
    return image.convert("L")


def _fitted(image_module: Any, image: Any, background: int) -> Any:
    if image.size == (_SIDE, _SIDE):
        return image
    longer = max(image.size)
    width, height = (max(1, round(length * _SIDE / longer)) for length in image.size)
    image = image.resize((width, height), image_module.Resampling.LANCZOS)
    square = image_module.new("L", (_SIDE, _SIDE), background)
    square.paste(image, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return square
