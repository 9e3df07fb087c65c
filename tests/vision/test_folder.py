"""ImageFolder and DatasetFolder."""

import os
from pathlib import Path

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import DataLoader
from verigrad.vision import datasets, transforms
from verigrad.vision.datasets import DatasetFolder, ImageFolder

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Six images of three modes, in two classes, and files that are none."""
    dice = np.random.default_rng(0)
    for name in ("dog/2.png", "dog/1.PNG", "cat/deep/er/9.jpg", "cat/3.png", "cat/a.bmp", "dog/0.tiff"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dice.integers(0, 256, (5, 4, 3), dtype=np.uint8)).save(path)
    Image.fromarray(dice.integers(0, 256, (5, 4), dtype=np.uint8)).save(tmp_path / "root/cat/3.png")
    (tmp_path / "root/cat/notes.txt").write_text("no image")
    (tmp_path / "root/README.png").write_text("not in a class")
    return tmp_path / "root"


def names(dataset):
    return [(os.path.relpath(path, dataset.root), label) for path, label in dataset.samples]


def test_classes_order_and_images(folder):
    dataset = ImageFolder(folder)
    assert dataset.classes == ["cat", "dog"] and dataset.class_to_idx == {"cat": 0, "dog": 1}
    assert names(dataset) == [
        ("cat/3.png", 0), ("cat/a.bmp", 0), ("cat/deep/er/9.jpg", 0),
        ("dog/0.tiff", 1), ("dog/1.PNG", 1), ("dog/2.png", 1),
    ]  # fmt: skip
    assert dataset.targets == [0, 0, 0, 1, 1, 1] and dataset.imgs is dataset.samples and len(dataset) == 6
    image, label = dataset[0]
    assert image.mode == "RGB" and image.size == (4, 5) and label == 0
    assert "Number of datapoints: 6" in repr(dataset) and f"Root location: {folder}" in repr(dataset)


def test_transforms_and_loading(folder):
    dataset = ImageFolder(str(folder), transforms.ToTensor(), lambda label: -label)
    images, labels = next(iter(DataLoader(dataset, 6)))
    assert images.shape == (6, 3, 5, 4) and labels.tolist() == [0, 0, 0, -1, -1, -1]
    pixels = np.rint(images[5].numpy() * 255).transpose(1, 2, 0)
    assert np.array_equal(pixels, np.asarray(Image.open(folder / "dog/2.png")))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.host("workers fetch on the CPU")
def test_workers_give_the_same_images(folder):
    dataset = ImageFolder(folder, transforms.ToTensor())
    for left, right in zip(DataLoader(dataset, 2), DataLoader(dataset, 2, num_workers=2), strict=True):
        assert verigrad.equal(left[0], right[0]) and verigrad.equal(left[1], right[1])


def test_which_files_belong(folder):
    chosen = ImageFolder(folder, is_valid_file=lambda path: path.endswith("g"))
    assert [name for name, _ in names(chosen)] == ["cat/3.png", "cat/deep/er/9.jpg", "dog/2.png"]
    texts = DatasetFolder(folder, lambda path: Path(path).read_text(), (".TXT",), allow_empty=True)
    assert texts[0] == ("no image", 0) and len(texts) == 1 and texts.classes == ["cat", "dog"]
    for options in ({}, {"extensions": (".png",), "is_valid_file": bool}):
        with pytest.raises(ValueError, match="Both extensions and is_valid_file cannot be None or not None"):
            DatasetFolder(folder, str, **options)


def test_links_are_followed(folder, tmp_path):
    (tmp_path / "other").mkdir()
    os.symlink(folder / "dog", tmp_path / "other" / "wolf")
    assert ImageFolder(tmp_path / "other").classes == ["wolf"]


def test_a_subclass_may_choose_the_classes(folder):
    class OnlyDogs(ImageFolder):
        def find_classes(self, directory):
            return ["dog"], {"dog": 7}

    assert OnlyDogs(folder).targets == [7, 7, 7]


def test_what_is_missing(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in .*empty"):
        ImageFolder(tmp_path / "empty")
    (folder / "bird").mkdir()
    (folder / "ant").mkdir()
    with pytest.raises(FileNotFoundError, match="valid file for the classes ant, bird. Supported .*: .jpg,"):
        ImageFolder(folder)
    assert ImageFolder(folder, allow_empty=True).targets == [2, 2, 2, 3, 3, 3]


def test_a_damaged_image_is_named(folder):
    (folder / "dog/2.png").write_bytes(b"\x89PNG no")
    with pytest.raises(Exception) as caught:  # noqa: PT011  # Pillow's
        ImageFolder(folder)[5]
    assert "2.png" in "".join(caught.value.__notes__)
    batches = iter(DataLoader(ImageFolder(folder, transforms.ToTensor()), 6))
    with pytest.raises(OSError):
        next(batches)


def test_pillow_is_named_where_it_is_missing(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r'ImageFolder: expected Pillow .*pip install "verigrad\[train\]"'):
        ImageFolder(folder)[0]
    assert datasets.default_loader is datasets.pil_loader
