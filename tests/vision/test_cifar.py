"""CIFAR-10 and CIFAR-100: the files of the publisher, read without executing them."""

import hashlib
import io
import os
import pickle
import pickletools
import tarfile

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import DataLoader
from verigrad.vision import datasets, transforms
from verigrad.vision.datasets.cifar import read_batch

NORMALIZED = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))]
)


def batch_of(count, seed, labels="labels", classes=10, protocol=2):
    dice = np.random.default_rng(seed)
    pixels = dice.integers(0, 256, (count, 3072), dtype=np.uint8)
    return {
        b"batch_label": b"part",
        labels.encode(): dice.integers(0, classes, count).tolist(),
        b"data": pixels,
        b"filenames": [b"x.png"] * count,
    }


def put(cls, folder, monkeypatch, protocol=2):
    """Small files in the format of *cls*, which takes their checksums for the right ones."""
    folder.mkdir(parents=True, exist_ok=True)
    fine = cls is datasets.CIFAR100
    key, classes = ("fine_labels", 100) if fine else ("labels", 10)

    def write(name, content):
        body = pickle.dumps(content, protocol)
        (folder / name).write_bytes(body)
        return hashlib.md5(body).hexdigest()

    made = {}
    for attribute in ("train_list", "test_list"):
        entries = []
        for number, (name, _) in enumerate(getattr(cls, attribute)):
            made[name] = batch_of(4, number, key, classes)
            entries.append([name, write(name, made[name])])
        monkeypatch.setattr(cls, attribute, entries)
    meta = {cls.meta["key"].encode(): [b"c%d" % i for i in range(classes)]}
    monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": write(cls.meta["filename"], meta)})
    return made


@pytest.mark.parametrize("cls", [datasets.CIFAR10, datasets.CIFAR100])
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("below", [True, False])
def test_data_and_targets(cls, tmp_path, monkeypatch, protocol, below):
    made = put(cls, tmp_path / cls.base_folder if below else tmp_path, monkeypatch, protocol)
    dataset = cls(tmp_path)
    names = [name for name, _ in cls.train_list]
    pixels = np.concatenate([made[name][b"data"] for name in names])
    key = b"fine_labels" if cls is datasets.CIFAR100 else b"labels"
    assert dataset.data.shape == (4 * len(names), 32, 32, 3) and dataset.data.dtype == np.uint8
    assert np.array_equal(dataset.data.transpose(0, 3, 1, 2).reshape(-1, 3072), pixels)
    assert dataset.targets == [label for name in names for label in made[name][key]]
    assert dataset.classes[1] == "c1" and dataset.class_to_idx["c1"] == 1
    assert len(cls(str(tmp_path), train=False)) == 4
    assert repr(cls(tmp_path, train=False)).endswith("Split: Test")


def test_samples_and_the_batched_path(tmp_path, monkeypatch):
    image_module = pytest.importorskip("PIL.Image")
    put(datasets.CIFAR10, tmp_path, monkeypatch)
    plain = datasets.CIFAR10(tmp_path)
    image, label = plain[-1]
    assert isinstance(image, image_module.Image) and (image.mode, image.size) == ("RGB", (32, 32))
    assert np.array_equal(np.asarray(image), plain.data[-1]) and label == plain.targets[-1]
    for chain in (transforms.ToTensor(), NORMALIZED):
        fast = datasets.CIFAR10(tmp_path, transform=chain)
        slow = datasets.CIFAR10(tmp_path, transform=lambda image, chain=chain: chain(image))
        for left, right in zip(DataLoader(fast, 7), DataLoader(slow, 7), strict=True):
            assert left[0].numpy().tobytes() == right[0].numpy().tobytes()
            assert left[0].shape[1:] == (3, 32, 32) and left[1].tolist() == right[1].tolist()
        assert verigrad.equal(fast[3][0], slow[3][0])
    index = verigrad.tensor([0])
    shifted = datasets.CIFAR10(tmp_path, transform=NORMALIZED, target_transform=lambda label: label + 100)
    assert shifted.__getbatch__(index) is NotImplemented and shifted[0][1] >= 100
    assert slow.__getbatch__(index) is NotImplemented
    replaced = datasets.CIFAR10(tmp_path, transform=transforms.ToTensor())
    replaced.data, replaced.targets = replaced.data[:2], (3, 5)
    assert next(iter(DataLoader(replaced, 2)))[1].tolist() == [3, 5]


