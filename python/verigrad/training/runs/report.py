"""What a finished run shows: the pictures of its curves, its mistakes and its first filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import verigrad
from verigrad import nn

from ..history import History
from ..metrics import Metric
from ..plots import first_filters, plot_filters, plot_mistakes
from .config import RunConfig
from .folder import CURVES, FILTERS, MISTAKES

if TYPE_CHECKING:
    from verigrad.vision.datasets import MNIST

_SHOWN = 25


class Mistakes(Metric):
    """Which samples were classified wrongly, in the order of the loader; the value is their share.

    Attributes:
        seen: samples so far.
        found: for each mistake the probability that it was given, its sample, predicted and true class.
    """

    name = "mistakes"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.seen = 0
        self.found: list[tuple[float, int, int, int]] = []

    def update(self, output: verigrad.Tensor, target: verigrad.Tensor) -> None:
        sure, predicted = nn.functional.softmax(output, dim=1).max(1)
        rows = zip(sure.tolist(), predicted.tolist(), target.tolist(), strict=True)
        for probability, guess, actual in rows:
            if guess != actual:
                self.found.append((probability, self.seen, guess, actual))
            self.seen += 1

    def compute(self) -> float:
        return len(self.found) / max(self.seen, 1)

    def worst(self, most: int) -> list[tuple[float, int, int, int]]:
        """The *most* mistakes that the network was surest of."""
        return sorted(self.found, key=lambda row: (-row[0], row[1]))[:most]


def pictures(
    config: RunConfig, model: nn.Module, history: History, test_set: MNIST, mistakes: Mistakes
) -> dict[str, Callable[[IO[bytes]], object]]:
    """For each picture of a run, what writes it to a file. *model* is on the CPU."""
    title = f"{config.model} on {config.dataset}, {config.optimizer}, seed {config.seed}"
    short = [name.split(" - ")[0] for name in test_set.classes]
    worst = mistakes.worst(_SHOWN)
    shown = verigrad.tensor([sample for _, sample, _, _ in worst], dtype=verigrad.int64)
    captions = [
        f"true {short[actual]}, predicted {short[guess]}\nprobability {sure:.2f}"
        for sure, _, guess, actual in worst
    ]
    return {
        CURVES: lambda file: history.plot(file, title),
        MISTAKES: lambda file: plot_mistakes(
            test_set.data.index_select(0, shown),
            captions,
            file,
            f"misclassified test images, the surest first: {len(worst)} of {len(mistakes.found)}",
        ),
        FILTERS: lambda file: plot_filters(
            first_filters(model), file, f"filters of the first layer: {title}"
        ),
    }
