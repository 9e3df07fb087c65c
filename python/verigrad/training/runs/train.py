"""Training a run, from its start or from where it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import verigrad
from verigrad import nn
from verigrad.data import DataLoader, random_split
from verigrad.utils._extras import require

from ..callbacks import EarlyStopping, ModelCheckpoint
from ..checkpoints import Checkpoints
from ..evaluation import evaluate
from ..finder import LRSweep, find_lr
from ..history import History
from ..interrupt import Interrupted
from ..metrics import Accuracy
from ..models import build_model
from ..state import Callback, TrainState
from ..trainer import Trainer
from .config import RunConfig, read_config
from .data import DATASETS
from .folder import BEST, CHECKPOINTS, CONFIG, METRICS, MODEL, RunFolder, run_folder
from .reading import EVALUATION_BATCH
from .report import Mistakes, pictures

if TYPE_CHECKING:
    from verigrad.vision.datasets import MNIST

Say = Callable[[str], object]


@dataclass(frozen=True)
class RunResult:
    """Where a finished run is, and how well it does on the test images."""

    folder: Path
    history: History
    correct: int
    count: int


def train_run(
    config: RunConfig,
    out: Path | None,
    *,
    overwrite: bool = False,
    download: bool = False,
    say: Say = lambda line: None,
) -> RunResult:
    """Train as *config* says and write the files of the run.

    The same config gives the same ``model.safetensors``, byte for byte, for any number of threads, with or
    without interruptions. Metrics, models and a checkpoint are written after every epoch, so a run that is
    interrupted, or diverges, leaves those of the epochs that ended. Ctrl-C and SIGTERM end the batch under
    way and leave a checkpoint there. Before the first epoch has ended, any other error leaves no file and no
    new folder, or an older run as it was.

    Args:
        config: what to do.
        out: the folder; made with its parents if it is missing. None takes the first free of
            ``runs/<dataset>-<model>-<number>``.
        overwrite: replace the run that is in *out*. Other files there stay.
        download: fetch missing data.
        say: called with a line of information before the training, and after one that was cut short.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: *out* holds a run, and *overwrite* is False.
        Interrupted: a signal came. The run may be resumed.
        RuntimeError: the loss is no longer finite.
        OSError, ValueError, RuntimeError: as the parts raise them; all input is checked before the first
            step.
    """
    device, train_set, test_set = _ingredients(config, config.data_dir, download)
    with run_folder(out, f"{config.dataset}-{config.model}", overwrite) as folder:
        return _train(config, folder, device, train_set, test_set, say)


def resume_run(
    path: Path, *, data_dir: str | None = None, download: bool = False, say: Say = lambda line: None
) -> RunResult:
    """Go on with the run in a folder, from its checkpoint, to the same results as without a break.

    Args:
        path: of the folder.
        data_dir: where the data lie now; None: where they lay before.
        download, say: as for `train_run`.

    Raises:
        ValueError: there is no run, or it has come to its end.
        FileNotFoundError: there is no such folder, or no run in it.
        ImportError, Interrupted, OSError, RuntimeError: as for `train_run`.
    """
    if not path.is_dir():
        raise FileNotFoundError(2, "expected the folder of a run, got nothing there", str(path))
    config, result = read_config(path / CONFIG)
    if result is not None:
        raise ValueError(f"expected a run that was interrupted in {path}, got one that has come to its end")
    place = config.data_dir if data_dir is None else data_dir
    device, train_set, test_set = _ingredients(config, place, download)
    with run_folder(path, "", overwrite=True) as folder:
        folder.begun = True
        return _train(config, folder, device, train_set, test_set, say)


def _ingredients(
    config: RunConfig, data_dir: str | None, download: bool
) -> tuple[verigrad.device, MNIST, MNIST]:
    require("matplotlib.figure", "matplotlib", "train", "train")  # now, not after the last epoch
    found = "cuda" if verigrad.cuda.is_available() else "cpu"
    device = verigrad.device(found if config.device == "auto" else config.device)
    verigrad.empty(0, device=device)  # raises where there is no such device, before anything is written
    info = DATASETS[config.dataset]
    train_set = info.load(True, data_dir, download)
    test_set = info.load(False, data_dir, download)
    if config.validation and not 1 <= round(len(train_set) * config.validation) < len(train_set):
        raise ValueError(
            f"expected validation to leave images for both, got {config.validation} of {len(train_set)}"
        )
    return device, train_set, test_set


def _train(
    config: RunConfig,
    folder: RunFolder,
    device: verigrad.device,
    train_set: MNIST,
    test_set: MNIST,
    say: Say,
) -> RunResult:
    parts = _parts(config, device, train_set)
    model, optimizer = parts.model, parts.optimizer
    test_loader = DataLoader(test_set, batch_size=EVALUATION_BATCH)
    watched = "val" if config.validation else "test"
    checkpoints = Checkpoints(folder.path / CHECKPOINTS)
    callbacks: list[Callback] = [_Keeper(folder, config, watched), ModelCheckpoint(checkpoints)]
    if config.early_stopping is not None:
        stopping = EarlyStopping("val_accuracy", patience=config.early_stopping, restore_best_weights=True)
        callbacks.insert(0, stopping)
    trainer = Trainer(
        model,
        parts.loss,
        optimizer,
        scheduler=config.make_scheduler(optimizer),
        metrics={"accuracy": Accuracy()},
        callbacks=callbacks,
        augment=parts.augment,
        validation_loss=nn.CrossEntropyLoss(),
    )
    say(
        f"training {config.model} on {config.dataset}: {parts.told} and {len(test_set)} "
        f"test images, {sum(parameter.numel() for parameter in model.parameters())} parameters"
    )
    held = parts.held
    validation = test_loader if held is None else DataLoader(held, batch_size=EVALUATION_BATCH)
    try:
        history = trainer.fit(
            parts.loader,
            validation,
            config.epochs,
            resume=checkpoints if folder.begun else False,
            validation_name=watched,
        )
    except Interrupted as interrupted:
        goes_on = f"; verigrad train --resume {folder.path} goes on"
        interrupted.args = (f"{interrupted}{goes_on}",)
        raise
    except BaseException:
        if folder.begun:
            say(f"the epochs that ended are in {folder.path}")
        raise
    mistakes, accuracy = Mistakes(), Accuracy()
    watchers = {"accuracy": accuracy, "mistakes": mistakes}
    tested = evaluate(model, test_loader, nn.CrossEntropyLoss(), watchers)
    model.to("cpu")
    last = history[-1]
    numbers = {"test_accuracy": tested["accuracy"], "test_loss": tested["loss"]}
    numbers |= {name: value for name, value in last.items() if name.startswith(("train_", "val_"))}
    files = pictures(config, model, history, test_set, mistakes)
    folder.put(files | {MODEL: _writer_of_model(model), CONFIG: _writer_of_text(config.to_json(numbers))})
    folder.remove_checkpoints()
    return RunResult(folder.path, history, accuracy.correct, accuracy.count)


@dataclass(frozen=True)
class _Parts:
    """What a run trains, and on what: *held* is the validation split, or None; *told* says both in words."""

    model: nn.Module
    optimizer: Any
    loss: nn.Module
    augment: Callable[[Any], Any] | None
    loader: DataLoader[Any]
    held: Any
    told: str


def _parts(config: RunConfig, device: verigrad.device, train_set: MNIST) -> _Parts:
    verigrad.manual_seed(config.seed)
    info = DATASETS[config.dataset]
    model = build_model(config.model, len(info.cls.classes), config.dropout).to(device)
    learned, held, told = _split(config, train_set)
    return _Parts(
        model,
        config.make_optimizer(model),
        nn.CrossEntropyLoss(label_smoothing=config.label_smoothing),
        info.augmentation() if config.augment else None,
        DataLoader(learned, batch_size=config.batch_size, shuffle=True, generator=_seeded(config)),
        held,
        told,
    )


def find_run_lr(config: RunConfig, out: Path | None, *, download: bool = False) -> LRSweep:
    """Sweep the learning rate of a run over its training images, without training it.

    Args:
        config: of the run; its own learning rate does not matter.
        out: a folder for ``learning-rate.png``, made if it is missing; None: no picture.
        download: fetch missing data.

    Raises:
        ImportError, OSError, RuntimeError, ValueError: as for `train_run`.
    """
    device, train_set, _ = _ingredients(config, config.data_dir, download)
    parts = _parts(config, device, train_set)
    sweep = find_lr(parts.model, parts.loss, parts.optimizer, parts.loader, augment=parts.augment)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        sweep.plot(out / "learning-rate.png", f"{config.model} on {config.dataset}, {config.optimizer}")
    return sweep


def _seeded(config: RunConfig) -> verigrad.Generator:
    generator = verigrad.Generator()
    generator.manual_seed(config.seed)
    return generator


def _split(config: RunConfig, train_set: MNIST) -> tuple[Any, Any, str]:
    """What is learned, what is held back (or None), and both in words."""
    if not config.validation:
        return train_set, None, f"{len(train_set)} training"
    held = round(len(train_set) * config.validation)
    sizes = [len(train_set) - held, held]
    learned, checked = random_split(train_set, sizes, generator=_seeded(config))
    return learned, checked, f"{sizes[0]} training, {sizes[1]} validation"


class _Keeper(Callback):
    """Writes the config, the metrics and the models of a run after every epoch."""

    def __init__(self, folder: RunFolder, config: RunConfig, watched: str) -> None:
        self._folder = folder
        self._config = config
        self._watched = watched
        self._best = -math.inf

    def on_epoch_end(self, state: TrainState) -> None:
        row = state.history[-1]
        loss = row[f"{self._watched}_loss"]
        if not math.isfinite(loss):
            what = {"val": "validation", "test": "test"}[self._watched]
            raise RuntimeError(
                f"expected a finite {what} loss, got {loss} after epoch {state.epoch}; a smaller "
                "learning rate may help"
            )
        writers = {METRICS: _writer_of_text(state.history.to_csv()), MODEL: _writer_of_model(state.model)}
        if row[f"{self._watched}_accuracy"] > self._best:
            self._best = row[f"{self._watched}_accuracy"]
            writers[BEST] = writers[MODEL]
        self._put(writers)

    def on_interrupt(self, state: TrainState) -> None:
        if not self._folder.begun:  # the checkpoint that follows needs it
            self._put({})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best = state["best"]

    def _put(self, writers: dict[str, Callable[[IO[bytes]], object]]) -> None:
        if not self._folder.begun:
            writers[CONFIG] = _writer_of_text(self._config.to_json(None))
        self._folder.put(writers)


def _writer_of_text(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode())


def _writer_of_model(model: nn.Module) -> Callable[[IO[bytes]], object]:
    return lambda file: verigrad.save(model.state_dict(), file)
