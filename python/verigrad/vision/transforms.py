"""Image transforms under torchvision's names: `Compose`, `ToTensor`, `Normalize`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import verigrad

if TYPE_CHECKING:
    from verigrad import Tensor

__all__ = ["Compose", "Normalize", "ToTensor"]


class Compose:
    """Applies *transforms* one after the other.

    Args:
        transforms: callables of one argument; the second gets the result of the first, and so on.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class ToTensor:
    """Turns a PIL image or a numpy array of shape [H, W] or [H, W, C] into a tensor of shape [C, H, W].

    uint8 values (and PIL modes L, LA, P, RGB, RGBA, CMYK, YCbCr, 1) become the default float dtype in 0 .. 1:
    they are divided by 255. Other types keep their values and dtype (PIL mode F: float32; I and I;16: int32).

    Raises:
        TypeError: neither an image nor an array.
        ValueError: an array that has neither 2 nor 3 dimensions.
    """

    def __call__(self, pic: Any) -> Tensor:
        import numpy

        image_module = sys.modules.get("PIL.Image")
        if image_module is not None and isinstance(pic, image_module.Image):
            pic = _array_of(pic)
        elif not isinstance(pic, numpy.ndarray):
            raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
        elif pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if pic.ndim == 2:
            pic = pic[:, :, None]
        # A copy, whatever the strides and flags of the source are: the result never aliases it.
        tensor = verigrad.from_numpy(numpy.array(pic.transpose(2, 0, 1), order="C"))
        return _scaled(tensor) if tensor.dtype == verigrad.uint8 else tensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Normalize:
    """``(x - mean[c]) / std[c]`` in each channel c of a float tensor of shape [..., C, H, W].

    Args:
        mean, std: one number per channel (or one for all).
        inplace: change the argument instead of making a new tensor. Default False.

    Raises:
        TypeError: not a tensor, or not of a float dtype.
        ValueError: fewer than 3 dimensions, or a *std* of 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, verigrad.Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
        if not tensor.dtype.is_floating_point:
            raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
        if tensor.ndim < 3:
            raise ValueError(
                "Expected tensor to be a tensor image of size (..., C, H, W). "
                f"Got tensor.size() = {tuple(tensor.shape)}"
            )
        mean = verigrad.as_tensor(self.mean, dtype=tensor.dtype)
        std = verigrad.as_tensor(self.std, dtype=tensor.dtype)
        if bool((std == 0).any()):
            raise ValueError(
                f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
            )
        if mean.ndim == 1:
            mean = mean.reshape(-1, 1, 1)
        if std.ndim == 1:
            std = std.reshape(-1, 1, 1)
        centred = tensor.sub_(mean) if self.inplace else tensor.sub(mean)
        return centred.div_(std)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


def gray_pipeline(transform: Any) -> list[Normalize] | None:
    """The steps after `ToTensor` where *transform* is `ToTensor`, alone or followed by `Normalize` s.

    None for anything else, subclasses included: their code has to see each image. With the list, `apply_gray`
    does the same for a whole batch.
    """
    if type(transform) is ToTensor:
        return []
    if type(transform) is not Compose or not transform.transforms:
        return None
    first, *rest = transform.transforms
    steps = [step for step in rest if type(step) is Normalize]
    return steps if type(first) is ToTensor and len(steps) == len(rest) else None


def apply_gray(images: Tensor, steps: list[Normalize]) -> Tensor:
    """*images* (uint8, [B, H, W]) as `ToTensor` and then *steps* turn them into [B, 1, H, W], bit for bit."""
    result = _scaled(images.unsqueeze(1))
    for step in steps:
        result = step(result)
    return result


def _scaled(tensor: Tensor) -> Tensor:
    return tensor.to(verigrad.get_default_dtype()).div(255)


def _array_of(image: Any) -> Any:
    import numpy

    if image.mode == "I" or image.mode.startswith("I;16"):
        return numpy.array(image).astype(numpy.int32)
    if image.mode == "F":
        return numpy.array(image, dtype=numpy.float32)
    array = numpy.array(image, dtype=numpy.uint8)
    return array * 255 if image.mode == "1" else array
