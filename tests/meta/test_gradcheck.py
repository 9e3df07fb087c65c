"""The checkers themselves: they accept right gradients and reject wrong ones, at first and second order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing import GradcheckError, gradcheck, gradgradcheck
from verigrad.testing.gradients import (
    GradientMismatch,
    Problem,
    jacobian_check,
    projection_check,
    second_order,
)
from verigrad.testing.library import Library

LIB = Library("verigrad")


def point(*shape: int, seed: int = 0) -> vg.Tensor:
    """A float64 tensor that requires a gradient."""
    values = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    return vg.from_numpy(np.asarray(values)).requires_grad_(True)


def detached_factor(x: vg.Tensor) -> vg.Tensor:
    """x * x whose gradient is x: half of the true one."""
    return x * x.detach()


def slightly_scaled(x: vg.Tensor) -> vg.Tensor:
    """exp(x) whose gradient is 1.001 exp(x)."""
    y = x.exp()
    return y * 1.001 - y.detach() * 0.001


def sign_flipped(x: vg.Tensor) -> vg.Tensor:
    """sin(x) whose gradient is -cos(x)."""
    return x.sin().detach() * 2 - x.sin()


def right_once(x: vg.Tensor) -> vg.Tensor:
    """x^3 / 3 with the right first gradient, and a second one of zero: the VJP is a constant."""
    square = (x * x).detach()
    return x * square - (x * square).detach() + (x * square / 3).detach()


WRONG = [detached_factor, slightly_scaled, sign_flipped]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,)])
def test_right_gradients_pass(shape: tuple[int, ...], fast: bool) -> None:
    for function in (vg.exp, lambda x: x * x, lambda x: (x.sum(), x.sin()), lambda x: [x.tanh() / (x + 1)]):
        assert gradcheck(function, point(*shape), fast_mode=fast)
        assert gradgradcheck(function, point(*shape), fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("function", WRONG)
def test_wrong_gradients_are_rejected(function: Callable[..., Any], fast: bool) -> None:
    options = {"rtol": 1e-5, "atol": 1e-7, "fast_mode": fast}
    with pytest.raises(
        GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"
    ) as info:
        gradcheck(function, point(2, 3), **options)
    assert function.__name__ in str(info.value)
    assert "expected the numerical" in str(info.value) and "got the analytical" in str(info.value)
    assert not gradcheck(function, point(2, 3), raise_exception=False, **options)


@pytest.mark.parametrize("function", [detached_factor, sign_flipped])
def test_grossly_wrong_gradients_are_rejected_at_pytorchs_tolerances(function: Callable[..., Any]) -> None:
    with pytest.raises(GradcheckError):
        gradcheck(function, point(2, 3))


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_second_derivative_is_rejected(fast: bool) -> None:
    assert gradcheck(right_once, point(3), fast_mode=fast)
    with pytest.raises(GradcheckError, match="with respect to input 0 of gradients"):
        gradgradcheck(right_once, point(3), fast_mode=fast)
    assert not gradgradcheck(right_once, point(3), raise_exception=False, fast_mode=fast)


def test_the_message_says_where() -> None:
    def third(x: vg.Tensor) -> vg.Tensor:
        return vg.cat([x[:2], x[2:].detach() * x[2:]])

    with pytest.raises(GradcheckError, match=r"at \[2\] of input 0 and \[2\] of output 0"):
        gradcheck(third, point(3))


def test_an_output_cut_from_the_graph_is_rejected() -> None:
    with pytest.raises(GradcheckError, match="numerical gradient of zero for output 1"):
        gradcheck(lambda x: (x * 2, x.detach() * 2), point(2))
    assert gradcheck(lambda x: (x * 2, vg.ones(2, dtype=vg.float64)), point(2))


def test_a_pass_that_changes_is_rejected() -> None:
    steps = itertools.count()

    def unsteady(x: vg.Tensor) -> vg.Tensor:
        y = x * 2
        if y.requires_grad:
            y.register_hook(lambda g: g * (1 + 1e-7 * next(steps)))
        return y

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(unsteady, point(2))
    assert gradcheck(unsteady, point(2), nondet_tol=1e-4, atol=1e-3)


def test_a_gradient_that_ignores_the_incoming_one_is_rejected() -> None:
    def ignoring(x: vg.Tensor) -> vg.Tensor:
        y = x * 1.0
        y.register_hook(lambda g: vg.ones_like(g))
        return y

    with pytest.raises(GradcheckError, match="Jacobian mismatch|not multiplied by grad_output"):
        gradcheck(ignoring, point(1))
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(ignoring, point(1), atol=10.0)


def test_inputs_that_cannot_be_checked_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float64 .* got verigrad.float32 for input 0"):
        gradcheck(vg.exp, vg.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="at least one input tensor"):
        gradcheck(vg.exp, vg.ones(2, dtype=vg.float64))
    with pytest.raises(ValueError, match="at least one input tensor"):
        gradcheck(lambda x: x, 2.0)
    with pytest.raises(RuntimeError, match="stride 0 in input 0"):
        gradcheck(vg.exp, vg.ones(1, dtype=vg.float64).expand(3).requires_grad_(True))
    assert gradcheck(lambda x, n: x * n, (point(2), 3))
    assert gradcheck(lambda x, y: x * y, (point(2), vg.ones(2)))


@pytest.mark.parametrize(
    "option", ["check_batched_grad", "check_batched_forward_grad", "check_forward_ad", "masked"]
)
def test_options_without_a_meaning_are_refused_by_name(option: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{option}=False"):
        gradcheck(vg.exp, point(2), **{option: True})


def test_options_of_the_second_order_are_refused_by_name() -> None:
    for option in ("check_batched_grad", "check_fwd_over_rev", "masked"):
        with pytest.raises(NotImplementedError, match=f"{option}=False"):
            gradgradcheck(vg.exp, point(2), **{option: True})
    with pytest.raises(ValueError, match="check_rev_over_rev"):
        gradgradcheck(vg.exp, point(2), check_rev_over_rev=False)
    with pytest.raises(ValueError, match="check_backward_ad"):
        gradcheck(vg.exp, point(2), check_backward_ad=False)


def test_incoming_gradients_can_be_given() -> None:
    x = point(2, 3)
    assert gradgradcheck(lambda x: x * x, x, point(2, 3, seed=1))
    assert gradgradcheck(lambda x: x * x, (x,), (point(2, 3, seed=1),))
    assert gradgradcheck(lambda x: x * x, x, gen_non_contig_grad_outputs=True)
    with pytest.raises(ValueError, match="one grad_output for each of 1 outputs"):
        gradgradcheck(lambda x: x * x, x, (point(2, 3), point(2, 3)))


def test_the_inputs_are_as_before() -> None:
    x = point(4)
    before = x.tolist()
    gradcheck(lambda x: x.exp(), x)
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 / 0, x)
    assert x.tolist() == before and x.grad is None


def test_gradcheck_is_also_that_of_autograd() -> None:
    assert vg.autograd.gradcheck(vg.exp, point(2)) and vg.autograd.gradgradcheck(vg.exp, point(2))


def problem(function: Callable[..., Any], *shape: int, grad_layout: str = "contiguous") -> Problem:
    """A problem for the library's own checks."""
    return Problem(function.__name__, LIB, function, [np.random.default_rng(0).uniform(0.5, 1.5, shape)],
                   case="a test",
                   grad_layout=grad_layout)  # fmt: skip


