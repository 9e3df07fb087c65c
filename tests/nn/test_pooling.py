"""Pooling: by hand, against PyTorch over a grid of arguments, layers, and what is refused."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F

IMAGE = np.arange(16.0).reshape(1, 1, 4, 4)


@pytest.fixture
def torch() -> Iterator[Any]:
    """PyTorch on one thread: many small calls."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def test_maxima_and_their_places():
    values, places = F.max_pool2d(vg.tensor(IMAGE), 2, return_indices=True)
    assert values.tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert places.tolist() == [[[[5, 7], [13, 15]]]] and places.dtype == vg.int64
    values, places = F.max_pool1d(vg.tensor([[3.0, 1.0, 2.0, 5.0, 4.0]]), 3, 1, 1, return_indices=True)
    assert values.tolist() == [[3.0, 3.0, 5.0, 5.0, 5.0]] and places.tolist() == [[0, 0, 3, 3, 3]]


def test_padding_never_wins_a_maximum():
    x = vg.full((1, 1, 3, 3), -float("inf"))
    values, places = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert values.tolist() == [[[[-np.inf] * 2] * 2]]
    assert places.tolist() == [[[[0, 1], [3, 4]]]]


def test_ties_nan_and_their_gradients():
    x = vg.tensor([[[1.0, 1.0, 0.0, 2.0]]], requires_grad=True)
    F.max_pool1d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[1.0, 0.0, 0.0, 1.0]]]
    nan = float("nan")
    values, places = F.max_pool1d(vg.tensor([[1.0, nan, 2.0, nan, 5.0, 6.0]]), 2, return_indices=True)
    assert np.isnan(values.numpy()[0, :2]).all() and places.tolist() == [[1, 3, 5]]
    values, places = F.max_pool2d(vg.tensor([[[1.0, nan], [nan, 2.0]]]), 2, return_indices=True)
    assert places.item() == 2  # the last NaN, as in PyTorch


def test_gradients_add_up_where_windows_overlap():
    x = vg.tensor([[[0.0, 9.0, 1.0]]], requires_grad=True)
    F.max_pool1d(x, 2, 1).sum().backward()
    assert x.grad.tolist() == [[[0.0, 2.0, 0.0]]]
    x = vg.zeros(1, 3, requires_grad=True)
    F.avg_pool1d(x, 2, 1).sum().backward()
    assert x.grad.tolist() == [[0.5, 1.0, 0.5]]


def test_averages_and_what_they_are_divided_by():
    ones = vg.ones(1, 1, 3, 3)
    counted = F.avg_pool2d(ones, 2, 2, 1)
    assert counted.tolist() == [[[[0.25, 0.5], [0.5, 1.0]]]]
    assert F.avg_pool2d(ones, 2, 2, 1, count_include_pad=False).tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    assert F.avg_pool2d(ones, 2, 2, 1, divisor_override=1).tolist() == [[[[1.0, 2.0], [2.0, 4.0]]]]
    # What ceil_mode adds beyond the padding never counts.
    assert F.avg_pool1d(vg.ones(1, 5), 2, 2, ceil_mode=True).tolist() == [[1.0, 1.0, 1.0]]
    assert F.avg_pool2d(vg.tensor([[[3, 4], [4, 4]]]), 2).item() == 3  # int64: truncated


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "ceil", "out"),
    [
        # Dumoulin & Visin (arXiv 1603.07285): relations 1 to 6 and 15, by their figures' numbers.
        (4, 3, 1, 0, 1, False, 2),
        (5, 4, 1, 2, 1, False, 6),
        (5, 3, 1, 1, 1, False, 5),
        (5, 3, 2, 0, 1, False, 2),
        (5, 3, 2, 1, 1, False, 3),
        (6, 3, 2, 1, 1, False, 3),
        (7, 3, 1, 0, 2, False, 3),
        (6, 3, 2, 0, 1, True, 3),
        (6, 3, 2, 1, 1, True, 4),
        (3, 2, 2, 1, 1, True, 2),  # a third window would begin in the padding behind
        (4, 1, 3, 0, 1, True, 2),
    ],
)
def test_output_sizes(size, kernel, stride, padding, dilation, ceil, out):
    x = vg.zeros(1, 1, size, size)
    assert tuple(F.max_pool2d(x, kernel, stride, padding, dilation, ceil).shape) == (1, 1, out, out)
    assert tuple(F.max_pool1d(x[0], kernel, stride, padding, dilation, ceil).shape) == (1, size, out)
    if dilation == 1:
        assert tuple(F.avg_pool2d(x, kernel, stride, padding, ceil).shape) == (1, 1, out, out)


def test_adaptive_windows_cover_the_input():
    x = vg.arange(5.0).reshape(1, 5)
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[0.5, 2.0, 3.5]]
    values, places = F.adaptive_max_pool1d(x, 2, return_indices=True)
    assert values.tolist() == [[2.0, 4.0]] and places.tolist() == [[2, 4]]
    image = vg.tensor(IMAGE)
    assert tuple(F.adaptive_avg_pool2d(image, (None, 2)).shape) == (1, 1, 4, 2)
    assert tuple(F.adaptive_max_pool2d(image, 7).shape) == (1, 1, 7, 7)
    assert F.adaptive_avg_pool2d(image, 1).item() == 7.5


