"""Functions behind the layers; they hold no state. One file for each group."""

from .activation import log_softmax, relu, relu_, sigmoid, softmax, tanh
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .linear import linear
from .loss import cross_entropy, mse_loss, nll_loss

__all__ = [
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "relu",
    "relu_",
    "sigmoid",
    "softmax",
    "tanh",
]
