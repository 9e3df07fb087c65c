"""Optimizer: groups, state dicts, resuming, errors, printing."""

import copy
import inspect

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn, optim

ALL = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.ASGD, {"lr": 0.1}),
    (optim.Adadelta, {"lr": 0.1}),
    (optim.Adagrad, {"lr": 0.1}),
    (optim.Adamax, {"lr": 0.1}),
    (optim.NAdam, {"lr": 0.1}),
    (optim.RAdam, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.5, "centered": True}),
    (optim.Rprop, {"lr": 0.1}),
    (optim.Adafactor, {"lr": 0.1}),
]


def parameter(*values):
    return nn.Parameter(vg.tensor(values or (1.0, 2.0)))


def network(seed=0):
    vg.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def train(net, optimizer, steps, start=0):
    x = vg.arange(12, dtype=vg.float32).reshape(4, 3) / 10
    y = vg.tensor([0, 1, 1, 0])
    for step in range(start, start + steps):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(net(x + 0.1 * step), y).backward()
        optimizer.step()


def values(net):
    return [param.tolist() for param in net.parameters()]


# -- stepping ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_closure(kind, options):
    param = parameter()
    optimizer = kind([param], **options)

    def closure():
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with vg.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert param.grad.tolist() == [2.0, 4.0]
    assert param.tolist() != [1.0, 2.0]
    assert optimizer.step() is None


def test_zero_grad():
    params = [parameter(), parameter()]
    optimizer = optim.SGD(params)
    params[0].grad = vg.ones(2)
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert kept.tolist() == params[0].grad.tolist() == [0.0, 0.0] and params[1].grad is None
    optimizer.zero_grad()
    assert params[0].grad is None


def test_zero_grad_cuts_the_graph_of_gradients():
    param = parameter()
    optimizer = optim.SGD([param])
    (param.grad,) = vg.autograd.grad((param**3).sum(), param, create_graph=True)
    assert param.grad.requires_grad
    optimizer.zero_grad(set_to_none=False)
    assert not param.grad.requires_grad and param.grad.tolist() == [0.0, 0.0]


def test_users_may_define_step():
    class Sign(optim.Optimizer):
        """Moves each element by the learning rate."""

        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @vg.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for param in group["params"]:
                    param.add_(param.grad.sign() * -group["lr"])
                    self.state[param]["steps"] = self.state[param].get("steps", 0) + 1

    param = parameter()
    optimizer = Sign([param], lr=0.5)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 1)
    param.grad = vg.tensor([3.0, -1.0])
    optimizer.step()
    scheduler.step()
    assert param.tolist() == [0.5, 2.5]
    assert optimizer.state_dict()["state"] == {0: {"steps": 1}}


def test_step_must_be_defined():
    with pytest.raises(NotImplementedError, match="Optimizer"):
        optim.Optimizer([parameter()], {}).step()


# -- groups --------------------------------------------------------------------------------------------------


def test_groups():
    params = [parameter() for _ in range(4)]
    optimizer = optim.SGD(iter(params[:1]), lr=0.1, momentum=0.9)
    optimizer.add_param_group({"params": iter(params[1:3]), "lr": 0.5})
    given = {"params": params[3]}
    optimizer.add_param_group(given)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5, 0.1]
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 2, 1]
    assert all(group["momentum"] == 0.9 for group in optimizer.param_groups)
    assert given == {"params": params[3]} or list(given) == ["params"]
    assert optimizer.defaults["lr"] == 0.1


def test_named_parameters():
    net = network()
    optimizer = optim.Adam(net.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    packed = optimizer.state_dict()["param_groups"][0]
    assert packed["param_names"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    train(net, optimizer, 1)
    assert len(optimizer.state) == 4


def test_tensors_that_are_no_parameters():
    leaf = vg.ones(2, requires_grad=True)
    inner = leaf * 2
    inner.retain_grad()
    optimizer = optim.SGD([leaf, inner], lr=1.0)
    (inner * 3).sum().backward()
    optimizer.step()
    assert leaf.tolist() == [-5.0, -5.0]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (lambda p: p, TypeError, "should be an iterable of Tensors or dicts, but got Parameter"),
        (lambda p: 3, TypeError, "not iterable"),
        (lambda p: [], ValueError, "optimizer got an empty parameter list"),
        (lambda p: [3], TypeError, "can only optimize Tensors, but one of the params is int"),
        (lambda p: [p, p * 2], ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: [p, p], ValueError, "appear more than once in a parameter group"),
        (lambda p: [{"params": p}, {"params": [p]}], ValueError, "appear in more than one parameter group"),
        (lambda p: [{"params": {p}}], TypeError, "ordered collections"),
        (lambda p: [("p", p), parameter()], ValueError, "should be with/without names"),
        (lambda p: [{"params": [("p", p)]}, {"params": parameter()}], ValueError, "without names"),
        (lambda p: [{"params": p}, {"params": [("q", parameter())]}], ValueError, "with names"),
        (lambda p: [{"lr": 0.1}], KeyError, "params"),
        (lambda p: [{"params": p, "lr": -1.0}], ValueError, "Invalid learning rate: -1.0"),
    ],
)
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_bad_parameters(kind, params, error, message):
    with pytest.raises(error, match=message):
        kind(params(parameter()))


