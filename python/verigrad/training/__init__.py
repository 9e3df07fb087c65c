"""Training: `Trainer` and the pieces it is built from, for loops of one's own as well."""

from .callbacks import (
    CSVLogger,
    EarlyStopping,
    GradientClipping,
    LiveCurves,
    LRScheduler,
    ModelCheckpoint,
    TensorBoard,
)
from .checkpoints import Checkpoints
from .evaluation import evaluate, predict
from .history import History
from .interrupt import Interrupted, held_signals
from .metrics import F1, MAE, R2, Accuracy, ConfusionMatrix, MeanLoss, Metric, Precision, Recall, TopKAccuracy
from .models import DEFAULT_MODEL, MODELS, ModelInfo, build_model, mlp
from .plots import first_filters, plot_filters, plot_history, plot_mistakes
from .progress import ProgressBar, ProgressLines
from .state import Callback, TrainState, random_state, set_random_state
from .trainer import Trainer, nonfinite_gradients

__all__ = [
    "DEFAULT_MODEL",
    "F1",
    "MAE",
    "MODELS",
    "R2",
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoints",
    "ConfusionMatrix",
    "EarlyStopping",
    "GradientClipping",
    "History",
    "Interrupted",
    "LRScheduler",
    "LiveCurves",
    "MeanLoss",
    "Metric",
    "ModelCheckpoint",
    "ModelInfo",
    "Precision",
    "ProgressBar",
    "ProgressLines",
    "Recall",
    "TensorBoard",
    "TopKAccuracy",
    "TrainState",
    "Trainer",
    "build_model",
    "evaluate",
    "first_filters",
    "held_signals",
    "mlp",
    "nonfinite_gradients",
    "plot_filters",
    "plot_history",
    "plot_mistakes",
    "predict",
    "random_state",
    "set_random_state",
]
