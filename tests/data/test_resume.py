"""state_dict and load_state_dict: the resumed epoch gives exactly the batches that were left."""

import os
import random

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.host("workers fetch on the CPU"),
]


def seeded(seed=0):
    return verigrad.Generator().manual_seed(seed)


class Draws(Dataset):
    """Samples that hold random numbers of all three generators, unevenly many."""

    def __init__(self, n=23):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        for _ in range(index % 3):
            random.random()
        return index, verigrad.rand(2), random.random(), np.random.rand()


class Stream(IterableDataset):
    def __init__(self, n=23):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for index in range(first, self.n, step):
            yield index, verigrad.rand(1) if info else 0


def saved(state, tmp_path):
    """The state as a checkpoint would give it back."""
    verigrad.save(state, tmp_path / "state.safetensors")
    return verigrad.load(tmp_path / "state.safetensors")


def epoch_with_noise(batches, count=None):
    """The batches; numbers are drawn from the default generator between them, as dropout does."""
    found = []
    for batch in batches:
        found.append(batch)
        verigrad.rand(3)
        if len(found) == count:
            break
    return found


SAMPLERS = {
    "in order": lambda data: {},
    "default generator": lambda data: {"shuffle": True},
    "own generator": lambda data: {"shuffle": True, "generator": seeded(3)},
    "sampler's generator": lambda data: {"sampler": RandomSampler(data, generator=seeded(3))},
    "replacement": lambda data: {"sampler": RandomSampler(data, True, 30, seeded(3))},
    "subset": lambda data: {"sampler": SubsetRandomSampler(range(3, 20), seeded(3))},
    "weighted": lambda data: {"sampler": WeightedRandomSampler([1.0] * 23, 20, generator=seeded(3))},
    "weighted, default": lambda data: {"sampler": WeightedRandomSampler([1.0] * 23, 20)},
    "distributed": lambda data: {"sampler": DistributedSampler(data, 2, 1)},
    "batch sampler": lambda data: {
        "batch_sampler": BatchSampler(RandomSampler(data, generator=seeded(3)), 4, True),
        "batch_size": 1,
    },
    "alone": lambda data: {"batch_size": None, "shuffle": True},
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_rest_of_the_epoch_and_the_next_one(same, tmp_path, name, workers):
    data = Draws() if workers else TensorDataset(verigrad.arange(23))

    def make():
        return DataLoader(data, **{"batch_size": 4, "num_workers": workers, **SAMPLERS[name](data)})

    for stop in (1, 2):
        verigrad.manual_seed(6)
        loader = make()
        epoch_with_noise(loader)  # an epoch before
        iterator = iter(loader)
        epoch_with_noise(iterator, stop)
        state, default = saved(loader.state_dict(), tmp_path), verigrad.get_rng_state()
        rest, after = epoch_with_noise(iterator), epoch_with_noise(loader)

        verigrad.manual_seed(99)
        resumed = make()
        resumed.load_state_dict(state)
        verigrad.set_rng_state(default)  # as a checkpoint does
        assert same(epoch_with_noise(resumed), rest)
        assert same(epoch_with_noise(resumed), after)
        assert rest


@pytest.mark.parametrize("workers", [0, 2])
def test_persistent_workers_streams_and_errors_count(same, tmp_path, workers):
    verigrad.manual_seed(2)
    loader = DataLoader(Stream(), 3, num_workers=workers)
    iterator = iter(loader)
    for _ in range(3):
        next(iterator)
    state, default = saved(loader.state_dict(), tmp_path), verigrad.get_rng_state()
    rest = list(iterator)
    resumed = DataLoader(Stream(), 3, num_workers=workers)
    resumed.load_state_dict(state)
    verigrad.set_rng_state(default)
    assert same(list(resumed), rest) and len(rest) >= 5


def test_the_end_of_the_epoch_is_a_place_too():
    loader = DataLoader(TensorDataset(verigrad.arange(6)), 2, shuffle=True, generator=seeded())
    iterator = iter(loader)
    for _ in range(3):
        next(iterator)
    before_the_end = loader.state_dict()
    assert before_the_end["batches"] == 3
    assert list(iterator) == []
    after = loader.state_dict()
    assert after["batches"] == 0 and after["default_generator"] is None
    following = [batch[0].tolist() for batch in loader]
    for state, left in ((before_the_end, 0), (after, None)):
        resumed = DataLoader(TensorDataset(verigrad.arange(6)), 2, shuffle=True, generator=seeded(9))
        resumed.load_state_dict(state)
        if left == 0:
            assert list(resumed) == []
        assert [batch[0].tolist() for batch in resumed] == following


def test_a_state_before_the_first_batch_and_one_that_was_loaded():
    verigrad.manual_seed(1)
    loader = DataLoader(range(10), 2, shuffle=True)
    iterator = iter(loader)
    state = loader.state_dict()
    assert state["batches"] == 0
    expected = [batch.tolist() for batch in iterator]
    verigrad.manual_seed(5)
    before = verigrad.get_rng_state()
    resumed = DataLoader(range(10), 2, shuffle=True)
    resumed.load_state_dict(state)
    assert verigrad.equal(resumed.state_dict()["default_generator"], state["default_generator"])
    assert [batch.tolist() for batch in resumed] == expected
    assert verigrad.equal(verigrad.get_rng_state(), before)  # it belongs to others


def test_the_number_of_workers_may_change(same):
    data = TensorDataset(verigrad.rand(20, 3))
    loader = DataLoader(data, 3, shuffle=True, num_workers=2, generator=seeded(1))
    iterator = iter(loader)
    next(iterator), next(iterator)
    state, rest = loader.state_dict(), list(iterator)
    for workers in (0, 1, 3):
        resumed = DataLoader(data, 3, shuffle=True, num_workers=workers, generator=seeded(2))
        resumed.load_state_dict(state)
        assert same(list(resumed), rest)


def test_a_batch_that_failed_counts_and_one_that_was_interrupted_does_not():
    class Faulty(Dataset):
        calls = 0

        def __len__(self):
            return 6

        def __getitem__(self, index):
            Faulty.calls += 1
            if index == 2:
                raise ValueError("broken")
            if index == 4 and Faulty.calls < 6:
                raise KeyboardInterrupt
            return index

    for workers in (0, 1):
        loader = DataLoader(Faulty(), 2, num_workers=workers)
        iterator = iter(loader)
        next(iterator)
        with pytest.raises(ValueError):
            next(iterator)
        assert loader.state_dict()["batches"] == 2
        if workers == 0:
            with pytest.raises(KeyboardInterrupt):
                next(iterator)
            assert loader.state_dict()["batches"] == 2
        del iterator
        Faulty.calls = 10
        resumed = DataLoader(Faulty(), 2)
        resumed.load_state_dict(loader.state_dict())
        assert [batch.tolist() for batch in resumed] == [[4, 5]]


def test_what_a_sampler_keeps():
    class Rounds(Sampler):
        """Begins one further in each epoch."""

        def __init__(self):
            self.round = 0

        def __iter__(self):
            self.round += 1
            return iter([(self.round + i) % 6 for i in range(6)])

        def __len__(self):
            return 6

        def state_dict(self):
            return {"round": self.round}

        def load_state_dict(self, state):
            self.round = state["round"]

    loader = DataLoader(range(6), 2, sampler=Rounds())
    list(loader)
    iterator = iter(loader)
    next(iterator)
    state = loader.state_dict()
    rest, after = [b.tolist() for b in iterator], [b.tolist() for b in loader]
    resumed = DataLoader(range(6), 2, sampler=Rounds())
    resumed.load_state_dict(state)
    assert [b.tolist() for b in resumed] == rest == [[4, 5], [0, 1]]
    assert [b.tolist() for b in resumed] == after


def test_distributed_epoch_is_restored_where_it_is_loaded():
    loader = DataLoader(range(12), 2, sampler=DistributedSampler(range(12), 2, 0))
    loader.sampler.set_epoch(4)
    list(loader)
    resumed = DataLoader(range(12), 2, sampler=DistributedSampler(range(12), 2, 0))
    resumed.load_state_dict(loader.state_dict())
    assert resumed.sampler.epoch == 4
    resumed.sampler.set_epoch(5)
    loader.sampler.set_epoch(5)
    assert [b.tolist() for b in resumed] == [b.tolist() for b in loader]


def test_states_that_are_refused():
    loader = DataLoader(range(10), 2, shuffle=True, generator=seeded())
    next(iter(loader))
    good = loader.state_dict()
    cases = [
        (None, "expected a dict that DataLoader.state_dict made, got NoneType"),
        ({"model": 1}, r"expected .* got one with the keys \['model'\]"),
        ({**good, "version": 2}, "expected version 1, got 2"),
        ({**good, "loader": 3}, "expected a dict that"),
        ({**good, "batches": -1}, "expected batches >= 0, got -1"),
        ({**good, "generators": []}, "expected the state of 1 generators, got 0"),
        ({**good, "sampler": {"epoch": 1}}, "expected no state of a sampler"),
    ]
    fresh = DataLoader(range(10), 2, shuffle=True, generator=seeded(7))
    before = fresh.generator.get_state()
    for state, message in cases:
        with pytest.raises(ValueError, match=f"DataLoader.load_state_dict: {message}"):
            fresh.load_state_dict(state)
    for options, message in (
        ({"batch_size": 3}, "batch_size=3, got one with 2"),
        ({"drop_last": True}, "drop_last=True, got one with False"),
    ):
        other = DataLoader(range(10), **{"batch_size": 2, "shuffle": True, "generator": seeded(), **options})
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(good)
    with pytest.raises(ValueError, match=r"len\(dataset\)=9, got one with 10"):
        DataLoader(range(9), 2, shuffle=True, generator=seeded()).load_state_dict(good)
    with pytest.raises(ValueError, match="expected the state of a sampler, got NoneType"):
        DataLoader(range(10), 2, sampler=DistributedSampler(range(10), 2, 0)).load_state_dict(
            {**good, "generators": []}
        )
    assert verigrad.equal(fresh.generator.get_state(), before)
    assert fresh.state_dict()["batches"] == 0
    stream = DataLoader(Stream(), 3, num_workers=2)
    iterator = iter(stream)
    next(iterator)
    with pytest.raises(ValueError, match="num_workers=0, got one with 2"):
        DataLoader(Stream(), 3).load_state_dict(stream.state_dict())
    list(iterator)
    DataLoader(Stream(), 3).load_state_dict(stream.state_dict())  # between two epochs it may change


def test_out_of_order_there_is_no_place_within_an_epoch():
    loader = DataLoader(range(10), 2, num_workers=1, in_order=False)
    assert loader.state_dict()["batches"] == 0
    iterator = iter(loader)
    next(iterator)
    with pytest.raises(RuntimeError, match="expected in_order=True or the end of an epoch"):
        loader.state_dict()
    list(iterator)
    assert loader.state_dict()["batches"] == 0


def test_no_sample_is_fetched_for_the_batches_that_are_passed_over():
    asked = []

    class Asked(Dataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            asked.append(index)
            return index, os.getpid()

    loader = DataLoader(Asked(), 2)
    iterator = iter(loader)
    for _ in range(3):
        next(iterator)
    state = loader.state_dict()
    asked.clear()
    resumed = DataLoader(Asked(), 2)
    resumed.load_state_dict(state)
    list(resumed)
    assert asked == [6, 7, 8, 9]
