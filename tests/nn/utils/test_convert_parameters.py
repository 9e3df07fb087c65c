"""Parameters as one vector."""

import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.utils import parameters_to_vector, vector_to_parameters


def test_there_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = parameters_to_vector(net.parameters())
    assert vector.shape == (13,) and vector.requires_grad
    assert vector.tolist() == [v for p in net.parameters() for v in p.reshape(-1).tolist()]
    new = vg.arange(13, dtype=vg.float32)
    vector_to_parameters(new, net.parameters())
    assert net[0].weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert net[1].bias.tolist() == [12.0]
    assert all(p.requires_grad and p.is_leaf for p in net.parameters())
    assert vg.equal(parameters_to_vector(net.parameters()), new)


def test_gradients_flow_through_the_vector():
    net = nn.Linear(2, 1)
    (parameters_to_vector(net.parameters()) * vg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert net.weight.grad.tolist() == [[1.0, 2.0]] and net.bias.grad.tolist() == [3.0]


def test_memory_is_shared_and_gradients_stay():
    parameter = nn.Parameter(vg.zeros(2, 2))
    parameter.grad = vg.ones(2, 2)
    vector = vg.arange(4, dtype=vg.float32)
    vector_to_parameters(vector, [parameter])
    vector[3] = 9.0
    assert parameter.tolist() == [[0.0, 1.0], [2.0, 9.0]] and parameter.grad.tolist() == [[1.0, 1.0]] * 2


def test_transposed_scalar_and_empty_parameters():
    parameters = [nn.Parameter(vg.arange(6.0).reshape(2, 3).t()), nn.Parameter(vg.tensor(7.0))]
    parameters.append(nn.Parameter(vg.zeros(0, 2)))
    vector = parameters_to_vector(parameters)
    assert vector.tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 7.0]
    vector_to_parameters(vector.detach() * 2, parameters)
    assert parameters[0].tolist() == [[0.0, 6.0], [2.0, 8.0], [4.0, 10.0]] and parameters[1].item() == 14.0
    assert parameters[2].shape == (0, 2)


def test_parameters_keep_their_dtypes():
    parameters = [nn.Parameter(vg.zeros(1)), nn.Parameter(vg.zeros(1, dtype=vg.float64))]
    vector_to_parameters(vg.tensor([1.0, 2.0], dtype=vg.float64), parameters)
    assert [(p.dtype, p.item()) for p in parameters] == [(vg.float32, 1.0), (vg.float64, 2.0)]


@pytest.mark.parametrize("size", [0, 3, 5])
def test_wrong_sizes_change_nothing(size):
    parameters = [nn.Parameter(vg.zeros(2)), nn.Parameter(vg.zeros(2))]
    with pytest.raises(RuntimeError, match=r"expected a vector of 4 elements, got shape"):
        vector_to_parameters(vg.ones(size), parameters)
    assert all(p.tolist() == [0.0, 0.0] for p in parameters)


def test_other_errors():
    with pytest.raises(TypeError, match="expected vec to be a Tensor, got list"):
        vector_to_parameters([1.0], [])
    with pytest.raises(ValueError, match="non-empty"):
        parameters_to_vector([])
    with pytest.raises(RuntimeError, match="expected a vector"):
        vector_to_parameters(vg.ones(2, 2), [nn.Parameter(vg.ones(4))])
