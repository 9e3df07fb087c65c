"""Adafactor, Muon and Shampoo: against their formulas, against torch, and bad input."""

import itertools

import numpy as np
import pytest

import verigrad as vg
from verigrad import optim
from verigrad.optim.muon import orthogonal
from verigrad.optim.shampoo import inverse_root

SHAPES = [(3, 4), (5,), (), (0,), (4, 2, 3), (2, 7)]


def parameters(lib, values):
    return [lib.tensor(value, dtype=lib.float64).requires_grad_() for value in values]


def run(lib, name, values, steps, **options):
    """The parameters and states of an optimizer after steps on a gradient that depends on them."""
    params = parameters(lib, values)
    optimizer = getattr(lib.optim, name)(params, **options)
    for step in range(steps):
        for param in params:
            value = param.detach().numpy()
            param.grad = lib.tensor(np.cos(value + step) + 0.1 * value, dtype=lib.float64)
        optimizer.step()
    return params, optimizer


def combinations(**choices):
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


def assert_close(ours, theirs):
    scale = np.abs(theirs).max(initial=1e-300)
    assert np.abs(ours - theirs).max(initial=0) <= 1e-12 * scale


ADAFACTOR = [
    {},
    *combinations(
        lr=[0.1, 0.01],
        beta2_decay=[-0.8, -0.1],
        eps=[(None, 1e-3), (1e-2, 0.5)],
        d=[1.0, 2.0],
        weight_decay=[0, 0.1],
        maximize=[False, True],
    ),
]
MUON = [
    {},
    *combinations(
        lr=[0.1],
        weight_decay=[0, 0.1],
        momentum=[0.0, 0.3, 0.95],
        nesterov=[False, True],
        ns_steps=[0, 5],
        adjust_lr_fn=["original", "match_rms_adamw"],
    ),
]


