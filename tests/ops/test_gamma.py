"""The gamma function's relatives: accuracy, limits, forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing.reference import gamma as reference

INF, NAN = math.inf, math.nan


def units(found: Any, expected: Any) -> Any:
    """How many units in the last place."""
    return np.abs(found - expected) / np.spacing(np.abs(expected))


# The greatest error for x > 0 in units in the last place, and how large x gets.
BOUNDS = [
    ("lgamma", 6.0, ()),
    ("digamma", 5.0, ()),
    *[("polygamma", 8.0 + n / 2, (n,)) for n in (1, 2, 5, 20)],
]


@pytest.mark.parametrize(("name", "bound", "number"), BOUNDS)
def test_accuracy_for_positive_arguments(name: str, bound: float, number: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [rng.uniform(0.01, 3.0, 4000), rng.uniform(3.0, 20.0, 2000), 10 ** rng.uniform(1, 6, 1000)]
    )
    expected = getattr(reference, f"{name}_op")(x, *number)
    found = getattr(vg.from_numpy(x), name)(*number).numpy()
    kept = np.isfinite(expected) & (np.abs(expected) > 1e-300)
    assert units(found[kept], expected[kept]).max() <= bound


def test_accuracy_between_the_poles() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-20.0, 0.0, 4000)
    eps = np.finfo(np.float64).eps
    off = np.abs(vg.from_numpy(x).lgamma().numpy() - reference.lgamma_op(x))
    assert (off <= 4 * eps * (np.abs(reference.lgamma_op(-x)) + 1)).all()
    cotangent = np.pi / np.tan(np.pi * (x - np.round(x)))
    off = np.abs(vg.from_numpy(x).digamma().numpy() - reference.digamma_op(x))
    assert (off <= 4 * eps * (np.abs(cotangent) + np.abs(reference.digamma_op(-x)) + 1 / -x)).all()
    for n in (1, 2, 5):
        nearest = math.factorial(n) / np.abs(x - np.round(x)) ** (n + 1)
        expected = reference.polygamma_op(x, n)
        off = np.abs(vg.from_numpy(x).polygamma(n).numpy() - expected)
        assert (off <= (4 + n) * eps * (nearest + np.abs(expected))).all()


def test_zeta_is_polygamma_and_known_numbers() -> None:
    x = vg.tensor([0.3, 1.0, 7.5], dtype=vg.float64)
    assert vg.allclose(vg.special.polygamma(3, x), 6 * vg.special.zeta(4, x), rtol=1e-14)
    known = vg.special.zeta(vg.tensor([2.0, 4.0, 3.0], dtype=vg.float64), 1.0)
    expected = [math.pi**2 / 6, math.pi**4 / 90, 1.2020569031595942]
    assert vg.allclose(known, vg.tensor(expected, dtype=vg.float64), rtol=1e-15)


def test_limits() -> None:
    x = vg.tensor([0.0, -0.0, -1.0, -2.0, INF, -INF, NAN])
    assert str(x.lgamma().tolist()) == "[inf, inf, inf, inf, inf, inf, nan]"
    assert str(x.digamma().tolist()) == "[-inf, inf, nan, nan, inf, nan, nan]"
    assert str(x.polygamma(1).tolist()) == "[inf, inf, inf, inf, 0.0, nan, nan]"
    assert str(x.polygamma(2).tolist()) == "[-inf, -inf, -inf, -inf, -0.0, nan, nan]"
    s = vg.tensor([1.0, 0.5, NAN, 2.5, 2.0, INF])
    assert (
        str(vg.special.zeta(s, vg.tensor([2.0, 2.0, 2.0, -1.5, 0.0, 2.0])).tolist())
        == "[inf, nan, nan, nan, inf, 0.0]"
    )


def test_large_orders_neither_overflow_early_nor_end_in_nan() -> None:
    x = vg.tensor([0.5, 50.0, 2000.0, -0.25], dtype=vg.float64)
    found = x.polygamma(171)
    assert found[0].item() == INF and bool((found[1:3] > 0).all()) and found[3].item() == INF
    assert found[1].item() == pytest.approx(7.68463533073e16, rel=1e-10)


def test_integers_are_promoted_and_places_keep_their_dtype() -> None:
    assert vg.tensor([1, 3]).lgamma().tolist() == pytest.approx([0.0, math.log(2.0)])
    assert vg.tensor([True]).digamma().dtype == vg.float32
    assert vg.polygamma(1, vg.tensor([1])).dtype == vg.float32
    for name, arguments in (("lgamma_", ()), ("digamma_", ()), ("polygamma_", (1,)), ("mvlgamma_", (1,))):
        with pytest.raises(RuntimeError, match="can't be cast"):
            getattr(vg.tensor([2]), name)(*arguments)


def test_polygamma_with_out() -> None:
    x, out = vg.tensor([1.0, 2.0]), vg.empty(2)
    assert vg.polygamma(1, x, out=out) is out and out.tolist() == x.polygamma(1).tolist()
    assert vg.polygamma(n=2, input=x).tolist() == x.clone().polygamma_(2).tolist()
    with pytest.raises(RuntimeError, match="requires a gradient|require"):
        vg.polygamma(1, vg.ones(2, requires_grad=True), out=out)


def test_zeta_has_no_gradient_by_its_first_argument() -> None:
    s = vg.tensor([2.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative for 'zeta' is not implemented"):
        vg.special.zeta(s, 1.5).sum().backward()


def test_mvlgamma() -> None:
    x = vg.tensor([2.0, 3.5], dtype=vg.float64, requires_grad=True)
    expected = 0.5 * math.log(math.pi) + x.lgamma() + (x - 0.5).lgamma()
    assert vg.allclose(vg.mvlgamma(x, 2), expected) and vg.special.multigammaln is vg.mvlgamma
    assert vg.autograd.gradcheck(lambda t: t.mvlgamma(3), (x,))
    out = vg.empty(2, dtype=vg.float64)
    assert vg.mvlgamma(x.detach(), 2, out=out) is out and vg.allclose(out, expected)
    assert vg.allclose(x.detach().clone().mvlgamma_(2), expected)
    assert vg.mvlgamma(vg.tensor([3]), 2).dtype == vg.float32
    with pytest.raises(RuntimeError, match="p has to be greater than or equal to 1"):
        vg.mvlgamma(x, 0)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-9.9, 30.0, 2000), [0.0, -0.0, INF, NAN]])
    mine, other = vg.from_numpy(x), torch.from_numpy(x)
    for call in (
        lambda t, m: m.lgamma(t),
        lambda t, m: m.digamma(t),
        lambda t, m: m.special.gammaln(t),
        lambda t, m: m.special.psi(t),
        lambda t, m: m.special.polygamma(0, t),
        lambda t, m: m.polygamma(3, t[t < 40]),
        lambda t, m: m.special.zeta(2.5, t[(t > 0) & (t < 40)]),
        lambda t, m: m.special.zeta(t[(t > 1.1) & (t < 40)], 0.7),
        lambda t, m: m.special.multigammaln(t[(t > 1.5) & (t < 40)], 3),
    ):
        np.testing.assert_allclose(call(mine, vg).numpy(), call(other, torch).numpy(), rtol=1e-10, atol=1e-12)


def test_trigamma_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.concatenate([np.random.default_rng(3).uniform(-9.9, 30.0, 2000), [0.0, INF, NAN]])
    expected = torch.from_numpy(x).polygamma(1).numpy()  # which has nine digits
    np.testing.assert_allclose(vg.from_numpy(x).polygamma(1).numpy(), expected, rtol=5e-9)


def test_special_has_torchs_names() -> None:
    torch = pytest.importorskip("torch")
    assert set(vg.special.__all__) <= set(dir(torch.special))
    x = vg.tensor([0.2, 0.7])
    for name in vg.special.__all__:
        if name in ("polygamma", "multigammaln", "xlogy", "zeta", "softmax", "log_softmax", "logsumexp"):
            continue
        mine = getattr(vg.special, name)(x)
        other = getattr(torch.special, name)(torch.tensor([0.2, 0.7]))
        assert mine.tolist() == pytest.approx(other.tolist(), rel=1e-5), name
