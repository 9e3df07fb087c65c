"""Sequential, ModuleList and ModuleDict."""

from collections import OrderedDict

import pytest

import verigrad as vg
from verigrad import nn


def kinds(modules):
    return [type(module).__name__ for module in modules]


# -- Sequential ----------------------------------------------------------------------------------------------


def test_sequential_calls_in_order():
    class Times(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor + 1

    assert nn.Sequential(Times(2), Times(10))(3) == 71
    assert nn.Sequential()(3) == 3


def test_sequential_respects_hooks_of_its_modules():
    net = nn.Sequential(nn.Identity(), nn.Identity())
    net[0].register_forward_hook(lambda m, a, o: o + 1)
    assert net(1) == 2


def test_sequential_of_names():
    net = nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), act=nn.ReLU()))
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert net.hidden is net[0] and kinds(net) == ["Linear", "ReLU"]
    assert list(net[1:]._modules) == ["act"]


def test_sequential_indexing():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh())
    assert kinds([net[0], net[-1]]) == ["Linear", "Tanh"]
    assert len(net) == 3
    part = net[1:]
    assert type(part) is nn.Sequential and list(part) == [net[1], net[2]]
    net[1] = nn.Sigmoid()
    assert kinds(net) == ["Linear", "Sigmoid", "Tanh"] and kinds(part) == ["ReLU", "Tanh"]
    del net[0]
    assert kinds(net) == ["Sigmoid", "Tanh"] and list(net._modules) == ["0", "1"]
    del net[:]
    assert len(net) == 0


def test_sequential_growing():
    net = nn.Sequential(nn.ReLU())
    assert net.append(nn.Tanh()) is net
    assert net.insert(1, nn.Sigmoid()) is net
    assert net.insert(-1, nn.Identity()) is net
    assert net.extend([nn.Flatten(), nn.Softmax(1)]) is net
    assert kinds(net) == ["ReLU", "Sigmoid", "Identity", "Tanh", "Flatten", "Softmax"]
    assert list(net._modules) == [str(place) for place in range(6)]
    assert type(net.pop()).__name__ == "Softmax" and type(net.pop(0)).__name__ == "ReLU"
    assert kinds(net) == ["Sigmoid", "Identity", "Tanh", "Flatten"]


def test_sequential_arithmetic():
    one, two = nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())
    assert kinds(one + two) == ["ReLU", "Tanh"] and len(one) == 1
    assert kinds(one * 2) == kinds(2 * one) == ["ReLU", "ReLU"]
    same = one
    same += two
    same *= 2
    assert same is one and kinds(one) == ["ReLU", "Tanh", "ReLU", "Tanh"]


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda net: net[2], IndexError, "index 2 is out of range"),
        (lambda net: net[-3], IndexError, "index -3 is out of range"),
        (lambda net: net["0"], TypeError, "cannot be interpreted as an integer"),
        (lambda net: net.__setitem__(5, nn.ReLU()), IndexError, "index 5 is out of range"),
        (lambda net: net.__delitem__(5), IndexError, "index 5 is out of range"),
        (lambda net: net.pop(9), IndexError, "index 9 is out of range"),
        (lambda net: net.insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
        (lambda net: net.insert(0, 3), TypeError, "int is not a Module subclass"),
        (lambda net: net.append(3), TypeError, "int is not a Module subclass"),
        (lambda net: net.append(None), TypeError, "NoneType is not a Module subclass"),
        (lambda net: net.extend([nn.ReLU(), 3]), TypeError, "int is not a Module subclass"),
        (lambda net: net.extend(3), TypeError, "should be called with an iterable, but got int"),
        (lambda net: net + 3, ValueError, "only objects of Sequential class, but <class 'int'>"),
        (lambda net: net * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda net: net * 1.5, TypeError, "unsupported operand"),
    ],
)
def test_sequential_errors(action, error, message):
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    with pytest.raises(error, match=message):
        action(net)
    assert kinds(net) == ["ReLU", "Tanh"]


def test_sequential_takes_modules_only():
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(nn.ReLU(), 3)


# -- ModuleList ----------------------------------------------------------------------------------------------


def test_module_list():
    modules = nn.ModuleList(nn.Linear(1, 1) for _ in range(2))
    modules.append(nn.ReLU()).extend([nn.Tanh()])
    modules.insert(0, nn.Sigmoid())
    assert kinds(modules) == ["Sigmoid", "Linear", "Linear", "ReLU", "Tanh"]
    assert list(modules.state_dict()) == ["1.weight", "1.bias", "2.weight", "2.bias"]
    part = modules[1::2]
    assert (
        type(part) is nn.ModuleList
        and list(part._modules) == ["0", "1"]
        and kinds(part) == ["Linear", "ReLU"]
    )
    assert kinds(modules + [nn.Flatten()])[-1] == "Flatten" and len(modules) == 5
    modules += [nn.Flatten()]
    assert type(modules.pop()).__name__ == "Flatten"
    modules[-1] = nn.Identity()
    assert modules[0] in modules and kinds(modules)[-1] == "Identity"


def test_module_list_repr_joins_equal_neighbours():
    modules = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh(), nn.ReLU()])
    assert repr(modules) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n  (3): ReLU()\n)"
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_list_is_not_called():
    with pytest.raises(NotImplementedError, match=r"Module \[ModuleList\]"):
        nn.ModuleList()(vg.ones(1))


@pytest.mark.parametrize("modules", [3, nn.ReLU()])
def test_module_list_wants_an_iterable(modules):
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable"):
        nn.ModuleList(modules)


# -- ModuleDict ----------------------------------------------------------------------------------------------


def test_module_dict():
    modules = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    assert list(modules) == list(modules.keys()) == ["b", "a"] and len(modules) == 2
    assert list(modules.state_dict()) == ["a.weight", "a.bias"]
    modules.update([("c", nn.Tanh()), ("b", nn.Sigmoid())])
    modules.update(nn.ModuleDict({"d": nn.Flatten()}))
    assert [(name, type(module).__name__) for name, module in modules.items()] == [
        ("b", "Sigmoid"),
        ("a", "Linear"),
        ("c", "Tanh"),
        ("d", "Flatten"),
    ]
    assert "a" in modules and "x" not in modules
    assert modules.pop("a") not in list(modules.values())
    del modules["c"]
    assert list(modules) == ["b", "d"]
    modules.clear()
    assert len(modules) == 0 and list(modules.children()) == []


@pytest.mark.parametrize(
    ("modules", "error", "message"),
    [
        ({"a": 3}, TypeError, "int is not a Module subclass"),
        ({1: nn.ReLU()}, TypeError, "module name should be a string. Got int"),
        ({"pop": nn.ReLU()}, KeyError, "attribute 'pop' already exists"),
        ({"a.b": nn.ReLU()}, KeyError, "can't contain"),
        (3, TypeError, "iterable of key/value pairs, but got int"),
        ([3], TypeError, "element #0 should be Iterable; is int"),
        ([("a",)], ValueError, "element #0 has length 1; 2 is required"),
    ],
)
def test_module_dict_errors(modules, error, message):
    with pytest.raises(error) as caught:
        nn.ModuleDict(modules)
    assert message in caught.value.args[0]


def test_module_dict_missing_key():
    with pytest.raises(KeyError, match="x"):
        nn.ModuleDict()["x"]
