"""The training loop: `fit` and `evaluate`, with callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import verigrad
from verigrad import nn

from .metrics import Accuracy, History, MeanLoss, Metric

if TYPE_CHECKING:
    from verigrad import Tensor
    from verigrad.optim import Optimizer
    from verigrad.optim.lr_scheduler import LRScheduler

LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass
class TrainState:
    """What callbacks see, and may change.

    Attributes:
        model, optimizer, scheduler: what is being trained, and by what.
        epochs: how many there will be.
        batches: how many an epoch has; None if the loader does not say.
        epoch, batch: the current ones, counted from 1.
        step: updates so far, over all epochs.
        loss: mean training loss of the epoch so far.
        metrics: the training metrics of the epoch so far, as objects; ``compute()`` gives the value.
        history: the rows of the finished epochs.
        stop: set it to True to end training after the current epoch.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    epochs: int
    batches: int | None
    metrics: Mapping[str, Metric]
    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: MeanLoss = field(default_factory=MeanLoss)
    history: History = field(default_factory=History)
    stop: bool = False


class Callback:
    """Base of callbacks of `fit`; every method does nothing. ``on_end`` is called also when training
    fails."""

    def on_start(self, state: TrainState) -> None:
        """Before the first epoch."""

    def on_epoch_start(self, state: TrainState) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, state: TrainState) -> None:
        """After the update of a batch."""

    def on_epoch_end(self, state: TrainState) -> None:
        """After an epoch and its evaluation; ``state.history[-1]`` is its row."""

    def on_end(self, state: TrainState) -> None:
        """After the last epoch, or an error."""


