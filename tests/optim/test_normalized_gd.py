"""NormalizedGD: against its formula, and bad input."""

import numpy as np
import pytest

import verigrad as vg
from verigrad import optim


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("maximize", [False, True])
def test_against_the_formula(momentum, weight_decay, maximize):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in [(3, 4), (5,), (), (0, 2)]]
    params = [vg.tensor(value, dtype=vg.float64).requires_grad_() for value in values]
    means = [np.zeros_like(value) for value in values]
    optimizer = optim.NormalizedGD(
        params, lr=0.1, momentum=momentum, weight_decay=weight_decay, maximize=maximize
    )
    for step in range(5):
        for k, (param, value) in enumerate(zip(params, values, strict=True)):
            grad = np.cos(value + step)
            param.grad = vg.tensor(grad, dtype=vg.float64)
            grad = (-grad if maximize else grad) + weight_decay * value
            means[k] = momentum * means[k] + (1 - momentum) * grad
        norm = np.sqrt(sum((mean**2).sum() for mean in means))
        values = [value - 0.1 * mean / (norm + 1e-8) for value, mean in zip(values, means, strict=True)]
        optimizer.step()
    for param, value in zip(params, values, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=1e-12, atol=1e-13)


def test_a_step_has_the_length_of_the_learning_rate():
    params = [vg.zeros(3, dtype=vg.float64, requires_grad=True) for _ in range(2)]
    optimizer = optim.NormalizedGD(params, lr=0.25)
    for scale in (1e-3, 1e6):
        before = [param.detach().clone() for param in params]
        for param in params:
            param.grad = vg.full((3,), scale, dtype=vg.float64)
        optimizer.step()
        length = sum(((p.detach() - b) ** 2).sum().item() for p, b in zip(params, before, strict=True)) ** 0.5
        assert length == pytest.approx(0.25, rel=1e-4)


def test_no_gradient_and_a_zero_gradient():
    param = vg.ones(2, requires_grad=True)
    optimizer = optim.NormalizedGD([param])
    optimizer.step()
    param.grad = vg.zeros(2)
    optimizer.step()
    assert param.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"momentum": 1.0}, "Invalid momentum value: 1.0"),
        ({"eps": float("nan")}, "Invalid eps value: nan"),
        ({"weight_decay": -0.1}, "Invalid weight_decay value: -0.1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        optim.NormalizedGD([vg.ones(2, requires_grad=True)], **options)
