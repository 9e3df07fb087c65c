"""A schedule that looks at the results."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, SupportsFloat

from ..optimizer import Optimizer
from ._base import _EPOCH, LRScheduler, check_optimizer, set_value, values_of


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by ``factor`` when a metric has not improved for a while.

    A metric is better than the best so far if it passes the best by the threshold: in mode "min" it is below
    ``best * (1 - threshold)`` ("rel") or ``best - threshold`` ("abs"), in mode "max" above
    ``best * (1 + threshold)`` or ``best + threshold``. After more than ``patience`` epochs in a row that are
    not better, ``lr = max(lr * factor, min_lr)``. NaN is never better.

    Args:
        optimizer: whose learning rates to set.
        mode: "min", the default, if a lower metric is better, else "max".
        factor: below 1; default 0.1.
        patience: epochs without improvement that are accepted; default 10.
        threshold: default 1e-4.
        threshold_mode: "rel", the default, or "abs".
        cooldown: epochs after a reduction in which nothing is counted; default 0.
        min_lr: the lowest learning rate, or a list with one for each group; default 0.
        eps: a smaller change than this is not made; default 1e-8.

    Raises:
        ValueError: ``factor`` is not below 1, a mode is unknown, or there are more or fewer ``min_lr`` than
            groups.
        TypeError: ``optimizer`` is no Optimizer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"Factor should be < 1.0. ReduceLROnPlateau: got {factor}")
        check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        self.default_min_lr: float | None = None
        if isinstance(min_lr, list | tuple):
            if len(min_lr) != groups:
                raise ValueError(f"expected {groups} min_lrs, got {len(min_lr)}")
            self.min_lrs = list(min_lr)
        else:
            self.default_min_lr = min_lr
            self.min_lrs = [min_lr] * groups
        self.factor = factor
        self.optimizer = optimizer
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = values_of(optimizer, "lr")
        self.threshold = threshold
        self._set_modes(mode, threshold_mode)
        self._reset()

    def _set_modes(self, mode: str, threshold_mode: str) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        self.mode = mode
        self.threshold_mode = threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf

    def _reset(self) -> None:
        """Forgets the best metric and the counters."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Notes the metric of an epoch, and lowers the learning rates if it is time to.

        Args:
            metrics: a number or a tensor of one element.
            epoch: deprecated: the number of the epoch.

        Raises:
            RuntimeError: it is time to, and groups were added that have no ``min_lr``.
        """
        current = float(metrics)
        if epoch is not None:
            warnings.warn(_EPOCH, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = values_of(self.optimizer, "lr")

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}), usually due to a new param "
                    "group being added to the optimizer. Please modify the `min_lrs` field to match the "
                    "length of the `optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, lowest)
            if old - new > self.eps:
                set_value(group, "lr", new)

    @property
    def in_cooldown(self) -> bool:
        """Whether the epochs after a reduction are still being counted down."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float, best: float) -> bool:
        sign = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            bound = best * (1.0 + sign * self.threshold)
        else:
            bound = best + sign * self.threshold
        return value < bound if self.mode == "min" else value > bound

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        if isinstance(state_dict, Mapping):
            self._set_modes(*(state_dict.get(name, vars(self)[name]) for name in ("mode", "threshold_mode")))
        super().load_state_dict(state_dict)
