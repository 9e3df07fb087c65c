"""LBFGS, BFGS and ConjugateGradient: against torch, on functions with a known minimum, and bad input."""

import numpy as np
import pytest

import verigrad as vg
from verigrad import optim
from verigrad.optim.line_search import Point, strong_wolfe

METHODS = {
    "LBFGS": {"line_search_fn": "strong_wolfe"},
    "BFGS": {},
    "ConjugateGradient-PR": {"method": "polak_ribiere"},
    "ConjugateGradient-FR": {"method": "fletcher_reeves"},
}


def make(name, params, **options):
    return getattr(optim, name.split("-")[0])(params, **{**METHODS[name], **options})


def rosenbrock(x):
    """H. H. Rosenbrock 1960; the minimum 0 is at (1, ..., 1)."""
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def beale(x):
    """E. M. L. Beale 1958; the minimum 0 is at (3, 0.5)."""
    a, b = x[0], x[1]
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


FUNCTIONS = {"rosenbrock": (rosenbrock, [-1.2, 1.0], [1.0, 1.0]), "beale": (beale, [1.0, 1.0], [3.0, 0.5])}


def closure_of(optimizer, function, *params):
    def closure():
        optimizer.zero_grad()
        loss = function(*params)
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_minimum_is_found(name, function):
    f, start, minimum = FUNCTIONS[function]
    x = vg.tensor(start, dtype=vg.float64, requires_grad=True)
    optimizer = make(name, [x], tolerance_grad=1e-12, tolerance_change=1e-16)
    closure = closure_of(optimizer, f, x)
    first = optimizer.step(closure).item()
    assert first == f(vg.tensor(start, dtype=vg.float64)).item()
    for _ in range(30):
        optimizer.step(closure)
    np.testing.assert_allclose(x.tolist(), minimum, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_quadratic_takes_few_directions(name):
    """In n dimensions conjugate directions, also those of BFGS, need n of them."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    a, b = vg.tensor(root @ root.T + np.eye(6)), vg.tensor(rng.normal(size=6))
    x = vg.zeros(6, dtype=vg.float64, requires_grad=True)
    optimizer = make(name, [x], max_iter=40, max_eval=400, tolerance_grad=1e-9, tolerance_change=1e-18)
    optimizer.step(closure_of(optimizer, lambda x: (x @ a @ x) / 2 - b @ x, x))
    np.testing.assert_allclose(x.tolist(), np.linalg.solve(a.numpy(), b.numpy()), rtol=1e-6)
    assert optimizer.state[x]["n_iter"] <= 30


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.1, "history_size": 3}, {"max_iter": 4}, {"max_eval": 6}, {"tolerance_change": 1e-3}],
)
@pytest.mark.parametrize("function", ["rosenbrock", "beale", "net"])
def test_lbfgs_against_torch(function, options, search):
    torch = pytest.importorskip("torch")
    if search is None and function != "net":
        options = {**options, "lr": 1e-3}  # longer steps leave for infinity
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 1))
    starts = [rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=(1, 5)), rng.normal(size=1)]
    ends, losses, states = [], [], []
    for lib in (vg, torch):
        if function == "net":
            params = [lib.tensor(start, dtype=lib.float64).requires_grad_() for start in starts]

            def f(w, b, v, c, lib=lib):
                h = lib.tanh(lib.tensor(x) @ w.t() + b)
                return ((h @ v.t() + c - lib.tensor(y)) ** 2).mean()
        else:
            f, start, _ = FUNCTIONS[function]
            params = [lib.tensor(start, dtype=lib.float64).requires_grad_()]
        optimizer = lib.optim.LBFGS(params, line_search_fn=search, **options)
        losses.append([optimizer.step(closure_of(optimizer, f, *params)).item() for _ in range(3)])
        ends.append(np.concatenate([param.detach().numpy().ravel() for param in params]))
        state = optimizer.state[params[0]]
        states.append((state["func_evals"], state["n_iter"], len(state["old_dirs"])))
    assert states[0] == states[1]
    # Directions amplify the rounding of the losses that they are computed from.
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-8)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_resuming_continues_with_the_same_bits(name):
    def run(pause):
        x = vg.tensor([-1.2, 1.0], dtype=vg.float64, requires_grad=True)
        optimizer = make(name, [x], max_iter=3)
        for _ in range(2):
            optimizer.step(closure_of(optimizer, rosenbrock, x))
        if pause:
            saved = optimizer.state_dict()
            x = x.detach().clone().requires_grad_()
            optimizer = make(name, [x], max_iter=3)
            optimizer.load_state_dict(saved)
        for _ in range(2):
            optimizer.step(closure_of(optimizer, rosenbrock, x))
        return x.tolist()

    assert run(True) == run(False)


def test_state_of_torch():
    torch = pytest.importorskip("torch")
    ends = []
    saved = None
    for lib in (torch, vg):
        x = lib.tensor([-1.2, 1.0], dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=4)
        if saved is not None:
            optimizer.load_state_dict(saved[1])
            with lib.no_grad():
                x.copy_(lib.tensor(saved[0]))
        else:
            optimizer.step(closure_of(optimizer, rosenbrock, x))

            def ours(value):
                if isinstance(value, torch.Tensor):
                    return vg.tensor(value.numpy())
                return [ours(item) for item in value] if isinstance(value, list) else value

            packed = optimizer.state_dict()
            packed["state"] = {0: {key: ours(value) for key, value in packed["state"][0].items()}}
            saved = x.detach().numpy().copy(), packed
        optimizer.step(closure_of(optimizer, rosenbrock, x))
        ends.append(x.detach().numpy())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-10)


def test_parameters_without_a_gradient_stay():
    x, y = (vg.tensor([v], dtype=vg.float64, requires_grad=True) for v in (3.0, 4.0))
    optimizer = make("LBFGS", [x, y])
    optimizer.step(closure_of(optimizer, lambda x: (x * x).sum(), x))
    assert abs(x.item()) < 1e-6 and y.item() == 4.0


def test_a_loss_that_is_nan_ends_the_step():
    x = vg.tensor([1.0], requires_grad=True)
    for name in METHODS:
        optimizer = make(name, [x])
        optimizer.step(closure_of(optimizer, lambda x: (x * float("nan")).sum(), x))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": -1.0}, ValueError, "Invalid learning rate: -1.0"),
        ({"max_iter": 0, "max_eval": 1}, ValueError, "expected max_iter to be a positive int, got 0"),
        ({"max_eval": 2.5}, ValueError, "expected max_eval to be a positive int, got 2.5"),
        ({"tolerance_grad": float("nan")}, ValueError, "Invalid tolerance_grad: nan"),
    ],
)
def test_bad_options(name, options, error, message):
    with pytest.raises(error, match=message):
        make(name, [vg.ones(2, requires_grad=True)], **options)


def test_bad_options_of_one():
    x = vg.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="only 'strong_wolfe' is supported as line_search_fn, got 'armijo'"
    ):
        optim.LBFGS([x], line_search_fn="armijo")
    with pytest.raises(ValueError, match="expected history_size to be a positive int, got 0"):
        optim.LBFGS([x], history_size=0)
    with pytest.raises(ValueError, match="expected method 'polak_ribiere' or 'fletcher_reeves', got 'pr'"):
        optim.ConjugateGradient([x], method="pr")
    with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
        optim.LBFGS([{"params": [x]}, {"params": [vg.ones(1, requires_grad=True)]}])
    with pytest.raises(TypeError, match="LBFGS: expected step to get a closure, got NoneType"):
        optim.LBFGS([x]).step(None)


def test_the_line_search_satisfies_the_wolfe_conditions():
    def point(t):
        # A curved valley: the first trial is far too short, another far too long.
        slope = -1.0 + 0.3 * t**2 - 0.2 * np.cos(3 * t)
        return Point(t, -t + 0.1 * t**3 - 0.2 * np.sin(3 * t) / 3, vg.tensor([slope]), slope)

    start = point(0.0)
    for t in (1e-3, 0.5, 2.0, 50.0):
        found, count = strong_wolfe(point, start, t, size=1.0, max_evals=25)
        assert 1 <= count <= 26
        assert found.loss <= start.loss + 1e-4 * found.t * start.slope
        assert abs(found.slope) <= 0.9 * abs(start.slope)
