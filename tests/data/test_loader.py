"""DataLoader: options, order, the batched path against the one-by-one path, streams."""

import itertools

import numpy as np
import pytest

import verigrad
from verigrad.data.position import draw_seed
from verigrad.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)


def seeded(seed=0):
    made = verigrad.Generator()
    made.manual_seed(seed)
    return made


def one_by_one(batch):
    """default_collate, but not the same object: turns the batched path off."""
    return default_collate(batch)


def tensors(n=23):
    return (
        verigrad.rand(n, 1, 3, 4, generator=seeded(1)),
        verigrad.arange(n),
        verigrad.rand(n, dtype=verigrad.float64, generator=seeded(2)) < 0.5,
        verigrad.rand(4, n, generator=seeded(3)).t(),  # not contiguous
        verigrad.zeros(n, 0),
    )


class Counting(Dataset):
    """Counts how its samples are fetched."""

    def __init__(self, n=10):
        self.values = verigrad.arange(n)
        self.calls = []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        self.calls.append("item")
        return self.values[index]

    def __getitems__(self, indices):
        self.calls.append("items")
        return [self.values[index] for index in indices]

    def __getbatch__(self, indices):
        self.calls.append("batch")
        return self.values.index_select(0, indices)


class Stream(IterableDataset):
    def __init__(self, n, claims=None):
        self.n = n
        self.claims = n if claims is None else claims

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.claims


# Order and batches


@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("nest", [0, 1, 2])
def test_the_batched_path_is_bit_equal_to_the_other(same, batch_size, drop_last, shuffle, nest):
    dataset = TensorDataset(*tensors())
    for level in range(nest):
        dataset = Subset(dataset, list(range(len(dataset) - 1, level, -2)))
    options = {"batch_size": batch_size, "shuffle": shuffle, "drop_last": drop_last}
    fast = DataLoader(dataset, generator=seeded(9), **options)
    slow = DataLoader(dataset, generator=seeded(9), collate_fn=one_by_one, **options)
    for _ in range(2):
        left, right = list(fast), list(slow)
        assert len(left) == len(fast) == len(right)
        assert same(left, right)


@pytest.mark.parametrize("indices", [(3, 1, 4), range(1, 9, 2), [3, 3], np.array([4, 2, 0]), "tensor", []])
def test_subset_indices_of_every_kind(same, indices):
    if isinstance(indices, str):
        indices = verigrad.tensor([5, 0, 2])
    dataset = Subset(TensorDataset(*tensors()), indices)
    assert same(list(DataLoader(dataset, 2)), list(DataLoader(dataset, 2, collate_fn=one_by_one)))


def test_negative_indices_are_those_of_the_dataset(same):
    dataset = Subset(TensorDataset(*tensors()), [-1, 2, -3])
    assert same(list(DataLoader(dataset, 2)), list(DataLoader(dataset, 2, collate_fn=one_by_one)))
    batches = list(DataLoader(TensorDataset(verigrad.arange(5)), sampler=[-1, 0], batch_size=2))
    assert batches[0][0].tolist() == [4, 0]


def test_every_kind_of_sampler_gives_the_same_batches_on_both_paths(same):
    dataset = TensorDataset(*tensors())
    choices = [
        lambda: {"sampler": [3, 1, 2], "batch_size": 2},
        lambda: {"sampler": RandomSampler(dataset, True, 40, seeded(4)), "batch_size": 7},
        lambda: {"sampler": SubsetRandomSampler([5, 9, 2], seeded(4)), "batch_size": 2},
        lambda: {"batch_sampler": [[0, 1], [5], [7, 8, 9]]},
        lambda: {"batch_sampler": BatchSampler(SequentialSampler(dataset), 5, True)},
        lambda: {"batch_sampler": BatchSampler(RandomSampler(dataset, generator=seeded(4)), 5, False)},
    ]
    for choose in choices:
        fast = list(DataLoader(dataset, **choose()))
        slow = list(DataLoader(dataset, collate_fn=one_by_one, **choose()))
        assert same(fast, slow)


def test_batches_are_copies():
    data = verigrad.zeros(4)
    for (batch,) in DataLoader(TensorDataset(data), batch_size=2):
        batch += 1
    assert data.tolist() == [0, 0, 0, 0]


