"""The state of a training run: what is being trained, where it stands, and all of it as data."""

from __future__ import annotations

import copy
import itertools
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn

from .history import History
from .metrics import MeanLoss

if TYPE_CHECKING:
    from verigrad import Generator, Tensor
    from verigrad.optim import Optimizer

_FORMAT = 1
_PROGRESS = ("epoch", "batch", "step", "skipped", "in_epoch", "lr", "stop")


class Callback:
    """Base of callbacks of `Trainer`; every hook does nothing, and takes the `TrainState`.

    A callback that keeps something over epochs gives it in ``state_dict``, so that a resumed run goes on with
    it.
    """

    def on_start(self, state: TrainState) -> None:
        """Before the first epoch, after a checkpoint was loaded."""

    def on_epoch_start(self, state: TrainState) -> None:
        """Before the first batch of an epoch, or the first one that is left of it."""

    def on_batch_start(self, state: TrainState) -> None:
        """Before the forward pass of a batch."""

    def on_gradients(self, state: TrainState) -> None:
        """When all gradients of an update are there, before it."""

    def on_batch_end(self, state: TrainState) -> None:
        """After a batch (with accumulated gradients: after the update of the last one of a group)."""

    def on_epoch_end(self, state: TrainState) -> None:
        """After an epoch and its evaluation; ``state.history[-1]`` is its row."""

    def on_checkpoint(self, state: TrainState) -> None:
        """After ``on_batch_end`` or ``on_epoch_end`` of all callbacks: the state is whole and may be
        saved."""

    def on_interrupt(self, state: TrainState) -> None:
        """Training is about to end by Ctrl-C or SIGTERM; the state is whole.

        Where a callback defines this, `Trainer.fit` ends the batch before it calls it.
        """

    def on_end(self, state: TrainState) -> None:
        """After the last epoch, or an error."""

    def state_dict(self) -> dict[str, Any]:
        """What to keep in a checkpoint. Default: nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""


@dataclass
class TrainState:
    """What is being trained, and where the training stands. `Trainer` keeps one; a loop of one's own may.

    A loop over `batches` counts epochs and batches here, and goes on within an epoch after
    `load_state_dict`::

        state = TrainState(model, optimizer, loader=loader)
        while state.epoch < 10 or state.in_epoch:
            for inputs, targets in state.batches():
                ...
                state.step += 1

    Attributes:
        model, optimizer, scheduler: what is being trained, and by what.
        loader: of the training batches.
        epochs: how many there will be.
        batches_in_epoch: how many batches an epoch has; None if the loader does not say.
        epoch, batch: the current ones, counted from 1.
        step: updates so far, over all epochs.
        skipped: batches that were left out since their loss or gradient was not finite.
        in_epoch: whether the epoch has batches left.
        lr: learning rate of the first group at the start of the epoch.
        loss: mean training loss of the epoch so far.
        metrics: the training metrics of the epoch so far, as objects; ``compute()`` gives the value.
        callbacks: whose states belong to that of the run.
        history: the rows of the finished epochs.
        stop: set it to True to end training after the current epoch.
    """

    model: nn.Module
    optimizer: Optimizer
    scheduler: Any = None
    loader: Any = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    epochs: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    skipped: int = 0
    in_epoch: bool = False
    lr: float = 0.0
    loss: MeanLoss = field(default_factory=MeanLoss)
    history: History = field(default_factory=History)
    stop: bool = False
    _resumed: Mapping[str, Any] | None = field(default=None, repr=False)
    _epoch_start: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def batches_in_epoch(self) -> int | None:
        try:
            return len(self.loader)
        except TypeError:
            return None

    def batches(self) -> Iterator[Any]:
        """The batches of a new epoch, or after `load_state_dict` those that are left of the one under way.

        Raises:
            RuntimeError: a loader without ``state_dict`` has fewer batches than the epoch had when it was
                saved.
        """
        resumed, self._resumed = self._resumed, None
        if not self.in_epoch:
            self.epoch += 1
            self.batch = 0
            self.in_epoch = True
            resumed = None
        iterator = self._begin() if resumed is None else self._go_on(resumed)
        return self._counted(iterator)

    def _counted(self, iterator: Iterator[Any]) -> Iterator[Any]:
        for batch in iterator:
            self.batch += 1
            yield batch
        self.in_epoch = False

    def _begin(self) -> Iterator[Any]:
        if not _is_stateful(self.loader):
            self._epoch_start = {"random": random_state(), "loader": _loader_generators(self.loader)}
        return iter(self.loader)

    def _go_on(self, saved: Mapping[str, Any]) -> Iterator[Any]:
        if _is_stateful(self.loader):
            iterator: Iterator[Any] = iter(self.loader)
        else:
            # The epoch as it was, up to the place; then the generators as they were there.
            self._epoch_start = saved["loader"]["start"]
            set_random_state(self._epoch_start["random"])
            _set_loader_generators(self.loader, self._epoch_start["loader"])
            iterator = iter(self.loader)
            seen = sum(1 for _ in itertools.islice(iterator, self.batch))
            if seen < self.batch:
                raise RuntimeError(
                    f"resume: expected a loader of at least the {self.batch} batches that were used of epoch "
                    f"{self.epoch}, got {seen}"
                )
            _set_loader_generators(self.loader, saved["loader"]["now"])
        set_random_state(saved["random"])
        return iterator

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, as data for `verigrad.save`.

        Model, optimizer, scheduler, the generators of all devices, the place in the loader (its own
        ``state_dict`` where it has one), epoch, batch and step, loss and metrics of the epoch so far,
        history, the states of the callbacks, and versions. Tensors share memory with the run's.
        """
        loader: Any = None
        if _is_stateful(self.loader):
            loader = self.loader.state_dict()
        else:
            loader = {"now": _loader_generators(self.loader), "start": self._epoch_start}
        return {
            "format": _FORMAT,
            "versions": {"verigrad": verigrad.__version__, "python": platform.python_version()},
            "classes": _classes(self),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "random": random_state(),
            "loader": loader,
            "progress": {name: getattr(self, name) for name in _PROGRESS},
            "loss": dict(vars(self.loss)),
            "metrics": {name: _metric_state(name, one) for name, one in self.metrics.items()},
            "history": [dict(row) for row in self.history],
            "callbacks": [
                [type(one).__name__, state] for one in self.callbacks if (state := one.state_dict())
            ],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where *saved* was taken. All is checked before anything is changed.

        Callbacks take over the state of one of their class, in order; others begin anew.

        Args:
            saved: what `state_dict` gave, for the same model, kinds of optimizer and scheduler, and data.

        Raises:
            ValueError: it is no such state, or one of another optimizer, scheduler or set of metrics.
            RuntimeError: it is the state of another model.
        """
        if not isinstance(saved, Mapping) or saved.get("format") != _FORMAT:
            raise ValueError(f"resume: expected a training state of format {_FORMAT}, got something else")
        for name, kind in _classes(self).items():
            if saved["classes"][name] != kind:
                raise ValueError(
                    f"resume: expected the state of the {name} {kind}, got that of {saved['classes'][name]}"
                )
        if saved["metrics"].keys() != self.metrics.keys():
            raise ValueError(
                f"resume: expected the metrics {list(self.metrics)}, got {list(saved['metrics'])}"
            )
        if _is_stateful(self.loader) != ("start" not in saved["loader"]):
            raise ValueError("resume: expected the kind of loader that was used before, got another")
        _check_model(self.model, saved["model"])
        before = copy.deepcopy(self.optimizer.state_dict())
        self.optimizer.load_state_dict(saved["optimizer"])
        try:
            if self.scheduler is not None:
                self.scheduler.load_state_dict(saved["scheduler"])
            if _is_stateful(self.loader):
                self.loader.load_state_dict(saved["loader"])
            else:
                _set_loader_generators(self.loader, saved["loader"]["now"])
        except Exception:
            self.optimizer.load_state_dict(before)
            raise
        self.model.load_state_dict(saved["model"])
        set_random_state(saved["random"])
        for name in _PROGRESS:
            setattr(self, name, saved["progress"][name])
        self.optimizer._opt_called |= self.step > 0  # else the scheduler would warn
        vars(self.loss).update(saved["loss"])
        for name, one in self.metrics.items():
            one.load_state_dict(saved["metrics"][name])
        self.history.rows = [dict(row) for row in saved["history"]]
        left = list(self.callbacks)
        for kind, state in saved["callbacks"]:
            for callback in left:
                if type(callback).__name__ == kind:
                    callback.load_state_dict(state)
                    left.remove(callback)
                    break
        self._resumed = saved


def random_state() -> dict[str, Tensor]:
    """The positions of the default generators by device: "cpu", and "cuda:0", .. where there are any."""
    states = {"cpu": verigrad.get_rng_state().cpu()}
    for index in range(verigrad.cuda.device_count()):
        states[f"cuda:{index}"] = verigrad.cuda.get_rng_state(index).cpu()
    return states


def set_random_state(states: Mapping[str, Tensor]) -> None:
    """Puts the default generators where `random_state` found them; devices that are not here are left out."""
    verigrad.set_rng_state(states["cpu"])
    for index in range(verigrad.cuda.device_count()):
        if f"cuda:{index}" in states:
            verigrad.cuda.set_rng_state(states[f"cuda:{index}"], index)


def _classes(state: TrainState) -> dict[str, str | None]:
    scheduler = None if state.scheduler is None else type(state.scheduler).__name__
    return {"optimizer": type(state.optimizer).__name__, "scheduler": scheduler}


def _is_stateful(loader: Any) -> bool:
    return all(callable(getattr(loader, name, None)) for name in ("state_dict", "load_state_dict"))


def _metric_state(name: str, metric: Any) -> Any:
    if not callable(getattr(metric, "state_dict", None)):
        raise TypeError(
            f"checkpoint: expected the metric {name!r} to have state_dict, got {type(metric).__name__}: "
            "derive it from verigrad.training.Metric"
        )
    return metric.state_dict()


def loader_generators(loader: Any) -> list[Generator]:
    """Those that a loader and its samplers were given."""
    found: dict[int, Generator] = {}
    queue = [loader]
    while queue:
        one = queue.pop(0)
        generator = getattr(one, "generator", None)
        if isinstance(generator, verigrad.Generator):
            found[id(generator)] = generator
        queue += [sampler for name in ("batch_sampler", "sampler") if (sampler := getattr(one, name, None))]
    return list(found.values())


def _loader_generators(loader: Any) -> list[Tensor]:
    return [one.get_state() for one in loader_generators(loader)]


def _set_loader_generators(loader: Any, states: Iterable[Tensor]) -> None:
    for generator, state in zip(loader_generators(loader), states, strict=False):
        generator.set_state(state)


def _check_model(model: nn.Module, saved: Mapping[str, Any]) -> None:
    """Raises RuntimeError where a state has other names or shapes than the model."""
    own = model.state_dict()
    problems = [f"{name} is missing" for name in own if name not in saved]
    problems += [f"{name} is unknown" for name in saved if name not in own]
    for name, one in own.items():
        theirs = saved.get(name)
        if (
            isinstance(one, verigrad.Tensor)
            and theirs is not None
            and getattr(theirs, "shape", None) != one.shape
        ):
            problems.append(f"{name} is {list(getattr(theirs, 'shape', []))}, not {list(one.shape)}")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise RuntimeError(
            f"resume: expected the state of this model, got that of another: {', '.join(problems[:3])}{more}"
        )
