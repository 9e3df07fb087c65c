"""Callbacks: what they do after a batch or an epoch, and what they refuse."""

import csv
import sys
import types

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import (
    Callback,
    Checkpoints,
    CSVLogger,
    EarlyStopping,
    GradientClipping,
    LiveCurves,
    LRScheduler,
    ModelCheckpoint,
    TensorBoard,
    Trainer,
)


class Sequence(nn.Module):
    """Has the losses that it was told, one for each evaluation; its weight counts the epochs."""

    def __init__(self, losses):
        super().__init__()
        self.weight = nn.Parameter(verigrad.zeros(1))
        self.losses = list(losses)

    def forward(self, points):
        if self.training:
            return self.weight
        return verigrad.tensor([self.losses.pop(0)])


BATCH = (verigrad.zeros(1, 1), verigrad.zeros(1))


def train(losses, *callbacks, epochs=None, optimizer=None, **options):
    model = Sequence(losses)
    optimizer = optimizer or optim.SGD(model.parameters(), lr=1.0)
    if optimizer.param_groups[0]["params"][0] is not model.weight:
        optimizer = type(optimizer)(model.parameters(), lr=1.0)
    trainer = Trainer(
        model,
        lambda output, target: -output.sum() if output.requires_grad else output.sum(),
        optimizer,
        callbacks=callbacks,
        progress=False,
        **options,
    )
    trainer.fit([BATCH], [BATCH], epochs or len(losses))
    return trainer


@pytest.mark.parametrize(
    ("losses", "options", "epochs"),
    [
        ([3.0, 2.0, 1.0], {}, 3),
        ([3.0, 3.0, 1.0], {}, 2),
        ([3.0, 4.0, 1.0], {"patience": 1}, 2),
        ([3.0, 4.0, 4.0, 1.0], {"patience": 2}, 3),
        ([3.0, 4.0, 2.0, 4.0, 4.0, 1.0], {"patience": 2}, 5),
        ([3.0, 2.9, 2.8, 1.0], {"min_delta": 0.5, "patience": 2}, 3),
        ([3.0, 2.9, 2.4, 1.0], {"min_delta": 0.5, "patience": 2}, 4),
        ([1.0, 2.0, 3.0, 2.0, 1.0], {"mode": "max"}, 4),
        ([float("nan"), float("nan"), 1.0], {"patience": 2}, 2),
    ],
)
def test_early_stopping(losses, options, epochs):
    stopping = EarlyStopping(**options)
    trainer = train(losses, stopping)
    assert len(trainer.state.history) == epochs
    assert trainer.model.weight.item() == epochs


def test_early_stopping_restores_the_best_weights():
    for restore, weight in ((False, 4.0), (True, 2.0)):
        stopping = EarlyStopping(patience=2, restore_best_weights=restore)
        trainer = train([3.0, 1.0, 2.0, 2.0, 0.0], stopping)
        assert trainer.model.weight.item() == weight
        assert (stopping.best, stopping.best_epoch, stopping.waited) == (1.0, 2, 2)


def test_the_mode_follows_the_name_of_the_column():
    for name, mode in (("val_loss", "min"), ("val_mae", "min"), ("val_accuracy", "max"), ("val_r2", "max")):
        assert EarlyStopping(name).mode == mode


def test_early_stopping_refuses():
    with pytest.raises(
        ValueError, match="EarlyStopping: expected monitor to be one of epoch, lr, .*'val_f1'"
    ):
        train([1.0], EarlyStopping("val_f1"))
    for options, message in (
        ({"patience": -1}, "patience"),
        ({"patience": 1.0}, "patience"),
        ({"min_delta": -0.1}, "min_delta"),
        ({"min_delta": float("nan")}, "min_delta"),
        ({"mode": "best"}, "mode"),
    ):
        with pytest.raises(ValueError, match=f"EarlyStopping: expected {message}"):
            EarlyStopping(**options)


def test_model_checkpoint_keeps_the_last_and_the_best(tmp_path):
    callback = ModelCheckpoint(tmp_path, monitor="val_loss")
    train([3.0, 1.0, 2.0], callback)
    checkpoints = callback.checkpoints
    epochs = [checkpoints.load(path)["progress"]["epoch"] for path in checkpoints.paths()]
    assert epochs == [2, 3]
    assert checkpoints.load(checkpoints.best())["model"]["weight"].item() == 2.0


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({}, [(1, 3), (2, 3), (3, 3)]),
        ({"every_epochs": 2}, [(2, 3)]),
        ({"every_epochs": None, "every_steps": 2}, [(1, 2), (2, 1), (2, 3), (3, 2)]),
        ({"every_steps": 2}, [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3)]),
        ({"every_epochs": None}, []),
    ],
)
def test_when_model_checkpoint_saves(tmp_path, options, places):
    callback = ModelCheckpoint(Checkpoints(tmp_path, keep_last=20), **options)
    model = nn.Linear(1, 1)
    trainer = Trainer(
        model,
        nn.MSELoss(),
        optim.SGD(model.parameters(), lr=0.1),
        callbacks=[callback],
        progress=False,
    )
    batch = (verigrad.ones(2, 1), verigrad.ones(2, 1))
    trainer.fit([batch] * 3, epochs=3)
    states = [callback.checkpoints.load(path)["progress"] for path in callback.checkpoints.paths()]
    assert [(state["epoch"], state["batch"]) for state in states] == places


