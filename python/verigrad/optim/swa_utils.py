"""Averages of weights along the training: stochastic weight averaging (SWA), exponential moving averages.

Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization" (SWA); Polyak and
Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging" (averages of iterates).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from .lr_scheduler import LRScheduler
from .lr_scheduler._base import Rate, check_optimizer, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

# Of one parameter: its average, its value and the number of values averaged before; returns the new average.
AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
# Of several: changes the averages in place.
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """The exponential moving average of one parameter: ``decay * average + (1 - decay) * value``.

    Args:
        decay: within [0, 1]; default 0.999. It averages over about ``1 / (1 - decay)`` values.

    Raises:
        ValueError: ``decay`` is outside of [0, 1].
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return ema_param * decay + current_param * (1 - decay)

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The mean of all values of one parameter: ``average + (value - average) / (n + 1)`` after n values."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        count: Any = num_averaged + 1
        step: Tensor = (current_param - averaged_param) / count
        return averaged_param + step

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """The exponential moving average of several parameters, see ``get_ema_avg_fn``.

    Args:
        decay: within [0, 1]; default 0.999.

    Raises:
        ValueError: ``decay`` is outside of [0, 1].
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(averages: Sequence[Tensor], values: Sequence[Tensor], num_averaged: Any) -> None:
        for average, value in zip(averages, values, strict=True):
            _approach(average, value, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The mean of all values of several parameters, see ``get_swa_avg_fn``."""

    @no_grad()
    def swa_update(averages: Sequence[Tensor], values: Sequence[Tensor], num_averaged: Any) -> None:
        weight = 1.0 / (int(num_averaged) + 1)
        for average, value in zip(averages, values, strict=True):
            _approach(average, value, weight)

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _approach(average: Tensor, value: Tensor, weight: float) -> None:
    """Moves the average towards the value, exactly to it for the weight 1; integers are cut off."""
    if not average.is_floating_point():
        average.copy_(average * (1 - weight) + value * weight)
    elif weight < 0.5:
        average.add_(value - average, alpha=weight)
    else:
        average.copy_(value - (value - average) * (1 - weight))


class AveragedModel(Module):
    """A copy of a model whose parameters are averages over the training.

    ``update_parameters(model)`` takes the model's parameters into the averages, the first time as they are;
    the averages start there. It is called after a step of the optimizer, or once an epoch. Calling the module
    calls the copy. The functions are not in its ``state_dict()``; the number of averaged values is.

    Args:
        model: what to average. It is copied with all that belongs to it.
        device: where the averages are kept; default None: beside the parameters.
        avg_fn: takes the average of a parameter, its value and the number of values averaged before, an int64
            tensor, and returns the new average. Default None: the mean of all, unless ``multi_avg_fn`` is
            given.
        multi_avg_fn: the same for lists of parameters of one dtype and device, which it changes in place.
        use_buffers: average the buffers as well; default False: they are copied.

    Raises:
        AssertionError: both functions are given.
    """

    module: Module
    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _C.zeros((), dtype=_C.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes the parameters of ``model`` into the averages.

        Args:
            model: that of the constructor, or one with the same parameters and buffers in the same order.

        Raises:
            ValueError: it has others; nothing is changed then.
        """
        parameters = _pairs("parameter", self.module.named_parameters(), model.parameters())
        buffers = _pairs("buffer", self.module.named_buffers(), model.buffers())
        averaged, copied = parameters, buffers
        if self.use_buffers:
            averaged, copied = parameters + buffers, []
        if self.n_averaged == 0:
            averaged, copied = [], averaged + copied
        for average, value in copied:
            average.copy_(value)
        if self.multi_avg_fn is not None:
            for (_, device), group in _by_kind(averaged).items():
                self.multi_avg_fn(*group, self.n_averaged.to(device))
        else:
            average_of = self.avg_fn or get_swa_avg_fn()
            for average, value in averaged:
                average.copy_(average_of(average, value, self.n_averaged.to(average.device)))
        self.n_averaged.add_(1)


def _pairs(
    kind: str, averages: Iterable[tuple[str, Tensor]], values: Iterable[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Averages and values, on the device of the average and without history."""
    pairs = []
    for average, value in itertools.zip_longest(averages, values):
        if average is None or value is None or average[1].shape != value.shape:
            wanted = "no more" if average is None else f"'{average[0]}' {list(average[1].shape)}"
            found = "none" if value is None else f"shape {list(value.shape)}"
            raise ValueError(f"update_parameters: expected {kind} {wanted}, got {found}")
        pairs.append((average[1].detach(), value.detach().to(average[1].device)))
    return pairs


def _by_kind(pairs: list[tuple[Tensor, Tensor]]) -> dict[Any, tuple[list[Tensor], list[Tensor]]]:
    """The two halves of the pairs, as lists for each dtype and device."""
    groups: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
    for average, value in pairs:
        group = groups.setdefault((average.dtype, average.device), ([], []))
        group[0].append(average)
        group[1].append(value)
    return groups


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all batch normalisations anew: averaged weights need their own.

    One pass over the data with the model in training mode; the statistics are the mean over all batches.
    Modes and momenta are as before afterwards. A model without batch normalisation is not run.

    Args:
        loader: batches; of a list or tuple the first element is the input.
        model: what to run.
        device: where the inputs are put; default None: they stay.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        model.train()
        for batch in loader:
            inputs = batch[0] if isinstance(batch, list | tuple) else batch
            model(inputs if device is None else inputs.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, mode in modes:
            module.training = mode


class SWALR(LRScheduler):
    """Brings the learning rate to a constant in ``anneal_epochs`` epochs, and keeps it there for averaging.

    ``lr(t) = swa_lr * a + lr(0) * (1 - a)`` with ``a = (1 - cos(pi * t / anneal_epochs)) / 2`` ("cos") or
    ``t / anneal_epochs`` ("linear"), at most 1. It works from the learning rate before, so that it can take
    over from another scheduler.

    Args:
        optimizer: whose learning rates to set.
        swa_lr: the constant, or a list with one for each group.
        anneal_epochs: default 10; 0 is at once.
        anneal_strategy: "cos", the default, or "linear".
        last_epoch: the epoch to resume after; default -1, the start.

    Raises:
        ValueError: the strategy is unknown, ``anneal_epochs`` is no int or negative, or there are more or
            fewer ``swa_lr`` than groups.
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        rates = per_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        rates = self._rates()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        result = []
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            goal = group["swa_lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            result.append(goal * now + start * (1 - now))
        return result

    def _part(self, step: int) -> float:
        """How much of the way is done, from 0 to 1."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part
