"""Page-locked memory, and copies that the program does not wait for. On the emulation such copies are done
late, so that memory which is used too early shows; a real device may be fast."""

from __future__ import annotations

import copy
import gc
import os
import subprocess
import sys
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import verigrad
from verigrad import cuda, nn
from verigrad.data import DataLoader, TensorDataset

pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)

EMULATED = cuda.is_available() and cuda.get_device_name() == "verigrad emulation"
DTYPES = [verigrad.bool, verigrad.uint8, verigrad.int32, verigrad.int64, verigrad.float32, verigrad.float64]
HOST = {"device": "cpu"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (3, 4, 5)])
def test_pinned_memory_has_the_elements(dtype, shape):
    x = (verigrad.rand(shape, **HOST) * 3).to(dtype)
    pinned = x.pin_memory()
    assert not x.is_pinned() and pinned.is_pinned() and pinned.is_cpu
    assert pinned.dtype == dtype and pinned.shape == x.shape and verigrad.equal(pinned, x)
    assert pinned.data_ptr() != x.data_ptr()
    assert pinned.pin_memory().data_ptr() == pinned.data_ptr()
    assert verigrad.equal(pinned.to("cuda", non_blocking=True).cpu(), x)


def test_views_are_pinned_and_copies_are_not():
    pinned = verigrad.arange(24, **HOST).reshape(4, 6).pin_memory()
    for view in (pinned[1], pinned.T, pinned[4:], pinned[::2, 1::3], pinned.detach(), pinned.data):
        assert view.is_pinned()
    for other in (pinned.clone(), pinned + 1, pinned.double(), copy.deepcopy(pinned), pinned.cuda()):
        assert not other.is_pinned()
    transposed = pinned.T.clone().T  # not contiguous
    assert verigrad.equal(transposed.pin_memory(), pinned)
    assert verigrad.equal(pinned.T.to("cuda", non_blocking=True).cpu(), pinned.T)


def test_numpy_shares_pinned_memory():
    pinned = verigrad.zeros(4, pin_memory=True, **HOST)
    array = pinned.numpy()
    array[1] = 5
    assert pinned.tolist() == [0, 5, 0, 0]
    again = verigrad.from_numpy(array)
    assert again.is_pinned() and again.data_ptr() == pinned.data_ptr()
    there = again.to("cuda", non_blocking=True)
    del pinned, array, again
    gc.collect()
    other = verigrad.full((4,), 9.0, pin_memory=True, **HOST)
    assert there.tolist() == [0, 5, 0, 0] and other.tolist() == [9] * 4
    assert there.numpy(force=True).tolist() == [0, 5, 0, 0]


def test_creation_in_pinned_memory():
    like = verigrad.ones(2, 3, **HOST)
    makers = [
        lambda **o: verigrad.zeros(2, 3, **o, **HOST),
        lambda **o: verigrad.ones((2, 3), dtype=verigrad.int64, **o, **HOST),
        lambda **o: verigrad.full((2,), 3.0, **o, **HOST),
        lambda **o: verigrad.tensor([[1, 2]], **o, **HOST),
        lambda **o: verigrad.arange(5, **o, **HOST),
        lambda **o: verigrad.arange(1, 5, 2, **o, **HOST),
        lambda **o: verigrad.linspace(0, 1, 4, **o, **HOST),
        lambda **o: verigrad.eye(3, **o, **HOST),
        lambda **o: verigrad.rand(3, **o, **HOST),
        lambda **o: verigrad.randn(3, **o, **HOST),
        lambda **o: verigrad.randint(9, (4,), **o, **HOST),
        lambda **o: verigrad.randint(2, 9, (4,), **o, **HOST),
        lambda **o: verigrad.randperm(6, **o, **HOST),
        lambda **o: verigrad.zeros_like(like, **o),
        lambda **o: verigrad.ones_like(like, **o),
        lambda **o: verigrad.full_like(like, 2.0, **o),
        lambda **o: verigrad.rand_like(like, **o),
        lambda **o: verigrad.randn_like(like, **o),
        lambda **o: verigrad.randint_like(like, 0, 9, **o),
    ]
    for make in makers:
        verigrad.manual_seed(5)
        plain = make(pin_memory=None)
        verigrad.manual_seed(5)
        pinned = make(pin_memory=True)
        assert pinned.is_pinned() and not plain.is_pinned() and verigrad.equal(pinned, plain)
        state = verigrad.get_rng_state()
        with pytest.raises(TypeError):
            make(pin_memory=1)
        assert verigrad.equal(verigrad.get_rng_state(), state)
    for pinned in (verigrad.empty(3, 2, pin_memory=True, **HOST), verigrad.empty_like(like, pin_memory=True)):
        assert pinned.is_pinned() and pinned.ndim == 2
    assert verigrad.zeros(3, pin_memory=True, requires_grad=True, **HOST).requires_grad


