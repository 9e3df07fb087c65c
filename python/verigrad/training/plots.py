"""What a run learned, as pictures: its curves, its mistakes, its filters."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from verigrad import nn
from verigrad.utils._extras import require
from verigrad.utils._files import atomic_write

if TYPE_CHECKING:
    from verigrad import Tensor

File = str | os.PathLike[str] | IO[bytes] | None

# Of the Okabe-Ito palette, which stays apart for the colour-blind; the line style tells them apart as well.
_STYLES = {
    "train": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "val": {"color": "#009E73", "marker": "^", "linestyle": "-."},
    "test": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


def plot_history(history: Iterable[Mapping[str, Any]], f: File = None, title: str = "") -> Any:
    """Draw the loss and each metric by epoch; training, validation and test in one panel.

    Args:
        history: a `History`, or its rows; at least one.
        f: a path (replaced atomically) or a binary file for the PNG; None only makes the figure.
        title: above the panels.

    Returns:
        The `matplotlib.figure.Figure`. It belongs to no window and needs no display.

    Raises:
        ValueError: the history is empty.
        ImportError: matplotlib is not installed (it comes with the extra "train").
    """
    rows = list(history)
    if not rows:
        raise ValueError("plot_history: expected a history of at least one epoch, got an empty one")
    figures = require("matplotlib.figure", "matplotlib", "train", "plot_history")
    ticker = require("matplotlib.ticker", "matplotlib", "train", "plot_history")
    names = [column.removeprefix("train_") for column in rows[0] if column.startswith("train_")]
    figure = figures.Figure(figsize=(4.8 * len(names), 4.0), dpi=150, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12)
    epochs = [row["epoch"] for row in rows]
    marker_size = 4 if len(epochs) <= 40 else 0
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for split, style in _STYLES.items():
            column = f"{split}_{name}"
            if column in rows[0]:
                values = [row[column] for row in rows]
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
    return saved(figure, f)


def plot_mistakes(
    images: Tensor, captions: Sequence[str], f: File = None, title: str = "", columns: int = 5
) -> Any:
    """Draw gray images with a caption above each, such as misclassified ones.

    Args:
        images: [N, H, W], of any dtype; the least value of each is black, the greatest white.
        captions: one for each image. No images give a picture that says so.
        f, title: as for `plot_history`.
        columns: images side by side. Default 5.

    Returns:
        The `matplotlib.figure.Figure`.

    Raises:
        ValueError: *images* has not 3 dimensions, or there are more or fewer captions than images.
        ImportError: matplotlib is not installed (it comes with the extra "train").
    """
    if images.ndim != 3 or len(images) != len(captions):
        raise ValueError(
            f"plot_mistakes: expected images [N, H, W] and a caption for each, got {list(images.shape)} and "
            f"{len(captions)} captions"
        )
    figures = require("matplotlib.figure", "matplotlib", "train", "plot_mistakes")
    rows = max(1, math.ceil(len(captions) / columns))
    figure = figures.Figure(figsize=(1.5 * columns, 1.75 * rows + 0.5), dpi=120, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    if not captions:
        figure.text(0.5, 0.45, "none", ha="center", va="center", fontsize=14)
    for place, caption in enumerate(captions):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(images[place].numpy(), cmap="gray", interpolation="nearest")
        axes.set_title(caption, fontsize=8)
        axes.set_axis_off()
    return saved(figure, f)


def first_filters(model: nn.Module) -> Tensor:
    """The weights of the first convolution or linear layer of *model* as pictures [N, H, W].

    A convolution has one for each pair of output and input channel. A linear layer has one for each unit,
    if its inputs make a square (as 784 make 28 x 28).

    Raises:
        ValueError: there is no such layer, or its inputs make no square.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().flatten(0, 1)
        if isinstance(module, nn.Linear):
            side = math.isqrt(module.in_features)
            if side * side != module.in_features:
                raise ValueError(
                    f"first_filters: expected inputs that make a square, got {module.in_features}"
                )
            return module.weight.detach().reshape(module.out_features, side, side)
    raise ValueError("first_filters: expected a model with a Conv2d or Linear layer, got none")


def plot_filters(filters: Tensor, f: File = None, title: str = "", most: int = 64) -> Any:
    """Draw weights as pictures: red above 0, blue below, white at 0, on one scale.

    Args:
        filters: [N, H, W], such as `first_filters` gives.
        f, title: as for `plot_history`.
        most: draw the first so many. Default 64.

    Returns:
        The `matplotlib.figure.Figure`.

    Raises:
        ValueError: *filters* has not 3 dimensions, or no elements.
        ImportError: matplotlib is not installed (it comes with the extra "train").
    """
    if filters.ndim != 3 or not filters.numel():
        raise ValueError(f"plot_filters: expected filters [N, H, W], got {list(filters.shape)}")
    figures = require("matplotlib.figure", "matplotlib", "train", "plot_filters")
    import numpy

    shown = filters.detach().numpy()[:most]
    count, height, width = shown.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    gap = max(1, width // 8)
    # One picture of all of them: much faster than a panel for each.
    board = numpy.full((rows * (height + gap) - gap, columns * (width + gap) - gap), numpy.nan)
    for place, one in enumerate(shown):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        board[top : top + height, left : left + width] = one
    limit = float(numpy.nanmax(numpy.abs(board))) or 1.0
    figure = figures.Figure(figsize=(7.0, 6.0 * rows / columns + 0.6), dpi=120, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    axes = figure.add_subplot()
    picture = axes.imshow(board, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_axis_off()
    figure.colorbar(picture, ax=axes, shrink=0.8)
    return saved(figure, f)


def saved(figure: Any, f: File) -> Any:
    """The figure, written to a path (atomically) or a file as PNG; None only gives it back."""
    if isinstance(f, str | os.PathLike):
        with atomic_write(f) as file:
            figure.savefig(file, format="png")
    elif f is not None:
        figure.savefig(f, format="png")
    return figure
