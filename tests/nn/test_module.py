"""Module: calling, hooks, conversions, modes, copies, printing."""

import ast
import copy
import gc
import inspect
import weakref
from pathlib import Path

import pytest

import verigrad as vg
from verigrad import nn


def test_what_a_module_is_made_of_does_not_know_it():
    pieces = sorted(Path(inspect.getfile(nn.Module)).parent.glob("_[a-z]*.py"))
    assert {"_hooks", "_loading", "_registry", "_tree"} <= {piece.stem for piece in pieces}
    for piece in pieces:
        nodes = list(ast.walk(ast.parse(piece.read_text(encoding="utf-8"))))
        imported = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not {"module", "verigrad.nn.module"} & set(imported), piece.name
        classes = [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
        assert "Protocol" not in {base.id for base in classes if isinstance(base, ast.Name)}, piece.name
    assert nn.Module.__mro__ == (nn.Module, object)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.scale = nn.Parameter(vg.ones(1))
        self.register_buffer("offset", vg.zeros(2))
        self.register_buffer("count", vg.tensor(0))
        self.output = nn.Linear(4, 2, bias=False)

    def forward(self, x, factor=1.0):
        return self.output(self.hidden(x).relu()) * self.scale * factor + self.offset


# -- calling and hooks ---------------------------------------------------------------------------------------


def test_call_passes_all_arguments():
    net = Net()
    x = vg.ones(5, 3)
    assert vg.equal(net(x, factor=2.0), net.forward(x, 2.0))


def test_forward_must_be_defined():
    with pytest.raises(
        NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'
    ):
        nn.Module()(1)


def test_pre_hook_replaces_arguments_until_removed():
    layer = nn.Identity()
    handle = layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    assert layer(1) == 2
    handle.remove()
    handle.remove()
    assert layer(1) == 1


def test_hook_replaces_output_and_sees_arguments():
    seen = []
    layer = nn.Identity()
    layer.register_forward_hook(lambda module, args, output: seen.append((module, args, output)))
    layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(3) == 30
    assert seen == [(layer, (3,), 3)]


def test_hooks_run_in_order_and_can_be_put_first():
    calls = []
    layer = nn.Identity()
    for name in "ab":
        layer.register_forward_pre_hook(lambda m, a, name=name: calls.append(f"pre {name}"))
        layer.register_forward_hook(lambda m, a, o, name=name: calls.append(f"post {name}"))
    layer.register_forward_pre_hook(lambda m, a: calls.append("pre first"), prepend=True)
    layer.register_forward_hook(lambda m, a, o: calls.append("post first"), prepend=True)
    layer(1)
    assert calls == ["pre first", "pre a", "pre b", "post first", "post a", "post b"]


def test_hooks_with_keyword_arguments():
    class Power(nn.Module):
        def forward(self, x, *, exponent):
            return x**exponent

    layer = Power()
    with layer.register_forward_pre_hook(
        lambda m, a, k: (a, {"exponent": k["exponent"] + 1}), with_kwargs=True
    ):
        assert layer(2, exponent=2) == 8
        with layer.register_forward_hook(lambda m, a, k, o: (o, k), with_kwargs=True):
            assert layer(2, exponent=1) == (4, {"exponent": 2})
    assert layer(2, exponent=2) == 4


def test_pre_hook_with_keyword_arguments_must_return_a_pair():
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        layer(1)


def test_hook_that_is_always_called():
    class Broken(nn.Module):
        def forward(self, x):
            raise OSError("broken")

    seen = []
    layer = Broken()
    layer.register_forward_hook(lambda m, a, o: seen.append("skipped"))
    layer.register_forward_hook(lambda m, a, o: seen.append(o), always_call=True)
    with pytest.raises(OSError, match="broken"):
        layer(1)
    assert seen == [None]


def test_failing_hook_does_not_hide_the_first_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise OSError("broken")

    def hook(module, args, output):
        raise KeyError("second")

    layer = Broken()
    layer.register_forward_hook(hook, always_call=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(OSError, match="broken"):
        layer(1)


def test_hook_must_be_callable():
    with pytest.raises(TypeError, match="Identity: expected hook to be callable, got int"):
        nn.Identity().register_forward_hook(3)


def test_copy_of_a_hooked_module_keeps_its_own_hooks():
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda m, a, o: o + 1)
    other = copy.deepcopy(layer)
    handle.remove()
    assert (layer(1), other(1)) == (1, 2)


# -- conversions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        lambda net: net.double(),
        lambda net: net.to(vg.float64),
        lambda net: net.to(str(vg.get_default_device()), vg.float64),
        lambda net: net.to(device=vg.get_default_device(), dtype=vg.float64),
        lambda net: net.to(vg.ones(1, dtype=vg.float64)),
    ],
)
def test_to_casts_floating_point_only_and_keeps_identity(convert):
    net = Net()
    weight, values = net.hidden.weight, net.hidden.weight.tolist()
    net(vg.ones(1, 3)).sum().backward()
    gradient = weight.grad.tolist()
    assert convert(net) is net
    assert net.hidden.weight is weight
    assert weight.dtype == vg.float64 and weight.is_leaf and weight.requires_grad
    assert weight.tolist() == values
    assert weight.grad.dtype == vg.float64 and weight.grad.tolist() == gradient
    assert net.offset.dtype == vg.float64 and net.count.dtype == vg.int64
    assert "offset" in dict(net.named_buffers())
    assert net(vg.ones(1, 3, dtype=vg.float64)).dtype == vg.float64
    assert net.float().hidden.weight.dtype == vg.float32


