"""Tensors, modules and optimizers between one's own processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg
from verigrad import multiprocessing as mp
from verigrad import nn

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def again(thing: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol))


class Labelled(vg.Tensor):
    """A subclass whose constructor takes something else than a tensor."""

    def __init__(self, values: list[float], label: str) -> None:
        super().__init__(values)
        self.label = label


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_tensor_comes_back(protocol: int) -> None:
    for tensor in (
        vg.tensor([[1.0, 2.0], [3.0, 4.0]]).t(),
        vg.tensor(3, dtype=vg.int32),
        vg.empty(0, 2, dtype=vg.bool),
        vg.ones(2, dtype=vg.float64, requires_grad=True),
        nn.Parameter(vg.ones(2), requires_grad=False),
        nn.Parameter(vg.ones(2)) * 2,
    ):
        back = again(tensor, protocol)
        assert type(back) is type(tensor) and back.tolist() == tensor.tolist()
        assert (back.dtype, back.shape, back.device) == (tensor.dtype, tensor.shape, tensor.device)
        assert back.requires_grad == tensor.requires_grad and back.is_leaf
        if back.numel() and not back.requires_grad:
            back.fill_(0)  # memory of its own, which can be written
    labelled = again(Labelled([1.0, 2.0], "a"), protocol)
    assert type(labelled) is Labelled and labelled.label == "a" and labelled.tolist() == [1.0, 2.0]


def test_one_object_stays_one() -> None:
    weight = nn.Parameter(vg.ones(2))
    first, second = again([weight, weight])
    assert first is second


def test_generators_come_back() -> None:
    generator = vg.Generator().manual_seed(3)
    vg.rand(2, generator=generator)
    assert vg.rand(3, generator=again(generator)).tolist() == vg.rand(3, generator=generator).tolist()


@pytest.mark.parametrize("make", [again, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_training_goes_on_in_a_copy(make: Callable[[Any], Any]) -> None:
    vg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    model[3].weight = nn.Parameter(model[3].weight.detach())
    optimizer = vg.optim.Adam(model.parameters(), lr=0.1)
    schedule = vg.optim.lr_scheduler.StepLR(optimizer, 1)
    x = vg.randn(8, 3)

    def step(model: nn.Module, optimizer: Any, schedule: Any) -> float:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        return float(loss.item())

    step(model, optimizer, schedule)
    other = make((model, optimizer, schedule))
    assert other[1].param_groups[0]["params"][0] is other[0][0].weight
    assert [step(*other) for _ in range(2)] == [step(model, optimizer, schedule) for _ in range(2)]
    assert model.state_dict()["0.weight"].tolist() == other[0].state_dict()["0.weight"].tolist()


def test_lazy_parameters_come_back() -> None:
    layer = again(nn.LazyLinear(2))
    assert type(layer) is nn.LazyLinear and nn.parameter.is_lazy(layer.weight)
    assert layer(vg.ones(1, 3)).shape == (1, 2)


# -- shared memory -------------------------------------------------------------------------------------------

cpu_only = pytest.mark.host("memory of a device is not mapped")


@cpu_only
def test_moving_to_shared_memory() -> None:
    x = vg.arange(6, dtype=vg.float32).reshape(2, 3).t().requires_grad_()
    x.grad = vg.ones(3, 2)
    assert not x.is_shared()
    same = x.share_memory_()
    assert same is x and x.is_shared() and x.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert x.detach()[1:].is_shared() and x.grad is not None and x.requires_grad
    at = x.data_ptr()
    assert x.share_memory_().data_ptr() == at and not x.clone().is_shared()
    assert vg.empty(0).share_memory_().shape == (0,)
    model = nn.BatchNorm1d(2)
    assert model.share_memory() is model
    assert all(tensor.is_shared() for tensor in (*model.parameters(), *model.buffers()))


@cpu_only
def test_shared_memory_goes_with_its_tensor() -> None:
    import gc
    import os

    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    x = vg.ones(1000).share_memory_()
    view = x[10:]
    del x
    view.fill_(2.0)
    assert view.is_shared() and len(os.listdir("/proc/self/fd")) > before
    del view
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def add_index(index: int, total: vg.Tensor, alone: vg.Tensor, view: vg.Tensor) -> None:
    assert total.is_shared() and not alone.is_shared()
    total[index] += 1 + index
    view.fill_(7.0)
    alone.fill_(9.0)


@cpu_only
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_write_to_shared_memory(method: str) -> None:
    total = nn.Parameter(vg.zeros(4), requires_grad=False).share_memory_()
    alone = vg.zeros(2)
    mp.start_processes(add_index, (total, alone, total[3:]), nprocs=2, start_method=method)
    assert total.tolist() == [1.0, 2.0, 0.0, 7.0] and alone.tolist() == [0.0, 0.0]


def answer(index: int, inbox: Any, outbox: Any) -> None:
    tensor = inbox.get()
    tensor.add_(1)
    outbox.put((tensor, tensor.is_shared()))
    inbox.get()  # the file of shared memory is asked of this process, which must be there


@cpu_only
def test_tensors_in_queues() -> None:
    context = multiprocessing.get_context("fork")
    inbox, outbox = context.Queue(), context.Queue()
    running = mp.start_processes(answer, (inbox, outbox), join=False, start_method="fork")
    x = vg.ones(2).share_memory_()
    inbox.put(x)
    back, shared = outbox.get(timeout=60)
    assert shared and back.tolist() == [2.0, 2.0] and x.tolist() == [2.0, 2.0]
    inbox.put(None)
    assert running is not None
    while not running.join(60):
        pass


def fail(index: int) -> None:
    if index == 1:
        raise ValueError("the second one")
    import time

    time.sleep(60)


def leave(index: int) -> None:
    raise SystemExit(3)


def test_errors_of_processes() -> None:
    with pytest.raises(
        mp.ProcessRaisedException, match="(?s)Process 1 terminated.*ValueError: the second one"
    ) as caught:
        mp.start_processes(fail, nprocs=2, start_method="fork")
    assert caught.value.error_index == 1
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 3"):
        mp.start_processes(leave, start_method="fork")
    with pytest.raises(ValueError, match="expected start_method 'spawn', got 'fork'"):
        mp.spawn(leave, start_method="fork")
    with pytest.raises(ValueError, match="got 'file_system'"):
        mp.set_sharing_strategy("file_system")
    mp.set_sharing_strategy(mp.get_sharing_strategy())
    assert mp.get_all_sharing_strategies() == {"file_descriptor"} and mp.Process is multiprocessing.Process


def test_graphs_do_not_travel() -> None:
    from verigrad._pickling import reduce_for_process

    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        reduce_for_process(vg.ones(2, requires_grad=True) * 2)
