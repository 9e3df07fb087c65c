"""nn.init: truncated normal, identities, orthogonal and sparse matrices, LeCun's scales."""

import math
import warnings

import numpy as np
import pytest

import verigrad as vg
from verigrad.nn import init

N = 40_000


def cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def truncated_moments(mean, std, a, b):
    """Mean and variance of the truncated normal by the midpoint rule over [a, b]."""
    x = a + (b - a) * (np.arange(200_000) + 0.5) / 200_000
    log_density = -0.5 * ((x - mean) / std) ** 2
    weights = np.exp(log_density - log_density.max())
    weights /= weights.sum()
    centre = (weights * x).sum()
    return centre, (weights * (x - centre) ** 2).sum()


# -- trunc_normal_ -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [vg.float32, vg.float64], ids=str)
@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.5, 2.0, -1.0, 6.0),
        (0.0, 1.0, -0.1, 0.2),  # little mass around the mean
        (0.0, 1.0, 0.0, 0.1),
        (0.0, 1.0, 1.0, 1.5),  # a short interval on the side
        (0.0, 1.0, 1.5, 9.0),  # a tail
        (1.0, 0.5, -9.0, 0.2),  # the other one
    ],
)
def test_truncated_normal(mean, std, a, b, dtype):
    vg.manual_seed(3)
    tensor = vg.empty(N, dtype=dtype, requires_grad=True)
    assert init.trunc_normal_(tensor, mean, std, a, b) is tensor and tensor.is_leaf
    values = tensor.detach().numpy().astype(np.float64)
    ends = vg.tensor([a, b], dtype=dtype).tolist()
    assert ends[0] <= values.min() and values.max() <= ends[1]
    centre, variance = truncated_moments(mean, std, a, b)
    assert abs(values.mean() - centre) < 6 * math.sqrt(variance / N)
    # The standard error of a variance follows from the fourth moment; the sample's own serves here.
    fourth = ((values - centre) ** 4).mean()
    assert abs(((values - centre) ** 2).mean() - variance) < 6 * math.sqrt(fourth / N)
    # Dvoretzky, Kiefer and Wolfowitz: P(sup |F_n - F| > d) <= 2 exp(-2 n d^2), 1e-9 for this d.
    distance = math.sqrt(math.log(2e9) / (2 * N))
    mass = cdf((b - mean) / std) - cdf((a - mean) / std)
    points = np.sort(values)[:: N // 200]
    exact = np.array([(cdf((x - mean) / std) - cdf((a - mean) / std)) / mass for x in points])
    empirical = np.searchsorted(np.sort(values), points, side="right") / N
    assert np.abs(exact - empirical).max() < distance + 1 / N


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_truncated_normal_far_out(sign):
    a, b = sorted((sign * 20.0, sign * math.inf))
    with pytest.warns(UserWarning, match="more than 2 std from"):
        values = init.trunc_normal_(vg.empty(N, dtype=vg.float64), a=a, b=b).numpy() * sign
    # Beyond 20 the excess is nearly exponential of rate 20: mean 1/20 (1 - 2/20^2 + ...), deviation 1/20.
    assert values.min() >= 20
    assert abs((values - 20).mean() - 0.05 * (1 - 2 / 400)) < 6 * 0.05 / math.sqrt(N) + 0.05 * 1e-4


def test_truncated_normal_of_one_point_and_of_everything():
    assert set(init.trunc_normal_(vg.empty(5), a=1.0, b=1.0).tolist()) == {1.0}
    values = init.trunc_normal_(vg.empty(N), a=-math.inf, b=math.inf).numpy()
    assert abs(values.mean()) < 6 / math.sqrt(N)
    assert init.trunc_normal_(vg.empty(0, 3)).shape == (0, 3)
    base = vg.zeros(4, 6)
    init.trunc_normal_(base.t()[1:3], a=0.5, b=1.0)
    assert (base != 0).sum().item() == 8 and base[:, 1:3].min().item() >= 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"a": 2.0, "b": 1.0},
        {"std": 0.0},
        {"std": -1.0},
        {"std": math.nan},
        {"mean": math.inf},
        {"a": math.nan},
        {"b": math.nan},
        {"a": math.inf, "b": math.inf},
    ],
    ids=str,
)
def test_truncated_normal_errors(options):
    tensor = vg.ones(3)
    with pytest.raises(RuntimeError, match="trunc_normal_: expected"):
        init.trunc_normal_(tensor, **options)
    assert tensor.tolist() == [1.0, 1.0, 1.0]


