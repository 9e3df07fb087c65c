"""state_dict and load_state_dict."""

from collections import OrderedDict

import pytest

import verigrad as vg
from verigrad import nn


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1, bias=False))
        self.register_buffer("mean", vg.zeros(2))
        self.register_buffer("scratch", vg.zeros(2), persistent=False)


KEYS = ["mean", "layers.0.weight", "layers.0.bias", "layers.2.weight"]


def snapshot(module):
    return {name: tensor.tolist() for name, tensor in module.state_dict().items()}


def test_keys_and_values():
    net = Net()
    state = net.state_dict()
    assert type(state) is OrderedDict and list(state) == KEYS
    assert not any(tensor.requires_grad for tensor in state.values())
    assert state["layers.0.weight"].data_ptr() == net.layers[0].weight.data_ptr()


def test_keep_vars_prefix_and_destination():
    net = Net()
    destination = {"other": 1}
    state = net.state_dict(destination=destination, prefix="net.", keep_vars=True)
    assert state is destination and list(state) == ["other", *("net." + key for key in KEYS)]
    assert state["net.layers.0.weight"] is net.layers[0].weight


def test_round_trip():
    ours, theirs = Net(), Net()
    answer = ours.load_state_dict(theirs.state_dict())
    assert repr(answer) == str(answer) == "<All keys matched successfully>"
    assert snapshot(ours) == snapshot(theirs)
    assert ours.layers[0].weight.data_ptr() != theirs.layers[0].weight.data_ptr()
    assert ours.layers[0].weight.requires_grad


def test_values_are_cast():
    net = Net()
    weight = net.layers[0].weight
    state = {name: tensor.double() * 0 + 2 for name, tensor in net.state_dict().items()}
    net.load_state_dict(state)
    assert net.layers[0].weight is weight and weight.dtype == vg.float32
    assert weight.tolist() == [[2.0, 2.0]] * 3


def test_assign_takes_the_tensors_themselves():
    net = Net()
    net.layers[2].requires_grad_(False)
    state = {name: tensor.double() for name, tensor in net.state_dict().items()}
    given = state["layers.2.weight"] = nn.Parameter(state["layers.2.weight"])
    assert str(net.load_state_dict(state, assign=True)) == "<All keys matched successfully>"
    assert net.layers[2].weight is given and not given.requires_grad
    weight = net.layers[0].weight
    assert isinstance(weight, nn.Parameter) and weight.requires_grad and weight.dtype == vg.float64
    assert weight.data_ptr() == state["layers.0.weight"].data_ptr()
    assert net.mean is state["mean"]


def test_strict_errors_name_everything_and_change_nothing():
    net = Net()
    before = snapshot(net)
    state = net.state_dict()
    state["layers.0.weight"] = vg.ones(3, 2)
    state["layers.0.bias"] = vg.ones(4)
    state["mean"] = 3
    state["extra"] = state.pop("layers.2.weight")
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    lines = str(caught.value).split("\n\t")
    assert lines[0] == "Error(s) in loading state_dict for Net:"
    assert lines[1] == 'Missing key(s) in state_dict: "layers.2.weight". '
    assert lines[2] == 'Unexpected key(s) in state_dict: "extra". '
    assert lines[3].startswith('While copying the parameter named "mean", expected')
    assert lines[4] == (
        f"size mismatch for layers.0.bias: copying a param with shape {vg.ones(4).shape} from checkpoint, "
        f"the shape in current model is {vg.ones(3).shape}."
    )
    assert len(lines) == 5
    assert snapshot(net) == before


def test_not_strict_reports_keys():
    net = Net()
    answer = net.load_state_dict({"mean": vg.ones(2), "extra": vg.ones(1)}, strict=False)
    assert answer.missing_keys == KEYS[1:] and answer.unexpected_keys == ["extra"]
    assert repr(answer) == f"_IncompatibleKeys(missing_keys={KEYS[1:]}, unexpected_keys=['extra'])"
    assert net.mean.tolist() == [1.0, 1.0]


def test_not_strict_still_refuses_other_shapes():
    net = Net()
    with pytest.raises(RuntimeError, match="size mismatch for mean"):
        net.load_state_dict({"mean": vg.ones(3)}, strict=False)


def test_assigned_parameters_must_be_trainable():
    net = Net()
    state = {name: tensor.to(vg.int64) for name, tensor in net.state_dict().items()}
    with pytest.raises(RuntimeError, match="dtype mismatch for layers.0.weight"):
        net.load_state_dict(state, assign=True)
    assert net.layers[0].weight.dtype == vg.float32


def test_buffers_outside_the_state_are_unexpected():
    net = Net()
    with pytest.raises(RuntimeError, match='Unexpected key.*"scratch"'):
        net.load_state_dict({**net.state_dict(), "scratch": vg.ones(2)})


@pytest.mark.parametrize("state", [[], None, 3])
def test_state_must_be_a_mapping(state):
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        Net().load_state_dict(state)


def test_shared_parameters_appear_under_each_name():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    state = net.state_dict()
    assert list(state) == ["0.weight", "1.weight"]
    net.load_state_dict(state)
    assert net[0].weight is net[1].weight


def test_error_text_is_that_of_torch():
    torch = pytest.importorskip("torch")

    def message(lib, ones):
        layer = lib.Linear(2, 3)
        with pytest.raises(RuntimeError) as caught:
            layer.load_state_dict({"weight": ones(2, 2), "w": ones(1), "v": ones(1)})
        return str(caught.value)

    ours, theirs = message(nn, vg.ones), message(torch.nn, torch.ones)
    sizes = {repr(vg.ones(*shape).shape): repr(torch.ones(*shape).shape) for shape in ((2, 2), (3, 2))}
    for own, other in sizes.items():
        ours = ours.replace(own, other)
    assert ours == theirs
