"""Runs: what `verigrad train` does, and what `evaluate` and `predict` read back.

A run is a folder. After every epoch it has ``config.json``, ``metrics.csv``, ``model.safetensors`` (after the
last epoch that ended), ``best.safetensors`` (after the one with the highest accuracy, the first of equals)
and a checkpoint, from which an interrupted run goes on; when the training has come to its end also
``curves.png``, ``misclassified.png`` and ``filters.png``, and its result in the config, but no checkpoint any
more. `folder` says in which order they appear.
"""

from .config import DEVICES, OPTIMIZERS, SCHEDULERS, RunConfig
from .data import DATASETS, DatasetInfo
from .ensemble import ENSEMBLE, EnsembleResult, resume_ensemble, train_ensemble
from .reading import evaluate_run, load_run, predict_run
from .train import RunResult, find_run_lr, resume_run, train_run

__all__ = [
    "DATASETS",
    "DEVICES",
    "ENSEMBLE",
    "OPTIMIZERS",
    "SCHEDULERS",
    "DatasetInfo",
    "EnsembleResult",
    "RunConfig",
    "RunResult",
    "evaluate_run",
    "find_run_lr",
    "load_run",
    "predict_run",
    "resume_ensemble",
    "resume_run",
    "train_ensemble",
    "train_run",
]
