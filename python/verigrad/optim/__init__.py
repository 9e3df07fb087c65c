"""Optimizers and schedules of their learning rates."""

from . import lr_scheduler, swa_utils
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .asgd import ASGD
from .conjugate_gradient import ConjugateGradient
from .lbfgs import BFGS, LBFGS
from .muon import Muon
from .nadam import NAdam
from .normalized_gd import NormalizedGD
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .shampoo import Shampoo

__all__ = [
    "Adafactor",
    "ConjugateGradient",
    "BFGS",
    "LBFGS",
    "Muon",
    "NormalizedGD",
    "Shampoo",
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
