"""Pictures of schedules, which leave what they are made of alone."""

import copy
import sys

import pytest

import verigrad as vg
from verigrad import nn, optim
from verigrad.optim.lr_scheduler import (
    ChainedScheduler,
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
    plot_schedule,
)

pytest.importorskip("matplotlib")


def adam(*rates):
    return optim.Adam([{"params": nn.Parameter(vg.ones(1)), "lr": rate} for rate in rates])


def lines(axes):
    return [line.get_ydata().tolist() for line in axes.lines]


def walk(scheduler, steps):
    optimizer = scheduler.optimizer
    rows = []
    for _ in range(steps):
        rows.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return [list(line) for line in zip(*rows, strict=True)]


class Counting:
    calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.9**epoch


SCHEDULES = {
    "cosine": lambda o: CosineAnnealingLR(o, 20),
    "function": lambda o: LambdaLR(o, Counting()),
    "sequence": lambda o: SequentialLR(o, [LinearLR(o, 0.1, total_iters=4), StepLR(o, 3)], [4]),
    "chain": lambda o: ChainedScheduler([LinearLR(o), ExponentialLR(o, 0.9)]),
    "cyclic": lambda o: CyclicLR(o, 0.1, 1.0, 3),
    "one cycle": lambda o: OneCycleLR(o, 1.0, 40),
}


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("done", [0, 5])
@pytest.mark.parametrize("tensors", [False, True])
def test_a_scheduler_is_drawn_from_where_it_stands_and_not_moved(make, done, tensors):
    rates = [vg.tensor(0.1), vg.tensor(0.5)] if tensors else [0.1, 0.5]
    optimizer = adam(*rates)
    scheduler = make(optimizer)
    walk(scheduler, done)
    state = copy.deepcopy(scheduler.state_dict())
    options = [dict(group) for group in optimizer.param_groups]
    seen = optimizer._opt_called
    axes = plot_schedule(scheduler, 15)
    assert [line.get_xdata().tolist() for line in axes.lines] == [
        list(range(start := getattr(scheduler, "last_epoch", 0), start + 15))
    ] * 2
    assert [line.get_label() for line in axes.lines] == ["group 0", "group 1"]
    assert scheduler.state_dict() == state and optimizer._opt_called == seen
    for group, before in zip(optimizer.param_groups, options, strict=True):
        assert group.keys() == before.keys() and all(group[name] is before[name] for name in group)
    assert lines(axes) == walk(scheduler, 15)


def test_a_function_that_makes_a_scheduler():
    axes = plot_schedule(lambda optimizer: OneCycleLR(optimizer, 0.5, 20), 20)
    assert lines(axes)[0] == walk(OneCycleLR(adam(1.0), 0.5, 20), 20)[0]
    assert axes.get_legend() is None
    again = plot_schedule(lambda optimizer: StepLR(optimizer, 2), 4, lr=0.5, axes=axes)
    assert again is axes and len(axes.lines) == 2
    assert lines(axes)[1] == pytest.approx([0.5, 0.5, 0.05, 0.05])


def test_an_optimizer_whose_step_was_replaced():
    optimizer = adam(0.1)
    step = optimizer.step
    optimizer.step = lambda: step()
    scheduler = StepLR(optimizer, 1)
    assert lines(plot_schedule(scheduler, 2))[0] == pytest.approx([0.1, 0.01])


def test_a_plateau_gets_its_metrics():
    scheduler = ReduceLROnPlateau(adam(1.0), patience=0)
    axes = plot_schedule(scheduler, 4, metrics=[1.0, 2.0, 0.5])
    assert lines(axes)[0] == pytest.approx([1.0, 1.0, 0.1, 0.1])
    assert scheduler.best == float("inf") and scheduler.last_epoch == 0
    with pytest.raises(ValueError, match="plot_schedule: expected 3 metrics, got 2"):
        plot_schedule(scheduler, 4, metrics=[1.0, 2.0])
    with pytest.raises(ValueError, match="plot_schedule: expected 3 metrics, got 0"):
        plot_schedule(scheduler, 4)


def test_the_picture_can_be_saved(tmp_path):
    plot_schedule(lambda optimizer: StepLR(optimizer, 3), 1).figure.savefig(tmp_path / "schedule.png")
    assert (tmp_path / "schedule.png").read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_errors(monkeypatch):
    scheduler = StepLR(adam(0.1), 3)
    with pytest.raises(ValueError, match="expected steps to be positive, got 0"):
        plot_schedule(scheduler, 0)
    for bad in (3, lambda optimizer: 3):
        with pytest.raises(TypeError, match="expected a scheduler or a function that makes one, got int"):
            plot_schedule(bad, 3)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plot_schedule: .*pip install "verigrad\[train\]"'):
        plot_schedule(scheduler, 3)
