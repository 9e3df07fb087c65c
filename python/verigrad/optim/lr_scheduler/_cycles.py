"""Schedules that rise and fall with every batch, and let the momentum do the opposite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..optimizer import Optimizer
from ._base import LRScheduler, Rate, check_optimizer, per_group, set_value
from ._decays import attributes


class _MomentumCycle(LRScheduler):
    """What both schedules do with the momentum: SGD's, or the first beta of Adam and its relatives."""

    cycle_momentum: bool
    use_beta1: bool

    def _start_momentum(self, base: Any, most: Any, last_epoch: int) -> tuple[list[Any], list[Any]]:
        """Puts the bounds into the groups; returns them for each group."""
        optimizer = self.optimizer
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        largest = per_group("max_momentum", optimizer, most)
        smallest = per_group("base_momentum", optimizer, base)
        if last_epoch == -1:
            for group, high, low in zip(optimizer.param_groups, largest, smallest, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return smallest, largest

    def _set_momentum(self, group: dict[str, Any], value: Any) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_MomentumCycle):
    """Lets the learning rate rise and fall between two bounds; stepped after each batch.

    ``lr(t) = base_lr + (max_lr - base_lr) * h * scale``, where h goes linearly from 0 to 1 over
    ``step_size_up`` batches and back over ``step_size_down``. In cycle c = 1, 2, ... and at batch t,
    ``scale`` is 1 ("triangular"), ``2 ** (1 - c)`` ("triangular2"), ``gamma ** t`` ("exp_range"), or
    ``scale_fn`` of c or t. The momentum is ``max_momentum - (max_momentum - base_momentum) * h * scale``.
    Smith 2017, "Cyclical Learning Rates for Training Neural Networks".

    Args:
        optimizer: whose learning rates to set.
        base_lr: the lower bound, or a list with one for each group.
        max_lr: the upper bound, or a list with one for each group.
        step_size_up: batches of the rise; default 2000.
        step_size_down: batches of the fall; default None: as many as of the rise.
        mode: "triangular", the default, "triangular2" or "exp_range"; without effect beside ``scale_fn``.
        gamma: of mode "exp_range"; default 1.
        scale_fn: a function of the kind above; default None: that of the mode.
        scale_mode: what ``scale_fn`` takes: "cycle", the default, or "iterations".
        cycle_momentum: cycle the momentum, or the first of the betas, too; default True.
        base_momentum: its lower bound, or a list; default 0.8.
        max_momentum: its upper bound, or a list; default 0.9.
        last_epoch: the batch to resume after; default -1, the start.

    Raises:
        ValueError: the mode is unknown, a list has more or fewer values than there are groups, a number of
            batches is not positive, or there is no momentum to cycle.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    _transient = (*LRScheduler._transient, "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        if not (up > 0 and down > 0):
            raise ValueError(f"CyclicLR: expected steps up and down to be positive, got {up:g} and {down:g}")
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(
                base_momentum, max_momentum, last_epoch
            )
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                set_value(group, "lr", rate)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """What the height of the cycle is multiplied by, for the number of the cycle or of the batch."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        factor: float = 0.5 ** (x - 1) if self.mode == "triangular2" else self.gamma**x
        return factor

    def get_lr(self) -> list[Rate]:
        """The learning rate of each group for ``last_epoch``; sets the momentum, too."""
        self._warn_outside_of_step()
        self._check_groups(len(self.base_lrs))
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [
            low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer; of ``scale_fn`` the attributes, of a plain function None."""
        return {**super().state_dict(), "_scale_fn_custom": attributes(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        values = state_dict.get("_scale_fn_custom")
        if values is not None and self._scale_fn_custom is not None:
            vars(self._scale_fn_custom).update(values)


class OneCycleLR(_MomentumCycle):
    """One rise to ``max_lr`` and one long fall far below the start; stepped after each batch.

    The learning rate goes from ``max_lr / div_factor`` to ``max_lr`` in the first ``pct_start`` of all
    batches, then to ``max_lr / (div_factor * final_div_factor)``; with three phases it falls back to its
    start as fast as it rose, then further. Between a and b it goes as ``b + (a - b) / 2 * (1 + cos(pi * p))``
    or ``a + (b - a) * p``, p from 0 to 1. The momentum goes from ``max_momentum`` to ``base_momentum`` and
    back. Smith and Topin 2018, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates".

    Args:
        optimizer: whose learning rates to set.
        max_lr: the highest learning rate, or a list with one for each group.
        total_steps: number of batches; default None: ``epochs * steps_per_epoch``.
        epochs, steps_per_epoch: see ``total_steps``; default None.
        pct_start: the part of the rise, a float within [0, 1]; default 0.3.
        anneal_strategy: "cos", the default, or "linear".
        cycle_momentum: cycle the momentum, or the first of the betas, too; default True.
        base_momentum: its lower bound, or a list; default 0.85.
        max_momentum: its upper bound, or a list; default 0.95.
        div_factor: default 25.
        final_div_factor: default 1e4.
        three_phase: fall in two phases; default False.
        last_epoch: the batch to resume after; default -1, the start.

    Raises:
        ValueError: an option is outside of its range, a list has more or fewer values than there are groups,
            there is no momentum to cycle, or, from ``step``, there were more steps than announced.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        peak = float(pct_start * self.total_steps) - 1
        end = self.total_steps - 1
        rise = _phase(peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if three_phase:
            back = float(2 * pct_start * self.total_steps) - 2
            self._schedule_phases = [
                rise,
                _phase(back, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                _phase(end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases = [
                rise,
                _phase(end, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        self._anneal_func_type = anneal_strategy
        highest = per_group("max_lr", optimizer, max_lr)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, highest, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        """The learning rate of each group for ``last_epoch``; sets the momentum, too.

        Raises:
            ValueError: there are more steps than announced.
        """
        self._warn_outside_of_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is {self.total_steps}"
            )
        self._check_groups(len(self.base_lrs))
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        length = phase["end_step"] - start
        part = (step - start) / length if length else 1.0  # where PyTorch divides by zero
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                momentum = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
                self._set_momentum(group, momentum)
        return rates

    def _between(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start


def _total_steps(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


def _phase(
    end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str
) -> dict[str, Any]:
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }
