"""A learning rate to start with, from a sweep over many of them."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn
from verigrad.utils._extras import require

from .evaluation import Loss
from .plots import File, saved
from .state import Callback, TrainState, loader_generators, random_state, set_random_state
from .trainer import Trainer

if TYPE_CHECKING:
    from verigrad.optim import Optimizer


@dataclass(frozen=True)
class LRSweep:
    """The losses that a sweep has found.

    Attributes:
        rates: the learning rates, rising.
        losses: the training loss at each, smoothed.
    """

    rates: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float:
        """The rate at which the loss falls most for a step of the logarithm of the rate, before its minimum.

        Raises:
            ValueError: the loss never fell.
        """
        lowest = min(range(len(self.losses)), key=self.losses.__getitem__)
        slopes = [(self.losses[i + 1] - self.losses[i - 1], i) for i in range(1, lowest)]
        if not slopes or min(slopes)[0] >= 0:
            raise ValueError("LRSweep: expected a loss that falls, got one that does not; start lower")
        return self.rates[min(slopes)[1]]

    def plot(self, f: File = None, title: str = "") -> Any:
        """Draw the loss over the learning rate, and the suggestion.

        Args:
            f: a path (replaced atomically) or a binary file for the PNG; None only makes the figure.
            title: above the panel.

        Returns:
            The `matplotlib.figure.Figure`.

        Raises:
            ImportError: matplotlib is not installed (it comes with the extra "train").
        """
        figures = require("matplotlib.figure", "matplotlib", "train", "LRSweep.plot")
        figure = figures.Figure(figsize=(5.6, 4.0), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="#0072B2", linewidth=1.8)
        with contextlib.suppress(ValueError):
            axes.axvline(self.suggestion, color="#D55E00", linestyle="--", label=f"{self.suggestion:.3g}")
            axes.legend(frameon=False)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss, smoothed")
        axes.set_title(title, fontsize=11)
        axes.grid(True, color="0.88", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        return saved(figure, f)


def find_lr(
    model: nn.Module,
    loss: Loss,
    optimizer: Optimizer,
    loader: Iterable[Any],
    *,
    start: float = 1e-6,
    end: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    augment: Callable[[Any], Any] | None = None,
) -> LRSweep:
    """Train for some steps while the learning rate rises exponentially from *start* to *end*.

    Smith 2017, "Cyclical learning rates for training neural networks" (arXiv 1506.01186), section 3.3, with
    an exponential instead of a linear sweep. It ends early when the smoothed loss is four times its minimum,
    or not finite. Afterwards model, optimizer and the generators are as they were before.

    Args:
        model, loss, optimizer, augment: as for `Trainer`. Groups keep the ratio of their learning rates to
            the first one's, which is swept.
        loader: batches (inputs, targets), begun again when it ends.
        start, end: of the sweep, 0 < start < end.
        steps: updates from *start* to *end*; at least 3.
        smoothing: factor of the exponential mean of the losses, 0 <= smoothing < 1; its start is corrected.

    Raises:
        ValueError: an argument is out of range, or the loader is empty.
        RuntimeError: as `Trainer.fit`.
    """
    if not 0 < start < end < math.inf:
        raise ValueError(f"find_lr: expected 0 < start < end, got {start!r} and {end!r}")
    if type(steps) is not int or steps < 3:
        raise ValueError(f"find_lr: expected steps to be an int from 3, got {steps!r}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"find_lr: expected smoothing from 0 to below 1, got {smoothing!r}")
    sweep = _Sweep([start * (end / start) ** (step / (steps - 1)) for step in range(steps)], smoothing)
    trainer = Trainer(
        model, loss, optimizer, callbacks=[sweep], augment=augment, nonfinite="skip", progress=False
    )
    with _kept(model, optimizer, loader), contextlib.suppress(_EndedError):
        trainer.fit(_repeated(loader, steps))
    return LRSweep(sweep.rates[: len(sweep.losses)], sweep.losses)


class _EndedError(Exception):
    """The sweep is over."""


class _Sweep(Callback):
    def __init__(self, rates: list[float], smoothing: float) -> None:
        self.rates = rates
        self.losses: list[float] = []
        self._smoothing = smoothing
        self._mean = 0.0
        self._before = (0.0, 0)

    def on_start(self, state: TrainState) -> None:
        first = float(state.optimizer.param_groups[0]["lr"])
        self._ratios = [float(group["lr"]) / first for group in state.optimizer.param_groups]

    def on_batch_start(self, state: TrainState) -> None:
        for group, ratio in zip(state.optimizer.param_groups, self._ratios, strict=True):
            group["lr"] = self.rates[len(self.losses)] * ratio

    def on_batch_end(self, state: TrainState) -> None:
        if state.skipped:
            raise _EndedError
        total, count = state.loss.total, state.loss.count
        loss = (total - self._before[0]) / max(count - self._before[1], 1)
        self._before = (total, count)
        self._mean = self._smoothing * self._mean + (1 - self._smoothing) * loss
        smoothed = self._mean / (1 - self._smoothing ** (len(self.losses) + 1))
        self.losses.append(smoothed)
        if smoothed > 4 * min(self.losses) and len(self.losses) > 10:
            raise _EndedError


def _repeated(loader: Iterable[Any], steps: int) -> Iterator[Any]:
    def endless() -> Iterator[Any]:
        while True:
            empty = True
            for batch in loader:
                empty = False
                yield batch
            if empty:
                return

    return itertools.islice(endless(), steps)


@contextlib.contextmanager
def _kept(model: nn.Module, optimizer: Optimizer, loader: Any) -> Iterator[None]:
    weights = {
        name: one.detach().clone() if isinstance(one, verigrad.Tensor) else one
        for name, one in model.state_dict().items()
    }
    before, modes = copy.deepcopy(optimizer.state_dict()), [(one, one.training) for one in model.modules()]
    random, generators = random_state(), [(one, one.get_state()) for one in loader_generators(loader)]
    try:
        yield
    finally:
        model.load_state_dict(weights)
        optimizer.load_state_dict(before)
        optimizer.zero_grad()
        for module, mode in modes:
            module.training = mode
        set_random_state(random)
        for generator, state in generators:
            generator.set_state(state)
