"""Callbacks of `Trainer`: what many training runs do after a batch or an epoch."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import verigrad
from verigrad import nn
from verigrad.utils._extras import require

from .checkpoints import Checkpoints
from .state import Callback, TrainState

Mode = Literal["auto", "min", "max"]
_SMALL_IS_GOOD = ("loss", "mae", "error")


class EarlyStopping(Callback):
    """Stops training when a column of the history no longer gets better.

    Prechelt 1998, "Early stopping - but when?", the criterion UP.

    Args:
        monitor: the column; default "val_loss".
        min_delta: how much better an epoch must be to count; default 0.
        patience: epochs without that before training stops; default 0, the first one stops it.
        mode: whether smaller ("min") or larger ("max") is better; default "auto", smaller for a loss or an
            error, by the name of the column.
        restore_best_weights: load the weights of the best epoch at the end; default False.

    Attributes:
        best: the best value so far; None before the first epoch.
        best_epoch: its epoch.
        waited: epochs since then.

    Raises:
        ValueError: an argument is out of range; after an epoch, where the history has no such column.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: Mode = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        if not min_delta >= 0 or not math.isfinite(min_delta):
            raise ValueError(f"EarlyStopping: expected min_delta to be finite, from 0, got {min_delta!r}")
        if type(patience) is not int or patience < 0:
            raise ValueError(f"EarlyStopping: expected patience to be an int from 0, got {patience!r}")
        self.monitor = monitor
        self.min_delta = float(min_delta)
        self.patience = patience
        self.mode = _mode("EarlyStopping", mode, monitor)
        self.restore_best_weights = restore_best_weights
        self.best: float | None = None
        self.best_epoch = 0
        self.waited = 0
        self._weights: dict[str, Any] | None = None

    def on_epoch_end(self, state: TrainState) -> None:
        value = _monitored("EarlyStopping", self.monitor, state)
        if self._is_better(value):
            self.best, self.best_epoch, self.waited = value, state.epoch, 0
            if self.restore_best_weights:
                self._weights = _copied(state.model)
            return
        self.waited += 1
        if self.waited >= max(self.patience, 1):
            state.stop = True

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        gain = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def on_end(self, state: TrainState) -> None:
        if self._weights is not None:
            state.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "weights": self._weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        self._weights = state["weights"]


class ModelCheckpoint(Callback):
    """Saves the state of the run, after epochs, after every so many updates, and when it is interrupted.

    Args:
        checkpoints: a `Checkpoints`, or a folder: the last checkpoint of it is kept, and with *monitor* the
            best one.
        monitor: the column of the history that scores a checkpoint after an epoch; default None, no scores.
        mode: as for `EarlyStopping`.
        every_epochs: save after every so many epochs; default 1; None only as *every_steps* says.
        every_steps: save after every so many updates as well; default None.

    Raises:
        ValueError: an argument is out of range.
        OSError: in training, where a checkpoint cannot be written. The older ones are as they were.
    """

    def __init__(
        self,
        checkpoints: Checkpoints | str | os.PathLike[str],
        monitor: str | None = None,
        mode: Mode = "auto",
        every_epochs: int | None = 1,
        every_steps: int | None = None,
    ) -> None:
        for name, value in (("every_epochs", every_epochs), ("every_steps", every_steps)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"ModelCheckpoint: expected {name} to be a positive int, got {value!r}")
        if not isinstance(checkpoints, Checkpoints):
            best = _mode("ModelCheckpoint", mode, monitor or "loss")
            checkpoints = Checkpoints(checkpoints, keep_best=int(monitor is not None), mode=best)
        elif mode != "auto":
            raise ValueError(f"ModelCheckpoint: expected mode only with a folder, got {mode!r} beside one")
        self.checkpoints = checkpoints
        self.monitor = monitor
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self._saved_at = 0
        self._saved: tuple[Any, ...] = ()

    def on_start(self, state: TrainState) -> None:
        self._saved_at = state.step
        self._saved = ()

    def on_checkpoint(self, state: TrainState) -> None:
        after_epoch = not state.in_epoch
        due = self.every_steps is not None and state.step - self._saved_at >= self.every_steps
        if due or (after_epoch and self.every_epochs is not None and state.epoch % self.every_epochs == 0):
            self._save(state)

    def on_interrupt(self, state: TrainState) -> None:
        self._save(state)

    def _save(self, state: TrainState) -> None:
        place = (state.epoch, state.batch, state.in_epoch)
        if place == self._saved:
            return
        score = None
        if self.monitor is not None and not state.in_epoch:
            value = _monitored("ModelCheckpoint", self.monitor, state)
            score = None if math.isnan(value) else value
        self.checkpoints.save(state, score)
        self._saved_at, self._saved = state.step, place


