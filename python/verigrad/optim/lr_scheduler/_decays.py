"""Schedules that multiply: by functions of the user, in steps, linearly, by a power."""

from __future__ import annotations

import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from ._base import LRScheduler, Rate, check_optimizer

Factor = Callable[[int], float]


class _FunctionLR(LRScheduler):
    """A factor that is computed by functions, one for each group."""

    lr_lambdas: list[Factor]

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        check_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        functions: list[Any] = [lr_lambda] * groups
        if isinstance(lr_lambda, list | tuple):
            functions = list(lr_lambda)
        if len(functions) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(functions)}")
        for function in functions:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer; of the functions the attributes, of plain ones None."""
        return {**super().state_dict(), "lr_lambdas": [attributes(each) for each in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        functions = self.lr_lambdas
        saved = state_dict.get("lr_lambdas", []) if isinstance(state_dict, Mapping) else []
        if len(saved) not in (0, len(functions)):
            raise ValueError(f"load_state_dict: expected {len(functions)} lr_lambdas, got {len(saved)}")
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for function, values in zip(functions, saved, strict=False):
            if values is not None:
                vars(function).update(values)


def attributes(function: Any) -> dict[str, Any] | None:
    """What a callable object knows; None for a plain function, which a program defines anew."""
    if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__"):
        return None
    return dict(vars(function))


class LambdaLR(_FunctionLR):
    """Sets the learning rate to the initial one times a function of the epoch.

    ``lr(t) = initial_lr * lr_lambda(t)``.

    Args:
        optimizer: whose learning rates to set.
        lr_lambda: takes the epoch, an int, and returns the factor; or a list of such functions, one for each
            group.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: there are more or fewer functions than groups.
        TypeError: one of them cannot be called, or ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def get_lr(self) -> list[Rate]:
        self._warn_outside_of_step()
        return [
            base * function(self.last_epoch)
            for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class MultiplicativeLR(_FunctionLR):
    """Multiplies the learning rate in each epoch by a function of the epoch.

    ``lr(t) = lr(t - 1) * lr_lambda(t)``.

    Args:
        optimizer: whose learning rates to set.
        lr_lambda: takes the epoch, an int, and returns the factor; or a list of such functions, one for each
            group.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: there are more or fewer functions than groups.
        TypeError: one of them cannot be called, or ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self._is_initial:
            return rates
        self._check_groups(len(self.lr_lambdas))
        return [
            rate * function(self.last_epoch) for rate, function in zip(rates, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` every ``step_size`` epochs.

    Closed form: ``lr(t) = initial_lr * gamma ** (t // step_size)``.

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

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return rates
        return [rate * self.gamma for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` at each of the milestones.

    Closed form: ``lr(t) = initial_lr * gamma ** (number of milestones <= t)``.

    Args:
        optimizer: whose learning rates to set.
        milestones: epochs, in any order; one that is given twice counts twice.
        gamma: the factor; default 0.1.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.milestones = Counter(self.milestones)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self.last_epoch not in self.milestones:
            return rates
        return [rate * self.gamma ** self.milestones[self.last_epoch] for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by ``factor`` in the first ``total_iters`` epochs.

    ``lr(t) = initial_lr * factor`` for ``t < total_iters``, then ``initial_lr``.

    Args:
        optimizer: whose learning rates to set.
        factor: within [0, 1]; default 1/3.
        total_iters: epochs with the factor; default 5. With 0 the factor stays, as in PyTorch.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: ``factor`` is outside of [0, 1].
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(
                f"Constant multiplicative factor expected to be between 0 and 1. ConstantLR: got {factor}"
            )
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self.last_epoch == 0:
            return [rate * self.factor for rate in rates]
        if self.last_epoch != self.total_iters:
            return rates
        if self.factor == 0:  # where PyTorch divides by zero
            return self._get_closed_form_lr()
        return [rate * (1.0 / self.factor) for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        factor = self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Changes a factor of the learning rate linearly over ``total_iters`` epochs: the usual warm-up.

    Closed form: ``lr(t) = initial_lr * (start_factor + (end_factor - start_factor) * min(t, n) / n)`` with
    n = ``total_iters``. Goyal et al. 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    section 2.2 (gradual warm-up).

    Args:
        optimizer: whose learning rates to set.
        start_factor: within (0, 1]; default 1/3.
        end_factor: within [0, 1]; default 1.
        total_iters: epochs from one to the other; default 5. With 0 the start stays, as in PyTorch.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: a factor is outside of its range.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1. "
                f"LinearLR: got {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(
                f"Ending multiplicative factor expected to be between 0 and 1. LinearLR: got {end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in rates]
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [rate * (1.0 + rise / before) for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        rise = self.end_factor - self.start_factor
        factor = self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by ``gamma`` in every epoch.

    Closed form: ``lr(t) = initial_lr * gamma ** t``.

    Args:
        optimizer: whose learning rates to set.
        gamma: the factor.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        return rates if self._is_initial else [rate * self.gamma for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Lowers the learning rate to zero over ``total_iters`` epochs, by a power of what is left of them.

    Closed form: ``lr(t) = initial_lr * (1 - min(t, n) / n) ** power`` with n = ``total_iters``.

    Args:
        optimizer: whose learning rates to set.
        total_iters: epochs until zero; default 5.
        power: default 1, a straight line.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        left = 1.0 - self.last_epoch / self.total_iters
        left_before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return [rate * (left / left_before) ** self.power for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


class PowerLR(LRScheduler):
    """Lowers the learning rate by a power of the epoch: fast at first, and never to zero.

    Closed form: ``lr(t) = initial_lr / (1 + t / scale) ** power``. Senior et al. 2013, "An Empirical Study of
    Learning Rates in Deep Neural Networks for Speech Recognition", section 2.1 (power scheduling). With
    ``power`` 1 it is the decay of Bottou 2012, "Stochastic Gradient Descent Tricks", for
    ``scale = 1 / (initial_lr * lambda)``. PyTorch has no scheduler of this name.

    Args:
        optimizer: whose learning rates to set.
        scale: epochs until the learning rate has fallen to ``2 ** -power`` of the initial one.
        power: default 1.
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: ``scale`` is not positive, or ``power`` negative.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, scale: float, power: float = 1.0, last_epoch: int = -1) -> None:
        if not scale > 0:
            raise ValueError(f"PowerLR: expected scale to be positive, got {scale}")
        if not power >= 0:
            raise ValueError(f"PowerLR: expected power to be at least 0, got {power}")
        self.scale = scale
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        if self._is_initial:
            return rates
        ratio = (self.scale + self.last_epoch - 1) / (self.scale + self.last_epoch)
        return [rate * ratio**self.power for rate in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        return [base / (1 + self.last_epoch / self.scale) ** self.power for base in self.base_lrs]
