"""Learning rates and momentum of every schedule against PyTorch's, bit for bit."""

import inspect
import itertools
import warnings

import pytest

import verigrad as vg
from verigrad.optim import lr_scheduler

torch = pytest.importorskip("torch")

STEPS = 120
RATES = (0.1, 0.5, 3e-4)
OWN = {"PowerLR", "plot_schedule", "_LRScheduler"}


def optimizer_of(lib, kind="SGD", rates=RATES, dtype=None):
    groups = []
    for rate in rates:
        value = rate if dtype is None else lib.tensor(rate, dtype=getattr(lib, dtype))
        groups.append({"params": [lib.nn.Parameter(lib.ones(1))], "lr": value})
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(lib.optim, kind)(groups, **options)


def grid(**options):
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


class Falling:
    """A callable object, whose attributes are part of the state."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


# What the schedulers of both libraries are made with.
GRIDS = {
    "LambdaLR": [
        {"lr_lambda": lambda epoch: 0.97**epoch},
        {"lr_lambda": [lambda epoch: 1 / (1 + epoch), Falling(0.9), lambda epoch: epoch // 7]},
    ],
    "MultiplicativeLR": [
        {"lr_lambda": lambda epoch: 0.95},
        {"lr_lambda": (Falling(0.999), lambda epoch: 1.0, lambda epoch: 1 - 1 / (epoch + 1))},
    ],
    "StepLR": grid(step_size=[1, 3, 50], gamma=[0.1, 0.9, 1.3]),
    "MultiStepLR": grid(milestones=[[], [5], [50, 7, 7, 20], range(0, 90, 13)], gamma=[0.1, 0.7]),
    "ConstantLR": grid(factor=[1 / 3, 0.1, 1.0], total_iters=[0, 1, 5, 60]),
    "LinearLR": grid(start_factor=[1 / 3, 1e-3, 1.0], end_factor=[1.0, 0.2, 0], total_iters=[0, 1, 5, 73]),
    "ExponentialLR": grid(gamma=[0.1, 0.97, 1.01]),
    "PolynomialLR": grid(total_iters=[0, 1, 5, 90], power=[1.0, 0.5, 2, 0.9]),
    "CosineAnnealingLR": grid(T_max=[1, 2, 7, 30, 100, 500], eta_min=[0, 0.0, 0.02]),
    "CosineAnnealingWarmRestarts": grid(T_0=[1, 5, 30], T_mult=[1, 2, 3], eta_min=[0.0, 1e-3]),
    "CyclicLR": [
        *grid(
            base_lr=[0.01, [0.1, 0.2, 0.3]],
            max_lr=[0.7, (1.0, 0.9, 0.4)],
            step_size_up=[7, 20],
            step_size_down=[None, 3],
            mode=["triangular", "triangular2", "exp_range"],
            gamma=[0.98],
            cycle_momentum=[True, False],
        ),
        *grid(
            base_lr=[0.01],
            max_lr=[0.5],
            step_size_up=[9],
            mode=["of no interest"],
            scale_fn=[lambda x: 1 / (1 + x), Falling(0.9)],
            scale_mode=["cycle", "iterations"],
            base_momentum=[0.7, [0.1, 0.2, 0.3]],
            max_momentum=[0.99],
        ),
    ],
    "OneCycleLR": [
        *grid(
            max_lr=[0.3, [1.0, 0.5, 0.1]],
            total_steps=[STEPS, 500],
            pct_start=[0.0, 0.3, 0.45, 0.9],
            anneal_strategy=["cos", "linear"],
            cycle_momentum=[True, False],
            three_phase=[True, False],
        ),
        *grid(
            max_lr=[0.3],
            epochs=[20],
            steps_per_epoch=[7],
            base_momentum=[0.8, [0.1, 0.2, 0.3]],
            max_momentum=[0.9],
            div_factor=[10.0],
            final_div_factor=[100],
        ),
    ],
}


def made(lib, name, options, optimizer, **others):
    return getattr(lib.optim.lr_scheduler, name)(optimizer, **options, **others)


def look(optimizer):
    """What a scheduler may have changed; a tensor by its exact value."""
    seen = []
    for group in optimizer.param_groups:
        rate = group["lr"]
        seen.append((float(rate), group.get("momentum"), group.get("betas")))
    return seen


def history(scheduler, steps=STEPS):
    optimizer = scheduler.optimizer
    rows = [look(optimizer)]
    optimizer.step()
    for _ in range(steps):
        scheduler.step()
        rows.append(look(optimizer))
        assert [float(rate) for rate in scheduler.get_last_lr()] == [row[0] for row in rows[-1]]
    return rows


def test_every_scheduler_of_torch_is_here():
    theirs = set(torch.optim.lr_scheduler.__all__)
    assert set(lr_scheduler.__all__) - OWN == theirs
    elsewhere = {"LRScheduler", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
    assert set(GRIDS) == theirs - elsewhere


@pytest.mark.parametrize("name", sorted({*torch.optim.lr_scheduler.__all__}))
def test_signature(name):
    own, other = (
        [
            (parameter.name, parameter.default)
            for parameter in inspect.signature(getattr(lib.optim.lr_scheduler, name)).parameters.values()
        ]
        for lib in (vg, torch)
    )
    assert own == other


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("kind", "dtype"), [("SGD", None), ("SGD", "float32"), ("Adam", "float64")])
def test_learning_rates(name, kind, dtype):
    for options in GRIDS[name]:
        runs = [
            history(made(lib, name, options, optimizer_of(lib, kind, dtype=dtype))) for lib in (vg, torch)
        ]
        assert runs[0] == runs[1], options


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("last_epoch", [0, 4, 29])
def test_resumed_after_an_epoch(name, last_epoch):
    for options in GRIDS[name]:
        runs = []
        for lib in (vg, torch):
            optimizer = optimizer_of(lib)
            first = made(lib, name, options, optimizer)
            history(first, last_epoch)
            runs.append(history(made(lib, name, options, optimizer, last_epoch=last_epoch), 60))
        assert runs[0] == runs[1], options


@pytest.mark.parametrize("name", GRIDS)
def test_going_to_an_epoch(name):
    for options in GRIDS[name]:
        if 0 in (options.get("total_iters"), options.get("T_mult")):
            continue  # a division by zero in PyTorch
        runs = []
        for lib in (vg, torch):
            optimizer = optimizer_of(lib)
            scheduler = made(lib, name, options, optimizer)
            optimizer.step()
            rows = []
            for epoch in (8, 3, None, 50, 0, None, None, 119, 30, 31, None):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    scheduler.step(epoch)
                rows.append((scheduler.last_epoch, look(optimizer)))
            runs.append(rows)
        assert runs[0] == runs[1], options


@pytest.mark.parametrize("options", GRIDS["CosineAnnealingWarmRestarts"])
def test_restarts_between_whole_epochs(options):
    runs = []
    for lib in (vg, torch):
        optimizer = optimizer_of(lib)
        scheduler = made(lib, "CosineAnnealingWarmRestarts", options, optimizer)
        rows = []
        for eighth in range(4 * 80):
            scheduler.step(eighth / 4)
            rows.append((scheduler.last_epoch, look(optimizer)))
        runs.append(rows)
    assert runs[0] == runs[1]


# Schedules of schedules.

COMPOSED = {
    "warm-up and cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.01, total_iters=10), s.CosineAnnealingLR(o, 90)], [10]
    ),
    "warm-up and restarts": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingWarmRestarts(o, 7, 2)], milestones=[5]
    ),
    "three": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9), s.StepLR(o, 4)], [20, 50]
    ),
    "at once": lambda s, o: s.SequentialLR(o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9)], [0]),
    "one": lambda s, o: s.SequentialLR(o, [s.MultiStepLR(o, [5, 50])], []),
    "others": lambda s, o: s.SequentialLR(
        o,
        [s.PolynomialLR(o, 15, 2.0), s.LambdaLR(o, lambda t: 0.9**t), s.MultiplicativeLR(o, lambda t: 0.99)],
        [11, 60],
    ),
    "later": lambda s, o: s.SequentialLR(o, [s.LinearLR(o), s.StepLR(o, 9)], [30], last_epoch=9),
    "chain": lambda s, o: s.ChainedScheduler(
        [s.LinearLR(o, 0.1, total_iters=20), s.CosineAnnealingLR(o, 100)]
    ),
    "chain of all": lambda s, o: s.ChainedScheduler(
        (
            s.ConstantLR(o, 0.3, 30),
            s.ExponentialLR(o, 0.99),
            s.StepLR(o, 40, 0.5),
            s.MultiStepLR(o, [15, 70], 0.3),
            s.PolynomialLR(o, 150),
            s.MultiplicativeLR(o, lambda t: 1.001),
        ),
        optimizer=o,
    ),
    "chain of a sequence": lambda s, o: s.ChainedScheduler(
        [s.SequentialLR(o, [s.ConstantLR(o, 0.5, 100), s.ExponentialLR(o, 0.9)], [30]), s.StepLR(o, 50)]
    ),
}


@pytest.mark.parametrize("compose", COMPOSED.values(), ids=COMPOSED)
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_composed(compose, dtype):
    runs = [history(compose(lib.optim.lr_scheduler, optimizer_of(lib, dtype=dtype))) for lib in (vg, torch)]
    assert runs[0] == runs[1]


# Learning rates that follow a metric.

PLATEAU = grid(
    mode=["min", "max"],
    factor=[0.1, 0.5],
    patience=[0, 3],
    threshold=[1e-4, 0.05],
    threshold_mode=["rel", "abs"],
    cooldown=[0, 2],
    min_lr=[0, [0.01, 0.1, 0.0]],
    eps=[1e-8, 1e-3],
)


def metrics_of(seed):
    generator = torch.Generator().manual_seed(seed)
    values = (torch.rand(STEPS, generator=generator) / 5 + torch.linspace(1, 0, STEPS)).tolist()
    values[17] = float("nan")
    values[40:45] = [values[40]] * 5
    return values


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_reduce_on_plateau(dtype):
    reduced = 0
    for seed, options in enumerate(PLATEAU):
        runs = []
        for lib in (vg, torch):
            optimizer = optimizer_of(lib, dtype=dtype)
            scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
            rows = []
            for metric in metrics_of(seed):
                scheduler.step(metric)
                counters = scheduler.last_epoch, scheduler.num_bad_epochs, scheduler.cooldown_counter
                rows.append((look(optimizer), scheduler.best, counters, scheduler.in_cooldown))
            runs.append(rows)
        assert runs[0] == runs[1], options
        reduced += runs[0][0] != runs[0][-1]
    assert reduced > len(PLATEAU) // 2


# State.


def plain(value):
    """A state with tensors of either library as numbers."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