def test_model_checkpoint_refuses(tmp_path):
    for options, message in (
        ({"every_epochs": 0}, "every_epochs"),
        ({"every_steps": True}, "every_steps"),
        ({"monitor": "val_loss", "mode": "best"}, "mode"),
    ):
        with pytest.raises(ValueError, match=f"ModelCheckpoint: expected {message}"):
            ModelCheckpoint(tmp_path, **options)
    with pytest.raises(ValueError, match="expected mode only with a folder"):
        ModelCheckpoint(Checkpoints(tmp_path), mode="max")


def rates(*callbacks, epochs=3, batches=2, **options):
    seen = []

    class Watch(Callback):
        def on_gradients(self, state):
            seen.append(state.optimizer.param_groups[0]["lr"])

    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    made = [make(optimizer) for make in callbacks]
    trainer = Trainer(model, nn.MSELoss(), optimizer, callbacks=[*made, Watch()], progress=False, **options)
    trainer.fit([(verigrad.ones(1, 1), verigrad.ones(1, 1))] * batches, epochs=epochs)
    return seen


def test_learning_rates():
    def schedule(optimizer):
        return optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

    assert rates(lambda optimizer: LRScheduler(schedule(optimizer))) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(lambda optimizer: LRScheduler(schedule(optimizer), "step"), epochs=2) == [
        1,
        0.5,
        0.25,
        0.125,
    ]
    assert rates(lambda optimizer: LRScheduler(lambda epoch, lr: lr / epoch)) == [
        1, 1, 0.5, 0.5, 1 / 6, 1 / 6,
    ]  # fmt: skip


def test_schedulers_that_want_a_number():
    class Plateau:
        seen = []

        def step(self, metrics, epoch=None):
            self.seen.append(metrics)

        def state_dict(self):
            return {}

    trainer = train([3.0, 2.0], LRScheduler(Plateau(), monitor="train_loss"), scheduler=Plateau())
    rows = trainer.state.history
    assert Plateau.seen == [
        rows[0]["val_loss"],
        rows[0]["train_loss"],
        rows[1]["val_loss"],
        rows[1]["train_loss"],
    ]


def test_lr_scheduler_refuses():
    scheduler = optim.lr_scheduler.StepLR(optim.SGD([nn.Parameter(verigrad.ones(1))], lr=1.0), 1)
    with pytest.raises(TypeError, match="LRScheduler: expected a scheduler or a function, got int"):
        LRScheduler(3)
    for options in ({"interval": "batch"}, {"interval": "step", "monitor": "val_loss"}):
        with pytest.raises(ValueError, match="LRScheduler: expected"):
            LRScheduler(scheduler, **options)
    for options in ({"interval": "step"}, {"monitor": "val_loss"}):
        with pytest.raises(ValueError, match="LRScheduler: expected"):
            LRScheduler(lambda epoch, lr: lr, **options)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, state):
            seen.append(len(list(csv.DictReader(path.read_text().splitlines()))))

    trainer = train([3.0, 2.0, 1.0], CSVLogger(path), Watch())
    assert seen == [1, 2, 3]
    assert path.read_text() == trainer.state.history.to_csv()


def test_gradient_clipping():
    def norms(clipping):
        seen = []

        class Watch(Callback):
            def on_gradients(self, state):
                seen.append([one.grad.clone() for one in state.model.parameters()])

        model = nn.Linear(3, 1)
        trainer = Trainer(
            model,
            nn.MSELoss(),
            optim.SGD(model.parameters(), lr=0.0),
            callbacks=[clipping, Watch()],
            progress=False,
        )
        trainer.fit([(verigrad.full((2, 3), 100.0), verigrad.ones(2, 1))])
        return seen[0]

    total = sum(float((one**2).sum().item()) for one in norms(GradientClipping(0.5))) ** 0.5
    assert total == pytest.approx(0.5, rel=1e-4)
    total = max(float(one.abs().max().item()) for one in norms(GradientClipping(0.5, float("inf"))))
    assert total == pytest.approx(0.5, rel=1e-4)
    clipped = norms(GradientClipping(max_value=0.25))
    assert {abs(value) for one in clipped for value in one.reshape(-1).tolist()} == {0.25}
    for options in ({}, {"max_norm": 1.0, "max_value": 1.0}, {"max_norm": 0.0}, {"max_value": -1.0}):
        with pytest.raises(ValueError, match="GradientClipping: expected"):
            GradientClipping(**options)


def test_live_curves(monkeypatch):
    pytest.importorskip("matplotlib")
    shown = []
    display = types.ModuleType("IPython.display")
    display.clear_output = lambda wait: shown.append("cleared")
    display.display = lambda figure: shown.append(len(figure.axes[0].lines[0].get_xdata()))
    package = types.ModuleType("IPython")
    package.version_info = (9, 0)  # which matplotlib reads
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    train([3.0, 2.0, 1.0], LiveCurves(every_epochs=2))
    assert shown == ["cleared", 2, "cleared", 3]
    with pytest.raises(ValueError, match="LiveCurves: expected every_epochs"):
        LiveCurves(every_epochs=0)


def test_packages_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(
        ImportError, match=r'LiveCurves: expected IPython .*pip install "verigrad\[notebook\]"'
    ):
        LiveCurves()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r'TensorBoard: expected tensorboard .*verigrad\[tensorboard\]"'):
        TensorBoard()


def test_tensorboard(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    trainer = train([3.0, 2.0], TensorBoard(tmp_path))
    (path,) = tmp_path.iterdir()
    seen = {}
    for event in loader.LegacyEventFileLoader(str(path)).Load():
        for value in event.summary.value:
            seen[event.step, value.tag] = value.simple_value
    for row in trainer.state.history:
        assert seen[row["epoch"], "val/loss"] == row["val_loss"]
    assert {tag for _, tag in seen} == {"lr", "train/loss", "val/loss", "seconds"}