def test_only_tensors_of_the_cpu_are_pinned():
    there = verigrad.ones(2, device="cuda")
    assert not there.is_pinned()
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        there.pin_memory()
    cuda.manual_seed(1)
    state = cuda.get_rng_state()
    for make in (verigrad.empty, verigrad.rand):
        with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
            make(2, device="cuda", pin_memory=True)
    assert verigrad.equal(cuda.get_rng_state(), state)


def test_the_argument_device_is_deprecated():
    x = verigrad.ones(2, **HOST)
    for device in ("cuda", verigrad.device("cuda", 0), 0):
        with pytest.warns(DeprecationWarning, match=r"'device' of Tensor\.pin_memory\(\) is deprecated"):
            pinned = x.pin_memory(device)
        with pytest.warns(DeprecationWarning, match=r"'device' of Tensor\.is_pinned\(\) is deprecated"):
            assert pinned.is_pinned(device)
    with pytest.warns(DeprecationWarning), pytest.raises(RuntimeError, match="CUDA device, got cpu"):
        x.pin_memory("cpu")
    with pytest.warns(DeprecationWarning):
        assert not pinned.is_pinned("cpu")


def test_gradients_pass_through():
    x = verigrad.rand(3, dtype=verigrad.float64, requires_grad=True, **HOST)
    pinned = x.pin_memory()
    assert "PinMemoryBackward0" in repr(pinned.grad_fn)
    assert verigrad.autograd.gradcheck(lambda a: a.pin_memory() * 2, (x,))
    assert verigrad.autograd.gradcheck(
        lambda a: a.pin_memory().to("cuda", non_blocking=True).cpu() * 3.0, (x,)
    )
    leaf = verigrad.ones(3, pin_memory=True, requires_grad=True, **HOST)
    leaf.to("cuda", non_blocking=True).sum().backward()
    assert leaf.grad.tolist() == [1, 1, 1]


def test_a_copy_that_waits_has_read_the_memory():
    pinned = verigrad.ones(1000, pin_memory=True, **HOST)
    copies = [pinned.to("cuda"), pinned.cuda(), verigrad.empty(1000, device="cuda").copy_(pinned)]
    pinned.fill_(2)
    for there in copies:
        assert there.sum().item() == 1000


@pytest.mark.skipif(not EMULATED, reason="a device may be done at once")
def test_a_copy_that_does_not_wait_is_done_later():
    for transfer in (
        lambda t: t.to("cuda", non_blocking=True),
        lambda t: t.to("cuda", verigrad.float64, True),
        lambda t: t.to(device="cuda", dtype=verigrad.int64, non_blocking=True),
        lambda t: t.cuda(non_blocking=True),
        lambda t: verigrad.empty(8, device="cuda").copy_(t, non_blocking=True),
        lambda t: verigrad.empty(8, device="cuda").copy_(t, True),
    ):
        pinned = verigrad.ones(8, pin_memory=True, **HOST)
        there = transfer(pinned)
        if there.dtype == pinned.dtype:  # otherwise a kernel has come after it
            pinned.fill_(2)
        assert there.tolist() == [2 if there.dtype == pinned.dtype else 1] * 8
    cuda.empty_cache()
    there = verigrad.full((8,), 7.0, device="cuda")
    for transfer in (
        lambda t: t.to("cpu", non_blocking=True),
        lambda t: verigrad.zeros(8, pin_memory=True, **HOST).copy_(t, non_blocking=True),
    ):
        back = transfer(there)
        assert back.is_pinned()
        before = back.clone()
        cuda.synchronize()
        assert back.tolist() == [7] * 8 != before.tolist()
        back.fill_(0)


def test_what_is_not_pinned_is_read_before_the_call_returns():
    for count in (10, 1_000_000):
        x = verigrad.ones(count, **HOST)
        there = x.to("cuda", non_blocking=True)
        x.fill_(2)
        assert there.sum().item() == count
        back = verigrad.zeros(count, **HOST).copy_(there, non_blocking=True)
        assert back.sum().item() == count


def test_pinned_memory_is_not_used_again_before_its_copies_are_done():
    copies = []
    for value in range(40):
        copies.append(verigrad.full((1000,), value, pin_memory=True, **HOST).to("cuda", non_blocking=True))
    other = [verigrad.full((1000,), -1, pin_memory=True, **HOST) for _ in range(40)]
    assert [int(there[-1].item()) for there in copies] == list(range(40))
    assert all(x[0].item() == -1 for x in other)


