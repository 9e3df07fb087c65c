"""nn.init: ranges, moments, gains, errors."""

import inspect
import math

import numpy as np
import pytest

import verigrad as vg
from verigrad.nn import init

SHAPE = (40, 30, 3, 2)
FAN_IN, FAN_OUT = 30 * 6, 40 * 6


def fill(function, *args, **kwargs):
    vg.manual_seed(0)
    tensor = vg.zeros(*SHAPE, requires_grad=True)
    assert function(tensor, *args, **kwargs) is tensor
    assert tensor.requires_grad and tensor.is_leaf
    return tensor.detach().numpy().ravel()


def check_uniform(values, low, high):
    assert low <= values.min() and values.max() <= high
    width = high - low
    # Six standard errors of the mean of a uniform sample; the extremes come within a thousandth of the ends.
    assert abs(values.mean() - (low + high) / 2) < 6 * width / math.sqrt(12 * values.size)
    assert values.min() < low + width / 1000 and values.max() > high - width / 1000


def check_normal(values, mean, std):
    # Six standard errors of mean and standard deviation, and the share within one standard deviation.
    assert abs(values.mean() - mean) < 6 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 6 * std / math.sqrt(2 * values.size)
    within = (np.abs(values - mean) < std).mean()
    assert abs(within - math.erf(math.sqrt(0.5))) < 6 * 0.5 / math.sqrt(values.size)


def test_uniform():
    check_uniform(fill(init.uniform_), 0.0, 1.0)
    check_uniform(fill(init.uniform_, -3.0, 5.0), -3.0, 5.0)


def test_normal():
    check_normal(fill(init.normal_), 0.0, 1.0)
    check_normal(fill(init.normal_, 2.0, 0.5), 2.0, 0.5)


def test_constants():
    assert set(fill(init.constant_, 2.5)) == {2.5}
    assert set(fill(init.ones_)) == {1.0}
    assert set(fill(init.zeros_)) == {0.0}


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_xavier(gain):
    std = gain * math.sqrt(2 / (FAN_IN + FAN_OUT))
    check_uniform(fill(init.xavier_uniform_, gain), -std * math.sqrt(3), std * math.sqrt(3))
    check_normal(fill(init.xavier_normal_, gain=gain), 0.0, std)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(
    ("nonlinearity", "a", "gain"),
    [
        ("leaky_relu", 0, math.sqrt(2)),
        ("leaky_relu", math.sqrt(5), math.sqrt(1 / 3)),
        ("relu", 0, math.sqrt(2)),
        ("tanh", 0, 5 / 3),
    ],
)
def test_kaiming(mode, nonlinearity, a, gain):
    std = gain / math.sqrt({"fan_in": FAN_IN, "fan_out": FAN_OUT}[mode])
    options = {"a": a, "mode": mode, "nonlinearity": nonlinearity}
    check_uniform(fill(init.kaiming_uniform_, **options), -std * math.sqrt(3), std * math.sqrt(3))
    check_normal(fill(init.kaiming_normal_, **options), 0.0, std)


RANDOM = ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"]


@pytest.mark.parametrize("name", RANDOM)
def test_generator(name):
    def draw(seed):
        generator = vg.Generator(vg.get_default_device())
        generator.manual_seed(seed)
        return getattr(init, name)(vg.empty(3, 4), generator=generator).tolist()

    vg.manual_seed(1)
    state = vg.get_rng_state()
    assert draw(5) == draw(5) != draw(6)
    assert vg.equal(vg.get_rng_state(), state)


@pytest.mark.parametrize(
    ("args", "gain"),
    [
        (("linear",), 1.0),
        (("conv2d",), 1.0),
        (("conv_transpose3d",), 1.0),
        (("sigmoid",), 1.0),
        (("tanh",), 5 / 3),
        (("relu",), math.sqrt(2)),
        (("leaky_relu",), math.sqrt(2 / (1 + 0.01**2))),
        (("leaky_relu", 0.2), math.sqrt(2 / 1.04)),
        (("selu",), 0.75),
    ],
)
def test_gain(args, gain):
    assert init.calculate_gain(*args) == pytest.approx(gain, rel=1e-15)


def test_relu_gain_keeps_the_second_moment():
    # He et al. 2015: half of a symmetric distribution survives, so a gain of sqrt(2) restores E[x^2].
    x = np.random.default_rng(0).normal(size=1_000_000)
    assert (np.maximum(x, 0) ** 2).mean() * init.calculate_gain("relu") ** 2 == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.calculate_gain("cube"), ValueError, "Unsupported nonlinearity cube"),
        (
            lambda: init.calculate_gain("leaky_relu", True),
            ValueError,
            "negative_slope True not a valid number",
        ),
        (lambda: init.calculate_gain("leaky_relu", "a"), ValueError, "negative_slope a not a valid number"),
        (lambda: init.xavier_uniform_(vg.ones(3)), ValueError, "fewer than 2 dimensions"),
        (lambda: init.xavier_normal_(vg.ones(3)), ValueError, "fewer than 2 dimensions"),
        (lambda: init.kaiming_uniform_(vg.ones(3)), ValueError, "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(vg.ones(3, 3), mode="fan"), ValueError, "Mode fan not supported"),
        (
            lambda: init.kaiming_normal_(vg.ones(3, 3), nonlinearity="x"),
            ValueError,
            "Unsupported nonlinearity x",
        ),
        (lambda: init.uniform_(vg.ones(3), 2.0, 1.0), RuntimeError, "from"),
        (lambda: init.normal_(vg.ones(3), 0.0, -1.0), RuntimeError, "std"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
def test_empty_tensors_warn(name):
    with pytest.warns(UserWarning, match="zero-element"):
        assert getattr(init, name)(vg.empty(0, 2)).numel() == 0


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_"])
def test_empty_tensors_stay_empty(name):
    assert getattr(init, name)(vg.empty(0, 0)).numel() == 0


def test_in_place_on_non_contiguous_tensors():
    base = vg.zeros(4, 6)
    init.constant_(base.t()[1:3], 1.0)
    assert base.sum().item() == 8.0 and base[:, 1:3].sum().item() == 8.0


def test_names_and_signatures_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name in init.__all__:
        if name.startswith("lecun"):
            continue  # beyond PyTorch
        own, other = (
            [(p.name, p.default) for p in inspect.signature(getattr(lib, name)).parameters.values()]
            for lib in (init, torch.nn.init)
        )
        assert own == other, name
