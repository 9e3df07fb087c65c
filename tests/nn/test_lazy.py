"""Layers that wait for their first input."""

import copy

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.lazy import LazyModuleMixin
from verigrad.nn.parameter import UninitializedBuffer, is_lazy


def test_lazy_linear_becomes_linear():
    layer = nn.LazyLinear(3)
    assert repr(layer) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert layer.has_uninitialized_params()
    weight = layer.weight
    vg.manual_seed(4)
    out = layer(vg.ones(2, 5))
    assert out.shape == (2, 3)
    assert type(layer) is nn.Linear and repr(layer) == "Linear(in_features=5, out_features=3, bias=True)"
    assert layer.weight is weight and type(weight) is nn.Parameter and weight.shape == (3, 5)
    vg.manual_seed(4)
    same = nn.Linear(5, 3)
    assert vg.equal(same.weight, layer.weight) and vg.equal(same.bias, layer.bias)
    assert "_has_inferred" not in vars(layer)
    out.sum().backward()
    assert weight.grad.shape == (3, 5)


def test_dtype_is_chosen_before():
    net = nn.Sequential(nn.LazyLinear(3, bias=False), nn.LazyLinear(2, dtype=vg.float64)).double()
    assert net[0].bias is None
    net(vg.ones(4, 7, dtype=vg.float64))
    assert [tuple(p.shape) for p in net.parameters()] == [(3, 7), (2, 3), (2,)]
    assert all(p.dtype == vg.float64 and p.requires_grad for p in net.parameters())


def test_hooks_see_the_layer_ready():
    layer = nn.LazyLinear(1)
    seen = []
    layer.register_forward_pre_hook(lambda module, args: seen.append((type(module), module.in_features)))
    layer(vg.ones(2))
    layer(vg.ones(2))
    assert seen == [(nn.Linear, 2)] * 2


def test_state_dict_before():
    layer = nn.LazyLinear(3)
    state = layer.state_dict()
    assert str(list(state.items())) == (
        "[('weight', <UninitializedParameter>), ('bias', <UninitializedParameter>)]"
    )
    assert nn.LazyLinear(3).load_state_dict(state) == ([], [])
    with pytest.raises(RuntimeError, match="uninitialized param from checkpoint"):
        nn.Linear(2, 3).load_state_dict(state)


@pytest.mark.parametrize("assign", [False, True])
def test_loading_gives_the_shape(assign):
    full = nn.Linear(4, 3, dtype=vg.float64)
    layer = nn.LazyLinear(3)
    layer.load_state_dict(full.state_dict(), assign=assign)
    assert not layer.has_uninitialized_params() and type(layer) is nn.LazyLinear
    x = vg.ones(2, 4, dtype=vg.float64 if assign else vg.float32)
    np.testing.assert_allclose(layer(x).tolist(), full(x.double()).tolist(), rtol=1e-6)
    assert type(layer) is nn.Linear and layer.in_features == 4
    assert layer.weight.dtype == x.dtype


def test_loading_the_wrong_keys_changes_nothing():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="Missing key"):
        layer.load_state_dict({"weight": vg.ones(3, 4)})
    assert layer.has_uninitialized_params() and is_lazy(layer.weight)


def test_copies_are_apart():
    layer = nn.LazyLinear(3)
    other = copy.deepcopy(layer)
    layer(vg.ones(1, 2))
    assert type(other) is nn.LazyLinear and is_lazy(other.weight)
    other(vg.ones(1, 4))
    assert (layer.weight.shape, other.weight.shape) == ((3, 2), (3, 4))


def test_optimizers_take_the_parameters_afterwards():
    net = nn.Sequential(nn.LazyLinear(2))
    x = vg.ones(1, 3)
    net(x)
    optimizer = vg.optim.SGD(net.parameters(), lr=0.5)
    before = net[0].bias.tolist()
    net(x).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(net[0].bias.tolist(), np.array(before) - 0.5, rtol=1e-6)


class Center(nn.Module):
    """Subtracts a buffer."""

    def forward(self, x):
        return x - self.mean


class LazyCenter(LazyModuleMixin, Center):
    cls_to_become = Center

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", UninitializedBuffer(dtype=vg.float64))

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            self.mean.materialize(x.shape[1:])
            self.mean.copy_(x.mean(0))


