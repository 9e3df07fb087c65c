"""Runs: what `verigrad train` does, and what `evaluate` and `predict` read back.

A run is a folder. After every epoch it has ``config.json``, ``metrics.csv``, ``model.safetensors`` (after the
last epoch that ended) and ``best.safetensors`` (after the one with the highest test accuracy, the first of
equals); when the training has come to its end also ``curves.png``, ``misclassified.png`` and ``filters.png``,
and its result in the config. `_run_files` says in which order they appear.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import verigrad
from verigrad import nn, optim
from verigrad.data import DataLoader
from verigrad.utils._extras import require
from verigrad.vision import datasets, transforms

from ._run_files import BEST, CONFIG, CURVES, FILTERS, METRICS, MISTAKES, MODEL, RunFolder, run_folder
from .loop import Callback, TrainState, evaluate, fit
from .metrics import Accuracy, History
from .models import DEFAULT_MODEL, MODELS, build_model
from .plots import first_filters, plot_filters, plot_history, plot_mistakes

if TYPE_CHECKING:
    from verigrad.vision.datasets import MNIST

_FORMAT = 1
# Entries of the config that the first runs lack, and what those did.
_LATER = {"augment": False, "dropout": 0.0, "label_smoothing": 0.0}
_EVALUATION_BATCH = 1000
_WAYS_TO_DATA = "--download fetches it, --data-dir names its folder"
_SHOWN_MISTAKES = 25


@dataclass(frozen=True)
class DatasetInfo:
    """A data set the command line knows: its class and the mean and deviation of its training pixels (0 ..
    1)."""

    cls: type[MNIST]
    mean: float
    std: float

    def load(self, train: bool, data_dir: str | None, download: bool) -> MNIST:
        transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((self.mean,), (self.std,))]
        )
        if self.cls is datasets.MNISTMini:
            if data_dir is not None:
                raise ValueError("expected no --data-dir with mnist-mini, which comes with verigrad, got one")
            return datasets.MNISTMini(train=train, transform=transform)
        try:
            return self.cls(data_dir, train=train, transform=transform, download=download)
        except RuntimeError as error:
            told = str(error).replace("You can use download=True to download it", _WAYS_TO_DATA)
            raise RuntimeError(told) from None

    def augmentation(self) -> transforms.RandomAffine:
        """Rotations by up to 10 degrees and shifts by up to 2 pixels, for batches as `load` gives them."""
        return transforms.RandomAffine(
            10,
            translate=(0.08, 0.08),
            interpolation=transforms.InterpolationMode.BILINEAR,
            fill=-self.mean / self.std,  # the background
        )


DATASETS: dict[str, DatasetInfo] = {
    "mnist-mini": DatasetInfo(datasets.MNISTMini, 0.1307, 0.3081),
    "mnist": DatasetInfo(datasets.MNIST, 0.1307, 0.3081),
    "fashion-mnist": DatasetInfo(datasets.FashionMNIST, 0.2860, 0.3530),
}
#: Optimizer -> the learning rate where none is given.
OPTIMIZERS: dict[str, float] = {"sgd": 0.03, "adam": 0.002, "adamw": 0.002}
SCHEDULERS = ("cosine", "step", "none")
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
        optimizer: a key of `OPTIMIZERS`.
        scheduler: "cosine" (to zero over the run), "step" (a tenth after each third) or "none".
        seed: of weights and order, 0 .. 2**63 - 1.
        device: "auto" (a CUDA device where there is one), "cpu" or "cuda".
        augment: whether training images are rotated and shifted at random, see `DatasetInfo.augmentation`.
        dropout: probability of dropping a unit, 0 <= dropout < 1; where, the network says.
        label_smoothing: of the training loss, 0 <= label_smoothing < 1. The test loss is without.
    """

    dataset: str = "mnist-mini"
    data_dir: str | None = None
    model: str = DEFAULT_MODEL
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.03
    momentum: float = 0.9
    optimizer: str = "sgd"
    scheduler: str = "cosine"
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
        for name, low, high in (("epochs", 1, 10**6), ("batch_size", 1, 10**9), ("seed", 0, 2**63 - 1)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"expected {name} to be an integer from {low} to {high}, got {value!r}")
        if not _is_number(self.lr) or not 0 < self.lr < math.inf:
            raise ValueError(f"expected lr to be a finite number above 0, got {self.lr!r}")
        for name in ("momentum", "dropout", "label_smoothing"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"expected {name} to be a number from 0 to below 1, got {value!r}")
        if type(self.augment) is not bool:
            raise ValueError(f"expected augment to be true or false, got {self.augment!r}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"expected momentum only with the optimizer sgd, got it with {self.optimizer}")
        if self.data_dir is not None and not isinstance(self.data_dir, str):
            raise ValueError(f"expected data_dir to be a path or null, got {self.data_dir!r}")


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
    say: Callable[[str], object] = lambda line: None,
) -> RunResult:
    """Train as *config* says and write the files of the run.

    The same config gives the same ``model.safetensors``, byte for byte, for any number of threads. Metrics
    and models are written after every epoch, so a run that is interrupted, or diverges, leaves those of the
    epochs that ended. Before the first one has ended, an error leaves no file and no new folder, or an older
    run as it was.

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
        RuntimeError: the loss is no longer finite.
        OSError, ValueError, RuntimeError: as the parts raise them; all input is checked before the first
            step.
    """
    require("matplotlib.figure", "matplotlib", "train", "train")  # now, not after the last epoch
    found = "cuda" if verigrad.cuda.is_available() else "cpu"
    device = verigrad.device(found if config.device == "auto" else config.device)
    verigrad.empty(0, device=device)  # raises where there is no such device, before anything is written
    info = DATASETS[config.dataset]
    train_set = info.load(True, config.data_dir, download)
    test_set = info.load(False, config.data_dir, download)
    for split, dataset in (("training", train_set), ("test", test_set)):
        if not len(dataset):
            raise ValueError(f"expected at least one {split} image in {config.dataset}, got none")
    with run_folder(out, f"{config.dataset}-{config.model}", overwrite) as folder:
        verigrad.manual_seed(config.seed)
        model = build_model(config.model, len(info.cls.classes), config.dropout).to(device)
        generator = verigrad.Generator()
        generator.manual_seed(config.seed)
        train_loader = DataLoader(train_set, batch_size=config.batch_size, shuffle=True, generator=generator)
        test_loader = DataLoader(test_set, batch_size=_EVALUATION_BATCH)
        optimizer = _optimizer(config, model)
        accuracy = Accuracy()
        say(
            f"training {config.model} on {config.dataset}: {len(train_set)} training and {len(test_set)} "
            f"test images, {sum(parameter.numel() for parameter in model.parameters())} parameters"
        )
        keeper = _Keeper(folder, config)
        try:
            history = fit(
                model,
                train_loader,
                test_loader,
                epochs=config.epochs,
                optimizer=optimizer,
                loss_fn=nn.CrossEntropyLoss(label_smoothing=config.label_smoothing),
                test_loss_fn=nn.CrossEntropyLoss(),
                augment=info.augmentation() if config.augment else None,
                scheduler=_scheduler(config, optimizer),
                metrics={"accuracy": accuracy},
                callbacks=[keeper],
            )
        except BaseException:
            if folder.begun:
                say(f"the epochs that ended are in {folder.path}")
            raise
        result = RunResult(folder.path, history, accuracy.correct, accuracy.count)
        model.to("cpu")
        mistakes = _Mistakes()
        evaluate(model, test_loader, metrics={"mistakes": mistakes})
        _finish(folder, config, model, result, test_set, mistakes.worst(_SHOWN_MISTAKES))
    return result


