"""Random numbers that are composed: their laws, their streams, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

N = 40_000  # a mean of N numbers is off by 5 of its standard deviations once in two million times


def close(values: vg.Tensor, mean: float, deviation: float) -> None:
    """The mean of many independent numbers of this mean and standard deviation."""
    assert abs(values.double().mean().item() - mean) <= 5 * deviation / math.sqrt(values.numel())


LAWS: dict[str, tuple[Callable[[vg.Tensor], Any], Callable[[float], float]]] = {
    "exponential_": (lambda t: t.exponential_(2.0), lambda x: 1 - math.exp(-2.0 * x)),
    "log_normal_": (
        lambda t: t.log_normal_(0.5, 0.7),
        lambda x: 0.5 * (1 + math.erf((math.log(x) - 0.5) / (0.7 * math.sqrt(2)))),
    ),
    "cauchy_": (lambda t: t.cauchy_(0.3, 2.0), lambda x: 0.5 + math.atan((x - 0.3) / 2.0) / math.pi),
    "geometric_": (lambda t: t.geometric_(0.3), lambda x: 1 - 0.7 ** math.floor(x)),
    "random_": (lambda t: t.random_(2, 6), lambda x: (math.floor(x) - 1) / 4 if x >= 2 else 0.0),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("dtype", [vg.float32, vg.float64])
def test_the_law_of_what_fills_in_place(name: str, dtype: Any) -> None:
    draw, distribution = LAWS[name]
    vg.manual_seed(3)
    t = vg.empty(N, dtype=dtype)
    assert draw(t) is t
    for at in (0.6, 1.2, 3.4):
        p = distribution(at)
        close((t <= at).to(vg.float64), p, math.sqrt(p * (1 - p)))
    # The same seed gives the same numbers, a generator of one's own others.
    vg.manual_seed(3)
    assert draw(vg.empty(N, dtype=dtype)).tolist() == t.tolist()


def test_whole_numbers_in_dtypes_of_whole_numbers() -> None:
    for dtype in (vg.int64, vg.int32, vg.uint8):
        t = vg.zeros(1000, dtype=dtype)
        assert set(t.random_(3, 6).tolist()) == {3, 4, 5}
        assert min(t.geometric_(0.5).tolist()) == 1
        assert set(t.bernoulli_(0.5).tolist()) == {0, 1}
        t.random_()
        assert t.max().item() > 100 and t.min().item() >= 0
    assert set(vg.zeros(100, dtype=vg.bool).random_().tolist()) == {False, True}
    assert vg.zeros(1000).random_(10).max().item() == 9
    assert vg.zeros(1000, dtype=vg.float32).random_().max().item() <= 2**24
    assert vg.zeros(100).random_(-5, -4).tolist() == [-5.0] * 100


def test_bernoulli() -> None:
    p = vg.tensor([[0.0, 0.25], [0.75, 1.0]]).unsqueeze(-1).expand(2, 2, N)
    drawn = vg.bernoulli(p)
    assert drawn.dtype == p.dtype and drawn.shape == p.shape
    for i in range(2):
        for j in range(2):
            q = p[i, j, 0].item()
            close(drawn[i, j], q, math.sqrt(q * (1 - q)))
    assert p[0, 0].bernoulli(1.0).sum().item() == N
    close(vg.empty(N).bernoulli_(0.3), 0.3, math.sqrt(0.21))
    assert vg.empty(2, 3).bernoulli_(vg.tensor([0.0, 1.0, 0.0])).tolist() == [[0.0, 1.0, 0.0]] * 2
    one = vg.bernoulli(vg.full((9,), 0.5), generator=vg.Generator().manual_seed(1))
    assert one.tolist() == vg.bernoulli(vg.full((9,), 0.5), generator=vg.Generator().manual_seed(1)).tolist()


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_draws_by_weight(replacement: bool) -> None:
    weights = vg.tensor([[0.0, 1.0, 3.0, 0.0], [5.0, 0.0, 0.0, 5.0]])
    drawn = vg.multinomial(weights.unsqueeze(1).expand(2, N, 4).reshape(2 * N, 4), 1, replacement)
    assert drawn.dtype == vg.int64 and drawn.shape == (2 * N, 1)
    first, second = drawn[:N, 0], drawn[N:, 0]
    assert set(first.tolist()) == {1, 2} and set(second.tolist()) == {0, 3}
    close((first == 2).float(), 0.75, math.sqrt(0.1875))
    close((second == 3).float(), 0.5, 0.5)


def test_multinomial_without_replacement_is_successive_draws() -> None:
    drawn = vg.multinomial(vg.tensor([1.0, 2.0, 3.0]).expand(N, 3).contiguous(), 2)
    assert bool((drawn[:, 0] != drawn[:, 1]).all())
    close((drawn[:, 0] == 2).float(), 0.5, 0.5)
    after_two = drawn[:, 1][drawn[:, 0] == 2]
    close((after_two == 1).float(), 2 / 3, math.sqrt(2 / 9))
    assert sorted(vg.tensor([1.0, 2.0, 3.0]).multinomial(3).tolist()) == [0, 1, 2]
    assert vg.multinomial(vg.ones(2), 5, True).shape == (5,)
    assert vg.multinomial(vg.tensor([1e-30, 0.0]), 8, True).tolist() == [0] * 8


@pytest.mark.parametrize(
    ("weights", "count", "message"),
    [
        ([0.0, 0.0], 1, "at least 1 weights above 0"),
        ([1.0, 0.0], 2, "at least 2 weights above 0"),
        ([-1.0, 2.0], 1, "element < 0"),
        ([math.nan, 2.0], 1, "nan"),
        ([math.inf, 2.0], 1, "inf"),
        ([1.0, 1.0], 3, "without replacement"),
        ([1.0, 1.0], 0, "n_sample <= 0"),
        ([1, 1], 1, "floating point"),
        ([[[1.0]]], 1, "1 or 2 dim"),
        ([], 1, "not empty"),
    ],
)
def test_multinomial_refuses(weights: Any, count: int, message: str) -> None:
    with pytest.raises(RuntimeError, match=f"multinomial: .*{message}"):
        vg.multinomial(vg.tensor(weights), count)


def test_normal() -> None:
    mean, std = vg.tensor([0.0, 5.0]), vg.tensor([[1.0], [3.0]])
    drawn = vg.normal(mean.expand(N, 2, 2), std)
    assert drawn.shape == (N, 2, 2)
    for i in range(2):
        for j in range(2):
            close(drawn[:, i, j], mean[j].item(), std[i, 0].item())
            close(
                (drawn[:, i, j] - mean[j]) ** 2, std[i, 0].item() ** 2, math.sqrt(2) * std[i, 0].item() ** 2
            )
    assert vg.normal(mean).shape == vg.normal(0.0, mean).shape == (2,)
    made = vg.normal(2.0, 0.0, (2, 3), dtype=vg.float64, requires_grad=True)
    assert made.tolist() == [[2.0] * 3] * 2 and made.dtype == vg.float64 and made.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: vg.normal(0.0, 1.0), TypeError, "normal: expected tensors"),
        (lambda x: vg.normal(x, 1.0, (2,)), TypeError, "normal: expected tensors"),
        (lambda x: vg.normal(x, -1.0), RuntimeError, "std >= 0.0, but found std -1"),
        (lambda x: vg.normal(x, -x), RuntimeError, "std >= 0.0"),
        (lambda x: vg.normal(x.long(), 1.0), NotImplementedError, "floating point"),
        (lambda x: vg.bernoulli(x * 2), RuntimeError, "from 0 to 1"),
        (lambda x: vg.bernoulli(x.long()), NotImplementedError, "floating point"),
        (lambda x: vg.bernoulli([0.5]), TypeError, "expected a Tensor, got list"),
        (lambda x: x.bernoulli_(-0.1), RuntimeError, "from 0 to 1"),
        (lambda x: x.bernoulli_(x.long()), NotImplementedError, "floating point"),
        (lambda x: x.exponential_(0.0), RuntimeError, "lambda > 0.0"),
        (lambda x: x.long().exponential_(), RuntimeError, "floating point"),
        (lambda x: x.geometric_(1.0), RuntimeError, r"p to be in \(0, 1\)"),
        (lambda x: x.log_normal_(0.0, 0.0), RuntimeError, "std > 0.0"),
        (lambda x: x.long().log_normal_(), RuntimeError, "floating point"),
        (lambda x: x.cauchy_(0.0, -1.0), RuntimeError, "sigma > 0.0"),
        (lambda x: x.long().cauchy_(), RuntimeError, "floating point"),
        (lambda x: x.random_(3, 3), RuntimeError, "'from' to be less than 'to'"),
        (lambda x: x.random_(0), RuntimeError, "'from' to be less than 'to'"),
        (lambda x: x.byte().random_(-1, 3), RuntimeError, "uint8 holds"),
        (lambda x: x.random_(2**25), RuntimeError, "float32 holds"),
        (lambda x: x.requires_grad_().exponential_(), RuntimeError, "in-place"),
    ],
)
def test_refusals_change_nothing(call: Any, error: type[Exception], message: str) -> None:
    x = vg.tensor([1.0, 1.0])
    with pytest.raises(error, match=message):
        call(x)
    assert x.tolist() == [1.0, 1.0]


def test_types_of_errors_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    for call in (
        lambda m, x: m.bernoulli(x.long()),
        lambda m, x: m.normal(x.long(), 1.0),
        lambda m, x: m.normal(0.0, 1.0),
        lambda m, x: m.multinomial(x.long(), 1),
        lambda m, x: x.geometric_(1.0),
        lambda m, x: x.random_(0),
    ):
        with pytest.raises((RuntimeError, TypeError)) as theirs:
            call(torch, torch.ones(2))
        with pytest.raises(theirs.type):
            call(vg, vg.ones(2))
