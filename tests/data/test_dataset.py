"""Datasets: what they hold, and what they refuse."""

import pytest

import verigrad
from verigrad.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Stream(IterableDataset):
    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


class Plain(Dataset):
    """Without any batched method."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if not -self.n <= index < self.n:
            raise IndexError(index)
        return index % self.n


def test_both_paths_give_the_same_names():
    import verigrad.data
    import verigrad.utils.data

    assert verigrad.utils.data.__all__ == verigrad.data.__all__
    for name in verigrad.data.__all__:
        assert getattr(verigrad.utils.data, name) is getattr(verigrad.data, name)


def test_dataset_asks_for_getitem_and_has_no_length():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError):
        len(Dataset())
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())


def test_tensor_dataset():
    dataset = TensorDataset(verigrad.arange(6).reshape(3, 2), verigrad.tensor([5, 6, 7]))
    assert len(dataset) == 3
    row, label = dataset[-1]
    assert row.tolist() == [4, 5]
    assert label.item() == 7
    rows, labels = dataset[1:]
    assert rows.tolist() == [[2, 3], [4, 5]]
    assert labels.tolist() == [6, 7]
    with pytest.raises(IndexError):
        dataset[3]


def test_tensor_dataset_refuses_sizes_that_differ():
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*\[3, 2\]"):
        TensorDataset(verigrad.zeros(3, 2), verigrad.zeros(2))
    with pytest.raises(IndexError):
        TensorDataset(verigrad.tensor(1.0))  # no dimension 0


def test_subset_of_a_subset():
    dataset = TensorDataset(verigrad.arange(10))
    outer = Subset(Subset(dataset, [7, 5, 3, 1]), [0, 3])
    assert len(outer) == 2
    assert [outer[i][0].item() for i in range(2)] == [7, 1]
    assert [item[0].item() for item in outer.__getitems__([1, 0])] == [1, 7]
    assert outer.__getbatch__(verigrad.tensor([1, 0]))[0].tolist() == [1, 7]


def test_subset_uses_getitems_of_the_dataset_below():
    class Listed(Plain):
        def __getitems__(self, indices):
            return [("listed", index) for index in indices]

    assert Subset(Listed(5), [4, 2]).__getitems__([1]) == [("listed", 2)]
    assert Subset(Plain(5), [4, 2]).__getitems__([1]) == [2]


def test_subset_with_a_half_overridden_subclass_is_refused():
    class Half(Subset):
        def __getitem__(self, index):
            return -1

    with pytest.raises(NotImplementedError, match="Half.*__getitems__"):
        Half(Plain(3), [0])

    class Whole(Half):
        def __getitems__(self, indices):
            return [self[i] for i in indices]

    assert Whole(Plain(3), [0]).__getitems__([0]) == [-1]


def test_concat():
    both = Plain(2) + Plain(3)
    assert isinstance(both, ConcatDataset)
    assert both.cumulative_sizes == [2, 5]
    assert [both[i] for i in range(5)] == [0, 1, 0, 1, 2]
    assert both[-1] == 2
    assert both[-5] == 0
    with pytest.raises(ValueError, match="absolute value of index"):
        both[-6]
    with pytest.raises(IndexError, match="below 5, got 5"):
        both[5]
    assert list(both) == [0, 1, 0, 1, 2]  # through __getitem__ until IndexError


def test_concat_refuses_nothing_and_streams():
    with pytest.raises(AssertionError, match="empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Plain(2), Stream([1])])


def test_chain():
    both = Stream([1, 2]) + Stream([3])
    assert isinstance(both, ChainDataset)
    assert list(both) == [1, 2, 3]
    assert len(both) == 3
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([Plain(1)]))


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([3, 7], [3, 7]),
        ([10, 0], [10, 0]),
        ([0.5, 0.5], [5, 5]),
        ([0.33, 0.33, 0.34], [4, 3, 3]),
        ([1.0], [10]),
    ],
)
def test_random_split_sizes(lengths, sizes):
    parts = random_split(Plain(10), lengths, generator=verigrad.Generator().manual_seed(1))
    assert [len(part) for part in parts] == sizes
    assert sorted(value for part in parts for value in part) == list(range(10))


def test_random_split_is_fixed_by_the_generator():
    first, second = (
        [part.indices for part in random_split(Plain(50), [20, 30], verigrad.Generator().manual_seed(3))]
        for _ in range(2)
    )
    assert first == second
    assert first[0] != sorted(first[0])
    verigrad.manual_seed(5)
    by_default = random_split(Plain(50), [50])[0].indices
    verigrad.manual_seed(5)
    assert random_split(Plain(50), [50])[0].indices == by_default


@pytest.mark.parametrize("lengths", [[3, 6], [0.5, 0.2], [2.5, 7.5], [-1, 11], []])
def test_random_split_refuses_sizes_that_do_not_add_up(lengths):
    with pytest.raises(ValueError):
        random_split(Plain(10), lengths)


def test_random_split_refuses_fractions_outside_0_to_1():
    with pytest.raises(ValueError, match="Fraction at index 0"):
        random_split(Plain(10), [-0.5, 1.5])


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(Plain(1), [0.6, 0.4])


def test_a_loader_over_random_split_reads_each_sample_once():
    dataset = TensorDataset(verigrad.arange(11))
    parts = random_split(dataset, [4, 7])
    seen = [
        value for part in parts for (batch,) in DataLoader(part, batch_size=3) for value in batch.tolist()
    ]
    assert sorted(seen) == list(range(11))


def test_concat_leaves_a_negative_index_as_it_is():
    both = ConcatDataset([[10, 11], [12]])
    index = verigrad.tensor(-1)
    assert both[index] == 12 and index.item() == -1


def test_stack():
    pairs = StackDataset(Plain(3), "abc")
    assert len(pairs) == 3 and pairs[1] == (1, "b")
    named = StackDataset(number=Plain(3), letter="abc")
    assert named[2] == {"number": 2, "letter": "c"}
    assert named.__getitems__([0, 2]) == [{"number": 0, "letter": "a"}, {"number": 2, "letter": "c"}]
    (batch,) = DataLoader(named, 3)
    assert batch["number"].tolist() == [0, 1, 2] and batch["letter"] == ["a", "b", "c"]

    class Listed(Plain):
        def __getitems__(self, indices):
            return [("listed", index) for index in indices[: self.n]]

    assert StackDataset(Listed(3), Plain(3)).__getitems__([1]) == [(("listed", 1), 1)]
    short = StackDataset(Listed(3), Plain(3))
    short.datasets[0].n = 1
    with pytest.raises(ValueError, match="output size mismatch. Expected 2, got 1"):
        short.__getitems__([0, 1])


def test_stack_refusals_are_those_of_pytorch():
    peer = pytest.importorskip("torch.utils.data")
    for parts, named in (((), {}), (("ab", "abc"), {}), ((), {"a": "ab", "b": ""}), (("ab",), {"a": "ab"})):
        with pytest.raises(ValueError):
            peer.StackDataset(*parts, **named)
        with pytest.raises(ValueError, match="both types|Size mismatch|At least one"):
            StackDataset(*parts, **named)


def test_getitems_that_gives_another_number_of_samples():
    class Short(Plain):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="expected 2 samples from __getitems__ of Short, got 1"):
        next(iter(DataLoader(Short(4), 2)))