def load_run(folder: Path, best: bool = False) -> tuple[RunConfig, nn.Module]:
    """The config of a run, and its trained network in eval mode.

    Args:
        folder: of the run.
        best: the network with the highest test accuracy, instead of the one after the last epoch.

    Raises:
        OSError: the folder or a file is missing or unreadable.
        ValueError: ``config.json`` is not one of a run.
        RuntimeError: the file of the network is damaged, does not fit it, or has numbers that are not finite.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "expected the folder of a run, got nothing there", str(folder))
    config = _read_config(folder / CONFIG)
    model = build_model(config.model, len(DATASETS[config.dataset].cls.classes), config.dropout)
    path = folder / (BEST if best else MODEL)
    state = verigrad.load(path, map_location="cpu")
    if not isinstance(state, dict) or not all(isinstance(one, verigrad.Tensor) for one in state.values()):
        raise RuntimeError(f"expected a state_dict in {path}, got something else")
    for name, one in state.items():
        if one.dtype.is_floating_point and not bool(one.isfinite().all()):
            raise RuntimeError(f"expected finite numbers in {path}, got NaN or infinity in {name}")
    model.load_state_dict(state)
    model.eval()
    return config, model


def evaluate_run(
    folder: Path, *, best: bool = False, data_dir: str | None = None, download: bool = False
) -> tuple[RunConfig, float, list[tuple[str, int, int]]]:
    """The config of a run, its mean test loss, and for each class its name, correct and all test images.

    Args:
        folder: of the run.
        best: see `load_run`.
        data_dir: where the data lie now; None: where they lay in training.
        download: fetch missing data.

    Raises:
        OSError, ValueError, RuntimeError: as `load_run` and the data sets raise them.
    """
    config, model = load_run(folder, best)
    info = DATASETS[config.dataset]
    dataset = info.load(False, config.data_dir if data_dir is None else data_dir, download)
    if not len(dataset):
        raise ValueError(f"expected at least one test image in {config.dataset}, got none")
    counter = _PerClass(len(info.cls.classes))
    tested = evaluate(
        model, DataLoader(dataset, batch_size=_EVALUATION_BATCH), metrics={"per_class": counter}
    )
    rows = [
        (name, right, count)
        for name, right, count in zip(info.cls.classes, counter.right, counter.seen, strict=True)
    ]
    return config, tested["loss"], rows


def predict_run(folder: Path, image: verigrad.Tensor, *, best: bool = False) -> list[tuple[str, float]]:
    """Each class of a run's data set with its probability for *image* (uint8 [28, 28], light on dark).

    Raises:
        RuntimeError: as `load_run`; or the probabilities are NaN, since the outputs of the network overflow.
    """
    config, model = load_run(folder, best)
    info = DATASETS[config.dataset]
    pixels = transforms.ToTensor()(image.numpy())
    batch = transforms.Normalize((info.mean,), (info.std,))(pixels).unsqueeze(0)
    with verigrad.no_grad():
        probabilities = nn.functional.softmax(model(batch), dim=1)[0].tolist()
    if not all(map(math.isfinite, probabilities)):
        raise RuntimeError(f"expected finite outputs of the network in {folder}, got {probabilities}")
    return list(zip(info.cls.classes, probabilities, strict=True))


class _PerClass:
    """A metric that counts right answers for each class."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.reset()

    def reset(self) -> None:
        self.right = [0] * self._classes
        self.seen = [0] * self._classes

    def update(self, output: verigrad.Tensor, target: verigrad.Tensor) -> None:
        for predicted, actual in zip(output.argmax(1).tolist(), target.tolist(), strict=True):
            self.seen[actual] += 1
            self.right[actual] += predicted == actual

    def compute(self) -> float:
        return sum(self.right) / max(sum(self.seen), 1)


