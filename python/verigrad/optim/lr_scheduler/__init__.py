"""Schedules of the learning rate. ``step()`` is called after ``optimizer.step()``, mostly once an epoch.

The learning rates are PyTorch's, bit for bit. Most schedulers work from the learning rate before
("chainable"), so that several of them can change it; docs/training-recipes.md shows how they are combined.
"""

from ._base import LRScheduler, _LRScheduler
from ._composed import ChainedScheduler, SequentialLR
from ._cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from ._cycles import CyclicLR, OneCycleLR
from ._decays import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    PowerLR,
    StepLR,
)
from ._plateau import ReduceLROnPlateau
from ._plot import plot_schedule

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "PowerLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "_LRScheduler",
    "plot_schedule",
]
