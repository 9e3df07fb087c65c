"""Scans, sorting and counting beyond what their records compare."""

from __future__ import annotations

import numpy as np
import pytest

import verigrad as vg


@pytest.mark.parametrize("size", [5, 64, 65, 1000])
@pytest.mark.parametrize("largest", [False, True])
def test_of_equal_elements_the_first_come_first(size: int, largest: bool) -> None:
    x = vg.from_numpy(np.random.default_rng(size).integers(0, 4, size).astype(np.float32))
    whole = vg.sort(x, descending=largest)
    for k in (1, size // 2, size):
        part = vg.topk(x, k, largest=largest)
        assert vg.equal(part.indices, whole.indices[:k])
        assert vg.equal(part.values, whole.values[:k])
    if not largest:
        assert vg.kthvalue(x, 3).indices.item() == whole.indices[2].item()
        assert vg.median(x, 0).indices.item() == whole.indices[(size - 1) // 2].item()


def test_results_have_names() -> None:
    x = vg.tensor([3.0, 1.0, 2.0])
    for name, found in {
        "sort": x.sort(),
        "topk": x.topk(2),
        "kthvalue": x.kthvalue(2),
        "median": x.median(0),
        "nanmedian": x.nanmedian(0),
        "cummax": x.cummax(0),
        "cummin": x.cummin(0),
    }.items():
        assert type(found) is getattr(vg.return_types, name)
        assert vg.equal(found[0], found.values) and vg.equal(found[1], found.indices)
        assert vg.equal(x.gather(0, found.indices.reshape(-1)), found.values.reshape(-1))


def test_running_sums_of_float32_do_not_drift() -> None:
    x = vg.full((1_000_000,), 0.1)
    assert x.cumsum(0)[-1].item() == pytest.approx(1e6 * float(np.float32(0.1)), rel=1e-7)


def test_sums_of_whole_numbers_have_the_dtype_that_is_asked_for() -> None:
    x = vg.tensor([200, 100], dtype=vg.uint8)
    assert x.cumsum(0).tolist() == [200, 300]
    assert x.cumsum(0, dtype=vg.uint8).tolist() == [200, 44]
    assert x.cumprod(0, dtype=vg.float32).tolist() == [200.0, 20000.0]


def test_a_product_with_zeros_is_differentiated_twice() -> None:
    x = vg.tensor([2.0, 0.0, 3.0, 0.0, 5.0], dtype=vg.float64, requires_grad=True)
    assert vg.autograd.gradcheck(lambda t: t.cumprod(0), (x,))
    assert vg.autograd.gradgradcheck(lambda t: t.cumprod(0), (x,))


def test_the_median_of_no_whole_numbers_is_refused() -> None:
    with pytest.raises(RuntimeError, match="median: expected elements"):
        vg.median(vg.zeros(0, dtype=vg.int64))


def test_slices_are_sorted_by_their_first_elements() -> None:
    x = vg.tensor([[2, 1], [1, 9], [2, 0], [1, 9]])
    values, inverse, counts = vg.unique(x, dim=0, return_inverse=True, return_counts=True)
    assert values.tolist() == [[1, 9], [2, 0], [2, 1]]
    assert inverse.tolist() == [2, 0, 1, 0] and counts.tolist() == [2, 1, 1]


def test_counting_makes_no_graph() -> None:
    x = vg.rand(5, requires_grad=True)
    assert not vg.unique(x).requires_grad and not vg.histc(x, 3).requires_grad
    assert not vg.argsort(x).requires_grad


def test_a_level_has_a_gradient() -> None:
    x = vg.tensor([1.0, 2.0, 4.0, 8.0], dtype=vg.float64)
    q = vg.tensor(0.5, dtype=vg.float64, requires_grad=True)
    vg.quantile(x, q).backward()
    assert q.grad is not None and q.grad.item() == pytest.approx(3 * (4 - 2))


def test_logcumsumexp_of_infinities_and_nan() -> None:
    inf, nan = float("inf"), float("nan")
    for values, expected in (
        ([inf, -inf, nan, 1.0], "[inf, inf, nan, nan]"),
        ([-inf, -inf, inf, inf], "[-inf, -inf, inf, inf]"),
        ([1000.0, 1000.0, -1000.0], "[1000.0, 1000.6931762695312, 1000.6931762695312]"),
    ):
        assert str(vg.tensor(values).logcumsumexp(0).tolist()) == expected


def test_gradients_of_logcumsumexp() -> None:
    x = vg.tensor([[0.3, -40.0, 2.0, 800.0, 1.0, 801.0]], dtype=vg.float64, requires_grad=True)
    assert vg.autograd.gradcheck(lambda t: t.logcumsumexp(1), (x,))
    y = vg.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.2]], dtype=vg.float64, requires_grad=True)
    for dim in (0, 1):
        assert vg.autograd.gradgradcheck(lambda t, dim=dim: t.logcumsumexp(dim), (y,))
    # The last alone has a gradient, so most of those that come in are 0.
    (first,) = vg.autograd.grad(y.logcumsumexp(1)[:, -1].sum(), y, create_graph=True)
    assert vg.allclose(first, y.softmax(1))
    (second,) = vg.autograd.grad((first * vg.tensor([1.0, 2.0, 3.0], dtype=vg.float64)).sum(), y)
    (expected,) = vg.autograd.grad((y.softmax(1) * vg.tensor([1.0, 2.0, 3.0], dtype=vg.float64)).sum(), y)
    assert vg.allclose(second, expected)


