"""Schedules along a cosine, once and with restarts."""

from __future__ import annotations

import math

from ..optimizer import Optimizer
from ._base import LRScheduler, Rate, _flag


class CosineAnnealingLR(LRScheduler):
    """Lowers the learning rate from its start to ``eta_min`` along half a cosine, and back, with period 2
    T_max.

    Closed form: ``lr(t) = eta_min + (initial_lr - eta_min) * (1 + cos(pi * t / T_max)) / 2``.
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

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        epoch = self.last_epoch
        if self._is_initial:
            return rates
        if self._step_count == 1 and epoch > 0:
            return self._get_closed_form_lr()
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The learning rate before is eta_min, whose distance from eta_min cannot be scaled up again.
            self._check_groups(len(self.base_lrs))
            rise = 1 - math.cos(math.pi / self.T_max)
            return [
                rate + (base - self.eta_min) * rise / 2
                for rate, base in zip(rates, self.base_lrs, strict=True)
            ]
        ratio = self._height(epoch) / self._height(epoch - 1)
        return [ratio * (rate - self.eta_min) + self.eta_min for rate in rates]

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _get_closed_form_lr(self) -> list[Rate]:
        height = self._height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Lowers the learning rate to ``eta_min`` along half a cosine, and starts anew, each time more slowly.

    ``lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2``, ``T_cur`` epochs after the
    last restart and ``T_i`` epochs from it to the next: ``T_0``, then ``T_mult`` times the one before.
    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5.

    Args:
        optimizer: whose learning rates to set.
        T_0: epochs until the first restart, an int.
        T_mult: what the number of epochs grows by at each restart, an int; default 1.
        eta_min: the lowest learning rate; default 0.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: ``T_0`` or ``T_mult`` is no int or below 1, or ``eta_min`` is no number.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._warn_outside_of_step()
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Goes to the next epoch, or to the one given, and sets the learning rates.

        Args:
            epoch: where to go, from 0; fractions such as ``epoch + batch / batches`` are allowed, so that the
                learning rate changes with every batch. Default None: the next.

        Raises:
            ValueError: ``epoch`` is negative.
        """
        if epoch is not None and epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        self._check_groups(len(self.base_lrs))
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = epoch or 0
            self.T_cur, self.T_i = self._position(epoch)
        self.last_epoch = math.floor(epoch)
        with _flag(self, "_get_lr_called_within_step"):
            rates = self.get_lr()
        self._set(rates)

    def _position(self, epoch: float) -> tuple[float, int]:
        """Epochs since the last restart, and from it to the next."""
        if epoch < self.T_0:
            return epoch, self.T_0
        if self.T_mult == 1:
            return epoch % self.T_0, self.T_0
        # Whole numbers: PyTorch's logarithm misses some restarts by rounding, such as epoch 121 of 1 and 3.
        start, length = 0, self.T_0
        while start + length <= epoch:
            start += length
            length *= self.T_mult
        return epoch - start, length
