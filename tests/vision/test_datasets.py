"""MNIST, FashionMNIST and MNISTMini: where they look, what they check, and what a sample is."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import DataLoader, Subset
from verigrad.vision import datasets, transforms
from verigrad.vision.idx import write_idx

FULL = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
needs_full = pytest.mark.skipif(
    not FULL.is_dir(), reason="the full MNIST files are not beside the repository"
)


def same_bits(left, right):
    return all(
        a.dtype == b.dtype and tuple(a.shape) == tuple(b.shape) and a.numpy().tobytes() == b.numpy().tobytes()
        for a, b in zip(left, right, strict=True)
    )


# Where the files are found


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("below", ["", "MNIST/raw"])
@pytest.mark.parametrize("train", [True, False])
def test_the_given_folder(small, tmp_path, zipped, below, train):
    root = tmp_path / "root"
    small.put(root / below, zipped=zipped)
    dataset = datasets.MNIST(str(root), train=train)
    assert len(dataset) == (7 if train else 3)
    assert dataset.data.dtype == verigrad.uint8
    assert tuple(dataset.data.shape) == (len(dataset), 28, 28)
    assert dataset.targets.dtype == verigrad.int64
    images = small.content[("train" if train else "t10k") + "-images-idx3-ubyte"]
    assert dataset.data.numpy().tobytes() == images[16:]


@pytest.mark.parametrize("train", [True, False])
def test_older_names_warn(small, tmp_path, train):
    small.put(tmp_path / "root")
    dataset = datasets.MNIST(tmp_path / "root", train=train)
    for split in ("train", "test"):
        with pytest.warns(UserWarning, match=f"^{split}_data has been renamed data$"):
            assert getattr(dataset, f"{split}_data") is dataset.data
        with pytest.warns(UserWarning, match=f"^{split}_labels has been renamed targets$"):
            assert getattr(dataset, f"{split}_labels") is dataset.targets


def test_the_order_of_places(small, tmp_path, cache):
    root = tmp_path / "root"
    root.mkdir()

    def mark(folder, label):
        small.put(folder)
        write_idx(folder / "train-labels-idx1-ubyte", verigrad.full((7,), label, dtype=verigrad.uint8))

    mark(cache / "MNIST" / "raw", 1)
    assert datasets.MNIST(root).targets.tolist() == [1] * 7
    assert datasets.MNIST().targets.tolist() == [1] * 7
    mark(root / "MNIST" / "raw", 2)
    assert datasets.MNIST(root).targets.tolist() == [2] * 7
    mark(root, 3)
    assert datasets.MNIST(root, download=True).targets.tolist() == [3] * 7
    with pytest.raises(RuntimeError):
        datasets.FashionMNIST()


def test_both_files_come_from_one_folder(small, tmp_path, cache):
    root = tmp_path / "root"
    small.put(root, names=small.names[:1])  # the images alone
    with pytest.raises(RuntimeError, match="together in one of"):
        datasets.MNIST(root)
    small.put(cache / "MNIST" / "raw", zipped=True)
    assert len(datasets.MNIST(root)) == 7


def test_what_is_not_found(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found. You can use download=True") as caught:
        datasets.MNIST(tmp_path / "nothing")
    for place in ("nothing", os.path.join("MNIST", "raw"), "cache", "train-images-idx3-ubyte"):
        assert place in str(caught.value)


def test_raw_folder(tmp_path, small, cache):
    small.put(tmp_path / "root")
    assert datasets.MNIST(tmp_path / "root").raw_folder == tmp_path / "root" / "MNIST" / "raw"
    small.put(cache / "FashionMNIST" / "raw")
    assert datasets.FashionMNIST().raw_folder == cache / "FashionMNIST" / "raw"


# What is checked


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("images", verigrad.zeros(7, 28, 28), "uint8 images"),
        ("images", verigrad.zeros(7, 27, 28, dtype=verigrad.uint8), r"\[N, 28, 28\].*\[7, 27, 28\]"),
        ("images", verigrad.zeros(7, 784, dtype=verigrad.uint8), r"got .* of shape \[7, 784\]"),
        ("images", verigrad.zeros(6, 28, 28, dtype=verigrad.uint8), "7 labels .* and 6 images"),
        ("labels", verigrad.zeros(7, 1, dtype=verigrad.uint8), r"labels of shape \[N\]"),
        ("labels", verigrad.zeros(7, dtype=verigrad.int32), "uint8 labels"),
        ("labels", verigrad.full((7,), 10, dtype=verigrad.uint8), "labels below 10 .* got 10"),
    ],
)
def test_files_with_the_wrong_content(small, name, tensor, message):
    kind = "images-idx3" if name == "images" else "labels-idx1"
    write_idx(small.folder / f"train-{kind}-ubyte", tensor)
    with pytest.raises(ValueError, match=f"MNIST: expected .*{message}"):
        datasets.MNIST(small.folder)


def test_damaged_files_are_not_passed_over(small, cache):
    small.put(cache / "MNIST" / "raw")  # good ones, further down
    path = small.folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="read_idx: expected"):
        datasets.MNIST(small.folder)


def test_fashion_mnist_refuses_the_files_of_mnist(small, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "resources", small.resources)
    for cls in (datasets.FashionMNIST, datasets.KMNIST):
        monkeypatch.setattr(cls, "resources", cls.resources)
        name = cls.__name__
        with pytest.raises(ValueError, match=f"{name}: expected the labels of {name} .* got those of MNIST"):
            cls(small.folder)


@needs_full
def test_fashion_mnist_refuses_the_real_files():
    with pytest.raises(ValueError, match="got those of MNIST"):
        datasets.FashionMNIST(FULL)


# Samples


def test_samples_without_a_transform_are_pil_images(small):
    image_module = pytest.importorskip("PIL.Image")
    dataset = datasets.MNIST(small.folder)
    image, label = dataset[2]
    assert isinstance(image, image_module.Image)
    assert (image.mode, image.size) == ("L", (28, 28))
    assert np.array_equal(np.asarray(image), dataset.data[2].numpy())
    assert type(label) is int
    assert label == dataset.targets[2].item()
    assert np.array_equal(np.asarray(dataset[-5][0]), np.asarray(image))
    for outside in (7, -8):
        with pytest.raises(IndexError):
            dataset[outside]


def test_transforms_see_the_image_and_the_label(small):
    pytest.importorskip("PIL")
    dataset = datasets.MNIST(
        small.folder, transform=lambda image: image.size, target_transform=lambda label: -label
    )
    assert dataset[0] == ((28, 28), -int(dataset.targets[0]))


CHAINS = [
    transforms.ToTensor(),
    transforms.Compose([transforms.ToTensor()]),
    transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]),
    transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize((0.3,), (0.7,)),
            transforms.Normalize((0.1,), (3.0,), True),
        ]
    ),
]


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_the_native_path_is_bit_equal_to_the_one_through_pil(small, chain):
    pytest.importorskip("PIL")
    dataset = datasets.MNIST(small.folder, transform=chain)
    through_pil = datasets.MNIST(small.folder, transform=lambda image: chain(image))
    native = [dataset[i] for i in range(7)]
    assert same_bits([image for image, _ in native], [through_pil[i][0] for i in range(7)])
    for options in ({"batch_size": 3}, {"batch_size": 7}, {"batch_size": 2, "sampler": [6, 0, 0]}):
        fast = list(DataLoader(dataset, **options))
        slow = list(DataLoader(through_pil, **options))
        assert len(fast) == len(slow)
        assert all(same_bits(left, right) for left, right in zip(fast, slow, strict=True))
    subset = next(iter(DataLoader(Subset(dataset, [4, 2]), 2)))
    assert same_bits(subset, next(iter(DataLoader(Subset(through_pil, [4, 2]), 2))))


def test_batches_are_gathered_at_once(small, monkeypatch):
    dataset = datasets.MNIST(small.folder, transform=CHAINS[2])
    fetched = []
    original = datasets.MNIST.__getbatch__
    monkeypatch.setattr(
        datasets.MNIST, "__getbatch__", lambda self, i: fetched.append(len(i)) or original(self, i)
    )
    images, labels = next(iter(DataLoader(dataset, batch_size=4)))
    assert fetched == [4]
    assert tuple(images.shape) == (4, 1, 28, 28)
    assert images.dtype == verigrad.float32
    assert labels.dtype == verigrad.int64


def test_what_the_batched_path_leaves_to_the_other(small):
    class Louder(transforms.ToTensor):
        def __call__(self, pic):
            return 2 * super().__call__(pic)

    pytest.importorskip("PIL")
    index = verigrad.tensor([0])
    for options in (
        {"transform": Louder()},
        {"transform": transforms.Compose([Louder()])},
        {"transform": transforms.Compose([])},
        {"transform": transforms.ToTensor(), "target_transform": lambda label: label + 100},
    ):
        assert datasets.MNIST(small.folder, **options).__getbatch__(index) is NotImplemented
    assert datasets.MNIST(small.folder).__getbatch__(index) is NotImplemented
    louder = datasets.MNIST(small.folder, transform=Louder())
    images, _ = next(iter(DataLoader(louder, 2)))
    assert images.max().item() > 1
    shifted = datasets.MNIST(
        small.folder, transform=transforms.ToTensor(), target_transform=lambda label: label + 100
    )
    assert next(iter(DataLoader(shifted, 7)))[1].min().item() >= 100


def test_a_subclass_with_its_own_getitem_is_respected(small):
    class Labels(datasets.MNIST):
        def __getitem__(self, index):
            return super().__getitem__(index)[1]

    dataset = Labels(small.folder, transform=transforms.ToTensor())
    (batch,) = DataLoader(dataset, 7)
    assert batch.tolist() == dataset.targets.tolist()


def test_replaced_data_and_targets(small):
    dataset = datasets.MNIST(small.folder, transform=transforms.ToTensor())
    dataset.data, dataset.targets = dataset.data[:4], [3, 1, 4, 1]
    assert len(dataset) == 4
    images, labels = next(iter(DataLoader(dataset, 4)))
    assert tuple(images.shape) == (4, 1, 28, 28)
    assert labels.tolist() == [3, 1, 4, 1]


def test_pillow_is_needed_only_for_images(small):
    code = """
