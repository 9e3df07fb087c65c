"""Chains of transforms, and the ways between PIL images, arrays and tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn
from verigrad.utils._extras import require

from ._images import batch_of, count_of, draws, is_batch, is_pil, unbatched

if TYPE_CHECKING:
    from verigrad import Generator, Tensor


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

        if is_pil(pic):
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


class Normalize(nn.Module):
    """``(x - mean[c]) / std[c]`` in each channel c of a float tensor of shape [..., C, H, W].

    Args:
        mean, std: one number per channel (or one for all).
        inplace: change the argument instead of making a new tensor. Default False.

    Raises:
        TypeError: not a tensor, or not of a float dtype.
        ValueError: fewer than 3 dimensions, or a *std* of 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
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


class Lambda:
    """Applies the callable *lambd*.

    Raises:
        TypeError: it is not callable.
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {repr(type(lambd).__name__)}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


#: Pillow's modes for arrays of so many channels; the first one is the default.
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
#: The one mode for a single channel of this dtype.
_GRAY_MODES = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}


class ToPILImage:
    """Turns a tensor [C, H, W] (or [H, W]), or an array [H, W, C] (or [H, W]), into a PIL image.

    Float tensors hold 0 .. 1 and are multiplied by 255 and cut to whole numbers (unless *mode* is "F").

    Args:
        mode: of the PIL image. Default None: L, I or F by dtype for 1 channel, LA for 2, RGB for 3, RGBA for
            4.

    Raises:
        TypeError: neither a tensor nor an array, or of a dtype that images do not have.
        ValueError: not 2 or 3 dimensions, more than 4 channels, or a mode that does not fit.
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        import numpy

        tensor = isinstance(pic, verigrad.Tensor)
        if not tensor and not isinstance(pic, numpy.ndarray):
            raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if tensor:
            pic = pic.detach()
            if pic.dtype.is_floating_point and self.mode != "F":
                pic = pic.mul(255).to(verigrad.uint8)
            pic = pic.numpy()
            pic = pic.transpose(1, 2, 0) if pic.ndim == 3 else pic
        if pic.ndim == 2:
            pic = pic[:, :, None]
        channels = pic.shape[2]
        if channels > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
        if channels == 1:
            mode = _GRAY_MODES.get(pic.dtype.name)
            if mode is None:
                raise TypeError(f"Input type {pic.dtype} is not supported")
            if self.mode is not None and self.mode != mode:
                raise ValueError(
                    f"Incorrect mode ({self.mode}) supplied for input type {pic.dtype}. Should be {mode}"
                )
            pic = pic[:, :, 0]
        else:
            permitted = _MODES.get(channels, ())
            if self.mode is not None and self.mode not in permitted:
                raise ValueError(f"Only modes {list(permitted)} are supported for {channels}D inputs")
            if pic.dtype != numpy.uint8 or not permitted:
                raise TypeError(f"Input type {pic.dtype} is not supported")
            mode = self.mode or permitted[0]
        module = require("PIL.Image", "Pillow", "train", "ToPILImage")
        pixels = numpy.ascontiguousarray(pic)
        if channels == 1:
            return module.fromarray(pixels)
        return module.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class RandomApply(nn.Module):
    """Applies all of *transforms* with probability *p*, or none. In a batch [..., C, H, W], every
    image has its own chance.

    Args:
        transforms: a sequence of callables (or a `ModuleList`).
        p: 0 .. 1. Default 0.5.
        generator: of the random numbers. Default: the library's default generator.

    Raises:
        TypeError: *transforms* is not a sequence.
        RuntimeError: in a batch, the transforms change the size of an image.
    """

    def __init__(
        self, transforms: Sequence[Any] | nn.ModuleList, p: float = 0.5, generator: Generator | None = None
    ) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | nn.ModuleList):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms
        self.p = p
        self.generator = generator

    def forward(self, img: Any) -> Any:
        single = not isinstance(img, verigrad.Tensor) or not is_batch(img)
        count = 1 if single else count_of(img)
        chosen = [n for n, (u,) in enumerate(draws(self.generator, count, 1)) if u < self.p]
        if not chosen:
            return img
        if len(chosen) == count:
            return self._all(img)
        batch = batch_of(img)
        index = verigrad.tensor(chosen, dtype=verigrad.int64)
        return unbatched(batch.index_copy(0, index, self._all(batch.index_select(0, index))), img)

    def _all(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}(\n    p={self.p}{lines}\n)"


def scaling_steps(transform: Any) -> list[Normalize] | None:
    """The steps after `ToTensor` where *transform* is `ToTensor`, alone or followed by `Normalize` s.

    None for anything else, subclasses included: their code has to see each image. With the list,
    `apply_steps` does the same for a whole batch.
    """
    if type(transform) is ToTensor:
        return []
    if type(transform) is not Compose or not transform.transforms:
        return None
    first, *rest = transform.transforms
    steps = [step for step in rest if type(step) is Normalize]
    return steps if type(first) is ToTensor and len(steps) == len(rest) else None


def apply_steps(images: Tensor, steps: list[Normalize]) -> Tensor:
    """*images* (uint8, [B, C, H, W]) as `ToTensor` and then *steps* turn them into floats, bit for bit."""
    result = _scaled(images)
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
