"""What only Adam and AdamW have."""

import pytest

import verigrad as vg
from verigrad import nn, optim


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"eps": -1.0}, ValueError, "Invalid epsilon value: -1.0"),
        ({"eps": float("nan")}, ValueError, "Invalid epsilon value: nan"),
        ({"betas": (1.0, 0.9)}, ValueError, "Invalid beta parameter at index 0: 1.0"),
        ({"betas": (0.9, -0.1)}, ValueError, "Invalid beta parameter at index 1: -0.1"),
        ({"betas": (0.9, float("nan"))}, ValueError, "Invalid beta parameter at index 1: nan"),
        ({"betas": (0.9,)}, TypeError, "expected betas to be a pair of numbers"),
        ({"betas": 0.9}, TypeError, "expected betas to be a pair of numbers, got 0.9"),
        ({"betas": (0.9, "x")}, TypeError, "to be a number or a one-element Tensor, got str"),
        ({"capturable": 1}, TypeError, "expected capturable to be a bool or None, got int"),
    ],
)
def test_bad_options(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind([nn.Parameter(vg.ones(1))], **options)


def test_state():
    param = nn.Parameter(vg.ones(2, dtype=vg.float64))
    optimizer = optim.Adam([param])
    param.grad = vg.ones(2, dtype=vg.float64)
    for _ in range(3):
        optimizer.step()
    state = optimizer.state[param]
    assert list(state) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["step"].item() == 3.0 and state["step"].dtype == vg.float32 and state["step"].ndim == 0
    assert state["exp_avg"].dtype == vg.float64 and not state["exp_avg"].requires_grad


def test_each_parameter_counts_its_own_steps():
    params = [nn.Parameter(vg.ones(1)) for _ in range(2)]
    optimizer = optim.Adam(params)
    params[0].grad = vg.ones(1)
    optimizer.step()
    params[1].grad = vg.ones(1)
    optimizer.step()
    assert [optimizer.state[param]["step"].item() for param in params] == [2.0, 1.0]


def test_amsgrad_can_be_turned_on_later():
    param = nn.Parameter(vg.ones(1))
    optimizer = optim.Adam([param])
    param.grad = vg.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    state = optimizer.state[param]
    assert state["max_exp_avg_sq"].item() == state["exp_avg_sq"].item() > 0


def test_tensor_betas():
    ends = []
    for betas in ((0.5, 0.75), (vg.tensor(0.5), vg.tensor(0.75))):
        param = nn.Parameter(vg.ones(1))
        optimizer = optim.Adam([param], betas=betas)
        for step in range(3):
            param.grad = vg.tensor([float(step + 1)])
            optimizer.step()
        ends.append(param.item())
    assert ends[0] == ends[1]


def test_adamw_is_adam_with_decoupled_decay():
    ends = []
    for optimizer in (
        lambda params: optim.AdamW(params, weight_decay=0.1),
        lambda params: optim.Adam(params, weight_decay=0.1, decoupled_weight_decay=True),
    ):
        param = nn.Parameter(vg.ones(1))
        chosen = optimizer([param])
        for _ in range(3):
            param.grad = param.detach() * 2
            chosen.step()
        ends.append(param.item())
    assert ends[0] == ends[1]
    assert issubclass(optim.AdamW, optim.Adam)


def test_decoupled_decay_shrinks_without_gradient():
    param = nn.Parameter(vg.ones(1, dtype=vg.float64))
    optimizer = optim.AdamW([param], lr=0.1, weight_decay=0.5)
    param.grad = vg.zeros(1, dtype=vg.float64)
    optimizer.step()
    assert param.item() == pytest.approx(0.95, rel=1e-12)
    assert optimizer.state[param]["exp_avg"].item() == 0.0
