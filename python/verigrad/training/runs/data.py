"""The data sets that the command line knows by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verigrad.vision import datasets, transforms

if TYPE_CHECKING:
    from verigrad.vision.datasets import MNIST

_WAYS_TO_DATA = "--download fetches it, --data-dir names its folder"


@dataclass(frozen=True)
class DatasetInfo:
    """A data set the command line knows: its class and the mean and deviation of its training pixels (0 ..
    1)."""

    cls: type[MNIST]
    mean: float
    std: float

    def load(self, train: bool, data_dir: str | None, download: bool) -> MNIST:
        """The training or the test images, normalised.

        Raises:
            ValueError: a folder for what comes with verigrad; there are no images.
            RuntimeError: the files are not there, or damaged.
        """
        transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((self.mean,), (self.std,))]
        )
        if self.cls is datasets.MNISTMini:
            if data_dir is not None:
                raise ValueError("expected no --data-dir with mnist-mini, which comes with verigrad, got one")
            return datasets.MNISTMini(train=train, transform=transform)
        try:
            found = self.cls(data_dir, train=train, transform=transform, download=download)
        except RuntimeError as error:
            told = str(error).replace("You can use download=True to download it", _WAYS_TO_DATA)
            raise RuntimeError(told) from None
        if not len(found):
            split = "training" if train else "test"
            raise ValueError(f"expected at least one {split} image in {self.cls.__name__}, got none")
        return found

    def augmentation(self) -> transforms.RandomAffine:
        """Rotations by up to 10 degrees and shifts by up to 2 pixels, for batches as `load` gives them."""
        return transforms.RandomAffine(
            10,
            translate=(0.08, 0.08),
            interpolation=transforms.InterpolationMode.BILINEAR,
            fill=-self.mean / self.std,  # the background
        )


DATASETS: dict[str, DatasetInfo] = {
    "mnist-mini": DatasetInfo(datasets.MNISTMini, 0.1307, 0.3081),
    "mnist": DatasetInfo(datasets.MNIST, 0.1307, 0.3081),
    "fashion-mnist": DatasetInfo(datasets.FashionMNIST, 0.2860, 0.3530),
}
