"""Tensors on a CUDA device, real or emulated: transfers, memory, streams, errors. Skipped where there is
none."""

from __future__ import annotations

import gc
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import verigrad
from verigrad import cuda, nn
from verigrad.testing import boundaries

pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)

DTYPES = [verigrad.bool, verigrad.uint8, verigrad.int32, verigrad.int64, verigrad.float32, verigrad.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (3, 4, 5)])
def test_a_trip_to_the_device_and_back_keeps_the_elements(dtype, shape):
    x = (verigrad.rand(shape) * 3).to(dtype)
    there = x.cuda()
    assert there.is_cuda and not there.is_cpu and there.device == verigrad.device("cuda:0")
    assert there.dtype == dtype and there.shape == x.shape
    back = there.cpu()
    assert back.is_cpu and verigrad.equal(back, x)
    assert x.cpu() is x or x.cpu().data_ptr() == x.data_ptr()
    assert there.cuda().data_ptr() == there.data_ptr()


def test_views_are_moved_as_they_look():
    x = verigrad.arange(24).reshape(4, 6)
    for view in (x.T, x[::2, 1::3], x[1], x[:, 2:3].expand(4, 5)):
        assert verigrad.equal(view.to("cuda").cpu(), view)
    there = x.cuda()
    assert verigrad.equal(there.T.cpu(), x.T)
    assert verigrad.equal(there[::2, 1::3].cpu(), x[::2, 1::3])


def test_to_takes_a_device_a_dtype_or_a_tensor():
    x = verigrad.ones(3)
    y = x.to("cuda", verigrad.float64)
    assert y.is_cuda and y.dtype == verigrad.float64
    assert x.to(y).dtype == verigrad.float64 and x.to(y).is_cuda
    assert x.type_as(y).is_cuda
    assert y.to(device="cpu", non_blocking=True).is_cpu
    assert x.to(verigrad.device("cuda", 0)).is_cuda
    with pytest.raises(RuntimeError, match="Invalid device, must be cuda device, got cpu"):
        x.cuda("cpu")


def test_gradients_come_back_to_the_device_of_their_leaf():
    x = verigrad.rand(3, 4, requires_grad=True)
    w = verigrad.rand(4, requires_grad=True, device="cuda")
    (x.cuda() * w).sum().cpu().backward()
    assert x.grad.is_cpu and w.grad.is_cuda
    np.testing.assert_allclose(x.grad.numpy(), np.broadcast_to(w.detach().cpu().numpy(), (3, 4)))
    np.testing.assert_allclose(w.grad.cpu().numpy(), x.detach().numpy().sum(0), rtol=1e-6)


def test_copies_between_devices_cast_broadcast_and_have_gradients():
    x = verigrad.arange(3.0, requires_grad=True)
    y = verigrad.zeros(2, 3, dtype=verigrad.float64, device="cuda")
    y.copy_(x)
    y.sum().backward()
    assert y.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert x.grad.tolist() == [2, 2, 2]


def test_operands_on_two_devices_are_refused_and_named():
    x, y = verigrad.ones(2), verigrad.ones(2, device="cuda")
    for call in (
        lambda: x + y,
        lambda: y * x,
        lambda: y.add_(x),
        lambda: verigrad.cat([x, y]),
        lambda: x @ y,
    ):
        with pytest.raises(RuntimeError, match="same device.*cpu.*cuda:0|same device.*cuda:0.*cpu"):
            call()
    if cuda.device_count() > 1:
        with pytest.raises(RuntimeError, match=r"cuda:0.*cuda:1"):
            y + verigrad.ones(2, device="cuda:1")


def test_zero_dimensional_tensors_of_the_cpu_go_along():
    y = verigrad.ones(2, device="cuda")
    two = verigrad.tensor(2.0, requires_grad=True)
    assert (y * two).tolist() == [2, 2] and (two * y).is_cuda
    (y * two).sum().backward()
    assert two.grad.is_cpu and two.grad.item() == 2
    y.add_(verigrad.tensor(1.0))
    assert y.tolist() == [2, 2]


def test_subscripts_of_the_cpu_and_of_the_device():
    x = verigrad.arange(12.0).reshape(3, 4)
    there = x.cuda()
    index = verigrad.tensor([2, 0])
    for subscript in (index, index.cuda(), [2, 0], x > 4, (x > 4).cuda(), (slice(None), index)):
        host = tuple(s.cpu() if isinstance(s, verigrad.Tensor) else s for s in (subscript,))[0]
        assert verigrad.equal(there[subscript].cpu(), x[host])
    there[index] = -1.0
    x[index] = -1.0
    assert verigrad.equal(there.cpu(), x)
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        x[index.cuda()]


