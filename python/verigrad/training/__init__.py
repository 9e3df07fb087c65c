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
from .ensemble import Ensemble, bootstrap
from .evaluation import evaluate, predict
from .finder import LRSweep, find_lr
from .history import History
from .interrupt import Interrupted, held_signals
from .metrics import F1, MAE, R2, Accuracy, ConfusionMatrix, MeanLoss, Metric, Precision, Recall, TopKAccuracy
from .models import DEFAULT_MODEL, MODELS, ModelInfo, build_model, mlp
from .multitask import MultiTaskLoss
from .plots import first_filters, plot_filters, plot_history, plot_mistakes
from .progress import ProgressBar, ProgressLines
from .state import Callback, TrainState, random_state, set_random_state
from .trainer import Trainer, nonfinite_gradients
from .transfer import discriminative_rates, freeze, replace_head, unfreeze

__all__ = [
    "Accuracy",
    "CSVLogger",
    "Callback",
    "Checkpoints",
    "ConfusionMatrix",
    "DEFAULT_MODEL",
    "EarlyStopping",
    "Ensemble",
    "F1",
    "GradientClipping",
    "History",
    "Interrupted",
    "LRScheduler",
    "LRSweep",
    "LiveCurves",
    "MAE",
    "MODELS",
    "MeanLoss",
    "Metric",
    "ModelCheckpoint",
    "ModelInfo",
    "MultiTaskLoss",
    "Precision",
    "ProgressBar",
    "ProgressLines",
    "R2",
    "Recall",
    "TensorBoard",
    "TopKAccuracy",
    "TrainState",
    "Trainer",
    "bootstrap",
    "build_model",
    "discriminative_rates",
    "evaluate",
    "find_lr",
    "first_filters",
    "freeze",
    "held_signals",
    "mlp",
    "nonfinite_gradients",
    "plot_filters",
    "plot_history",
    "plot_mistakes",
    "predict",
    "random_state",
    "replace_head",
    "set_random_state",
    "unfreeze",
]
