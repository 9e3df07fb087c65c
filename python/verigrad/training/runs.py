"""Runs: what `verigrad train` does, and what `evaluate` and `predict` read back.

A run is a folder with ``config.json``, ``metrics.csv``, ``curves.png``, ``misclassified.png``,
``filters.png`` and ``model.safetensors``."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import verigrad
from verigrad import nn, optim
from verigrad.data import DataLoader
from verigrad.utils._extras import require
from verigrad.utils._files import atomic_write
from verigrad.vision import datasets, transforms

from .loop import evaluate, fit
from .metrics import Accuracy, History
from .models import DEFAULT_MODEL, MODELS, build_model
from .plots import first_filters, plot_filters, plot_history, plot_mistakes

if TYPE_CHECKING:
    from verigrad.vision.datasets import MNIST

CONFIG, METRICS, CURVES, MODEL = "config.json", "metrics.csv", "curves.png", "model.safetensors"
MISTAKES, FILTERS = "misclassified.png", "filters.png"
_FILES = (CONFIG, METRICS, CURVES, MISTAKES, FILTERS, MODEL)
_FORMAT = 1
# Entries of the config that the first runs lack, and what those did.
_LATER = {"augment": False, "dropout": 0.0, "label_smoothing": 0.0}
_EVALUATION_BATCH = 1000
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
        return self.cls(data_dir, train=train, transform=transform, download=download)

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
DEVICES = ("auto", "cpu")


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
        device: "auto" or "cpu".
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
    download: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> RunResult:
    """Train as *config* says and write the files of the run.

    The same config gives the same ``model.safetensors``, byte for byte, for any number of threads. The files
    appear together at the end: after an error there are none (or still those of an earlier run), and no new
    folder.

    Args:
        config: what to do.
        out: the folder; made with its parents if it is missing, its files replaced if not. None takes
            the first free of ``runs/<dataset>-<model>-<number>``.
        download: fetch missing data.
        say: called with a line of information before the training.

    Raises:
        ImportError: matplotlib is not installed.
        OSError, ValueError, RuntimeError: as the parts raise them; all input is checked before the first
            step.
    """
    require("matplotlib.figure", "matplotlib", "train", "train")  # now, not after the last epoch
    info = DATASETS[config.dataset]
    train_set = info.load(True, config.data_dir, download)
    test_set = info.load(False, config.data_dir, download)
    for split, dataset in (("training", train_set), ("test", test_set)):
        if not len(dataset):
            raise ValueError(f"expected at least one {split} image in {config.dataset}, got none")
    with _run_folder(out, f"{config.dataset}-{config.model}") as folder:
        verigrad.manual_seed(config.seed)
        model = build_model(config.model, len(info.cls.classes), config.dropout)
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
        )
        result = RunResult(folder, history, accuracy.correct, accuracy.count)
        mistakes = _Mistakes()
        evaluate(model, test_loader, metrics={"mistakes": mistakes})
        _write(folder, config, model, result, test_set, mistakes.worst(_SHOWN_MISTAKES))
    return result


def load_run(folder: Path) -> tuple[RunConfig, nn.Module]:
    """The config of a run, and its trained network in eval mode.

    Raises:
        OSError: the folder or a file is missing or unreadable.
        ValueError: ``config.json`` is not one of a run.
        RuntimeError: ``model.safetensors`` is damaged, or does not fit the network.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "expected the folder of a run, got nothing there", str(folder))
    config = _read_config(folder / CONFIG)
    model = build_model(config.model, len(DATASETS[config.dataset].cls.classes), config.dropout)
    state = verigrad.load(folder / MODEL)
    if not isinstance(state, dict) or not all(isinstance(one, verigrad.Tensor) for one in state.values()):
        raise RuntimeError(f"expected a state_dict in {folder / MODEL}, got something else")
    model.load_state_dict(state)
    model.eval()
    return config, model