def test_a_gradient_of_an_empty_output_is_zero():
    x = vg.randn(2, 3, 4, 4, requires_grad=True)
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        x.grad = None
        pool(x, 0).sum().backward()
        assert not x.grad.any()


@pytest.mark.parametrize("dims", [1, 2])
def test_no_sample_and_no_batch(dims):
    plane = (4,) * dims
    for pool in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"):
        function = getattr(F, f"{pool}{dims}d")
        x = vg.zeros(0, 3, *plane, requires_grad=True)
        y = function(x, 2)
        assert tuple(y.shape) == (0, 3, *(2,) * dims)
        y.sum().backward()
        assert tuple(x.grad.shape) == (0, 3, *plane)
        assert tuple(function(vg.zeros(3, *plane), 2).shape) == (3, *(2,) * dims)


@pytest.mark.parametrize("level", ["baseline", None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pairs_in_every_width(dtype, level):
    """The loops over windows of 2 x 2 side by side: vectors that overlap, columns that are left over."""
    testing = vg._C._testing
    best = testing.simd_level()
    rng = np.random.default_rng(0)
    if level:
        testing.set_simd_level(level)
    try:
        for high, wide in itertools.product((2, 5), range(2, 45)):
            x = rng.integers(0, 3, (2, high, wide)).astype(dtype)
            blocks = x[:, : high // 2 * 2, : wide // 2 * 2].reshape(2, high // 2, 2, wide // 2, 2)
            t = vg.tensor(x, requires_grad=True)
            values, places = F.max_pool2d(t, 2, return_indices=True)
            np.testing.assert_array_equal(values.detach().numpy(), blocks.max((2, 4)))
            wanted = np.zeros_like(x)
            for n, i, j in np.ndindex(*values.shape):
                k = int(blocks[n, i, :, j].argmax())
                assert places[n, i, j].item() == (2 * i + k // 2) * wide + 2 * j + k % 2
                wanted[n, 2 * i + k // 2, 2 * j + k % 2] = 1 + i
            g = np.broadcast_to(1 + np.arange(high // 2)[:, None], values.shape).astype(dtype)
            values.backward(vg.tensor(g))
            np.testing.assert_array_equal(t.grad.numpy(), wanted)
            t.grad = None
            means = F.avg_pool2d(t, 2)
            np.testing.assert_array_equal(means.detach().numpy(), blocks.sum((2, 4)) / 4)
            means.backward(vg.tensor(g * 4))
            spread = np.zeros_like(x)
            spread[:, : high // 2 * 2, : wide // 2 * 2] = g.repeat(2, 1).repeat(2, 2)
            np.testing.assert_array_equal(t.grad.numpy(), spread)
    finally:
        testing.set_simd_level(best)


def refused(lib: Any, function: Any, x: np.ndarray, args: tuple[Any, ...]) -> type[Exception] | None:
    try:
        function(lib.tensor(x), *args)
    except Exception as error:
        return type(error)
    return None


GRID = list(
    itertools.product(
        (1, 2, 3, (2, 3), (3, 1), 5),
        (1, 2, 3, (2, 1)),
        (0, 1, (1, 0)),
        (1, 2),
        (False, True),
        ((6, 6), (7, 9), (1, 17)),
        (0, 1, 2),
    )
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maxima_are_those_of_pytorch(torch, dtype):
    """2592 points; infinities, NaN and ties among the values. Both refuse the same ones, except for windows
    without an element, for which PyTorch answers places outside of the plane."""
    rng = np.random.default_rng(1)
    compared = 0
    for *args, plane, batch in GRID:
        x = rng.integers(-3, 4, (batch, 2, *plane)).astype(dtype)
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.2] = -np.inf
        theirs = torch.tensor(x, requires_grad=True)
        ours = vg.tensor(x, requires_grad=True)
        try:
            values, places = F.max_pool2d(ours, *args, return_indices=True)
        except RuntimeError as error:
            if "in every window" not in str(error):
                assert refused(torch, torch.nn.functional.max_pool2d, x, tuple(args)) is RuntimeError, args
            continue
        wanted, at = torch.nn.functional.max_pool2d(theirs, *args, return_indices=True)
        np.testing.assert_array_equal(values.detach().numpy(), wanted.detach().numpy())
        np.testing.assert_array_equal(places.numpy(), at.numpy())
        g = rng.integers(-4, 5, tuple(values.shape)).astype(dtype)
        values.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())
        compared += 1
    assert compared > 1500


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_averages_are_those_of_pytorch(torch, dtype):
    rng = np.random.default_rng(2)
    compared = 0
    for (kernel, stride, padding, dilation, ceil, plane, batch), options in itertools.product(
        GRID, ((True, None), (False, None), (True, 3))
    ):
        if dilation != 1 or plane == (6, 6):
            continue
        args = (kernel, stride, padding, ceil, *options)
        x = rng.integers(-8, 9, (batch, 2, *plane)).astype(dtype)
        theirs = torch.tensor(x, requires_grad=True)
        ours = vg.tensor(x, requires_grad=True)
        try:
            values = F.avg_pool2d(ours, *args)
        except RuntimeError:
            assert refused(torch, torch.nn.functional.avg_pool2d, x, args) is RuntimeError, args
            continue
        wanted = torch.nn.functional.avg_pool2d(theirs, *args)
        tolerance = {"rtol": 8 * float(np.finfo(dtype).eps), "atol": 16 * float(np.finfo(dtype).eps)}
        np.testing.assert_allclose(values.detach().numpy(), wanted.detach().numpy(), **tolerance)
        g = rng.integers(-4, 5, tuple(values.shape)).astype(dtype)
        values.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)
        compared += 1
    assert compared > 1000


def test_a_window_without_elements_is_refused():
    with pytest.raises(RuntimeError, match=r"max_pool2d: .*element.*window 0"):
        F.max_pool2d(vg.zeros(1, 1, 1, 1), 2, 2, 1, 2, True)


@pytest.mark.parametrize("args", [(2**62,), (2, 2**62), (2, 2, 0, 2**62), (2**40, 1, 2**39)])
def test_numbers_beyond_an_int_are_refused(args):
    for function, shape in ((F.max_pool1d, (1, 2, 4)), (F.max_pool2d, (1, 2, 4, 4))):
        with pytest.raises(RuntimeError, match="overflow"):
            function(vg.zeros(shape), *args)


def test_errors_name_the_shapes():
    with pytest.raises(RuntimeError, match=r"avg_pool2d: expected a window of 5x5 .*\[1, 2, 4, 4\].*0x0"):
        F.avg_pool2d(vg.zeros(1, 2, 4, 4), 5)
    with pytest.raises(RuntimeError, match=r"max_pool1d: Expected 2D or 3D.*\[4\]"):
        F.max_pool1d(vg.zeros(4), 2)
    with pytest.raises(ValueError, match="at least 3"):
        F.adaptive_avg_pool2d(vg.zeros(4, 4), (2, 2))


LAYERS = [
    ("MaxPool1d", (2,), {}, (2, 3, 8)),
    ("MaxPool2d", (2,), {}, (2, 3, 8, 8)),
    ("MaxPool2d", ((3, 2),), {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}, (3, 9, 8)),
    ("MaxPool2d", (2, 2), {"return_indices": True}, (2, 3, 8, 8)),
    ("MaxPool1d", (3, 1, 1, 1, True, True), {}, (2, 3, 8)),
    ("AvgPool1d", (2,), {}, (2, 3, 8)),
    ("AvgPool1d", ((3,), (2,), 1, True, False), {}, (2, 3, 8)),
    ("AvgPool2d", (2,), {}, (2, 3, 8, 8)),
    ("AvgPool2d", ((3, 2), 2, 1, True, False, 3), {}, (2, 3, 8, 8)),
    ("AdaptiveAvgPool1d", (5,), {}, (2, 3, 8)),
    ("AdaptiveAvgPool2d", ((None, 2),), {}, (2, 3, 8, 8)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 8, 8)),
    ("AdaptiveMaxPool1d", (5, True), {}, (2, 3, 8)),
    ("AdaptiveMaxPool2d", ((3, 3),), {"return_indices": True}, (2, 3, 8, 8)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_layers_are_those_of_pytorch(torch, name, args, options, shape):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == []
    x = np.random.default_rng(3).normal(size=shape)
    got, wanted = ours(vg.tensor(x)), theirs(torch.tensor(x))
    if not isinstance(got, tuple):
        got, wanted = (got,), (wanted,)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-14)


def test_layers_in_a_network():
    net = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(vg.randn(4, 3, 8, 8)).sum().backward()
    assert net[4].weight.grad is not None


def test_the_second_derivative_of_a_maximum_picks_the_same_elements_in_every_chunk() -> None:
    """Planes enough to be cut for threads; the gradient by the incoming gradient is read at the maxima."""
    rng = np.random.default_rng(5)
    x = vg.tensor(
        rng.permutation(128 * 43 * 47).astype(np.float32).reshape(1, 128, 43, 47), requires_grad=True
    )
    y, index = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    incoming = vg.ones(y.shape, requires_grad=True)
    (by_x,) = vg.autograd.grad(y, x, incoming, create_graph=True)
    weights = rng.standard_normal(x.shape).astype(np.float32)
    (again,) = vg.autograd.grad(by_x, incoming, vg.tensor(weights))
    flat = index.numpy().reshape(128, -1)
    wanted = np.take_along_axis(weights.reshape(128, -1), flat, 1).reshape(again.shape)
    np.testing.assert_array_equal(again.numpy(), wanted)


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
def test_gradient_of_no_output_is_zero(pool):
    shape = (1, 3, 41, 43)
    used = [vg.full(shape, math.nan) for _ in range(4)]  # memory that the gradient may get
    del used
    x = vg.ones(shape, requires_grad=True)
    y = pool(x, (0, 2))
    assert tuple(y.shape) == (1, 3, 0, 2)
    y.sum().backward()
    assert x.grad is not None and bool((x.grad == 0).all())
