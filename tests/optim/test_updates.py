"""Every rule of the core, found by introspection, over a grid of options, against papers and torch."""

import functools
import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn, optim
from verigrad.optim.native import NativeOptimizer
from verigrad.testing.reference import optim as reference

OPTIMIZERS = {
    name: value
    for name, value in vars(optim).items()
    if isinstance(value, type) and issubclass(value, NativeOptimizer)
}
# Optimizers that are made of the library's operations have tests of their own.
COMPOSED = {
    "Adafactor": "test_matrix_methods.py",
    "Muon": "test_matrix_methods.py",
    "Shampoo": "test_matrix_methods.py",
    "NormalizedGD": "test_normalized_gd.py",
    "LBFGS": "test_full_batch.py",
    "BFGS": "test_full_batch.py",
    "ConjugateGradient": "test_full_batch.py",
}
STEPS = 5
TORCH_STEPS = 20


# -- the formulas, in numpy ----------------------------------------------------------------------------------


class SgdFormula:
    """Sutskever et al. 2013, eq. 1-4, in the form in which the learning rate multiplies the buffer."""

    def __init__(self, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
        self.__dict__.update(locals())
        self.buffer = None

    def step(self, p, g):
        g = -g if self.maximize else g
        g = g + self.weight_decay * p
        if self.momentum:
            self.buffer = g if self.buffer is None else self.momentum * self.buffer + (1 - self.dampening) * g
            g = g + self.momentum * self.buffer if self.nesterov else self.buffer
        return p - self.lr * g

    def state(self):
        return {"momentum_buffer": self.buffer} if self.momentum else {}


class AdamFormula:
    """Kingma and Ba 2015, algorithm 1; Reddi et al. 2018 and Loshchilov and Hutter 2019, algorithm 2."""

    decoupled = False

    def __init__(
        self,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        maximize=False,
        decoupled_weight_decay=None,
    ):
        self.__dict__.update(locals())
        self.t, self.m, self.v, self.largest = 0, 0.0, 0.0, 0.0
        if decoupled_weight_decay is None:
            self.decoupled_weight_decay = self.decoupled

    def step(self, p, g):
        beta1, beta2 = self.betas
        g = -g if self.maximize else g
        if self.decoupled_weight_decay:
            p = p - self.lr * self.weight_decay * p
        else:
            g = g + self.weight_decay * p
        self.t += 1
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g**2
        self.largest = np.maximum(self.largest, self.v)
        mean = self.m / (1 - beta1**self.t)
        square = (self.largest if self.amsgrad else self.v) / (1 - beta2**self.t)
        return p - self.lr * mean / (np.sqrt(square) + self.eps)

    def state(self):
        largest = {"max_exp_avg_sq": self.largest} if self.amsgrad else {}
        return {"step": self.t, "exp_avg": self.m, "exp_avg_sq": self.v, **largest}


class AdamWFormula(AdamFormula):
    decoupled = True

    def __init__(self, weight_decay=1e-2, **options):
        super().__init__(weight_decay=weight_decay, **options)


class RuleFormula:
    """A rule of the verifier's references with the names of PyTorch's options."""

    def __init__(self, rule, states, defaults, **options):
        self.options = {"maximize": False, **defaults, **options}
        self.rule, self.names, self.arrays, self.kept = rule, states, None, None

    lr = property(None, lambda self, value: self.options.__setitem__("lr", value))

    def step(self, p, g):
        options = dict(self.options)
        start = options.pop("initial_accumulator_value", 0.0)
        if "betas" in options:
            options["beta1"], options["beta2"] = options.pop("betas")
        if self.rule == "rprop":
            start = options.pop("lr")
            options["eta_minus"], options["eta_plus"] = options.pop("etas")
            options["step_size_min"], options["step_size_max"] = options.pop("step_sizes")
        if self.rule == "rmsprop":
            self.names = ["square_avg"]
            self.names += ["momentum_buffer"] if options["momentum"] > 0 else []
            self.names += ["grad_avg"] if options["centered"] else []
        if self.arrays is None:
            self.kept = {"step": 0.0}
            if self.rule == "nadam":
                self.kept["mu_product"] = 1.0
            if self.rule == "asgd":
                self.kept |= {"eta": options["lr"], "mu": 1.0}
            self.kept = {name: np.float32(value) for name, value in self.kept.items()}
            first = {"sum": start, "step_size": start}
            self.arrays = [np.full(p.shape, first.get(name, 0.0)) for name in self.names]
        (p,), states, kept = reference.update(
            self.rule,
            [p],
            [g],
            [[a] for a in self.arrays],
            [[np.asarray(k)] for k in self.kept.values()],
            **options,
        )
        self.arrays = [state for (state,) in states]
        self.kept = {name: value for name, (value,) in zip(self.kept, kept, strict=True)}
        return p

    def state(self):
        return {**self.kept, **dict(zip(self.names, self.arrays, strict=True))}


def rule(name, states, **defaults):
    return functools.partial(RuleFormula, name, states, defaults)


BETAS = {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}
FORMULAS = {
    "SGD": SgdFormula,
    "Adam": AdamFormula,
    "AdamW": AdamWFormula,
    "ASGD": rule("asgd", ["ax"], lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0),
    "Adadelta": rule("adadelta", ["square_avg", "acc_delta"], lr=1.0, rho=0.9, eps=1e-6, weight_decay=0),
    "Adagrad": rule("adagrad", ["sum"], lr=1e-2, lr_decay=0, weight_decay=0, eps=1e-10),
    "Adamax": rule("adamax", ["exp_avg", "exp_inf"], **BETAS),
    "NAdam": rule(
        "nadam", ["exp_avg", "exp_avg_sq"], **BETAS, momentum_decay=4e-3, decoupled_weight_decay=False
    ),
    "RAdam": rule("radam", ["exp_avg", "exp_avg_sq"], **{**BETAS, "lr": 1e-3}, decoupled_weight_decay=False),
    "RMSprop": rule("rmsprop", [], lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False),
    "Rprop": rule("rprop", ["prev", "step_size"], lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)),
}

