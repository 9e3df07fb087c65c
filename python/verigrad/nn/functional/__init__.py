"""Functions behind the layers; they hold no state. One file for each group."""

from .activation import log_softmax, relu, relu_, sigmoid, softmax, tanh
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .linear import linear
from .loss import cross_entropy, mse_loss, nll_loss
from .normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)

__all__ = [
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cross_entropy",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "linear",
    "local_response_norm",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "normalize",
    "relu",
    "relu_",
    "rms_norm",
    "sigmoid",
    "softmax",
    "tanh",
]
