"""Schedules of the learning rate. ``step()`` is called after ``optimizer.step()``, mostly once an epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

from .._C import Tensor
from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "LRScheduler", "StepLR"]


class LRScheduler:
    """Base class of schedulers; a subclass defines ``get_lr`` and calls ``super().__init__`` last.

    The learning rates at the start are kept in each group as "initial_lr".

    Args:
        optimizer: whose learning rates to set.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: int
    # True while step() computes the learning rates: get_lr() means something only then.
    _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler "
                    "with last_epoch >= 0: load the optimizer's state dict first"
                )
        self.optimizer = optimizer
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr = [float(group["lr"]) for group in optimizer.param_groups]
        self._set(last_epoch + 1, closed_form=False)

    def get_lr(self) -> list[float]:
        """The learning rate of each group for ``last_epoch``, from those of the epoch before.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define get_lr")

    def get_last_lr(self) -> list[float]:
        """The learning rates that were set last."""
        return list(self._last_lr)

    def step(self, epoch: int | None = None) -> None:
        """Goes to the next epoch and sets the learning rates.

        Args:
            epoch: deprecated: the epoch to go to, by the closed form where there is one.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
                "order: `optimizer.step()` before `lr_scheduler.step()`. Otherwise the first value of the "
                "learning rate schedule is skipped.",
                stacklevel=2,
            )
        if epoch is None:
            self._set(self.last_epoch + 1, closed_form=False)
            return
        warnings.warn(
            "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
            "possible. Please use `scheduler.step()` to step the scheduler.",
            stacklevel=2,
        )
        self._set(epoch, closed_form=True)

    def _set(self, epoch: int, closed_form: bool) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: expected the {len(self.base_lrs)} param groups it was made for, "
                f"got {len(groups)}: add groups before making the scheduler"
            )
        self._step_count += 1
        self.last_epoch = epoch
        self._get_lr_called_within_step = True
        try:
            closed = getattr(self, "_get_closed_form_lr", None) if closed_form else None
            rates = self.get_lr() if closed is None else closed()
        finally:
            del self._get_lr_called_within_step
        for group, rate in zip(groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(float(rate))
            else:
                group["lr"] = rate
        self._last_lr = [float(group["lr"]) for group in groups]

    def _current(self) -> list[float]:
        """The learning rates as they are, with a warning where ``get_lr`` was called from outside."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=3,
            )
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in self.__dict__.items()
            if name != "optimizer"
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what ``state_dict()`` returned. The optimizer's own state dict holds the learning rates.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            ValueError: it is of another number of groups.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        groups = len(self.optimizer.param_groups)
        count = len(state_dict.get("base_lrs", self.base_lrs))
        if count != groups:
            raise ValueError(f"load_state_dict: expected learning rates of {groups} groups, got {count}")
        ignored = ("optimizer", "_get_lr_called_within_step", "_is_initial")
        self.__dict__.update(
            (name, list(value) if isinstance(value, list) else value)
            for name, value in state_dict.items()
            if name not in ignored
        )


class StepLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` every ``step_size`` epochs.

    Closed form: ``initial_lr * gamma ** (epoch // step_size)``.

    Args:
        optimizer: whose learning rates to set.
        step_size: epochs between two changes.
        gamma: the factor; default 0.1.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: ``step_size`` is not positive.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size <= 0:
            raise ValueError(f"StepLR: expected step_size to be positive, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = self._current()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return rates
        return [rate * self.gamma for rate in rates]

    def _get_closed_form_lr(self) -> list[float]:
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [rate * factor for rate in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Lowers the learning rate from its start to ``eta_min`` along half a cosine, and back, with period 2
    T_max.

    Closed form: ``eta_min + (initial_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.
    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5, without the
    restarts. Each step works from the learning rate before, so that schedules can be combined; the results
    agree with the closed form up to rounding if nothing else changes the learning rate.

    Args:
        optimizer: whose learning rates to set.
        T_max: epochs from the start to ``eta_min``.
        eta_min: the lowest learning rate; default 0.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: ``T_max`` is not positive.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max <= 0:
            raise ValueError(f"CosineAnnealingLR: expected T_max to be positive, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = self._current()
        epoch = self.last_epoch
        if epoch == 0:
            return rates
        if self._step_count == 1:
            return self._get_closed_form_lr()
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The learning rate before is eta_min, whose distance from eta_min cannot be scaled up again.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                rate + (base - self.eta_min) * rise for rate, base in zip(rates, self.base_lrs, strict=True)
            ]
        ratio = self._height(epoch) / self._height(epoch - 1)
        return [self.eta_min + (rate - self.eta_min) * ratio for rate in rates]

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _get_closed_form_lr(self) -> list[float]:
        height = self._height(self.last_epoch) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]
