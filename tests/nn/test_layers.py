"""Linear, Identity, Flatten and the activations against numpy."""

import inspect

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def test_linear_is_an_affine_map():
    layer = nn.Linear(3, 5)
    assert tuple(layer.weight.shape) == (5, 3) and tuple(layer.bias.shape) == (5,)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    for x in (X, X[0], X.reshape(2, 2, 3), X[:0]):
        result = layer(vg.tensor(x)).detach().numpy()
        assert result.shape == (*x.shape[:-1], 5)
        np.testing.assert_allclose(result, x @ weight.T + bias, rtol=1e-5, atol=1e-6)


def test_linear_gradients():
    layer = nn.Linear(3, 2, dtype=vg.float64)
    x = X.astype(np.float64)
    layer(vg.tensor(x)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.ones((4, 2)).T @ x, rtol=1e-12)
    assert layer.bias.grad.tolist() == [4.0, 4.0]


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False, dtype=vg.float64)
    assert layer.bias is None and list(layer.state_dict()) == ["weight"]
    assert layer.weight.dtype == vg.float64
    assert not layer(vg.zeros(3, dtype=vg.float64)).any()
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=False)"


def test_linear_starts_uniform_within_its_bound():
    vg.manual_seed(0)
    layer = nn.Linear(100, 400)
    values = np.concatenate([layer.weight.detach().numpy().ravel(), layer.bias.detach().numpy()])
    assert np.abs(values).max() <= 0.1
    # A uniform sample of n has mean 0 and standard deviation bound/sqrt(3); six standard errors are allowed.
    assert abs(values.mean()) < 6 * 0.1 / np.sqrt(3 * values.size)
    assert abs(values.std() / (0.1 / np.sqrt(3)) - 1) < 0.02


def test_linear_starts_are_repeatable():
    def draw():
        vg.manual_seed(7)
        return nn.Linear(5, 4).weight.tolist()

    assert draw() == draw()


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0)])
def test_empty_linear(sizes):
    with pytest.warns(UserWarning, match="zero-element"):
        layer = nn.Linear(*sizes)
    result = layer(vg.ones(3, sizes[0]))
    assert tuple(result.shape) == (3, sizes[1]) and not result.any()


@pytest.mark.parametrize(
    ("sizes", "error"), [((-1, 2), RuntimeError), ((2, -1), RuntimeError), ((2.5, 2), TypeError)]
)
def test_linear_sizes_are_checked(sizes, error):
    with pytest.raises(error):
        nn.Linear(*sizes)


def test_linear_input_is_checked():
    layer = nn.Linear(3, 2)
    with pytest.raises(RuntimeError):
        layer(vg.ones(4, 5))
    with pytest.raises(RuntimeError):
        layer(vg.ones(4, 3, dtype=vg.float64))


def test_identity():
    x = vg.tensor(X)
    assert nn.Identity(3, option=True)(x) is x
    assert repr(nn.Identity(3)) == "Identity()"


def test_flatten():
    x = vg.arange(24).reshape(2, 3, 4)
    assert tuple(nn.Flatten()(x).shape) == (2, 12)
    assert tuple(nn.Flatten(0)(x).shape) == (24,)
    assert tuple(nn.Flatten(0, 1)(x).shape) == (6, 4)
    assert vg.equal(nn.Flatten()(x), x.reshape(2, 12))
    assert repr(nn.Flatten(0)) == "Flatten(start_dim=0, end_dim=-1)"


def test_unflatten() -> None:
    x = vg.arange(24.0).reshape(2, 12)
    assert vg.equal(nn.Unflatten(1, (3, -1))(x), x.reshape(2, 3, 4))
    assert nn.Unflatten(-1, [3, 4])(x).data_ptr() == x.data_ptr()
    assert repr(nn.Unflatten(1, (3, 4))) == "Unflatten(dim=1, unflattened_size=(3, 4))"
    with pytest.raises(RuntimeError, match="multiply up"):
        nn.Unflatten(1, (5, 2))(x)
    for args in (("C", (3, 4)), (1, 12), (1, (3, 4.0))):
        with pytest.raises(TypeError, match="expected"):
            nn.Unflatten(*args)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        nn.Flatten(1, 7)(x)


def softmax(x, axis):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.Softmax(dim=1), lambda x: softmax(x, 1)),
        (nn.Softmax(dim=0), lambda x: softmax(x, 0)),
        (nn.LogSoftmax(dim=-1), lambda x: np.log(softmax(x, -1))),
    ],
    ids=lambda value: repr(value) if isinstance(value, nn.Module) else "formula",
)
def test_activations(layer, formula):
    x = vg.tensor(X)
    np.testing.assert_allclose(layer(x).numpy(), formula(X), rtol=1e-5, atol=1e-6)
    assert np.array_equal(x.numpy(), X)
    assert list(layer.parameters()) == [] and list(layer.state_dict()) == []


def test_softmax_without_dim_is_deprecated():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        result = nn.Softmax()(vg.tensor(X))
    np.testing.assert_allclose(result.numpy(), softmax(X, 1), rtol=1e-5)
    with pytest.warns(UserWarning, match="Implicit dimension choice for log_softmax"):
        nn.LogSoftmax()(vg.tensor(X))
    with pytest.raises(IndexError):
        nn.Softmax(dim=2)(vg.tensor(X))


def test_relu_in_place():
    x = vg.tensor([-1.0, 2.0], requires_grad=True)
    y = x * 1
    result = nn.ReLU(inplace=True)(y)
    assert result is y or result.data_ptr() == y.data_ptr()
    assert y.tolist() == [0.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"


def test_relu_in_place_refuses_leaves():
    x = vg.tensor([-1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        nn.ReLU(inplace=True)(x)
    assert x.tolist() == [-1.0, 2.0]


def test_signatures_are_those_of_torch():
    torch = pytest.importorskip("torch")
    names = [name for name, value in vars(nn).items() if isinstance(value, type)]
    assert len(names) >= 16
    for name in names:
        if name in ("Module", "Swish", "GaussianNoise") or "__init__" not in vars(getattr(nn, name)):
            continue
        own, other = (inspect.signature(getattr(lib, name)).parameters.values() for lib in (nn, torch.nn))
        if any(p.kind is p.VAR_POSITIONAL for p in other) and issubclass(getattr(nn, name), nn.RNNBase):
            continue  # PyTorch writes (*args, **kwargs)
        # Defaults that are functions are those of either library.
        ours, theirs = (
            [(p.name, getattr(p.default, "__name__", p.default)) for p in ps] for ps in (own, other)
        )
        assert ours == theirs, name


def test_module_methods_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name, ours in vars(nn.Module).items():
        if name.startswith("_") or not callable(ours) or name in ("state_dict", "to"):
            continue
        own = list(inspect.signature(ours).parameters)
        other = list(inspect.signature(getattr(torch.nn.Module, name)).parameters)
        if name != "forward":
            assert own == other, name
