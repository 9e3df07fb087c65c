"""One loss for several tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor

    from .evaluation import Loss


class MultiTaskLoss(nn.Module):
    """The weighted sum of a loss for each task: ``sum of weights[task] * losses[task](output, target)``.

    Args:
        losses: by task, each a function of (outputs, targets) that gives one number.
        weights: by task; 1 for those that are not named. Default all 1.

    ``forward`` takes outputs and targets as dicts by task, and leaves the tasks' losses, unweighted, in
    ``values``.

    Raises:
        ValueError: there are no losses, or a weight is of an unknown task or not finite.
    """

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        weights = weights or {}
        if not losses:
            raise ValueError("MultiTaskLoss: expected at least one loss, got none")
        for task, weight in weights.items():
            if task not in losses or not math.isfinite(weight):
                raise ValueError(
                    f"MultiTaskLoss: expected finite weights of {', '.join(losses)}, got {weight!r} of "
                    f"{task!r}"
                )
        self.losses = dict(losses)
        for task, loss in losses.items():
            if isinstance(loss, nn.Module):
                self.add_module(f"loss_{task}", loss)
        self.weights = {task: float(weights.get(task, 1.0)) for task in losses}
        self.values: dict[str, float] = {}

    def forward(self, outputs: Mapping[str, Any], targets: Mapping[str, Any]) -> Tensor:
        """The weighted sum.

        Raises:
            ValueError: the outputs or the targets lack a task.
        """
        for name, given in (("outputs", outputs), ("targets", targets)):
            missing = [task for task in self.losses if task not in given]
            if missing:
                raise ValueError(f"MultiTaskLoss: expected {name} of every task, got none of {missing[0]!r}")
        total: Any = None
        for task, loss in self.losses.items():
            value = loss(outputs[task], targets[task])
            self.values[task] = float(value.item())
            weighted = value * self.weights[task]
            total = weighted if total is None else total + weighted
        result: Tensor = total
        return result
