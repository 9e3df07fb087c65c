"""Gradients of linalg, first and second, against finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import linalg
from verigrad.autograd import gradcheck, gradgradcheck

pytestmark = pytest.mark.host("LAPACK is of CPU tensors alone")


def leaf(*shape: int, seed: int = 0) -> vg.Tensor:
    array = np.random.default_rng(seed).standard_normal(shape)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        array = array + 3 * np.eye(shape[-1])
    return vg.tensor(array, requires_grad=True)


def symmetric(a: vg.Tensor) -> vg.Tensor:
    return a @ a.transpose(-2, -1)


def signless(vectors: vg.Tensor) -> vg.Tensor:
    return vectors.square()


CASES: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "inv": (linalg.inv, ((3, 3),)),
    "inv, batch": (linalg.inv, ((2, 2, 2),)),
    "solve": (linalg.solve, ((3, 3), (3, 2))),
    "solve, right": (lambda a, b: linalg.solve(a, b, left=False), ((3, 3), (2, 3))),
    "solve, vector": (linalg.solve, ((3, 3), (3,))),
    "solve, broadcast": (linalg.solve, ((3, 3), (2, 3, 2))),
    "solve, broadcast matrices": (linalg.solve, ((2, 3, 3), (3, 1))),
    "triangular, upper": (lambda a, b: linalg.solve_triangular(a, b, upper=True), ((3, 3), (3, 2))),
    "triangular, lower": (lambda a, b: linalg.solve_triangular(a, b, upper=False), ((3, 3), (2, 3, 2))),
    "triangular, right": (
        lambda a, b: linalg.solve_triangular(a, b, upper=True, left=False), ((3, 3), (2, 3)),
    ),
    "triangular, unit": (
        lambda a, b: linalg.solve_triangular(a, b, upper=False, unitriangular=True), ((3, 3), (3, 2)),
    ),
    "det": (linalg.det, ((3, 3),)),
    "det, batch": (linalg.det, ((2, 2, 2),)),
    "det, 1 x 1": (linalg.det, ((1, 1),)),
    "slogdet": (lambda a: linalg.slogdet(a).logabsdet, ((2, 3, 3),)),
    "logdet": (lambda a: vg.logdet(symmetric(a)), ((3, 3),)),
    "cholesky": (lambda a: linalg.cholesky(symmetric(a)), ((2, 3, 3),)),
    "cholesky, upper": (lambda a: linalg.cholesky(symmetric(a), upper=True), ((3, 3),)),
    "qr": (lambda a: tuple(linalg.qr(a)), ((4, 3),)),
    "qr, square": (lambda a: tuple(linalg.qr(a)), ((2, 3, 3),)),
    "qr, wide": (lambda a: tuple(linalg.qr(a)), ((2, 4),)),
    "qr, complete": (lambda a: tuple(linalg.qr(a, "complete")), ((2, 4),)),
    "svdvals": (linalg.svdvals, ((4, 3),)),
    "svd": (lambda a: (lambda u, s, v: (u @ v, s))(*linalg.svd(a, full_matrices=False)), ((3, 3),)),
    "svd, tall": (
        lambda a: (lambda u, s, v: (signless(u), s))(*linalg.svd(a, full_matrices=False)), ((4, 2),),
    ),
    "svd, wide": (lambda a: signless(linalg.svd(a, full_matrices=False).Vh), ((2, 4),)),
    "svd, both": (
        lambda a: (lambda u, s, v: u @ s.diag_embed() @ v)(*linalg.svd(a, full_matrices=False)), ((2, 3, 2),),
    ),
    "eigvalsh": (lambda a: linalg.eigvalsh(symmetric(a)), ((2, 3, 3),)),
    "eigh": (lambda a: (lambda w, v: signless(v) * w)(*linalg.eigh(symmetric(a))), ((3, 3),)),
    "eigh, upper": (lambda a: signless(linalg.eigh(symmetric(a), "U").eigenvectors), ((3, 3),)),
    "pinv, tall": (linalg.pinv, ((4, 2),)),
    "pinv, wide": (linalg.pinv, ((2, 2, 3),)),
    "pinv, of lower rank": (lambda a, b: linalg.pinv(a @ b), ((4, 2), (2, 3))),
    "pinv, hermitian": (lambda a: linalg.pinv(symmetric(a), hermitian=True), ((3, 2),)),
    "lstsq": (lambda a, b: linalg.lstsq(a, b).solution, ((4, 2), (4, 2))),
    "lstsq, wide": (lambda a, b: linalg.lstsq(a, b).solution, ((2, 3), (2, 1))),
    "lstsq, residuals": (lambda a, b: linalg.lstsq(a, b, driver="gelsd").residuals, ((4, 2), (4, 2))),
    "matrix_exp": (linalg.matrix_exp, ((3, 3),)),
    "matrix_exp, batch": (linalg.matrix_exp, ((2, 2, 2),)),
    "matrix_exp, small": (lambda a: linalg.matrix_exp(a / 16), ((3, 3),)),
    "householder_product": (linalg.householder_product, ((4, 3), (3,))),
    "householder_product, few": (linalg.householder_product, ((2, 4, 3), (2, 2))),
    "cond": (linalg.cond, ((3, 2),)),
    "cond, fro": (lambda a: linalg.cond(a, "fro"), ((2, 3, 3),)),
    "cond, nuc": (lambda a: linalg.cond(a, "nuc"), ((3, 3),)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives(name: str) -> None:
    function, shapes = CASES[name]
    inputs = tuple(leaf(*shape, seed=number) for number, shape in enumerate(shapes))
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_determinant_of_a_singular_matrix_has_a_gradient(size: int, rank: int) -> None:
    rng = np.random.default_rng(size + 10 * rank)
    rank = min(rank, size - 1)
    a = rng.standard_normal((size, rank)) @ rng.standard_normal((rank, size))
    x = vg.tensor(a, requires_grad=True)
    linalg.det(x).backward()
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(size)]
        for i in range(size)
    ]
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), minors, atol=1e-12)


def test_the_gradient_of_a_singular_slogdet_is_an_error() -> None:
    x = vg.ones(2, 2, requires_grad=True)
    with pytest.raises(linalg.LinAlgError, match=r"linalg\.inv: .*singular"):
        linalg.slogdet(x).logabsdet.backward()


def test_equal_singular_values_have_gradients_where_vectors_are_not_used() -> None:
    x = vg.eye(3, dtype=vg.float64).requires_grad_()
    linalg.svdvals(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("mode", "shape", "text"), [("r", (3, 3), "mode='r'"), ("complete", (4, 3), "nrows > ncols")]
)
def test_modes_of_qr_without_a_gradient(mode: str, shape: tuple[int, ...], text: str) -> None:
    x = leaf(*shape)
    with pytest.raises(RuntimeError, match=text):
        linalg.qr(x, mode).R.sum().backward()


def test_the_gradient_by_a_triangle_leaves_the_rest_alone() -> None:
    a, b = leaf(3, 3), leaf(3, 1, seed=1)
    linalg.solve_triangular(a, b, upper=True, unitriangular=True).sum().backward()
    assert a.grad is not None and vg.equal(a.grad, a.grad.triu(1)) and a.grad.abs().sum().item() > 0


def test_gradients_by_an_input_alone() -> None:
    a, b = leaf(3, 3).detach(), leaf(3, 1, seed=1)
    linalg.solve(a, b).sum().backward()
    assert b.grad is not None and vg.allclose(b.grad, linalg.solve(a.T, vg.ones(3, 1, dtype=vg.float64)))


def test_training_through_a_decomposition() -> None:
    """Gradient descent on the largest singular value, which ends where all are equal."""
    x = vg.tensor([[3.0, 1.0], [0.0, 1.0]], requires_grad=True)
    optimizer = vg.optim.SGD([x], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = linalg.cond(x)
        loss.backward()
        optimizer.step()
    assert 1 <= loss.item() < 1.2 and math.isfinite(loss.item())