def test_gradients_of_logcumsumexp_of_infinities_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    inf = float("inf")
    for values in ([-inf, -inf, 1.0, 2.0, inf, 3.0, -inf], [-inf, -inf, 1.0, 2.0, 3.0, -inf]):
        mine, other = (m.tensor(values, dtype=m.float64, requires_grad=True) for m in (vg, torch))
        for tensor in (mine, other):
            tensor.logcumsumexp(0).sum().backward()
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-12, equal_nan=True)


def test_running_results_in_place() -> None:
    x = vg.tensor([200, 100], dtype=vg.uint8)
    assert x.cumsum_(0) is x and x.tolist() == [200, 44]
    assert vg.tensor([2.0, 3.0]).cumprod_(0).tolist() == [2.0, 6.0]
    with pytest.raises(
        RuntimeError, match="cumsum_: expected dtype float32, that of the tensor, got float64"
    ):
        vg.tensor([1.0]).cumsum_(0, dtype=vg.float64)
    with pytest.raises(IndexError):
        vg.tensor([1.0]).cumprod_(1)
    leaf = vg.tensor([2.0, 3.0, 4.0], requires_grad=True)
    y = leaf * 1.0
    y.cumprod_(0).sum().backward()
    assert leaf.grad.tolist() == [16.0, 10.0, 6.0]
    transposed = vg.arange(6.0).reshape(2, 3).t()
    assert transposed.cumsum_(0).tolist() == [[0.0, 3.0], [1.0, 7.0], [3.0, 12.0]]


def test_running_extremes_with_out() -> None:
    x = vg.tensor([1.0, 3.0, 2.0])
    out = vg.empty(3), vg.empty(3, dtype=vg.int64)
    found = vg.cummax(x, 0, out=out)
    assert found.values is out[0] and out[0].tolist() == [1.0, 3.0, 3.0] and out[1].tolist() == [0, 1, 1]
    vg.cummin(x, 0, out=out)
    assert out[0].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match="out tensor to have dtype int64, but got float32"):
        vg.cummax(x, 0, out=(vg.empty(3), vg.empty(3)))
    with pytest.raises(RuntimeError, match="out tensor to have dtype float32, but got float64"):
        vg.cummax(x, 0, out=(vg.empty(3, dtype=vg.float64), vg.empty(3, dtype=vg.int64)))