def test_shuffle_makes_a_new_order_in_each_epoch_fixed_by_the_seed():
    def epochs(**options):
        loader = DataLoader(TensorDataset(verigrad.arange(40)), batch_size=7, shuffle=True, **options)
        return [[value for (batch,) in loader for value in batch.tolist()] for _ in range(3)]

    first = epochs(generator=seeded(1))
    assert all(sorted(epoch) == list(range(40)) for epoch in first)
    assert len({tuple(epoch) for epoch in first}) == 3
    assert epochs(generator=seeded(1)) == first
    assert epochs(generator=seeded(1), num_workers=1) == first
    assert epochs(generator=seeded(2)) != first
    verigrad.manual_seed(3)
    by_default = epochs()
    verigrad.manual_seed(3)
    assert epochs(num_workers=1, persistent_workers=True) == by_default


def test_the_order_does_not_depend_on_the_number_of_threads():
    threads = verigrad.get_num_threads()
    orders = []
    try:
        for count in (1, 2, 4):
            verigrad.set_num_threads(count)
            loader = DataLoader(range(3000), batch_size=100, shuffle=True, generator=seeded(1))
            orders.append([batch.tolist() for batch in loader])
    finally:
        verigrad.set_num_threads(threads)
    assert orders[0] == orders[1] == orders[2]


def test_the_samplers_own_order_is_the_loaders():
    source = seeded(6)
    draw_seed(source)  # an epoch draws the seed of its workers first, whether it has any or not
    order = list(RandomSampler(range(12), generator=source))
    for dataset in (TensorDataset(verigrad.arange(12)), range(12)):
        loader = DataLoader(dataset, batch_size=5, shuffle=True, generator=seeded(6))
        batches = [batch[0] if isinstance(batch, list) else batch for batch in loader]
        assert [value for batch in batches for value in batch.tolist()] == order


# Which way of fetching is used


