"""ParameterList and ParameterDict, the same tests for both libraries."""

import inspect
from collections import OrderedDict

import pytest

import verigrad as vg
from verigrad import nn


@pytest.fixture(params=["verigrad", "torch"])
def lib(request):
    """Both libraries: the same test of both says that they agree."""
    return pytest.importorskip(request.param)


def test_list(lib):
    first = lib.nn.Parameter(lib.ones(2))
    values = lib.nn.ParameterList([first, lib.zeros(1, 2)])
    assert len(values) == 2 and values[0] is first and isinstance(values[1], lib.nn.Parameter)
    assert values.append(lib.ones(3)) is values and values.extend([3, "a"]) is values
    values += [lib.ones(1)]
    assert [name for name, _ in values.named_parameters()] == ["0", "1", "2", "5"]
    assert list(values.state_dict()) == ["0", "1", "2", "5"]
    assert values[3] == 3 and values[-2] == "a" and values[-1].tolist() == [1.0]
    values[1] = lib.ones(2, 2)
    assert isinstance(values[1], lib.nn.Parameter) and values[1].shape == (2, 2)
    part = values[1:5:2]
    assert type(part) is lib.nn.ParameterList and len(part) == 2 and part[0] is values[1] and part[1] == 3
    assert [type(value).__name__ for value in values] == ["Parameter"] * 3 + ["int", "str", "Parameter"]
    assert not any(name.isdigit() for name in dir(values))
    lines = repr(values).replace("torch.", "").replace("verigrad.", "").split("\n")
    assert lines == [
        "ParameterList(",
        "    (0): Parameter containing: [float32 of size 2]",
        "    (1): Parameter containing: [float32 of size 2x2]",
        "    (2): Parameter containing: [float32 of size 3]",
        "    (3): Object of type: int",
        "    (4): Object of type: str",
        "    (5): Parameter containing: [float32 of size 1]",
        ")",
    ]
    assert repr(lib.nn.ParameterList()) == "ParameterList()"


def test_list_errors(lib):
    values = lib.nn.ParameterList([lib.ones(1)])
    for index in (1, -2):
        with pytest.raises(IndexError, match=f"index {index} is out of range"):
            values[index]
        with pytest.raises(IndexError):
            values[index] = lib.ones(1)
    with pytest.raises(TypeError):
        values["0"]
    for wrong in (3, lib.ones(2)):
        with pytest.raises(TypeError, match="should be called with an iterable, but got"):
            values.extend(wrong)
    with pytest.raises(RuntimeError, match="ParameterList should not be called"):
        values(1)


def test_list_of_itself_ends():
    values = nn.ParameterList([vg.ones(1)])
    values += values
    assert len(values) == 2


def test_lists_take_part_in_a_module(lib):
    class Polynomial(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.coefficients = lib.nn.ParameterList(lib.ones(1) * k for k in range(3))

        def forward(self, x):
            return sum(c * x**k for k, c in enumerate(self.coefficients))

    module = Polynomial()
    out = module(lib.tensor([2.0]))
    assert out.tolist() == [10.0]
    out.sum().backward()
    assert [c.grad.item() for c in module.coefficients] == [1.0, 2.0, 4.0]
    double = module.double()
    assert all(c.dtype == lib.float64 for c in double.coefficients)


def test_dict(lib):
    first = lib.nn.Parameter(lib.ones(2))
    values = lib.nn.ParameterDict({"b": first, "a": lib.zeros(1, 2)})
    assert list(values) == list(values.keys()) == ["a", "b"] and list(reversed(values)) == ["b", "a"]
    values.update(OrderedDict(z=3, c=lib.ones(1)))
    values.update([("d", lib.ones(1))])
    assert list(values) == ["a", "b", "z", "c", "d"] and len(values) == 5 and values["z"] == 3
    assert [name for name, _ in values.named_parameters()] == ["a", "b", "c", "d"] or lib is not vg
    assert values["b"] is first and values.get("x") is None and values.get("x", 5) == 5
    assert "a" in values and "x" not in values
    assert values.setdefault("e", lib.ones(2)) is values["e"] and isinstance(values["e"], lib.nn.Parameter)
    assert values.setdefault("z", 9) == 3
    assert values.popitem()[0] == "e" and values.pop("z") == 3
    del values["d"]
    copied = values.copy()
    assert list(copied) == ["a", "b", "c"] and copied["b"] is first and type(copied) is lib.nn.ParameterDict
    assert [key for key, _ in values.items()] == ["a", "b", "c"] and len(list(values.values())) == 3
    lines = repr(values).replace("torch.", "").replace("verigrad.", "").split("\n")
    assert lines == [
        "ParameterDict(",
        "    (a): Parameter containing: [FloatTensor of size 1x2]",
        "    (b): Parameter containing: [FloatTensor of size 2]",
        "    (c): Parameter containing: [FloatTensor of size 1]",
        ")",
    ]
    values.clear()
    assert len(values) == 0 and list(values.parameters()) == [] and len(copied) == 3


def test_dict_unions(lib):
    one = lib.nn.ParameterDict({"a": lib.ones(1), "b": lib.ones(1)})
    two = lib.nn.ParameterDict({"b": lib.zeros(1), "c": lib.zeros(1)})
    both = one | two
    assert list(both) == ["a", "b", "c"] and both["b"] is two["b"] and len(one) == 2
    one |= two
    assert one["b"] is two["b"] and len(one) == 3
    assert list(one.fromkeys(["x", "y"], 5).items()) == [("x", 5), ("y", 5)]


def test_dict_errors(lib):
    values = lib.nn.ParameterDict()
    with pytest.raises(TypeError, match="iterable of key/value pairs, but got int"):
        values.update(3)
    with pytest.raises(TypeError, match="element #0 should be Iterable"):
        values.update([3])
    with pytest.raises(ValueError, match="element #0 has length 1; 2 is required"):
        values.update([("a",)])
    with pytest.raises(RuntimeError, match="ParameterDict should not be called"):
        values(1)
    with pytest.raises(KeyError):
        del values["a"]
    with pytest.raises(KeyError):
        values.popitem()
    assert len(values) == 0
    with pytest.raises(TypeError, match="not a string"):
        values[1] = lib.ones(1)


def test_dict_keys_do_not_hide_methods():
    values = nn.ParameterDict()
    with pytest.raises(KeyError, match="attribute 'items' already exists"):
        values["items"] = vg.ones(1)
    # PyTorch raises AttributeError for keys that are missing; a dict raises KeyError.
    for key in ("forward", "a"):
        with pytest.raises(KeyError):
            values[key]
    with pytest.raises(KeyError):
        values.pop("a")
    assert (values | {"a": vg.ones(1)})["a"].requires_grad
    assert list({"a": vg.ones(1)} | nn.ParameterDict({"b": vg.ones(1)})) == ["a", "b"]


@pytest.mark.parametrize("name", ["Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"])
def test_methods_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    own, other = getattr(nn, name), getattr(torch.nn, name)
    public = [key for key in vars(other) if not key.startswith("_") and callable(getattr(other, key))]
    for key in public:
        assert hasattr(own, key), key
        assert list(inspect.signature(getattr(own, key)).parameters) == list(
            inspect.signature(getattr(other, key)).parameters
        ), key
