"""What all image data sets share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from verigrad.data import Dataset
from verigrad.utils._extras import require


class VisionDataset(Dataset[Any]):
    """Base of image data sets: the folder, the two transforms, and torchvision's ``repr``.

    Args:
        root: the folder of the data, or None.
        transform: applied to the image of each sample.
        target_transform: applied to its label.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.root = None if root is None else Path(root).expanduser()
        self._shown_root = root
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        raise NotImplementedError("Subclasses of VisionDataset should implement __len__.")

    def extra_repr(self) -> str:
        """Further lines for ``repr``."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self._shown_root is not None:
            body.append(f"Root location: {os.fspath(self._shown_root)}")
        body += self.extra_repr().splitlines()
        lines = [f"Dataset {type(self).__name__}", *(f"    {line}" for line in body)]
        if self.transform is not None or self.target_transform is not None:
            lines.append("    StandardTransform")
            lines += _labelled("Transform: ", self.transform)
            lines += _labelled("Target transform: ", self.target_transform)
        return "\n".join(lines)


def pil_image(who: str, array: Any) -> Any:
    """*array* (uint8, [H, W] or [H, W, 3]) as a PIL image."""
    module = require("PIL.Image", "Pillow", "train", f"{who} without transform=ToTensor()")
    return module.fromarray(array)


def _labelled(label: str, transform: Any) -> list[str]:
    if transform is None:
        return []
    first, *rest = repr(transform).splitlines()
    return [label + first, *(" " * len(label) + line for line in rest)]