def fit(
    model: nn.Module,
    train_loader: Iterable[Any],
    test_loader: Iterable[Any] | None = None,
    *,
    epochs: int,
    optimizer: Optimizer,
    loss_fn: LossFunction | None = None,
    scheduler: LRScheduler | None = None,
    test_loss_fn: LossFunction | None = None,
    augment: Callable[[Any], Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool | Literal["auto"] = "auto",
) -> History:
    """Train *model*.

    Args:
        model: called with the inputs of each batch.
        train_loader: gives ``(inputs, targets)`` pairs, anew in each epoch; tensors are moved to the device
            of the model's parameters.
        test_loader: evaluated after each epoch, without gradients and in eval mode. Default None.
        epochs: passes over *train_loader*.
        optimizer: holds the parameters of *model*.
        loss_fn: of outputs and targets, a scalar: the mean over the batch. Default `nn.CrossEntropyLoss`.
        scheduler: stepped after each epoch. Default None.
        test_loss_fn: of the test batches. Default: *loss_fn*.
        augment: applied to the inputs of each training batch, such as a random transform of
            `verigrad.vision.transforms`. The test batches are left as they are. Default None.
        metrics: name -> `Metric`. Default ``{"accuracy": Accuracy()}``.
        callbacks: called in order, see `Callback`.
        progress: "auto" shows a bar on a terminal, and one line per epoch elsewhere; True: a bar; False:
            nothing.

    Returns:
        The `History`. The model is left in training mode, the last gradients in place.

    Raises:
        ValueError: *epochs* is not a positive int, or a loader is empty.
        TypeError: a batch is not a pair.
        RuntimeError: the loss is not one finite number. The parameters are then as the last update left them.
    """
    if type(epochs) is not int or epochs < 1:
        raise ValueError(f"fit: expected epochs to be a positive int, got {epochs!r}")
    from .progress import choose_progress

    loss_fn = nn.CrossEntropyLoss() if loss_fn is None else loss_fn
    test_loss_fn = loss_fn if test_loss_fn is None else test_loss_fn
    metrics = {"accuracy": Accuracy()} if metrics is None else metrics
    state = TrainState(model, optimizer, scheduler, epochs, _length_of(train_loader), metrics)
    callbacks = [*callbacks, *choose_progress(progress)]
    try:
        _call(callbacks, "on_start", state)
        while state.epoch < epochs and not state.stop:
            state.epoch += 1
            batches = train_loader if augment is None else _augmented(train_loader, augment)
            _epoch(state, batches, test_loader, loss_fn, test_loss_fn, callbacks)
    finally:
        _call(callbacks, "on_end", state)
    return state.history


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    loss_fn: LossFunction | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """The mean loss and the metrics of *model* on the batches of *loader*, in eval mode and without
    gradients.

    The arguments are those of `fit`. The mode of the model is restored.

    Returns:
        ``{"loss": .., "<metric>": ..}``.

    Raises:
        ValueError: the loader is empty.
        TypeError: a batch is not a pair.
    """
    loss_fn = nn.CrossEntropyLoss() if loss_fn is None else loss_fn
    metrics = {"accuracy": Accuracy()} if metrics is None else metrics
    mean = MeanLoss()
    for metric in metrics.values():
        metric.reset()
    training = model.training
    model.eval()
    try:
        with verigrad.no_grad():
            device = _device_of(model)
            for batch in loader:
                inputs, targets = _pair("evaluate", batch, device)
                outputs = model(inputs)
                mean.update(float(loss_fn(outputs, targets).item()), len(targets))
                for metric in metrics.values():
                    metric.update(outputs, targets)
    finally:
        model.train(training)
    if not mean.count:
        raise ValueError("evaluate: expected a loader with at least one sample, got an empty one")
    return {"loss": mean.compute(), **{name: metric.compute() for name, metric in metrics.items()}}


def _epoch(
    state: TrainState,
    train_loader: Iterable[Any],
    test_loader: Iterable[Any] | None,
    loss_fn: LossFunction,
    test_loss_fn: LossFunction,
    callbacks: Sequence[Callback],
) -> None:
    start = time.perf_counter()
    state.batch = 0
    state.loss.reset()
    for metric in state.metrics.values():
        metric.reset()
    row: dict[str, Any] = {"epoch": state.epoch, "lr": float(state.optimizer.param_groups[0]["lr"])}
    state.model.train()
    _call(callbacks, "on_epoch_start", state)
    device = _device_of(state.model)
    for batch in train_loader:
        inputs, targets = _pair("fit", batch, device)
        state.batch += 1
        _step(state, inputs, targets, loss_fn)
        _call(callbacks, "on_batch_end", state)
    if not state.batch:
        raise ValueError("fit: expected train_loader to have at least one batch, got an empty one")
    if state.scheduler is not None:
        state.scheduler.step()
    row["train_loss"] = state.loss.compute()
    row |= {f"train_{name}": metric.compute() for name, metric in state.metrics.items()}
    if test_loader is not None:
        tested = evaluate(state.model, test_loader, loss_fn=test_loss_fn, metrics=state.metrics)
        row |= {f"test_{name}": value for name, value in tested.items()}
    row["seconds"] = round(time.perf_counter() - start, 3)
    state.history.append(row)
    _call(callbacks, "on_epoch_end", state)


def _step(state: TrainState, inputs: Any, targets: Tensor, loss_fn: LossFunction) -> None:
    state.optimizer.zero_grad()
    outputs = state.model(inputs)
    loss = loss_fn(outputs, targets)
    if loss.numel() != 1:
        raise RuntimeError(
            f"fit: expected loss_fn to give one number, got a tensor of shape {list(loss.shape)}"
        )
    value = float(loss.item())
    if not math.isfinite(value):
        raise RuntimeError(
            f"fit: expected a finite loss, got {value} in epoch {state.epoch}, batch {state.batch}; "
            "a smaller learning rate may help"
        )
    loss.backward()
    state.optimizer.step()
    state.step += 1
    state.loss.update(value, len(targets))
    for metric in state.metrics.values():
        metric.update(outputs, targets)


def _augmented(loader: Iterable[Any], augment: Callable[[Any], Any]) -> Iterator[tuple[Any, Tensor]]:
    for batch in loader:
        inputs, targets = _pair("fit", batch)
        yield augment(inputs), targets


def _call(callbacks: Sequence[Callback], method: str, state: TrainState) -> None:
    for callback in callbacks:
        getattr(callback, method)(state)


def _device_of(model: nn.Module) -> verigrad.device | None:
    """Where the model's parameters are; None if it has none."""
    return next((parameter.device for parameter in model.parameters()), None)


def _pair(who: str, batch: Any, device: verigrad.device | None = None) -> tuple[Any, Tensor]:
    """Inputs and targets, on the device if they are tensors."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{who}: expected batches (inputs, targets), got {type(batch).__name__}")
    inputs, targets = batch
    if not isinstance(targets, verigrad.Tensor):
        raise TypeError(f"{who}: expected targets to be a Tensor, got {type(targets).__name__}")
    if device is not None:
        targets = targets.to(device, non_blocking=True)
        inputs = inputs.to(device, non_blocking=True) if isinstance(inputs, verigrad.Tensor) else inputs
    return inputs, targets


def _length_of(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None