# -- identities ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (0, 3), (1, 1)])
def test_eye(shape):
    tensor = vg.ones(shape, requires_grad=True)
    assert init.eye_(tensor) is tensor and tensor.requires_grad
    assert np.array_equal(tensor.detach().numpy(), np.eye(*shape))
    transposed = vg.ones(shape).t()
    assert np.array_equal(init.eye_(transposed).numpy(), np.eye(*shape[::-1]))


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize(
    "shape", [(6, 4, 3), (6, 2, 3, 3), (6, 3, 4, 5), (6, 6, 1, 2, 3), (6, 0, 3), (0, 3, 3)]
)
def test_dirac(shape, groups):
    expected = np.zeros(shape)
    size = shape[0] // groups
    for out in range(shape[0]):
        if out % size < shape[1]:
            expected[(out, out % size, *(k // 2 for k in shape[2:]))] = 1
    assert np.array_equal(init.dirac_(vg.ones(shape), groups).numpy(), expected)
    torch = pytest.importorskip("torch")
    if 0 not in shape:
        assert np.array_equal(torch.nn.init.dirac_(torch.ones(shape), groups).numpy(), expected)


# -- orthogonal_ ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [vg.float32, vg.float64], ids=str)
@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (5, 2, 3), (6, 2, 2, 2), (1, 5), (5, 1), (1, 1)])
def test_orthogonal(shape, dtype):
    tensor = vg.empty(shape, dtype=dtype, requires_grad=True)
    assert init.orthogonal_(tensor, gain=2.0) is tensor and tensor.requires_grad
    matrix = tensor.detach().numpy().reshape(shape[0], -1).astype(np.float64)
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    epsilon = {vg.float32: 2.0**-23, vg.float64: 2.0**-52}[dtype]
    # Entries of Q are off by half an epsilon of the dtype, products of unit vectors by a few of those.
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=4 * 8 * epsilon, rtol=0)


def test_orthogonal_is_uniform():
    # Under Haar measure Q, -Q and any rotation of Q are equally likely: the entries have mean 0 and variance
    # 1/n, the trace has mean 0 and variance 1 (n >= 2). Without the signs of R the trace has another mean.
    vg.manual_seed(0)
    n, draws = 3, 4000
    q = np.stack([init.orthogonal_(vg.empty(n, n)).numpy() for _ in range(draws)]).astype(np.float64)
    traces = np.trace(q, axis1=1, axis2=2)
    assert abs(traces.mean()) < 6 / math.sqrt(draws)
    assert abs((traces**2).mean() - 1) < 6 * math.sqrt(((traces**2 - 1) ** 2).mean() / draws)
    assert np.abs(q.mean(axis=0)).max() < 6 / math.sqrt(n * draws)
    assert abs((np.linalg.det(q) > 0).mean() - 0.5) < 6 * 0.5 / math.sqrt(draws)


def test_orthogonal_of_nothing():
    assert init.orthogonal_(vg.empty(0, 3)).shape == (0, 3)
    assert init.orthogonal_(vg.empty(3, 0)).shape == (3, 0)


# -- sparse_ -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(10, 7), (7, 10), (1, 3), (3, 1), (0, 3), (3, 0)])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 1.0])
def test_sparse(shape, sparsity):
    tensor = vg.ones(shape, requires_grad=True)
    assert init.sparse_(tensor, sparsity) is tensor and tensor.is_leaf
    zeros = (tensor.detach().numpy() == 0).sum(axis=0)
    assert (zeros == math.ceil(sparsity * shape[0])).all()


