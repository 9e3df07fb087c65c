"""Image transforms under torchvision's names.

Images are PIL images (Pillow comes with the extra "train") or tensors [C, H, W]; most transforms also take
tensors [..., C, H, W] of several images, which they treat at once in native code. There a random transform
draws for each image on its own (torchvision draws once for all).

Random numbers come from the library's default generator, so that `verigrad.manual_seed` repeats them, or from
the *generator* that a transform is given. A batch draws what its images would draw one after the other.
"""

from . import functional
from ._appearance import ColorJitter, Grayscale, RandomErasing
from ._basic import Compose, Lambda, Normalize, RandomApply, ToPILImage, ToTensor
from ._geometry import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from ._images import InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
    "functional",
]