class LRScheduler(Callback):
    """Sets the learning rate while training goes on.

    Args:
        scheduler: one of `verigrad.optim.lr_scheduler`, or a function of (epoch from 1, learning rate of the
            first group) that gives the learning rate of all groups for that epoch.
        interval: when a scheduler steps: after each "epoch" (default) or after each "step", an update.
        monitor: the column of the history that the scheduler's ``step`` takes, as that of
            ``ReduceLROnPlateau`` does; default None.

    Raises:
        TypeError: *scheduler* is neither.
        ValueError: an unknown *interval*, or *monitor* with "step".
    """

    def __init__(
        self,
        scheduler: Any,
        interval: Literal["epoch", "step"] = "epoch",
        monitor: str | None = None,
    ) -> None:
        steps = callable(getattr(scheduler, "step", None))
        if not steps and not callable(scheduler):
            raise TypeError(
                f"LRScheduler: expected a scheduler or a function, got {type(scheduler).__name__}"
            )
        if interval not in ("epoch", "step") or (interval == "step" and not steps):
            raise ValueError(f"LRScheduler: expected interval 'epoch' or 'step', got {interval!r}")
        if monitor is not None and (interval == "step" or not steps):
            raise ValueError(f"LRScheduler: expected monitor only with epochs, got {monitor!r}")
        self.scheduler = scheduler
        self.interval = interval
        self.monitor = monitor
        self._steps = steps
        self._seen = 0

    def on_start(self, state: TrainState) -> None:
        self._seen = state.step

    def on_epoch_start(self, state: TrainState) -> None:
        if not self._steps and not state.batch:
            groups = state.optimizer.param_groups
            rate = float(self.scheduler(state.epoch, float(groups[0]["lr"])))
            for group in groups:
                group["lr"] = rate

    def on_batch_end(self, state: TrainState) -> None:
        if self.interval == "step" and state.step > self._seen:
            self._seen = state.step
            self.scheduler.step()

    def on_epoch_end(self, state: TrainState) -> None:
        if self._steps and self.interval == "epoch":
            step_scheduler(self.scheduler, state, self.monitor)

    def state_dict(self) -> dict[str, Any]:
        return {"scheduler": self.scheduler.state_dict()} if self._steps else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state["scheduler"])


