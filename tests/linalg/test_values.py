"""What LAPACK computes for linalg: results against their definitions and PyTorch, errors."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import linalg

pytestmark = pytest.mark.host("LAPACK is of CPU tensors alone")

SHAPES = [(3, 3), (5, 3), (3, 5), (2, 4, 4), (2, 1, 4, 3), (1, 1), (0, 3, 3), (0, 0)]
DTYPES = [vg.float32, vg.float64]


def matrix(*shape: int, dtype: Any = vg.float64, seed: int = 0) -> vg.Tensor:
    """A batch of regular matrices."""
    array = np.random.default_rng(seed).standard_normal(shape)
    if shape[-1] == shape[-2]:
        array = array + 3 * np.eye(shape[-1])
    return vg.tensor(array, dtype=dtype)


def definite(*shape: int, dtype: Any = vg.float64) -> vg.Tensor:
    a = matrix(*shape, dtype=dtype)
    return a @ a.transpose(-2, -1) + vg.eye(shape[-1], dtype=dtype)


def near(found: vg.Tensor, wanted: vg.Tensor) -> bool:
    tolerance = 2e-4 if found.dtype == vg.float32 else 1e-10
    return found.dtype == wanted.dtype and vg.allclose(found, wanted, rtol=tolerance, atol=tolerance)


SQUARE = [shape for shape in SHAPES if shape[-1] == shape[-2]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SQUARE)
class TestSquare:
    def test_inverse(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = matrix(*shape, dtype=dtype)
        identity = vg.eye(shape[-1], dtype=dtype).expand(shape)
        assert near(a @ linalg.inv(a), identity) and near(linalg.inv(a) @ a, identity)

    @pytest.mark.parametrize("left", [True, False])
    def test_solve(self, shape: tuple[int, ...], dtype: Any, left: bool) -> None:
        a = matrix(*shape, dtype=dtype)
        b = matrix(*shape[:-2], *((shape[-1], 2) if left else (2, shape[-1])), dtype=dtype, seed=1)
        x = linalg.solve(a, b, left=left)
        assert near(a @ x if left else x @ a, b)

    @pytest.mark.parametrize("upper", [True, False])
    @pytest.mark.parametrize("left", [True, False])
    @pytest.mark.parametrize("unit", [True, False])
    def test_solve_triangular(
        self, shape: tuple[int, ...], dtype: Any, upper: bool, left: bool, unit: bool
    ) -> None:
        a = matrix(*shape, dtype=dtype)
        b = matrix(*shape[:-2], *((shape[-1], 2) if left else (2, shape[-1])), dtype=dtype, seed=1)
        triangle = a.triu() if upper else a.tril()
        if unit:
            triangle = (
                triangle - triangle.diagonal(dim1=-2, dim2=-1).diag_embed() + vg.eye(shape[-1], dtype=dtype)
            )
        x = linalg.solve_triangular(a, b, upper=upper, left=left, unitriangular=unit)
        assert near(triangle @ x if left else x @ triangle, b)

    def test_cholesky(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = definite(*shape, dtype=dtype)
        lower, upper = linalg.cholesky(a), linalg.cholesky(a, upper=True)
        assert near(lower @ lower.transpose(-2, -1), a) and vg.equal(lower, lower.tril())
        assert near(upper.transpose(-2, -1) @ upper, a) and vg.equal(upper, upper.triu())

    @pytest.mark.parametrize("uplo", ["L", "U"])
    def test_eigh_reads_one_triangle(self, shape: tuple[int, ...], dtype: Any, uplo: str) -> None:
        a = matrix(*shape, dtype=dtype)
        part = a.tril() if uplo == "L" else a.triu()
        whole = part + part.transpose(-2, -1) - part.diagonal(dim1=-2, dim2=-1).diag_embed()
        values, vectors = linalg.eigh(a, uplo)
        assert near(vectors @ values.diag_embed() @ vectors.transpose(-2, -1), whole)
        assert near(linalg.eigvalsh(a, uplo.lower()), values)
        assert bool((values[..., 1:] >= values[..., :-1]).all())

    def test_determinants(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = matrix(*shape, dtype=dtype)
        sign, logabsdet = linalg.slogdet(a)
        assert near(sign * logabsdet.exp(), linalg.det(a))
        assert near(linalg.det(a), vg.tensor(np.linalg.det(a.numpy()), dtype=dtype))
        assert linalg.det(a).shape == shape[:-2]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
class TestAnyShape:
    @pytest.mark.parametrize("mode", ["reduced", "complete"])
    def test_qr(self, shape: tuple[int, ...], dtype: Any, mode: str) -> None:
        a = matrix(*shape, dtype=dtype)
        q, r = linalg.qr(a, mode)
        m, n = shape[-2:]
        k = min(m, n) if mode == "reduced" else m
        assert q.shape == (*shape[:-2], m, k) and r.shape == (*shape[:-2], k, n)
        assert near(q @ r, a) and vg.equal(r, r.triu())
        assert near(q.transpose(-2, -1) @ q, vg.eye(k, dtype=dtype).expand(*shape[:-2], k, k))

    def test_r_alone(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = matrix(*shape, dtype=dtype)
        q, r = linalg.qr(a, mode="r")
        assert q.shape == (0,) and q.dtype == dtype and near(r, linalg.qr(a).R)

    @pytest.mark.parametrize("full", [True, False])
    def test_svd(self, shape: tuple[int, ...], dtype: Any, full: bool) -> None:
        a = matrix(*shape, dtype=dtype)
        u, s, vh = linalg.svd(a, full_matrices=full)
        m, n = shape[-2:]
        k = min(m, n)
        assert u.shape[-2:] == (m, m if full else k) and vh.shape[-2:] == (n if full else k, n)
        assert near((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :], a)
        assert near(u.transpose(-2, -1) @ u, vg.eye(u.shape[-1], dtype=dtype).expand(*shape[:-2], -1, -1))
        assert near(linalg.svdvals(a), s)

    def test_pinv(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = matrix(*shape, dtype=dtype)
        p = linalg.pinv(a)
        assert p.shape == (*shape[:-2], shape[-1], shape[-2])
        assert near(a @ p @ a, a) and near(p @ a @ p, p)

    def test_rank(self, shape: tuple[int, ...], dtype: Any) -> None:
        a = matrix(*shape, dtype=dtype)
        rank = linalg.matrix_rank(a)
        assert rank.dtype == vg.int64 and vg.equal(rank, vg.full(shape[:-2], min(shape[-2:]), dtype=vg.int64))


def test_vectors_on_the_right_of_solve() -> None:
    a = matrix(2, 3, 3)
    many, one = vg.rand(2, 3, dtype=vg.float64), vg.rand(3, dtype=vg.float64)
    assert near((a @ linalg.solve(a, many).unsqueeze(-1)).squeeze(-1), many)
    assert near(a @ linalg.solve(a, one).unsqueeze(-1), one.expand(2, 3).unsqueeze(-1))


def test_a_triangular_matrix_with_zeros_on_its_diagonal_gives_no_error() -> None:
    a, b = vg.tensor([[0.0, 1.0], [0.0, 2.0]]), vg.ones(2, 1)
    assert linalg.solve_triangular(a, b, upper=True).tolist() == [[math.inf], [0.5]]


def test_a_triangle_is_solved_without_exchanging_rows() -> None:
    """Rows of other sizes would be exchanged by elimination, and the tiny diagonal lost."""
    a = vg.tensor([[1e-30, 0.0], [1.0, 1.0]], dtype=vg.float64)
    x = linalg.solve_triangular(a, vg.tensor([[1e-30], [3.0]], dtype=vg.float64), upper=False)
    assert x.tolist() == [[1.0], [2.0]]


def test_ranks_of_singular_matrices() -> None:
    a = vg.tensor([[1.0, 2.0], [2.0, 4.0]])
    b = vg.tensor([[3.0, 1.0], [1.0, -2.0]])
    assert linalg.matrix_rank(vg.stack([a, b])).tolist() == [1, 2]
    assert linalg.matrix_rank(a, atol=10).item() == 0 and linalg.matrix_rank(b, 2.8).item() == 1
    assert linalg.matrix_rank(b, hermitian=True).item() == 2
    assert linalg.matrix_rank(vg.stack([b, b]), rtol=vg.tensor([0.9, 0.1])).tolist() == [1, 2]


def test_pinv_of_what_has_no_full_rank() -> None:
    a = vg.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=vg.float64)
    wanted = a / 25
    for found in (
        linalg.pinv(a),
        linalg.pinv(a, 0.5),
        linalg.pinv(a, hermitian=True),
        linalg.pinv(a, atol=1.0),
    ):
        assert near(found, wanted)
    assert linalg.pinv(a, atol=10).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("driver", [None, "gels", "gelsy", "gelsd", "gelss"])
def test_lstsq(driver: str | None) -> None:
    a, b = matrix(2, 5, 3), matrix(2, 5, 2, seed=1)
    found = linalg.lstsq(a, b, driver=driver)
    assert near(found.solution, linalg.pinv(a) @ b)
    square = (a @ found.solution - b).square().sum(-2)
    assert near(found.residuals, square) if driver not in (None, "gelsy") else found.residuals.shape == (0,)
    assert found.rank.tolist() == ([3, 3] if driver != "gels" else []) and found.rank.dtype == vg.int64
    values = found.singular_values
    assert near(values, linalg.svdvals(a)) if driver in ("gelsd", "gelss") else values.shape == (0,)


def test_lstsq_of_vectors_and_wide_matrices() -> None:
    a = matrix(2, 3, 5)
    b = vg.rand(2, 3, dtype=vg.float64)
    found = linalg.lstsq(a, b).solution
    assert found.shape == (2, 5) and near(found, (linalg.pinv(a) @ b.unsqueeze(-1)).squeeze(-1))


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, math.inf, -math.inf, "fro", "nuc"])
def test_condition_numbers(p: Any) -> None:
    a = matrix(2, 3, 3)
    wanted = [np.linalg.cond(one, p) for one in a.numpy()]
    assert linalg.cond(a, p).numpy() == pytest.approx(wanted)


def test_the_condition_number_of_a_singular_matrix_is_infinite() -> None:
    both = vg.stack([vg.ones(2, 2), vg.eye(2)])
    assert linalg.cond(both, 1).tolist() == [math.inf, 1.0] and linalg.cond(both[0], "fro").item() == math.inf
    assert linalg.cond(vg.ones(0, 0)).item() == 0


def test_logarithms_of_determinants() -> None:
    assert linalg.slogdet(vg.ones(2, 2)).sign.item() == 0 and vg.logdet(vg.ones(2, 2)).item() == -math.inf
    assert math.isnan(vg.logdet(-vg.eye(3)).item())
    assert vg.logdet(vg.eye(400) * 1e3).item() == pytest.approx(400 * math.log(1e3))


def test_the_old_names() -> None:
    a, tall = definite(3, 3), matrix(5, 3)
    assert near(vg.inverse(a), linalg.inv(a)) and near(a.inverse(), linalg.inv(a))
    assert near(vg.det(a), linalg.det(a)) and near(a.det(), linalg.det(a))
    assert near(vg.slogdet(a).logabsdet, a.logdet()) and near(a.slogdet().sign, vg.ones((), dtype=a.dtype))
    assert near(vg.cholesky(a), linalg.cholesky(a)) and near(a.cholesky(True), linalg.cholesky(a, upper=True))
    assert near(vg.pinverse(tall), linalg.pinv(tall)) and near(tall.pinverse(), linalg.pinv(tall))
    assert vg.qr(tall, some=False).Q.shape == (5, 5) and tall.qr().R.shape == (3, 3)
    u, s, v = vg.svd(tall)
    assert near(u @ s.diag_embed() @ v.transpose(-2, -1), tall) and tall.svd(some=False).U.shape == (5, 5)
    zeros, values, others = vg.svd(tall, compute_uv=False)
    assert near(values, s) and zeros.tolist() == vg.zeros(5, 5).tolist() and others.shape == (3, 3)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (2, 4, 2), (3, 0), (1, 1)])
def test_q_as_a_product_of_reflections(shape: tuple[int, ...], dtype: Any) -> None:
    a = matrix(*shape, dtype=dtype)
    packed, tau = vg.geqrf(a)
    assert packed.shape == shape and tau.shape == (*shape[:-2], min(shape[-2:]))
    q = linalg.householder_product(packed, tau)
    assert near(q @ packed[..., : shape[-1], :].triu(), a)
    assert near(q.transpose(-2, -1) @ q, vg.eye(shape[-1], dtype=dtype).expand(*shape[:-2], -1, -1))
    assert near(vg.orgqr(packed, tau), q) and near(packed.orgqr(tau), q) and near(a.geqrf().tau, tau)


def test_reflections_by_their_definition() -> None:
    a, tau = matrix(4, 3), vg.tensor([0.5, 0.0], dtype=vg.float64)
    product = vg.eye(4, dtype=vg.float64)
    for i in range(2):
        v = vg.cat([vg.zeros(i), vg.ones(1), a[i + 1 :, i]]).double()
        product = product @ (vg.eye(4, dtype=vg.float64) - tau[i] * vg.outer(v, v))
    assert near(linalg.householder_product(a, tau), product[:, :3])


@pytest.mark.parametrize("scale", [0.0, 1e-9, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_exponential_by_eigenvalues(scale: float, dtype: Any) -> None:
    a = matrix(4, 4)
    symmetric = scale * (a + a.T) / (a + a.T).abs().max()
    values, vectors = linalg.eigh(symmetric)
    found, wanted = linalg.matrix_exp(symmetric.to(dtype)), (vectors * values.exp()) @ vectors.T
    assert found.dtype == dtype
    assert (found - wanted).abs().max() <= (1e-4 if dtype == vg.float32 else 1e-12) * wanted.abs().max()


def test_the_exponential_of_a_batch_is_that_of_each() -> None:
    batch = vg.stack([matrix(3, 3) * scale for scale in (0.0, 0.01, 1.0, 5.0)]).reshape(2, 2, 3, 3)
    found = vg.matrix_exp(batch)
    for place in range(4):
        one = batch[place // 2, place % 2]
        assert vg.equal(one.matrix_exp(), found[place // 2, place % 2])
    rotation = linalg.matrix_exp(vg.tensor([[0.0, -math.pi / 2], [math.pi / 2, 0.0]]))
    assert vg.allclose(rotation, vg.tensor([[0.0, -1.0], [1.0, 0.0]]), atol=1e-6)
    assert linalg.matrix_exp(vg.zeros(2, 0, 0)).shape == (2, 0, 0)
    assert not linalg.matrix_exp(vg.tensor([[math.inf, 0.0], [0.0, 1.0]])).isfinite().all()


def test_results_have_names() -> None:
    found = linalg.eigh(vg.eye(2))
    assert found.eigenvalues is found[0] and found.eigenvectors is found[1]
    assert repr(found).startswith("verigrad.return_types.linalg_eigh(\neigenvalues=tensor([1., 1.]),\n")
    assert isinstance(linalg.qr(vg.eye(2)), vg.return_types.linalg_qr)


SINGULAR = vg.tensor([[1.0, 2.0], [2.0, 4.0]])
NAN = vg.full((2, 2), math.nan)
ERRORS = {
    "singular": (lambda: linalg.inv(SINGULAR), "LinAlgError", r"linalg.inv: The inversion .* is singular"),
    "in a batch": (
        lambda: linalg.inv(vg.stack([vg.eye(2), SINGULAR])), "LinAlgError", r"\(Batch element 1\)",
    ),
    "solve": (lambda: linalg.solve(SINGULAR, vg.ones(2)), "LinAlgError", "linalg.solve: .* singular"),
    "cholesky": (lambda: linalg.cholesky(-vg.eye(2)), "LinAlgError", "not positive-definite"),
    "svd of NaN": (lambda: linalg.svd(NAN), "LinAlgError", "non-finite values"),
    "integers": (lambda: linalg.det(vg.ones(2, 2, dtype=vg.int64)), "RuntimeError", "Got .*int64"),
    "a vector": (lambda: linalg.svd(vg.ones(2)), "RuntimeError", "at least 2 dimensions"),
    "not square": (lambda: linalg.inv(vg.ones(2, 3)), "RuntimeError", "they are 2 by 3 matrices"),
    "not square, eigh": (lambda: linalg.eigh(vg.ones(2, 3)), "RuntimeError", "they are 2 by 3 matrices"),
    "not square, cond": (lambda: linalg.cond(vg.ones(2, 3), 1), "RuntimeError", "they are 2 by 3 matrices"),
    "no tensor": (lambda: linalg.inv([[1.0]]), "TypeError", "expected argument 1 to be a Tensor, got list"),
    "two dtypes": (
        lambda: linalg.solve(vg.eye(2), vg.ones(2, dtype=vg.float64)), "RuntimeError", "same dtype",
    ),
    "shapes of solve": (
        lambda: linalg.solve(vg.eye(2), vg.ones(3, 2)), "RuntimeError", r"AX = B \(2x2 and 3x2\)",
    ),
    "shapes of solve from the right": (
        lambda: linalg.solve(vg.eye(2), vg.ones(2, 3), left=False), "RuntimeError", r"XA = B \(2x2 and 2x3\)",
    ),
    "a vector from the right": (
        lambda: linalg.solve(vg.eye(2), vg.ones(2), left=False), "RuntimeError", "left=False",
    ),
    "a vector for a triangle": (
        lambda: linalg.solve_triangular(vg.eye(2), vg.ones(2), upper=True), "RuntimeError", "B must have",
    ),
    "shapes of a triangle": (
        lambda: linalg.solve_triangular(vg.eye(2), vg.ones(3, 2), upper=True), "RuntimeError", "AX = B",
    ),
    "tau of no tensor": (
        lambda: linalg.householder_product(vg.eye(2), [1.0]), "TypeError", "be a Tensor, got list",
    ),
    "tau of two dimensions": (
        lambda: linalg.householder_product(vg.eye(2), vg.eye(2)), "RuntimeError", r"\['k'\] with k <= 2, got",
    ),
    "too long a tau": (
        lambda: linalg.householder_product(vg.eye(2), vg.ones(3)), "RuntimeError", r"k <= 2, got \[3\]",
    ),
    "tau of another dtype": (
        lambda: linalg.householder_product(vg.eye(2), vg.ones(2).double()), "RuntimeError", "tau dtype",
    ),
    "wide reflections": (
        lambda: linalg.householder_product(vg.ones(2, 3), vg.ones(2)), "RuntimeError", "got 2 < 3",
    ),
    "geqrf of what requires a gradient": (
        lambda: vg.geqrf(vg.eye(2).requires_grad_()), "RuntimeError", "use linalg.qr",
    ),
    "the exponential of a wide matrix": (
        lambda: linalg.matrix_exp(vg.ones(2, 3)), "RuntimeError", "they are 2 by 3 matrices",
    ),
    "no upper": (lambda: linalg.solve_triangular(vg.eye(2), vg.eye(2)), "TypeError", "upper"),
    "mode of qr": (lambda: linalg.qr(vg.eye(2), mode="x"), "RuntimeError", "unrecognized mode 'x'"),
    "driver of svd": (lambda: linalg.svd(vg.eye(2), driver="gesvd"), "RuntimeError", "`driver=`"),
    "triangle of eigh": (lambda: linalg.eigh(vg.eye(2), "x"), "RuntimeError", "'L' or 'U', but got x"),
    "driver of lstsq": (
        lambda: linalg.lstsq(vg.eye(2), vg.eye(2), driver="x"), "RuntimeError", "parameter `driver`",
    ),
    "shapes of lstsq": (lambda: linalg.lstsq(vg.ones(3, 2), vg.ones(2, 1)), "RuntimeError", r"size\(-2\)"),
    "norm of cond": (lambda: linalg.cond(vg.eye(2), 3), "RuntimeError", "invalid norm type: 3"),
    "two tolerances of pinv": (lambda: linalg.pinv(vg.eye(2), 0.1, rtol=0.1), "TypeError", "got both"),
    "two tolerances of rank": (
        lambda: linalg.matrix_rank(vg.eye(2), 0.1, rtol=0.1), "TypeError", "got both",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, kind, text = ERRORS[name]
    error = (
        linalg.LinAlgError
        if kind == "LinAlgError"
        else {"RuntimeError": RuntimeError, "TypeError": TypeError}[kind]
    )
    with pytest.raises(error, match=text) as found:
        call()
    assert type(found.value) is error


class OnCuda(vg.Tensor):
    """A tensor that says that it is elsewhere."""

    is_cpu = False
    device = "cuda:0"  # type: ignore[assignment]


@pytest.mark.parametrize("name", sorted({"det", "inv", "svd", "eigh", "cholesky", "qr", "pinv", "slogdet"}))
def test_a_cuda_tensor_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(
        NotImplementedError, match=rf"linalg\.{name}: .* on the CPU, .* on cuda:0; call \.cpu\(\)"
    ):
        getattr(linalg, name)(OnCuda(vg.eye(2)))


def test_the_error_is_a_runtime_error_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    assert issubclass(linalg.LinAlgError, RuntimeError)
    assert [kind.__name__ for kind in torch.linalg.LinAlgError.__mro__[1:]] == [
        kind.__name__ for kind in linalg.LinAlgError.__mro__[1:]
    ]


def test_importing_the_library_does_not_import_numpy() -> None:
    code = "import sys, verigrad.linalg; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


CALLS = {
    "inv": lambda lib, a, b, s: lib.linalg.inv(a),
    "solve": lambda lib, a, b, s: lib.linalg.solve(a, b),
    "det": lambda lib, a, b, s: lib.linalg.det(a),
    "slogdet": lambda lib, a, b, s: lib.linalg.slogdet(a)[1],
    "logdet": lambda lib, a, b, s: lib.logdet(s),
    "cholesky": lambda lib, a, b, s: lib.linalg.cholesky(s),
    "cholesky, upper": lambda lib, a, b, s: lib.linalg.cholesky(s, upper=True),
    "solve_triangular": lambda lib, a, b, s: lib.linalg.solve_triangular(a, b, upper=True),
    "solve_triangular, unit": lambda lib, a, b, s: lib.linalg.solve_triangular(
        a, b, upper=False, unitriangular=True
    ),
    "Q": lambda lib, a, b, s: lib.linalg.qr(b)[0],
    "R": lambda lib, a, b, s: lib.linalg.qr(b)[1],
    "QR, wide": lambda lib, a, b, s: sum(one.sin().sum() for one in lib.linalg.qr(b.transpose(-2, -1))),
    "QR, complete": lambda lib, a, b, s: sum(
        one.sin().sum() for one in lib.linalg.qr(b.transpose(-2, -1), mode="complete")
    ),
    "svdvals": lambda lib, a, b, s: lib.linalg.svdvals(b),
    "U": lambda lib, a, b, s: lib.linalg.svd(b, full_matrices=False)[0] ** 2,
    "V": lambda lib, a, b, s: lib.linalg.svd(b.transpose(-2, -1), full_matrices=False)[2] ** 2,
    "U and V": lambda lib, a, b, s: (lambda f: f[0] @ f[2] + f[1].sum())(
        lib.linalg.svd(a, full_matrices=True)
    ),
    "V, full": lambda lib, a, b, s: lib.linalg.svd(b)[2] ** 2,
    "eigvalsh": lambda lib, a, b, s: lib.linalg.eigvalsh(s),
    "eigh": lambda lib, a, b, s: (lambda f: f[1] ** 2 * f[0].unsqueeze(-2))(lib.linalg.eigh(s)),
    "pinv": lambda lib, a, b, s: lib.linalg.pinv(b),
    "lstsq": lambda lib, a, b, s: lib.linalg.lstsq(b, a)[0],
    "lstsq, wide": lambda lib, a, b, s: lib.linalg.lstsq(b.transpose(-2, -1), b.transpose(-2, -1) + 1)[0],
    "lstsq, residuals": lambda lib, a, b, s: lib.linalg.lstsq(b, a, driver="gelsd")[1],
    "matrix_exp": lambda lib, a, b, s: lib.linalg.matrix_exp(a),
    "matrix_exp, old name": lambda lib, a, b, s: lib.matrix_exp(a / 10),
    "householder_product": lambda lib, a, b, s: lib.linalg.householder_product(b, b[..., 0, :2]),
    "orgqr": lambda lib, a, b, s: lib.orgqr(b, b[..., 0, :]),
    "geqrf": lambda lib, a, b, s: (lambda f: f[0] * f[1].unsqueeze(-2))(lib.geqrf(b.detach())) + 0 * b,
    "cond": lambda lib, a, b, s: lib.linalg.cond(b),
    "cond, -2": lambda lib, a, b, s: lib.linalg.cond(b, -2),
    # Of the other norms PyTorch 2.13 has no gradient: it changes the inverse in place that it has saved.
    "cond, nuc": lambda lib, a, b, s: lib.linalg.cond(a, "nuc"),
}


def run(lib: Any, call: Any, arrays: list[Any], dtype: Any) -> list[Any]:
    tensors = [lib.tensor(array, dtype=dtype, requires_grad=True) for array in arrays]
    symmetric = tensors[2] @ tensors[2].transpose(-2, -1)
    found = call(lib, *tensors[:2], symmetric)
    weight = lib.tensor(np.cos(np.arange(math.prod(found.shape))).reshape(tuple(found.shape)), dtype=dtype)
    (found * weight).sum().backward()
    return [found.detach().numpy(), *(None if t.grad is None else t.grad.numpy() for t in tensors)]


@pytest.mark.parametrize("batch", [(), (2,)], ids=["one", "batch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_are_those_of_pytorch(name: str, dtype: str, batch: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal((*batch, *shape)) for shape in ((4, 4), (4, 3), (4, 4))]
    arrays[0] += 4 * np.eye(4)
    found = run(vg, CALLS[name], arrays, getattr(vg, dtype))
    wanted = run(torch, CALLS[name], arrays, getattr(torch, dtype))
    tolerance = 5e-3 if dtype == "float32" else 1e-9
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == other.dtype and one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


THROUGH_LAPACK: dict[str, Callable[[Any], Any]] = {
    "nuc": lambda t: t.linalg.norm(t.arange(6.0).reshape(2, 3), "nuc"),
    "2": lambda t: t.linalg.norm(t.arange(6.0).reshape(2, 3), 2),
    "-2": lambda t: t.linalg.norm(t.tensor([[1.0, 2], [3, 4]]), -2),
    "float64": lambda t: t.linalg.norm(t.tensor([[1.0, 2], [3, 4]]), 2, dtype=t.float64),
    "dim": lambda t: t.linalg.matrix_norm(t.arange(12.0).reshape(2, 3, 2), "nuc", dim=(2, 0), keepdim=True),
    "norm, dim": lambda t: t.norm(t.arange(12.0).reshape(2, 3, 2), "nuc", dim=(0, 2)),
    "norm": lambda t: t.norm(t.ones(2, 2), p="nuc"),
    "method": lambda t: t.ones(2, 2).norm("nuc"),
    "no dim": lambda t: t.norm(t.arange(12.0).reshape(2, 3, 2), "nuc"),
    "a line": lambda t: t.norm(t.ones(3), "nuc"),
    "ints": lambda t: t.linalg.norm(t.tensor([[1, 2], [3, 4]]), "nuc"),
    "no rows": lambda t: t.linalg.matrix_norm(t.ones(0, 3), "nuc"),
    "no rows, 2": lambda t: t.linalg.matrix_norm(t.ones(0, 3), 2),
    "no rows, -2": lambda t: t.linalg.matrix_norm(t.ones(0, 3), -2),
    "power": lambda t: t.matrix_power(t.tensor([[1.0, 2], [3, 4]]), -2),
    "power, linalg": lambda t: t.linalg.matrix_power(t.eye(2) * 2, -3),
    "power, method": lambda t: t.tensor([[1.0, 2], [3, 4]]).matrix_power(-1),
    "power of ints": lambda t: t.matrix_power(t.tensor([[1, 2], [3, 4]]), -2),
    "power of no square": lambda t: t.matrix_power(t.ones(2, 3), -2),
}


@pytest.mark.parametrize("name", THROUGH_LAPACK)
def test_what_needs_lapack_in_native_functions_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for t in (vg, torch):
        try:
            found.append(THROUGH_LAPACK[name](t).numpy())
        except Exception as error:
            found.append(type(error))
    if isinstance(found[1], type):
        assert found[0] is found[1]
    else:
        assert found[0].dtype == found[1].dtype and found[0].shape == found[1].shape
        np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_negative_powers() -> None:
    a = vg.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=vg.float64, requires_grad=True)
    product = vg.matrix_power(a, -2) @ vg.matrix_power(a, 2)
    np.testing.assert_allclose(product.detach().numpy(), np.eye(2), atol=1e-12)
    assert vg.autograd.gradcheck(lambda x: vg.matrix_power(x, -3), (a,))
    assert vg.autograd.gradcheck(lambda x: vg.linalg.norm(x, "nuc"), (a,))
    assert vg.autograd.gradgradcheck(lambda x: vg.linalg.norm(x, 2), (a,))
    with pytest.raises(linalg.LinAlgError, match="singular"):
        vg.matrix_power(vg.ones(2, 2), -1)
    with pytest.raises(RuntimeError, match="exponent whose negative fits int64"):
        vg.matrix_power(a.detach(), -(2**63))
