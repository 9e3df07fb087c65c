"""What determines a run, and its file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import verigrad
from verigrad import nn, optim

from ..models import DEFAULT_MODEL, MODELS
from .data import DATASETS

_FORMAT = 2
#: Optimizer -> its class and the learning rate where none is given.
OPTIMIZERS: dict[str, tuple[type[optim.Optimizer], float]] = {
    name.lower(): (getattr(optim, name), lr)
    for name, lr in {
        "SGD": 0.03,
        "Adam": 0.002,
        "AdamW": 0.002,
        "NAdam": 0.002,
        "RAdam": 0.002,
        "Adamax": 0.002,
        "RMSprop": 0.0005,
        "Adagrad": 0.01,
        "Adadelta": 1.0,
        "ASGD": 0.03,
    }.items()
}
SCHEDULERS = ("cosine", "warmup", "linear", "step", "plateau", "none")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run. Raises ValueError for values out of range.

    Attributes:
        dataset: a key of `DATASETS`.
        data_dir: where to look for its files first; None for the cache (or the package, for mnist-mini).
        model: a key of `MODELS`.
        epochs, batch_size: positive.
        lr: above 0 and finite.
        momentum: of sgd, 0 <= momentum < 1; 0 for the others.
        weight_decay: from 0, finite; None for the optimizer's own default.
        optimizer: a key of `OPTIMIZERS`.
        scheduler: "cosine" or "linear" (to zero over the run), "warmup" (cosine, after a rise over the first
            tenth), "step" (a tenth after each third), "plateau" (a tenth where the validation loss has not
            fallen for three epochs) or "none".
        validation: share of the training images that is held back, 0 <= validation < 1; then the test images
            are for the end alone.
        early_stopping: epochs without a better validation accuracy after which training stops, and goes back
            to the best epoch; None for never.
        seed: of weights, order and split, 0 .. 2**63 - 1.
        device: "auto" (a CUDA device where there is one), "cpu" or "cuda".
        augment: whether training images are rotated and shifted at random, see `DatasetInfo.augmentation`.
        dropout: probability of dropping a unit, 0 <= dropout < 1; where, the network says.
        label_smoothing: of the training loss, 0 <= label_smoothing < 1. The other losses are without.
    """

    dataset: str = "mnist-mini"
    data_dir: str | None = None
    model: str = DEFAULT_MODEL
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.03
    momentum: float = 0.9
    weight_decay: float | None = None
    optimizer: str = "sgd"
    scheduler: str = "cosine"
    validation: float = 0.0
    early_stopping: int | None = None
    seed: int = 0
    device: str = "auto"
    augment: bool = False
    dropout: float = MODELS[DEFAULT_MODEL].dropout
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in (
            ("dataset", tuple(DATASETS)),
            ("model", tuple(MODELS)),
            ("optimizer", tuple(OPTIMIZERS)),
            ("scheduler", SCHEDULERS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"expected {name} to be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        for name, low, high in (
            ("epochs", 1, 10**6),
            ("batch_size", 1, 10**9),
            ("seed", 0, 2**63 - 1),
            ("early_stopping", 1, 10**6),
        ):
            value = getattr(self, name)
            if name == "early_stopping" and value is None:
                continue
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"expected {name} to be an integer from {low} to {high}, got {value!r}")
        if not _is_number(self.lr) or not 0 < self.lr < math.inf:
            raise ValueError(f"expected lr to be a finite number above 0, got {self.lr!r}")
        if self.weight_decay is not None and not (
            _is_number(self.weight_decay) and 0 <= self.weight_decay < math.inf
        ):
            raise ValueError(f"expected weight_decay to be a finite number from 0, got {self.weight_decay!r}")
        for name in ("momentum", "dropout", "label_smoothing", "validation"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"expected {name} to be a number from 0 to below 1, got {value!r}")
        if type(self.augment) is not bool:
            raise ValueError(f"expected augment to be true or false, got {self.augment!r}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"expected momentum only with the optimizer sgd, got it with {self.optimizer}")
        if self.early_stopping is not None and not self.validation:
            raise ValueError("expected early_stopping only with validation, got it without")
        if self.scheduler == "plateau" and not self.validation:
            raise ValueError("expected the scheduler plateau only with validation, got it without")
        if self.data_dir is not None and not isinstance(self.data_dir, str):
            raise ValueError(f"expected data_dir to be a path or null, got {self.data_dir!r}")

    def make_optimizer(self, model: nn.Module) -> optim.Optimizer:
        """The optimizer for a network."""
        options: dict[str, Any] = {"lr": self.lr}
        if self.weight_decay is not None:
            options["weight_decay"] = self.weight_decay
        if self.optimizer == "sgd":
            options["momentum"] = self.momentum
        cls: Any = OPTIMIZERS[self.optimizer][0]
        made: optim.Optimizer = cls(model.parameters(), **options)
        return made

    def make_scheduler(self, optimizer: optim.Optimizer) -> optim.lr_scheduler.LRScheduler | None:
        """The scheduler, which steps after each epoch; None for "none"."""
        schedules = optim.lr_scheduler
        if self.scheduler == "cosine":
            return schedules.CosineAnnealingLR(optimizer, T_max=self.epochs)
        if self.scheduler == "warmup":
            rise = max(1, self.epochs // 10)
            parts = [
                schedules.LinearLR(optimizer, start_factor=0.1, total_iters=rise),
                schedules.CosineAnnealingLR(optimizer, T_max=max(1, self.epochs - rise)),
            ]
            return schedules.SequentialLR(optimizer, parts, milestones=[rise])
        if self.scheduler == "linear":
            return schedules.LinearLR(optimizer, 1.0, 0.0, total_iters=self.epochs)
        if self.scheduler == "step":
            return schedules.StepLR(optimizer, step_size=max(1, -(-self.epochs // 3)), gamma=0.1)
        if self.scheduler == "plateau":
            return schedules.ReduceLROnPlateau(optimizer, patience=3)
        return None

    def to_json(self, result: dict[str, float] | None) -> str:
        """The text of the file of a run; *result* is None until the run has come to its end."""
        content = {
            "format": _FORMAT,
            "verigrad": verigrad.__version__,
            "config": asdict(self),
            "result": result,
        }
        return json.dumps(content, indent=2) + "\n"


def read_config(path: Path) -> tuple[RunConfig, dict[str, float] | None]:
    """The config in the file of a run, and the result; None if the run has not come to its end.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not that of a run.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON in {path}, got {error}") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"expected the config of a run of format {_FORMAT} in {path}, got something else")
    return config_of(content.get("config"), path), content.get("result")


def config_of(values: Any, path: Path) -> RunConfig:
    """The config with these entries; ValueError, which names the file, where they are others."""
    names = {field.name for field in fields(RunConfig)}
    if not isinstance(values, dict) or values.keys() != names:
        raise ValueError(f"expected the entries {', '.join(sorted(names))} in {path}, got others")
    try:
        return RunConfig(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _is_number(value: object) -> bool:
    return type(value) in (int, float)