def test_buffers():
    layer = LazyCenter()
    assert repr(layer.state_dict()["mean"]) == "<UninitializedBuffer>"
    out = layer(vg.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert type(layer) is Center and out.tolist() == [[-1.0, -2.0], [1.0, 2.0]]
    assert layer.mean.dtype == vg.float64 and list(layer.state_dict()) == ["mean"]
    assert type(layer.mean + 1) is vg.Tensor
    assert repr(layer.mean) == "tensor([2., 4.], dtype=verigrad.float64)"


def test_classes_that_stay_lazy():
    class Stay(LazyCenter):
        cls_to_become = None

    layer = Stay()
    layer(vg.ones(2, 3))
    layer(vg.ones(2, 3))
    assert type(layer) is Stay and layer.mean.shape == (3,)


def test_what_a_lazy_class_must_do():
    class Nothing(LazyModuleMixin, nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for Nothing"):
        Nothing()(1)

    class Half(LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.UninitializedParameter()

        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="module Half has not been fully initialized"):
        Half()(1)


@pytest.mark.parametrize("lib", ["verigrad", "torch"])
@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda p: p.shape, RuntimeError),
        (lambda p: p.sum(), ValueError),
        (lambda p: p + 1, ValueError),
        (lambda p: 1 - p, ValueError),
        (lambda p: p @ p, ValueError),
        (lambda p: p[0], ValueError),
        (lambda p: p == p, ValueError),
        (lambda p: -p, ValueError),
        (lambda p: bool(p), ValueError),
        (lambda p: p.view(1), ValueError),
    ],
)
def test_uninitialized_parameters_refuse_to_be_used(use, error, lib):
    parameter = pytest.importorskip(lib).nn.parameter.UninitializedParameter()
    assert repr(parameter) == "<UninitializedParameter>" and parameter.requires_grad
    with pytest.raises(error, match="uninitialized"):
        use(parameter)


def test_uninitialized_parameters_are_hashable_and_can_be_cast():
    parameter = nn.UninitializedParameter(requires_grad=False, dtype=vg.float64)
    assert parameter in {parameter} and parameter.dtype == vg.float64 and not parameter.requires_grad
    parameter.materialize((2, 3), dtype=vg.float32)
    assert type(parameter) is nn.Parameter and parameter.shape == (2, 3)
    assert parameter.dtype == vg.float32 and not parameter.requires_grad
    assert isinstance(parameter, vg.Tensor) and not is_lazy(parameter)


# -- convolutions --------------------------------------------------------------------------------------------

CONVOLUTIONS = [
    ("Conv1d", (4, 3), {"stride": 2, "groups": 2}, (2, 6, 9)),
    ("Conv2d", (4, (3, 5)), {"padding": "same", "bias": False}, (2, 6, 7, 7)),
    ("Conv2d", (4, 3), {}, (6, 7, 7)),
    ("ConvTranspose1d", (4, 3), {"output_padding": 1, "stride": 2, "groups": 2}, (2, 6, 9)),
    ("ConvTranspose2d", (4, 2), {"dilation": 2}, (2, 6, 4, 4)),
    ("Conv3d", (4, (3, 1, 2)), {"groups": 2, "padding": (1, 0, 0)}, (2, 6, 4, 5, 3)),
    ("Conv3d", (4, 2), {"padding_mode": "circular", "padding": 1}, (6, 4, 5, 3)),
    ("ConvTranspose3d", (4, 2), {"stride": (2, 1, 1), "bias": False}, (2, 6, 3, 4, 2)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), CONVOLUTIONS)
def test_lazy_convolutions(name, args, options, shape):
    lazy = getattr(nn, f"Lazy{name}")(*args, **options)
    assert lazy.has_uninitialized_params() and repr(lazy).startswith(f"Lazy{name}(0, 4, ")
    x = vg.randn(*shape)
    vg.manual_seed(9)
    out = lazy(x)
    vg.manual_seed(9)
    plain = getattr(nn, name)(6, *args, **options)
    assert type(lazy) is type(plain) and repr(lazy) == repr(plain)
    assert list(lazy.state_dict()) == list(plain.state_dict())
    assert vg.equal(lazy.weight, plain.weight) and vg.equal(out, plain(x))
    torch = pytest.importorskip("torch")
    other = getattr(torch.nn, f"Lazy{name}")(*args, **options)
    other(torch.tensor(x.numpy()))
    assert repr(other) == repr(lazy) and tuple(other.weight.shape) == tuple(lazy.weight.shape)