import sys
sys.modules["PIL"] = None
from verigrad.vision import datasets, transforms
from verigrad.utils.data import DataLoader
dataset = datasets.MNIST(sys.argv[1], transform=transforms.ToTensor())
dataset[0], next(iter(DataLoader(dataset, 2)))
try:
    datasets.MNIST(sys.argv[1])[0]
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(small.folder)], capture_output=True, text=True, check=True
    )
    assert 'pip install "verigrad[train]"' in done.stdout
    assert "Pillow" in done.stdout


# Names and repr


def test_classes_and_repr(small):
    dataset = datasets.MNIST(str(small.folder), transform=CHAINS[2], target_transform=CHAINS[0])
    assert dataset.classes[7] == "7 - seven"
    assert dataset.class_to_idx["3 - three"] == 3
    assert len(datasets.FashionMNIST.classes) == 10
    assert datasets.FashionMNIST.classes[9] == "Ankle boot"
    assert repr(dataset) == (
        "Dataset MNIST\n"
        "    Number of datapoints: 7\n"
        f"    Root location: {small.folder}\n"
        "    Split: Train\n"
        "    StandardTransform\n"
        "Transform: Compose(\n"
        "               ToTensor()\n"
        "               Normalize(mean=(0.1307,), std=(0.3081,))\n"
        "           )\n"
        "Target transform: ToTensor()"
    )
    assert repr(datasets.MNISTMini(train=False)) == (
        "Dataset MNISTMini\n    Number of datapoints: 1000\n    Split: Test"
    )


