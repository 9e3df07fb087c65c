"""The curves of a run as a picture."""

from __future__ import annotations

import os
from typing import IO, Any

from verigrad.utils._extras import require
from verigrad.utils._files import atomic_write

from .metrics import History

# Of the Okabe-Ito palette, which stays apart for the colour-blind; the line style tells the two apart as
# well.
_STYLES = {
    "train": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "test": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


def plot_history(
    history: History, f: str | os.PathLike[str] | IO[bytes] | None = None, title: str = ""
) -> Any:
    """Draw the loss and each metric of *history* by epoch, training and test in one panel.

    Args:
        history: at least one row.
        f: a path (replaced atomically) or a binary file for the PNG; None only makes the figure.
        title: above the panels.

    Returns:
        The `matplotlib.figure.Figure`. It belongs to no window and needs no display.

    Raises:
        ValueError: the history is empty.
        ImportError: matplotlib is not installed (it comes with the extra "train").
    """
    if not len(history):
        raise ValueError("plot_history: expected a history of at least one epoch, got an empty one")
    figures = require("matplotlib.figure", "matplotlib", "train", "plot_history")
    ticker = require("matplotlib.ticker", "matplotlib", "train", "plot_history")
    names = [column.removeprefix("train_") for column in history.columns if column.startswith("train_")]
    figure = figures.Figure(figsize=(4.8 * len(names), 4.0), dpi=150, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12)
    epochs = history.column("epoch")
    marker_size = 4 if len(epochs) <= 40 else 0
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for split, style in _STYLES.items():
            column = f"{split}_{name}"
            if column in history.columns:
                values = history.column(column)
                axes.plot(
                    epochs,
                    values,
                    label=f"{split} (last: {values[-1]:.4f})",
                    markersize=marker_size,
                    linewidth=1.8,
                    **style,
                )
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(x=0.03)
        if len(epochs) == 1:
            axes.set_xlim(0.5, 1.5)
        if name == "loss":
            axes.set_ylim(bottom=0)
        axes.grid(True, color="0.88", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    if isinstance(f, str | os.PathLike):
        with atomic_write(f) as file:
            figure.savefig(file, format="png")
    elif f is not None:
        figure.savefig(f, format="png")
    return figure
