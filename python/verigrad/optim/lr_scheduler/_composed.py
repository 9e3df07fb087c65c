"""Schedulers of schedulers: one after the other, or all in each epoch.

They can be nested in each other. PyTorch steps one that comes first in a ``SequentialLR`` once too often, and
refuses one that comes later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from ._base import LRScheduler, own, set_value, values_of
from ._plateau import ReduceLROnPlateau


class _Composed(LRScheduler):
    _schedulers: Sequence[LRScheduler]
    _transient = (*LRScheduler._transient, "_schedulers")

    def _check(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        """Raises for schedulers of different optimizers, and for those that need a metric."""
        name = type(self).__name__
        for index, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {index} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional "
                    f"kwargs to be specified when calling `step`, but got one at index {index} in the given "
                    "schedulers sequence."
                )
            if optimizer is not None and optimizer is not scheduler.optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {index} of another "
                    f"{type(scheduler.optimizer).__name__}."
                )

    def state_dict(self) -> dict[str, Any]:
        """Returns the position and the states of the schedulers, under "_schedulers"."""
        return {**super().state_dict(), "_schedulers": [each.state_dict() for each in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        states = state_dict.get("_schedulers", []) if isinstance(state_dict, Mapping) else []
        if isinstance(state_dict, Mapping) and len(states) != len(self._schedulers):
            raise ValueError(
                f"load_state_dict: expected states of {len(self._schedulers)} schedulers, got {len(states)}"
            )
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """Schedulers one after the other: the next takes over at each milestone, from its own start.

    Args:
        optimizer: whose learning rates to set.
        schedulers: of this optimizer.
        milestones: the epochs at which the second, third, ... scheduler begins; one fewer than schedulers.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: there is no scheduler, a ``ReduceLROnPlateau``, one of another optimizer, or another
            number of milestones, or they do not rise.
        TypeError: one of them is no scheduler.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number "
                f"of milestone points, but got number of schedulers {len(schedulers)} and the number of "
                f"milestones to be equal to {len(milestones)}"
            )
        if list(milestones) != sorted(milestones):
            raise ValueError(f"SequentialLR: expected milestones in rising order, got {list(milestones)}")
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Each scheduler has taken its first step when it was made: only that of the first one shall count.
        for group in optimizer.param_groups:
            set_value(group, "lr", own(group["initial_lr"]))
        self.recursive_undo()
        self._initial_step()

    def _initial_step(self) -> None:
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: Any = None) -> None:
        """Takes back the epoch that each scheduler counted when it was made."""
        scheduler = self if sched is None else sched
        if hasattr(scheduler, "_schedulers"):
            for each in scheduler._schedulers:
                self.recursive_undo(each)
        elif hasattr(scheduler, "last_epoch"):
            scheduler.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """Goes to the next epoch, of the scheduler whose turn it is."""
        epoch = self.last_epoch + 1
        index = bisect_right(self._milestones, epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self.last_epoch = epoch
        self._last_lr = scheduler.get_last_lr()

    def _restart(self) -> None:
        scheduler = self._schedulers[bisect_right(self._milestones, 0)]
        scheduler._restart()
        self.last_epoch = 0
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Schedulers that all change the learning rate in each epoch, in their order.

    Meant for those that work from the learning rate before. Of schedulers that set it (``LambdaLR``,
    ``CosineAnnealingWarmRestarts``, ``CyclicLR``, ``OneCycleLR``) what came before is lost.

    Args:
        schedulers: of one optimizer.
        optimizer: that of the schedulers; default None: of the first one.

    Raises:
        ValueError: there is no scheduler, a ``ReduceLROnPlateau``, or one of another optimizer.
        TypeError: one of them is no scheduler.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no scheduler."
            )
        if optimizer is None:
            optimizer = getattr(schedulers[0], "optimizer", None)
        self._check(schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = schedulers[0].optimizer
        self._last_lr = values_of(self.optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]
        """Steps each scheduler once."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = values_of(self.optimizer, "lr")

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._initial_step()
        self._last_lr = values_of(self.optimizer, "lr")

    def _restart(self) -> None:
        # As when they were made: each applies the factor of its start to what those before it have set.
        for group in self.optimizer.param_groups:
            set_value(group, "lr", own(group["initial_lr"]))
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Composed):
                scheduler._restart()
            else:
                scheduler.last_epoch = -1
                scheduler._initial_step()
        self._last_lr = values_of(self.optimizer, "lr")