def test_resources_are_those_of_the_real_files():
    # The uncompressed sizes follow from the format: 16 or 8 bytes of header, 784 or 1 bytes for each image.
    for cls in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        sizes = [resource.size for resource in cls.resources]
        assert sizes == [16 + 60000 * 784, 8 + 60000, 16 + 10000 * 784, 8 + 10000]
        assert all(len(one.sha256 or "") == 64 or len(one.md5 or "") == 32 for one in cls.resources)


# The bundled data


def test_mnist_mini_is_stratified():
    train, test = datasets.MNISTMini(), datasets.MNISTMini(train=False)
    assert (len(train), len(test)) == (6000, 1000)
    # The shares of the full sets, 60000 and 10000 images, rounded.
    full_train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    full_test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    for dataset, full in ((train, full_train), (test, full_test)):
        counts = np.bincount(dataset.targets.numpy(), minlength=10)
        assert np.abs(counts - np.array(full) / 10).max() < 1
        # Digits are strokes on an empty ground: about a fifth of the pixels is not 0.
        assert 0.15 < (dataset.data.numpy() > 0).mean() < 0.25


def test_the_bundled_files_are_small_and_attributed():
    folder = datasets.MNISTMini().raw_folder
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1_500_000
    text = (folder / "ATTRIBUTION").read_text()
    for part in ("Yann LeCun", "Corinna Cortes", "Christopher J. C. Burges", "CC BY-SA 3.0"):
        assert part in text


