"""An ensemble of runs that differ by their seed: a folder with a run for each member."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import verigrad
from verigrad import nn
from verigrad.data import DataLoader
from verigrad.utils._files import atomic_write

from ..ensemble import Ensemble
from ..evaluation import predict
from ..interrupt import Interrupted
from .config import RunConfig, config_of, read_config
from .data import DATASETS
from .folder import CONFIG, run_folder
from .reading import EVALUATION_BATCH, load_run
from .train import Say, resume_run, train_run

ENSEMBLE = "ensemble.json"
_FORMAT = 1


@dataclass(frozen=True)
class EnsembleResult:
    """Where a finished ensemble is, and how well it does on the test images.

    Attributes:
        folder: with ``member-1``, ``member-2``, ..
        members: how many images each member classifies rightly.
        correct: how many the mean of their probabilities does.
        count: of all test images.
        spread: standard deviation of the members' probability of the predicted class, its mean over images.
    """

    folder: Path
    members: list[int]
    correct: int
    count: int
    spread: float


def train_ensemble(
    config: RunConfig,
    members: int,
    out: Path | None,
    *,
    overwrite: bool = False,
    download: bool = False,
    say: Say = lambda line: None,
) -> EnsembleResult:
    """Train *members* networks with the seeds from that of *config* on, one after the other.

    Args:
        config: of the first member.
        members: how many, from 2.
        out: the folder; None takes the first free of ``runs/<dataset>-<model>-ensemble-<number>``.
        overwrite, download, say: as for `train_run`.

    Raises:
        FileExistsError: *out* holds an ensemble or a run, and *overwrite* is False.
        Interrupted: a signal came. `resume_ensemble` goes on.
        ImportError, OSError, RuntimeError, ValueError: as for `train_run`.
    """
    if type(members) is not int or members < 2:
        raise ValueError(f"expected an ensemble of 2 or more, got {members!r}")
    with run_folder(out, f"{config.dataset}-{config.model}-ensemble", overwrite) as folder:
        path = folder.path / ENSEMBLE
        if path.exists() and not overwrite:
            raise FileExistsError(
                17,
                "expected a folder without an ensemble, got one (--overwrite replaces it)",
                str(folder.path),
            )
        path.unlink(missing_ok=True)
        # The data are there and the config fits them, before anything is written.
        DATASETS[config.dataset].load(True, config.data_dir, download)
        _write(path, config, members, None)
        return _train(folder.path, config, members, None, download, say)


def resume_ensemble(
    path: Path, *, data_dir: str | None = None, download: bool = False, say: Say = lambda line: None
) -> EnsembleResult:
    """Go on with the ensemble in a folder; arguments and errors as for `resume_run`."""
    try:
        content = json.loads((path / ENSEMBLE).read_text(encoding="utf-8"))
        valid = content["format"] == _FORMAT and type(content["members"]) is int
    except (ValueError, RecursionError, KeyError, TypeError):
        valid = False
    if not valid:
        raise ValueError(f"expected an ensemble of format {_FORMAT} in {path / ENSEMBLE}, got something else")
    config = config_of(content.get("config"), path / ENSEMBLE)
    if content.get("result") is not None:
        raise ValueError(
            f"expected an ensemble that was interrupted in {path}, got one that has come to its end"
        )
    return _train(path, config, content["members"], data_dir, download, say)


def _train(
    folder: Path, config: RunConfig, members: int, data_dir: str | None, download: bool, say: Say
) -> EnsembleResult:
    models, right = [], []
    for number in range(members):
        own = replace(config, seed=(config.seed + number) % 2**63)
        place = folder / f"member-{number + 1}"
        say(f"member {number + 1} of {members}")
        try:
            right.append(_member(own, place, data_dir, download, say))
        except Interrupted as interrupted:
            name = str(interrupted).partition(" in epoch")[0]
            interrupted.args = (f"{name} in member {number + 1}; verigrad train --resume {folder} goes on",)
            raise
        models.append(load_run(place)[1])
    test_set = DATASETS[config.dataset].load(
        False, config.data_dir if data_dir is None else data_dir, download
    )
    batches = list(DataLoader(test_set, batch_size=EVALUATION_BATCH))
    ensemble = Ensemble(models)
    outputs = predict(_Outputs(ensemble), batches)
    labels = verigrad.cat([labels for _, labels in batches])
    mean = outputs.mean(1)
    best = mean.argmax(1)
    deviations = ((outputs - mean.unsqueeze(1)) ** 2).mean(1).sqrt()
    result = EnsembleResult(
        folder,
        right,
        int((best == labels).sum().item()),
        len(labels),
        float(deviations.gather(1, best.reshape(-1, 1)).mean().item()),
    )
    numbers = {"test_accuracy": result.correct / result.count, "spread": result.spread}
    _write(folder / ENSEMBLE, config, members, numbers)
    return result


class _Outputs(nn.Module):
    """What each member says, the batch first: [B, members, C]."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, inputs: verigrad.Tensor) -> verigrad.Tensor:
        return self.ensemble.outputs(inputs).transpose(0, 1)


def _member(config: RunConfig, place: Path, data_dir: str | None, download: bool, say: Say) -> int:
    """Train a member, go on with it, or leave it as it is; how many test images it gets right."""
    here = config if data_dir is None else replace(config, data_dir=data_dir)
    if (place / CONFIG).exists():
        found, result = read_config(place / CONFIG)
        if replace(found, data_dir=None) == replace(config, data_dir=None):
            if result is None:
                return resume_run(place, data_dir=data_dir, download=download, say=say).correct
            test_set = DATASETS[config.dataset].load(False, here.data_dir, download)
            return round(result["test_accuracy"] * len(test_set))
    return train_run(here, place, overwrite=True, download=download, say=say).correct


def _write(path: Path, config: RunConfig, members: int, result: dict[str, float] | None) -> None:
    content = {
        "format": _FORMAT,
        "verigrad": verigrad.__version__,
        "members": members,
        "config": asdict(config),
        "result": result,
    }
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())