def evaluate_run(
    folder: Path, *, data_dir: str | None = None, download: bool = False
) -> tuple[RunConfig, float, list[tuple[str, int, int]]]:
    """The config of a run, its mean test loss, and for each class its name, correct and all test images.

    Args:
        folder: of the run.
        data_dir: where the data lie now; None: where they lay in training.
        download: fetch missing data.

    Raises:
        OSError, ValueError, RuntimeError: as `load_run` and the data sets raise them.
    """
    config, model = load_run(folder)
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


def predict_run(folder: Path, image: verigrad.Tensor) -> list[tuple[str, float]]:
    """Each class of a run's data set with its probability for *image* (uint8 [28, 28], light on dark)."""
    config, model = load_run(folder)
    info = DATASETS[config.dataset]
    pixels = transforms.ToTensor()(image.numpy())
    batch = transforms.Normalize((info.mean,), (info.std,))(pixels).unsqueeze(0)
    with verigrad.no_grad():
        probabilities = nn.functional.softmax(model(batch), dim=1)[0].tolist()
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


@contextlib.contextmanager
def _run_folder(out: Path | None, name: str) -> Iterator[Path]:
    """A writable folder for the block; folders made for it go away again if the block fails."""
    made: list[Path] = []
    try:
        if out is None:
            base = Path("runs")
            _make(base, made)
            number = 1
            while True:
                folder = base / f"{name}-{number}"
                try:
                    folder.mkdir()
                except FileExistsError:
                    number += 1
                    continue
                made.append(folder)
                break
        else:
            folder = out
            _make(folder, made)
        _check_writable(folder)
        yield folder
    except BaseException:
        for one in reversed(made):
            with contextlib.suppress(OSError):  # something else is in it by now
                one.rmdir()
        raise


def _check_writable(folder: Path) -> None:
    # By writing: what os.access says is wrong on read-only mounts and for the superuser. Before the training.
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"verigrad")
    for name in _FILES:
        if (folder / name).is_dir():
            raise IsADirectoryError(21, "expected a file name, got a folder", str(folder / name))


def _make(folder: Path, made: list[Path]) -> None:
    missing = []
    one = folder
    while not one.exists():
        missing.append(one)
        one = one.parent
    if not one.is_dir():
        raise NotADirectoryError(20, "expected a folder, got a file", str(one))
    for part in reversed(missing):
        part.mkdir(exist_ok=True)
        made.append(part)


def _write(
    folder: Path,
    config: RunConfig,
    model: nn.Module,
    result: RunResult,
    test_set: MNIST,
    mistakes: list[tuple[float, int, int, int]],
) -> None:
    last = result.history[-1]
    title = f"{config.model} on {config.dataset}, {config.optimizer}, seed {config.seed}"
    content = {
        "format": _FORMAT,
        "verigrad": verigrad.__version__,
        "config": asdict(config),
        "result": {
            "test_accuracy": result.correct / result.count,
            "test_loss": last["test_loss"],
            "train_accuracy": last["train_accuracy"],
            "train_loss": last["train_loss"],
        },
    }
    with contextlib.ExitStack() as stack:
        # All are written before the first of them is renamed into place.
        files: Mapping[str, IO[bytes]] = {
            name: stack.enter_context(atomic_write(folder / name)) for name in _FILES
        }
        files[METRICS].write(result.history.to_csv().encode())
        plot_history(result.history, files[CURVES], title)
        short = [name.split(" - ")[0] for name in test_set.classes]
        wrong = result.count - result.correct
        shown = verigrad.tensor([sample for _, sample, _, _ in mistakes], dtype=verigrad.int64)
        captions = [
            f"true {short[actual]}, predicted {short[guess]}\nprobability {sure:.2f}"
            for sure, _, guess, actual in mistakes
        ]
        plot_mistakes(
            test_set.data.index_select(0, shown),
            captions,
            files[MISTAKES],
            f"misclassified test images, the surest first: {len(mistakes)} of {wrong}",
        )
        plot_filters(first_filters(model), files[FILTERS], f"filters of the first layer: {title}")
        files[CONFIG].write((json.dumps(content, indent=2) + "\n").encode())
        verigrad.save(model.state_dict(), files[MODEL])


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
