"""Registration of parameters, buffers and children, and walking over them."""

import copy

import pytest

import verigrad as vg
from verigrad import nn


class Pair(nn.Module):
    """Two layers that share a weight, a buffer, and a reserved name."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = nn.Linear(2, 2)
        self.second.weight = self.first.weight
        self.bias = nn.Parameter(vg.zeros(2))
        self.register_parameter("absent", None)
        self.register_buffer("mean", vg.zeros(2))
        self.register_buffer("scratch", vg.zeros(2), persistent=False)
        self.register_buffer("nothing", None)


def names(pairs):
    return [name for name, _ in pairs]


# -- assigning -----------------------------------------------------------------------------------------------


def test_assignment_registers():
    module = nn.Module()
    module.weight = nn.Parameter(vg.ones(1))
    module.layer = nn.Linear(1, 1)
    module.tensor = vg.ones(1)
    module.number = 3
    assert names(module.named_parameters()) == ["weight", "layer.weight", "layer.bias"]
    assert names(module.named_children()) == ["layer"]
    assert list(module.buffers()) == []
    assert module.number == 3


def test_a_name_has_one_kind():
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(vg.ones(1))
    assert names(module.named_parameters()) == ["x"]
    module.x = nn.ReLU()
    assert names(module.named_parameters()) == [] and names(module.named_children()) == ["x"]
    module.x = nn.Parameter(vg.ones(1))
    assert names(module.named_parameters()) == ["x"] and names(module.named_children()) == []
    del module.x
    assert names(module.named_parameters()) == [] and not hasattr(module, "x")
    module.x = 3
    assert names(module.named_parameters()) == []


def test_parameter_in_place_of_a_buffer():
    module = nn.Module()
    module.register_buffer("x", vg.ones(1), persistent=False)
    module.x = nn.Parameter(vg.ones(1))
    assert list(module.state_dict()) == ["x"] and names(module.named_buffers()) == []


def test_reassigning_keeps_the_place():
    module = Pair()
    module.first = nn.Linear(2, 2)
    module.bias = None
    assert names(module.named_parameters())[:2] == ["first.weight", "first.bias"]
    module.bias = nn.Parameter(vg.ones(2))
    module.absent = nn.Parameter(vg.ones(2))
    assert names(module.named_parameters())[:4] == ["bias", "absent", "first.weight", "first.bias"]


def test_buffers_take_tensors_and_none():
    module = Pair()
    module.mean = vg.ones(2)
    assert names(module.named_buffers()) == ["mean", "scratch"]
    module.nothing = vg.ones(1)
    module.mean = None
    assert names(module.named_buffers()) == ["scratch", "nothing"]


def test_class_attributes_give_way_and_properties_decide():
    class Odd(nn.Module):
        layer = None

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)
            self.alias = nn.Linear(1, 2)

        @property
        def alias(self):
            return self.kept

        @alias.setter
        def alias(self, value):
            self.kept = value

    module = Odd()
    assert names(module.named_children()) == ["layer", "kept"]
    assert module.alias is module.kept and isinstance(module.layer, nn.Linear)


def test_error_inside_a_property_is_shown():
    class Odd(nn.Module):
        @property
        def value(self):
            return self.missing

    with pytest.raises(AttributeError, match="'Odd' object has no attribute 'missing'"):
        Odd().value  # noqa: B018


def test_getattr_can_be_extended():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("module"), name)

    assert Wrapper(nn.Linear(3, 2)).in_features == 3


def test_views_write_through():
    module = Pair()
    replacement = nn.Parameter(vg.ones(2))
    module._parameters["bias"] = replacement
    assert module.bias is replacement
    module._modules["first"] = nn.ReLU()
    assert isinstance(module.first, nn.ReLU)
    del module._buffers["mean"]
    assert not hasattr(module, "mean") and "mean" not in module.state_dict()
    assert "bias" in module._parameters and "mean" not in module._buffers
    assert list(module._modules.copy()) == ["first", "second"]
    with pytest.raises(KeyError, match="first"):
        module._parameters["first"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bias", vg.ones(2), "cannot assign 'Tensor' as parameter 'bias'"),
        ("bias", 3, "cannot assign 'int' as parameter 'bias'"),
        ("first", vg.ones(2), "cannot assign 'Tensor' as child module 'first'"),
        ("mean", 3, "cannot assign 'int' as buffer 'mean'"),
    ],
)
def test_registered_names_refuse_other_kinds(name, value, message):
    module = Pair()
    before = getattr(module, name)
    with pytest.raises(TypeError, match=message):
        setattr(module, name, value)
    assert getattr(module, name) is before


def test_results_of_operations_are_no_parameters():
    module = Pair()

    class Computed(nn.Parameter):
        grad_fn = "an operation"

    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'bias'"):
        module.bias = Computed(vg.ones(2))
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'other'"):
        module.register_parameter("other", Computed(vg.ones(2)))
    assert not hasattr(module, "other")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (nn.Parameter(vg.ones(1)), "cannot assign parameters before"),
        (nn.Linear(1, 1), "cannot assign module before"),
    ],
)
def test_super_init_comes_first(value, message):
    class Early(nn.Module):
        def __init__(self):
            self.value = value

    with pytest.raises(AttributeError, match=message):
        Early()


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "add_module"])
def test_super_init_comes_before_registering(method):
    class Early(nn.Module):
        def __init__(self):
            getattr(self, method)("value", None)

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "add_module", "register_module"])
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("a.b", KeyError, "name can't contain"),
        ("", KeyError, "name can't be empty string"),
        (3, TypeError, "name should be a string. Got int"),
        ("training", KeyError, "attribute 'training' already exists"),
        ("forward", KeyError, "attribute 'forward' already exists"),
    ],
)
def test_names_are_checked(method, name, error, message):
    with pytest.raises(error) as caught:
        getattr(nn.Module(), method)(name, None)
    assert message in caught.value.args[0]


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("register_parameter", vg.ones(1), "cannot assign 'Tensor' object to parameter 'x'"),
        ("register_buffer", 3, "cannot assign 'int' object to buffer 'x'"),
        ("add_module", 3, "int is not a Module subclass"),
    ],
)
def test_values_are_checked(method, value, message):
    module = nn.Module()
    with pytest.raises(TypeError, match=message):
        getattr(module, method)("x", value)
    assert not hasattr(module, "x")


def test_missing_attributes():
    with pytest.raises(AttributeError, match="'Pair' object has no attribute 'third'"):
        Pair().third  # noqa: B018
    with pytest.raises(AttributeError, match="third"):
        del Pair().third


# -- walking -------------------------------------------------------------------------------------------------


def test_named_parameters():
    module = Pair()
    assert names(module.named_parameters()) == ["bias", "first.weight", "first.bias", "second.bias"]
    assert names(module.named_parameters(recurse=False)) == ["bias"]
    assert names(module.named_parameters(prefix="net", remove_duplicate=False)) == [
        "net.bias",
        "net.first.weight",
        "net.first.bias",
        "net.second.weight",
        "net.second.bias",
    ]
    assert [id(p) for p in module.parameters()] == [id(p) for _, p in module.named_parameters()]
    assert len(list(module.parameters(recurse=False))) == 1


def test_named_buffers():
    module = nn.Sequential(Pair())
    assert names(module.named_buffers()) == ["0.mean", "0.scratch"]
    assert names(module.named_buffers("p", recurse=False)) == []
    assert len(list(module.buffers())) == 2


def test_modules_and_children():
    shared = nn.ReLU()
    net = nn.Sequential(nn.Sequential(shared, nn.Tanh()), shared)
    net.add_module("none", None)
    assert names(net.named_modules()) == ["", "0", "0.0", "0.1"]
    assert [len(list(net.modules(flag))) for flag in (True, False)] == [4, 5]
    assert names(net.named_modules(prefix="n", remove_duplicate=False)) == [
        "n",
        "n.0",
        "n.0.0",
        "n.0.1",
        "n.1",
    ]
    assert names(net.named_modules(memo={shared})) == ["", "0", "0.1"]
    assert names(net.named_children()) == ["0", "1"]
    assert list(net.children()) == [net[0], shared]
    assert list(net.modules()) == [net, net[0], shared, net[0][1]]


def test_deep_trees_need_no_recursion():
    module = root = nn.Module()
    for _ in range(5000):
        module.inner = nn.Module()
        module = module.inner
    assert sum(1 for _ in root.modules()) == 5001


def test_get():
    net = nn.Sequential(Pair())
    assert net.get_submodule("") is net
    assert net.get_submodule("0.first") is net[0].first
    assert net.get_parameter("0.first.weight") is net[0].first.weight
    assert net.get_buffer("0.mean") is net[0].mean


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        ("get_submodule", "0.third", "Pair has no attribute `third`"),
        ("get_submodule", "0.bias", "`bias` is not an nn.Module"),
        ("get_parameter", "0.bias.x", "`bias` is not an nn.Module"),
        ("get_parameter", "0.third", "Pair has no attribute `third`"),
        ("get_parameter", "0.mean", "`mean` is not an nn.Parameter"),
        ("get_buffer", "0.bias", "`bias` is not a buffer"),
        ("get_buffer", "third", "Sequential has no attribute `third`"),
    ],
)
def test_get_errors(method, target, message):
    with pytest.raises(AttributeError, match=message):
        getattr(nn.Sequential(Pair()), method)(target)


def test_walks_agree_with_torch():
    torch = pytest.importorskip("torch")

    def build(lib):
        shared = lib.Linear(2, 2)
        net = lib.Sequential(
            lib.Sequential(shared, lib.ReLU()), lib.ModuleDict({"a": shared, "b": lib.Linear(2, 1)})
        )
        net.append(lib.ModuleList([lib.Linear(1, 1), net[0]]))
        return net

    ours, theirs = build(nn), build(torch.nn)
    for walk in ("named_parameters", "named_modules", "named_children"):
        assert names(getattr(ours, walk)()) == names(getattr(theirs, walk)())
    assert names(ours.named_parameters(remove_duplicate=False)) == names(
        theirs.named_parameters(remove_duplicate=False)
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())


def knotted(lib):
    """A model that contains itself, below a child."""
    model = lib.Sequential(lib.Linear(2, 2))
    model.inner = lib.Sequential(lib.Linear(2, 2))
    model.inner.up = model
    return model


# What walks over every module once comes to an end; what follows every way to a module cannot.
ENDS = {
    "named_modules": lambda model: len(list(model.named_modules())),
    "parameters": lambda model: len(list(model.parameters())),
    "buffers": lambda model: len(list(model.buffers())),
    "zero_grad": lambda model: model.zero_grad(),
    "deepcopy": lambda model: copy.deepcopy(model) is None,
}
ENDLESS = {
    "every name": lambda model: list(model.named_modules(remove_duplicate=False)),
    "every parameter": lambda model: list(model.named_parameters(remove_duplicate=False)),
    "state_dict": lambda model: model.state_dict(),
    "load_state_dict": lambda model: model.load_state_dict({}),
    "train": lambda model: model.train(),
    "apply": lambda model: model.apply(lambda module: None),
}


def test_a_module_that_contains_itself():
    assert [walk(knotted(nn)) for walk in ENDS.values()] == [4, 4, 0, None, False]
    for walk in ENDLESS.values():
        with pytest.raises(RecursionError):
            walk(knotted(nn))
    with pytest.raises(RecursionError, match=r"got a Sequential that contains itself as 'inner\.up'"):
        knotted(nn).load_state_dict({})
    shared = nn.Linear(1, 1)  # used twice, but not in itself
    assert len(list(nn.Sequential(shared, nn.Sequential(shared)).named_modules(remove_duplicate=False))) == 4


def test_a_module_that_contains_itself_agrees_with_torch():
    torch = pytest.importorskip("torch")
    assert [walk(knotted(torch.nn)) for walk in ENDS.values()] == [4, 4, 0, None, False]
    for walk in ENDLESS.values():
        with pytest.raises(RecursionError):
            walk(knotted(torch.nn))