def test_what_is_not_found_or_altered(tmp_path, monkeypatch, cache):
    with pytest.raises(
        RuntimeError, match="Dataset not found or corrupted. You can use .*data_batch_1"
    ) as error:
        datasets.CIFAR10(tmp_path)
    assert str(cache) in str(error.value)
    put(datasets.CIFAR10, cache / "cifar-10-batches-py", monkeypatch)
    assert len(datasets.CIFAR10()) == 20
    path = cache / "cifar-10-batches-py" / "data_batch_3"
    damaged = bytearray(path.read_bytes())
    damaged[500] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(RuntimeError, match="not found or corrupted.*data_batch_3 to have MD5"):
        datasets.CIFAR10()
    assert len(datasets.CIFAR10(train=False)) == 4  # the files that it needs


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Evil(), "got: (posix|nt).system"),
        ({b"data": np.array([Evil()], dtype=object)}, "got: "),
        ({b"data": np.ones((1, 3072), np.float32), b"labels": [1]}, "another type than uint8"),
        ({b"data": np.ones((1, 3071), np.uint8), b"labels": [1]}, "expected batches of CIFAR"),
        ({b"data": np.asfortranarray(np.ones((2, 3072), np.uint8)), b"labels": [1, 1]}, "another type"),
        ({b"data": np.ones((1, 3072), np.uint8), b"labels": [1, 2]}, "got 2 labels and 1 images"),
        ({b"data": np.ones((1, 3072), np.uint8), b"labels": [10]}, "expected labels from 0 to 9"),
        ({b"data": np.ones((1, 3072), np.uint8), b"labels": ["x"]}, "expected batches of CIFAR"),
        ({b"data": [1, 2], b"labels": [1]}, "expected batches of CIFAR"),
        ({b"labels": [1]}, "expected batches of CIFAR.*'data'"),
        ([1, 2], "expected a dict"),
    ],
)
def test_hostile_and_foreign_pickles(tmp_path, monkeypatch, content, message):
    put(datasets.CIFAR10, tmp_path, monkeypatch)
    body = pickle.dumps(content, 2)
    (tmp_path / "test_batch").write_bytes(body)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", hashlib.md5(body).hexdigest()]])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=f"(?s)CIFAR.*{message}"):
        datasets.CIFAR10(tmp_path, train=False)
    assert not (tmp_path / "executed").exists()


def test_truncated_pickles(tmp_path):
    body = pickletools.optimize(pickle.dumps(batch_of(1, 0), 2))
    for length in [*range(0, 300), len(body) - 1]:
        with pytest.raises(RuntimeError, match="CIFAR: expected"):
            read_batch(body[:length], tmp_path / "x")


def test_download(server, tmp_path, monkeypatch):
    made = put(datasets.CIFAR100, tmp_path / "source", monkeypatch)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in [*made, "meta"]:
            archive.add(tmp_path / "source" / name, f"cifar-100-python/{name}")
    server.answers["/cifar.tar.gz"] = content.getvalue()
    monkeypatch.setattr(datasets.CIFAR100, "url", f"{server.address}cifar.tar.gz")
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", hashlib.md5(content.getvalue()).hexdigest())
    assert len(datasets.CIFAR100(tmp_path / "root", download=True)) == 4
    assert sorted(os.listdir(tmp_path / "root/cifar-100-python")) == ["meta", "test", "train"]
    server.requests.clear()
    datasets.CIFAR100(tmp_path / "root", train=False, download=True)
    assert server.requests == []
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", "0" * 32)
    with pytest.raises(RuntimeError, match="Error downloading .*expected a file with MD5 000"):
        datasets.CIFAR100(tmp_path / "other", download=True)
    assert list((tmp_path / "other" / "cifar-100-python").iterdir()) == []


def test_checksums_have_the_form_of_checksums():
    for cls in (datasets.CIFAR10, datasets.CIFAR100):
        entries = [cls.tgz_md5, cls.meta["md5"], *(md5 for _, md5 in cls.train_list + cls.test_list)]
        assert all(len(md5) == 32 and int(md5, 16) for md5 in entries)
