"""Functions that are written in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verigrad as vg


@pytest.mark.parametrize("shape", [(5,), (3, 4), (1,), (0,), (2, 0)])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_diff(shape: tuple[int, ...], n: int) -> None:
    values = np.random.default_rng(0).integers(0, 50, shape)
    for dim in range(-len(shape), len(shape)):
        expected = np.diff(values, min(n, shape[dim]), dim)
        got = vg.diff(vg.tensor(values), n, dim)
        assert got.shape == expected.shape and got.tolist() == expected.tolist()


def test_diff_of_bools_ends_and_gradients() -> None:
    assert vg.diff(vg.tensor([True, False, False])).tolist() == [True, False]
    x = vg.tensor([1.0, 4.0, 2.0], requires_grad=True)
    out = vg.diff(x, prepend=vg.tensor([0.0]), append=vg.tensor([5.0]))
    assert out.tolist() == [1.0, 3.0, -2.0, 3.0]
    (out * vg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-1.0, -1.0, -1.0]
    with pytest.raises(RuntimeError, match="at least one-dimensional"):
        vg.diff(vg.tensor(1.0))
    with pytest.raises(RuntimeError, match="non-negative but got -1"):
        vg.diff(x, -1)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_isin(dtype: str) -> None:
    generator = np.random.default_rng(1)
    values = generator.integers(0, 6, (3, 4)).astype(dtype)
    for tests in (values[:1, :2], values[:0], generator.integers(0, 9, 5).astype(dtype)):
        expected = np.isin(values, tests)
        assert vg.isin(vg.tensor(values), vg.tensor(tests)).tolist() == expected.tolist()
        assert vg.isin(vg.tensor(values), vg.tensor(tests), invert=True).tolist() == (~expected).tolist()


def test_isin_of_numbers() -> None:
    assert vg.isin(vg.tensor([1.0, 4.0]), 4.0).tolist() == [False, True]
    assert vg.isin(3, vg.tensor([3, 5])).item() is True
    assert vg.isin(vg.tensor([1, 2]), vg.tensor([1.5, 2.0])).tolist() == [False, True]
    assert vg.isin(vg.tensor([float("nan")]), vg.tensor([float("nan")])).tolist() == [False]
    with pytest.raises(ValueError, match="isin: expected a tensor, got 1 and 2"):
        vg.isin(1, 2)


SPACES: list[Any] = [((0, 2, 3), {}), ((0, 3, 4), {"base": 2}), ((1, -1, 5), {}), ((0, 1, 0), {})]


@pytest.mark.parametrize(("arguments", "options"), SPACES)
def test_logspace(arguments: Any, options: Any) -> None:
    got = vg.logspace(*arguments, **options, dtype=vg.float64)
    np.testing.assert_allclose(got.numpy(), np.logspace(*arguments, **options), rtol=1e-14)
    assert vg.logspace(*arguments).dtype == vg.float32
    assert vg.logspace(*arguments, requires_grad=True).requires_grad


def test_scalar_tensor() -> None:
    assert vg.scalar_tensor(2).dtype == vg.float32 and vg.scalar_tensor(2, dtype=vg.int64).item() == 2


@pytest.mark.host("arrays are in the CPU's memory")
def test_asarray() -> None:
    x = vg.ones(2)
    assert vg.asarray(x) is x and vg.asarray(x, copy=True).data_ptr() != x.data_ptr()
    array = np.ones(2, "f4")
    shared = vg.asarray(array, copy=False)
    shared[0] = 5.0
    assert array[0] == 5.0 and vg.asarray(array, copy=True).data_ptr() != shared.data_ptr()
    assert vg.asarray([1, 2]).dtype == vg.int64 and vg.asarray(1.5, requires_grad=True).requires_grad
    for data, dtype in ((x, vg.float64), (array, vg.float64), ([1.0], None)):
        with pytest.raises(ValueError, match="asarray: can't alias"):
            vg.asarray(data, dtype=dtype, copy=False)


def test_as_torch() -> None:
    torch = pytest.importorskip("torch")
    for call in (
        lambda m: m.diff(m.tensor([[1, 5, 2], [0, 3, 9]]), 2, 1),
        lambda m: m.diff(m.tensor([1.0, 5.0]), 4),
        lambda m: m.isin(m.tensor([1.0, 4.0, 2.0]), m.tensor([1.0, 2.0])),
        lambda m: m.logspace(0, 2, 3),
    ):
        ours, theirs = call(vg), call(torch)
        assert ours.tolist() == theirs.tolist() and str(ours.dtype)[9:] == str(theirs.dtype)[6:]
