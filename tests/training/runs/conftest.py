"""What the tests of runs share: an empty folder for each, options of a run of a second, and signals."""

import os

import pytest

from verigrad.training import Callback
from verigrad.training.runs import train
from verigrad.training.runs.folder import CURVES, FILTERS, MISTAKES


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Each test in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def options(mnist_files):
    data = str(mnist_files(80, 20))
    return [
        "train", "--dataset", "mnist", "--data-dir", data, "--model", "mlp", "--batch-size", "20",
        "--epochs", "3", "--dropout", "0.2", "--augment",
    ]  # fmt: skip


class Signal(Callback):
    """Sends a signal to this process in the middle of an epoch."""

    def __init__(self, when, number):
        self.when, self.number = when, number

    def on_batch_start(self, state):
        if (state.epoch, state.batch) == self.when:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def signalled(monkeypatch):
    """Has the runs send a signal at a place (epoch, batch), in the *run*-th training from now on."""
    made = train.Trainer

    def install(when, number, run=1):
        left = [run]

        def changed(*arguments, callbacks, **others):
            left[0] -= 1
            more = [] if left[0] else [Signal(when, number)]
            return made(*arguments, callbacks=[*callbacks, *more], **others)

        monkeypatch.setattr(train, "Trainer", changed)

    return install


@pytest.fixture
def no_pictures(monkeypatch):
    """Has the runs write empty pictures, which take the most time of a short run."""
    made = {name: lambda file: None for name in (CURVES, FILTERS, MISTAKES)}
    monkeypatch.setattr(train, "pictures", lambda *arguments: dict(made))
