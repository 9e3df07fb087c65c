"""Schedulers: closed forms, resuming, state, warnings, errors, compositions."""

import copy
import math

import pytest

import verigrad as vg
from verigrad import nn, optim
from verigrad.optim import lr_scheduler
from verigrad.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    PowerLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

EPOCHS = 25


def sgd(*rates):
    rates = rates or (0.1, 0.5)
    groups = [{"params": nn.Parameter(vg.ones(1)), "lr": lr} for lr in rates]
    return optim.SGD(groups, momentum=0.9)


def rates_of(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def cosine(part):
    return (1 + math.cos(math.pi * part)) / 2


def triangle(t, up, down):
    t %= up + down
    return t / up if t <= up else (up + down - t) / down


def one_cycle(base, t):
    """40 steps, of which 12 rise, from 0.04 to 1 and to 4e-6."""
    if t <= 11:
        return 1 + (0.04 - 1) * cosine(t / 11)
    return 4e-6 + (1 - 4e-6) * cosine((t - 11) / 28)


CASES = [
    (LambdaLR, {"lr_lambda": lambda t: 0.9**t}, lambda base, t: base * 0.9**t),
    (MultiplicativeLR, {"lr_lambda": lambda t: t / (t + 1)}, lambda base, t: base / (t + 1)),
    (StepLR, {"step_size": 3}, lambda base, t: base * 0.1 ** (t // 3)),
    (StepLR, {"step_size": 1, "gamma": 0.9}, lambda base, t: base * 0.9**t),
    (StepLR, {"step_size": 30}, lambda base, t: base),
    (MultiStepLR, {"milestones": [3, 8, 8]}, lambda base, t: base * 0.1 ** ((t >= 3) + 2 * (t >= 8))),
    (ConstantLR, {"factor": 0.2, "total_iters": 4}, lambda base, t: base * (0.2 if t < 4 else 1)),
    (ConstantLR, {"factor": 0, "total_iters": 4}, lambda base, t: base * (t >= 4)),
    (
        LinearLR,
        {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 10},
        lambda base, t: base * (0.1 + 0.06 * min(t, 10)),
    ),
    (ExponentialLR, {"gamma": 0.9}, lambda base, t: base * 0.9**t),
    (PolynomialLR, {"total_iters": 9, "power": 2}, lambda base, t: base * (1 - min(t, 9) / 9) ** 2),
    (PowerLR, {"scale": 4}, lambda base, t: base / (1 + t / 4)),
    (PowerLR, {"scale": 0.5, "power": 0.75}, lambda base, t: base / (1 + 2 * t) ** 0.75),
    (CosineAnnealingLR, {"T_max": 10}, lambda base, t: base * cosine(t / 10)),
    (CosineAnnealingLR, {"T_max": 7, "eta_min": 0.02}, lambda base, t: 0.02 + (base - 0.02) * cosine(t / 7)),
    (CosineAnnealingLR, {"T_max": 1}, lambda base, t: base * cosine(t)),
    (CosineAnnealingWarmRestarts, {"T_0": 6}, lambda base, t: base * cosine(t % 6 / 6)),
    (
        CosineAnnealingWarmRestarts,
        {"T_0": 5, "T_mult": 2, "eta_min": 0.01},
        lambda base, t: (
            0.01 + (base - 0.01) * cosine(t / 5 if t < 5 else (t - 5) / 10 if t < 15 else (t - 15) / 20)
        ),
    ),
    (
        CyclicLR,
        {"base_lr": 0.1, "max_lr": 1.1, "step_size_up": 4, "step_size_down": 6},
        lambda base, t: 0.1 + triangle(t, 4, 6),
    ),
    (
        CyclicLR,
        {"base_lr": 0.1, "max_lr": 1.1, "step_size_up": 4, "mode": "triangular2"},
        lambda base, t: 0.1 + triangle(t, 4, 4) / 2 ** (t // 8),
    ),
    (
        CyclicLR,
        {"base_lr": 0.1, "max_lr": 1.1, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9},
        lambda base, t: 0.1 + triangle(t, 4, 4) * 0.9**t,
    ),
    (OneCycleLR, {"max_lr": 1.0, "total_steps": 40}, one_cycle),
]
IDS = [f"{kind.__name__}-{number}" for number, (kind, _, _) in enumerate(CASES)]
COMPOSED = {ChainedScheduler, ReduceLROnPlateau, SequentialLR}


def test_every_scheduler_has_a_case():
    found = {
        getattr(lr_scheduler, name) for name in lr_scheduler.__all__ if name.endswith(("LR", "Restarts"))
    }
    assert found | COMPOSED == {kind for kind, _, _ in CASES} | COMPOSED


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_closed_form(kind, options, closed):
    optimizer = sgd()
    scheduler = kind(optimizer, **options)
    for epoch in range(EPOCHS):
        assert scheduler.last_epoch == epoch
        expected = [closed(base, epoch) for base in (0.1, 0.5)]
        assert rates_of(optimizer) == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert scheduler.get_last_lr() == rates_of(optimizer)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_going_to_an_epoch(kind, options, closed):
    optimizer = sgd()
    scheduler = kind(optimizer, **options)
    optimizer.step()
    if kind is CosineAnnealingWarmRestarts:
        scheduler.step(8)
    else:
        with pytest.warns(UserWarning, match="epoch parameter in `scheduler.step") as caught:
            scheduler.step(8)
        assert caught[0].filename == __file__
    assert scheduler.last_epoch == 8
    if kind is not MultiplicativeLR:  # which has no closed form
        expected = [closed(base, 8) for base in (0.1, 0.5)]
        assert scheduler.get_last_lr() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_resuming_with_state_dicts(kind, options, closed, tmp_path):
    """The state goes through a file, and into a scheduler with other options."""
    whole = sgd()
    scheduler = kind(whole, **options)
    for _ in range(4):
        whole.step()
        scheduler.step()
    vg.save({"scheduler": scheduler.state_dict(), "optimizer": whole.state_dict()}, tmp_path / "state")
    saved = vg.load(tmp_path / "state")
    resumed = sgd(1.0, 1.0)
    changed = {
        "gamma": 0.3, "factor": 0.3, "total_iters": 2, "power": 3, "T_max": 2, "T_0": 2, "max_lr": 0.3,
        "milestones": [1], "scale": 2, "total_steps": 50,
    }  # fmt: skip
    other = kind(resumed, **{name: changed.get(name, value) for name, value in options.items()})
    resumed.load_state_dict(saved["optimizer"])
    other.load_state_dict(saved["scheduler"])
    assert other.last_epoch == 4 and rates_of(resumed) == rates_of(whole)
    for _ in range(20):
        for optimizer, schedule in ((whole, scheduler), (resumed, other)):
            optimizer.step()
            schedule.step()
        assert rates_of(resumed) == rates_of(whole) == other.get_last_lr()
        assert resumed.param_groups[0]["momentum"] == whole.param_groups[0]["momentum"]
    assert saved["scheduler"]["last_epoch"] == 4


def test_resuming_with_last_epoch():
    optimizer = sgd()
    scheduler = StepLR(optimizer, 3)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    # PyTorch's rule: the scheduler that is made anew goes one epoch on at once.
    resumed = StepLR(optimizer, 3, last_epoch=scheduler.last_epoch)
    assert resumed.last_epoch == 6
    assert rates_of(optimizer) == pytest.approx([0.1 * 0.01, 0.5 * 0.01], rel=1e-12)


def test_schedules_can_be_combined():
    optimizer = sgd(1.0)
    schedulers = [StepLR(optimizer, 2, gamma=0.5), CosineAnnealingLR(optimizer, 20)]
    for epoch in range(1, 10):
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        expected = 0.5 ** (epoch // 2) * (1 + math.cos(math.pi * epoch / 20)) / 2
        assert rates_of(optimizer) == pytest.approx([expected], rel=1e-9)


def test_learning_rate_tensors_keep_their_identity():
    rate = vg.tensor(0.5, dtype=vg.float64)
    optimizer = optim.SGD([nn.Parameter(vg.ones(1))], lr=rate)
    scheduler = StepLR(optimizer, 1)
    first = scheduler.get_last_lr()[0]
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.05
    # What the scheduler keeps and gives are copies.
    assert first.item() == 0.5 and optimizer.param_groups[0]["initial_lr"].item() == 0.5
    scheduler.get_last_lr()[0].fill_(3.0)
    scheduler.state_dict()["base_lrs"][0].fill_(3.0)
    assert rate.item() == 0.05 and scheduler.base_lrs[0].item() == 0.5


def test_own_schedulers():
    class Halving(LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = sgd()
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert rates_of(optimizer) == [0.05, 0.25]


def test_get_lr_must_be_defined():
    with pytest.raises(NotImplementedError, match="get_lr"):
        LRScheduler(sgd())


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_stepping_before_the_optimizer_warns(kind):
    optimizer = kind([nn.Parameter(vg.ones(1))])
    scheduler = StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`") as caught:
        scheduler.step()
    assert len(caught) == 1 and caught[0].filename == __file__
    scheduler.step()


def test_get_lr_from_outside_warns():
    scheduler = StepLR(sgd(), 1)
    with pytest.warns(UserWarning, match="please use `get_last_lr") as caught:
        scheduler.get_lr()
    assert caught[0].filename == __file__


def test_state_dict():
    scheduler = StepLR(sgd(), 3)
    state = scheduler.state_dict()
    assert state == {
        "step_size": 3,
        "gamma": 0.1,
        "base_lrs": [0.1, 0.5],
        "last_epoch": 0,
        "_step_count": 1,
        "_last_lr": [0.1, 0.5],
    }
    state["base_lrs"].append(1.0)
    assert scheduler.base_lrs == [0.1, 0.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: StepLR(3, 1), TypeError, "int is not an Optimizer"),
        (lambda: StepLR(sgd(), 0), ValueError, "expected step_size to be positive, got 0"),
        (lambda: CosineAnnealingLR(sgd(), 0), ValueError, "expected T_max to be positive, got 0"),
        (lambda: PowerLR(sgd(), 0), ValueError, "PowerLR: expected scale to be positive, got 0"),
        (lambda: PowerLR(sgd(), 1, -1), ValueError, "PowerLR: expected power to be at least 0, got -1"),
        (
            lambda: CyclicLR(sgd(), 0.1, 1.0, 0),
            ValueError,
            "expected steps up and down to be positive, got 0",
        ),
        (
            lambda: StepLR(sgd(), 1, last_epoch=3),
            KeyError,
            "param 'initial_lr' is not specified in param_groups",
        ),
        (lambda: StepLR(sgd(), 1).load_state_dict([]), TypeError, "dict-like"),
        (lambda: StepLR(sgd(), 1).load_state_dict({"base_lrs": [0.1]}), ValueError, "of 2 groups, got 1"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in caught.value.args[0]


def test_groups_that_are_added_later():
    """They take part where the schedule works from the learning rate before; else the step is refused."""
    optimizer = sgd()
    multiplying = StepLR(optimizer, 1)
    setting = LambdaLR(optimizer, lambda t: 0.5**t)
    optimizer.add_param_group({"params": nn.Parameter(vg.ones(1)), "lr": 3.0})
    optimizer.step()
    multiplying.step()
    after = pytest.approx([0.01, 0.05, 0.3])
    assert rates_of(optimizer) == after
    with pytest.raises(ValueError, match="LambdaLR: expected the 2 param groups it was made for, got 3"):
        setting.step()
    assert rates_of(optimizer) == after and setting.last_epoch == 0 and setting._step_count == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda o: CosineAnnealingLR(o, 1),
        lambda o: CosineAnnealingWarmRestarts(o, 3),
        lambda o: CyclicLR(o, 0.1, 1.0),
        lambda o: OneCycleLR(o, 1.0, 10),
        lambda o: MultiplicativeLR(o, lambda t: 0.5),
    ],
)
def test_schedules_that_need_their_groups(make):
    optimizer = sgd()
    scheduler = make(optimizer)
    optimizer.step()
    scheduler.step()
    momentum = optimizer.param_groups[0]["momentum"]
    before = scheduler.state_dict()
    optimizer.add_param_group({"params": nn.Parameter(vg.ones(1)), "lr": 3.0})
    with pytest.raises(ValueError, match="expected the 2 param groups it was made for, got 3"):
        scheduler.step()
    assert scheduler.state_dict() == before and optimizer.param_groups[0]["momentum"] == momentum


def test_one_cycle_ends():
    optimizer = sgd()
    scheduler = OneCycleLR(optimizer, 1.0, 3)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    rates = rates_of(optimizer)
    with pytest.raises(ValueError, match="Tried to step 4 times. The specified number of total steps is 3"):
        scheduler.step()
    assert rates_of(optimizer) == rates and scheduler.last_epoch == 3


def test_a_phase_of_one_cycle_without_length():
    optimizer = sgd()
    scheduler = OneCycleLR(optimizer, 1.0, 10, pct_start=0.1)
    assert rates_of(optimizer) == [1.0, 1.0]
    optimizer.step()
    scheduler.step()
    assert 0.9 < rates_of(optimizer)[0] < 1.0


@pytest.mark.parametrize("T_mult", [1, 2, 3, 5])
def test_restarts_are_found_from_any_epoch(T_mult):
    """Also where PyTorch's logarithm is rounded to the cycle before."""
    walking, jumping = sgd(), sgd()
    walker = CosineAnnealingWarmRestarts(walking, 1, T_mult)
    jumper = CosineAnnealingWarmRestarts(jumping, 1, T_mult)
    for epoch in range(1, 400):
        walker.step()
        jumper.step(epoch)
        assert rates_of(walking) == rates_of(jumping), epoch
        assert (walker.T_cur, walker.T_i, walker.last_epoch) == (jumper.T_cur, jumper.T_i, epoch)
    with pytest.raises(ValueError, match="Expected non-negative epoch, but got -1"):
        jumper.step(-1)
    assert rates_of(walking) == rates_of(jumping) and jumper.last_epoch == 399


# Schedules of schedules.


def after(compose, steps=30):
    optimizer = sgd()
    scheduler = compose(optimizer)
    rows = [rates_of(optimizer)]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rows.append(rates_of(optimizer))
    return rows


def test_warm_up():
    rows = after(lambda o: SequentialLR(o, [LinearLR(o, 0.1, total_iters=5), PowerLR(o, 10.0)], [5]))
    expected = [0.1 + 0.18 * t if t < 5 else 1 / (1 + (t - 5) / 10) for t in range(31)]
    assert [row[1] / 0.5 for row in rows] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("middle", [lambda o: StepLR(o, 3), lambda o: CosineAnnealingWarmRestarts(o, 4)])
def test_sequences_can_be_nested(middle):
    def parts(o):
        return [LinearLR(o, 0.1, total_iters=5), middle(o), ExponentialLR(o, 0.9)]

    flat = after(lambda o: SequentialLR(o, parts(o), [5, 15]))

    def inner_first(o):
        a, b, c = parts(o)
        return SequentialLR(o, [SequentialLR(o, [a, b], [5]), c], [15])

    def inner_last(o):
        a, b, c = parts(o)
        return SequentialLR(o, [a, SequentialLR(o, [b, c], [10])], [5])

    assert after(inner_first) == flat == after(inner_last)


@pytest.mark.parametrize("place", ["first", "last"])
def test_chains_in_a_sequence(place):
    def chain(o):
        return ChainedScheduler([ConstantLR(o, 0.5, 4), ExponentialLR(o, 0.9), StepLR(o, 5)])

    chained = after(chain, 15)
    if place == "first":
        rows = after(lambda o: SequentialLR(o, [chain(o), ConstantLR(o, 0.5, 50)], [12]))
        assert rows[:12] == chained[:12] and rows[12:] == [[0.05, 0.25]] * 19
    else:
        rows = after(lambda o: SequentialLR(o, [ConstantLR(o, 0.5, 50), chain(o)], [15]))
        assert rows[:15] == [[0.05, 0.25]] * 15 and rows[15:] == chained

    def in_chain(o):
        return ChainedScheduler([SequentialLR(o, [ExponentialLR(o, 0.9), StepLR(o, 3)], [5])])

    plain = after(lambda o: SequentialLR(o, [ExponentialLR(o, 0.9), StepLR(o, 3)], [5]), 20)
    assert after(lambda o: SequentialLR(o, [LinearLR(o), in_chain(o)], [10]))[10:] == plain


def test_milestones_rise():
    optimizer = sgd()
    parts = [StepLR(optimizer, 3) for _ in range(3)]
    with pytest.raises(ValueError, match=r"expected milestones in rising order, got \[5, 3\]"):
        SequentialLR(optimizer, parts, [5, 3])


def test_states_of_compositions_must_fit():
    def make(o, count):
        return SequentialLR(o, [StepLR(o, 3) for _ in range(count)], list(range(3, count + 2)))

    one, two = sgd(), sgd()
    scheduler = make(two, 3)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="expected states of 3 schedulers, got 2"):
        scheduler.load_state_dict(make(one, 2).state_dict())
    with pytest.raises(TypeError, match="dict-like"):
        scheduler.load_state_dict([])
    assert scheduler.state_dict() == before
    with pytest.raises(ValueError, match="expected 2 lr_lambdas, got 1"):
        LambdaLR(one, abs).load_state_dict({"lr_lambdas": [None]})


def test_callable_objects_are_saved():
    class Slope:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, x):
            return self.rate * x

    for make in (
        lambda o, f: LambdaLR(o, f),
        lambda o, f: MultiplicativeLR(o, f),
        lambda o, f: CyclicLR(o, 0.1, 1.0, 3, scale_fn=f),
    ):
        saved = make(sgd(), Slope(0.5)).state_dict()
        slope = Slope(3.0)
        make(sgd(), slope).load_state_dict(saved)
        assert slope.rate == 0.5
    # Functions have nothing to save, those written in C no attributes at all.
    assert LambdaLR(sgd(), math.sqrt).state_dict()["lr_lambdas"] == [None, None]


def test_schedulers_can_be_copied():
    optimizer = sgd()
    scheduler = SequentialLR(optimizer, [LinearLR(optimizer), StepLR(optimizer, 2)], [3])
    twin = copy.deepcopy(scheduler)
    assert twin.optimizer is twin._schedulers[0].optimizer is not optimizer
    twin.optimizer.step()
    twin.step()
    assert rates_of(twin.optimizer) != rates_of(optimizer)


def test_a_plateau_with_groups_that_are_added_later():
    optimizer = sgd()
    one, each = (
        ReduceLROnPlateau(optimizer, patience=0),
        ReduceLROnPlateau(optimizer, patience=0, min_lr=[0, 0]),
    )
    optimizer.add_param_group({"params": nn.Parameter(vg.ones(1)), "lr": 3.0})
    for scheduler in (one, each):
        scheduler.step(1.0)
    one.step(vg.tensor(2.0))
    assert rates_of(optimizer) == pytest.approx([0.01, 0.05, 0.3])
    with pytest.raises(RuntimeError, match="modify the `min_lrs` field"):
        each.step(2.0)
    with pytest.warns(UserWarning, match="epoch parameter"):
        one.step(0.5, 7)
    assert one.last_epoch == 7 and one.best == 0.5


def test_a_plateau_resumed():
    whole, resumed = sgd(), sgd()
    scheduler = ReduceLROnPlateau(whole, "max", patience=1, cooldown=1)
    for metric in (0.5, 0.4):
        scheduler.step(metric)
    other = ReduceLROnPlateau(resumed)
    other.load_state_dict(scheduler.state_dict())
    for metric in (0.3, 0.2, 0.1, 0.0, 0.9):
        scheduler.step(metric)
        other.step(metric)
        assert rates_of(whole) == rates_of(resumed) and scheduler.state_dict() == other.state_dict()
    before = other.state_dict()
    for bad in ({"mode": "best"}, {"threshold_mode": "best"}):
        with pytest.raises(ValueError, match="mode best is unknown"):
            other.load_state_dict({**scheduler.state_dict(), "factor": 0.5, **bad})
    assert other.state_dict() == before
