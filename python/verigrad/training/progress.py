"""Progress of `Trainer.fit`: a bar on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Any, Literal

from verigrad.utils._extras import require

from .state import Callback, TrainState

_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


def choose_progress(progress: bool | Literal["auto"]) -> list[Callback]:
    """The callbacks behind the argument *progress* of `Trainer`.

    Raises:
        ImportError: True without tqdm.
    """
    if progress is False:
        return []
    if progress is True:
        return [ProgressBar()]
    chosen: list[Callback] = []
    if _is_terminal(sys.stderr):
        with contextlib.suppress(ImportError):  # without tqdm, lines will do
            chosen.append(ProgressBar())
    if not chosen or not _is_terminal(sys.stdout):
        # With the output in a file and the bar on the terminal, the file still gets its lines.
        chosen.append(ProgressLines())
    return chosen


class ProgressBar(Callback):
    """A tqdm bar while an epoch runs, with the loss and the metrics so far; then one line with its results.

    Args:
        file: where to draw; default standard error.

    Raises:
        ImportError: tqdm is not installed (it comes with the extra "train").
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._tqdm = require("tqdm", "tqdm", "train", "ProgressBar").tqdm
        self._file = file
        self._bar: Any = None

    def on_epoch_start(self, state: TrainState) -> None:
        file = sys.stderr if self._file is None else self._file
        self._bar = self._tqdm(
            total=state.batches_in_epoch,
            initial=state.batch,
            desc=f"epoch {_counter(state)}",
            bar_format=_BAR,
            file=file,
            ncols=_columns(file),
            leave=False,
        )

    def on_batch_end(self, state: TrainState) -> None:
        # The text is made only when the bar is about to be drawn anyway.
        bar = self._bar
        if state.batch - bar.last_print_n >= bar.miniters:
            bar.set_postfix_str(_running(state), refresh=False)
        bar.update(state.batch - bar.n)

    def on_epoch_end(self, state: TrainState) -> None:
        self._close()
        print(_line(state), file=sys.stderr if self._file is None else self._file, flush=True)

    def on_end(self, state: TrainState) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ProgressLines(Callback):
    """One line per epoch, without control characters.

    Args:
        file: where to print; default standard output.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        self._file = file

    def on_epoch_end(self, state: TrainState) -> None:
        print(_line(state), file=sys.stdout if self._file is None else self._file, flush=True)


def _line(state: TrainState) -> str:
    row = state.history[-1]
    return f"epoch {_counter(state)}  {_summary(row)}  ({row['seconds']:.1f} s)"


def _counter(state: TrainState) -> str:
    total = str(state.epochs)
    return f"{state.epoch:>{len(total)}}/{total}"


def _running(state: TrainState) -> str:
    values = {"loss": state.loss.compute(), **{name: one.compute() for name, one in state.metrics.items()}}
    return _text({name: value for name, value in values.items() if isinstance(value, int | float)})


def _summary(row: dict[str, Any]) -> str:
    parts = []
    for key in row:
        split, _, rest = key.partition("_")
        if rest == "loss":
            values = {key.removeprefix(f"{split}_"): row[key] for key in row if key.startswith(f"{split}_")}
            parts.append(f"{split} {_text(values)}")
    return "  ".join(parts)


def _text(values: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in values.items())


def _columns(file: IO[str]) -> int:
    # Some terminals (of containers, mostly) say that they have no columns; tqdm would then draw nothing.
    try:
        columns = os.get_terminal_size(file.fileno()).columns
    except (OSError, AttributeError):
        columns = 0
    return columns or 100


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()
