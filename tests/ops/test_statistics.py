"""Moments and norms beyond what their records compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verigrad as vg


def test_equal_elements_have_no_spread_and_no_gradient() -> None:
    """0.1 ten times: a mean that is rounded would leave a spread of 1e-17, and gradients of size 1."""
    x = vg.full((3, 10), 0.1, dtype=vg.float64, requires_grad=True)
    spread = x.std(1)
    assert spread.tolist() == [0.0, 0.0, 0.0]
    spread.sum().backward()
    assert x.grad is not None and x.grad.abs().max().item() == 0


def test_a_common_offset_costs_no_digits() -> None:
    x = vg.tensor([1e8 + 1, 1e8 + 2, 1e8 + 4], dtype=vg.float64)
    assert x.var().item() == pytest.approx(7 / 3, rel=1e-14)


def test_results_have_names() -> None:
    found = vg.tensor([3.0, 1.0, 2.0]).aminmax()
    assert (found.min.item(), found.max.item()) == (1.0, 3.0)
    assert type(found) is vg.return_types.aminmax


def test_nodes_have_the_names_of_pytorch() -> None:
    x = vg.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    names = {
        "VarBackward0": x.var(),
        "StdBackward0": x.std(1),
        "LogsumexpBackward0": x.logsumexp(0),
        "LinalgVectorNormBackward0": x.norm(),
        "TraceBackward0": x.trace(),
    }
    for name, y in names.items():
        assert y.grad_fn is not None and y.grad_fn.name() == name


@pytest.mark.parametrize("order", ["nuc", 2, -2])
def test_norms_of_singular_values(order: Any) -> None:
    a = vg.tensor([[3.0, 0.0, 0.0], [0.0, -4.0, 0.0]], requires_grad=True)
    expected = {"nuc": 7.0, 2: 4.0, -2: 3.0}[order]
    for found in (vg.linalg.norm(a, order), vg.linalg.matrix_norm(a, order)):
        assert found.item() == pytest.approx(expected)
    wide = a.detach().reshape(2, 1, 3)
    kept = vg.linalg.matrix_norm(wide, order, dim=(2, 0), keepdim=True)
    assert kept.shape == (1, 1, 1) and kept.item() == pytest.approx(expected)
    if order == "nuc":
        assert a.norm("nuc").item() == vg.norm(a, p="nuc", dim=(0, 1)).item() == pytest.approx(expected)
    vg.linalg.norm(a, order).backward()
    assert a.grad is not None and a.grad.abs().sum().item() == pytest.approx(2.0 if order == "nuc" else 1.0)


def test_distances_from_products_and_from_differences_agree() -> None:
    rng = np.random.default_rng(3)
    a, b = vg.from_numpy(rng.normal(size=(4, 40, 7))), vg.from_numpy(rng.normal(size=(30, 7)))
    products = vg.cdist(a, b, compute_mode="use_mm_for_euclid_dist")
    differences = vg.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    assert vg.allclose(products, differences, rtol=1e-12)
    assert vg.equal(vg.cdist(a, b), products)


def test_what_is_not_differentiable_has_no_history() -> None:
    x = vg.ones(3, requires_grad=True)
    assert not vg.count_nonzero(x).requires_grad
    assert vg.nansum(x).requires_grad