FLAGS = {"_is_initial", "_get_lr_called_within_step"}


@pytest.mark.parametrize("name", [*GRIDS, *COMPOSED])
def test_state_of_torch(name):
    """Its layout is ours, and its state can be taken over in the middle of a run."""
    for options in GRIDS.get(name, [{}])[::5]:

        def make(lib, optimizer, options=options):
            if name in COMPOSED:
                return COMPOSED[name](lib.optim.lr_scheduler, optimizer)
            return made(lib, name, options, optimizer)

        theirs = make(torch, optimizer_of(torch))
        history(theirs, 13)
        optimizer = optimizer_of(vg)
        ours = make(vg, optimizer)
        history(ours, 13)

        def without_flags(state):
            state = {key: value for key, value in state.items() if key not in FLAGS}
            if "_schedulers" in state:
                state["_schedulers"] = [without_flags(each) for each in state["_schedulers"]]
            return state

        state = theirs.state_dict()
        assert plain(ours.state_dict()) == plain(without_flags(state))
        fresh = optimizer_of(vg)
        resumed = make(vg, fresh)
        for group, other in zip(fresh.param_groups, theirs.optimizer.param_groups, strict=True):
            group.update({key: value for key, value in other.items() if key != "params"})
        resumed.load_state_dict(state)
        assert history(resumed, 40) == history(theirs, 40)


