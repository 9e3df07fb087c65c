"""Padded and packed sequences."""

import numpy as np
import pytest

import verigrad as vg
from verigrad.nn.utils import rnn as tools

LENGTHS = [4, 3, 3, 1]


def numbers(*shape):
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def same(a, b):
    """Equal tensors of either library, or None twice."""
    if a is None or b is None:
        assert a is None and b is None
        return
    assert tuple(a.shape) == tuple(b.shape) and str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, [3, 1, 4, 2], [2, 2, 2, 2], [1, 5, 4, 3]])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_packing_is_that_of_torch(batch_first, lengths, shape):
    torch = pytest.importorskip("torch")
    x = numbers(*((4, 5) if batch_first else (5, 4)), *shape)
    in_order = lengths == sorted(lengths, reverse=True)
    found = []
    for lib, module in ((vg, tools), (torch, torch.nn.utils.rnn)):
        given = lib.tensor(x).requires_grad_()
        packed = module.pack_padded_sequence(given, lengths, batch_first, enforce_sorted=in_order)
        back, counts = module.pad_packed_sequence(packed, batch_first, padding_value=-1.0, total_length=6)
        (back * back).sum().backward()
        short, _ = module.pad_packed_sequence(packed)
        found.append([*packed, back, counts, short, given.grad])
    for a, b in zip(*found, strict=True):
        same(a, b)
    np.testing.assert_array_equal(found[0][5].numpy(), lengths)


def test_lengths_may_be_a_tensor():
    x = vg.tensor(numbers(5, 4))
    expected = tools.pack_padded_sequence(x, LENGTHS)
    for dtype in (vg.int64, vg.int32):
        for a, b in zip(
            tools.pack_padded_sequence(x, vg.tensor(LENGTHS, dtype=dtype)), expected, strict=True
        ):
            same(a, b)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_padding_is_that_of_torch(batch_first, side, shape):
    torch = pytest.importorskip("torch")
    found = []
    for lib, module in ((vg, tools), (torch, torch.nn.utils.rnn)):
        rows = [lib.tensor(numbers(n, *shape)).requires_grad_() for n in (2, 4, 0, 1)]
        padded = module.pad_sequence(rows, batch_first, -2.5, side)
        (padded * padded).sum().backward()
        found.append([padded, *(r.grad for r in rows)])
    for a, b in zip(*found, strict=True):
        same(a, b)


def test_padding_keeps_the_first_dtype_and_takes_a_tensor():
    padded = tools.pad_sequence([vg.tensor([1, 2]), vg.tensor([1.5])], padding_value=7)
    assert padded.dtype is vg.int64 and padded.tolist() == [[1, 1], [2, 7]]
    assert tools.pad_sequence(vg.tensor([[1, 2], [3, 4]])).tolist() == [[1, 3], [2, 4]]
    assert tools.pad_sequence(vg.tensor(n) for n in ([1], [2])).tolist() == [[1, 2]]


@pytest.mark.parametrize("batch_first", [False, True])
def test_what_was_padded_comes_back(batch_first):
    rows = [vg.tensor(numbers(n, 2)) for n in (3, 1, 4)]
    padded = tools.pad_sequence(rows, batch_first)
    shape = tuple(padded.shape)
    for a, b in zip(tools.unpad_sequence(padded, vg.tensor([3, 1, 4]), batch_first), rows, strict=True):
        same(a, b)
    assert tuple(padded.shape) == shape
    with pytest.raises(ValueError, match="shorter|argument 2"):
        tools.unpad_sequence(padded, vg.tensor([3, 1]), batch_first)


def test_what_was_packed_comes_back():
    rows = [vg.tensor(numbers(n, 2)) for n in (3, 1, 4)]
    packed = tools.pack_sequence(rows, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 2, 1] and packed.sorted_indices.tolist() == [2, 0, 1]
    for a, b in zip(tools.unpack_sequence(packed), rows, strict=True):
        same(a, b)
    longest_first = [rows[2], rows[0], rows[1]]
    packed = tools.pack_sequence(longest_first)
    assert packed.sorted_indices is None and packed.unsorted_indices is None
    for a, b in zip(tools.unpack_sequence(packed), longest_first, strict=True):
        same(a, b)


