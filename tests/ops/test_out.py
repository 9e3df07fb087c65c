"""`out=`: the result goes to a tensor of the caller, as in PyTorch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

Call = Callable[..., Any]


def calls(t: Any, kind: str) -> dict[str, Call]:
    """Calls that take `out`, of a library and with inputs of a dtype."""

    def counted(*shape: int) -> Any:
        return t.arange(1.0, 1.0 + math.prod(shape)).reshape(shape).to(getattr(t, kind))

    square, vector, matrix, batch = counted(2, 2), counted(3), counted(2, 3), counted(2, 2, 2)
    square = square + t.eye(2).to(square.dtype)
    where, rows = t.tensor([[0, 1, 0], [1, 0, 1]]), t.tensor([0, 1])
    mask = t.tensor([[True, False, True], [True, True, False]])
    pair = counted(2)
    return {
        "addbmm": lambda **o: t.addbmm(square, batch, batch, **o),
        "addmm": lambda **o: t.addmm(square, square, square, beta=2, **o),
        "addmv": lambda **o: t.addmv(pair, square, pair, **o),
        "addr": lambda **o: t.addr(square, pair, pair, **o),
        "all": lambda **o: t.all(matrix, 1, **o),
        "any": lambda **o: t.any(matrix, **o),
        "amax": lambda **o: t.amax(matrix, 1, **o),
        "amin": lambda **o: t.amin(matrix, (0, 1), True, **o),
        "aminmax": lambda **o: t.aminmax(matrix, dim=1, **o),
        "arange": lambda **o: t.arange(3, **o),
        "argmax": lambda **o: t.argmax(matrix, 1, **o),
        "argmin": lambda **o: t.argmin(matrix, **o),
        "argsort": lambda **o: t.argsort(matrix, stable=True, **o),
        "baddbmm": lambda **o: t.baddbmm(batch, batch, batch, **o),
        "bmm": lambda **o: t.bmm(batch, batch, **o),
        "bucketize": lambda **o: t.bucketize(matrix, vector, **o),
        "cat": lambda **o: t.cat([matrix, matrix], **o),
        "concat": lambda **o: t.concat([matrix, matrix], 1, **o),
        "column_stack": lambda **o: t.column_stack([matrix, matrix], **o),
        "cross": lambda **o: t.cross(vector, vector, dim=0, **o),
        "cummax": lambda **o: t.cummax(matrix, 1, **o),
        "cumprod": lambda **o: t.cumprod(matrix, 1, **o),
        "cumsum": lambda **o: t.cumsum(matrix, 1, **o),
        "cumsum of a dtype": lambda **o: t.cumsum(matrix, 1, dtype=t.float32, **o),
        "diag": lambda **o: t.diag(vector, **o),
        "diff": lambda **o: t.diff(matrix, **o),
        "dot": lambda **o: t.dot(vector, vector, **o),
        "dstack": lambda **o: t.dstack([matrix, matrix], **o),
        "empty": lambda **o: t.empty(2, **o).zero_(),
        "eye": lambda **o: t.eye(2, **o),
        "full": lambda **o: t.full((2,), 3.5, **o),
        "full of a dtype": lambda **o: t.full((2,), 3.5, dtype=t.float32, **o),
        "gather": lambda **o: t.gather(matrix, 1, where, **o),
        "ger": lambda **o: t.ger(vector, vector, **o),
        "histc": lambda **o: t.histc(matrix, 3, **o),
        "hstack": lambda **o: t.hstack([matrix, matrix], **o),
        "index_add": lambda **o: t.index_add(matrix, 0, rows, matrix, **o),
        "index_copy": lambda **o: t.index_copy(matrix, 0, rows, matrix, **o),
        "index_select": lambda **o: t.index_select(matrix, 0, rows, **o),
        "inner": lambda **o: t.inner(vector, vector, **o),
        "isin": lambda **o: t.isin(matrix, vector, **o),
        "kron": lambda **o: t.kron(vector, vector, **o),
        "kthvalue": lambda **o: t.kthvalue(matrix, 1, **o),
        "linspace": lambda **o: t.linspace(0, 1, 3, **o),
        "log_softmax": lambda **o: t.log_softmax(matrix, 1, **o),
        "logspace": lambda **o: t.logspace(0, 1, 2, **o),
        "logsumexp": lambda **o: t.logsumexp(matrix, 1, **o),
        "masked_select": lambda **o: t.masked_select(matrix, mask, **o),
        "matmul": lambda **o: t.matmul(square, matrix, **o),
        "matrix_power": lambda **o: t.matrix_power(square, 2, **o),
        "max": lambda **o: t.max(matrix, 1, **o),
        "max of all": lambda **o: t.max(matrix, **o),
        "max of two": lambda **o: t.max(matrix, matrix, **o),
        "mean": lambda **o: t.mean(matrix, 1, **o),
        "mean of all": lambda **o: t.mean(matrix, **o),
        "median": lambda **o: t.median(matrix, 1, **o),
        "min": lambda **o: t.min(matrix, 1, True, **o),
        "mm": lambda **o: t.mm(square, matrix, **o),
        "msort": lambda **o: t.msort(matrix, **o),
        "mv": lambda **o: t.mv(matrix, vector, **o),
        "nanmedian": lambda **o: t.nanmedian(matrix, 1, **o),
        "nanquantile": lambda **o: t.nanquantile(matrix, 0.5, **o),
        "nonzero": lambda **o: t.nonzero(matrix, **o),
        "norm": lambda **o: t.norm(matrix, 2, 1, **o),
        "ones": lambda **o: t.ones(2, **o),
        "outer": lambda **o: t.outer(vector, vector, **o),
        "prod": lambda **o: t.prod(matrix, 1, **o),
        "quantile": lambda **o: t.quantile(matrix, 0.5, **o),
        "scatter": lambda **o: t.scatter(matrix, 1, where, matrix * 0, **o),
        "scatter_add": lambda **o: t.scatter_add(matrix, 1, where, matrix, **o),
        "scatter_reduce": lambda **o: t.scatter_reduce(matrix, 1, where, matrix, "sum", **o),
        "searchsorted": lambda **o: t.searchsorted(vector, vector, **o),
        "searchsorted int32": lambda **o: t.searchsorted(vector, vector, out_int32=True, **o),
        "slice_scatter": lambda **o: t.slice_scatter(matrix, matrix, 0, **o),
        "softmax": lambda **o: t.softmax(matrix, 1, **o),
        "sort": lambda **o: t.sort(matrix, 1, **o),
        "stack": lambda **o: t.stack([matrix, matrix], **o),
        "std": lambda **o: t.std(matrix, 1, **o),
        "sum": lambda **o: t.sum(matrix, 1, **o),
        "sum of a dtype": lambda **o: t.sum(matrix, 1, dtype=t.float32, **o),
        "take": lambda **o: t.take(matrix, where, **o),
        "take_along_dim": lambda **o: t.take_along_dim(matrix, where, 1, **o),
        "topk": lambda **o: t.topk(matrix, 2, **o),
        "tril": lambda **o: t.tril(matrix, **o),
        "triu": lambda **o: t.triu(matrix, **o),
        "var": lambda **o: t.var(matrix, 1, **o),
        "vdot": lambda **o: t.vdot(vector, vector, **o),
        "vstack": lambda **o: t.vstack([matrix, matrix], **o),
        "where": lambda **o: t.where(mask, matrix, matrix, **o),
        "zeros": lambda **o: t.zeros((2, 3), **o),
        "linalg.cholesky": lambda **o: t.linalg.cholesky(square @ square.T, **o),
        "linalg.cond": lambda **o: t.linalg.cond(square, **o),
        "linalg.cross": lambda **o: t.linalg.cross(vector, vector, **o),
        "linalg.det": lambda **o: t.linalg.det(square, **o),
        "linalg.eigh": lambda **o: t.linalg.eigh(square + square.T, **o)[0],
        "linalg.inv": lambda **o: t.linalg.inv(square, **o),
        "inverse": lambda **o: t.inverse(square, **o),
        "linalg.matrix_norm": lambda **o: t.linalg.matrix_norm(square, "nuc", **o),
        "linalg.matrix_power": lambda **o: t.linalg.matrix_power(square, -2, **o),
        "linalg.matrix_rank": lambda **o: t.linalg.matrix_rank(square, **o),
        "linalg.multi_dot": lambda **o: t.linalg.multi_dot([square, square], **o),
        "linalg.norm": lambda **o: t.linalg.norm(square, **o),
        "linalg.pinv": lambda **o: t.linalg.pinv(square, **o),
        "linalg.slogdet": lambda **o: t.linalg.slogdet(square, **o),
        "slogdet": lambda **o: t.slogdet(square, **o),
        "linalg.solve": lambda **o: t.linalg.solve(square, square, **o),
        "linalg.solve_triangular": lambda **o: t.linalg.solve_triangular(square, square, upper=True, **o),
        "linalg.svdvals": lambda **o: t.linalg.svdvals(square, **o),
        "linalg.vecdot": lambda **o: t.linalg.vecdot(vector, vector, **o),
        "linalg.vector_norm": lambda **o: t.linalg.vector_norm(matrix, **o),
    }


def shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [shown(one) for one in value]
    rounded = [round(float(x), 3) for x in value.flatten().tolist()]
    return str(value.dtype).rpartition(".")[2], tuple(value.shape), rounded


def outcome(t: Any, call: Call, first: str) -> Any:
    """What a call writes into empty tensors, of which the first has that dtype; or its error."""
    try:
        plain = call()
    except Exception:
        return "no such input"
    several = isinstance(plain, tuple)
    kinds = [one.dtype for one in plain] if several else [plain.dtype]
    outs = [t.empty(0, dtype=kind) for kind in (getattr(t, first), *kinds[1:])]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = call(out=tuple(outs) if several else outs[0])
    except Exception as error:
        assert t is not vg or all(out.numel() == 0 for out in outs)
        return type(error)
    if several:
        assert type(given).__name__ in (type(plain).__name__, type(plain).__name__ + "_out")
        assert all(one is out for one, out in zip(given, outs, strict=True))
    return [shown(out) for out in outs]


# PyTorch has no kernel for this dtype and says so as NotImplementedError.
NO_KERNEL = {(name, "bool") for name in ("arange", "linspace", "logspace", "cumsum", "cumprod")}


@pytest.mark.parametrize("first", ["float64", "float32", "int64", "int32", "bool"])
@pytest.mark.parametrize("kind", ["float32", "int64"])
def test_dtypes_are_pytorchs(kind: str, first: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = calls(vg, kind), calls(torch, kind)
    wrong = {}
    for name in ours:
        mine, his = outcome(vg, ours[name], first), outcome(torch, theirs[name], first)
        if "no such input" in (mine, his) or (name, first) in NO_KERNEL:
            continue
        if mine != his:
            wrong[name] = (mine, his)
    assert not wrong


@pytest.mark.parametrize("name", [name for name in calls(vg, "float32") if name != "linalg.eigh"])
def test_out_is_filled_and_returned(name: str) -> None:
    call = calls(vg, "float32")[name]
    plain = call()
    several = isinstance(plain, tuple)
    outs = [vg.zeros_like(one) for one in (plain if several else [plain])]
    given = call(out=tuple(outs) if several else outs[0])
    assert (given is outs[0]) if not several else all(map(lambda a, b: a is b, given, outs))
    assert shown(tuple(outs) if several else outs[0]) == shown(tuple(plain) if several else plain)
    assert shown(call(out=None)) == shown(plain)


def test_linalg_functions_with_several_results() -> None:
    a = vg.tensor([[2.0, 1.0], [1.0, 3.0]])
    for function in (vg.linalg.eigh, vg.linalg.qr, vg.linalg.svd, vg.svd, vg.qr):
        plain = function(a)
        outs = tuple(vg.zeros_like(one) for one in plain)
        given = function(a, out=outs)
        assert type(given) is type(plain) and all(x is y for x, y in zip(given, outs, strict=True))
        assert all(vg.equal(x, y) for x, y in zip(plain, outs, strict=True))


def test_random_numbers() -> None:
    for draw in (
        lambda **o: vg.rand(2, 3, **o),
        lambda **o: vg.randn((4,), **o),
        lambda **o: vg.randint(0, 9, (5,), **o),
        lambda **o: vg.randperm(7, **o),
        lambda **o: vg.normal(0.0, 1.0, (3,), **o),
        lambda **o: vg.multinomial(vg.ones(2, 3), 2, **o),
        lambda **o: vg.bernoulli(vg.full((4,), 0.5), **o),
    ):
        vg.manual_seed(3)
        plain = draw()
        vg.manual_seed(3)
        out = vg.zeros_like(plain)
        assert draw(out=out) is out and vg.equal(out, plain)
    assert vg.bernoulli(vg.ones(3), out=vg.zeros(3, dtype=vg.int64)).tolist() == [1, 1, 1]


def test_gradients_are_refused() -> None:
    leaf, out = vg.ones(2, 2, requires_grad=True), vg.zeros(2, 2)
    for call in (
        lambda: vg.matmul(leaf, leaf, out=out),
        lambda: vg.cat([vg.ones(1, 2), leaf], out=out),
        lambda: vg.linalg.inv(leaf, out=out),
        lambda: vg.tril(vg.ones(2, 2), out=leaf),
        lambda: vg.max(leaf, 1, out=(vg.zeros(2), vg.zeros(2, dtype=vg.int64))),
    ):
        with pytest.raises(RuntimeError, match="out=... arguments don't support automatic differentiation"):
            call()
    with vg.no_grad():
        assert vg.matmul(leaf, leaf, out=out).tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert not out.requires_grad
    assert vg.zeros(2, out=vg.empty(2), requires_grad=True).requires_grad


def test_a_refused_call_changes_nothing() -> None:
    out, indices = vg.full((2,), 7.0), vg.full((2,), 7)
    x = vg.ones(2, 3)
    refused: list[tuple[type[Exception], Callable[[], Any]]] = [
        (RuntimeError, lambda: vg.max(x, 1, out=(out, vg.empty(0)))),
        (RuntimeError, lambda: vg.max(x, 1, out=(vg.empty(0, dtype=vg.int32), indices))),
        (TypeError, lambda: vg.max(x, 1, out=out)),
        (TypeError, lambda: vg.max(x, 1, out=(out,))),
        (TypeError, lambda: vg.max(x, 1, out=(out, 3))),
        (TypeError, lambda: vg.sum(x, 1, out=(out, indices))),
        (TypeError, lambda: vg.matmul(x, x.T, out=3)),
        (TypeError, lambda: vg.cat([x, x], out=indices)),
        (RuntimeError, lambda: vg.argmax(x, 1, out=out)),
        (RuntimeError, lambda: vg.zeros(2, dtype=vg.float64, out=out)),
        (RuntimeError, lambda: vg.mv(x, vg.ones(2), out=out)),
        (RuntimeError, lambda: vg.tril(vg.ones(2, 2), out=vg.zeros(1, 1).expand(2, 2))),
        (TypeError, lambda: vg.sum(x, "a", out=out)),
    ]
    for kind, call in refused:
        with pytest.raises(kind):
            call()
        assert out.tolist() == [7.0, 7.0] and indices.tolist() == [7, 7]
        assert out._version == indices._version == 0


def test_one_of_a_pair_is_resized_with_a_warning() -> None:
    values, indices = vg.zeros(2), vg.zeros(5, dtype=vg.int64)
    with pytest.warns(
        UserWarning, match="sort: An output with one or more elements was resized since it had"
    ):
        vg.sort(vg.tensor([2.0, 1.0]), out=(values, indices))
    assert values.tolist() == [1.0, 2.0] and indices.tolist() == [1, 0]


def test_out_may_overlap_an_input() -> None:
    x = vg.arange(9.0).reshape(3, 3)
    expected = (x @ x).tolist()
    assert vg.matmul(x, x, out=x) is x and x.tolist() == expected
    y = vg.arange(4.0)
    assert vg.cumsum(y[:3], 0, out=y[1:]).tolist() == [0.0, 1.0, 3.0] and y.tolist() == [0.0, 0.0, 1.0, 3.0]
    z = vg.tensor([3.0, 1.0, 2.0])
    vg.sort(z, out=(z, vg.empty(0, dtype=vg.int64)))
    assert z.tolist() == [1.0, 2.0, 3.0]
    w = vg.zeros(3, 2)
    vg.sum(vg.ones(2, 3), 0, out=w[:, 1])
    assert w.tolist() == [[0.0, 2.0]] * 3


def test_methods_have_no_out() -> None:
    for call in (lambda: vg.ones(2).sum(0, out=vg.zeros(())), lambda: vg.eye(2).inverse(out=vg.zeros(2, 2))):
        with pytest.raises(TypeError, match="out"):
            call()


def test_the_parameter_is_documented() -> None:
    assert "out: Tensor | None = None) -> Tensor" in (vg.exp.__doc__ or "")
    assert "out: tuple[Tensor, ...] | None = None" in (vg.topk.__doc__ or "")


def test_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    if not vg.cuda.is_available():
        pytest.skip("needs a CUDA device")
    x = vg.ones(2, 2, device="cuda")
    with pytest.raises(RuntimeError, match="expected out on cuda:0, got cpu"):
        vg.tril(x, out=vg.zeros(2, 2))
    with pytest.raises(RuntimeError, match="does not match device of out"):
        vg.zeros(2, out=vg.zeros(2, device="cuda"), device="cpu")
    assert vg.zeros(2, out=vg.ones(2, device="cuda")).tolist() == [0.0, 0.0]
    values, indices = vg.max(
        x, 1, out=(vg.zeros(2, device="cuda"), vg.zeros(2, dtype=vg.int64, device="cuda"))
    )
    assert values.tolist() == [1.0, 1.0] and indices.is_cuda