def test_a_result_that_nobody_waited_for_is_not_written_into_other_memory():
    there = verigrad.ones(1000, device="cuda")
    for _ in range(20):
        there.to("cpu", non_blocking=True)
        other = verigrad.zeros(1000, pin_memory=True, **HOST)
        cuda.synchronize()
        assert other.sum().item() == 0


def test_freed_pinned_memory_is_used_again():
    cuda.empty_cache()
    first = verigrad.zeros(777, pin_memory=True, **HOST)
    address = first.data_ptr()
    first.to("cuda", non_blocking=True)
    cuda.synchronize()
    del first
    assert verigrad.empty(777, pin_memory=True, **HOST).data_ptr() == address


def test_receivers_of_every_kind():
    x = verigrad.arange(12.0, **HOST).reshape(3, 4)
    for source in (x.pin_memory(), x):
        there = verigrad.zeros(4, 3, device="cuda")
        there.T.copy_(source, non_blocking=True)  # not contiguous
        assert verigrad.equal(there.cpu(), x.T)
        wide = verigrad.zeros(2, 3, 4, dtype=verigrad.float64, device="cuda")
        wide.copy_(source, non_blocking=True)  # another dtype, broadcast
        assert verigrad.equal(wide.cpu(), verigrad.stack([x, x]).double())
        packed = verigrad.zeros(3, 4, dtype=verigrad.int64, device="cuda").copy_(source, non_blocking=True)
        assert verigrad.equal(packed.cpu(), x.long())
        columns = verigrad.zeros(4, 3, device="cuda").copy_(source.T, non_blocking=True)
        assert verigrad.equal(columns.cpu(), x.T)
    there = x.cuda()
    for pinned in (False, True):
        here = verigrad.zeros(4, 3, pin_memory=pinned, **HOST)
        here.T.copy_(there, non_blocking=True)
        assert verigrad.equal(here, x.T)
        here = verigrad.zeros(2, 3, 4, pin_memory=pinned, **HOST).copy_(there, non_blocking=True)
        assert verigrad.equal(here, verigrad.stack([x, x]))
        here = verigrad.zeros(3, 4, dtype=verigrad.int32, pin_memory=pinned, **HOST)
        here.copy_(there, non_blocking=True)
        cuda.synchronize()
        assert verigrad.equal(here, x.int())


def test_the_graph_does_not_depend_on_waiting():
    for non_blocking in (False, True):
        x = verigrad.ones(3, pin_memory=True, requires_grad=True, **HOST)
        y = verigrad.zeros(3, device="cuda")
        y.copy_(x * 2, non_blocking)
        (y * x.cuda(non_blocking=non_blocking)).to("cpu", non_blocking=non_blocking).sum().backward()
        assert x.grad.tolist() == [4, 4, 4]


def test_modules_take_non_blocking():
    model = nn.Linear(3, 2).to("cpu")
    expected = [p.detach().clone() for p in model.parameters()]
    for parameter in model.parameters():
        parameter.data = parameter.data.pin_memory()
    model.to("cuda", non_blocking=True)
    assert all(
        p.is_cuda and verigrad.equal(p.detach().cpu(), e)
        for p, e in zip(model.parameters(), expected, strict=True)
    )
    model.to("cpu", verigrad.float64, True)
    cuda.synchronize()
    assert all(
        p.is_pinned() and verigrad.equal(p.detach().float(), e)
        for p, e in zip(model.parameters(), expected, strict=True)
    )


Pair = namedtuple("Pair", "inputs targets")


class Custom:
    def __init__(self, inputs):
        self.inputs = inputs

    def pin_memory(self):
        self.inputs = self.inputs.pin_memory()
        return self


def _tensors(batch):
    if isinstance(batch, verigrad.Tensor):
        return [batch]
    if isinstance(batch, Custom):
        return [batch.inputs]
    if isinstance(batch, dict):
        batch = batch.values()
    return [t for part in batch if not isinstance(part, str | int) for t in _tensors(part)]


def _row(i):
    return verigrad.full((2,), float(i), **HOST)


@pytest.mark.parametrize(
    "collate",
    [
        None,
        lambda rows: [verigrad.stack(rows), "text", 3],
        lambda rows: (verigrad.stack(rows), [rows[0]]),
        lambda rows: {"x": verigrad.stack(rows), "n": len(rows)},
        lambda rows: OrderedDict(x=verigrad.stack(rows)),
        lambda rows: Pair(verigrad.stack(rows), rows[0]),
        lambda rows: Custom(verigrad.stack(rows)),
    ],
)
def test_a_loader_pins_its_batches(collate):
    rows = [_row(i) for i in range(6)]
    plain = list(DataLoader(rows, batch_size=2, collate_fn=collate))
    loader = DataLoader(rows, batch_size=2, collate_fn=collate, pin_memory=True)
    assert len(iter(loader)) == 3
    pinned = list(loader)
    assert len(pinned) == len(plain) == 3
    for ours, theirs in zip(pinned, plain, strict=True):
        assert type(ours) is type(theirs)
        assert all(t.is_pinned() for t in _tensors(ours))
        assert [t.tolist() for t in _tensors(ours)] == [t.tolist() for t in _tensors(theirs)]


