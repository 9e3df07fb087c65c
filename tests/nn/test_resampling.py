"""Sliding windows, interpolation, pixel shuffles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F


@pytest.fixture
def torch() -> Iterator[Any]:
    """PyTorch on one thread: many small calls."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def test_unfold_by_hand():
    x = vg.arange(9.0).reshape(1, 3, 3)
    assert F.unfold(x, 2).tolist() == [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    assert F.fold(F.unfold(x, 2), 3, 2).tolist() == [[[0, 2, 2], [6, 16, 10], [6, 14, 8]]]


def test_a_convolution_is_a_product_with_columns():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 2))
    columns = F.unfold(vg.tensor(x), (3, 2), stride=(2, 1))
    got = (vg.tensor(w.reshape(4, -1)) @ columns).reshape(2, 4, 3, 5).numpy()
    wanted = np.zeros((2, 4, 3, 5))
    for i, j in np.ndindex(3, 5):
        wanted[:, :, i, j] = np.einsum("ncrs,kcrs->nk", x[:, :, 2 * i : 2 * i + 3, j : j + 2], w)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


GRID = list(
    itertools.product(
        (1, 2, (2, 3), (3, 1)), (1, 2, (2, 1)), (0, 1, (2, 0)), (1, 2), ((5, 6), (4, 4), (1, 7)), (0, 1, 2)
    )
)


def test_unfold_and_fold_are_those_of_pytorch(torch):
    """648 points; each is the other's gradient."""
    rng = np.random.default_rng(1)
    compared = 0
    for kernel, stride, padding, dilation, plane, batch in GRID:
        args = (kernel, dilation, padding, stride)
        x = rng.integers(-4, 5, (batch, 2, *plane)).astype(np.float32)
        ours, theirs = vg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        try:
            wanted = torch.nn.functional.unfold(theirs, *args)
        except RuntimeError:
            with pytest.raises(RuntimeError, match="blocks"):
                F.unfold(ours, *args)
            continue
        got = F.unfold(ours, *args)
        np.testing.assert_array_equal(got.detach().numpy(), wanted.detach().numpy())
        g = rng.integers(-4, 5, tuple(got.shape)).astype(np.float32)
        got.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())
        folded = F.fold(vg.tensor(g), plane, *args)
        np.testing.assert_array_equal(folded.numpy(), ours.grad.numpy())
        compared += 1
    assert compared > 400


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "bilinear", "area"])
def test_interpolation_is_that_of_pytorch(torch, mode):
    """Images, and signals where their gradients agree with their values in PyTorch too."""
    rng = np.random.default_rng(2)
    shape = (2, 2, 5) if mode == "linear" else (2, 2, 5, 4)
    corners = (None, False, True) if "linear" in mode else (None,)
    calls = [{"size": n} for n in range(1, 14)]
    calls += [{"scale_factor": f} for f in (0.4, 0.5, 0.75, 1.0, 1.1, 1.5, 1.7, 2, 2.03, 2.6, 3)]
    calls += [{"scale_factor": f, "recompute_scale_factor": True} for f in (0.7, 1.3, 2.03, 2.6)]
    for call, align, dtype in itertools.product(calls, corners, (np.float32, np.float64)):
        x = rng.normal(size=shape).astype(dtype)
        ours, theirs = vg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got = F.interpolate(ours, mode=mode, align_corners=align, **call)
        wanted = torch.nn.functional.interpolate(theirs, mode=mode, align_corners=align, **call)
        tolerance = {"rtol": 64 * float(np.finfo(dtype).eps), "atol": 64 * float(np.finfo(dtype).eps)}
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), **tolerance)
        g = rng.normal(size=tuple(got.shape)).astype(dtype)
        got.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)


def test_interpolation_by_hand():
    x = vg.tensor([[[0.0, 1.0, 2.0, 3.0]]])
    assert F.interpolate(x, 2).tolist() == [[[0.0, 2.0]]]
    assert F.interpolate(x, 8).tolist() == [[[0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]]]
    assert F.interpolate(x, 2, mode="area").tolist() == [[[0.5, 2.5]]]
    assert F.interpolate(x, 7, mode="linear", align_corners=True).tolist() == [
        [np.arange(0, 3.5, 0.5).tolist()]
    ]
    wanted = [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]
    assert F.interpolate(x, scale_factor=2, mode="linear").tolist() == [[wanted]]
    assert F.interpolate(vg.ones(1, 1, 2, 2, dtype=vg.uint8), 3).dtype == vg.uint8


def test_interpolation_returns_new_memory():
    x = vg.zeros(1, 1, 3)
    y = F.interpolate(x, 3)
    y.fill_(1)
    assert not x.any()


def same_size(x, call):
    """Whether a scale factor other than 1 leaves a size as it is: there PyTorch's gradient does not belong to
    its values."""
    factor = call.get("scale_factor")
    return factor is not None and any(n != 1 and int(n * factor) == n for n in x.shape[2:])


@pytest.mark.parametrize("mode", ["bicubic", "bilinear", "lanczos", "trilinear", "area"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_interpolation_is_that_of_pytorch(torch, mode, antialias, dtype):
    """Cubic and widened kernels, volumes. PyTorch's antialias of columns to one is wrong, so one of them is
    left out."""
    if mode in ("trilinear", "area") and antialias or mode == "lanczos" and not antialias:
        pytest.skip("not for this mode")
    rng = np.random.default_rng(4)
    shape = (2, 2, 3, 5, 4) if mode in ("trilinear", "area") else (2, 2, 5, 8)
    corners = {"area": (None,), "lanczos": (None, False)}.get(mode, (None, False, True))
    calls = [{"size": n} for n in (*range(2 if antialias else 1, 8), 13)]
    calls += [{"scale_factor": f} for f in (0.4, 0.5, 0.75, 1.0, 1.1, 1.5, 1.7, 2, 2.6)]
    calls += [{"scale_factor": f, "recompute_scale_factor": True} for f in (0.7, 1.3, 2.6)]
    for call, align in itertools.product(calls, corners):
        x = rng.normal(size=shape).astype(dtype)
        ours, theirs = vg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        options = {"mode": mode, "align_corners": align, "antialias": antialias, **call}
        got = F.interpolate(ours, **options)
        wanted = torch.nn.functional.interpolate(theirs, **options)
        tolerance = {"rtol": 1e-4, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), **tolerance)
        if same_size(x, call):
            continue
        g = rng.normal(size=tuple(got.shape)).astype(dtype)
        got.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **tolerance)