# Warnings and errors.


def warned(act):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [(each.category, str(each.message)[:40]) for each in caught]


def overridden(optimizer):
    step = optimizer.step
    optimizer.step = lambda: step()


WARNINGS = {
    "in order": lambda o, s: (o.step(), s.step()),
    "before the optimizer": lambda o, s: s.step(),
    "twice": lambda o, s: (s.step(), s.step()),
    "epoch": lambda o, s: (o.step(), s.step(3)),
    "both": lambda o, s: s.step(3),
    "outside": lambda o, s: s.get_lr(),
    "overridden": lambda o, s: (overridden(o), o.step(), s.step()),
    "later": lambda o, s: (o.step(), s.step(), overridden(o), s.step()),
}


@pytest.mark.parametrize("act", WARNINGS.values(), ids=WARNINGS)
@pytest.mark.parametrize("name", GRIDS)
def test_warnings(name, act):
    runs = []
    for lib in (vg, torch):
        optimizer = optimizer_of(lib)
        scheduler = made(lib, name, GRIDS[name][-1], optimizer)
        runs.append(warned(lambda: act(optimizer, scheduler)))  # noqa: B023
    assert runs[0] == runs[1]


BAD = [
    ("LambdaLR", {"lr_lambda": [abs]}),
    ("MultiplicativeLR", {"lr_lambda": [abs]}),
    ("MultiplicativeLR", {"lr_lambda": 3}),
    ("ConstantLR", {"factor": 1.5}),
    ("ConstantLR", {"factor": -0.1}),
    ("LinearLR", {"start_factor": 0}),
    ("LinearLR", {"start_factor": 1.1}),
    ("LinearLR", {"end_factor": -0.1}),
    ("LinearLR", {"end_factor": 1.1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2.5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 1.5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "eta_min": "0"}),
    ("CyclicLR", {"base_lr": [0.1], "max_lr": 1.0}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [1.0]}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "mode": "other"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "max_momentum": [0.9]}),
    ("OneCycleLR", {"max_lr": 1.0}),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 3}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10.0}),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 0, "steps_per_epoch": 3}),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 3, "steps_per_epoch": -1}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "pct_start": 1.5}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "pct_start": 1}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "anneal_strategy": "other"}),
    ("OneCycleLR", {"max_lr": [1.0], "total_steps": 10}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 10, "base_momentum": [0.9]}),
    ("ReduceLROnPlateau", {"factor": 1.0}),
    ("ReduceLROnPlateau", {"mode": "best"}),
    ("ReduceLROnPlateau", {"threshold_mode": "best"}),
    ("ReduceLROnPlateau", {"min_lr": [0.1]}),
]


