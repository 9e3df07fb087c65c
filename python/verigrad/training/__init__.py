"""Training: the loop with its callbacks, metrics, plots, and the runs behind the command line."""

from .loop import Callback, TrainState, evaluate, fit
from .metrics import Accuracy, History, MeanLoss, Metric
from .models import DEFAULT_MODEL, MODELS, ModelInfo, build_model, mlp
from .plots import first_filters, plot_filters, plot_history, plot_mistakes
from .progress import ProgressBar, ProgressLines

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "Accuracy",
    "Callback",
    "History",
    "MeanLoss",
    "Metric",
    "ModelInfo",
    "ProgressBar",
    "ProgressLines",
    "TrainState",
    "build_model",
    "evaluate",
    "first_filters",
    "fit",
    "mlp",
    "plot_filters",
    "plot_history",
    "plot_mistakes",
]
