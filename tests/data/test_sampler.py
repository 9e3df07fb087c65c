"""Samplers: the orders they give, their reproducibility, and what they refuse."""

import collections
import itertools

import pytest

import verigrad
from verigrad.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def generator(seed=0):
    made = verigrad.Generator()
    made.manual_seed(seed)
    return made


def test_the_base_has_no_order():
    with pytest.raises(NotImplementedError):
        iter(Sampler())
    with pytest.raises(TypeError):
        len(Sampler())


def test_sequential():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4


def test_random_is_a_permutation_fixed_by_the_generator():
    sampler = RandomSampler(range(100), generator=generator(1))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert all(type(index) is int for index in first)
    again = RandomSampler(range(100), generator=generator(1))
    assert [list(again), list(again)] == [first, second]


def test_random_without_a_generator_follows_manual_seed_and_not_what_else_is_drawn():
    verigrad.manual_seed(7)
    expected = list(RandomSampler(range(50)))
    verigrad.manual_seed(7)
    order = iter(RandomSampler(range(50)))
    drawn = [next(order)]
    verigrad.rand(100)  # in the middle of the epoch
    assert drawn + list(order) == expected


@pytest.mark.parametrize("num_samples", [1, 9, 10, 11, 20, 25])
def test_random_num_samples(num_samples):
    sampler = RandomSampler(range(10), num_samples=num_samples)
    order = list(sampler)
    assert len(order) == len(sampler) == num_samples
    for start in range(0, num_samples, 10):
        part = order[start : start + 10]
        assert len(set(part)) == len(part)
    with_replacement = list(RandomSampler(range(10), replacement=True, num_samples=num_samples))
    assert len(with_replacement) == num_samples
    assert set(with_replacement) <= set(range(10))


def test_random_follows_a_growing_dataset():
    data = [1, 2, 3]
    sampler = RandomSampler(data)
    data.append(4)
    assert sorted(sampler) == [0, 1, 2, 3]


def test_random_refusals():
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        RandomSampler([1], replacement=1)
    for bad in (0, -1, 2.5):
        with pytest.raises(ValueError, match="num_samples should be a positive integer"):
            RandomSampler([1], num_samples=bad)
    with pytest.raises(ValueError, match="num_samples=0"):
        RandomSampler([])


