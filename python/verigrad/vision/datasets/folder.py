"""Images in folders, one for each class: `DatasetFolder` and `ImageFolder`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from verigrad.utils._extras import require

from .base import VisionDataset

__all__ = ["IMG_EXTENSIONS", "DatasetFolder", "ImageFolder", "default_loader", "pil_loader"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def pil_loader(path: str) -> Any:
    """Read the image at *path* with Pillow, as RGB."""
    module = require("PIL.Image", "Pillow", "train", "ImageFolder")
    with open(path, "rb") as file:
        try:
            return module.open(file).convert("RGB")
        except Exception as error:
            error.add_note(f"ImageFolder: the image is {os.fspath(path)!r}")
            raise


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Files in one folder for each class: ``root/cat/1.ext``, ``root/cat/more/2.ext``, ``root/dog/3.ext``.

    Args:
        root: the folder of the classes' folders, which are searched to any depth, links to folders included.
        loader: makes a sample of a path.
        extensions: the endings of files that belong to it, in any case.
        transform: applied to each sample.
        target_transform: applied to its label.
        is_valid_file: says of a path whether it belongs, in place of *extensions*.
        allow_empty: accept classes without files. Default False.

    Attributes:
        classes: the names of the folders, in the order of the alphabet.
        class_to_idx: their labels.
        samples: pairs of path and label, in the order of classes and paths.
        targets: the labels.

    Raises:
        FileNotFoundError: *root* is missing, has no folders, or a class has no files.
        ValueError: not exactly one of *extensions* and *is_valid_file* is given.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.loader = loader
        self.extensions = extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)  # type: ignore[arg-type]  # given above
        self.samples = self.make_dataset(
            self.root, self.class_to_idx, extensions, is_valid_file, allow_empty  # type: ignore[arg-type]
        )  # fmt: skip
        self.targets = [label for _, label in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike[str],
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The pairs of path and label below *directory*; a subclass may choose others."""
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
        endings = None if extensions is None else tuple(one.lower() for one in extensions)
        samples: list[tuple[str, int]] = []
        empty = []
        for name in sorted(class_to_idx):
            count = len(samples)
            for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
                for file in sorted(files):
                    path = os.path.join(folder, file)
                    if file.lower().endswith(endings) if endings is not None else is_valid_file(path):  # type: ignore[misc]
                        samples.append((path, class_to_idx[name]))
            if len(samples) == count:
                empty.append(name)
        if empty and not allow_empty:
            message = f"Found no valid file for the classes {', '.join(empty)}."
            if extensions is not None:
                message += f" Supported extensions are: {', '.join(extensions)}"
            raise FileNotFoundError(message)
        return samples

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The names of the classes and their labels; a subclass may choose others."""
        with os.scandir(directory) as entries:
            classes = sorted(entry.name for entry in entries if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {os.fspath(directory)}.")
        return classes, {name: label for label, name in enumerate(classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        return sample, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in one folder for each class: ``root/cat/1.png``, ``root/dog/2.jpg``. Needs Pillow.

    Args:
        root, transform, target_transform, is_valid_file, allow_empty: as in `DatasetFolder`; without
            *is_valid_file* the endings are `IMG_EXTENSIONS`.
        loader: makes an image of a path. Default `pil_loader`: a PIL image of mode RGB.

    Attributes:
        imgs: the same as ``samples``.

    Decoding takes most of the time of an epoch: ``DataLoader(num_workers=...)`` does it in other processes.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