class _Mistakes:
    """A metric that remembers which samples were classified wrongly, in the order of the loader."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.seen = 0
        self.found: list[tuple[float, int, int, int]] = []  # probability, sample, predicted, actual

    def update(self, output: verigrad.Tensor, target: verigrad.Tensor) -> None:
        sure, predicted = nn.functional.softmax(output, dim=1).max(1)
        rows = zip(sure.tolist(), predicted.tolist(), target.tolist(), strict=True)
        for probability, guess, actual in rows:
            if guess != actual:
                self.found.append((probability, self.seen, guess, actual))
            self.seen += 1

    def compute(self) -> float:
        return len(self.found) / max(self.seen, 1)

    def worst(self, most: int) -> list[tuple[float, int, int, int]]:
        """The *most* mistakes that the network was surest of."""
        return sorted(self.found, key=lambda row: (-row[0], row[1]))[:most]


def _optimizer(config: RunConfig, model: nn.Module) -> Any:
    if config.optimizer == "sgd":
        return optim.SGD(model.parameters(), lr=config.lr, momentum=config.momentum)
    return {"adam": optim.Adam, "adamw": optim.AdamW}[config.optimizer](model.parameters(), lr=config.lr)


def _scheduler(config: RunConfig, optimizer: Any) -> Any:
    if config.scheduler == "cosine":
        return optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.epochs)
    if config.scheduler == "step":
        return optim.lr_scheduler.StepLR(optimizer, step_size=max(1, -(-config.epochs // 3)), gamma=0.1)
    return None


class _Keeper(Callback):
    """Writes the config, the metrics and the models of a run after every epoch."""

    def __init__(self, folder: RunFolder, config: RunConfig) -> None:
        self._folder = folder
        self._config = config
        self._best = -math.inf

    def on_epoch_end(self, state: TrainState) -> None:
        row = state.history[-1]
        if not math.isfinite(row["test_loss"]):
            raise RuntimeError(
                f"expected a finite test loss, got {row['test_loss']} after epoch {state.epoch}; a smaller "
                "learning rate may help"
            )
        writers = {METRICS: _writer_of_text(state.history.to_csv()), MODEL: _writer_of_model(state.model)}
        if row["test_accuracy"] > self._best:
            self._best = row["test_accuracy"]
            writers[BEST] = writers[MODEL]
        if not self._folder.begun:
            writers[CONFIG] = _writer_of_config(self._config, None)
        self._folder.put(writers)


def _writer_of_text(text: str) -> Callable[[IO[bytes]], object]:
    return lambda file: file.write(text.encode())


def _writer_of_model(model: nn.Module) -> Callable[[IO[bytes]], object]:
    return lambda file: verigrad.save(model.state_dict(), file)


def _writer_of_config(config: RunConfig, result: dict[str, float] | None) -> Callable[[IO[bytes]], object]:
    content = {
        "format": _FORMAT,
        "verigrad": verigrad.__version__,
        "config": asdict(config),
        "result": result,  # None until the run has come to its end
    }
    return _writer_of_text(json.dumps(content, indent=2) + "\n")


def _finish(
    folder: RunFolder,
    config: RunConfig,
    model: nn.Module,
    result: RunResult,
    test_set: MNIST,
    mistakes: list[tuple[float, int, int, int]],
) -> None:
    """Draw the pictures, and note the result in the config."""
    last = result.history[-1]
    title = f"{config.model} on {config.dataset}, {config.optimizer}, seed {config.seed}"
    numbers = {"test_accuracy": result.correct / result.count}
    numbers |= {name: last[name] for name in ("test_loss", "train_accuracy", "train_loss")}
    short = [name.split(" - ")[0] for name in test_set.classes]
    wrong = result.count - result.correct
    shown = verigrad.tensor([sample for _, sample, _, _ in mistakes], dtype=verigrad.int64)
    captions = [
        f"true {short[actual]}, predicted {short[guess]}\nprobability {sure:.2f}"
        for sure, _, guess, actual in mistakes
    ]
    folder.put(
        {
            CURVES: lambda file: plot_history(result.history, file, title),
            MISTAKES: lambda file: plot_mistakes(
                test_set.data.index_select(0, shown),
                captions,
                file,
                f"misclassified test images, the surest first: {len(mistakes)} of {wrong}",
            ),
            FILTERS: lambda file: plot_filters(
                first_filters(model), file, f"filters of the first layer: {title}"
            ),
            CONFIG: _writer_of_config(config, numbers),
        }
    )


def _read_config(path: Path) -> RunConfig:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON in {path}, got {error}") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"expected the config of a run of format {_FORMAT} in {path}, got something else")
    values = content.get("config")
    names = {field.name for field in fields(RunConfig)}
    if isinstance(values, dict):
        values = _LATER | values
    if not isinstance(values, dict) or values.keys() != names:
        raise ValueError(f"expected the entries {', '.join(sorted(names))} in {path}, got others")
    try:
        return RunConfig(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _is_number(value: object) -> bool:
    return type(value) in (int, float)
