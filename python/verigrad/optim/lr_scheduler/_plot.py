"""A schedule as a picture, before any training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from ... import _C
from ...utils._extras import require
from ..optimizer import Optimizer
from ..sgd import SGD
from ._base import LRScheduler, own
from ._plateau import ReduceLROnPlateau

# Of the Okabe-Ito palette, which stays apart for the colour-blind; the line styles tell groups apart as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES = ("-", "--", "-.", ":")


def plot_schedule(
    scheduler: LRScheduler | Callable[[Optimizer], LRScheduler],
    steps: int,
    *,
    lr: float = 1.0,
    metrics: Iterable[float] | None = None,
    axes: Any = None,
) -> Any:
    """Draws the learning rates of the coming steps, one line for each group.

    The steps are those of ``scheduler.step()``: epochs, or batches where it is called after each batch.

    Args:
        scheduler: a scheduler as it stands; a copy is stepped, so that neither it nor its optimizer changes.
            Or a function that makes one for the optimizer that it gets: SGD with momentum and one group.
        steps: how many learning rates to draw, the present one first.
        lr: the learning rate of the optimizer that such a function gets; default 1, so that the picture
            shows factors.
        metrics: what a ``ReduceLROnPlateau`` gets, a number for each step between two learning rates.
        axes: the ``matplotlib.axes.Axes`` to draw into; default None: those of a new figure, which belongs to
            no window and needs no display.

    Returns:
        The axes; ``axes.figure.savefig(path)`` writes the picture.

    Raises:
        TypeError: ``scheduler`` is neither, or makes no scheduler.
        ValueError: ``steps`` is not positive, or a ``ReduceLROnPlateau`` gets too few metrics.
        ImportError: matplotlib is not installed (it comes with the extra "train").
    """
    if steps < 1:
        raise ValueError(f"plot_schedule: expected steps to be positive, got {steps}")
    copied: Any = scheduler
    if isinstance(scheduler, LRScheduler):
        copied = _copied(scheduler)
    elif callable(scheduler):
        copied = scheduler(SGD([_C.zeros(1, requires_grad=True)], lr=lr, momentum=0.9))
    if not isinstance(copied, LRScheduler):
        raise TypeError(
            "plot_schedule: expected a scheduler or a function that makes one, got " + type(copied).__name__
        )
    copied.optimizer._opt_called = True
    start = getattr(copied, "last_epoch", 0)
    rates = _rates(copied, steps, metrics)
    if axes is None:
        figures = require("matplotlib.figure", "matplotlib", "train", "plot_schedule")
        axes = figures.Figure(figsize=(6.4, 4.0), dpi=120, layout="constrained").add_subplot()
    for index, values in enumerate(zip(*rates, strict=True)):
        axes.plot(
            range(start, start + steps),
            values,
            color=_COLOURS[index % len(_COLOURS)],
            linestyle=_LINES[index % len(_LINES)],
            label=f"group {index}",
        )
    if len(rates[0]) > 1:
        axes.legend(frameon=False)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
    axes.grid(True, color="0.88", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _copied(scheduler: LRScheduler) -> LRScheduler:
    """A copy whose optimizer has the same options, and no parameters."""
    optimizer = scheduler.optimizer
    stand_in = copy.copy(optimizer)
    stand_in.param_groups = [
        {**own({name: group[name] for name in group if name != "params"}), "params": []}
        for group in optimizer.param_groups
    ]
    memo: dict[int, Any] = {id(optimizer): stand_in}
    step = vars(optimizer).get("step")
    if step is not None:
        memo[id(step)] = step
    return copy.deepcopy(scheduler, memo)


def _rates(scheduler: LRScheduler, steps: int, metrics: Iterable[float] | None) -> list[list[float]]:
    groups = scheduler.optimizer.param_groups
    results = iter(() if metrics is None else metrics)
    rates = [[float(group["lr"]) for group in groups]]
    for done in range(steps - 1):
        if isinstance(scheduler, ReduceLROnPlateau):
            result = next(results, None)
            if result is None:
                raise ValueError(f"plot_schedule: expected {steps - 1} metrics, got {done}")
            scheduler.step(result)
        else:
            scheduler.step()
        rates.append([float(group["lr"]) for group in groups])
    return rates