def test_a_loader_feeds_a_device():
    x = verigrad.arange(60.0, **HOST).reshape(20, 3)
    loader = DataLoader(TensorDataset(x, x.sum(1)), batch_size=4, pin_memory=True)
    batches = [
        (a.to("cuda", non_blocking=True), b.to("cuda", non_blocking=True)) for a, b in loader
    ]  # the loader goes on while they are copied
    assert verigrad.equal(verigrad.cat([a for a, _ in batches]).cpu(), x)
    assert verigrad.equal(verigrad.cat([b for _, b in batches]).cpu(), x.sum(1))
    with pytest.warns(UserWarning, match="pin_memory_device is deprecated") as record:
        list(DataLoader([1], pin_memory=True, pin_memory_device="cuda"))
    assert record[0].filename == __file__


def test_pinned_tensors_are_saved_as_others(tmp_path):
    pinned = verigrad.arange(5.0, pin_memory=True, **HOST)
    verigrad.save({"x": pinned}, tmp_path / "x.safetensors")
    loaded = verigrad.load(tmp_path / "x.safetensors")["x"]
    assert loaded.is_cpu and not loaded.is_pinned() and verigrad.equal(loaded, pinned)
    assert repr(pinned) == repr(pinned.clone())


def test_memory_that_cannot_be_pinned_is_an_error():
    with pytest.raises(verigrad.OutOfMemoryError, match="empty: the host is out of page-locked memory"):
        verigrad.empty(1 << 46, dtype=verigrad.uint8, pin_memory=True, **HOST)
    assert verigrad.ones(3, pin_memory=True, **HOST).sum().item() == 3


def test_streams_may_go_before_what_was_done_on_them():
    x = verigrad.ones(3, device="cuda", requires_grad=True)
    stream = cuda.Stream()
    pinned = verigrad.ones(3, pin_memory=True, **HOST)
    with cuda.stream(stream):
        y = x * 2 + pinned.to("cuda", non_blocking=True)
    cuda.current_stream().wait_stream(stream)
    del stream
    gc.collect()
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2] and y.tolist() == [3, 3, 3]
    try:
        cuda.set_stream(cuda.Stream())
        gc.collect()
        assert (verigrad.ones(2, device="cuda") + 1).tolist() == [2, 2]
    finally:
        cuda.set_stream(cuda.default_stream())


@pytest.mark.skipif(cuda.device_count() < 2, reason="one device")
def test_the_default_stream_of_another_device():
    pinned = verigrad.ones(1000, pin_memory=True, **HOST)
    there = pinned.to("cuda:1", non_blocking=True)
    cuda.default_stream(1).synchronize()
    pinned.fill_(2)
    assert there.sum().item() == 1000
    other = there.to("cuda:0")
    there.fill_(3)
    assert other.sum().item() == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_fork_leaves_the_parents_memory_alone():
    code = """
import os, verigrad
x = verigrad.full((100,), 3.0, pin_memory=True)
there = verigrad.ones(100, device="cuda")
y = x.to("cuda", non_blocking=True)
child = os.fork()
if child == 0:
    refused = 0
    calls = (
        lambda: x.to("cuda", non_blocking=True),
        lambda: there.cpu(),
        lambda: verigrad.ones(3).pin_memory(),
        lambda: verigrad.empty(3, pin_memory=True),
        verigrad.cuda.synchronize,
    )
    for call in calls:
        try:
            call()
        except RuntimeError as error:
            refused += "forked subprocess" in str(error)
    pinned = x.is_pinned()
    del x, y, there
    os._exit(0 if refused == len(calls) and not pinned else 1)
del x
other = verigrad.full((100,), 4.0, pin_memory=True)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert y.tolist() == [3.0] * 100 and other.is_pinned()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_copies_of_two_threads_and_many_streams():
    import threading

    wrong = []

    def work(value):
        with cuda.stream(cuda.Stream()):
            for k in range(20):
                x = verigrad.full((500,), value + k, pin_memory=True, **HOST).to("cuda", non_blocking=True)
                back = (x * 2).to("cpu", non_blocking=True)
                cuda.current_stream().synchronize()
                if not np.all(back.numpy() == 2 * (value + k)):
                    wrong.append((value, k))

    threads = [threading.Thread(target=work, args=(100.0 * i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
