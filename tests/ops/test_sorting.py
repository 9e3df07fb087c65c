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