def test_subset_random():
    sampler = SubsetRandomSampler([5, 3, 9], generator=generator())
    assert len(sampler) == 3
    assert sorted(sampler) == [3, 5, 9]
    assert sorted(SubsetRandomSampler(["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batch_sampler(batch_size, drop_last):
    sampler = BatchSampler(SequentialSampler(range(5)), batch_size, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    expected = [list(range(5))[i : i + batch_size] for i in range(0, 5, batch_size)]
    if drop_last:
        expected = [batch for batch in expected if len(batch) == batch_size]
    assert batches == expected


def test_batch_sampler_takes_any_iterable():
    assert list(BatchSampler(iter("abc"), 2, False)) == [["a", "b"], ["c"]]


def test_batch_sampler_refusals():
    for bad in (0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match="batch_size should be a positive integer"):
            BatchSampler(range(3), bad, False)
    with pytest.raises(ValueError, match="drop_last should be a boolean"):
        BatchSampler(range(3), 2, 1)


def test_weighted_with_replacement_draws_in_proportion():
    sampler = WeightedRandomSampler([0.0, 1.0, 3.0, 0.0], 4000, generator=generator(2))
    counts = collections.Counter(sampler)
    assert set(counts) == {1, 2}
    # 4000 draws at 1/4: the standard deviation is 27; ten of them cannot be chance.
    assert abs(counts[1] - 1000) < 270


def test_weighted_without_replacement_draws_each_once_and_the_heavy_first():
    weights = [0.0, 1.0, 100.0, 1.0]
    assert sorted(WeightedRandomSampler(weights, 3, replacement=False)) == [1, 2, 3]
    source = generator(3)
    firsts = [next(iter(WeightedRandomSampler(weights, 2, False, source))) for _ in range(300)]
    # The first draw is index 2 with probability 100/102.
    assert firsts.count(2) > 270


def test_weighted_is_fixed_by_the_generator_and_takes_tensors():
    weights = verigrad.tensor([1.0, 2.0, 3.0])
    one, two = (list(WeightedRandomSampler(weights, 20, generator=generator(4))) for _ in range(2))
    assert one == two
    assert len(WeightedRandomSampler(weights, 20)) == 20


def test_weighted_refusals():
    for bad in (0, -1, True, 1.5):
        with pytest.raises(ValueError, match="num_samples"):
            WeightedRandomSampler([1.0], bad)
    with pytest.raises(ValueError, match="replacement"):
        WeightedRandomSampler([1.0], 1, replacement=0)
    with pytest.raises(ValueError, match="1d sequence"):
        WeightedRandomSampler([[1.0]], 1)
    for bad in ([-1.0, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]):
        with pytest.raises(RuntimeError, match="`inf`, `nan` or element < 0"):
            list(WeightedRandomSampler(bad, 1))
    with pytest.raises(RuntimeError, match="at least 2 weights above 0, got 1"):
        list(WeightedRandomSampler([0.0, 1.0], 2, replacement=False))
    with pytest.raises(RuntimeError, match="at least 1 weights above 0, got 0"):
        list(WeightedRandomSampler([0.0], 1))


# Endless epochs


class Huge:
    def __len__(self):
        return 10**10


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomSampler(range(10), replacement=True, num_samples=10**10),
        lambda: RandomSampler(range(10), num_samples=10**10),
        lambda: WeightedRandomSampler([1.0, 2.0], 10**10),
        lambda: SequentialSampler(Huge()),
    ],
)
def test_ten_thousand_million_samples_take_no_memory(make):
    sampler = make()
    assert len(sampler) == 10**10
    assert len(list(itertools.islice(sampler, 100))) == 100
    loader = DataLoader(range(10), 5, sampler=sampler)
    assert len(loader) == 2 * 10**9
    assert len(next(iter(loader))) == 5


@pytest.mark.parametrize("replacement", [True, False])
def test_an_epoch_of_several_blocks_is_the_same_both_ways(replacement):
    count = 3 * 2**16 + 5
    order = list(RandomSampler(range(40000), replacement, count, generator(4)))
    assert len(order) == count
    loader = DataLoader(
        range(40000), 1000, sampler=RandomSampler(range(40000), replacement, count, generator(4))
    )
    assert [value for batch in loader for value in batch.tolist()] == order


# Distributed


@pytest.mark.parametrize("count", [0, 1, 3, 10, 12])
@pytest.mark.parametrize("replicas", [1, 3, 5])
@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_parts(count, replicas, drop_last):
    samplers = [
        DistributedSampler(range(count), replicas, rank, shuffle=True, drop_last=drop_last)
        for rank in range(replicas)
    ]
    parts = [list(sampler) for sampler in samplers]
    assert {len(part) for part in parts} == {len(samplers[0])}
    seen = collections.Counter(index for part in parts for index in part)
    if drop_last:
        assert set(seen.values()) <= {1} and sum(seen.values()) == count // replicas * replicas
    else:
        assert set(seen) == set(range(count))
        assert not seen or max(seen.values()) - min(seen.values()) <= 1
    assert parts == [list(sampler) for sampler in samplers]
    for sampler in samplers:
        sampler.set_epoch(1)
    assert count < 10 or parts != [list(sampler) for sampler in samplers]


def test_distributed_is_that_of_pytorch():
    peer = pytest.importorskip("torch.utils.data.distributed")
    for count in (1, 2, 7, 10):
        for replicas in (1, 2, 3, 12):
            for drop_last in (False, True):
                for rank in range(replicas):
                    options = {"shuffle": False, "drop_last": drop_last}
                    ours = DistributedSampler(range(count), replicas, rank, **options)
                    theirs = peer.DistributedSampler(range(count), replicas, rank, **options)
                    assert list(ours) == list(theirs) and len(ours) == len(theirs)
    for rank in (-1, 2):
        with pytest.raises(ValueError):
            peer.DistributedSampler(range(3), 2, rank)
        with pytest.raises(ValueError, match=f"Invalid rank {rank}, rank should be in the interval"):
            DistributedSampler(range(3), 2, rank)


def test_distributed_refusals():
    from verigrad.utils.data.distributed import DistributedSampler as Same

    assert Same is DistributedSampler
    with pytest.raises(RuntimeError, match="expected num_replicas and rank, got num_replicas=None"):
        DistributedSampler(range(3), rank=0)
    with pytest.raises(ValueError, match="Invalid rank 0"):
        DistributedSampler(range(3), 0, 0)
    data = [1, 2, 3]
    sampler = DistributedSampler(data, 2, 0)
    data.append(4)
    with pytest.raises(RuntimeError, match="expected a dataset of constant size 3, got 4"):
        iter(sampler)
