"""DataLoader(prefetch_thread=True): the batches of the program's own thread, gathered by another one."""

import gc
import os
import threading
import time

import pytest

import verigrad
from verigrad.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset


def seeded(seed=0):
    made = verigrad.Generator()
    made.manual_seed(seed)
    return made


def data(n=23):
    return TensorDataset(verigrad.rand(n, 3, 4, generator=seeded(1)), verigrad.arange(n))


def threads():
    return [one for one in threading.enumerate() if one.name.startswith("verigrad-prefetch")]


def wait_for_the_end():
    gc.collect()  # an exception holds the iterator that raised it
    for one in threads():
        one.join(10)
    assert threads() == []


class Watched(Dataset):
    """Notes by which thread and with which mode its batches are gathered; some raise or decline."""

    def __init__(self, n, error_at=None, declines=False):
        self.n, self.error_at, self.declines = n, error_at, declines
        self.seen = []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return verigrad.tensor(index)

    def __getbatch__(self, indices):
        if self.declines:
            return NotImplemented
        numbers = indices.tolist()
        self.seen.append((numbers, threading.current_thread().name, verigrad.is_grad_enabled()))
        if self.error_at in numbers:
            raise KeyError(self.error_at)
        return verigrad.tensor(numbers)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [0, 1, 4, 5, 23])
def test_the_batches_are_the_same(same, n, drop_last, shuffle):
    options = {"batch_size": 4, "shuffle": shuffle, "drop_last": drop_last} if n else {"batch_size": 4}
    plain = DataLoader(data(n), **options, generator=seeded())
    ahead = DataLoader(data(n), **options, generator=seeded(), prefetch_thread=True)
    for _ in range(2):
        assert same(list(ahead), list(plain))
    subset = Subset(data(30), range(3, 25))
    assert same(list(DataLoader(subset, 4, prefetch_thread=True)), list(DataLoader(subset, 4)))
    wait_for_the_end()


def test_a_thread_gathers_two_batches_ahead_and_ends_with_the_iterator():
    dataset = Watched(20)
    with verigrad.no_grad():
        batches = iter(DataLoader(dataset, 4, prefetch_thread=True))
    assert next(batches).tolist() == [0, 1, 2, 3]
    begun = time.monotonic()
    while len(dataset.seen) < 3 and time.monotonic() - begun < 10:
        time.sleep(0.001)
    time.sleep(0.05)  # and no more of them
    assert [numbers[0] for numbers, _, _ in dataset.seen] == [0, 4, 8]
    assert {name.split("_")[0] for _, name, _ in dataset.seen} == {"verigrad-prefetch"}
    assert {mode for _, _, mode in dataset.seen} == {False}  # that of the program when the epoch began
    assert len(threads()) == 1
    del batches
    wait_for_the_end()


def test_an_error_belongs_to_its_batch():
    dataset = Watched(12, error_at=5)
    batches = iter(DataLoader(dataset, 4, prefetch_thread=True))
    assert next(batches).tolist() == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="5"):
        next(batches)
    assert next(batches).tolist() == [8, 9, 10, 11]
    with pytest.raises(StopIteration):
        next(batches)


def test_an_index_that_is_out_of_range_is_explained():
    dataset = data(10)
    batches = iter(DataLoader(dataset, 4, prefetch_thread=True))
    dataset.tensors = tuple(tensor[:9] for tensor in dataset.tensors)
    next(batches)
    with pytest.raises(IndexError) as error:
        list(batches)
    assert "Did it become shorter" in "".join(error.value.__notes__)


def test_a_dataset_that_declines_is_fetched_one_by_one():
    loader = DataLoader(Watched(6, declines=True), 4, prefetch_thread=True)
    assert [batch.tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5]]
    wait_for_the_end()


def test_an_epoch_goes_on_in_the_middle(same):
    loader = DataLoader(data(), 4, shuffle=True, generator=seeded(), prefetch_thread=True)
    batches = iter(loader)
    next(batches)
    next(batches)
    state = loader.state_dict()  # what is only gathered ahead was not handed out
    rest = list(batches)
    again = DataLoader(data(), 4, shuffle=True, generator=seeded(9), prefetch_thread=True)
    again.load_state_dict(state)
    assert same(list(again), rest)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_gathers_by_itself():
    batches = iter(DataLoader(data(23), 4, prefetch_thread=True))
    next(batches)
    child = os.fork()
    if child == 0:
        try:
            numbers = [number for _, labels in batches for number in labels.tolist()]
            os._exit(0 if numbers == list(range(4, 23)) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [number for _, labels in batches for number in labels.tolist()] == list(range(4, 23))


def test_what_is_not_gathered_natively_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([1])

    loaders = [
        DataLoader([1, 2, 3], 2, prefetch_thread=True),
        DataLoader(data(), 2, collate_fn=lambda batch: batch, prefetch_thread=True),
        DataLoader(data(), batch_size=None, prefetch_thread=True),
        DataLoader(data(), batch_sampler=[[0, 1]], prefetch_thread=True),
    ]
    for loader in loaders:
        with pytest.raises(ValueError, match="prefetch_thread=True needs a dataset in memory"):
            iter(loader)
    with pytest.raises(ValueError, match="expected unspecified prefetch_thread option"):
        DataLoader(Stream(), prefetch_thread=True)
