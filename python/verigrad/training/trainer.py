"""`Trainer`: the training loop, built from `TrainState`, callbacks, metrics and `evaluate`."""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import verigrad
from verigrad import nn

from .callbacks import ModelCheckpoint, step_scheduler
from .checkpoints import Checkpoints
from .evaluation import Loss, device_of, evaluate, pair, predict, samples
from .history import History
from .interrupt import Interrupted, held_signals
from .metrics import named_metrics
from .progress import choose_progress
from .state import Callback, TrainState

if TYPE_CHECKING:
    from verigrad import Tensor
    from verigrad.optim import Optimizer


class _NotFiniteError(Exception):
    """A batch is to be left out."""


class Trainer:
    """Trains a model.

    Args:
        model: what to train.
        loss: of (outputs, targets), one number, a mean over the samples.
        optimizer: of the model's parameters. One whose ``step`` needs a closure, as LBFGS, gets one.
        scheduler: steps after every epoch; one that needs a number gets the validation loss (without
            validation the training loss). `LRScheduler` steps more often. Default None.
        metrics: a mapping of names to metrics, or a list of metrics and names, such as ``["accuracy"]``, see
            `Metric`. Default none.
        callbacks: called in order, see `Callback`.
        device: where model and batches go; default None, where the model is.
        accumulate: batches for one update, whose gradients are added, each weighted by its samples: the
            gradient is that of one large batch. The last update of an epoch may have fewer. Default 1.
        augment: changes the inputs of training batches, on the device. Default None.
        validation_loss: for evaluation; default None, *loss*.
        nonfinite: what to do when a loss or a gradient is not finite: "raise" (default) an error that says
            where, or "skip" the update, which ``state.skipped`` counts.
        allow_unused: whether the optimizer may have parameters that the loss does not depend on. Default
            False: the first update raises an error that names them.
        progress: "auto" (default) shows a bar on a terminal, and one line per epoch elsewhere; True: a bar;
            False: nothing.

    Attributes:
        state: the `TrainState` of the last ``fit``; None before the first.

    Raises:
        TypeError, ValueError: an argument is not as described.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: Optimizer,
        *,
        scheduler: Any = None,
        metrics: Mapping[str, Any] | Sequence[Any] = (),
        callbacks: Sequence[Callback] = (),
        device: Any = None,
        accumulate: int = 1,
        augment: Callable[[Any], Any] | None = None,
        validation_loss: Loss | None = None,
        nonfinite: Literal["raise", "skip"] = "raise",
        allow_unused: bool = False,
        progress: bool | Literal["auto"] = "auto",
    ) -> None:
        if type(accumulate) is not int or accumulate < 1:
            raise ValueError(f"Trainer: expected accumulate to be a positive int, got {accumulate!r}")
        if nonfinite not in ("raise", "skip"):
            raise ValueError(f"Trainer: expected nonfinite to be 'raise' or 'skip', got {nonfinite!r}")
        if progress not in (True, False, "auto"):
            raise ValueError(f'Trainer: expected progress to be True, False or "auto", got {progress!r}')
        for name, value in (("loss", loss), ("validation_loss", validation_loss), ("augment", augment)):
            if not callable(value) and (name == "loss" or value is not None):
                raise TypeError(f"Trainer: expected {name} to be a function, got {type(value).__name__}")
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"Trainer: expected callbacks, got {type(callback).__name__} among them")
        self.model = model if device is None else model.to(device)
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.metrics = named_metrics(metrics)
        self.callbacks = list(callbacks)
        self.accumulate = accumulate
        self.augment = augment
        self.validation_loss = loss if validation_loss is None else validation_loss
        self.nonfinite = nonfinite
        self.allow_unused = allow_unused
        self.progress = progress
        self.state: TrainState | None = None
        self._parameters = [one for group in optimizer.param_groups for one in group["params"]]
        self._wants_closure = (
            inspect.signature(optimizer.step).parameters["closure"].default is inspect.Parameter.empty
        )

    def fit(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        epochs: int = 1,
        *,
        resume: Checkpoints | str | os.PathLike[str] | bool = False,
        validation_name: str = "val",
    ) -> History:
        """Train for *epochs* epochs.

        A signal (Ctrl-C, SIGTERM) ends the training at once; with a callback that has ``on_interrupt``, such
        as `ModelCheckpoint`, after the batch under way and that callback. A second one ends it at once.

        Args:
            train: batches (inputs, targets) for training: tensors, or tuples, lists and dicts of them. It is
                iterated once for each epoch.
            validation: batches for the evaluation after each epoch; default None.
            epochs: how many in all, those before a resumed checkpoint included.
            resume: go on from the newest complete checkpoint of a `Checkpoints` or folder; True: of that of
                the first `ModelCheckpoint`. Where there is none yet, training starts at the beginning. The
                same data, model and arguments then give the same bits as training without a break, also from
                within an epoch.
            validation_name: how the columns of the validation begin; default "val".

        Returns:
            The `History`. The model is left in training mode, the last gradients in place.

        Raises:
            ValueError: *epochs* is not a positive int, or a loader is empty.
            TypeError: a batch is not a pair.
            RuntimeError: the loss is not one number; it or a gradient is not finite (unless these are
                skipped); a parameter has no gradient; a checkpoint is of another model. The parameters are
                then as the last update left them.
            Interrupted: a signal came; a KeyboardInterrupt.
        """
        if type(epochs) is not int or epochs < 1:
            raise ValueError(f"fit: expected epochs to be a positive int, got {epochs!r}")
        self._device = device_of(self.model)
        self._checked = self.allow_unused  # whether every parameter has a gradient
        callbacks = [*self.callbacks, *choose_progress(self.progress)]
        state = self.state = TrainState(
            self.model, self.optimizer, self.scheduler, train, self.metrics, callbacks, epochs
        )
        if resume is not False:
            self._checkpoints(resume).restore(state)
        waits = any(type(one).on_interrupt is not Callback.on_interrupt for one in callbacks)
        held: contextlib.AbstractContextManager[list[int]] = (
            held_signals() if waits else contextlib.nullcontext([])
        )
        with held as signals:
            try:
                self._call("on_start")
                while state.in_epoch or (state.epoch < epochs and not state.stop):
                    self._epoch(state, validation, validation_name, signals)
            finally:
                self._call("on_end")
        return state.history

    def evaluate(self, data: Iterable[Any]) -> dict[str, Any]:
        """The mean loss (*validation_loss*) and the metrics on the batches of *data*, see
        `verigrad.training.evaluate`."""
        return evaluate(self.model, data, self.validation_loss, copy.deepcopy(self.metrics))

    def predict(self, data: Tensor | Iterable[Any]) -> Tensor:
        """The outputs for a tensor of inputs, or for batches, see `verigrad.training.predict`."""
        return predict(self.model, data)

    def _checkpoints(self, resume: Any) -> Checkpoints:
        if isinstance(resume, Checkpoints):
            return resume
        if resume is not True:
            return Checkpoints(resume)
        for one in self.callbacks:
            if isinstance(one, ModelCheckpoint):
                return one.checkpoints
        raise ValueError("fit: expected a ModelCheckpoint among the callbacks for resume=True, got none")

    def _call(self, hook: str) -> None:
        assert self.state is not None
        for callback in self.state.callbacks:
            getattr(callback, hook)(self.state)

    def _epoch(
        self,
        state: TrainState,
        validation: Iterable[Any] | None,
        validation_name: str,
        signals: list[int],
    ) -> None:
        start = time.perf_counter()
        resumed = state.in_epoch
        batches = state.batches()
        self.model.train()
        self._call("on_epoch_start")
        if not resumed:
            state.lr = float(self.optimizer.param_groups[0]["lr"])
            state.loss.reset()
            for metric in self.metrics.values():
                metric.reset()
        while group := list(itertools.islice(batches, self.accumulate)):
            self._call("on_batch_start")
            self._update(state, group)
            self._call("on_batch_end")
            if len(group) == self.accumulate:  # a shorter one ends the epoch
                self._moment(state, signals)
        if not state.batch:
            raise ValueError("fit: expected train to have at least one batch, got an empty one")
        row: dict[str, Any] = {"epoch": state.epoch, "lr": state.lr, "train_loss": state.loss.compute()}
        row |= {f"train_{name}": metric.compute() for name, metric in self.metrics.items()}
        if validation is not None:
            tested = evaluate(self.model, validation, self.validation_loss, self.metrics)
            row |= {f"{validation_name}_{name}": value for name, value in tested.items()}
        row["seconds"] = round(time.perf_counter() - start, 3)
        # Only numbers make columns; a confusion matrix is for evaluate.
        state.history.append({name: value for name, value in row.items() if isinstance(value, int | float)})
        if self.scheduler is not None:
            step_scheduler(self.scheduler, state)
        self._call("on_epoch_end")
        self._moment(state, signals)

    def _moment(self, state: TrainState, signals: list[int]) -> None:
        """The state is whole: callbacks may save it, and a signal that came ends the training."""
        self._call("on_checkpoint")
        if signals:
            self._call("on_interrupt")
            raise Interrupted(signals[0], f"in epoch {state.epoch}, after batch {state.batch}")

    def _update(self, state: TrainState, group: list[Any]) -> None:
        """One update by the batches of a group."""
        pairs = [pair("fit", batch, self._device) for batch in group]
        buffers = self._buffers() if self.nonfinite == "skip" else []
        results: list[Any] = []
        try:
            if self._wants_closure:
                self.optimizer.step(lambda: self._gradients(state, pairs, results))
            else:
                self._gradients(state, pairs, results)
                self.optimizer.step()
        except _NotFiniteError:
            self.optimizer.zero_grad()
            for buffer, before in buffers:
                buffer.copy_(before)
            state.skipped += len(group)
            return
        state.step += 1
        for value, outputs, targets, count in results[: len(pairs)]:
            state.loss.update(value, count)
            for metric in self.metrics.values():
                metric.update(outputs, targets)

    def _gradients(self, state: TrainState, pairs: list[Any], results: list[Any]) -> float:
        """Compute the loss of a group and its gradients; what metrics need goes to *results*."""
        counts = [samples("fit", targets) for _, targets in pairs]
        whole = 0.0
        self.optimizer.zero_grad()
        for (inputs, targets), count in zip(pairs, counts, strict=True):
            outputs = self.model(inputs if self.augment is None else self.augment(inputs))
            loss = self.loss(outputs, targets)
            if loss.numel() != 1:
                raise RuntimeError(
                    f"fit: expected loss to give one number, got a tensor of shape {list(loss.shape)}"
                )
            value = float(loss.item())
            if not math.isfinite(value):
                self._refuse(state, f"expected a finite loss, got {value}", loss)
            if len(pairs) > 1:
                loss = loss * (count / sum(counts))
            loss.backward()
            whole += value * count
            results.append((value, outputs, targets, count))
        self._check_gradients(state)
        self._call("on_gradients")
        return whole / max(sum(counts), 1)

    def _check_gradients(self, state: TrainState) -> None:
        if not self._checked:
            unused = [one for one in self._parameters if one.requires_grad and one.grad is None]
            if unused:
                raise RuntimeError(
                    "fit: expected a gradient for every parameter of the optimizer, got none for "
                    f"{self._names(unused)}; allow_unused=True trains without"
                )
            self._checked = True
        gradients = [one.grad for one in self._parameters if one.grad is not None]
        if not gradients:
            return
        # A sum may overflow where no element is infinite, so it only tells when to look.
        with verigrad.no_grad():
            fine = math.isfinite(float(sum(one.sum() for one in gradients).item()))
        if not fine and nonfinite_gradients(self.model):
            self._refuse(state, "expected finite gradients")

    def _refuse(self, state: TrainState, what: str, loss: Tensor | None = None) -> None:
        if self.nonfinite == "skip":
            raise _NotFiniteError
        place = f"in epoch {state.epoch}, batch {state.batch} (step {state.step})"
        broken = [one for one in self._parameters if not bool(one.isfinite().all())]
        if broken:
            raise RuntimeError(
                f"fit: {what} {place}: {self._names(broken)} is no longer finite; a smaller learning rate "
                "may help"
            )
        if loss is not None and loss.requires_grad:
            self.optimizer.zero_grad()
            loss.backward()
        names = nonfinite_gradients(self.model)
        cause = f": the gradient of {names[0]} is not finite" if names else ""
        raise RuntimeError(f"fit: {what} {place}{cause}; a smaller learning rate may help")

    def _names(self, parameters: list[Any]) -> str:
        names = {id(one): name for name, one in self.model.named_parameters()}
        shown = [names.get(id(one), f"a parameter {list(one.shape)} outside the model") for one in parameters]
        return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        return [(one, one.detach().clone()) for one in self.model.buffers()]


def nonfinite_gradients(model: nn.Module) -> list[str]:
    """The names of the parameters of *model* whose gradient has NaN or infinity."""
    return [
        name
        for name, one in model.named_parameters()
        if one.grad is not None and not bool(one.grad.isfinite().all())
    ]