@pytest.mark.parametrize(("name", "options"), BAD, ids=lambda each: str(each))
def test_refused_options(name, options):
    errors = []
    for lib in (vg, torch):
        optimizer = optimizer_of(lib)
        before = look(optimizer)
        with pytest.raises(Exception) as caught:  # noqa: B017, PT011
            made(lib, name, options, optimizer)
        errors.append((caught.type, caught.value.args[0]))
        if lib is vg:
            assert look(optimizer) == before
            assert all("initial_lr" not in group for group in optimizer.param_groups)
    assert errors[0][0] is errors[1][0]
    assert errors[1][1].split(".")[0] in errors[0][1]


@pytest.mark.parametrize("name", ["LambdaLR", "CyclicLR", "OneCycleLR", "ReduceLROnPlateau", "StepLR"])
def test_what_is_no_optimizer_is_refused(name):
    for lib in (vg, torch):
        with pytest.raises((TypeError, AttributeError)) as caught:
            made(lib, name, GRIDS.get(name, [{}])[0], 3)
        if lib is vg:
            assert caught.type is TypeError and str(caught.value) == "int is not an Optimizer"


def test_momentum_cannot_be_cycled_where_there_is_none():
    for lib in (vg, torch):
        optimizer = optimizer_of(lib)
        del optimizer.defaults["momentum"]
        for name in ("CyclicLR", "OneCycleLR"):
            with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
                made(lib, name, GRIDS[name][0], optimizer)


COMPOSITIONS = [
    lambda s, o, p: s.SequentialLR(o, [], []),
    lambda s, o, p: s.SequentialLR(o, [s.LinearLR(o)], [3]),
    lambda s, o, p: s.SequentialLR(o, [s.LinearLR(o), s.LinearLR(p)], [3]),
    lambda s, o, p: s.SequentialLR(o, [s.LinearLR(o), s.ReduceLROnPlateau(o)], [3]),
    lambda s, o, p: s.SequentialLR(o, [s.LinearLR(o), 3], [3]),
    lambda s, o, p: s.ChainedScheduler([]),
    lambda s, o, p: s.ChainedScheduler([s.LinearLR(o), s.LinearLR(p)]),
    lambda s, o, p: s.ChainedScheduler([s.LinearLR(o)], p),
    lambda s, o, p: s.ChainedScheduler([s.LinearLR(o), s.ReduceLROnPlateau(o)]),
    lambda s, o, p: s.ChainedScheduler([s.LinearLR(o), 3]),
]


@pytest.mark.parametrize("compose", COMPOSITIONS)
def test_refused_compositions(compose):
    errors = []
    for lib in (vg, torch):
        with pytest.raises((TypeError, ValueError)) as caught:
            compose(lib.optim.lr_scheduler, optimizer_of(lib), optimizer_of(lib))
        errors.append((caught.type, caught.value.args[0][:60]))
    assert errors[0] == errors[1]