@pytest.mark.parametrize(("name", "args", "options", "shape"), CONVOLUTIONS)
def test_lazy_convolutions_take_a_state_dict(name, args, options, shape):
    plain = getattr(nn, name)(6, *args, **options)
    lazy = getattr(nn, f"Lazy{name}")(*args, **options)
    lazy.load_state_dict(plain.state_dict())
    x = vg.randn(*shape)
    assert vg.equal(lazy(x), plain(x)) and type(lazy) is type(plain) and lazy.in_channels == 6


def test_lazy_convolutions_check_their_input():
    with pytest.raises(
        RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"
    ):
        nn.LazyConv2d(2, 3)(vg.ones(2, 2))
    layer = nn.LazyConv1d(4, 3, groups=4)
    with pytest.raises(ValueError, match="in_channels must be divisible by groups, got 6 and 4"):
        layer(vg.ones(1, 6, 5))
    assert layer.has_uninitialized_params() and layer(vg.ones(1, 8, 5)).shape == (1, 4, 3)


# -- batch normalisation -------------------------------------------------------------------------------------

NORMS = [
    ("BatchNorm1d", {}, (4, 3)),
    ("BatchNorm1d", {"momentum": None, "bias": False}, (4, 3, 5)),
    ("BatchNorm2d", {"eps": 1e-3}, (4, 3, 5, 2)),
    ("BatchNorm2d", {"affine": False}, (4, 3, 5, 2)),
    ("BatchNorm2d", {"track_running_stats": False}, (4, 3, 5, 2)),
    ("BatchNorm3d", {"momentum": 0.2}, (4, 3, 5, 2, 3)),
]


@pytest.mark.parametrize(("name", "options", "shape"), NORMS)
def test_lazy_batch_norm(name, options, shape):
    lazy = getattr(nn, f"Lazy{name}")(**options)
    plain = getattr(nn, name)(3, **options)
    assert list(lazy.state_dict()) == list(plain.state_dict())
    x = vg.randn(*shape)
    assert vg.equal(lazy(x), plain(x)) and vg.equal(lazy(x), plain(x))
    assert type(lazy) is type(plain) and repr(lazy) == repr(plain)
    for one, two in zip(lazy.state_dict().values(), plain.state_dict().values(), strict=True):
        assert vg.equal(one, two)
    again = getattr(nn, f"Lazy{name}")(**options)
    again.load_state_dict(plain.state_dict())
    assert vg.equal(again.eval()(x), plain.eval()(x)) and type(again) is type(plain)
    if options.get("affine", True) or options.get("track_running_stats", True):
        assert again.num_features == 3
    torch = pytest.importorskip("torch")
    other = getattr(torch.nn, f"Lazy{name}")(**options)
    assert list(other.state_dict()) == list(getattr(nn, f"Lazy{name}")(**options).state_dict())
    np.testing.assert_allclose(other(torch.tensor(x.numpy())).tolist(), plain.train()(x).tolist(), atol=1e-5)


def test_lazy_batch_norm_checks_its_input():
    layer = nn.LazyBatchNorm2d()
    with pytest.raises(ValueError, match="expected 4D input"):
        layer(vg.ones(2, 3))
    assert layer.has_uninitialized_params()


def test_a_lazy_network():
    net = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    ).double()
    assert net(vg.ones(2, 1, 6, 6, dtype=vg.float64)).shape == (2, 2)
    assert [tuple(p.shape) for p in net.parameters()] == [(4, 1, 3, 3), (4,), (4,), (4,), (2, 64), (2,)]
    assert net[1].running_mean.dtype == vg.float64 and net[1].num_batches_tracked.item() == 1


def test_a_buffer_without_a_shape_is_registered_on_assignment():
    for persistent in (True, False):
        module = nn.Module()
        module.sums = nn.UninitializedBuffer(persistent=persistent)
        assert dict(module.named_buffers()).keys() == {"sums"}
        module.sums.materialize((2,))
        assert ("sums" in module.state_dict()) == persistent