def test_numpy_refuses_and_lists_and_text_do_not():
    x = verigrad.tensor([[1.0, 2.0]], device="cuda")
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        x.numpy()
    assert x.tolist() == [[1.0, 2.0]] and x[0, 1].item() == 2.0 and float(x[0, 0]) == 1.0
    assert repr(x) == "tensor([[1., 2.]], device='cuda:0')"


def test_creation_on_a_device_and_by_default():
    made = [
        verigrad.zeros(2, 2, device="cuda"),
        verigrad.full((2,), 3.0, device="cuda"),
        verigrad.arange(3, device="cuda"),
        verigrad.rand(3, device="cuda"),
        verigrad.randperm(5, device="cuda"),
        verigrad.ones_like(verigrad.ones(2), device="cuda"),
        verigrad.rand_like(verigrad.ones(2), device="cuda"),
        verigrad.as_tensor(np.ones(3), device="cuda"),
        verigrad.tensor([1, 2], device="cuda"),
        verigrad.eye(3, device="cuda"),
    ]
    assert all(t.is_cuda for t in made)
    assert sorted(made[4].tolist()) == [0, 1, 2, 3, 4]
    assert verigrad.get_default_device() == verigrad.device("cpu")
    verigrad.set_default_device("cuda")
    assert verigrad.zeros(2).is_cuda and verigrad.tensor([1.0]).is_cuda and nn.Linear(2, 2).weight.is_cuda
    verigrad.set_default_device(None)
    assert verigrad.zeros(2).is_cpu


def test_equal_seeds_give_equal_numbers_on_both_devices():
    for draw in (verigrad.rand, verigrad.randn):
        verigrad.manual_seed(7)
        here = draw(1000)
        there = draw(1000, device="cuda")
        assert verigrad.equal(here, there.cpu())
    cuda.manual_seed(3)
    first = verigrad.rand(4, device="cuda")
    state = cuda.get_rng_state()
    second = verigrad.rand(4, device="cuda")
    cuda.set_rng_state(state)
    assert verigrad.equal(second, verigrad.rand(4, device="cuda"))
    cuda.manual_seed(3)
    assert cuda.initial_seed() == 3 and verigrad.equal(first, verigrad.rand(4, device="cuda"))
    with pytest.raises(RuntimeError, match="Expected a 'cuda:0' device type for generator but found 'cpu'"):
        verigrad.rand(3, device="cuda", generator=verigrad.Generator())


def test_a_network_on_the_device_trains_as_on_the_cpu():
    def train(device):
        verigrad.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).to(device)
        optimizer = verigrad.optim.Adam(model.parameters(), lr=0.01)
        x, y = verigrad.randn(32, 4).to(device), verigrad.randint(0, 3, (32,)).to(device)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert all(p.device.type == device and p.grad.device.type == device for p in model.parameters())
        return losses

    np.testing.assert_allclose(train("cuda"), train("cpu"), rtol=1e-5)


def test_saved_tensors_come_back_to_their_device_or_where_they_are_mapped(tmp_path):
    model = nn.Linear(2, 2).cuda()
    path = tmp_path / "model.safetensors"
    verigrad.save({"model": model.state_dict(), "step": verigrad.tensor(3)}, path)
    loaded = verigrad.load(path)
    assert loaded["model"]["weight"].is_cuda and loaded["step"].is_cpu
    assert verigrad.equal(loaded["model"]["weight"], model.weight)
    assert verigrad.load(path, map_location="cpu")["model"]["weight"].is_cpu
    assert verigrad.load(path, map_location="cuda")["step"].is_cuda
    mapped = verigrad.load(path, map_location={"cuda:0": "cpu"})
    assert mapped["model"]["weight"].is_cpu and mapped["step"].is_cpu
    with pytest.raises(RuntimeError, match="device cuda:99"):
        verigrad.load(path, map_location="cuda:99")


