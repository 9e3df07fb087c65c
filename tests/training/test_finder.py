"""The sweep over learning rates: what it finds, and that it leaves everything as it was."""

import math

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import LRSweep, find_lr
from verigrad.utils.data import DataLoader, TensorDataset


def parts(shuffle=True):
    verigrad.manual_seed(0)
    points = verigrad.randn(60, 3)
    generator = verigrad.Generator()
    generator.manual_seed(1)
    loader = DataLoader(
        TensorDataset(points, points @ verigrad.tensor([[1.0], [2.0], [3.0]])),
        batch_size=20,
        shuffle=shuffle,
        generator=generator if shuffle else None,
    )
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 1))
    groups = [{"params": model[0].parameters()}, {"params": model[1:].parameters(), "lr": 0.2}]
    return model, optim.SGD(groups, lr=0.1, momentum=0.9), loader


def test_the_sweep():
    model, optimizer, loader = parts()
    seen = []
    step = optimizer.step
    optimizer.step = lambda closure=None: (
        seen.append([group["lr"] for group in optimizer.param_groups]),
        step(),
    )
    sweep = find_lr(model, nn.MSELoss(), optimizer, loader, start=1e-5, end=1e-2, steps=31)
    assert len(sweep.rates) == len(sweep.losses) == 31
    for step_number, (rate, both) in enumerate(zip(sweep.rates, seen, strict=True)):
        assert math.isclose(rate, 10 ** (-5 + step_number / 10), rel_tol=1e-9)
        assert both == [rate, pytest.approx(2 * rate)]
    assert sweep.losses[-1] < sweep.losses[0]
    assert sweep.suggestion in sweep.rates


def test_it_ends_where_the_loss_grows():
    model, optimizer, loader = parts()
    sweep = find_lr(model, nn.MSELoss(), optimizer, loader, start=1e-3, end=1e6)
    assert 10 < len(sweep.losses) < 100
    assert all(map(math.isfinite, sweep.losses))
    assert sweep.suggestion < sweep.rates[-1] / 2


@pytest.mark.parametrize("end", [1e-2, 1e6])
def test_everything_is_as_before(end):
    model, optimizer, loader = parts()
    nn.functional.mse_loss(model(verigrad.ones(2, 3)), verigrad.ones(2, 1)).backward()
    optimizer.step()
    model[1].eval()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    momentum = [one["momentum_buffer"].clone() for one in optimizer.state.values()]
    random, position = verigrad.get_rng_state(), loader.generator.get_state()
    find_lr(model, nn.MSELoss(), optimizer, loader, end=end, steps=30)
    assert all(verigrad.equal(before[name], one) for name, one in model.state_dict().items())
    assert all(
        verigrad.equal(old, one["momentum_buffer"])
        for old, one in zip(momentum, optimizer.state.values(), strict=True)
    )
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]
    assert verigrad.equal(random, verigrad.get_rng_state())
    assert verigrad.equal(position, loader.generator.get_state())
    assert (model.training, model[1].training) == (True, False)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_suggestion_is_the_steepest_place():
    rates = [10.0**power for power in range(-5, 2)]
    assert LRSweep(rates, [3.0, 3.0, 2.9, 2.0, 1.5, 1.4, 9.0]).suggestion == 1e-2
    with pytest.raises(ValueError, match="LRSweep: expected a loss that falls"):
        _ = LRSweep(rates, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).suggestion


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    sweep = LRSweep([1e-3, 1e-2, 1e-1, 1.0], [3.0, 2.0, 1.0, 4.0])
    figure = sweep.plot(tmp_path / "lr.png", "a title")
    assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_title()) == ("log", "a title")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0.01"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 0}, "0 < start < end"),
        ({"start": 1, "end": 1}, "0 < start < end"),
        ({"end": math.inf}, "0 < start < end"),
        ({"steps": 2}, "steps to be an int from 3"),
        ({"smoothing": 1}, "smoothing from 0 to below 1"),
    ],
)
def test_arguments_that_are_refused(options, message):
    model, optimizer, loader = parts()
    with pytest.raises(ValueError, match=f"find_lr: expected {message}"):
        find_lr(model, nn.MSELoss(), optimizer, loader, **options)


def test_an_empty_loader():
    model, optimizer, _ = parts()
    with pytest.raises(ValueError, match="expected train to have at least one batch"):
        find_lr(model, nn.MSELoss(), optimizer, [])