def test_refused_groups_leave_the_optimizer_as_it_was():
    param = parameter()
    optimizer = optim.SGD([param], lr=0.1)
    for group in (
        {"params": param},
        {"params": parameter(), "lr": float("nan")},
        {"params": parameter() * 2},
    ):
        with pytest.raises(ValueError):
            optimizer.add_param_group(group)
    with pytest.raises(TypeError, match="param_group must be a dict, but got <class 'list'>"):
        optimizer.add_param_group([parameter()])
    assert len(optimizer.param_groups) == 1


def test_required_options():
    from verigrad.optim.optimizer import required

    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        optim.Optimizer([parameter()], {"lr": required})
    assert optim.Optimizer([{"params": parameter(), "lr": 1}], {"lr": required}).param_groups[0]["lr"] == 1


# -- options -------------------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": -1}, ValueError, "Invalid learning rate: -1"),
        ({"lr": NAN}, ValueError, "Invalid learning rate: nan"),
        ({"lr": INF}, ValueError, "Invalid learning rate: inf"),
        ({"lr": vg.tensor(NAN)}, ValueError, "Invalid learning rate"),
        ({"lr": vg.ones(2)}, ValueError, "Tensor lr must be 1-element"),
        ({"lr": "0.1"}, TypeError, "expected lr to be a number or a one-element Tensor, got str"),
        ({"lr": None}, TypeError, "expected lr to be a number or a one-element Tensor, got NoneType"),
        ({"weight_decay": -0.1}, ValueError, "Invalid weight_decay value: -0.1"),
        ({"weight_decay": NAN}, ValueError, "Invalid weight_decay value: nan"),
        ({"foreach": True, "fused": True}, RuntimeError, "`fused` and `foreach` cannot be `True` together"),
        ({"foreach": 1}, TypeError, "expected foreach to be a bool or None, got int"),
        ({"differentiable": True}, RuntimeError, "expected differentiable=False, got True"),
    ],
)
def test_bad_options(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind([parameter()], **options)


@pytest.mark.parametrize("lr", [0, 1, 0.5, vg.tensor(0.5), vg.tensor([0.5]), np.float32(0.5)])
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_learning_rates(kind, lr):
    param = parameter(1.0)
    optimizer = kind([param], lr=lr, weight_decay=0)
    param.grad = vg.tensor([1.0])
    optimizer.step()
    # The first step of Adam is that of the sign of the gradient.
    assert param.item() == pytest.approx(1.0 - float(lr), abs=1e-6)


# -- state dicts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_resuming_continues_bit_for_bit(kind, options):
    whole = network()
    train(whole, kind(whole.parameters(), **options), 6)

    first = network()
    optimizer = kind(first.parameters(), **options)
    train(first, optimizer, 3)
    second = network(seed=1)
    second.load_state_dict(first.state_dict())
    resumed = kind(second.parameters(), lr=5.0)
    state = optimizer.state_dict()
    resumed.load_state_dict(state)
    train(second, resumed, 3, start=3)
    assert values(second) == values(whole)
    # Loading copied the state: the first run goes on undisturbed.
    train(first, optimizer, 3, start=3)
    assert values(first) == values(whole)


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_state_dict_has_the_form_of_torch(kind, options):
    torch = pytest.importorskip("torch")

    def build(lib):
        params = [lib.nn.Parameter(lib.ones(2, 3)), lib.nn.Parameter(lib.ones(3))]
        optimizer = getattr(lib.optim, kind.__name__)(
            [{"params": params[:1]}, {"params": params[1], "lr": 0.2}], **options
        )
        for param in params:
            param.grad = lib.ones_like(param)
        optimizer.step()
        return optimizer

    ours, theirs = build(vg), build(torch)
    own, other = ours.state_dict(), theirs.state_dict()
    assert own["param_groups"] == other["param_groups"]
    assert [list(group) for group in own["param_groups"]] == [list(group) for group in other["param_groups"]]
    assert {key: list(state) for key, state in own["state"].items()} == {
        key: list(state) for key, state in other["state"].items()
    }
    for key, state in own["state"].items():
        for name, value in state.items():
            np.testing.assert_allclose(value.numpy(), other["state"][key][name].numpy(), rtol=1e-6)
    assert repr(ours) == repr(theirs)
    assert ours.defaults == theirs.defaults


def test_state_dict_numbers_parameters_over_all_groups():
    params = [parameter() for _ in range(3)]
    optimizer = optim.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}], lr=0.1, momentum=0.9)
    params[2].grad = vg.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert list(state["state"]) == [2]
    assert state["state"][2]["momentum_buffer"].tolist() == [1.0, 1.0]
    assert optimizer.param_groups[0]["params"][0] is params[0]


