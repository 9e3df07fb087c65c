"""CIFAR-10 and CIFAR-100, from the files that torchvision uses too.

Those files are pickles. A pickle is a program: here it is run by a reader that knows arrays of bytes, lists,
dicts and texts, and refuses everything else by name, after the MD5 of the file has been compared. (The
publisher's binary version would need no reader, but nobody has it in the folders of torchvision.)
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import verigrad
from verigrad.utils._cache import cache_dir

from .._download import download_archive
from ..transforms._basic import apply_steps, scaling_steps
from .base import VisionDataset, pil_image

if TYPE_CHECKING:
    from numpy import ndarray

    from verigrad import Tensor

__all__ = ["CIFAR10", "CIFAR100"]

_PIXELS = 3 * 32 * 32


class CIFAR10(VisionDataset):
    """Photographs of 32 x 32 pixels in 10 classes: 50,000 training and 10,000 test images.

    A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Args:
        root: the folder that has ``cifar-10-batches-py``, or is it. None: only the user's cache.
        train: the training images (default) or the test images.
        transform: applied to each image, a PIL image of mode RGB. With `ToTensor`, alone or followed by
            `Normalize`, Pillow is not needed and `DataLoader` transforms whole batches in native code.
        target_transform: applied to each label, an int.
        download: if the files are found neither in *root* nor in the cache (``VERIGRAD_CACHE``), download
            the archive (170 MB), check its MD5, and keep its files in *root* (with root None: in the cache).

    Attributes:
        data: the images, a numpy array of uint8, [N, 32, 32, 3].
        targets: the labels, a list.
        classes, class_to_idx: the names of the classes, and their numbers.

    Raises:
        RuntimeError: the files are not there, are not those of the publisher, or cannot be downloaded.
        OSError: a file cannot be read or written.
    """

    base_folder: ClassVar[str] = "cifar-10-batches-py"
    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    tgz_md5: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }
    _labels: ClassVar[str] = "labels"

    data: ndarray[Any, Any]
    targets: list[int]

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
        self._load(self._folder(download))

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.data[index]
        target: Any = self.targets[index]
        steps = scaling_steps(self.transform)
        if steps is not None and self._is_plain():
            image = apply_steps(_channels_first(image[None]), steps)[0]
        else:
            image = pil_image(type(self).__name__, image)
            if self.transform is not None:
                image = self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __getbatch__(self, indices: Tensor) -> Any:
        steps = scaling_steps(self.transform)
        if steps is None or self.target_transform is not None or not self._is_plain():
            return NotImplemented
        chosen = indices.numpy()
        images = apply_steps(_channels_first(self.data[chosen]), steps)
        return [images, verigrad.tensor([self.targets[i] for i in chosen.tolist()], dtype=verigrad.int64)]

    def _is_plain(self) -> bool:
        # The user may have replaced the data.
        kind = getattr(self.data, "dtype", None)
        return getattr(self.data, "ndim", 0) == 4 and kind is not None and kind.name == "uint8"

    # Files

    def _entries(self) -> list[list[str]]:
        batches = self.train_list if self.train else self.test_list
        return [*batches, [self.meta["filename"], self.meta["md5"]]]

    def _places(self) -> Iterator[Path]:
        if self.root is not None:
            yield self.root / self.base_folder
            yield self.root
        yield cache_dir() / self.base_folder

    def _folder(self, may_download: bool) -> Path:
        places = list(self._places())
        for place in places:
            if all((place / name).is_file() for name, _ in self._entries()):
                return place
        if not may_download:
            looked = ", ".join(str(place) for place in places)
            wanted = ", ".join(name for name, _ in self._entries())
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it. "
                f"{type(self).__name__}: expected {wanted} in one of: {looked}"
            )
        folder = (cache_dir() if self.root is None else self.root) / self.base_folder
        names = [name for name, _ in [*self.train_list, *self.test_list]] + [self.meta["filename"]]
        download_archive(
            self.url, self.tgz_md5, {f"{self.base_folder}/{name}": name for name in names}, folder
        )
        return folder

    def _load(self, folder: Path) -> None:
        import numpy

        *batches, meta = [self._read(folder / name, md5) for name, md5 in self._entries()]
        try:
            self.classes = [_text(name) for name in meta[self.meta["key"]]]
            parts = [batch["data"].rows(_PIXELS) for batch in batches]
            self.targets = [int(label) for batch in batches for label in batch[self._labels]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RuntimeError(
                f"{type(self).__name__}: expected batches of CIFAR in {folder}, got: {error}"
            ) from None
        data = numpy.concatenate(parts).reshape(-1, 3, 32, 32)
        if len(data) != len(self.targets):
            raise RuntimeError(
                f"{type(self).__name__}: expected as many labels as images in {folder}, "
                f"got {len(self.targets)} labels and {len(data)} images"
            )
        if self.targets and not 0 <= min(self.targets) <= max(self.targets) < len(self.classes):
            raise RuntimeError(
                f"{type(self).__name__}: expected labels from 0 to {len(self.classes) - 1} in {folder}, "
                f"got {min(self.targets)} to {max(self.targets)}"
            )
        self.data = numpy.ascontiguousarray(data.transpose(0, 2, 3, 1))

    def _read(self, path: Path, md5: str) -> dict[str, Any]:
        content = path.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != md5:
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it. "
                f"{type(self).__name__}: expected {path} to have MD5 {md5}, got {found}"
            )
        return read_batch(content, path)


class CIFAR100(CIFAR10):
    """Photographs of 32 x 32 pixels in 100 classes: 50,000 training and 10,000 test images.

    The arguments, attributes and errors are those of `CIFAR10`, with ``cifar-100-python`` for
    ``cifar-10-batches-py``. Labels are the fine ones.
    """

    base_folder: ClassVar[str] = "cifar-100-python"
    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    tgz_md5: ClassVar[str] = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
    _labels: ClassVar[str] = "fine_labels"


def _channels_first(images: ndarray[Any, Any]) -> Tensor:
    import numpy

    return verigrad.from_numpy(numpy.ascontiguousarray(images.transpose(0, 3, 1, 2)))


# The reader.


def read_batch(content: bytes, path: Path) -> dict[str, Any]:
    """The dict that a file of CIFAR holds; arrays in it are `_Array` s. Nothing is executed.

    Raises:
        RuntimeError: it holds something else, or is damaged.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises whatever its opcodes run into
        raise RuntimeError(
            f"CIFAR: expected a pickle of arrays, lists and texts in {path}, got: {error}"
        ) from None
    if not isinstance(found, dict):
        raise RuntimeError(f"CIFAR: expected a dict in {path}, got {type(found).__name__}")
    return {_text(key): value for key, value in found.items()}


class _DType:
    def __init__(self, name: Any = b"", *_: Any) -> None:
        self.name = _text(name)

    def __setstate__(self, state: Any) -> None:
        pass  # byte order, which bytes do not have


class _Array:
    """Stands in for a numpy array until it is known to be one of bytes."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def rows(self, length: int) -> ndarray[Any, Any]:
        """The array, [N, length]."""
        import numpy

        _, shape, kind, by_columns, content = self.state
        if not isinstance(kind, _DType) or kind.name not in ("u1", "|u1", "uint8") or by_columns:
            raise ValueError("an array of another type than uint8")
        return numpy.frombuffer(bytes(content), numpy.uint8).reshape(shape).reshape(-1, length)


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"an encoding {encoding!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encoded,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _KNOWN[module, name]


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
