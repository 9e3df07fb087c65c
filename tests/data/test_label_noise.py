"""Wrong labels on purpose."""

import math

import pytest

import verigrad as vg
from verigrad.data import DataLoader, Dataset, LabelNoise, Subset, TensorDataset, noisy_labels

N, CLASSES = 60_000, 10


def seeded(seed=0):
    return vg.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [vg.int64, vg.int32, vg.uint8])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_labels_of_a_batch(dtype, p):
    labels = (vg.arange(N) % CLASSES).to(dtype)
    noisy = noisy_labels(labels, p, CLASSES, seeded())
    assert noisy.dtype == dtype and noisy.shape == labels.shape
    assert vg.equal(labels, (vg.arange(N) % CLASSES).to(dtype))
    assert vg.equal(noisy, noisy_labels(labels, p, CLASSES, seeded()))
    # A drawn label is the old one in a tenth of the cases; within five standard errors.
    rate = p * (1 - 1 / CLASSES)
    changed = (noisy != labels).sum().item() / N
    assert abs(changed - rate) <= 5 * math.sqrt(rate * (1 - rate) / N)
    # Where drawn, all classes are as frequent.
    for label in range(CLASSES):
        share = (noisy[labels == 0] == label).sum().item() / (N / CLASSES)
        expected = p / CLASSES + (1 - p) * (label == 0)
        assert abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / (N / CLASSES)) + 1e-12


def test_other_shapes_and_the_default_generator():
    labels = vg.zeros(3, 40, dtype=vg.int64)
    vg.manual_seed(1)
    noisy = noisy_labels(labels, 1.0, 5)
    assert noisy.shape == (3, 40) and set(noisy.reshape(-1).tolist()) == set(range(5))
    assert noisy_labels(labels[:0], 0.5, 5).shape == (0, 40)


@pytest.mark.parametrize(
    ("labels", "p", "classes", "error", "message"),
    [
        ([0, 1], 0.1, 3, TypeError, "expected labels to be a tensor of integers, got list"),
        (vg.zeros(2), 0.1, 3, TypeError, "expected labels to be a tensor of integers, got verigrad.float32"),
        (vg.zeros(2, dtype=vg.bool), 0.1, 3, TypeError, "got verigrad.bool"),
        (vg.arange(2), -0.1, 3, ValueError, r"expected p within \[0, 1\], got -0.1"),
        (vg.arange(2), math.nan, 3, ValueError, r"expected p within \[0, 1\], got nan"),
        (vg.arange(2), 0.1, 0, ValueError, "expected num_classes to be at least 1, got 0"),
        (vg.arange(4), 0.1, 3, ValueError, r"expected labels within \[0, 2\], got 0 to 3"),
        (vg.arange(4) - 1, 0.1, 3, ValueError, r"expected labels within \[0, 2\], got -1 to 2"),
    ],
)
def test_bad_labels(labels, p, classes, error, message):
    with pytest.raises(error, match="noisy_labels: .*" + message):
        noisy_labels(labels, p, classes)


# Datasets.


class Pairs(Dataset):
    """Plain Python labels, one by one."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return vg.tensor([float(index)]), index % CLASSES


def tensors(count):
    return TensorDataset(vg.arange(count).float().reshape(-1, 1), vg.arange(count) % CLASSES)


@pytest.mark.parametrize("make", [Pairs, tensors])
def test_the_labels_of_a_dataset_are_wrong_for_good(make):
    clean = make(500)
    noisy = LabelNoise(clean, 0.4, CLASSES, seeded(5))
    assert len(noisy) == 500 and 150 < noisy.replaced.sum().item() < 250
    expected = vg.where(noisy.replaced, noisy.drawn, vg.arange(500) % CLASSES)
    for _ in range(2):
        x, y = next(iter(DataLoader(noisy, batch_size=500)))
        assert vg.equal(y, expected) and vg.equal(x, vg.arange(500).float().reshape(-1, 1))
        one_by_one = [noisy[index] for index in range(500)]
        assert [int(label) for _, label in one_by_one] == expected.tolist()
        assert all(type(label) is type(clean[0][1]) for _, label in one_by_one)
    again = LabelNoise(clean, 0.4, CLASSES, seeded(5))
    assert vg.equal(again.replaced, noisy.replaced) and vg.equal(again.drawn, noisy.drawn)
    assert noisy[-1][1] == expected[-1].item()


def test_batches_are_gathered_natively():
    noisy = LabelNoise(Subset(tensors(50), list(range(10, 40))), 0.5, CLASSES, seeded())
    indices = vg.tensor([3, 29, 3, 0])
    x, y = noisy.__getbatch__(indices)
    assert x.reshape(-1).tolist() == [13, 39, 13, 10]
    assert y.tolist() == [int(noisy[int(i)][1]) for i in indices]
    nested = LabelNoise(noisy, 0.5, CLASSES, seeded(1))
    assert nested.__getbatch__(indices)[1].tolist() == [int(nested[int(i)][1]) for i in indices]
    # Without a batched path below, or with labels of another kind, samples are fetched one by one.
    assert LabelNoise(Pairs(5), 0.5, CLASSES).__getbatch__(indices) is NotImplemented
    floats = TensorDataset(vg.zeros(5, 1), vg.zeros(5))
    assert LabelNoise(floats, 0.5, CLASSES).__getbatch__(vg.arange(3)) is NotImplemented
    assert LabelNoise(TensorDataset(vg.zeros(5)), 0.5, CLASSES).__getbatch__(vg.arange(3)) is NotImplemented


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (TensorDataset(vg.zeros(3)), "expected samples of an input and a label, got tuple"),
        (["abc"], "expected samples of an input and a label, got str"),
        (TensorDataset(vg.zeros(3), vg.zeros(3)), "expected the label to be an int, got Tensor"),
        (
            TensorDataset(vg.zeros(3), vg.zeros(3, dtype=vg.bool)),
            "expected the label to be an int, got Tensor",
        ),
        (TensorDataset(vg.zeros(3), vg.zeros(3, 2, dtype=vg.int64)), "expected the label to be an int"),
        ([(1, "cat")], "expected the label to be an int, got str"),
    ],
)
def test_samples_of_another_kind(dataset, message):
    with pytest.raises(TypeError, match="LabelNoise: " + message):
        LabelNoise(dataset, 0.5, CLASSES)[0]


def test_bad_options():
    with pytest.raises(ValueError, match="LabelNoise: expected p"):
        LabelNoise(Pairs(3), 2, CLASSES)
    with pytest.raises(ValueError, match="LabelNoise: expected num_classes"):
        LabelNoise(Pairs(3), 0.1, 0)