@pytest.mark.parametrize("options", ADAFACTOR, ids=str)
def test_adafactor_against_torch(options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    # torch divides by the number of elements, which must not be 0
    values = [rng.normal(size=shape) for shape in SHAPES if 0 not in shape]
    ours, theirs = run(vg, "Adafactor", values, 20, **options), run(torch, "Adafactor", values, 20, **options)
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert_close(a.detach().numpy(), b.detach().numpy())
        own, other = ours[1].state[a], theirs[1].state[b]
        assert list(own) == list(other)
        for key, value in own.items():
            assert value.shape == other[key].shape
            assert_close(value.numpy(), other[key].numpy())


@pytest.mark.parametrize("options", MUON, ids=str)
def test_muon_against_torch(options, monkeypatch):
    torch = pytest.importorskip("torch")
    # torch computes the product in bfloat16; its formula is compared in float64.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in [(3, 4), (6, 2), (5, 5), (1, 3)]]
    ours, theirs = run(vg, "Muon", values, 20, **options), run(torch, "Muon", values, 20, **options)
    for a, b in zip(ours[0], theirs[0], strict=True):
        # Five steps that each multiply small singular values by 3.4 amplify rounding.
        scale = np.abs(b.detach().numpy()).max()
        assert np.abs(a.detach().numpy() - b.detach().numpy()).max() <= 1e-9 * scale


def test_muon_orthogonalises():
    rng = np.random.default_rng(0)
    for shape in [(4, 9), (9, 4), (6, 6)]:
        x = vg.tensor(rng.normal(size=shape))
        values = np.linalg.svd(orthogonal(x, (3.4445, -4.775, 2.0315), 5, 1e-7).numpy(), compute_uv=False)
        assert values.min() > 0.6 and values.max() < 1.3
        # The cubic iteration converges to the orthogonal factor itself.
        u, _, v = np.linalg.svd(x.numpy(), full_matrices=False)
        np.testing.assert_allclose(orthogonal(x, (1.5, -0.5, 0.0), 40, 1e-7).numpy(), u @ v, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    combinations(momentum=[0.0, 0.9], weight_decay=[0, 0.1], update_freq=[1, 3], maximize=[False, True]),
)
def test_shampoo_against_the_formula(options):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape) for shape in SHAPES]
    params, _ = run(vg, "Shampoo", values, 7, lr=0.1, **options)
    sums = [[1e-4 * np.eye(n) for n in value.shape or (1,)] for value in values]
    roots, buffers = [list(s) for s in sums], [np.zeros_like(value) for value in values]
    for step in range(7):
        for k, value in enumerate(values):
            grad = np.cos(value + step) + 0.1 * value
            grad = (-grad if options["maximize"] else grad) + options["weight_decay"] * value
            g = d = np.atleast_1d(grad)
            for dim in range(g.ndim):
                rows = np.moveaxis(g, dim, 0).reshape(g.shape[dim], g.size // max(g.shape[dim], 1))
                sums[k][dim] = sums[k][dim] + rows @ rows.T
                if step % options["update_freq"] == 0 and value.size:
                    w, v = np.linalg.eigh(sums[k][dim])
                    roots[k][dim] = v @ np.diag(w ** (-1 / (2 * g.ndim))) @ v.T
                d = np.moveaxis(np.tensordot(roots[k][dim], d, (1, dim)), 0, dim)
            buffers[k] = options["momentum"] * buffers[k] + d.reshape(value.shape)
            values[k] = value - 0.1 * buffers[k]
    for param, value in zip(params, values, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=1e-8, atol=1e-9)


def test_inverse_root():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    matrix = root @ root.T + np.eye(5)
    found = inverse_root(vg.tensor(matrix), 4).numpy()
    np.testing.assert_allclose(np.linalg.matrix_power(found, 4) @ matrix, np.eye(5), atol=1e-10)
    singular = inverse_root(vg.tensor(np.diag([1.0, 0.0])), 2).numpy()
    assert np.isfinite(singular).all()


@pytest.mark.parametrize("name", ["Adafactor", "Muon", "Shampoo"])
def test_float32_and_resuming(name):
    def steps(optimizer, param, count):
        for _ in range(count):
            param.grad = param.detach().cos()
            optimizer.step()

    ends = []
    for pause in (False, True):
        param = vg.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]], requires_grad=True)
        optimizer = getattr(optim, name)([param], lr=0.1)
        steps(optimizer, param, 3)
        if pause:
            param = param.detach().clone().requires_grad_()
            resumed = getattr(optim, name)([param])
            resumed.load_state_dict(optimizer.state_dict())
            optimizer = resumed
        steps(optimizer, param, 3)
        assert param.dtype == vg.float32
        ends.append(param.tolist())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("Adafactor", {"lr": -1.0}, ValueError, "Learning rate should be >= 0 but is: -1.0"),
        ("Adafactor", {"beta2_decay": 0.1}, ValueError, "beta2_decay should be <= 0 but is: 0.1"),
        ("Adafactor", {"eps": (-1.0, 0.1)}, ValueError, "epsilon1 should be >= 0 but is: -1.0"),
        ("Adafactor", {"eps": (None, -0.1)}, ValueError, "epsilon2 should be >= 0 but is: -0.1"),
        ("Adafactor", {"eps": 1e-3}, TypeError, "expected eps to be a pair of numbers, got 0.001"),
        ("Adafactor", {"d": 0.5}, ValueError, "Clipping threshold d should be >= 1 but is: 0.5"),
        ("Adafactor", {"weight_decay": -0.1}, ValueError, "weight_decay should be >= 0 but is: -0.1"),
        ("Muon", {"lr": -1.0}, ValueError, "Learning rate should be >= 0 but is: -1.0"),
        ("Muon", {"momentum": -1.0}, ValueError, "momentum should be >= 0 but is: -1.0"),
        ("Muon", {"weight_decay": -1.0}, ValueError, "weight decay should be >= 0 but is: -1.0"),
        (
            "Muon",
            {"adjust_lr_fn": "other"},
            ValueError,
            "Adjust learning rate function other is not supported",
        ),
        ("Muon", {"ns_steps": 100}, ValueError, r"expected ns_steps to be an int in \[0, 100\), got 100"),
        ("Muon", {"ns_coefficients": (1.0,)}, ValueError, "expected ns_coefficients to be three numbers"),
        ("Shampoo", {"eps": 0.0}, ValueError, "Invalid eps value: 0.0"),
        ("Shampoo", {"update_freq": 0}, ValueError, "expected update_freq to be a positive int, got 0"),
        ("Shampoo", {"momentum": -0.1}, ValueError, "Invalid momentum value: -0.1"),
    ],
)
def test_bad_options(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(optim, name)([vg.ones(2, 2, requires_grad=True)], **options)


def test_muon_takes_matrices_alone():
    with pytest.raises(ValueError, match=r"Muon only supports 2D parameters .* size: .*\[3\]"):
        optim.Muon([vg.ones(3, requires_grad=True)])
    optimizer = optim.Muon([vg.ones(2, 2, requires_grad=True)])
    with pytest.raises(ValueError, match="Muon only supports 2D"):
        optimizer.add_param_group({"params": [vg.ones(2, 2, 2, requires_grad=True)]})
    assert len(optimizer.param_groups) == 1