SIGNS = {"weight_decay": [0, 0.05], "maximize": [False, True]}
GRIDS = {
    "SGD": {
        "lr": [0.1],
        "momentum": [0, 0.9],
        "dampening": [0, 0.3],
        **SIGNS,
        "nesterov": [False, True],
    },
    "Adam": {
        "lr": [0.1],
        "betas": [(0.9, 0.999), (0.0, 0.5)],
        "eps": [1e-8, 0.1],
        **SIGNS,
        "amsgrad": [False, True],
        "decoupled_weight_decay": [False, True],
    },
    "AdamW": {"lr": [0.1], "betas": [(0.9, 0.999), (0.0, 0.5)], **SIGNS, "amsgrad": [False, True]},
    "ASGD": {"lr": [0.1], "lambd": [1e-4, 0.1], "alpha": [0.75, 0.3], "t0": [1e6, 2.0], **SIGNS},
    "Adadelta": {"lr": [1.0, 0.3], "rho": [0.9, 0.5], "eps": [1e-6, 1e-2], **SIGNS},
    "Adagrad": {
        "lr": [0.1],
        "lr_decay": [0, 0.1],
        "initial_accumulator_value": [0, 0.5],
        "eps": [1e-10, 0.1],
        **SIGNS,
    },
    "Adamax": {"lr": [0.1], "betas": [(0.9, 0.999), (0.0, 0.5)], "eps": [1e-8, 0.1], **SIGNS},
    "NAdam": {
        "lr": [0.1],
        "betas": [(0.9, 0.999), (0.0, 0.5)],
        "eps": [1e-8, 0.1],
        **SIGNS,
        "momentum_decay": [4e-3, 0.5],
        "decoupled_weight_decay": [False, True],
    },
    "RAdam": {
        "lr": [0.1],
        "betas": [(0.9, 0.999), (0.0, 0.5), (0.9, 0.9)],
        "eps": [1e-8, 0.1],
        **SIGNS,
        "decoupled_weight_decay": [False, True],
    },
    "RMSprop": {
        "lr": [0.1],
        "alpha": [0.99, 0.3],
        "eps": [1e-8, 0.1],
        **SIGNS,
        "momentum": [0, 0.9],
        "centered": [False, True],
    },
    "Rprop": {
        "lr": [0.01, 0.3],
        "etas": [(0.5, 1.2), (0.2, 3.0)],
        "step_sizes": [(1e-6, 50), (0.02, 0.1)],
        "maximize": [False, True],
    },
}


