"""Several models as one: the mean of what they say, and how far they disagree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn
from verigrad.data import Subset

if TYPE_CHECKING:
    from verigrad import Generator, Tensor


class Ensemble(nn.Module):
    """The mean of the outputs of several models for the same inputs.

    Lakshminarayanan, Pritzel and Blundell 2017, "Simple and scalable predictive uncertainty estimation using
    deep ensembles" (arXiv 1612.01474).

    Args:
        models: at least one; their outputs have one shape.
        probabilities: whether outputs are logits [B, C], of which the probabilities are averaged (default);
            False averages the outputs themselves, as for regression.

    Raises:
        ValueError: there are no models.
        TypeError: one is no Module.
    """

    def __init__(self, models: Iterable[nn.Module], probabilities: bool = True) -> None:
        super().__init__()
        members = list(models)
        if not members:
            raise ValueError("Ensemble: expected at least one model, got none")
        for member in members:
            if not isinstance(member, nn.Module):
                raise TypeError(f"Ensemble: expected models, got {type(member).__name__} among them")
        self.members = nn.ModuleList(members)
        self.probabilities = probabilities

    def outputs(self, inputs: Any) -> Tensor:
        """What each member says: [members, B, ...]."""
        outputs = verigrad.stack([member(inputs) for member in self.members])
        return nn.functional.softmax(outputs, dim=-1) if self.probabilities else outputs

    def forward(self, inputs: Any) -> Tensor:
        """The mean over the members: [B, ...]. For a loss on mean probabilities take ``NLLLoss`` of their
        logarithm."""
        return self.outputs(inputs).mean(0)

    def spread(self, inputs: Any) -> Tensor:
        """The standard deviation over the members: [B, ...], 0 for a single one."""
        outputs = self.outputs(inputs)
        return ((outputs - outputs.mean(0)) ** 2).mean(0).sqrt()


def bootstrap(dataset: Any, generator: Generator | None = None) -> Subset[Any]:
    """As many samples as *dataset* has, drawn from it with replacement: what one member of a bagged ensemble
    learns from.

    Breiman 1996, "Bagging predictors".

    Args:
        dataset: with ``__getitem__`` and ``__len__``.
        generator: source of randomness; None is the default generator.

    Raises:
        ValueError: the dataset is empty.
    """
    count = len(dataset)
    if not count:
        raise ValueError("bootstrap: expected a dataset with samples, got an empty one")
    drawn = verigrad.randint(0, count, (count,), dtype=verigrad.int64, generator=generator)
    return Subset(dataset, drawn.tolist())