def test_a_packed_sequence_is_a_tuple_of_four():
    data, sizes, order = vg.tensor(numbers(3)), vg.tensor([2, 1]), vg.tensor([1, 0])
    packed = tools.PackedSequence(data, sizes, order)
    assert isinstance(packed, tuple) and packed.data is data and packed.batch_sizes is sizes
    assert packed.unsorted_indices.tolist() == [1, 0]
    assert tools.PackedSequence((data, sizes)).sorted_indices is None
    assert tools.PackedSequence(data, sizes, order, order).unsorted_indices is order


def test_a_packed_sequence_changes_dtype_and_device():
    packed = tools.pack_sequence([vg.tensor([1.5]), vg.tensor([2.5, 3.5])], enforce_sorted=False)
    for name, dtype in (("double", "float64"), ("long", "int64"), ("int", "int32"), ("byte", "uint8")):
        other = getattr(packed, name)()
        assert isinstance(other, tools.PackedSequence) and other.data.dtype is getattr(vg, dtype)
        same(other.batch_sizes, packed.batch_sizes)
        same(other.sorted_indices, packed.sorted_indices)
        same(other.unsorted_indices, packed.unsorted_indices)
    assert packed.to(vg.float32) is packed and packed.cpu() is packed and packed.float() is packed
    assert not packed.is_cuda and not packed.is_pinned()


def test_permutations_are_inverted():
    order = vg.tensor([2, 0, 3, 1])
    assert tools.invert_permutation(order).tolist() == [1, 3, 0, 2]
    assert tools.invert_permutation(order)[order].tolist() == [0, 1, 2, 3]
    assert tools.invert_permutation(None) is None


X = numbers(5, 4)
REFUSED = [
    ("decreasing order", X, [1, 2, 3, 4], {}),
    ("len.lengths.*3 .batch_size=4.", X, [3, 2, 1], {}),
    ("len.lengths.*4 .batch_size=5.", X, [4, 3, 2, 1], {"batch_first": True}),
    ("greater than 0.*<= 0: 0", X, [3, 2, 1, 0], {}),
    ("greater than 0.*<= 0: -1", X, [3, -1, 2, 1], {"enforce_sorted": False}),
    ("1D CPU int64 tensor.*2D", X, [[3, 2, 1, 1]], {}),
    ("at least one sequence", numbers(5, 0), [], {}),
]


@pytest.mark.parametrize(("match", "x", "lengths", "options"), REFUSED)
def test_lengths_that_are_refused(match, x, lengths, options):
    with pytest.raises(RuntimeError, match=match):
        tools.pack_padded_sequence(vg.tensor(x), lengths, **options)
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError):
        torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths, **options)


def test_other_refusals():
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        tools.pack_padded_sequence(vg.zeros(3), [3])
    with pytest.raises(RuntimeError, match="number of steps, 5, got 6"):  # PyTorch cuts the sequence
        tools.pack_padded_sequence(vg.tensor(X), [6, 2, 1, 1])
    packed = tools.pack_padded_sequence(vg.tensor(X), LENGTHS)
    with pytest.raises(ValueError, match="total_length=3 and max sequence length being 4"):
        tools.pad_packed_sequence(packed, total_length=3)
    with pytest.raises(AssertionError, match="pair"):
        tools.PackedSequence(vg.zeros(3))
    with pytest.raises(RuntimeError, match="iterable.*int"):
        tools.pad_sequence(3)
    with pytest.raises(RuntimeError, match="empty"):
        tools.pad_sequence([])
    with pytest.raises(RuntimeError, match="padding_side.*middle"):
        tools.pad_sequence([vg.zeros(2)], padding_side="middle")
    with pytest.raises(RuntimeError, match="0-d"):
        tools.pad_sequence([vg.tensor(1.0)])
    with pytest.raises(RuntimeError, match=r"\[2, 3\].*\[2, 4\]"):
        tools.pad_sequence([vg.zeros(2, 3), vg.zeros(2, 4)])
