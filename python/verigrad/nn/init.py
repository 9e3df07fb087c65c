"""Ways to fill a tensor before training. All work in place, record no graph and return the tensor.

Fan-in and fan-out of a weight of shape [out, in, k1, ...] are ``in * k1 * ...`` and ``out * k1 * ...``.
"""

from __future__ import annotations

import math
import warnings

from .._C import Generator, Tensor
from ..autograd import no_grad

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAIN_ONE = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Returns the factor by which a standard deviation is to grow to make up for a nonlinearity.

    1 for linear and convolutional layers and sigmoid, 5/3 for tanh, sqrt(2) for relu (He et al. 2015, eq.
    10), sqrt(2 / (1 + a^2)) for leaky_relu of slope a (He et al. 2015, eq. 15), 3/4 for selu.

    Args:
        nonlinearity: the name of the function in ``nn.functional``.
        param: the slope of leaky_relu; default 0.01.

    Raises:
        ValueError: the name is unknown or the slope no number.
    """
    if nonlinearity in _GAIN_ONE:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        else:
            slope = float(param)
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the uniform distribution on [a, b).

    Raises:
        RuntimeError: ``a > b``.
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fills with draws from the normal distribution of the given mean and standard deviation.

    Raises:
        RuntimeError: ``std < 0``.
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with the value ``val``."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros."""
    with no_grad():
        return tensor.zero_()


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from U(-a, a), a = gain * sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq.
    16.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with draws from N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)).

    Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq.
    12.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills with draws from U(-bound, bound), bound = gain * sqrt(3 / fan).

    He et al. 2015, "Delving Deep into Rectifiers", eq. 10 and 14.

    Args:
        tensor: of at least 2 dimensions.
        a: the slope of leaky_relu; default 0.
        mode: "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass.
        nonlinearity: what follows the layer, see ``calculate_gain``; default "leaky_relu".
        generator: where the draws come from; default the default generator.

    Raises:
        ValueError: too few dimensions, or an unknown mode or nonlinearity.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills with draws from N(0, std^2), std = gain / sqrt(fan); arguments as for ``kaiming_uniform_``.

    He et al. 2015, "Delving Deep into Rectifiers", eq. 10 and 14.

    Raises:
        ValueError: too few dimensions, or an unknown mode or nonlinearity.
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _fans(tensor: Tensor) -> tuple[int, int]:
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def _xavier_std(tensor: Tensor, gain: float) -> float:
    total = sum(_fans(tensor))
    return gain * math.sqrt(2.0 / total) if total else 0.0


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[modes.index(mode)])


def _is_empty(tensor: Tensor) -> bool:
    if 0 not in tuple(tensor.shape):
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True