def script(*arguments):
    path = Path(__file__).resolve().parents[2] / "scripts" / "make_mnist_mini.py"
    return subprocess.run(
        [sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@needs_full
def test_the_bundled_files_come_from_the_script():
    done = script(FULL, "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_refuses_other_data(small):
    done = script(small.folder, "--check")
    assert done.returncode != 0
    assert "expected train-images-idx3-ubyte with SHA-256" in done.stderr


@needs_full
def test_the_full_set():
    dataset = datasets.MNIST(FULL, transform=transforms.ToTensor())
    assert len(dataset) == 60000
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in dataset.data.shape)
    digest = hashlib.sha256(header + dataset.data.numpy().tobytes()).hexdigest()
    assert digest == datasets.MNIST.resources[0].sha256
    assert len(datasets.MNIST(FULL, train=False)) == 10000
    mini = datasets.MNISTMini()
    assert bool((mini.data[0] == dataset.data).all(2).all(1).any())


def test_pickling_is_possible_as_for_other_datasets(small):
    # Not a format of verigrad: only that the class stands in nobody's way (torch loaders with workers,
    # joblib).
    pytest.importorskip("torch")
    dataset = datasets.MNISTMini(train=False)
    dataset.data = dataset.targets = None
    assert pickle.loads(pickle.dumps(dataset)).train is False


# EMNIST


def emnist_files(folder, split, count=5, highest=1, train=True):
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"emnist-{split}-{'train' if train else 'test'}"
    images = np.random.default_rng(1).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", verigrad.from_numpy(images))
    labels = verigrad.full((count,), highest, dtype=verigrad.uint8)
    write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return images


@pytest.mark.parametrize(
    ("split", "count"),
    [("byclass", 62), ("bymerge", 47), ("balanced", 47), ("letters", 27), ("digits", 10), ("mnist", 10)],
)
def test_emnist_splits(tmp_path, split, count):
    images = emnist_files(tmp_path / "EMNIST" / "raw", split, highest=count - 1)
    dataset = datasets.EMNIST(tmp_path, split, transform=transforms.ToTensor())
    assert len(dataset.classes) == count and len(dataset) == 5
    assert dataset.data.numpy().tobytes() == images.tobytes()
    assert dataset[1][1] == count - 1 and dataset.class_to_idx[dataset.classes[-1]] == count - 1
    assert next(iter(DataLoader(dataset, 5)))[0].shape == (5, 1, 28, 28)
    with pytest.raises(RuntimeError, match=f"emnist-{split}-test-images"):
        datasets.EMNIST(tmp_path, split=split, train=False)
    emnist_files(tmp_path, split, highest=count)
    with pytest.raises(ValueError, match=f"EMNIST: expected labels below {count}"):
        datasets.EMNIST(tmp_path, split)


def test_emnist_classes_and_refusals():
    of = datasets.EMNIST.classes_split_dict
    assert "".join(of["balanced"]) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    assert of["letters"][:3] == ["N/A", "a", "b"] and of["byclass"][9:12] == ["9", "A", "B"]
    for split in ("all", ""):
        with pytest.raises(ValueError, match=f"Unknown value '{split}' for argument split. Valid values are"):
            datasets.EMNIST(split=split)


# FakeData


def test_fake_data():
    pytest.importorskip("PIL")
    before = verigrad.get_rng_state()
    dataset = datasets.FakeData(20, (3, 8, 6), 4, transforms.ToTensor(), lambda label: label + 10)
    image, label = dataset[3]
    assert image.shape == (3, 8, 6) and 10 <= label < 14 and len(dataset) == 20
    assert verigrad.equal(dataset[3][0], image) and verigrad.equal(dataset[-17][0], image)
    assert not verigrad.equal(dataset[4][0], image)
    shifted = datasets.FakeData(20, (3, 8, 6), 4, transforms.ToTensor(), random_offset=1)
    assert verigrad.equal(shifted[2][0], image)
    assert verigrad.equal(verigrad.get_rng_state(), before)
    assert {label for _, label in datasets.FakeData(40, (1, 2, 2), 3)} == {0, 1, 2}
    assert datasets.FakeData(1, (1, 5, 4))[0][0].size == (4, 5)
    for index in (20, -21):
        with pytest.raises(IndexError, match=f"FakeData index out of range: expected below 20, got {index}"):
            dataset[index]
