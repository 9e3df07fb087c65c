"""Kill a training run at random moments, resume it, and compare its end with that of a run without a break.

    python scripts/kill_training.py --kills 200 --seed 0

A tiny network is trained with a checkpoint after every update. A child process is ended by SIGKILL after a
random time, the next one resumes, until the run has come to its end; then the hash of weights, optimizer and
history must be that of a run without a break. After every kill the newest checkpoint must load, without a
damaged one before it, and must not be older than before. In a third of the children writing is slow: the file
is half there for a while, and so is the time before each renaming and removal. The exit code is 1 after a
failure.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import random
import signal
import stat
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import verigrad
from verigrad import nn, optim
from verigrad.training import Checkpoints, EarlyStopping, ModelCheckpoint, Trainer
from verigrad.utils.data import DataLoader, TensorDataset

EPOCHS = 3
PAUSE = 0.01  # seconds that a slow child waits at each step of a save
STEP = 0.01  # seconds that an update takes, so that kills fall between saves as well


def checkpoints(folder: Path) -> Checkpoints:
    return Checkpoints(folder, keep_last=2, keep_best=1)


def slowly(call: Any, seconds: float) -> Any:
    """A function that waits before it does the same."""

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(seconds)
        return call(*arguments, **options)

    return slow


def train(folder: Path, resume: bool, saving: Any) -> str:
    """Train to the end; the hash of all that must be the same. *saving* is 1 in its first byte while a
    checkpoint is written."""

    class Watched(ModelCheckpoint):
        def on_checkpoint(self, state: Any) -> None:
            saving[0] = 1
            super().on_checkpoint(state)
            saving[0] = 0

    verigrad.set_num_threads(1)
    verigrad.manual_seed(0)
    points = verigrad.randn(26, 3)
    data = TensorDataset(points, (points.sum(1) > 0).long())
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        scheduler=optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7),
        metrics=["accuracy"],
        callbacks=[
            EarlyStopping(patience=2, restore_best_weights=True),
            Watched(checkpoints(folder), monitor="val_loss", every_steps=1),
        ],
        augment=slowly(lambda points: points, STEP),
        progress=False,
    )
    history = trainer.fit(
        DataLoader(data, batch_size=4, shuffle=True), DataLoader(data, batch_size=13), EPOCHS, resume=resume
    )
    digest = hashlib.sha256()
    for tensor in [*model.state_dict().values(), verigrad.get_rng_state()]:
        digest.update(tensor.numpy().tobytes())
    for state in optimizer.state_dict()["state"].values():
        for value in state.values():
            digest.update(
                value.numpy().tobytes() if isinstance(value, verigrad.Tensor) else repr(value).encode()
            )
    for row in history:
        digest.update(repr({name: value for name, value in row.items() if name != "seconds"}).encode())
    return digest.hexdigest()


def slow_down() -> None:
    """Make every step of writing a file last, so that kills meet it; for a process that will be killed."""
    fsync = os.fsync

    def slow_fsync(descriptor: int) -> None:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode) and about.st_size > 1:
            half = about.st_size // 2
            rest = os.pread(descriptor, about.st_size - half, half)
            os.ftruncate(descriptor, half)
            time.sleep(PAUSE)
            os.pwrite(descriptor, rest, half)
        time.sleep(PAUSE)
        fsync(descriptor)

    os.fsync = slow_fsync
    for name in ("replace", "unlink"):
        setattr(os, name, slowly(getattr(os, name), PAUSE))


class Child:
    """A process that trains in a folder and leaves its hash there when it comes to the end."""

    def __init__(self, folder: Path, slow: bool) -> None:
        self.folder = folder
        self.saving = mmap.mmap(-1, 1)
        self.process = os.fork()
        if not self.process:
            try:
                if slow:
                    slow_down()
                (folder.parent / "hash").write_text(train(folder, True, self.saving))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)

    def wait(self, seconds: float | None) -> int:
        """Kill it after so many seconds, unless it has ended; the exit code."""
        if seconds is not None:
            end = time.perf_counter() + seconds
            while (left := end - time.perf_counter()) > 0:
                done, status = os.waitpid(self.process, os.WNOHANG)
                if done:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(min(left, 0.002))
            os.kill(self.process, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def newest(folder: Path) -> int:
    """The number of the newest checkpoint, which must load; 0 where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = checkpoints(folder).latest()
    return 0 if path is None else int(path.stem.rpartition("-")[2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="how many, at least; default 200")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    kills = runs = in_saves = before_first = 0
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        first = Path(place, "whole", "checkpoints")
        first.mkdir(parents=True)
        if Child(first, slow=False).wait(None):
            return 1
        expected = (first.parent / "hash").read_text()
        whole = time.perf_counter() - began
        while kills < arguments.kills:
            runs += 1
            folder = Path(place, f"run-{runs}", "checkpoints")
            folder.mkdir(parents=True)
            last = 0
            while True:
                slow = chance.random() < 1 / 3
                child = Child(folder, slow)
                code = child.wait(chance.uniform(0, whole * (1.0 if slow else 0.5)))
                found = newest(folder)
                if found < last:
                    failures.append(f"run {runs}: checkpoint {last} before a kill, {found} after it")
                last = found
                if code == 0:
                    break
                if code != -signal.SIGKILL:
                    failures.append(f"run {runs}: exit code {code}")
                    break
                kills += 1
                in_saves += child.saving[0]
                before_first += not found
            if code == 0 and (folder.parent / "hash").read_text() != expected:
                failures.append(f"run {runs}: another hash")
            left = [name for name in os.listdir(folder) if not name.startswith("checkpoint-")]
            if left:
                failures.append(f"run {runs}: {left} is left")
    print(
        f"{kills} kills ({in_saves} within a save, {before_first} before the first checkpoint) in {runs} "
        f"runs; every run ended with the hash of a run without a break: {'no' if failures else 'yes'}"
    )
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
