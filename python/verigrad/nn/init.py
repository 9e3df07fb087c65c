"""Ways to fill a tensor before training. All work in place, record no graph and return the tensor.

Fan-in and fan-out of a weight of shape [out, in, k1, ...] are ``in * k1 * ...`` and ``out * k1 * ...``.
"""

from __future__ import annotations

import math
import warnings

from .. import _C
from .._C import Generator, Tensor
from ..autograd import no_grad

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
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


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fills with draws from N(mean, std^2) under the condition that they lie in [a, b].

    The distribution is exact, also where the interval lies far out: there, proposals come from an exponential
    distribution (Robert 1995, "Simulation of truncated normal variables", section 2).

    Args:
        tensor: of a floating-point dtype.
        mean: of the normal distribution before the cut; default 0.
        std: its standard deviation; default 1.
        a: lower end, in the units of the values, not of ``std``; default -2.
        b: upper end; default 2.
        generator: where the draws come from; default the default generator.

    Warns:
        UserWarning: the mean is more than two standard deviations outside of [a, b].

    Raises:
        RuntimeError: ``a > b``, ``std <= 0``, or an argument is NaN.
    """
    if not (std > 0 and math.isfinite(std) and math.isfinite(mean)):
        raise RuntimeError(
            f"trunc_normal_: expected a finite mean and a finite std > 0, got mean={mean} and std={std}"
        )
    if not (a <= b and a < math.inf and b > -math.inf):
        raise RuntimeError(f"trunc_normal_: expected a <= b, got a={a} and b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    with no_grad():
        count, done = tensor.numel(), 0
        values = _C.empty((count,), dtype=tensor.dtype)
        while done < count:
            kept = _truncated_normal(count - done, tensor.dtype, mean, std, a, b, generator)
            values[done : done + kept.numel()] = kept
            done += kept.numel()
        return tensor.copy_(values.view(tensor.shape))


def _truncated_normal(
    count: int, dtype: _C.dtype, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    """At most ``count`` values: proposals without those that were rejected."""
    low, high = (a - mean) / std, (b - mean) / std
    proposal = _C.empty((count,), dtype=dtype)
    if _normal_cdf(high) - _normal_cdf(low) > 0.3:
        proposal.normal_(mean, std, generator=generator)
        # In the dtype of the values, where a and b are rounded too.
        ends = _C.tensor([a, b], dtype=dtype)
        return proposal[(proposal >= ends[0]).logical_and(proposal <= ends[1])]
    uniform = _C.empty((count,), dtype=dtype).uniform_(0.0, 1.0, generator=generator)
    if low <= 0 <= high:
        # Little mass around the mean: the interval is short, and uniform proposals do well.
        z = proposal.uniform_(0.0, 1.0, generator=generator).mul_(high - low).add_(low)
        log_ratio = z.pow(2).mul_(-0.5)
        sign = 1.0
    else:
        sign = 1.0 if low > 0 else -1.0
        near, far = (low, high) if low > 0 else (-high, -low)
        rate = (near + math.hypot(near, 2.0)) / 2
        share = -math.expm1(-rate * (far - near))
        proposal.uniform_(0.0, 1.0, generator=generator)
        z = (1.0 - proposal * share).log_().mul_(-1.0 / rate).add_(near)
        log_ratio = (z - rate).pow(2).sub_((min(rate, far) - rate) ** 2).mul_(-0.5)
    kept = z[uniform.log_() <= log_ratio].mul_(sign * std).add_(mean)
    return _C.minimum(_C.maximum(kept, _C.tensor(a, dtype=dtype)), _C.tensor(b, dtype=dtype))


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


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


def eye_(tensor: Tensor) -> Tensor:
    """Fills a matrix with ones on the main diagonal and zeros elsewhere.

    Raises:
        ValueError: the tensor has not 2 dimensions.
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        return tensor.copy_(_C.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fills the weight of a convolution so that it copies its input channels, as many as there are outputs.

    Each group of output channels copies the first channels of its group of inputs: the kernel is 1 in its
    middle, ``size // 2``, and 0 elsewhere.

    Args:
        tensor: of shape [out, in / groups, k1, ...] with one to three spatial dimensions.
        groups: number of groups of the convolution; default 1.

    Raises:
        ValueError: the number of dimensions is not 3, 4 or 5, or ``groups`` does not divide the first.
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if groups < 1:
        raise ValueError(f"dirac_: expected groups to be positive, got {groups}")
    if shape[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    size = shape[0] // groups
    middle = tuple(length // 2 for length in shape[2:])
    with no_grad():
        tensor.zero_()
        if 0 not in shape:
            for channel in range(min(size, shape[1])):
                for group in range(groups):
                    tensor[(group * size + channel, channel, *middle)] = 1.0
    return tensor


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


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fills with draws from U(-a, a), a = sqrt(3 / fan_in), whose variance is 1 / fan_in.

    LeCun et al. 1998, "Efficient BackProp", eq. 16. PyTorch has no function of this name.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0 / _fans(tensor)[0])
    return uniform_(tensor, -bound, bound, generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fills with draws from N(0, 1 / fan_in), what networks with SELU start from.

    Klambauer et al. 2017, "Self-Normalizing Neural Networks" (arXiv 1706.02515), section 2, "Initialization";
    the variance is that of LeCun et al. 1998, eq. 16. PyTorch has no function of this name.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, math.sqrt(1.0 / _fans(tensor)[0]), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fills with an orthogonal matrix, drawn uniformly, times ``gain``.

    The tensor is seen as the matrix [size of the first dimension, the rest]; its rows or its columns,
    whichever are fewer, are orthonormal. Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks" (arXiv 1312.6120). The matrix is the Q of a QR factorisation of
    normal numbers, with the signs of Mezzadri 2006, "How to generate random matrices from the classical
    compact groups" (arXiv math-ph/0609050), eq. 5.3; numpy does it in float64.

    Args:
        tensor: of at least 2 dimensions and a floating-point dtype.
        gain: factor; default 1.
        generator: where the draws come from; default the default generator.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    import numpy as np

    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    draws = _C.empty((rows, columns), dtype=tensor.dtype).normal_(generator=generator).double().numpy()
    q, r = np.linalg.qr(draws if rows >= columns else draws.T)
    q = q * np.where(np.diagonal(r) < 0, -float(gain), float(gain))
    if rows < columns:
        q = q.T
    with no_grad():
        return tensor.copy_(_C.from_numpy(np.ascontiguousarray(q)).view(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fills a matrix with draws from N(0, std^2) and zeros a share of each column.

    Martens 2010, "Deep learning via Hessian-free optimization", section 5. Unlike in PyTorch, ``generator``
    also chooses the rows that become 0.

    Args:
        tensor: of 2 dimensions.
        sparsity: the share of each column that becomes 0, rounded up to whole elements.
        std: standard deviation of the others; default 0.01.
        generator: where the draws come from; default the default generator.

    Raises:
        ValueError: the tensor has not 2 dimensions, or ``sparsity`` is not between 0 and 1.
        RuntimeError: ``std < 0``.
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: expected sparsity between 0 and 1, got {sparsity}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0.0, std, generator=generator)
        if zeros:
            for column in range(columns):
                tensor[_C.randperm(rows, generator=generator)[:zeros], column] = 0.0
    return tensor


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