class CSVLogger(Callback):
    """Writes the history as CSV after every epoch; the file is complete at every moment.

    Args:
        path: of the file, which is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def on_epoch_end(self, state: TrainState) -> None:
        state.history.to_csv(self.path)


class GradientClipping(Callback):
    """Clips the gradients before each update.

    Args:
        max_norm: the largest norm of all gradients together, see `nn.utils.clip_grad_norm_`.
        norm_type: the p of that norm; default 2.
        max_value: or the largest magnitude of an element, see `nn.utils.clip_grad_value_`.

    Raises:
        ValueError: not exactly one of *max_norm* and *max_value* is given, or it is not above 0.
    """

    def __init__(
        self, max_norm: float | None = None, norm_type: float = 2.0, max_value: float | None = None
    ) -> None:
        if (max_norm is None) == (max_value is None):
            raise ValueError(
                f"GradientClipping: expected max_norm or max_value, got {max_norm!r} and {max_value!r}"
            )
        limit = max_value if max_norm is None else max_norm
        if limit is None or not limit > 0:
            raise ValueError(f"GradientClipping: expected a limit above 0, got {limit!r}")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.max_value = max_value

    def on_gradients(self, state: TrainState) -> None:
        parameters = [one for group in state.optimizer.param_groups for one in group["params"]]
        if self.max_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.max_norm, self.norm_type)
        elif self.max_value is not None:
            nn.utils.clip_grad_value_(parameters, self.max_value)


class LiveCurves(Callback):
    """Draws the history anew after every epoch, in the output of a notebook's cell.

    Args:
        every_epochs: draw after every so many epochs, and after the last; default 1.
        title: above the panels.

    Raises:
        ImportError: IPython or matplotlib is not installed (they come with the extra "notebook").
        ValueError: *every_epochs* is not positive.
    """

    def __init__(self, every_epochs: int = 1, title: str = "") -> None:
        if type(every_epochs) is not int or every_epochs < 1:
            raise ValueError(f"LiveCurves: expected every_epochs to be a positive int, got {every_epochs!r}")
        self._display = require("IPython.display", "IPython", "notebook", "LiveCurves")
        require("matplotlib.figure", "matplotlib", "notebook", "LiveCurves")
        self.every_epochs = every_epochs
        self.title = title
        self._drawn = 0

    def on_epoch_end(self, state: TrainState) -> None:
        if len(state.history) % self.every_epochs == 0:
            self._draw(state)

    def on_end(self, state: TrainState) -> None:
        if len(state.history) > self._drawn:
            self._draw(state)

    def _draw(self, state: TrainState) -> None:
        self._drawn = len(state.history)
        self._display.clear_output(wait=True)
        self._display.display(state.history.plot(title=self.title))


class TensorBoard(Callback):
    """Writes the numbers of each epoch as scalars that TensorBoard shows.

    Args:
        folder: for the event files; default "tensorboard".

    Raises:
        ImportError: tensorboard is not installed (it comes with the extra "tensorboard").
    """

    def __init__(self, folder: str | os.PathLike[str] = "tensorboard") -> None:
        require("tensorboard", "tensorboard", "tensorboard", "TensorBoard")
        self.folder = Path(folder)
        self._writer: Any = None

    def on_start(self, state: TrainState) -> None:
        from ..utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(self.folder)

    def on_epoch_end(self, state: TrainState) -> None:
        import time

        now = time.time()
        for name, value in state.history[-1].items():
            if name != "epoch":
                self._writer.add_scalar(name.replace("_", "/", 1), value, state.epoch, now)
        self._writer.flush()

    def on_end(self, state: TrainState) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def step_scheduler(scheduler: Any, state: TrainState, monitor: str | None = None) -> None:
    """Step a scheduler after an epoch; one that needs a number (``ReduceLROnPlateau``) gets a column of the
    history: *monitor*, else the validation loss, else the training loss."""
    if monitor is None and not _needs_metrics(scheduler):
        scheduler.step()
        return
    row = state.history[-1]
    if monitor is None:
        monitor = next(
            (name for name in row if name.endswith("_loss") and name != "train_loss"), "train_loss"
        )
    scheduler.step(_monitored("scheduler", monitor, state))


def _needs_metrics(scheduler: Any) -> bool:
    return any(
        name == "metrics" and one.default is inspect.Parameter.empty
        for name, one in inspect.signature(scheduler.step).parameters.items()
    )


def _mode(who: str, mode: str, monitor: str) -> Literal["min", "max"]:
    if mode == "auto":
        return "min" if any(word in monitor for word in _SMALL_IS_GOOD) else "max"
    if mode in ("min", "max"):
        return "min" if mode == "min" else "max"
    raise ValueError(f"{who}: expected mode 'auto', 'min' or 'max', got {mode!r}")


def _monitored(who: str, monitor: str, state: TrainState) -> float:
    row = state.history[-1]
    if monitor not in row:
        raise ValueError(f"{who}: expected monitor to be one of {', '.join(row)}, got {monitor!r}")
    return float(row[monitor])


def _copied(model: nn.Module) -> dict[str, Any]:
    return {
        name: one.detach().clone() if isinstance(one, verigrad.Tensor) else one
        for name, one in model.state_dict().items()
    }
