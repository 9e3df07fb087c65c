"""Parameter: a tensor that modules recognise."""

import copy

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn


def test_shares_storage_and_requires_grad():
    data = vg.tensor([1.0, 2.0])
    parameter = nn.Parameter(data)
    assert isinstance(parameter, vg.Tensor)
    assert parameter.requires_grad and parameter.is_leaf and not data.requires_grad
    assert parameter.data_ptr() == data.data_ptr()
    data[0] = 5.0
    assert parameter.tolist() == [5.0, 2.0]


def test_cuts_the_graph():
    source = vg.tensor([1.0], requires_grad=True)
    parameter = nn.Parameter(source * 2)
    assert parameter.grad_fn is None
    (parameter * 3).sum().backward()
    assert source.grad is None
    assert parameter.grad.tolist() == [3.0]


def test_without_grad_and_without_data():
    assert not nn.Parameter(vg.ones(2), requires_grad=False).requires_grad
    assert not nn.Parameter(vg.ones(2, dtype=vg.int64), requires_grad=False).requires_grad
    assert tuple(nn.Parameter().shape) == (0,)


def test_results_are_plain_tensors():
    parameter = nn.Parameter(vg.ones(2))
    for result in (parameter + 1, parameter.detach(), parameter.clone(), parameter[0], parameter.data):
        assert type(result) is vg.Tensor


def test_in_place_keeps_the_object():
    parameter = nn.Parameter(vg.ones(2))
    with vg.no_grad():
        same = parameter.add_(1.0)
    assert same is parameter
    assert parameter.tolist() == [2.0, 2.0]


def test_repr():
    assert repr(nn.Parameter(vg.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(nn.Parameter(vg.ones(2), False)) == "Parameter containing:\ntensor([1., 1.])"


def test_deepcopy():
    parameter = nn.Parameter(vg.ones(2), requires_grad=False)
    one, two = copy.deepcopy([parameter, parameter])
    assert one is two and one is not parameter
    assert type(one) is nn.Parameter and not one.requires_grad
    one.fill_(7.0)
    assert parameter.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("data", [3, [1.0], np.ones(2, np.float32)])
def test_data_must_be_a_tensor(data):
    with pytest.raises(TypeError, match="expected data to be a Tensor, got"):
        nn.Parameter(data)


def test_integers_cannot_require_grad():
    with pytest.raises(RuntimeError, match="floating point dtype can require gradients"):
        nn.Parameter(vg.ones(2, dtype=vg.int64))


def test_str_is_repr() -> None:
    parameter = nn.Parameter(vg.tensor([1.0, 2.0]))
    expected = "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert str(parameter) == repr(parameter) == f"{parameter}" == expected
    assert f"{vg.tensor(1.5):.2f} {vg.tensor(1.5)}" == "1.50 1.5"


def test_buffer():
    data = vg.ones(2)
    buffer = nn.Buffer(data)
    assert (
        isinstance(buffer, nn.Buffer) and type(buffer) is vg.Tensor and buffer.data_ptr() == data.data_ptr()
    )
    assert not isinstance(data, nn.Buffer) and not isinstance(buffer, nn.Parameter)
    assert nn.Buffer().shape == (0,)
    module = nn.Module()
    module.kept, module.left_out = buffer, nn.Buffer(vg.zeros(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "left_out"]
    assert list(module.state_dict()) == ["kept"]
    module.kept = vg.zeros(3)  # stays a buffer
    assert "kept" in module.state_dict()
    module.kept = nn.Buffer(vg.zeros(3), persistent=False)
    assert not module.state_dict()
    with pytest.raises(TypeError, match="Buffer: expected data to be a Tensor, got list"):
        nn.Buffer([1.0])
    with pytest.raises(AttributeError, match="before Module.__init__"):
        object.__new__(nn.Module).kept = buffer
