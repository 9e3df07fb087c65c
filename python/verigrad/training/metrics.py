"""Metrics of a classifier, and the history of a training run."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from verigrad.utils._files import atomic_write

if TYPE_CHECKING:
    from verigrad import Tensor


class Metric(Protocol):
    """What `fit` and `evaluate` ask of a metric: reset, then update with each batch, then compute."""

    def reset(self) -> None: ...

    def update(self, output: Tensor, target: Tensor) -> None: ...

    def compute(self) -> float: ...


class Accuracy:
    """The share of samples whose largest output is at the target, 0 .. 1; NaN before the first sample.

    ``update`` takes outputs of shape [B, C] and either class numbers (int64, [B]) or class probabilities ([B,
    C], whose largest entry counts).

    Attributes:
        correct, count: samples classified rightly, and seen.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.correct = 0
        self.count = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        if output.ndim != 2 or target.ndim not in (1, 2) or output.shape[0] != target.shape[0]:
            raise ValueError(
                f"Accuracy: expected output [B, C] with target [B] or [B, C], "
                f"got {list(output.shape)} and {list(target.shape)}"
            )
        if target.ndim == 2:
            target = target.argmax(1)
        self.correct += int((output.detach().argmax(1) == target).sum().item())
        self.count += len(target)

    def compute(self) -> float:
        return self.correct / self.count if self.count else float("nan")


class MeanLoss:
    """The mean of a loss over samples: each batch's mean counts as often as it has samples. NaN before the
    first."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, loss: float, samples: int) -> None:
        self.total += loss * samples
        self.count += samples

    def compute(self) -> float:
        return self.total / self.count if self.count else float("nan")


class History:
    """One row per epoch: ``epoch`` (from 1), ``lr``, ``train_loss``, ``test_loss``, ``train_<metric>``,
    ``test_<metric>``, ``seconds``. Iterates over the rows, which are dicts."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of an epoch; its keys must be those of the first one.

        Raises:
            ValueError: other keys.
        """
        if self.rows and row.keys() != self.rows[0].keys():
            raise ValueError(f"History: expected the columns {list(self.rows[0])}, got {list(row)}")
        self.rows.append(row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    def column(self, name: str) -> list[Any]:
        """The values of one column, by epoch.

        Raises:
            KeyError: there is no such column.
        """
        return [row[name] for row in self.rows]

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """The rows as CSV with a header line; numbers are exact (shortest text that reads back the same).

        Args:
            path: also write the text to this file (atomically).
        """
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        text = out.getvalue()
        if path is not None:
            with atomic_write(path) as file:
                file.write(text.encode())
        return text