def test_to_shares_converted_parameters():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net.double()
    assert net[1].weight is net[0].weight
    assert len(list(net.parameters())) == 3


def test_type_casts_everything():
    net = Net().requires_grad_(False)
    assert net.type(vg.int64) is net
    assert {tensor.dtype for tensor in net.state_dict().values()} == {vg.int64}


@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda net: net.to(vg.int64), TypeError, "only accepts floating point"),
        (lambda net: net.to(3.5), TypeError, "expected a device, a dtype or a Tensor, got 3.5"),
        (lambda net: net.to(dtype="float"), TypeError, "expected dtype to be a dtype, got 'float'"),
        (lambda net: net.to("abacus"), RuntimeError, "abacus"),
        (lambda net: net.type(vg.int64), RuntimeError, "floating point"),
        (lambda net: net.type("int"), ValueError, "invalid type: 'int'"),
    ],
)
def test_refused_conversions_change_nothing(convert, error, message):
    net = Net()
    with pytest.raises(error, match=message):
        convert(net)
    assert {parameter.dtype for parameter in net.parameters()} == {vg.float32}


def test_apply_visits_children_first():
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    seen = []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


# -- modes and gradients -------------------------------------------------------------------------------------


def test_train_and_eval():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.hidden.train()
    assert net.hidden.training and not net.training
    net.train()
    assert all(module.training for module in net.modules())


def test_train_wants_a_bool():
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        Net().train(1)


def test_requires_grad_():
    net = Net()
    assert net.requires_grad_(False) is net
    assert not any(parameter.requires_grad for parameter in net.parameters())
    net.hidden.requires_grad_()
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["hidden.weight", "hidden.bias"]


def test_zero_grad():
    net = Net()
    net(vg.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in net.parameters())
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())


# -- copies, memory, printing --------------------------------------------------------------------------------


def test_deepcopy_is_independent_and_keeps_sharing():
    net = Net()
    net.twin = net.hidden
    other = copy.deepcopy(net)
    assert other.twin is other.hidden and other.hidden is not net.hidden
    assert list(other.state_dict()) == list(net.state_dict())
    with vg.no_grad():
        other.scale.fill_(9.0)
        other.offset.fill_(9.0)
    assert net.scale.item() == 1.0 and net.offset.tolist() == [0.0, 0.0]
    other.extra = nn.Parameter(vg.ones(1))
    assert "extra" not in dict(net.named_parameters())


def test_shallow_copy_shares_values_but_registers_on_its_own():
    net = Net()
    other = copy.copy(net)
    assert other.scale is net.scale
    other.extra = nn.Parameter(vg.ones(1))
    del other.hidden
    other.register_forward_hook(lambda m, a, o: o)
    assert list(dict(net.named_parameters())) == ["scale", "hidden.weight", "hidden.bias", "output.weight"]
    assert list(dict(other.named_parameters())) == ["scale", "extra", "output.weight"]
    assert not net._call_hooks


def test_modules_are_freed_at_once():
    enabled = gc.isenabled()
    gc.disable()
    try:
        net = Net()
        net._parameters["scale"] = nn.Parameter(vg.ones(1))
        net(vg.ones(1, 3))
        reference = weakref.ref(net.hidden)
        del net
        assert reference() is None
    finally:
        if enabled:
            gc.enable()


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  (hidden): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (output): Linear(in_features=4, out_features=2, bias=False)\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_repr_with_extra_lines_and_absent_children():
    class Odd(nn.Module):
        def __init__(self, lines):
            super().__init__()
            self.lines = lines
            self.add_module("nothing", None)

        def extra_repr(self):
            return self.lines

    assert repr(Odd("size=3")) == "Odd(\n  size=3\n  (nothing): None\n)"
    assert repr(nn.Sequential(Odd("a\nb"))) == (
        "Sequential(\n  (0): Odd(\n    a\n    b\n    (nothing): None\n  )\n)"
    )


def test_repr_of_a_module_that_contains_itself():
    module = nn.Module()
    module.add_module("child", nn.ModuleList([module]))
    assert repr(module) == "Module(\n  (child): ModuleList(\n    (0): ...\n  )\n)"
    assert repr(module.child) == "ModuleList(\n  (0): Module(\n    (child): ...\n  )\n)"


def test_repr_is_that_of_torch():
    torch = pytest.importorskip("torch")

    def build(lib):
        class Block(lib.Module):
            def __init__(self):
                super().__init__()
                self.layers = lib.ModuleList([lib.Linear(2, 2), lib.Linear(2, 2), lib.ReLU(inplace=True)])
                self.heads = lib.ModuleDict({"a": lib.Sequential(lib.Linear(2, 1), lib.Softmax(dim=1))})
                self.loss = lib.CrossEntropyLoss()

            def extra_repr(self):
                return "first\nsecond"

        return lib.Sequential(Block(), lib.Flatten(), lib.Identity(), lib.LogSoftmax(-1), lib.Sequential())

    assert repr(build(nn)) == repr(build(torch.nn))