@pytest.mark.parametrize("function", WRONG)
def test_the_strict_checks_reject_wrong_gradients(function: Callable[..., Any]) -> None:
    for check in (projection_check, jacobian_check):
        with pytest.raises(GradientMismatch) as info:
            check(problem(function, 2, 3))
        assert info.value.op == function.__name__ and info.value.input == "input 0"
        assert len(info.value.index) == 2 and "a test" in str(info.value)


def test_the_strict_checks_reject_a_wrong_second_derivative() -> None:
    assert projection_check(problem(right_once, 3)).error < 1e-8
    with pytest.raises(GradientMismatch) as info:
        projection_check(second_order(problem(right_once, 3)))
    assert info.value.order == 2 and info.value.input == "input 0"


def test_the_strict_checks_accept_right_gradients_in_every_layout_of_the_incoming_one() -> None:
    from verigrad.testing.layouts import LAYOUTS

    for layout in LAYOUTS:
        p = problem(vg.exp, 3, 4, grad_layout=layout)
        assert projection_check(p).error < 1e-8
        assert projection_check(second_order(p)).error < 1e-8


def test_an_element_of_a_permutation_is_found() -> None:
    """A gradient with two elements exchanged has the right sum and the right norm."""

    def exchanged(x: vg.Tensor) -> vg.Tensor:
        right, wrong = (
            x * vg.tensor(c, dtype=vg.float64) for c in ([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0])
        )
        return wrong + (right - wrong).detach()

    with pytest.raises(GradientMismatch) as info:
        projection_check(problem(exchanged, 4))
    assert info.value.index in ((0,), (1,))
