"""What only SGD has."""

import pytest

import verigrad as vg
from verigrad import nn, optim


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"momentum": -0.1}, ValueError, "Invalid momentum value: -0.1"),
        ({"momentum": float("inf")}, ValueError, "Invalid momentum value: inf"),
        ({"momentum": "0.9"}, TypeError, "expected momentum to be a number"),
        ({"dampening": float("nan")}, ValueError, "Invalid dampening value: nan"),
        ({"nesterov": True}, ValueError, "Nesterov momentum requires a momentum and zero dampening"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, ValueError, "Nesterov momentum requires"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        optim.SGD([nn.Parameter(vg.ones(1))], **options)


def test_no_momentum_no_state():
    param = nn.Parameter(vg.ones(1))
    optimizer = optim.SGD([param], lr=0.5)
    param.grad = vg.ones(1)
    optimizer.step()
    assert param.item() == 0.5 and optimizer.state_dict()["state"] == {}


def test_buffers_are_kept_and_may_be_forgotten():
    param = nn.Parameter(vg.zeros(1))
    optimizer = optim.SGD([param], lr=1.0, momentum=0.5)
    param.grad = vg.ones(1)
    optimizer.step()
    buffer = optimizer.state[param]["momentum_buffer"]
    optimizer.step()
    assert optimizer.state[param]["momentum_buffer"].data_ptr() == buffer.data_ptr()
    assert buffer.tolist() == [1.5] and param.item() == -2.5
    # The first step copies the gradient; it does not adopt it as the buffer.
    assert param.grad.tolist() == [1.0]
    optimizer.state.clear()
    optimizer.step()
    assert param.item() == -3.5


def test_each_parameter_starts_its_own_buffer():
    params = [nn.Parameter(vg.zeros(1)) for _ in range(2)]
    optimizer = optim.SGD(params, lr=1.0, momentum=0.5, dampening=0.5)
    params[0].grad = vg.ones(1)
    optimizer.step()
    params[1].grad = vg.ones(1)
    optimizer.step()
    assert [param.item() for param in params] == [-2.0, -1.0]


def test_state_without_a_buffer_can_be_loaded():
    param = nn.Parameter(vg.zeros(1))
    optimizer = optim.SGD([param], lr=1.0, momentum=0.5)
    state = optimizer.state_dict()
    state["state"] = {0: {"momentum_buffer": None}}
    optimizer.load_state_dict(state)
    param.grad = vg.ones(1)
    optimizer.step()
    assert param.item() == -1.0 and optimizer.state[param]["momentum_buffer"].item() == 1.0


def test_gradient_of_another_shape_is_refused():
    param = nn.Parameter(vg.zeros(2))
    with pytest.raises(RuntimeError):
        param.grad = vg.ones(3)
    assert param.grad is None


def test_update_shows_in_the_version():
    param = nn.Parameter(vg.ones(1))
    square = param * param
    optimizer = optim.SGD([param], lr=0.5)
    param.grad = vg.ones(1)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        square.backward()
