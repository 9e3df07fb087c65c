"""The layers under the paths of PyTorch's files: ``from verigrad.nn.modules.conv import Conv2d``."""

import importlib
import sys

from verigrad.nn import *  # noqa: F403
from verigrad.nn import __all__ as __all__

# PyTorch's file -> the module of `verigrad.nn` that has its classes.
_FILES = {
    "activation": "activation",
    "batchnorm": "normalization",
    "container": "container",
    "conv": "conv",
    "distance": "distance",
    "dropout": "dropout",
    "flatten": "flatten",
    "fold": "resampling",
    "instancenorm": "normalization",
    "linear": "linear",
    "loss": "loss",
    "module": "module",
    "normalization": "normalization",
    "padding": "padding",
    "pixelshuffle": "resampling",
    "pooling": "pooling",
    "rnn": "rnn",
    "sparse": "embedding",
    "transformer": "transformer",
    "upsampling": "resampling",
}
for _name, _file in _FILES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = importlib.import_module(f"verigrad.nn.{_file}")