def test_loading_casts_to_the_parameter():
    param = nn.Parameter(vg.ones(2, dtype=vg.float64))
    optimizer = optim.Adam([param])
    state = {"step": vg.tensor(3.0), "exp_avg": vg.ones(2), "exp_avg_sq": vg.ones(2)}
    group = {"params": [7], "lr": 0.25}
    optimizer.load_state_dict({"state": {7: state}, "param_groups": [group]})
    loaded = optimizer.state[param]
    assert loaded["exp_avg"].dtype == vg.float64 and loaded["step"].dtype == vg.float32
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    param.grad = vg.ones(2, dtype=vg.float64)
    optimizer.step()
    assert optimizer.state[param]["step"].item() == 4.0 and state["step"].item() == 3.0


def test_loading_a_step_that_is_a_number():
    param = parameter()
    optimizer = optim.Adam([param])
    state = {"step": 3, "exp_avg": vg.ones(2), "exp_avg_sq": vg.ones(2)}
    optimizer.load_state_dict({"state": {0: state}, "param_groups": [{"params": [0]}]})
    assert optimizer.state[param]["step"].item() == 3.0


def test_loading_keeps_what_it_does_not_know():
    optimizer = optim.SGD([parameter()], lr=0.1)
    state = optimizer.state_dict()
    state["param_groups"][0]["note"] = [1]
    state["state"]["global"] = {"count": 3}
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["note"] == [1]
    assert optimizer.state_dict()["state"] == {"global": {"count": 3}}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s["param_groups"].pop(), ValueError, "different number of parameter groups"),
        (lambda s: s["param_groups"][0]["params"].pop(), ValueError, "doesn't match the size"),
        (lambda s: s.pop("state"), KeyError, "expected the key 'state'"),
        (lambda s: s.pop("param_groups"), KeyError, "expected the key 'param_groups'"),
        (lambda s: s["param_groups"][0].update(lr=-1.0), ValueError, "Invalid learning rate: -1.0"),
        (
            lambda s: s["state"].update({0: {"momentum_buffer": vg.ones(3)}}),
            ValueError,
            "expected 'momentum_buffer' of parameter 0 to have shape",
        ),
    ],
)
def test_refused_states_change_nothing(change, error, message):
    params = [parameter(), parameter()]
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    for param in params:
        param.grad = vg.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    state["state"] = dict(state["state"])
    state["param_groups"][0]["lr"] = 0.7
    change(state)
    with pytest.raises(error) as caught:
        optimizer.load_state_dict(state)
    assert message in caught.value.args[0]
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state[params[0]]["momentum_buffer"].tolist() == [1.0, 1.0]


def test_state_must_be_a_mapping():
    with pytest.raises(TypeError, match="dict-like"):
        optim.SGD([parameter()]).load_state_dict([])


def test_deepcopy_is_independent():
    net = network()
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    train(net, optimizer, 2)
    other_net, other = copy.deepcopy((net, optimizer))
    assert [id(p) for p in other.param_groups[0]["params"]] == [id(p) for p in other_net.parameters()]
    before = values(net)
    train(other_net, other, 1, start=2)
    assert values(net) == before
    train(net, optimizer, 1, start=2)
    assert values(net) == values(other_net)


# -- form ----------------------------------------------------------------------------------------------------


def test_repr():
    optimizer = optim.SGD([{"params": parameter()}, {"params": parameter(), "lr": 0.5}], lr=0.1, momentum=0.9)
    group = (
        "    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n    lr: {}\n"
        "    maximize: False\n    momentum: 0.9\n    nesterov: False\n    weight_decay: 0\n"
    )
    assert repr(optimizer) == (
        f"SGD (\nParameter Group 0\n{group.format(0.1)}\nParameter Group 1\n{group.format(0.5)})"
    )


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
def test_signature_is_that_of_torch(kind):
    torch = pytest.importorskip("torch")
    own, other = (
        [(p.name, p.default, p.kind) for p in inspect.signature(lib).parameters.values()]
        for lib in (kind, getattr(torch.optim, kind.__name__))
    )
    assert own == other
