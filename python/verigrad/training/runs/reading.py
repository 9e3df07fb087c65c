"""A finished run, read back: its network, on the test images or on a picture."""

from __future__ import annotations

import math
from pathlib import Path

import verigrad
from verigrad import nn
from verigrad.data import DataLoader
from verigrad.vision import transforms

from ..evaluation import evaluate
from ..metrics import ConfusionMatrix
from ..models import build_model
from .config import RunConfig, read_config
from .data import DATASETS
from .folder import BEST, CONFIG, MODEL

EVALUATION_BATCH = 1000


def load_run(folder: Path, best: bool = False) -> tuple[RunConfig, nn.Module]:
    """The config of a run, and its trained network in eval mode.

    Args:
        folder: of the run.
        best: the network with the highest accuracy, instead of the one after the last epoch.

    Raises:
        OSError: the folder or a file is missing or unreadable.
        ValueError: ``config.json`` is not one of a run.
        RuntimeError: the file of the network is damaged, does not fit it, or has numbers that are not finite.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "expected the folder of a run, got nothing there", str(folder))
    config, _ = read_config(folder / CONFIG)
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
    loader = DataLoader(dataset, batch_size=EVALUATION_BATCH)
    matrix = ConfusionMatrix(len(info.cls.classes))
    tested = evaluate(model, loader, nn.CrossEntropyLoss(), {"matrix": matrix})
    rows = zip(info.cls.classes, tested["matrix"].tolist(), strict=True)
    return config, tested["loss"], [(name, row[index], sum(row)) for index, (name, row) in enumerate(rows)]


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
