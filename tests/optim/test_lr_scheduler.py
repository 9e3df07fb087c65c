"""Schedulers: closed forms, resuming, state, warnings, errors."""

import inspect
import math

import pytest

import verigrad as vg
from verigrad import nn, optim
from verigrad.optim import lr_scheduler
from verigrad.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR

EPOCHS = 25


def sgd(*rates):
    rates = rates or (0.1, 0.5)
    return optim.SGD([{"params": nn.Parameter(vg.ones(1)), "lr": lr} for lr in rates])


def rates_of(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


CASES = [
    (StepLR, {"step_size": 3}, lambda base, t: base * 0.1 ** (t // 3)),
    (StepLR, {"step_size": 1, "gamma": 0.9}, lambda base, t: base * 0.9**t),
    (StepLR, {"step_size": 30}, lambda base, t: base),
    (CosineAnnealingLR, {"T_max": 10}, lambda base, t: base * (1 + math.cos(math.pi * t / 10)) / 2),
    (
        CosineAnnealingLR,
        {"T_max": 7, "eta_min": 0.02},
        lambda base, t: 0.02 + (base - 0.02) * (1 + math.cos(math.pi * t / 7)) / 2,
    ),
    (CosineAnnealingLR, {"T_max": 1}, lambda base, t: base * (1 + math.cos(math.pi * t)) / 2),
]
IDS = [f"{kind.__name__}-{'-'.join(map(str, options.values()))}" for kind, options, _ in CASES]


def test_every_scheduler_has_a_case():
    found = {
        value
        for value in vars(lr_scheduler).values()
        if isinstance(value, type) and issubclass(value, LRScheduler) and value is not LRScheduler
    }
    assert found == {kind for kind, _, _ in CASES}


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
def test_against_torch(kind, options, closed):
    torch = pytest.importorskip("torch")
    histories = []
    for lib in (vg, torch):
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(1))], lr=0.3)
        scheduler = getattr(lib.optim.lr_scheduler, kind.__name__)(optimizer, **options)
        history = []
        for _ in range(EPOCHS):
            optimizer.step()
            scheduler.step()
            history.append(scheduler.get_last_lr()[0])
        histories.append(history)
    assert histories[0] == pytest.approx(histories[1], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_resuming_with_state_dicts(kind, options, closed):
    whole = sgd()
    scheduler = kind(whole, **options)
    for _ in range(4):
        whole.step()
        scheduler.step()
    state, optimizer_state = scheduler.state_dict(), whole.state_dict()
    resumed = sgd(1.0, 1.0)
    other = kind(resumed, **{**options, **{name: 2 for name in ("step_size", "T_max") if name in options}})
    resumed.load_state_dict(optimizer_state)
    other.load_state_dict(state)
    assert other.last_epoch == 4 and rates_of(resumed) == rates_of(whole)
    for _ in range(10):
        for optimizer, schedule in ((whole, scheduler), (resumed, other)):
            optimizer.step()
            schedule.step()
        assert rates_of(resumed) == rates_of(whole) == other.get_last_lr()
    assert state["last_epoch"] == 4


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_resuming_with_last_epoch(kind, options, closed):
    optimizer = sgd()
    scheduler = kind(optimizer, **options)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    # PyTorch's rule: the scheduler that is made anew goes one epoch on at once.
    resumed = kind(optimizer, **options, last_epoch=scheduler.last_epoch)
    assert resumed.last_epoch == 6
    expected = [closed(base, 6) for base in (0.1, 0.5)]
    assert rates_of(optimizer) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("kind", "options", "closed"), CASES, ids=IDS)
def test_going_to_an_epoch_is_deprecated_but_works(kind, options, closed):
    optimizer = sgd()
    scheduler = kind(optimizer, **options)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter in `scheduler.step"):
        scheduler.step(8)
    assert scheduler.last_epoch == 8
    expected = [closed(base, 8) for base in (0.1, 0.5)]
    assert scheduler.get_last_lr() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_schedules_can_be_combined():
    optimizer = sgd(1.0)
    schedulers = [StepLR(optimizer, 2, gamma=0.5), CosineAnnealingLR(optimizer, 20)]
    for epoch in range(1, 10):
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        expected = 0.5 ** (epoch // 2) * (1 + math.cos(math.pi * epoch / 20)) / 2
        assert rates_of(optimizer) == pytest.approx([expected], rel=1e-9)


def test_learning_rate_tensors_are_filled():
    rate = vg.tensor(0.5, dtype=vg.float64)
    optimizer = optim.SGD([nn.Parameter(vg.ones(1))], lr=rate)
    scheduler = StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.05) and scheduler.get_last_lr() == [rate.item()]
    assert optimizer.param_groups[0]["initial_lr"] == 0.5


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


def test_groups_are_added_before():
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, 3)
    optimizer.add_param_group({"params": nn.Parameter(vg.ones(1))})
    optimizer.step()
    with pytest.raises(ValueError, match="expected the 2 param groups it was made for, got 3"):
        scheduler.step()
    assert rates_of(optimizer)[:2] == [0.1, 0.5] and scheduler.last_epoch == 0


@pytest.mark.parametrize("kind", [StepLR, CosineAnnealingLR, LRScheduler])
def test_signature_is_that_of_torch(kind):
    torch = pytest.importorskip("torch")
    own, other = (
        [(p.name, p.default) for p in inspect.signature(lib).parameters.values()]
        for lib in (kind, getattr(torch.optim.lr_scheduler, kind.__name__))
    )
    assert own == other
