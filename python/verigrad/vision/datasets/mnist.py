"""Handwriting and clothes in MNIST's format: `MNIST`, `FashionMNIST`, `KMNIST`, `EMNIST`, and the bundled
`MNISTMini`."""

from __future__ import annotations

import hashlib
import os
import string
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import verigrad
from verigrad.utils._cache import cache_dir

from .._download import Resource, download, download_archive
from ..idx import read_idx
from ..transforms._basic import apply_steps, scaling_steps
from .base import VisionDataset, pil_image

if TYPE_CHECKING:
    from verigrad import Tensor

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST", "MNISTMini"]

_MAX_BYTES = 2**30  # of images; MNIST's training set has 47 million, EMNIST's largest 550 million


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 training and 10,000 test images of 28 x 28 pixels in 10 classes.

    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    Args:
        root: where to look first: IDX files, plain or ``.gz``, in this folder or in ``MNIST/raw`` below it
            (where torchvision keeps them). None: only the user's cache.
        train: the training images (default) or the test images.
        transform: applied to each image, a PIL image of mode L. With `ToTensor`, alone or followed by
            `Normalize`, Pillow is not needed and `DataLoader` transforms whole batches in native code.
        target_transform: applied to each label, an int.
        download: if the files are found neither in *root* nor in the cache (``VERIGRAD_CACHE``), download
            them from the mirrors, check the SHA-256 of the unpacked content, and keep them in
            ``root/MNIST/raw`` (with root None: in the cache). Default False.

    Attributes:
        data: the images, uint8, [N, 28, 28]; 0 is the background.
        targets: the labels, int64, [N].
        train_data, test_data, train_labels, test_labels: older names of both, with a warning.
        classes, class_to_idx: the names of the classes, and their numbers.

    Raises:
        RuntimeError: the files are not there, or cannot be downloaded.
        ValueError: a file is not what it should be: damaged, of another shape, or of another data set.
        OSError: a file cannot be read or written.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    resources: ClassVar[tuple[Resource, ...]] = (
        Resource(
            "train-images-idx3-ubyte",
            47040016,
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        Resource(
            "train-labels-idx1-ubyte",
            60008,
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        Resource(
            "t10k-images-idx3-ubyte",
            7840016,
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Resource(
            "t10k-labels-idx1-ubyte",
            10008,
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    )
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]
    _folder: ClassVar[str] = "MNIST"

    data: Tensor
    targets: Tensor

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        self.data, self.targets = self._load(download)

    @property
    def raw_folder(self) -> Path:
        """Where downloaded files are kept."""
        base = cache_dir() if self.root is None else self.root
        return base / self._folder / "raw"

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def train_data(self) -> Tensor:
        """The older name of `data`, with a warning."""
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Tensor:
        """The older name of `data`, with a warning."""
        return self._renamed("test_data", "data")

    @property
    def train_labels(self) -> Tensor:
        """The older name of `targets`, with a warning."""
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Tensor:
        """The older name of `targets`, with a warning."""
        return self._renamed("test_labels", "targets")

    def _renamed(self, old: str, new: str) -> Tensor:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        found: Tensor = getattr(self, new)
        return found

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.data[index]
        target: Any = int(self.targets[index])
        steps = scaling_steps(self.transform)
        if steps is not None and image.dtype == verigrad.uint8 and image.ndim == 2:
            image = apply_steps(image.unsqueeze(0).unsqueeze(0), steps)[0]
        else:
            image = pil_image(type(self).__name__, image.numpy())
            if self.transform is not None:
                image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getbatch__(self, indices: Tensor) -> Any:
        steps = scaling_steps(self.transform)
        data, targets = self.data, self.targets
        if (
            steps is None
            or self.target_transform is not None
            # Both may have been replaced by the user.
            or not (isinstance(data, verigrad.Tensor) and data.dtype == verigrad.uint8 and data.ndim == 3)
            or not (
                isinstance(targets, verigrad.Tensor) and targets.dtype == verigrad.int64 and targets.ndim == 1
            )
        ):
            return NotImplemented
        return [
            apply_steps(data.index_select(0, indices).unsqueeze(1), steps),
            targets.index_select(0, indices),
        ]

    def _places(self) -> Iterator[Path]:
        if self.root is not None:
            yield self.root
            yield self.root / self._folder / "raw"
        yield cache_dir() / self._folder / "raw"

    def _wanted(self) -> tuple[Resource, Resource]:
        images, labels = self.resources[:2] if self.train else self.resources[2:]
        return images, labels

    def _names(self) -> tuple[str, str]:
        images, labels = self._wanted()
        return images.name, labels.name

    def _download(self) -> list[Path]:
        return [download(resource, self.mirrors, self.raw_folder) for resource in self._wanted()]

    def _load(self, may_download: bool) -> tuple[Tensor, Tensor]:
        images, labels = self._names()
        places = list(self._places())
        for place in places:
            found = [_plain_or_zipped(place, name) for name in (images, labels)]
            if found[0] is not None and found[1] is not None:
                return self._read(found[0], found[1])
        if not may_download:
            looked = ", ".join(str(place) for place in places)
            raise RuntimeError(
                f"Dataset not found. You can use download=True to download it. {type(self).__name__}: "
                f"expected {images} and {labels} (or .gz) together in one of: {looked}"
            )
        return self._read(*self._download())

    def _read(self, images_path: Path, labels_path: Path) -> tuple[Tensor, Tensor]:
        name = type(self).__name__
        labels = read_idx(labels_path, max_bytes=_MAX_BYTES)
        if labels.dtype != verigrad.uint8 or labels.ndim != 1:
            raise ValueError(
                f"{name}: expected uint8 labels of shape [N] in {labels_path}, "
                f"got {labels.dtype} of shape {list(labels.shape)}"
            )
        if labels.numel() and int(labels.max()) >= len(self.classes):
            raise ValueError(
                f"{name}: expected labels below {len(self.classes)} in {labels_path}, got {int(labels.max())}"
            )
        self._check_origin(labels, labels_path)
        images = read_idx(images_path, max_bytes=_MAX_BYTES)
        if images.dtype != verigrad.uint8 or images.ndim != 3 or tuple(images.shape[1:]) != (28, 28):
            raise ValueError(
                f"{name}: expected uint8 images of shape [N, 28, 28] in {images_path}, "
                f"got {images.dtype} of shape {list(images.shape)}"
            )
        if len(images) != len(labels):
            raise ValueError(
                f"{name}: expected as many labels as images, got {len(labels)} labels in {labels_path} "
                f"and {len(images)} images in {images_path}"
            )
        return images, labels.to(verigrad.int64)

    def _check_origin(self, labels: Tensor, path: Path) -> None:
        """Raise ValueError if *labels* are known to belong to another data set."""


class FashionMNIST(MNIST):
    """Zalando's article images, a drop-in replacement of MNIST: 60,000 training and 10,000 test images.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms" (arXiv 1708.07747).

    The arguments, attributes and errors are those of `MNIST`, with ``FashionMNIST/raw`` for ``MNIST/raw``. A
    download is checked by the MD5 of the gzipped files, which is what the publisher states, and by its
    length. Files of MNIST have the same names: they are recognised and refused.
    """

    mirrors: ClassVar[tuple[str, ...]] = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    resources: ClassVar[tuple[Resource, ...]] = (
        Resource("train-images-idx3-ubyte", 47040016, md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Resource("train-labels-idx1-ubyte", 60008, md5="25c81989df183df01b3e8a0aad5dffbe"),
        Resource("t10k-images-idx3-ubyte", 7840016, md5="bef4ecab320f06d8554ea6380940ec79"),
        Resource("t10k-labels-idx1-ubyte", 10008, md5="bb300cfdad3c16e7a12a480ee83cd310"),
    )
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    _folder: ClassVar[str] = "FashionMNIST"

    def _check_origin(self, labels: Tensor, path: Path) -> None:
        header = bytes((0, 0, 8, 1)) + len(labels).to_bytes(4, "big")
        found = hashlib.sha256(header + labels.numpy().tobytes()).hexdigest()
        if any(found == resource.sha256 for resource in MNIST.resources):
            name = type(self).__name__
            raise ValueError(f"{name}: expected the labels of {name} in {path}, got those of MNIST")


class KMNIST(MNIST):
    """Kuzushiji-MNIST, cursive Japanese, a drop-in replacement of MNIST in size and number of classes.

    T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha, "Deep learning for classical
    Japanese literature" (arXiv 1812.01718).

    The arguments, attributes and errors are those of `MNIST`, with ``KMNIST/raw`` for ``MNIST/raw``. Files of
    MNIST have the same names: they are recognised and refused.
    """

    mirrors: ClassVar[tuple[str, ...]] = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    resources: ClassVar[tuple[Resource, ...]] = (
        Resource("train-images-idx3-ubyte", 47040016, md5="bdb82020997e1d708af4cf47b453dcf7"),
        Resource("train-labels-idx1-ubyte", 60008, md5="e144d726b3acfaa3e44228e80efcd344"),
        Resource("t10k-images-idx3-ubyte", 7840016, md5="5c965bf0a639b31b8f53240b1b52f4d7"),
        Resource("t10k-labels-idx1-ubyte", 10008, md5="7320c461ea6c1c855c0b718fb2a4b134"),
    )
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    _folder: ClassVar[str] = "KMNIST"
    _check_origin = FashionMNIST._check_origin


_LETTERS_ALIKE = set("cijklmopsuvwxyz")  # small letters that look like their capitals
_MERGED = sorted(set(string.digits + string.ascii_letters) - _LETTERS_ALIKE)


class EMNIST(MNIST):
    """Extended MNIST: digits and letters of the same writers, 28 x 28 pixels.

    G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to handwritten letters"
    (arXiv 1702.05373). As in torchvision, images are as in the files: rows and columns are exchanged.

    Args:
        root, train, transform, target_transform: as in `MNIST`, with ``EMNIST/raw`` for ``MNIST/raw``.
        split: "byclass" (62 classes), "bymerge" (47: small letters that look like capitals are those),
            "balanced" (the same, evenly many of each), "letters" (labels 1 to 26), "digits" or "mnist".
        download: fetch the archive of all splits (562 MB), check its MD5, and keep the two files of this
            split and *train*.

    Raises:
        ValueError: *split* is none of these.
        What `MNIST` raises.
    """

    url: ClassVar[str] = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5: ClassVar[str] = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits: ClassVar[tuple[str, ...]] = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": sorted(string.digits + string.ascii_letters),
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }
    _folder: ClassVar[str] = "EMNIST"

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str = "",
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        if split not in self.splits:
            raise ValueError(
                f"Unknown value '{split}' for argument split. Valid values are {set(self.splits)}."
            )
        self.split = split
        self.classes = self.classes_split_dict[split]  # type: ignore[misc]  # each split has its own
        super().__init__(root, train, transform, target_transform, download)

    def _names(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def _download(self) -> list[Path]:
        members = {f"gzip/{name}.gz": f"{name}.gz" for name in self._names()}
        return download_archive(self.url, self.md5, members, self.raw_folder)


class MNISTMini(MNIST):
    """A part of MNIST that comes with verigrad: 6,000 training and 1,000 test images, as many of each class
    as its share in the full set. Needs no download and no folder.

    Args:
        train, transform, target_transform: as in `MNIST`.

    Licence of the data: Creative Commons Attribution-Share Alike 3.0, see ``_data/ATTRIBUTION`` in the
        package.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(None, train, transform, target_transform)

    @property
    def raw_folder(self) -> Path:
        return Path(__file__).parents[1] / "_data"

    def _places(self) -> Iterator[Path]:
        yield self.raw_folder


def _plain_or_zipped(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None
