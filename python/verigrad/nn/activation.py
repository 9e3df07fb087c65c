"""Layers that apply a function to each element."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from . import functional
from .attention import MultiheadAttention as MultiheadAttention  # PyTorch's file has it as well
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class ReLU(Module):
    """``max(0, x)``.

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.relu_(input) if self.inplace else _C.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input: Tensor) -> Tensor:
        return _C.sigmoid(input)


class Tanh(Module):
    """``tanh(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        return _C.tanh(input)


class ReLU6(Module):
    """``min(max(0, x), 6)``.

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """``x`` above 0, else ``negative_slope * x``.

    Args:
        negative_slope: slope below 0; default 0.01.
        inplace: overwrite the input; default False.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + _inplace(self.inplace)


class PReLU(Module):
    """``x`` above 0, else ``weight * x`` with a learnable weight (K. He et al., arXiv 1502.01852, eq. 1).

    ``weight`` has the shape [num_parameters]; the input is [N, C, *] with C = num_parameters, or of any
    shape with one parameter.

    Args:
        num_parameters: 1 or the number of channels; default 1.
        init: the weight to begin with; default 0.25.
        device: where the parameter lives; default the CPU.
        dtype: of the parameter; default the default dtype.
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(_C.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to ``init``."""
        with no_grad():
            self.weight.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """``x`` above 0, else ``a * x``: while training ``a`` is drawn for each element, else it is the mean of
    the bounds (B. Xu et al., arXiv 1505.00853).

    Args:
        lower: lower bound of the slope; default 1/8.
        upper: upper bound of the slope; default 1/3.
        inplace: overwrite the input; default False.
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + _inplace(self.inplace)


class ELU(Module):
    """``x`` above 0, else ``alpha * (exp(x) - 1)`` (D.-A. Clevert et al., arXiv 1511.07289).

    Args:
        alpha: minus the limit at minus infinity; default 1.
        inplace: overwrite the input; default False.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + _inplace(self.inplace)


class SELU(Module):
    """ELU with the scale and alpha that keep mean 0 and variance 1 (G. Klambauer et al., arXiv 1706.02515).

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """``x`` above 0, else ``alpha * (exp(x / alpha) - 1)`` (J. T. Barron, arXiv 1704.07483).

    Args:
        alpha: minus the limit at minus infinity, not 0; default 1.
        inplace: overwrite the input; default False.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + _inplace(self.inplace)


class GELU(Module):
    """``x`` times the standard normal distribution function at ``x`` (D. Hendrycks, K. Gimpel, arXiv
    1606.08415).

    Args:
        approximate: "none", or "tanh" for the approximation of section 2; default "none".
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return functional.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half along ``dim`` times the sigmoid of the second (Y. N. Dauphin et al., arXiv 1612.08083).

    Args:
        dim: the dimension that is halved; default -1.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class SiLU(Module):
    """``x * sigmoid(x)`` (S. Elfwing et al., arXiv 1702.03118).

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Swish(Module):
    """``x * sigmoid(beta * x)`` with a learnable beta (P. Ramachandran et al., arXiv 1710.05941, section 4).

    PyTorch has no such layer; with beta = 1 it is ``SiLU``. ``beta`` has the shape [num_parameters]; the
    input is [N, C, *] with C = num_parameters, or of any shape with one parameter.

    Args:
        num_parameters: 1 or the number of channels; default 1.
        init: the beta to begin with; default 1.
        device: where the parameter lives; default the CPU.
        dtype: of the parameter; default the default dtype.

    Raises:
        RuntimeError: in ``forward``, for an input whose channels are not ``num_parameters``.
    """

    beta: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 1.0, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.beta = Parameter(_C.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets beta to ``init``."""
        with no_grad():
            self.beta.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        if self.num_parameters == 1:
            return input * _C.sigmoid(self.beta.reshape(()) * input)
        if input.ndim < 2 or input.shape[1] != self.num_parameters:
            raise RuntimeError(
                f"Swish: expected an input [N, {self.num_parameters}, *], got shape {list(input.shape)}"
            )
        beta = self.beta.reshape((self.num_parameters,) + (1,) * (input.ndim - 2))
        return input * _C.sigmoid(beta * input)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Mish(Module):
    """``x * tanh(softplus(x))`` (D. Misra, arXiv 1908.08681).

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """``x * relu6(x + 3) / 6`` (A. Howard et al., arXiv 1905.02244).

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.hardswish(input, self.inplace)


class Hardsigmoid(Module):
    """``relu6(x + 3) / 6``.

    Args:
        inplace: overwrite the input; default False.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.hardsigmoid(input, self.inplace)


class Hardtanh(Module):
    """``x`` limited to [min_val, max_val].

    Args:
        min_val: lower bound; default -1.
        max_val: upper bound, greater than the lower one; default 1.
        inplace: overwrite the input; default False.
        min_value: deprecated name of ``min_val``.
        max_value: deprecated name of ``max_val``.

    Raises:
        AssertionError: ``max_val`` is not greater than ``min_val``.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None:
            warnings.warn(
                "keyword argument `min_value` is deprecated and rename to `min_val`",
                FutureWarning,
                stacklevel=2,
            )
            min_val = min_value
        if max_value is not None:
            warnings.warn(
                "keyword argument `max_value` is deprecated and rename to `max_val`",
                FutureWarning,
                stacklevel=2,
            )
            max_val = max_value
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace
        if not max_val > min_val:
            raise AssertionError(f"max_val ({max_val}) must be greater than min_val ({min_val})")

    def forward(self, input: Tensor) -> Tensor:
        return functional.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + _inplace(self.inplace)


class Hardshrink(Module):
    """``x`` where ``|x| > lambd``, else 0.

    Args:
        lambd: half the width of the gap; default 0.5.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return functional.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """``x`` moved by ``lambd`` towards 0, and 0 where ``|x| <= lambd``.

    Args:
        lambd: half the width of the gap; default 0.5.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return functional.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Tanhshrink(Module):
    """``x - tanh(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.tanhshrink(input)


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x > threshold``.

    Args:
        beta: steepness; default 1.
        threshold: where the function becomes linear; default 20.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return functional.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """``x / (1 + |x|)``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.softsign(input)


class LogSigmoid(Module):
    """``log(sigmoid(x))``."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.logsigmoid(input)


class Threshold(Module):
    """``x`` where ``x > threshold``, else ``value``.

    Args:
        threshold: the greatest input that is replaced.
        value: what replaces it.
        inplace: overwrite the input; default False.
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return functional.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + _inplace(self.inplace)


def _inplace(inplace: bool) -> str:
    return ", inplace=True" if inplace else ""