def test_sparse_values_and_places():
    values = init.sparse_(vg.empty(40, 2000), 0.25, std=3.0).numpy()
    kept = values[values != 0]
    assert abs(kept.std() - 3) < 6 * 3 / math.sqrt(2 * kept.size)
    assert abs(kept.mean()) < 6 * 3 / math.sqrt(kept.size)
    # Each row is zero in a quarter of the columns.
    shares = (values == 0).mean(axis=1)
    assert np.abs(shares - 0.25).max() < 6 * math.sqrt(0.25 * 0.75 / 2000)


# -- LeCun ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 50), (40, 10, 5), (40, 10, 3, 3)])
def test_lecun(shape):
    vg.manual_seed(1)
    variance = 1 / math.prod(shape[1:])
    size = math.prod(shape)
    for name, fourth in (("lecun_normal_", 3), ("lecun_uniform_", 9 / 5)):
        values = getattr(init, name)(vg.empty(shape)).numpy().astype(np.float64)
        assert abs((values**2).mean() / variance - 1) < 6 * math.sqrt((fourth - 1) / size), name
        assert abs(values.mean()) < 6 * math.sqrt(variance / size)
    assert np.abs(values).max() <= math.sqrt(3 * variance) * (1 + 1e-6)


def test_selu_keeps_its_fixed_point_with_lecun():
    # Klambauer et al. 2017: mean 0 and variance 1 are kept by layers of variance 1 / fan_in followed by SELU.
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    vg.manual_seed(2)
    x = vg.randn(400, 300).numpy()
    for _ in range(20):
        x = x @ init.lecun_normal_(vg.empty(300, 300)).numpy().T
        x = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    assert abs(x.mean()) < 0.1 and abs(x.std() - 1) < 0.15


# -- all of them ---------------------------------------------------------------------------------------------

DRAWS = {
    "trunc_normal_": (),
    "lecun_uniform_": (),
    "lecun_normal_": (),
    "orthogonal_": (),
    "sparse_": (0.5,),
}


@pytest.mark.parametrize("name", DRAWS)
def test_generator(name):
    def draw(seed):
        generator = vg.Generator(vg.get_default_device()).manual_seed(seed)
        return getattr(init, name)(vg.empty(6, 4), *DRAWS[name], generator=generator).tolist()

    state = vg.get_rng_state()
    assert draw(5) == draw(5) != draw(6)
    assert vg.equal(vg.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lib: lib.nn.init.eye_(lib.ones(3)), "Only tensors with 2 dimensions are supported"),
        (lambda lib: lib.nn.init.sparse_(lib.ones(3), 0.5), "Only tensors with 2 dimensions are supported"),
        (lambda lib: lib.nn.init.orthogonal_(lib.ones(3)), "Only tensors with 2 or more dimensions"),
        (lambda lib: lib.nn.init.dirac_(lib.ones(3, 3)), "Only tensors with 3, 4, or 5 dimensions"),
        (lambda lib: lib.nn.init.dirac_(lib.ones(3, 3, 3), 2), "dim 0 must be divisible by groups"),
    ],
)
def test_errors_are_those_of_torch(call, message):
    with pytest.raises(ValueError, match=message):
        call(vg)
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=message):
        call(torch)


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, math.nan])
def test_sparsity_is_checked(sparsity):
    with pytest.raises(ValueError, match="sparse_: expected sparsity between 0 and 1"):
        init.sparse_(vg.ones(3, 3), sparsity)


@pytest.mark.parametrize("groups", [0, -1])
def test_groups_are_checked(groups):
    with pytest.raises(ValueError, match="dirac_: expected groups to be positive"):
        init.dirac_(vg.ones(3, 3, 3), groups)


@pytest.mark.parametrize("name", ["lecun_uniform_", "lecun_normal_"])
def test_lecun_of_vectors_and_of_nothing(name):
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        getattr(init, name)(vg.ones(3))
    with pytest.warns(UserWarning, match="zero-element"):
        assert getattr(init, name)(vg.empty(0, 2)).numel() == 0


def test_no_warning_within_two_deviations():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init.trunc_normal_(vg.empty(3), mean=3.9)
