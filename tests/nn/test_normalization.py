"""The normalisation layers: statistics, state, errors, and agreement with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F
from verigrad.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)


def draw(*shape: int, dtype: str = "float64", seed: int = 0) -> Any:
    return np.random.default_rng(seed + sum(shape)).normal(0.5, 2.0, shape).astype(dtype)


def values(tensor: Any) -> Any:
    return tensor.detach().numpy()


# -- batch normalisation -------------------------------------------------------------------------------------


def test_training_normalises_each_channel() -> None:
    x = vg.tensor(draw(8, 3, 5, 4))
    y = nn.BatchNorm2d(3, eps=0.0 + 1e-12, dtype=vg.float64)(x)
    np.testing.assert_allclose(values(y).mean((0, 2, 3)), 0.0, atol=1e-14)
    np.testing.assert_allclose(values(y).var((0, 2, 3)), 1.0, rtol=1e-10)


def test_running_statistics_follow_the_batches() -> None:
    layer = nn.BatchNorm1d(4, momentum=0.3, dtype=vg.float64)
    mean, var = np.zeros(4), np.ones(4)
    for step in range(4):
        x = draw(6, 4, 3, seed=step)
        layer(vg.tensor(x))
        mean = 0.7 * mean + 0.3 * x.mean((0, 2))
        var = 0.7 * var + 0.3 * x.var((0, 2), ddof=1)
        assert layer.num_batches_tracked is not None and layer.num_batches_tracked.item() == step + 1
    np.testing.assert_allclose(values(layer.running_mean), mean, rtol=1e-13)
    np.testing.assert_allclose(values(layer.running_var), var, rtol=1e-13)


def test_momentum_none_averages_over_all_batches() -> None:
    layer = nn.BatchNorm1d(4, momentum=None, dtype=vg.float64)
    batches = [draw(6, 4, seed=step) for step in range(5)]
    for x in batches:
        layer(vg.tensor(x))
    np.testing.assert_allclose(
        values(layer.running_mean), np.mean([x.mean(0) for x in batches], 0), rtol=1e-12
    )
    np.testing.assert_allclose(
        values(layer.running_var), np.mean([x.var(0, ddof=1) for x in batches], 0), rtol=1e-12
    )


def test_evaluation_uses_the_running_statistics_and_leaves_them() -> None:
    layer = nn.BatchNorm1d(3, dtype=vg.float64)
    layer(vg.tensor(draw(5, 3)))
    layer.eval()
    before = {key: values(value).copy() for key, value in layer.state_dict().items()}
    x = draw(1, 3)  # one value per channel
    y = layer(vg.tensor(x))
    expected = (x - before["running_mean"]) / np.sqrt(before["running_var"] + layer.eps)
    np.testing.assert_allclose(values(y), expected, rtol=1e-13)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(values(value), before[key])


def test_without_running_statistics_evaluation_uses_the_batch() -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert layer.running_mean is None and set(layer.state_dict()) == {"weight", "bias"}
    assert layer.num_batches_tracked is None
    x = vg.tensor(draw(5, 3, dtype="float32"))
    np.testing.assert_array_equal(values(layer(x)), values(layer.train()(x)))
    layer.reset_running_stats()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer.eval()(x[:1])


def test_a_large_mean_keeps_the_variance() -> None:
    x = (np.random.default_rng(0).normal(size=(64, 2, 14, 14)) + 1e4).astype(np.float32)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean((0, 2, 3), keepdims=True)) / wide.std((0, 2, 3), keepdims=True)
    y = F.batch_norm(vg.tensor(x), None, None, training=True, eps=1e-12)
    np.testing.assert_allclose(values(y), expected, atol=2e-6)
    leaf = vg.tensor(x).requires_grad_(True)
    g = np.random.default_rng(1).normal(size=x.shape)
    rstd = 1 / wide.std((0, 2, 3), keepdims=True)

    def mean(a: Any) -> Any:
        return a.mean((0, 2, 3), keepdims=True)

    exact = (g - mean(g) - expected * mean(g * expected)) * rstd
    (grad,) = vg.autograd.grad(
        F.batch_norm(leaf, None, None, training=True, eps=1e-12), [leaf], [vg.tensor(g.astype(np.float32))]
    )
    np.testing.assert_allclose(values(grad), exact, atol=5e-6)


def test_empty_batches_keep_the_statistics_and_give_zero_gradients() -> None:
    layer = nn.BatchNorm2d(3)
    x = vg.zeros(0, 3, 4, 4, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == (0, 3, 4, 4) and x.grad is not None and x.grad.shape == x.shape
    assert layer.weight is not None and layer.bias is not None
    np.testing.assert_array_equal(values(layer.weight.grad), 0.0)
    np.testing.assert_array_equal(values(layer.bias.grad), 0.0)
    np.testing.assert_array_equal(values(layer.running_mean), 0.0)
    np.testing.assert_array_equal(values(layer.running_var), 1.0)


def test_the_backward_pass_keeps_the_statistics_of_its_forward_pass() -> None:
    layer = nn.BatchNorm1d(3, dtype=vg.float64)
    x = vg.tensor(draw(5, 3)).requires_grad_(True)
    y = layer.eval()(x)
    layer.train()(vg.tensor(100 * draw(5, 3, seed=1)))
    y.sum().backward()
    np.testing.assert_allclose(values(x.grad), 1 / math.sqrt(1 + 1e-5), rtol=1e-12)


REFUSED: list[tuple[Callable[[], nn.Module], tuple[int, ...], type[Exception], str]] = [
    (lambda: nn.BatchNorm1d(3), (1, 3), ValueError, r"more than 1 value per channel when training.*\[1, 3\]"),
    (lambda: nn.BatchNorm1d(3), (1, 3, 1), ValueError, r"more than 1 value per channel"),
    (lambda: nn.BatchNorm2d(3), (1, 3, 1, 1), ValueError, r"more than 1 value per channel"),
    (
        lambda: nn.BatchNorm1d(3),
        (2, 4),
        RuntimeError,
        r"running_mean should contain 4 elements not 3.*\[2, 4\]",
    ),
    (lambda: nn.BatchNorm1d(3), (3,), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (lambda: nn.BatchNorm1d(3), (2, 3, 4, 4), ValueError, r"expected 2D or 3D input \(got 4D input\)"),
    (lambda: nn.BatchNorm2d(3), (2, 3, 4), ValueError, r"expected 4D input \(got 3D input\)"),
    (lambda: nn.InstanceNorm1d(3), (3,), ValueError, r"expected 2D or 3D input \(got 1D input\)"),
    (lambda: nn.InstanceNorm2d(3), (2, 3), ValueError, r"expected 3D or 4D input \(got 2D input\)"),
    (
        lambda: nn.InstanceNorm1d(3, affine=True),
        (2, 4, 5),
        ValueError,
        r"dim=1 to match num_features \(3\).*4",
    ),
    (lambda: nn.InstanceNorm1d(3, track_running_stats=True), (2, 3, 1), ValueError, "more than 1 spatial"),
    (lambda: nn.LayerNorm((3, 4)), (2, 4, 3), RuntimeError, r"\[3, 4\].*\[2, 4, 3\]"),
    (lambda: nn.RMSNorm(4), (2, 3), RuntimeError, r"\[4\].*\[2, 3\]"),
    (lambda: nn.GroupNorm(2, 4), (2, 6, 3), RuntimeError, r"weight.*\[4\].*\[2, 6, 3\]"),
    (lambda: nn.GroupNorm(2, 4), (2, 5, 3), RuntimeError, r"divisible.*\[2, 5, 3\]"),
    (lambda: nn.LocalResponseNorm(2), (2, 3), ValueError, "3D or higher"),
]


@pytest.mark.parametrize(("make", "shape", "error", "match"), REFUSED)
def test_a_refused_call_changes_nothing(
    make: Callable[[], nn.Module], shape: tuple[int, ...], error: type[Exception], match: str
) -> None:
    layer = make()
    before = {key: values(value).copy() for key, value in layer.state_dict().items()}
    versions = [value._version for value in layer.state_dict().values()]
    with pytest.raises(error, match=match):
        layer(vg.ones(*shape))
    after = layer.state_dict()
    assert [value._version for value in after.values()] == versions
    for key, value in after.items():
        np.testing.assert_array_equal(values(value), before[key])


@pytest.mark.parametrize(
    ("mean", "var", "match"),
    [
        (vg.zeros(3), vg.ones(4), r"running_var should contain 3 elements not 4"),
        (vg.zeros(3), vg.ones(3, dtype=vg.float64), "running_var of dtype float32.*got.*float64"),
        (vg.zeros(3), vg.ones(1).expand(3), "single memory location"),
        (vg.zeros(3), vg.ones(3, requires_grad=True), "not differentiable with respect to running_var"),
    ],
)
def test_running_statistics_that_do_not_fit_leave_each_other_alone(mean: Any, var: Any, match: str) -> None:
    for function in (
        lambda x: F.batch_norm(x, mean, var, training=True),
        lambda x: F.instance_norm(x, mean, var),
    ):
        with pytest.raises(RuntimeError, match=match):
            function(vg.tensor(draw(4, 3, 5, dtype="float32")))
        np.testing.assert_array_equal(values(mean), 0.0)
        np.testing.assert_array_equal(values(var), 1.0)


def test_constructors_refuse_what_cannot_be() -> None:
    for groups, channels in ((3, 4), (0, 4), (-1, 4)):
        with pytest.raises(
            ValueError, match=rf"num_channels \(4\) must be divisible by num_groups \({groups}\)"
        ):
            nn.GroupNorm(groups, channels)
    with pytest.raises(RuntimeError, match="negative"):
        nn.BatchNorm1d(-1)
    with pytest.raises(TypeError):
        nn.LayerNorm(2.5)  # type: ignore[arg-type]


# -- state, printing, options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm1d(3),
        lambda: nn.BatchNorm1d(3, affine=False),
        lambda: nn.BatchNorm1d(3, bias=False),
        lambda: nn.InstanceNorm1d(3, affine=True, track_running_stats=True),
        lambda: nn.GroupNorm(1, 3),
    ],
)
def test_state_dict_round_trip(make: Callable[[], nn.Module]) -> None:
    first, second = make(), make()
    for step in range(3):
        first(vg.tensor(draw(4, 3, 5, dtype="float32", seed=step)))
    assert repr(second.load_state_dict(first.state_dict())) == "<All keys matched successfully>"
    x = vg.tensor(draw(2, 3, 5, dtype="float32", seed=9))
    np.testing.assert_array_equal(values(first.eval()(x)), values(second.eval()(x)))
    for key, value in second.state_dict().items():
        np.testing.assert_array_equal(values(value), values(first.state_dict()[key]))


def test_state_of_batch_norm() -> None:
    layer = nn.BatchNorm2d(3)
    assert list(layer.state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    tracked = layer.num_batches_tracked
    assert tracked is not None and tracked.dtype is vg.int64 and tracked.shape == ()
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}
    layer(vg.tensor(draw(2, 3, 4, 4, dtype="float32")))
    assert tracked.item() == 1 and layer.running_mean is not None
    layer.reset_running_stats()
    assert tracked.item() == 0 and not layer.running_mean.any()
    with vg.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(7.0)
    layer.reset_parameters()
    assert layer.weight is not None and layer.bias is not None
    assert (layer.weight == 1).all() and (layer.bias == 0).all()


def test_options_of_the_affine_pair() -> None:
    for layer in (
        nn.BatchNorm1d(4, bias=False),
        nn.LayerNorm(4, bias=False),
        nn.GroupNorm(2, 4, bias=False),
    ):
        assert layer.bias is None and layer.weight is not None
        assert "bias" not in layer.state_dict()
    for bare in (
        nn.BatchNorm1d(4, affine=False),
        nn.LayerNorm(4, elementwise_affine=False),
        nn.GroupNorm(2, 4, affine=False),
        nn.InstanceNorm1d(4),
        nn.RMSNorm(4, elementwise_affine=False),
    ):
        assert not list(bare.parameters())
        bare.reset_parameters()
        assert bare(vg.tensor(draw(3, 4, 4, dtype="float32"))).shape == (3, 4, 4)


REPRS = {
    "BatchNorm1d(5, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)": (
        lambda n: n.BatchNorm1d(5)
    ),
    "BatchNorm2d(5, eps=0.1, momentum=None, affine=False, bias=False, track_running_stats=False)": (
        lambda n: n.BatchNorm2d(5, 0.1, None, False, False)
    ),
    "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)": (
        lambda n: n.InstanceNorm1d(3)
    ),
    "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)": (
        lambda n: n.InstanceNorm2d(3, affine=True, track_running_stats=True)
    ),
    "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)": lambda n: n.LayerNorm(3),
    "LayerNorm((2, 3), eps=1e-05, elementwise_affine=False, bias=False)": (
        lambda n: n.LayerNorm([2, 3], elementwise_affine=False)
    ),
    "RMSNorm((2, 3), eps=None, elementwise_affine=True)": lambda n: n.RMSNorm((2, 3)),
    "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)": lambda n: n.GroupNorm(2, 4),
    "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)": lambda n: n.LocalResponseNorm(2),
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text: str) -> None:
    assert repr(REPRS[text](nn)) == text


@pytest.mark.parametrize("text", REPRS)
def test_repr_is_that_of_pytorch(text: str) -> None:
    torch = pytest.importorskip("torch")
    assert repr(REPRS[text](torch.nn)) == text


def test_names_of_nodes() -> None:
    x = vg.tensor(draw(2, 4, 3)).requires_grad_(True)
    for y, name in (
        (F.batch_norm(x, None, None, training=True), "NativeBatchNormBackward0"),
        (F.layer_norm(x, (3,)), "NativeLayerNormBackward0"),
        (F.group_norm(x, 2), "NativeGroupNormBackward0"),
    ):
        assert y.grad_fn is not None and y.grad_fn.name() == name


def test_instance_norm_without_a_batch() -> None:
    layer = nn.InstanceNorm2d(3, track_running_stats=True)
    x = vg.tensor(draw(3, 4, 5, dtype="float32"))
    y = layer(x)
    assert y.shape == (3, 4, 5)
    np.testing.assert_allclose(values(y).mean((1, 2)), 0.0, atol=1e-6)
    with pytest.warns(UserWarning, match=r"dim=0 does not match num_features"):
        nn.InstanceNorm2d(4)(x)


def test_instance_norm_in_evaluation_uses_the_running_statistics() -> None:
    layer = nn.InstanceNorm1d(3, track_running_stats=True, dtype=vg.float64)
    x = draw(2, 3, 5)
    layer(vg.tensor(x))
    np.testing.assert_allclose(values(layer.running_mean), 0.1 * x.mean(2).mean(0), rtol=1e-12)
    np.testing.assert_allclose(values(layer.running_var), 0.9 + 0.1 * x.var(2, ddof=1).mean(0), rtol=1e-12)
    y = layer.eval()(vg.tensor(x))
    scale = np.sqrt(values(layer.running_var) + 1e-5)[:, None]
    np.testing.assert_allclose(values(y), (x - values(layer.running_mean)[:, None]) / scale, rtol=1e-12)


def test_normalize_of_zeros_has_the_gradient_of_a_constant_norm() -> None:
    for p in (2.0, 1.0, 1.5, 3.0):
        x = vg.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=vg.float64).requires_grad_(True)
        F.normalize(x, p=p, eps=0.5).sum().backward()
        np.testing.assert_allclose(values(x.grad)[0], 2.0)
        assert np.isfinite(values(x.grad)).all()


# -- folding into the layer before ---------------------------------------------------------------------------


def trained_norm(features: int, kind: Any = nn.BatchNorm1d, **options: Any) -> Any:
    layer = kind(features, dtype=vg.float64, **options)
    for step in range(3):
        layer(vg.tensor(draw(7, features, *([2, 2] if kind is nn.BatchNorm2d else []), seed=step)))
    with vg.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            parameter.copy_(vg.tensor(draw(features, seed=20 + i)))
    layer.eval()
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_a_linear_layer_takes_in_batch_norm(bias: bool, affine: bool) -> None:
    linear = nn.Linear(5, 4, bias=bias, dtype=vg.float64).eval()
    norm = trained_norm(4, affine=affine)
    weight = values(linear.weight).copy()
    fused = fuse_linear_bn_eval(linear, norm)
    x = vg.tensor(draw(6, 5))
    np.testing.assert_allclose(values(fused(x)), values(norm(linear(x))), rtol=1e-12, atol=1e-13)
    assert isinstance(fused, nn.Linear) and fused is not linear and fused.weight.is_leaf
    np.testing.assert_array_equal(values(linear.weight), weight)
    assert fused.weight.requires_grad


def test_one_feature_stands_for_all_outputs() -> None:
    linear = nn.Linear(5, 4, bias=False, dtype=vg.float64).eval()
    norm = trained_norm(1)
    x = vg.tensor(draw(6, 5))
    wanted = values(norm(linear(x).unsqueeze(1))).reshape(6, 4)
    np.testing.assert_allclose(values(fuse_linear_bn_eval(linear, norm)(x)), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_takes_in_batch_norm(bias: bool, transpose: bool) -> None:
    kind: Any = nn.ConvTranspose2d if transpose else nn.Conv2d
    conv = kind(5, 4, 3, stride=2, padding=1, bias=bias, dtype=vg.float64).eval()
    norm = trained_norm(4, nn.BatchNorm2d)
    weight = values(conv.weight).copy()
    fused = fuse_conv_bn_eval(conv, norm, transpose)
    x = vg.tensor(draw(3, 5, 7, 6))
    np.testing.assert_allclose(values(fused(x)), values(norm(conv(x))), rtol=1e-11, atol=1e-13)
    assert isinstance(fused, kind) and fused is not conv and fused.bias.shape == (4,)
    np.testing.assert_array_equal(values(conv.weight), weight)
    assert (conv.bias is None) is not bias


def test_fusing_is_for_evaluation() -> None:
    linear, norm = nn.Linear(5, 4, dtype=vg.float64).eval(), trained_norm(4)
    learning = nn.Linear(5, 4, dtype=vg.float64)
    for first, second in ((learning, norm), (linear, trained_norm(4).train())):
        with pytest.raises(AssertionError, match="eval"):
            fuse_linear_bn_eval(first, second)
        with pytest.raises(AssertionError, match="eval"):
            fuse_conv_bn_eval(first, second)
    with pytest.raises(AssertionError, match="running_mean"):
        fuse_linear_bn_eval(linear, nn.BatchNorm1d(4, track_running_stats=False).eval())
    with pytest.raises(AssertionError, match="out_features=4 and bn.num_features=3"):
        fuse_linear_bn_eval(linear, trained_norm(3))


def test_fused_weights_are_those_of_pytorch() -> None:
    fusion = pytest.importorskip("torch.nn.utils.fusion")
    torch = pytest.importorskip("torch")
    rest = [draw(4), draw(4, seed=1), np.abs(draw(4, seed=2)), 1e-5, draw(4, seed=3), draw(4, seed=4)]
    for ours, theirs, shape, options in (
        (fuse_conv_bn_weights, fusion.fuse_conv_bn_weights, (4, 3, 2, 2), (False,)),
        (fuse_conv_bn_weights, fusion.fuse_conv_bn_weights, (3, 4, 2), (True,)),
        (fuse_linear_bn_weights, fusion.fuse_linear_bn_weights, (4, 3), ()),
    ):
        arrays = [draw(*shape), *rest]
        got = ours(*[vg.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays], *options)
        wanted = theirs(*[torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays], *options)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_allclose(values(a), b.detach().numpy(), rtol=1e-13)
            assert a.requires_grad == b.requires_grad


# -- agreement with PyTorch ----------------------------------------------------------------------------------


LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "batch 1d": (lambda n: n.BatchNorm1d(4), (6, 4)),
    "batch 1d, sequences": (lambda n: n.BatchNorm1d(4, eps=1e-3, momentum=0.4), (6, 4, 5)),
    "batch 1d, average": (lambda n: n.BatchNorm1d(4, momentum=None), (6, 4)),
    "batch 2d": (lambda n: n.BatchNorm2d(4), (3, 4, 5, 6)),
    "batch 2d, plain": (lambda n: n.BatchNorm2d(4, affine=False), (3, 4, 5, 6)),
    "batch 2d, no statistics": (lambda n: n.BatchNorm2d(4, track_running_stats=False), (3, 4, 5, 6)),
    "instance 1d": (lambda n: n.InstanceNorm1d(4, affine=True, track_running_stats=True), (3, 4, 6)),
    "instance 1d, one": (lambda n: n.InstanceNorm1d(4, track_running_stats=True), (4, 6)),
    "instance 2d": (lambda n: n.InstanceNorm2d(4), (3, 4, 5, 6)),
    "batch 3d": (lambda n: n.BatchNorm3d(4), (3, 4, 5, 2, 3)),
    "instance 3d": (lambda n: n.InstanceNorm3d(4, affine=True), (3, 4, 5, 2, 3)),
    "instance 3d, one": (lambda n: n.InstanceNorm3d(4, track_running_stats=True), (4, 5, 2, 3)),
    "layer": (lambda n: n.LayerNorm((4, 5)), (3, 4, 5)),
    "rms": (lambda n: n.RMSNorm(5), (3, 4, 5)),
    "group": (lambda n: n.GroupNorm(2, 4), (3, 4, 5, 6)),
    "local response": (lambda n: n.LocalResponseNorm(3, alpha=0.5), (3, 4, 5, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_and_evaluation_agree_with_pytorch(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    make, shape = LAYERS[name]
    ours, theirs = make(nn).to(getattr(vg, dtype)), make(torch.nn).to(getattr(torch, dtype))
    state = {key: draw(*value.shape, dtype=dtype, seed=3) for key, value in ours.named_parameters()}
    ours.load_state_dict({key: vg.tensor(value) for key, value in state.items()}, strict=False)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()}, strict=False)
    # float32: PyTorch rounds the mean to float32 before it subtracts.
    close: dict[str, float] = (
        {"rtol": 1e-9, "atol": 1e-11} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-5}
    )
    for step in range(5):
        if step == 3:
            ours.eval()
            theirs.eval()
        array = draw(*shape, dtype=dtype, seed=step)
        a, b = vg.tensor(array).requires_grad_(True), torch.tensor(array).requires_grad_(True)
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(values(y), z.detach().numpy(), **close)
        weights = draw(*shape, dtype=dtype, seed=30 + step)
        (y * vg.tensor(weights)).sum().backward()
        (z * torch.tensor(weights)).sum().backward()
        np.testing.assert_allclose(values(a.grad), b.grad.numpy(), **close)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(values(p.grad), q.grad.numpy(), **close)
        mine, other = ours.state_dict(), theirs.state_dict()
        assert list(mine) == list(other)
        for key in mine:
            np.testing.assert_allclose(values(mine[key]), other[key].numpy(), **close)


def test_state_dict_of_pytorch_loads() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.BatchNorm2d(3)
    for step in range(3):
        theirs(torch.tensor(draw(2, 3, 4, 4, dtype="float32", seed=step)))
    ours = nn.BatchNorm2d(3)
    ours.load_state_dict({key: vg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = draw(2, 3, 4, 4, dtype="float32", seed=8)
    np.testing.assert_allclose(
        values(ours.eval()(vg.tensor(x))),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("function", [F.batch_norm, F.instance_norm])
def test_running_statistics_that_share_memory_are_refused(function: Callable[..., Any]) -> None:
    x, shared = vg.randn(4, 3, 5), vg.zeros(1).expand(3)
    training = {"training": True} if function is F.batch_norm else {"use_input_stats": True}
    for statistics in ((shared, vg.zeros(3)), (vg.zeros(3), shared)):
        with pytest.raises(RuntimeError, match="single memory"):
            function(x, *statistics, **training)
        assert [t.tolist() for t in statistics] == [[0.0] * 3] * 2


STATEFUL = [lambda: nn.BatchNorm1d(2), lambda: nn.InstanceNorm1d(2, track_running_stats=True)]


@pytest.mark.parametrize("make", STATEFUL)
def test_old_state_dicts_have_no_number_of_batches(make):
    layer = make()
    model = nn.Sequential(nn.Linear(2, 2), layer)
    state = model.state_dict()
    assert state._metadata["1"] == {"version": 2}
    old = {key: value + 1 for key, value in state.items() if "num_batches" not in key}
    assert not any(model.load_state_dict(old))
    assert layer.running_mean.tolist() == [1.0, 1.0] and layer.num_batches_tracked.item() == 0
    del state["1.num_batches_tracked"]  # of a dict that says that it is new
    with pytest.raises(RuntimeError, match="Missing key.*num_batches_tracked"):
        model.load_state_dict(state)
