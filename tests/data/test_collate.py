"""default_collate and default_convert: types, dtypes, and parity with PyTorch."""

import collections

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import default_collate, default_convert

Point = collections.namedtuple("Point", ["x", "y"])


class Tagged(dict):
    tag = "kept"


class Strange(collections.UserList):
    def __copy__(self):
        raise TypeError


def test_numbers_and_strings():
    assert default_collate([1, 2]).dtype == verigrad.int64
    assert default_collate([1, 2]).tolist() == [1, 2]
    assert default_collate([1.5, 2.0]).dtype == verigrad.float64
    assert default_collate([True, False]).dtype == verigrad.bool
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a"]) == [b"a"]


def test_tensors_are_stacked():
    batch = default_collate([verigrad.ones(2, 3), verigrad.zeros(2, 3)])
    assert tuple(batch.shape) == (2, 2, 3)
    assert batch.sum().item() == 6
    with pytest.raises(RuntimeError):
        default_collate([verigrad.ones(2), verigrad.ones(3)])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_numpy(dtype):
    batch = default_collate([np.ones((2, 2), dtype), np.zeros((2, 2), dtype)])
    assert str(batch.dtype).endswith(dtype)
    assert tuple(batch.shape) == (2, 2, 2)
    scalars = default_collate([np.dtype(dtype).type(1), np.dtype(dtype).type(0)])
    assert str(scalars.dtype).endswith(dtype)
    assert [float(value) for value in scalars.tolist()] == [1, 0]


def test_numpy_arrays_are_copied_whatever_their_layout():
    array = np.arange(6.0).reshape(2, 3)
    array.flags.writeable = False
    batch = default_collate([array.T, array[::-1].T])
    assert batch[0].tolist() == array.T.tolist()
    assert batch[1].tolist() == array[::-1].T.tolist()


@pytest.mark.parametrize(
    "bad", [np.array(["a"]), np.array([object()]), np.array([b"a"]), object(), {1, 2}, None]
)
def test_what_cannot_be_merged(bad):
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy arrays, numbers"):
        default_collate([bad, bad])


def test_labels_of_different_types():
    for batch, message in (
        ([1, "a"], "the first sample is 1, got 'a' as number 1"),
        ([0.5, 1, None], "the first sample is 0.5, got None as number 2"),
    ):
        with pytest.raises(TypeError, match=f"default_collate: expected numbers, as {message} of the batch"):
            default_collate(batch)
    with pytest.raises(RuntimeError, match="overflow"):
        default_collate([1, 2**70])


def test_containers():
    merged = default_collate([{"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]}])
    assert merged["a"].tolist() == [1, 2]
    assert type(merged["b"]) is list
    assert merged["b"][0].tolist() == [1.0, 3.0]
    assert type(default_collate([(1, 2), (3, 4)])) is list  # as in PyTorch
    point = default_collate([Point(1, 2), Point(3, 4)])
    assert type(point) is Point
    assert point.y.tolist() == [2, 4]
    tagged = default_collate([Tagged(a=1), Tagged(a=2)])
    assert type(tagged) is Tagged
    assert tagged["a"].tolist() == [1, 2]
    assert default_collate([Strange([1]), Strange([2])])[0].tolist() == [1, 2]


def test_the_samples_stay_as_they_were():
    sample = {"a": 1}
    default_collate([sample, {"a": 2}])
    assert sample == {"a": 1}
    listed = Tagged(a=1)
    default_collate([listed])
    assert listed == {"a": 1}


def test_sequences_of_different_length():
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [1]])


def test_convert():
    array = np.arange(3.0)
    assert default_convert(array).tolist() == [0.0, 1.0, 2.0]
    assert default_convert(5) == 5
    assert default_convert("text") == "text"
    tensor = verigrad.ones(2)
    assert default_convert(tensor) is tensor
    assert default_convert(Point(array, 1)).x.tolist() == [0.0, 1.0, 2.0]
    assert type(default_convert((array,))) is list
    assert default_convert({"a": [array, "b"]})["a"][1] == "b"
    assert default_convert(np.array(["a"]))[0] == "a"
    assert default_convert(np.float64(2.5)).item() == 2.5


def test_parity_with_pytorch():
    torch = pytest.importorskip("torch")
    import torch.utils.data as peer

    batches = [
        [1, 2],
        [True, False],
        [0.5, 1.5],
        ["a", "b"],
        [(1, 2.0), (3, 4.0)],
        [[1, 2.0], [3, 4.0]],
        [{"a": 1, "b": (1, "x")}, {"a": 2, "b": (2, "y")}],
        [Point(1, 2.0), Point(3, 4.0)],
        [np.arange(3), np.arange(3)],
        [np.float32(1), np.float32(2)],
        [np.int64(1), np.int64(2)],
    ]

    def plain(value):
        if isinstance(value, verigrad.Tensor | torch.Tensor):
            return str(value.dtype).split(".")[-1], value.tolist()
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return type(value).__name__, [plain(entry) for entry in value]
        return value

    for batch in batches:
        assert plain(default_collate(batch)) == plain(peer.default_collate(batch))
        assert plain(default_convert(batch)) == plain(peer.default_convert(batch))
