"""The history of a training run: one row for each epoch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from typing import Any

from verigrad.utils._files import atomic_write

from .plots import File, plot_history


class History:
    """One row per epoch: ``epoch`` (from 1), ``lr``, ``train_loss``, ``train_<metric>``, with validation
    ``val_loss`` and ``val_<metric>``, and ``seconds``. Iterates over the rows, which are dicts."""

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

    def plot(self, f: File = None, title: str = "") -> Any:
        """Draw the loss and each metric by epoch, see `plot_history`."""
        return plot_history(self.rows, f, title)

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
