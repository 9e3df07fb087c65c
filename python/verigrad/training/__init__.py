"""Training: the loop with its callbacks, metrics, plots, and the runs behind the command line."""

from .loop import Callback, TrainState, evaluate, fit
from .metrics import Accuracy, History, MeanLoss, Metric
from .models import MODELS, build_model, mlp
from .plots import plot_history
from .progress import ProgressBar, ProgressLines

__all__ = [
    "MODELS",
    "Accuracy",
    "Callback",
    "History",
    "MeanLoss",
    "Metric",
    "ProgressBar",
    "ProgressLines",
    "TrainState",
    "build_model",
    "evaluate",
    "fit",
    "mlp",
    "plot_history",
]
