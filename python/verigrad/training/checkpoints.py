"""`Checkpoints`: a folder of training states, the last and the best of which are kept."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import verigrad
from verigrad.utils._files import remove_stale, sync_folder

if TYPE_CHECKING:
    from .state import TrainState

_NAME = re.compile(r"checkpoint-(\d{8,})\.safetensors")


class Checkpoints:
    """The checkpoints of one training run, in a folder.

    ``save`` writes ``checkpoint-<number>.safetensors`` beside the older ones: to a temporary file that is
    flushed to the disk and renamed, after which the folder is flushed. Only then do older checkpoints that
    are not to be kept go away. So a process that is killed at any moment leaves a complete checkpoint if it
    had one before, and an error (a full disk, a folder that may not be written) leaves all as they were. Each
    tensor has a checksum, which is compared on loading.

    One run at a time may use a folder.

    Args:
        folder: where; made with its parents by the first ``save``.
        keep_last: how many of the newest to keep; default 1.
        keep_best: how many of the best to keep beside them, of those saved with a score; default 0.
        mode: whether the smallest ("min", default) or the largest ("max") score is the best.

    Raises:
        ValueError: *keep_last* is not positive, *keep_best* is negative, or *mode* is unknown.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep_last: int = 1,
        keep_best: int = 0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if type(keep_last) is not int or keep_last < 1:
            raise ValueError(f"Checkpoints: expected keep_last to be a positive int, got {keep_last!r}")
        if type(keep_best) is not int or keep_best < 0:
            raise ValueError(f"Checkpoints: expected keep_best to be an int from 0, got {keep_best!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"Checkpoints: expected mode 'min' or 'max', got {mode!r}")
        self.folder = Path(folder)
        self.keep_last = keep_last
        self.keep_best = keep_best
        self.mode = mode
        self._scores: dict[int, float | None] = {}  # of the files that this object has written or read

    def save(self, state: TrainState | Mapping[str, Any], score: float | None = None) -> Path:
        """Write a checkpoint, then remove the older ones that are not to be kept.

        Args:
            state: a `TrainState`, or any dict that `verigrad.save` takes.
            score: how good it is, for *keep_best*. Default None: not among the best.

        Returns:
            The path of the file.

        Raises:
            OSError: it cannot be written. The older checkpoints are as they were.
            TypeError, ValueError: *state* holds what `verigrad.save` does not take; *score* is NaN.
        """
        if score is not None and math.isnan(score):
            raise ValueError("Checkpoints.save: expected a score that is a number, got NaN")
        content = state if isinstance(state, Mapping) else state.state_dict()
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            sync_folder(os.fspath(self.folder.absolute().parent))
        numbers = self._numbers()
        number = numbers[-1] + 1 if numbers else 1
        if self.keep_best:
            self._read_scores(numbers)
        remove_stale(os.fspath(self.folder), ".checkpoint-")
        path = self._path(number)
        score = None if score is None else float(score)
        verigrad.save({"score": score, "state": dict(content)}, path)
        self._scores[number] = score
        self._remove_old([*numbers, number])
        return path

    def paths(self) -> list[Path]:
        """The files of the checkpoints, oldest first, unread."""
        return [self._path(number) for number in self._numbers()]

    def latest(self) -> Path | None:
        """The newest complete checkpoint; None if there is none.

        Warns:
            RuntimeWarning: a newer one is damaged and was left out.
        """
        found = self._newest()
        return None if found is None else found[0]

    def best(self) -> Path | None:
        """The complete checkpoint with the best score, the first of equals; None if none has a score.

        Warns:
            RuntimeWarning: one is damaged and was left out.
        """
        self._read_scores(self._numbers())
        ranked = self._ranked(self._numbers())
        return self._path(ranked[0]) if ranked else None

    def load(self, path: str | os.PathLike[str] | None = None) -> Any:
        """The state in a checkpoint, with its tensors on the CPU.

        Args:
            path: one of the files; default the newest complete one.

        Raises:
            FileNotFoundError: there is no complete checkpoint.
            RuntimeError: the file at *path* is damaged.
            ValueError: it is no checkpoint.

        Warns:
            RuntimeWarning: without *path*, a newer one is damaged and was left out.
        """
        if path is not None:
            return _read(Path(path))["state"]
        found = self._newest()
        if found is None:
            raise FileNotFoundError(2, "expected a checkpoint, got none that is complete", str(self.folder))
        return found[1]["state"]

    def restore(self, state: TrainState) -> bool:
        """Load the newest complete checkpoint into *state*; False, and nothing done, where there is none.

        Raises:
            RuntimeError, ValueError: as `TrainState.load_state_dict`.

        Warns:
            RuntimeWarning: a newer one is damaged and was left out.
        """
        found = self._newest()
        if found is not None:
            state.load_state_dict(found[1]["state"])
        return found is not None

    def _path(self, number: int) -> Path:
        return self.folder / f"checkpoint-{number:08d}.safetensors"

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def _newest(self) -> tuple[Path, Any] | None:
        for number in reversed(self._numbers()):
            content = self._try(number)
            if content is not None:
                return self._path(number), content
        return None

    def _try(self, number: int) -> Any:
        path = self._path(number)
        try:
            content = _read(path)
        except (RuntimeError, ValueError) as error:
            warnings.warn(
                f"Checkpoints: {path} is damaged and left out: {error}", RuntimeWarning, stacklevel=4
            )
            return None
        self._scores[number] = content["score"]
        return content

    def _read_scores(self, numbers: list[int]) -> None:
        for number in numbers:
            if number not in self._scores and self._try(number) is None:
                self._scores[number] = None

    def _ranked(self, numbers: list[int]) -> list[int]:
        sign = 1 if self.mode == "min" else -1
        scored = [
            (sign * score, number) for number in numbers if (score := self._scores.get(number)) is not None
        ]
        return [number for _, number in sorted(scored)]

    def _remove_old(self, numbers: list[int]) -> None:
        keep = {*numbers[-self.keep_last :], *self._ranked(numbers)[: self.keep_best]}
        for number in numbers:
            if number not in keep:
                self._path(number).unlink(missing_ok=True)
                self._scores.pop(number, None)


def _read(path: Path) -> Any:
    content = verigrad.load(path, map_location="cpu")
    if not isinstance(content, dict) or content.keys() != {"score", "state"}:
        raise ValueError(f"expected a checkpoint in {path}, got another file of tensors")
    return content
