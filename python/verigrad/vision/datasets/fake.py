"""Images of noise, for trying things out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import verigrad

from ..transforms import ToPILImage
from .base import VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Random images with random labels, the same for the same index whatever else draws numbers.

    Args:
        size: how many. Default 1000.
        image_size: channels, height and width. Default (3, 224, 224).
        num_classes: labels are below it. Default 10.
        transform: applied to each image, a PIL image of uniform noise. Needs Pillow.
        target_transform: applied to its label, an int.
        random_offset: added to the index to give the seed of an image.

    Raises:
        IndexError: an index outside of the data set.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform, target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -self.size <= index < self.size:
            raise IndexError(
                f"{type(self).__name__} index out of range: expected below {self.size}, got {index}"
            )
        generator = verigrad.Generator().manual_seed(index % self.size + self.random_offset)
        image: Any = ToPILImage()(verigrad.rand(*self.image_size, generator=generator, device="cpu"))
        target: Any = int(verigrad.randint(0, self.num_classes, (), generator=generator, device="cpu"))
        if self.transform is not None:
            image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return self.size
