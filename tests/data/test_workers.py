"""Worker processes: the same batches, seeds, errors, deaths, and that nothing is left behind."""

import faulthandler
import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import verigrad
from verigrad.data import channel, crew
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


@pytest.fixture(autouse=True)
def nothing_is_left():
    files = set(os.listdir("/proc/self/fd"))
    segments = set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    assert running() == []
    assert set(os.listdir("/dev/shm")) <= segments
    # The mappings of slots hold files; pytest opens and closes one now and then.
    assert len(set(os.listdir("/proc/self/fd")) - files) <= 1


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


# Errors


class TwoArgumentsError(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


def fail(error):
    raise error


def local_error():
    class HiddenError(Exception):
        pass

    raise HiddenError("hidden")


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: fail(ValueError("bad sample")), ValueError, "Caught ValueError in .* process 0.*bad sample"),
        (lambda: fail(KeyError("bad key")), KeyError, "Caught KeyError in .* process 0.\nOriginal Traceback"),
        (lambda: fail(TwoArgumentsError(1, 2)), RuntimeError, "Caught TwoArgumentsError in .* process 0"),
        (local_error, RuntimeError, "Caught HiddenError in .*hidden"),
        (lambda: fail(StopIteration()), RuntimeError, "expected the dataset or collate_fn to give a batch"),
    ],
)
def test_errors_have_their_type_and_traceback(act, kind, message):
    batches = iter(DataLoader(Numbers(8, act), 2, num_workers=1))
    assert next(batches).tolist() == [0, 1]
    with pytest.raises(kind, match=f"(?s){message}") as caught:
        next(batches)
    assert type(caught.value) is kind
    assert "in __getitem__" in str(caught.value)
    assert flat(batches) == [4, 5, 6, 7]


def test_errors_of_worker_init_fn_and_of_collate():
    def init(number):
        if number == 1:
            raise OSError("no licence")

    batches = iter(DataLoader(Numbers(4), 1, num_workers=2, worker_init_fn=init))
    assert next(batches).tolist() == [0]
    for _ in range(2):
        with pytest.raises(OSError, match="(?s)Caught OSError in DataLoader worker process 1.*no licence"):
            next(batches)
        next(batches, None)
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError"):
        next(iter(DataLoader(Numbers(4), 1, num_workers=1, collate_fn=lambda batch: 1 / 0)))


def test_a_dataset_that_shrinks_during_the_epoch():
    for number in (0, 1):
        data = list(range(6))
        loader = DataLoader(data, 2, num_workers=number, collate_fn=lambda x, d=data: d.pop() or x)
        batches = iter(loader)
        next(batches)
        with pytest.raises(IndexError) as caught:
            list(batches)
        text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
        assert "Did it become shorter during the epoch?" in text


# Deaths


def bus_error():
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGBUS)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"\(pid \d+\) is killed by signal: Killed"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), r"\(pid \d+\) is killed by signal: Terminated"),
        (bus_error, "out of shared memory"),
        (lambda: os._exit(3), r"\(pid \d+\) exited unexpectedly with exit code 3. Details are lost"),
        (lambda: sys.exit(4), "exit code 4"),
    ],
)
def test_a_worker_that_dies_is_reported(act, message):
    batches = iter(DataLoader(Numbers(8, act), 2, num_workers=2))
    with pytest.raises(RuntimeError, match=f"DataLoader worker .*{message}"):
        list(batches)
    with pytest.raises(RuntimeError, match=message):  # not the end of the epoch, as a loop would take it
        next(batches)
    assert running() == []


def test_a_worker_that_is_killed_is_reported_though_batches_are_there():
    loader = DataLoader(Numbers(100), 2, num_workers=2, persistent_workers=True)
    batches = iter(loader)
    next(batches)
    victim = running()[0]
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    with pytest.raises(RuntimeError, match=f"pid {victim.pid}.*Killed"):
        next(batches)
    assert flat(loader) == list(range(100))  # the next epoch has new workers


def test_workers_that_are_killed_while_they_send_large_batches():
    data = TensorDataset(verigrad.rand(64, 200000))
    for delay in (0.0, 0.01, 0.03):
        batches = iter(DataLoader(data, 4, num_workers=2))
        next(batches)
        time.sleep(delay)
        for child in running():
            os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="Killed"):
            list(batches)


def test_timeout():
    batches = iter(DataLoader(Numbers(8, lambda: time.sleep(1)), 2, num_workers=1, timeout=0.2))
    assert next(batches).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.2 seconds"):
        next(batches)
    while True:  # it goes on waiting when it is asked again
        try:
            assert next(batches).tolist() == [2, 3]
            break
        except RuntimeError:
            pass
    assert flat(batches) == [4, 5, 6, 7]


def test_a_socket_that_stays_open_does_not_hide_a_death(monkeypatch):
    # A process that the worker has started may hold its socket.
    monkeypatch.setattr(crew, "_LOOK", 0.1)

    def leave_a_child():
        if os.fork() == 0:
            time.sleep(2)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    batches = iter(DataLoader(Numbers(8, leave_a_child), 2, num_workers=1))
    with pytest.raises(RuntimeError, match="Killed"):
        list(batches)