def test_interpolation_keeps_what_its_kernels_reproduce():
    """A constant by every kernel, a straight line by the cubic one with a = -1/2, away from
    the borders."""
    for mode in ("bilinear", "bicubic", "lanczos"):
        y = F.interpolate(vg.full((1, 1, 7, 9), 2.5), (3, 4), mode=mode, antialias=True)
        assert vg.allclose(y, vg.full((1, 1, 3, 4), 2.5), rtol=1e-6)
    line = vg.arange(12.0, dtype=vg.float64).reshape(1, 1, 1, 12).expand(1, 1, 4, 12)
    y = F.interpolate(line, (4, 24), mode="bicubic", antialias=True)
    wanted = (np.arange(24) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(y.numpy()[0, 0, 0, 4:-4], wanted[4:-4], rtol=1e-12)
    volume = vg.arange(8.0).reshape(1, 1, 2, 2, 2)
    middle = F.interpolate(volume, 3, mode="trilinear", align_corners=True)[0, 0, 1, 1, 1]
    assert middle.item() == 3.5
    assert F.interpolate(volume, 1, mode="area").item() == 3.5


def test_antialias_reads_infinity_only_where_it_counts():
    x = vg.zeros(1, 1, 8, 8)
    x[0, 0, 0, 7] = float("inf")
    y = F.interpolate(x, (4, 4), mode="bilinear", antialias=True)
    assert y[0, 0, 0, 3].item() == float("inf") and not y.isnan().any()
    assert y[0, 0, 2:].eq(0).all() and y[0, 0, :, :2].eq(0).all()


def test_modes_and_options_that_do_not_fit():
    with pytest.raises(NotImplementedError, match="Got 4D input, but trilinear mode needs 5D"):
        F.interpolate(vg.zeros(1, 1, 3, 3), 2, mode="trilinear")
    with pytest.raises(ValueError, match="Anti-alias option is restricted"):
        F.interpolate(vg.zeros(1, 1, 2, 3, 3), 2, mode="trilinear", antialias=True)
    with pytest.raises(ValueError, match="Lanczos mode requires antialias=True"):
        F.interpolate(vg.zeros(1, 1, 3, 3), 2, mode="lanczos")
    with pytest.raises(NotImplementedError, match="int64"):
        F.interpolate(vg.zeros(1, 1, 3, 3, dtype=vg.int64), 2, mode="bicubic")


def test_pixel_shuffle_and_back():
    x = vg.arange(16.0).reshape(1, 4, 2, 2)
    y = F.pixel_shuffle(x, 2)
    assert y[0, 0].tolist() == [[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]
    assert F.pixel_unshuffle(y, 2).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("name", "args", "options", "shape"),
    [
        ("Unfold", (3,), {}, (2, 3, 5, 5)),
        ("Unfold", ((2, 3), 1, 1), {"stride": 2}, (3, 5, 5)),
        ("Fold", ((4, 5), (2, 2)), {"stride": 2}, (2, 8, 4)),
        ("Upsample", (), {"scale_factor": 2}, (1, 2, 3, 3)),
        ("Upsample", ((3, 4), None, "bilinear", True), {}, (1, 2, 5, 5)),
        ("Upsample", (), {"scale_factor": (2, 1.5)}, (1, 2, 5, 5)),
        ("Upsample", (), {"scale_factor": 1.5, "mode": "bicubic", "align_corners": True}, (1, 2, 5, 5)),
        ("Upsample", (), {"size": (3, 5, 7), "mode": "trilinear"}, (1, 2, 2, 3, 4)),
        ("Upsample", (), {"scale_factor": 2, "mode": "linear"}, (1, 2, 5)),
        ("Upsample", ((2, 2, 3), None, "area"), {}, (1, 2, 4, 3, 5)),
        ("UpsamplingNearest2d", (), {"scale_factor": 2}, (1, 2, 3, 3)),
        ("UpsamplingBilinear2d", (4,), {}, (1, 2, 3, 3)),
        ("PixelShuffle", (3,), {}, (1, 9, 2, 2)),
        ("PixelUnshuffle", (2,), {}, (1, 2, 4, 4)),
    ],
)
def test_layers_are_those_of_pytorch(torch, name, args, options, shape):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(3).normal(size=shape)
    np.testing.assert_allclose(ours(vg.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-13)


def test_errors_name_the_shapes():
    with pytest.raises(RuntimeError, match=r"unfold: Given input \[1, 2, 3, 3\], kernel_size=\(4, 4\)"):
        F.unfold(vg.zeros(1, 2, 3, 3), 4)
    with pytest.raises(RuntimeError, match=r"fold: .*output_size=\(4, 4\).*got input \[12, 8\]"):
        F.fold(vg.zeros(12, 8), 4, 2)
    with pytest.raises(RuntimeError, match=r"pixel_shuffle: .*Size\(\[6, 2, 2\]\)"):
        F.pixel_shuffle(vg.zeros(6, 2, 2), 2)