def test_files_of_torch_go_to_the_device_and_back(tmp_path):
    path = tmp_path / "model.pt"
    x = verigrad.arange(24.0).reshape(4, 6)
    value = {"x": x, "t": x.t(), "again": x.detach(), "p": nn.Parameter(x[1]), "wide": x[:1].expand(3, 6)}
    verigrad.save({name: one.cuda() for name, one in value.items()} | {"here": x}, path, format="torch")
    loaded = verigrad.load(path)
    assert loaded.pop("here").is_cpu
    mapped = verigrad.load(path, map_location={"cuda:0": "cpu"})
    assert all(one.is_cuda for one in loaded.values()) and all(one.is_cpu for one in mapped.values())
    for name, one in value.items():
        assert verigrad.equal(loaded[name].cpu(), one) and verigrad.equal(mapped[name], one)
    verigrad.save(value, path, format="torch")
    there = verigrad.load(path, map_location="cuda")
    assert type(there["p"]) is nn.Parameter and there["p"].is_cuda and there["p"].requires_grad
    assert there["wide"].stride() == (0, 1)
    there["x"][0, 0] = 50.0  # one memory where the view is the same, as after loading safetensors
    assert there["again"][0, 0].item() == 50.0
    with pytest.raises(RuntimeError, match="device cuda:99"):
        verigrad.load(path, map_location="cuda:99")


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(RuntimeError, match=f"device cuda:77: expected an index below {cuda.device_count()}"):
        verigrad.ones(2, device="cuda:77")
    with pytest.raises(RuntimeError, match="device cuda:77"):
        cuda.synchronize(77)
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        cuda.synchronize("cpu")
    assert verigrad.ones(2, device="cuda").sum().item() == 2


@pytest.mark.skipif(cuda.device_count() < 2, reason="one device")
def test_several_devices():
    assert cuda.current_device() == 0
    with cuda.device(1):
        x = verigrad.ones(3, device="cuda")
        assert x.device.index == 1 and cuda.current_device() == 1
    assert cuda.current_device() == 0
    y = x.to("cuda:0") + verigrad.ones(3, device="cuda:0")
    assert y.device.index == 0 and y.tolist() == [2, 2, 2]
    cuda.set_device(1)
    try:
        assert verigrad.zeros(1).cuda().device.index == 1
    finally:
        cuda.set_device(0)


def test_memory_is_counted():
    gc.collect()
    before = cuda.memory_allocated()
    x = verigrad.zeros(1000, 1000, device="cuda")
    assert cuda.memory_allocated() - before >= x.nbytes
    cuda.reset_peak_memory_stats()
    peak = cuda.max_memory_allocated()
    y = x + 1
    assert cuda.max_memory_allocated() - peak >= y.nbytes
    assert cuda.memory_reserved() >= cuda.memory_allocated()
    del x, y
    gc.collect()
    assert cuda.memory_allocated() == before
    cuda.empty_cache()


