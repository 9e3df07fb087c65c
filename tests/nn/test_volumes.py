"""Convolution and pooling of volumes: by hand, against PyTorch over grids of options, memory."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F

VOLUME = (5, 4, 6)


@pytest.fixture
def torch() -> Iterator[Any]:
    """PyTorch on one thread: many small calls."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def outcome(function: Any, *args: Any, **options: Any) -> Any:
    """The result, or the type of the error."""
    try:
        return function(*args, **options)
    except Exception as error:
        return type(error)


# -- convolution ---------------------------------------------------------------------------------------------


def test_a_kernel_of_one_frame_is_a_convolution_of_each_frame() -> None:
    vg.manual_seed(0)
    x, w = vg.randn(2, 3, 4, 5, 6), vg.randn(4, 3, 1, 3, 3)
    y = F.conv3d(x, w, padding=(0, 1, 1))
    for d in range(4):
        assert vg.allclose(y[:, :, d], F.conv2d(x[:, :, d], w[:, :, 0], padding=1), atol=1e-6)


def test_a_sum_over_frames() -> None:
    x = vg.arange(8.0).reshape(1, 1, 8, 1, 1)
    kernel = vg.tensor([1.0, 10.0, 100.0]).reshape(1, 1, 3, 1, 1)
    taken = F.conv3d(x, kernel, padding=(1, 0, 0), dilation=(1, 1, 1), stride=(2, 1, 1))
    assert taken.flatten().tolist() == [100.0, 321.0, 543.0, 765.0]
    apart = F.conv3d(x, kernel, dilation=(3, 1, 1))
    assert apart.flatten().tolist() == [630.0, 741.0]
    back = F.conv_transpose3d(vg.tensor([1.0, 2.0]).reshape(1, 1, 2, 1, 1), kernel, stride=2)
    assert back.flatten().tolist() == [1.0, 10.0, 102.0, 20.0, 200.0]


def test_a_transposed_convolution_is_the_transpose() -> None:
    """<conv(x), y> = <x, conv_transpose(y)> for every x and y."""
    vg.manual_seed(1)
    w = vg.randn(4, 2, 3, 2, 3, dtype=vg.float64)
    x = vg.randn(2, 4, 5, 7, 6, dtype=vg.float64)
    options = {"stride": 2, "padding": 1, "groups": 2}
    y = F.conv3d(x, w, **options)
    g = vg.randn(*y.shape, dtype=vg.float64)
    back = F.conv_transpose3d(g, w, output_padding=(0, 1, 1), **options)
    assert back.shape == x.shape
    assert math.isclose((y * g).sum().item(), (x * back).sum().item(), rel_tol=1e-12)