def test_getbatch_is_preferred_then_getitems_then_getitem():
    dataset = Counting()
    assert [batch.tolist() for batch in DataLoader(dataset, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert dataset.calls == ["batch"] * 3
    dataset = Counting()
    list(DataLoader(dataset, 4, collate_fn=one_by_one))
    assert dataset.calls == ["items"] * 3

    class Plain(Counting):
        __getbatch__ = None
        __getitems__ = None

    dataset = Plain()
    list(DataLoader(dataset, 5))
    assert dataset.calls == ["item"] * 10


def test_getbatch_may_decline(same):
    class Declining(Counting):
        def __getbatch__(self, indices):
            self.calls.append("declined")
            return NotImplemented

    dataset = Declining()
    batches = list(DataLoader(dataset, 4, shuffle=True, generator=seeded()))
    assert dataset.calls == ["declined", "items", "items", "items"]  # asked once in an epoch
    assert same(batches, list(DataLoader(Counting(), 4, shuffle=True, generator=seeded())))
    dataset = Declining()
    assert [batch.tolist() for batch in DataLoader(Subset(dataset, [3, 1]), 2)] == [[3, 1]]


def test_a_subclass_that_overrides_getitem_is_not_bypassed():
    class Negative(TensorDataset):
        def __getitem__(self, index):
            return tuple(-tensor for tensor in super().__getitem__(index))

    dataset = Negative(verigrad.arange(4))
    assert [batch[0].tolist() for batch in DataLoader(dataset, 2)] == [[0, -1], [-2, -3]]
    assert [batch[0].tolist() for batch in DataLoader(Subset(dataset, [3, 1]), 2)] == [[-3, -1]]

    class Doubled(Counting):
        def __getitem__(self, index):
            return 2 * self.values[index]

    assert [batch.tolist() for batch in DataLoader(Doubled(4), 4)] == [[0, 2, 4, 6]]
    assert [batch.tolist() for batch in DataLoader(Doubled(4), 4, collate_fn=one_by_one)] == [[0, 2, 4, 6]]

    class Listed(Counting):
        def __getitems__(self, indices):
            return [3 * self.values[index] for index in indices]

    assert [batch.tolist() for batch in DataLoader(Listed(4), 4)] == [[0, 3, 6, 9]]


def test_a_sampler_that_overrides_iter_is_not_bypassed():
    class Backwards(RandomSampler):
        def __iter__(self):
            return iter(range(len(self) - 1, -1, -1))

    dataset = TensorDataset(verigrad.arange(5))
    loader = DataLoader(dataset, sampler=Backwards(dataset), batch_size=3)
    assert [batch[0].tolist() for batch in loader] == [[4, 3, 2], [1, 0]]

    class Pairs(BatchSampler):
        def __iter__(self):
            return iter([[0, 4], [1, 3]])

    loader = DataLoader(dataset, batch_sampler=Pairs(SequentialSampler(dataset), 2, False))
    assert [batch[0].tolist() for batch in loader] == [[0, 4], [1, 3]]


def test_concat_and_plain_sequences():
    both = ConcatDataset([TensorDataset(verigrad.arange(3)), TensorDataset(verigrad.arange(2))])
    assert [batch[0].tolist() for batch in DataLoader(both, 2)] == [[0, 1], [2, 0], [1]]
    assert [batch.tolist() for batch in DataLoader([1.5, 2.5, 3.5], 2)] == [[1.5, 2.5], [3.5]]


def test_keys_need_not_be_integers():
    loader = DataLoader({"a": 1, "b": 2}, sampler=["b", "a"], batch_size=2)
    assert [batch.tolist() for batch in loader] == [[2, 1]]


def test_without_batches():
    dataset = TensorDataset(verigrad.arange(3))
    samples = list(DataLoader(dataset, batch_size=None))
    assert [type(sample) for sample in samples] == [list] * 3  # default_convert, as in PyTorch
    assert [sample[0].item() for sample in samples] == [0, 1, 2]
    arrays = list(DataLoader([np.arange(2), np.arange(3)], batch_size=None))
    assert [array.tolist() for array in arrays] == [[0, 1], [0, 1, 2]]
    assert len(DataLoader(dataset, batch_size=None)) == 3


def test_the_order_is_kept_through_the_fallback(same):
    # A dataset without the batched path must not draw its order a second time.
    source = seeded(3)
    list(DataLoader(range(9), 2, shuffle=True, generator=source))
    expected = verigrad.randperm(50, generator=seeded_after(9)).tolist()
    assert verigrad.randperm(50, generator=source).tolist() == expected


def seeded_after(n):
    source = seeded(3)
    draw_seed(source)
    verigrad.randperm(n, generator=source)
    return source


def test_errors_of_one_batch_leave_the_others():
    class Faulty(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            if index == 1:
                raise KeyError("broken sample")
            return index

    batches = iter(DataLoader(Faulty(), 2))
    with pytest.raises(KeyError):
        next(batches)
    assert next(batches).tolist() == [2, 3]
    with pytest.raises(StopIteration):
        next(batches)


def test_an_index_that_is_out_of_range():
    with pytest.raises(IndexError):
        list(DataLoader(TensorDataset(verigrad.arange(3)), sampler=[0, 3], batch_size=2))
    with pytest.raises(IndexError):
        list(DataLoader(Subset(TensorDataset(verigrad.arange(3)), [0, 3]), batch_size=2))


def test_iterators_are_independent():
    loader = DataLoader(TensorDataset(verigrad.arange(4)), batch_size=1)
    pairs = [(a[0].item(), b[0].item()) for a in loader for b in itertools.islice(loader, 2)]
    assert pairs == [(a, b) for a in range(4) for b in range(2)]
    iterator = iter(loader)
    assert iter(iterator) is iterator
    assert len(iterator) == 4


def test_an_empty_dataset():
    assert list(DataLoader(TensorDataset(verigrad.zeros(0, 3)), 4)) == []
    assert len(DataLoader([], 4)) == 0
    with pytest.raises(ValueError, match="num_samples=0"):
        DataLoader([], shuffle=True)


# Streams


@pytest.mark.parametrize(
    ("n", "drop_last", "expected"),
    [
        (5, False, [[0, 1], [2, 3], [4]]),
        (5, True, [[0, 1], [2, 3]]),
        (4, True, [[0, 1], [2, 3]]),
        (0, False, []),
    ],
)
def test_streams(n, drop_last, expected):
    loader = DataLoader(Stream(n), 2, drop_last=drop_last)
    assert [batch.tolist() for batch in loader] == expected
    assert len(loader) == len(expected)
    assert [batch.tolist() for batch in loader] == expected


def test_a_stream_without_batches():
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]


def test_a_stream_longer_than_it_said():
    loader = DataLoader(Stream(5, claims=2), batch_size=1)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2 batches"):
        assert len(list(loader)) == 5


def test_streams_refuse_orders():
    for option in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        name = next(iter(option))
        with pytest.raises(ValueError, match=f"IterableDataset: expected unspecified {name} option"):
            DataLoader(Stream(3), **option)
    DataLoader(Stream(3), shuffle=False)


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"timeout": float("nan")}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be non-negative"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
        ({"multiprocessing_context": "no such", "num_workers": 1}, "valid start method"),
        ({"sampler": [0], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "sampler": [0]}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer"),
        ({"batch_size": -3}, "batch_size should be a positive integer"),
        ({"batch_size": True}, "batch_size should be a positive integer"),
        ({"batch_size": 2.0}, "batch_size should be a positive integer"),
        ({"drop_last": 1}, "drop_last should be a boolean"),
        ({"prefetch_thread": True, "num_workers": 1}, "prefetch_thread option needs num_workers=0"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader([1, 2], **options)


def test_refusals_are_those_of_pytorch():
    pytest.importorskip("torch")
    import torch.utils.data as peer

    for options in (
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"sampler": [0], "shuffle": True},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"multiprocessing_context": 5, "num_workers": 1},
        {"num_workers": "2"},
    ):
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            peer.DataLoader([1, 2], **options)
        with pytest.raises(theirs.type):
            DataLoader([1, 2], **options)


def test_options_of_workers():
    loader = DataLoader([1, 2], num_workers=1)
    assert loader.prefetch_factor == 2
    loader = DataLoader(
        [1, 2],
        num_workers=1,
        multiprocessing_context="spawn",
        prefetch_factor=4,
        persistent_workers=True,
        in_order=False,
    )
    assert (loader.num_workers, loader.prefetch_factor) == (1, 4)
    assert loader.persistent_workers and not loader.in_order
    assert loader.multiprocessing_context.get_start_method() == "spawn"
    loader.multiprocessing_context = "fork"
    assert loader.multiprocessing_context.get_start_method() == "fork"
    with pytest.raises(ValueError, match="valid start method"):
        loader.multiprocessing_context = "no such"
    assert loader.multiprocessing_context.get_start_method() == "fork"


def test_options_that_need_workers_or_exclude_them():
    with pytest.raises(AssertionError, match="expected timeout=0 without workers, got 0.5"):
        iter(DataLoader([1], timeout=0.5))
    with pytest.raises(AssertionError, match="expected prefetch_factor > 0 with workers, got 0"):
        iter(DataLoader([1], num_workers=1, prefetch_factor=0))
    loader = DataLoader([1], worker_init_fn=print)  # nothing calls it, as in PyTorch
    assert [batch.tolist() for batch in loader] == [[1]]


def test_more_workers_than_processors_warn():
    with pytest.warns(UserWarning, match="will create 5000 worker processes in total") as record:
        DataLoader([1], num_workers=5000)
    assert record[0].filename == __file__


def test_what_is_fixed_after_construction():
    loader = DataLoader([1, 2])
    for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader"):
            setattr(loader, name, None)
    loader.timeout = 5


def test_parity_with_pytorch():
    pytest.importorskip("torch")
    import torch
    import torch.utils.data as peer

    images, labels = np.random.default_rng(0).random((11, 2, 3), dtype=np.float32), np.arange(11)
    ours = TensorDataset(verigrad.from_numpy(images), verigrad.from_numpy(labels))
    theirs = peer.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    order = [5, 3, 10, 0, 7]
    for options in (
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": None},
        {"sampler": order, "batch_size": 2},
        {"batch_sampler": [order[:2], order[2:]]},
    ):
        left, right = DataLoader(ours, **options), peer.DataLoader(theirs, **options)
        assert len(left) == len(right)
        for mine, other in zip(left, right, strict=True):
            assert type(mine) is type(other)
            for a, b in zip(mine, other, strict=True):
                assert np.array_equal(a.numpy(), b.numpy())
                assert a.numpy().dtype == b.numpy().dtype
