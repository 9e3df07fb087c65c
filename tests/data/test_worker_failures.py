"""Errors in workers, workers that die, parents that die, and that nothing is left behind."""

import faulthandler
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import verigrad
from verigrad.data import crew
from verigrad.utils.data import DataLoader, Dataset, TensorDataset

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # a machine with one processor
    pytest.mark.host("workers fetch on the CPU"),
    pytest.mark.usefixtures("nothing_is_left"),
]


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


def flat(loader):
    return [value for batch in loader for value in batch.tolist()]


def running():
    return [child for child in multiprocessing.active_children() if child.is_alive()]


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
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
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
    parent = run_script("time.sleep(600)")
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 4
    parent.kill()
    parent.communicate()
    assert_gone(pids)


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