OPTIONS = [
    {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for stride, padding, dilation, groups in itertools.product(
        (1, 2, (3, 1, 2)), (0, 1, (2, 0, 1), "same", "valid"), (1, (2, 1, 2)), (1, 2)
    )
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [1, (2, 3, 1), (3, 2, 2)])
def test_convolutions_are_those_of_pytorch(torch: Any, kernel: Any, dtype: Any) -> None:
    """Values and gradients of first order, without a batch too; the same calls are refused."""
    rng = np.random.default_rng(3)
    taps = (kernel,) * 3 if isinstance(kernel, int) else kernel
    compared = 0
    for i, options in enumerate(OPTIONS):
        groups = options["groups"]
        shape = (4, *VOLUME) if i % 4 == 0 else ((2, 4, *VOLUME) if i % 4 < 3 else (0, 4, *VOLUME))
        arrays = [rng.normal(size=s).astype(dtype) for s in (shape, (6, 4 // groups, *taps), (6,))]
        ours = [vg.tensor(a, requires_grad=True) for a in arrays]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        got = outcome(F.conv3d, *ours, **options)
        wanted = outcome(torch.nn.functional.conv3d, *theirs, **options)
        if isinstance(wanted, type):
            assert got is wanted, options
            continue
        compare(torch, got, wanted, ours, theirs, rng)
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [1, (2, 3, 1), (3, 2, 2)])
def test_transposed_convolutions_are_those_of_pytorch(torch: Any, kernel: Any, dtype: Any) -> None:
    rng = np.random.default_rng(4)
    taps = (kernel,) * 3 if isinstance(kernel, int) else kernel
    compared = 0
    for i, ((stride, padding, dilation, groups), extra) in enumerate(
        itertools.product(
            itertools.product((1, 2, (3, 1, 2)), (0, 1, (2, 0, 1)), (1, (2, 1, 2)), (1, 2)), (0, 1, (1, 0, 1))
        )
    ):
        shape = (4, 3, 4, 2) if i % 4 == 0 else (2, 4, 3, 4, 2)
        arrays = [rng.normal(size=s).astype(dtype) for s in (shape, (4, 6 // groups, *taps), (6,))]
        ours = [vg.tensor(a, requires_grad=True) for a in arrays]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        args = (stride, padding, extra, groups, dilation)
        got = outcome(F.conv_transpose3d, *ours, *args)
        wanted = outcome(torch.nn.functional.conv_transpose3d, *theirs, *args)
        if isinstance(got, vg.Tensor) and got.numel() == 0:
            continue  # PyTorch takes it or refuses it, by dtype and size
        if isinstance(wanted, type):
            assert got is wanted, args
            continue
        compare(torch, got, wanted, ours, theirs, rng)
        compared += 1
    assert compared > 40


def compare(torch: Any, got: Any, wanted: Any, ours: list[Any], theirs: list[Any], rng: Any) -> None:
    """Values and gradients."""
    dtype = ours[0].detach().numpy().dtype
    tolerance = {"rtol": 2e-4, "atol": 2e-4} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    assert tuple(got.shape) == tuple(wanted.shape)
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), **tolerance)
    g = rng.normal(size=tuple(got.shape)).astype(dtype)
    got.backward(vg.tensor(g))
    wanted.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), **tolerance)


LAYERS = {
    "Conv3d": [
        ((4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}),
        ((4, 6, (3, 2, 1)), {"padding": "same", "bias": False}),
        ((4, 6, 3), {"padding": 1, "padding_mode": "circular"}),
        ((4, 6, (1, 3, 2)), {"padding": (0, 1, 2), "padding_mode": "replicate", "dilation": (1, 2, 1)}),
        ((4, 6, 2), {"padding": "same", "padding_mode": "reflect"}),
    ],
    "ConvTranspose3d": [
        ((4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        ((4, 6, (3, 2, 1)), {"stride": (2, 1, 1), "groups": 2, "dilation": (2, 1, 1), "bias": False}),
    ],
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_pytorch(torch: Any, name: str) -> None:
    for args, options in LAYERS[name]:
        ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
        assert repr(ours) == repr(theirs)
        ours.load_state_dict({k: vg.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
        for shape in ((4, *VOLUME), (2, 4, *VOLUME)):
            x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
            mine, other = ours(vg.tensor(x)), theirs(torch.from_numpy(x))
            np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_output_size_of_a_transposed_layer() -> None:
    layer = nn.ConvTranspose3d(2, 3, 3, stride=2, padding=1)
    x = vg.ones(1, 2, 2, 3, 4)
    assert layer(x).shape == (1, 3, 3, 5, 7)
    assert layer(x, output_size=(4, 5, 8)).shape == (1, 3, 4, 5, 8)
    assert layer(x[0], output_size=vg.ones(3, 4, 6, 8).shape).shape == (3, 4, 6, 8)
    with pytest.raises(ValueError, match="valid sizes range"):
        layer(x, output_size=(9, 9, 9))


def test_refused_convolutions_name_the_sizes() -> None:
    with pytest.raises(RuntimeError, match=r"conv3d: .*\(2 x 3 x 4\)\. Kernel size: \(3 x 3 x 3\)"):
        F.conv3d(vg.ones(1, 1, 2, 3, 4), vg.ones(1, 1, 3, 3, 3))
    with pytest.raises(RuntimeError, match=r"conv_transpose3d: .*\(-1 x 1 x 3\)\. .*too small"):
        F.conv_transpose3d(vg.ones(1, 1, 1, 1, 3), vg.ones(1, 1, 1, 1, 1), padding=(1, 0, 0))
    with pytest.raises(RuntimeError, match=r"Expected 4D \(unbatched\) or 5D"):
        F.conv3d(vg.ones(3, 4, 5), vg.ones(1, 1, 1, 1, 1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of resident memory in KiB")
@pytest.mark.skipif(
    os.environ.get("VERIGRAD_TEST_SANITIZER") == "thread", reason="the sanitizer's own memory would count"
)
def test_memory_is_that_of_a_few_volumes() -> None:
    """Every tap of 27 as a channel would take 27 times the input; a tap's frames take one time."""
    program = """
import resource
import verigrad as vg
import verigrad.nn.functional as F
vg.set_num_threads(2)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
x, w = vg.ones(4, 16, 16, 56, 56, requires_grad=True), vg.ones(16, 16, 3, 3, 3, requires_grad=True)
start, volume = peak(), x.numel() * 4
y = F.conv3d(x, w, padding=1)
forward = peak() - start
y.backward(vg.ones(y.shape))
print(forward / volume, (peak() - start) / volume)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    forward, backward = map(float, done.stdout.split())
    assert forward < 5.5 and backward < 9, done.stdout


# -- pooling -------------------------------------------------------------------------------------------------


def test_maxima_and_their_places() -> None:
    x = vg.arange(24.0).reshape(1, 1, 2, 3, 4)
    values, places = F.max_pool3d(x, (2, 2, 2), return_indices=True)
    assert values.tolist() == [[[[[17.0, 19.0]]]]] and places.tolist() == [[[[[17, 19]]]]]
    x[0, 0, 0, 1, 1] = 17.0  # the first of equals, in the frame before
    values, places = F.max_pool3d(x, 2, return_indices=True)
    assert values.tolist() == [[[[[17.0, 19.0]]]]] and places.tolist() == [[[[[5, 19]]]]]
    x[0, 0, 0, 0, 0] = float("nan")
    values, places = F.max_pool3d(x, 2, return_indices=True)
    assert np.isnan(values.flatten().tolist()[0]) and places.flatten().tolist() == [0, 19]
    x[0, 0, 1, 0, 1] = float("nan")  # the last NaN
    assert F.max_pool3d(x, 2, return_indices=True)[1].flatten().tolist() == [13, 19]


def test_means_of_whole_numbers_are_truncated_once() -> None:
    """Half of each frame is 1 or 2, whose mean alone would be cut to 1 already."""
    x = vg.tensor([[[[[1, 2]], [[1, 2]], [[2, 2]], [[-1, -2]]]]])
    assert F.avg_pool3d(x, (2, 1, 2)).flatten().tolist() == [1, 0]
    assert F.avg_pool3d(x[:, :, :3], (3, 1, 2)).flatten().tolist() == [1]


def grid() -> Iterator[tuple[Any, ...]]:
    """Windows, volumes and batches."""
    yield from itertools.product(
        (1, 2, 3, (2, 3, 1), (1, 3, 2)),
        (None, 1, (2, 1, 3)),
        (0, 1, (1, 0, 1)),
        (False, True),
        ((5, 4, 6), (2, 7, 3), (3, 3, 3)),
        (0, 2),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_maxima_are_those_of_pytorch(torch: Any, dtype: Any) -> None:
    """Infinities, NaN and ties among the values; both refuse the same calls, except for windows without an
    element, for which PyTorch answers places outside of the volume."""
    rng = np.random.default_rng(1)
    floating = np.dtype(dtype).kind == "f"
    compared = 0
    for i, (kernel, stride, padding, ceil, volume, batch) in enumerate(grid()):
        x = rng.integers(0, 5, (batch, 2, *volume) if batch else (2, *volume)).astype(dtype)
        if floating:
            x[rng.random(x.shape) < 0.1] = np.nan
            x[rng.random(x.shape) < 0.2] = -np.inf
        args = (kernel, stride, padding, (1, 2, (2, 1, 1))[i % 3], ceil)
        ours, theirs = vg.tensor(x, requires_grad=floating), torch.tensor(x, requires_grad=floating)
        try:
            values, places = F.max_pool3d(ours, *args, return_indices=True)
        except RuntimeError as error:
            if "in every window" not in str(error):
                assert outcome(torch.nn.functional.max_pool3d, theirs, *args) is RuntimeError, args
            continue
        wanted, at = torch.nn.functional.max_pool3d(theirs, *args, return_indices=True)
        np.testing.assert_array_equal(values.detach().numpy(), wanted.detach().numpy())
        np.testing.assert_array_equal(places.numpy(), at.numpy())
        compared += 1
        if floating:
            g = rng.integers(-4, 5, tuple(values.shape)).astype(dtype)
            values.backward(vg.tensor(g))
            wanted.backward(torch.tensor(g))
            np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())
    assert compared > 150


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_averages_are_those_of_pytorch(torch: Any, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    floating = np.dtype(dtype).kind == "f"
    compared = 0
    for i, (kernel, stride, padding, ceil, volume, batch) in enumerate(grid()):
        x = rng.integers(-8, 9, (batch, 2, *volume) if batch else (2, *volume)).astype(dtype)
        args = (kernel, stride, padding, ceil, i % 2 == 0, (None, None, 3)[i % 3])
        ours, theirs = vg.tensor(x, requires_grad=floating), torch.tensor(x, requires_grad=floating)
        got, wanted = (
            outcome(F.avg_pool3d, ours, *args),
            outcome(torch.nn.functional.avg_pool3d, theirs, *args),
        )
        if isinstance(wanted, type):
            assert got is wanted, args
            continue
        compared += 1
        if not floating:
            np.testing.assert_array_equal(got.numpy(), wanted.numpy())
            continue
        tolerance = {"rtol": 16 * float(np.finfo(dtype).eps), "atol": 32 * float(np.finfo(dtype).eps)}
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), **tolerance)
        g = rng.integers(-4, 5, tuple(got.shape)).astype(dtype)
        got.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)
    assert compared > 150


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adaptive_pools_are_those_of_pytorch(torch: Any, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    sizes = (1, 2, 3, 7, (1, 3, 2), (None, 2, 5), (4, None, None), (5, 4, 6))
    for size, shape in itertools.product(sizes, ((2, *VOLUME), (2, 2, *VOLUME), (1, 3, 3, 8, 2))):
        x = rng.integers(-9, 9, shape).astype(dtype)
        ours, theirs = vg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        values, places = F.adaptive_max_pool3d(ours, size, return_indices=True)
        wanted, at = torch.nn.functional.adaptive_max_pool3d(theirs, size, return_indices=True)
        np.testing.assert_array_equal(values.detach().numpy(), wanted.detach().numpy())
        np.testing.assert_array_equal(places.numpy(), at.numpy())
        means = F.adaptive_avg_pool3d(ours, size)
        other = torch.nn.functional.adaptive_avg_pool3d(theirs, size)
        tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-13}
        np.testing.assert_allclose(means.detach().numpy(), other.detach().numpy(), **tolerance)
        g = rng.integers(-4, 5, tuple(values.shape)).astype(dtype)
        (values * vg.tensor(g) + means).sum().backward()
        (wanted * torch.tensor(g) + other).sum().backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)


def test_a_gradient_of_an_empty_output_is_zero() -> None:
    x = vg.randn(2, 3, 4, 4, 4, requires_grad=True)
    for pool in (F.adaptive_avg_pool3d, F.adaptive_max_pool3d):
        for size in (0, (2, 0, 1), (0, 2, 2)):
            x.grad = None
            pool(x, size).sum().backward()
            assert not x.grad.any()


POOLS = [
    ("MaxPool3d", (2,), {}),
    (
        "MaxPool3d",
        ((3, 2, 1),),
        {"stride": 2, "padding": (1, 1, 0), "dilation": (1, 2, 1), "ceil_mode": True},
    ),
    ("MaxPool3d", (2, 1), {"return_indices": True}),
    ("AvgPool3d", (2,), {}),
    ("AvgPool3d", ((3, 2, 1), 2, (1, 1, 0), True, False, 3), {}),
    ("AdaptiveAvgPool3d", ((None, 2, 3),), {}),
    ("AdaptiveAvgPool3d", (1,), {}),
    ("AdaptiveMaxPool3d", ((3, 3, 2),), {"return_indices": True}),
]


@pytest.mark.parametrize(("name", "args", "options"), POOLS)
def test_pooling_layers_are_those_of_pytorch(torch: Any, name: str, args: Any, options: Any) -> None:
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == []
    x = np.random.default_rng(3).normal(size=(2, 3, *VOLUME))
    got, wanted = ours(vg.tensor(x)), theirs(torch.tensor(x))
    if not isinstance(got, tuple):
        got, wanted = (got,), (wanted,)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13, atol=1e-14)


def test_pooling_errors_name_the_shapes() -> None:
    with pytest.raises(RuntimeError, match=r"max_pool3d: .*window of 5x5x5 .*\[1, 2, 4, 4, 4\].*0x0x0"):
        F.max_pool3d(vg.zeros(1, 2, 4, 4, 4), 5)
    with pytest.raises(RuntimeError, match=r"avg_pool3d: .*3x1x1, got \[1, 2, 2, 4, 4\].*smaller"):
        F.avg_pool3d(vg.zeros(1, 2, 2, 4, 4), (3, 1, 1), 1, (1, 0, 0))
    with pytest.raises(RuntimeError, match=r"max_pool3d: Expected 4D or 5D.*\[4, 4, 4\]"):
        F.max_pool3d(vg.zeros(4, 4, 4), 2)
    with pytest.raises(ValueError, match="at least 4"):
        F.adaptive_avg_pool3d(vg.zeros(4, 4, 4), (2, 2, 2))


def test_a_network_of_volumes_learns() -> None:
    """Where a bright cube lies, in the first or the last frames."""
    vg.manual_seed(0)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(16, 1, 6, 6, 6)).astype(np.float32) * 0.1, np.arange(16) % 2
    for i, label in enumerate(labels):
        x[i, 0, 3 * label : 3 * label + 3, 1:4, 1:4] += 1
    net = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(3), nn.Dropout3d(0.1),
        nn.Flatten(), nn.Linear(32, 2),
    )  # fmt: skip
    optimizer = vg.optim.Adam(net.parameters(), lr=0.05)
    for _ in range(30):
        loss = F.cross_entropy(net(vg.tensor(x)), vg.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    assert (net(vg.tensor(x)).argmax(1) == vg.tensor(labels)).all()
