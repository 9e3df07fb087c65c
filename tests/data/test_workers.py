"""Worker processes: the same batches, seeds, errors, deaths, and that nothing is left behind."""

import gc
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    default_collate,
    get_worker_info,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # a machine with one processor
    pytest.mark.host("workers fetch on the CPU"),
    pytest.mark.usefixtures("nothing_is_left"),
]


def seeded(seed=0):
    return verigrad.Generator().manual_seed(seed)


class Numbers(Dataset):
    """The index as a sample; what *act* does at index 3 comes before."""

    def __init__(self, n=8, act=None):
        self.n = n
        self.act = act

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index == 3 and self.act is not None:
            self.act()
        return index


class Draws(Dataset):
    """Random numbers of the three generators."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return index, verigrad.rand(()), random.random(), np.random.rand()


class Stream(IterableDataset):
    """``0 .. n - 1``, dealt to the workers, or whole in each."""

    def __init__(self, n, split=True, claims=None):
        self.n = n
        self.split = split
        self.claims = n if claims is None else claims

    def __iter__(self):
        info = get_worker_info()
        if info is None or not self.split:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))

    def __len__(self):
        return self.claims


def flat(loader):
    return [value for batch in loader for value in batch.tolist()]


def running():
    return [child for child in multiprocessing.active_children() if child.is_alive()]


# The same batches


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_batches_of_no_workers(same, method):
    dataset = Subset(
        TensorDataset(
            verigrad.rand(11, 2, 3, generator=seeded(1)),
            verigrad.arange(11),
            verigrad.arange(11) > 4,
            verigrad.zeros(11, 0),
        ),
        range(1, 11),
    )
    options = {"batch_size": 3, "shuffle": True}
    expected = list(DataLoader(dataset, generator=seeded(4), **options))
    loader = DataLoader(
        dataset, generator=seeded(4), num_workers=2, multiprocessing_context=method, **options
    )
    assert same(list(loader), expected)
    if method == "forkserver":
        multiprocessing.forkserver._forkserver._stop()


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("prefetch", [1, 5])
def test_order_over_epochs(same, persistent, prefetch):
    dataset = TensorDataset(verigrad.rand(23, 4), verigrad.arange(23))
    options = {"batch_size": 4, "shuffle": True}
    plain = DataLoader(dataset, generator=seeded(2), **options)
    loader = DataLoader(
        dataset,
        generator=seeded(2),
        num_workers=3,
        prefetch_factor=prefetch,
        persistent_workers=persistent,
        **options,
    )
    for _ in range(3):
        assert same(list(loader), list(plain))
    verigrad.manual_seed(8)
    expected = [flat(DataLoader(Numbers(30), 4, shuffle=True)) for _ in range(2)]
    verigrad.manual_seed(8)
    assert [flat(DataLoader(Numbers(30), 4, shuffle=True, num_workers=2)) for _ in range(2)] == expected


def test_samplers_collate_and_samples_alone(same):
    dataset = Numbers(20)
    choices = [
        {"sampler": [3, 1, 2], "batch_size": 2},
        {"sampler": RandomSampler(dataset, True, 40, seeded(4)), "batch_size": 7},
        {"batch_sampler": [[0, 1], [5], [7, 8, 9]]},
        {"batch_sampler": BatchSampler(range(20), 6, True)},
        {"batch_size": None},
        {"batch_size": 5, "collate_fn": sum},
        {"sampler": [], "batch_size": 2},
    ]
    for options in choices:
        if isinstance(options.get("sampler"), RandomSampler):
            options["sampler"].generator.manual_seed(4)
        expected = list(DataLoader(dataset, **options))
        if isinstance(options.get("sampler"), RandomSampler):
            options["sampler"].generator.manual_seed(4)
        assert same(list(DataLoader(dataset, num_workers=2, **options)), expected)


def test_what_travels(same):
    shared = verigrad.arange(20000.0)
    weight = verigrad.nn.Parameter(verigrad.ones(3))
    asks = verigrad.ones(2, requires_grad=True)
    sample = {
        "views": [shared.reshape(100, 200).t(), shared[::7], shared[5]],
        "text": "é" * 40000,
        "none": None,
        "arrays": (np.arange(5000), np.arange(6).reshape(2, 3).T, np.array("x")),
        "types": [verigrad.zeros(3, dtype=kind) for kind in (verigrad.bool, verigrad.uint8, verigrad.int32)],
        "empty": verigrad.zeros(0, 3),
        "leaf": asks,
        "parameter": weight,
    }
    (found,) = DataLoader([sample], batch_size=None, collate_fn=lambda one: one, num_workers=1)
    for name in ("views", "types", "empty", "text", "none"):
        assert same(found[name], sample[name])
    for mine, its in zip(found["arrays"], sample["arrays"], strict=True):
        assert np.array_equal(mine, its) and mine.dtype == its.dtype
    assert found["leaf"].requires_grad and type(found["parameter"]) is verigrad.nn.Parameter
    found["views"][0] += 1  # memory of its own
    found["arrays"][0][0] = 7


def test_batches_keep_their_values_while_later_ones_arrive():
    data = verigrad.rand(40, 5000)
    batches = list(DataLoader(TensorDataset(data), 2, num_workers=2))
    assert verigrad.equal(verigrad.cat([batch for (batch,) in batches]), data)


def test_shared_memory_has_no_name():
    batches = iter(DataLoader(TensorDataset(verigrad.rand(40, 5000)), 2, num_workers=1))
    next(batches)
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "verigrad-batch" in line]
    assert lines and all("/memfd:verigrad-batch" in line and "(deleted)" in line for line in lines)


def test_batches_that_grow_and_shrink():
    sizes = [1, 100000, 10, 30000, 200000, 3, 150000, 7]
    found = list(DataLoader([verigrad.ones(size) for size in sizes], None, num_workers=1, prefetch_factor=1))
    assert [len(one) for one in found] == sizes and all(bool((one == 1).all()) for one in found)


def test_long_lists_of_indices_do_not_block():
    # Tasks larger than what a socket holds, while results wait to be taken.
    data = TensorDataset(verigrad.arange(400000))
    loader = DataLoader(data, 40000, num_workers=1, prefetch_factor=10, sampler=range(399999, -1, -1))
    assert verigrad.equal(verigrad.cat([batch for (batch,) in loader]), verigrad.arange(399999, -1, -1))


def test_a_graph_does_not_travel():
    loader = DataLoader(
        [verigrad.ones(2, requires_grad=True)], None, collate_fn=lambda x: x * 2, num_workers=1
    )
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        next(iter(loader))


def test_what_cannot_be_pickled_is_an_error_of_its_batch():
    loader = DataLoader(Numbers(2), None, collate_fn=lambda x: (lambda: x) if x == 0 else x, num_workers=1)
    batches = iter(loader)
    with pytest.raises(Exception, match="in DataLoader worker process 0"):
        next(batches)
    assert next(batches) == 1


def test_without_fork_what_cannot_be_pickled_is_named():
    loader = DataLoader(Numbers(2), collate_fn=lambda x: x, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(Exception) as caught:  # noqa: PT011  # its type depends on the version of Python
        iter(loader)
    assert "multiprocessing_context='fork'" in "".join(caught.value.__notes__)


def test_in_order_false_hands_out_what_arrives(tmp_path):
    signpost = tmp_path / "go"

    def wait():
        while not signpost.exists():
            time.sleep(0.01)

    batches = iter(
        DataLoader(Numbers(8, wait), 1, num_workers=2, sampler=[3, 0, 1, 2, 4, 5, 6, 7], in_order=False)
    )
    first = [next(batches).item() for _ in range(4)]
    signpost.touch()
    rest = flat(batches)
    assert 3 not in first and sorted(first + rest) == list(range(8))


# Workers and their seeds


def test_worker_info_and_init(tmp_path):
    class Info(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, info.dataset is self, os.environ["STARTED"]

    def start(number):
        os.environ["STARTED"] = str(number)
        assert get_worker_info().id == number

    verigrad.manual_seed(3)
    rows = list(DataLoader(Info(), None, num_workers=2, worker_init_fn=start))
    assert [row[0] for row in rows] == [0, 1, 0, 1]
    assert {row[1] for row in rows} == {2} and all(row[3] for row in rows)
    assert [row[4] for row in rows] == ["0", "1", "0", "1"]
    assert rows[1][2] == rows[0][2] + 1
    assert get_worker_info() is None
    verigrad.manual_seed(3)
    assert list(DataLoader(Info(), None, num_workers=2, worker_init_fn=start)) == rows


def test_a_worker_has_one_thread_and_the_default_dtype():
    verigrad.set_default_dtype(verigrad.float64)
    loader = DataLoader(
        [0], None, num_workers=1, collate_fn=lambda _: (verigrad.get_num_threads(), verigrad.ones(1))
    )
    ((threads, one),) = loader
    assert threads == 1 and one.dtype == verigrad.float64


def test_seeds_are_those_of_pytorch():
    worker_module = pytest.importorskip("torch.utils.data._utils.worker")
    verigrad.manual_seed(5)
    rows = list(DataLoader(Draws(), None, num_workers=2))
    verigrad.manual_seed(5)
    (base,) = verigrad.randint(0, 2**63 - 1, (1,), dtype=verigrad.int64).tolist()
    for worker in (0, 1):
        own = seeded(base + worker)
        python = random.Random(base + worker)
        numpy = np.random.RandomState(worker_module._generate_state(base, worker))
        for _, a, b, c in rows[worker::2]:
            assert a.item() == verigrad.rand((), generator=own).item()
            assert (b, c) == (python.random(), numpy.rand())


@pytest.mark.parametrize("persistent", [False, True])
def test_random_numbers_differ_between_workers_and_epochs_and_repeat_with_the_seed(persistent):
    def numbers():
        verigrad.manual_seed(1)
        loader = DataLoader(Draws(), None, num_workers=2, persistent_workers=persistent)
        return [[(i, a.item(), b, c) for i, a, b, c in loader] for _ in range(2)]

    first = numbers()
    for column in (1, 2, 3):
        assert len({row[column] for epoch in first for row in epoch}) == 24
    assert numbers() == first


def test_persistent_workers_stay_and_others_do_not():
    def pids(loader):
        return [{int(pid) for pid in batch} for batch in loader]

    loader = DataLoader(
        Numbers(4), 1, num_workers=2, persistent_workers=True, collate_fn=lambda x: [os.getpid()]
    )
    first, second = pids(loader), pids(loader)
    assert first == second and len(running()) == 2
    older, newer = iter(loader), iter(loader)
    next(newer)
    with pytest.raises(RuntimeError, match="expected one iterator at a time"):
        next(older)
    del loader, older, newer
    gc.collect()
    assert running() == []
    loader = DataLoader(Numbers(4), 1, num_workers=1, collate_fn=lambda x: [os.getpid()])
    assert pids(loader) != pids(loader)


def test_an_epoch_of_persistent_workers_that_was_left_does_not_mix_with_the_next():
    loader = DataLoader(Numbers(40), 2, num_workers=2, persistent_workers=True, prefetch_factor=4)
    for _ in range(3):
        next(iter(loader))
    assert flat(loader) == list(range(40))


# Streams


@pytest.mark.parametrize("persistent", [False, True])
def test_a_stream_is_dealt_to_the_workers(persistent):
    loader = DataLoader(Stream(11), 2, num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        batches = [batch.tolist() for batch in loader]
        assert batches == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]
    dropped = DataLoader(Stream(11), 2, num_workers=2, drop_last=True)
    assert [batch.tolist() for batch in dropped] == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10]]
    assert sorted(DataLoader(Stream(5), None, num_workers=3)) == list(range(5))


def test_a_stream_that_is_not_dealt_is_read_by_each():
    loader = DataLoader(Stream(4, split=False), 2, num_workers=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2 batches.*get_worker_info"):
        assert flat(loader) == [0, 1, 0, 1, 2, 3, 2, 3]


def test_workers_whose_streams_end_early():
    class Uneven(IterableDataset):
        def __iter__(self):
            number = get_worker_info().id
            return iter([(number, i) for i in range(1 + 6 * number)])

    rows = [tuple(row) for row in DataLoader(Uneven(), None, num_workers=3)]
    assert sorted(rows) == [(w, i) for w in range(3) for i in range(1 + 6 * w)]
    assert rows == [tuple(row) for row in DataLoader(Uneven(), None, num_workers=3)]


def test_a_stream_that_raises():
    class Faulty(IterableDataset):
        def __iter__(self):
            yield 1
            raise ValueError("broken stream")

    batches = iter(DataLoader(Faulty(), 1, num_workers=1))
    assert next(batches).tolist() == [1]
    with pytest.raises(
        ValueError, match="(?s)Caught ValueError in DataLoader worker process 0.*broken stream"
    ):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)


def test_batches_equal_default_collate_of_the_samples(same):
    dataset = Draws()
    verigrad.manual_seed(0)
    batches = list(DataLoader(dataset, 4, num_workers=1))
    verigrad.manual_seed(0)
    (base,) = verigrad.randint(0, 2**63 - 1, (1,), dtype=verigrad.int64).tolist()
    source = seeded(base)
    rows = [default_collate([verigrad.rand((), generator=source) for _ in range(4)]) for _ in range(3)]
    assert same([batch[1] for batch in batches], rows)