def grid(name):
    """The defaults, then every combination of the options that goes together."""
    yield {}
    choices = GRIDS[name]
    for values in itertools.product(*choices.values()):
        options = dict(zip(choices, values, strict=True))
        if options.get("nesterov") and (options["momentum"] == 0 or options["dampening"] != 0):
            continue
        yield options


CASES = [(name, options) for name in GRIDS for options in grid(name)]
IDS = [f"{name}-{'-'.join(map(str, options.values())) or 'defaults'}" for name, options in CASES]


def test_every_optimizer_has_a_formula_and_a_grid():
    assert set(OPTIMIZERS) == set(FORMULAS) == set(GRIDS)
    classes = {name for name, value in vars(optim).items() if isinstance(value, type)} - {"Optimizer"}
    assert classes == set(OPTIMIZERS) | set(COMPOSED)
    for name, file in COMPOSED.items():
        assert name in Path(__file__).with_name(file).read_text()


# -- values --------------------------------------------------------------------------------------------------


def layouts(seed=0):
    """Parameters of several shapes and strides, float64, with their values as arrays of their own."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=shape) for shape in [(3, 4), (5,), (), (0, 2), (4, 3), (4, 2), (2, 17)]]
    params = [vg.tensor(value, dtype=vg.float64) for value in values]
    params[4] = vg.tensor(values[4].T.copy(), dtype=vg.float64).t()
    params[5] = vg.tensor(np.repeat(values[5], 2, axis=1), dtype=vg.float64)[:, ::2]
    assert not params[4].is_contiguous() and not params[5].is_contiguous()
    return values, [param.detach().requires_grad_() for param in params]


def gradient(value, step, index):
    """A smooth function of the parameter that differs from step to step; None in steps without a gradient."""
    if (step + index) % 4 == 3:
        return None
    return np.cos(value + step) + 0.1 * value * (index + 1)


def strided(array, step):
    """The array as a tensor, in every other step with another order in memory."""
    if array.ndim == 2 and step % 2:
        return vg.tensor(array.T.copy(), dtype=vg.float64).t()
    return vg.tensor(array, dtype=vg.float64)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_against_the_formulas(name, options):
    values, params = layouts()
    formulas = [FORMULAS[name](**options) for _ in values]
    optimizer = OPTIMIZERS[name](params, **options)
    for step in range(STEPS):
        for index, param in enumerate(params):
            grad = gradient(values[index], step, index)
            param.grad = None if grad is None else strided(grad, step)
            if grad is not None:
                values[index] = formulas[index].step(values[index], grad)
        versions = [param._version for param in params]
        optimizer.step()
        for param, version in zip(params, versions, strict=True):
            if param.numel() > 0:
                assert (param._version > version) == (param.grad is not None)
    for param, value, formula in zip(params, values, formulas, strict=True):
        assert param.requires_grad and param.is_leaf
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=1e-10, atol=1e-12)
        state = optimizer.state[param]
        assert set(state) == set(formula.state())
        for key, expected in formula.state().items():
            np.testing.assert_allclose(state[key].numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_against_torch(name, options):
    torch = pytest.importorskip("torch")
    starts, _ = layouts(3)
    ends = []
    for lib in (vg, torch):
        params = [lib.tensor(start, dtype=lib.float64).requires_grad_() for start in starts]
        optimizer = getattr(lib.optim, name)(params, **options)
        for step in range(TORCH_STEPS):
            for index, param in enumerate(params):
                grad = gradient(param.detach().numpy(), step, index)
                param.grad = None if grad is None else lib.tensor(grad)
            optimizer.step()
        states = [optimizer.state[param] for param in params]
        found = [param.detach().numpy() for param in params]
        ends.append(found + [state[key].numpy() for state in states for key in sorted(state)])
    for ours, theirs in zip(*ends, strict=True):
        assert ours.dtype == theirs.dtype
        scale = np.abs(theirs).max(initial=1e-300)
        assert np.abs(ours - theirs).max(initial=0) <= 1e-12 * scale
    for ours, start in zip(ends[0], starts, strict=False):
        assert start.size == 0 or np.abs(ours - start).max() > 1e-6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_loss_goes_down(name):
    vg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = vg.randn(64, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    rates = {"SGD": 1.0, "ASGD": 1.0, "Adadelta": 5.0, "Rprop": 0.01}
    optimizer = OPTIMIZERS[name](net.parameters(), lr=rates.get(name, 0.05))
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_have_options_of_their_own(name):
    values, params = layouts()
    formulas = [FORMULAS[name](lr=0.1 if index < 2 else 0.01) for index in range(len(values))]
    optimizer = OPTIMIZERS[name]([{"params": params[:2], "lr": 0.1}, {"params": params[2:]}], lr=0.01)
    for step in range(3):
        for index, param in enumerate(params):
            grad = np.sin(values[index] + step)
            param.grad = vg.tensor(grad, dtype=vg.float64)
            values[index] = formulas[index].step(values[index], grad)
        optimizer.step()
    for param, value in zip(params, values, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("keyword", ["foreach", "fused", "capturable"])
@pytest.mark.parametrize("value", [True, False])
def test_implementation_keywords_change_nothing(name, keyword, value):
    if keyword not in inspect.signature(OPTIMIZERS[name]).parameters:
        pytest.skip(f"{name} has no {keyword} in PyTorch")
    ends = []
    for options in ({}, {keyword: value}):
        _, params = layouts()
        optimizer = OPTIMIZERS[name](params, lr=0.1, **options)
        for step in range(3):
            for param in params:
                param.grad = (param.detach() + step).sin()
            optimizer.step()
        ends.append([param.tolist() for param in params])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_may_change_between_steps(name):
    param = vg.tensor([1.0], dtype=vg.float64, requires_grad=True)
    formula = FORMULAS[name](lr=0.1)
    optimizer = OPTIMIZERS[name]([param], lr=vg.tensor(0.1, dtype=vg.float64))
    value = np.array([1.0])
    for lr in (0.1, 0.2, 0.05) if name != "Rprop" else (0.1,):  # which reads it once
        optimizer.param_groups[0]["lr"].fill_(lr)
        formula.lr = lr
        value = formula.step(value, value * 2)
        param.grad = param.detach() * 2
        optimizer.step()
    np.testing.assert_allclose(param.tolist(), value, rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_without_any_gradient_do_nothing(name):
    _, params = layouts()
    before = [param.tolist() for param in params]
    optimizer = OPTIMIZERS[name](params)
    optimizer.step()
    assert [param.tolist() for param in params] == before
    state = optimizer.state_dict()["state"]
    # Adagrad's sums are there from the start, as in PyTorch.
    assert state == {} or (name == "Adagrad" and all(values["step"] == 0 for values in state.values()))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_are_left_alone(name):
    _, params = layouts()
    options = {} if name == "Rprop" else {"weight_decay": 0.1}
    optimizer = OPTIMIZERS[name](params, lr=0.1, maximize=True, **options)
    for param in params:
        param.grad = param.detach() * 3
    before = [param.grad.tolist() for param in params]
    for _ in range(2):
        optimizer.step()
    assert [param.grad.tolist() for param in params] == before


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("threads", [1, 2])
def test_result_does_not_depend_on_threads(name, threads):
    def run(count):
        vg.set_num_threads(count)
        vg.manual_seed(0)
        param = vg.randn(700, 700, requires_grad=True)
        optimizer = OPTIMIZERS[name]([param], lr=0.1)
        for _ in range(2):
            param.grad = param.detach() * 0.5
            optimizer.step()
        return param.detach()

    before = vg.get_num_threads()
    try:
        assert vg.equal(run(threads), run(1))
    finally:
        vg.set_num_threads(before)


def test_an_option_without_a_truth_value_is_refused() -> None:
    p = vg.ones(3)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor"):
        vg._C._optim.update("rprop", [p], [vg.ones(3)], [], [], maximize=vg.ones(2))
    assert p.tolist() == [1.0, 1.0, 1.0]
