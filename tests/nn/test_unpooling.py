"""Maxima that are put back to their places, and pooling by norms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F

INPUTS = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}


def test_maxima_return_to_their_places() -> None:
    x = vg.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]])
    values, places = F.max_pool1d(x, 2, 2, return_indices=True)
    assert F.max_unpool1d(values, places, 2).tolist() == [[[0.0, 2.0, 0.0, 4.0, 0.0, 6.0, 0.0, 8.0]]]
    nine = F.max_unpool1d(values, places, 2, output_size=(1, 1, 9))
    assert nine.tolist() == [[[0.0, 2.0, 0.0, 4.0, 0.0, 6.0, 0.0, 8.0, 0.0]]]
    assert F.max_unpool1d(values, places, 2, output_size=(9,)).shape == (1, 1, 9)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unpooling_is_that_of_pytorch(dims: int, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(dims)
    ours, theirs = getattr(F, f"max_unpool{dims}d"), getattr(torch.nn.functional, f"max_unpool{dims}d")
    pool = getattr(F, f"max_pool{dims}d")
    for batch, kernel, own_size in itertools.product((None, 0, 1, 3), (2, 3), (True, False)):
        lead = (2,) if batch is None else (batch, 2)
        x = rng.permutation(int(np.prod(lead + INPUTS[dims]))).reshape(*lead, *INPUTS[dims]).astype(dtype)
        values, places = pool(vg.tensor(x), kernel, return_indices=True)
        size = INPUTS[dims] if own_size else None
        a, b = values.detach().requires_grad_(), torch.tensor(values.numpy(), requires_grad=True)
        at = torch.tensor(places.numpy())
        try:
            wanted = theirs(b, at, kernel, output_size=size)
        except RuntimeError:
            with pytest.raises(RuntimeError, match="index"):
                ours(a, places, kernel, output_size=size)
            continue
        got = ours(a, places, kernel, output_size=size)
        np.testing.assert_array_equal(got.detach().numpy(), wanted.detach().numpy())
        g = rng.normal(size=tuple(got.shape)).astype(dtype)
        got.backward(vg.tensor(g))
        wanted.backward(torch.tensor(g))
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_the_last_of_several_stays_and_has_the_gradient() -> None:
    x = vg.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    y = F.max_unpool1d(x, vg.tensor([[0, 4, 4]]), 2)
    assert y.tolist() == [[1.0, 0.0, 0.0, 0.0, 3.0, 0.0]]
    y.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 1.0]]


def test_bad_places_and_sizes() -> None:
    x, at = vg.ones(1, 2, 2, 2), vg.zeros(1, 2, 2, 2, dtype=vg.int64)
    for wrong in (16, -1):
        with pytest.raises(RuntimeError, match=rf"max_unpool2d: expected an index in \[0, 16\), got {wrong}"):
            F.max_unpool2d(x, at + wrong, 2)
    with pytest.raises(ValueError, match=r'invalid output_size "\[6, 6\]" \(dim 0 must be between 2 and 6\)'):
        F.max_unpool2d(x, at, 2, output_size=(6, 6))
    with pytest.raises(ValueError, match="2 or 4 elements, but it has a length of '3'"):
        F.max_unpool2d(x, at, 2, output_size=(4, 4, 4))
    with pytest.raises(RuntimeError, match=r"3d or 4d Tensor.*2 dimensions"):
        F.max_unpool2d(x[0, 0], at[0, 0], 2)
    with pytest.raises(RuntimeError, match=r"shape of indices .*\[1, 2, 2, 2\].*\[1, 1, 2, 2\]"):
        F.max_unpool2d(x, at[:, :1], 2)
    with pytest.raises(RuntimeError, match="strides should be greater than zero"):
        F.max_unpool3d(x[None], at[None], 2, 0)
    with pytest.raises(ValueError, match="non-negative spatial dimensions"):
        F.max_unpool1d(vg.ones(1, 1, 1), vg.zeros(1, 1, 1, dtype=vg.int64), 1, 1, 1)


def test_norms_by_hand() -> None:
    x = vg.tensor([[3.0, -4.0, 0.0, 0.0, 5.0, 12.0]], requires_grad=True)
    y = F.lp_pool1d(x, 2, 2)
    assert y.tolist() == [[5.0, 0.0, 13.0]]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.6, -0.8, 0.0, 0.0, 5 / 13, 12 / 13]], rtol=1e-6)
    assert F.lp_pool1d(x, float("inf"), 2).tolist() == [[4.0, 0.0, 12.0]]
    assert F.lp_pool1d(x, float("-inf"), 2).tolist() == [[3.0, 0.0, 5.0]]
    assert F.lp_pool1d(vg.tensor([[1.0, 2.0, 3.0]]), 1, 2, ceil_mode=True).tolist() == [[3.0, 6.0]]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("norm_type", [1, 2, 3, 2.5, float("inf"), float("-inf")])
def test_norms_are_those_of_pytorch(dims: int, norm_type: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    ours, theirs = getattr(F, f"lp_pool{dims}d"), getattr(torch.nn.functional, f"lp_pool{dims}d")
    for kernel, stride, ceil, batch in itertools.product((2, 3), (None, 1, 2), (False, True), (None, 0, 2)):
        lead = (2,) if batch is None else (batch, 2)
        x = rng.normal(size=(*lead, *INPUTS[dims]))
        a, b = vg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got, wanted = ours(a, norm_type, kernel, stride, ceil), theirs(b, norm_type, kernel, stride, ceil)
        np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=1e-12)
        got.nansum().backward()
        wanted.nansum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("LPPool1d", (2, 3)),
        ("LPPool1d", (3.0, 2, 1, True)),
        ("LPPool2d", (2, (2, 3), 2)),
        ("LPPool3d", (2, (1, 3, 2))),
        ("MaxUnpool1d", (2,)),
        ("MaxUnpool2d", ((2, 2), 2)),
        ("MaxUnpool3d", (2, (2, 2, 2), 0)),
    ],
)
def test_layers_are_those_of_pytorch(name: str, args: Any) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == []
    dims = int(name[-2])
    x = np.abs(np.random.default_rng(1).normal(size=(2, 3, *INPUTS[dims])))
    if name.startswith("LP"):
        np.testing.assert_allclose(ours(vg.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-12)
        return
    values, places = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)(vg.tensor(x))
    got = ours(values, places, output_size=x.shape)
    wanted = theirs(torch.tensor(values.numpy()), torch.tensor(places.numpy()), output_size=x.shape)
    np.testing.assert_array_equal(got.numpy(), wanted.numpy())


def test_bad_norms() -> None:
    x = vg.ones(1, 2, 4, 4)
    with pytest.raises(ZeroDivisionError, match="lp_pool2d"):
        F.lp_pool2d(x, 0, 2)
    with pytest.raises(ValueError, match="kernel_size to be an int or 2 ints, got 3"):
        F.lp_pool2d(x, 2, (2, 2, 2))
    with pytest.raises(TypeError, match="norm_type"):
        F.lp_pool2d(x, "2", 2)