def test_ctrl_c_while_waiting():
    batches = iter(DataLoader(Numbers(8, lambda: time.sleep(30)), 2, num_workers=1))
    next(batches)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    crew._PATIENCE, patience = 0.2, crew._PATIENCE
    try:
        with pytest.raises(KeyboardInterrupt):
            next(batches)
    finally:
        crew._PATIENCE = patience
        timer.join()
    assert running() == []
    with pytest.raises(RuntimeError, match="its workers were ended by KeyboardInterrupt"):
        next(batches)


def test_ctrl_c_for_the_workers_is_left_to_the_parent():
    batches = iter(DataLoader(Numbers(8), 2, num_workers=2))
    next(batches)
    for child in running():
        os.kill(child.pid, signal.SIGINT)
    assert flat(batches) == [2, 3, 4, 5, 6, 7]


def test_handlers_of_the_parent_are_not_for_workers():
    def handler(number, frame):
        raise AssertionError("the parent's handler")

    before = signal.signal(signal.SIGTERM, handler)
    try:
        batches = iter(DataLoader(Numbers(8, lambda: os.kill(os.getpid(), signal.SIGTERM)), 2, num_workers=1))
        with pytest.raises(RuntimeError, match="Terminated"):
            list(batches)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_workers_end_with_the_iterator(monkeypatch):
    monkeypatch.setattr(crew, "_PATIENCE", 0.2)
    batches = iter(DataLoader(Numbers(100, lambda: time.sleep(30)), 2, num_workers=2))
    next(batches)
    assert len(running()) == 2
    del batches
    gc.collect()
    assert running() == []


def test_workers_are_ended_where_the_second_cannot_start(monkeypatch):
    started = []
    real = multiprocessing.get_context("fork").Process.start

    def start(process):
        if started:
            raise OSError("no more processes")
        started.append(process)
        real(process)

    monkeypatch.setattr(multiprocessing.get_context("fork").Process, "start", start)
    with pytest.raises(OSError, match="no more processes"):
        iter(DataLoader(Numbers(4), num_workers=2, multiprocessing_context="fork"))
    assert running() == []


def test_a_forked_child_has_no_part_in_it():
    batches = iter(DataLoader(Numbers(8), 2, num_workers=1))
    assert next(batches).tolist() == [0, 1]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            next(batches)
        except BaseException:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert flat(batches) == [2, 3, 4, 5, 6, 7]


SCRIPT = """
import os, sys, time
import verigrad
from verigrad.utils.data import DataLoader, TensorDataset

loaders = [DataLoader(TensorDataset(verigrad.rand(400, 20000)), 8, num_workers=2) for _ in range(2)]
iterators = [iter(loader) for loader in loaders]  # each forks while the other's sockets are open
for one in iterators:
    next(one)
import multiprocessing
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
END
"""


def run_script(end):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SCRIPT).replace("END", end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def assert_gone(pids):
    deadline = time.monotonic() + 60
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)


def test_workers_end_when_the_parent_is_killed():
    segments = set(os.listdir("/dev/shm"))
    parent = run_script("time.sleep(600)")
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 4
    parent.kill()
    parent.communicate()
    assert_gone(pids)
    assert set(os.listdir("/dev/shm")) <= segments


@pytest.mark.parametrize("end", ["sys.exit(0)", "raise SystemExit(0)", "del iterators"])
def test_the_parent_ends_quietly_with_iterators_alive(end):
    parent = run_script(end)
    output, errors = parent.communicate(timeout=120)
    assert parent.returncode == 0 and errors == ""
    assert_gone([int(pid) for pid in output.split()])


def test_ctrl_c_of_a_terminal_ends_all():
    parent = run_script("time.sleep(600)")
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: the whole group
    _, errors = parent.communicate(timeout=120)
    assert parent.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
    assert_gone(pids)


# The channel


def test_slots_are_used_again():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    for value in range(10):
        theirs.send(np.full(50000, value))
        assert ours.receive()[0] == value
        ours.send("thanks")
        theirs.receive()
    assert len(theirs._slots) == 1
    theirs.send(np.zeros(90000))  # too large for it: it is given up
    ours.receive()
    assert len(theirs._slots) == len(ours._seen) == 1
    with pytest.raises(BlockingIOError):
        ours.receive()
    theirs.close()
    with pytest.raises(channel.ClosedError):
        ours.receive()
    with pytest.raises(channel.ClosedError):
        ours.send(1)
    ours.close()


def test_what_does_not_fit_waits_in_the_outbox():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    count = 0
    while not ours.waiting:
        ours.send(count)
        count += 1
    ours.send(count)
    for value in range(count + 1):
        ours.flush()
        assert theirs.receive() == value
    assert not ours.waiting
    ours.close()
    theirs.close()


def test_generators_travel():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    source = seeded(3)
    verigrad.rand(5, generator=source)
    theirs.send(source)
    copy = ours.receive()
    assert verigrad.rand(3, generator=copy).tolist() == verigrad.rand(3, generator=source).tolist()
    ours.close()
    theirs.close()


def test_batches_equal_default_collate_of_the_samples(same):
    dataset = Draws()
    verigrad.manual_seed(0)
    batches = list(DataLoader(dataset, 4, num_workers=1))
    verigrad.manual_seed(0)
    (base,) = verigrad.randint(0, 2**63 - 1, (1,), dtype=verigrad.int64).tolist()
    source = seeded(base)
    rows = [default_collate([verigrad.rand((), generator=source) for _ in range(4)]) for _ in range(3)]
    assert same([batch[1] for batch in batches], rows)