def test_a_convolution_holds_a_part_of_its_columns_at_a_time():
    part = boundaries.value("cuda_columns_bytes")
    channels, outputs, taps = 4, 2, 9
    side = math.isqrt(4 * part // (channels * taps * 4)) + 3  # four times as many bytes in all
    x = verigrad.rand(1, channels, side, side, device="cuda", requires_grad=True)
    w = verigrad.rand(outputs, channels, 3, 3, device="cuda", requires_grad=True)
    gc.collect()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    y = nn.functional.conv2d(x, w)
    assert cuda.max_memory_allocated() - before - y.nbytes < 2 * part
    before = cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    y.backward(y.detach())
    assert cuda.max_memory_allocated() - before - x.nbytes - w.nbytes < 2 * part


def test_memory_that_is_not_there_is_an_error_and_the_rest_goes_on():
    total = cuda.get_device_properties().total_memory
    before = cuda.memory_allocated()
    with pytest.raises(
        cuda.OutOfMemoryError, match=r"CUDA out of memory: tried to allocate \d+ bytes on cuda:0"
    ):
        verigrad.empty(2 * total, dtype=verigrad.uint8, device="cuda")
    assert cuda.memory_allocated() == before
    assert issubclass(verigrad.OutOfMemoryError, RuntimeError)
    assert verigrad.ones(10, device="cuda").sum().item() == 10


def test_mistakes_that_only_the_device_sees_are_raised_at_the_next_synchronisation():
    x = verigrad.arange(6, device="cuda")
    y = x // verigrad.tensor([1, 2, 0, 1, 2, 3], device="cuda")
    with pytest.raises(RuntimeError, match="floor_divide|binary"):
        cuda.synchronize()
    cuda.synchronize()  # raised once
    assert y[0].item() == 0
    table = verigrad.zeros(4, 2, device="cuda")
    verigrad.index_select(table, 0, verigrad.tensor([0, 4], device="cuda"))
    with pytest.raises(IndexError, match=r"index_select: expected an index in \[0, 4\), got 4"):
        cuda.synchronize()
    assert table.sum().item() == 0


def test_mistakes_are_raised_where_they_are_made_if_the_environment_asks_for_it():
    code = (
        "import verigrad\n"
        "table, index = verigrad.zeros(4, 2, device='cuda'), verigrad.tensor([0, 4], device='cuda')\n"
        "try:\n"
        "    verigrad.index_select(table, 0, index)\n"
        "except IndexError as error:\n"
        "    print('at once', error)\n"
        "else:\n"
        "    try:\n"
        "        verigrad.cuda.synchronize()\n"
        "    except IndexError:\n"
        "        print('later')\n"
    )
    for value, expected in (
        ("1", "at once index_select: expected an index in [0, 4), got 4"),
        ("0", "later"),
        ("", "later"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"VERIGRAD_CUDA_SYNC": value},
            capture_output=True,
            text=True,
        )
        assert (done.stdout.strip(), done.stderr) == (expected, "")


def test_the_precision_of_products_has_a_name():
    assert verigrad.get_float32_matmul_precision() == "highest"
    for name in ("high", "medium", "highest"):
        verigrad.set_float32_matmul_precision(name)
        assert verigrad.get_float32_matmul_precision() == name
    with pytest.raises(ValueError, match="expected 'highest', 'high' or 'medium', got 'exact'"):
        verigrad.set_float32_matmul_precision("exact")
    assert verigrad.get_float32_matmul_precision() == "highest"


def test_streams_and_events():
    assert cuda.current_stream() == cuda.default_stream()
    stream = cuda.Stream()
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    with cuda.stream(stream):
        assert cuda.current_stream() == stream != cuda.default_stream()
        start.record()
        x = verigrad.ones(100, device="cuda") * 2
        end.record()
    assert cuda.current_stream() == cuda.default_stream()
    cuda.current_stream().wait_stream(stream)
    assert x.sum().item() == 200
    end.synchronize()
    assert end.query() and stream.query() and start.elapsed_time(end) >= 0
    stream.synchronize()
    with pytest.raises(RuntimeError, match="enable_timing"):
        cuda.Event().elapsed_time(end)
    assert cuda.Event().query()


def test_the_backward_pass_runs_on_the_streams_of_the_forward_pass():
    stream, seen = cuda.Stream(), []
    x = verigrad.ones(3, device="cuda", requires_grad=True)
    with cuda.stream(stream):
        y = x * 2
        y.register_hook(lambda g: seen.append(cuda.current_stream()))
    cuda.current_stream().wait_stream(stream)
    z = y.sum()
    z.register_hook(lambda g: seen.append(cuda.current_stream()))
    z.backward()
    assert seen == [cuda.default_stream(), stream]
    assert cuda.current_stream() == cuda.default_stream() and x.grad.tolist() == [2, 2, 2]


def test_what_a_device_is_called():
    properties = cuda.get_device_properties(0)
    assert properties.name == cuda.get_device_name() and properties.total_memory > 0
    assert cuda.get_device_capability() == (properties.major, properties.minor)


def test_the_benchmark_of_devices_runs(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks" / "cuda.py"
    out = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, script, "--tiny", "--json", out], check=True, timeout=600, capture_output=True
    )
    found = json.loads(out.read_text())
    assert found["about"]["device"] == cuda.get_device_name()
    assert {row["group"] for row in found["rows"]} == {"bandwidth", "products", "convolution", "steps"}
    assert all(row["verigrad_seconds"] > 0 for row in found["rows"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_a_fork_is_refused():
    code = (
        "import os, verigrad\n"
        "verigrad.ones(2, device='cuda')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        verigrad.ones(2, device='cuda')\n"
        "    except RuntimeError as error:\n"
        "        os._exit(0 if 'forked subprocess' in str(error) else 2)\n"
        "    os._exit(1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_gradients_are_checked_on_the_device():
    x = verigrad.rand(3, 2, dtype=verigrad.float64, device="cuda", requires_grad=True)
    y = verigrad.rand(2, dtype=verigrad.float64, device="cuda", requires_grad=True)
    before = x.tolist()
    for fast in (False, True):
        assert verigrad.autograd.gradcheck(lambda a, b: (a * b, a.sin()), (x, y), fast_mode=fast)
    assert verigrad.autograd.gradgradcheck(lambda a, b: a.exp() * b, (x, y))
    assert x.tolist() == before

    def wrong(a):
        return a * a.detach()

    assert not verigrad.autograd.gradcheck(wrong, (x,), raise_exception=False)
