"""The cells of recurrent networks: one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Tensor
from .._C import nn_functional as _native
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]

MODES = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
State = tuple[Tensor, ...]


def draw_weights(module: Module, hidden_size: int) -> None:
    """Draws all parameters uniform between plus and minus 1 / sqrt(hidden_size)."""
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size > 0 else 0.0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNCellBase(Module):
    """One step of a recurrent network, with the parameters ``weight_ih`` [G hidden_size, input_size],
    ``weight_hh`` [G hidden_size, hidden_size], ``bias_ih`` and ``bias_hh`` [G hidden_size] or None.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether there are biases.
        num_chunks: G, the number of gates.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        RuntimeError: a size is negative.
    """

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(_C.empty((gates, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(_C.empty((gates, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(
                name, Parameter(_C.empty((gates,), device=device, dtype=dtype)) if bias else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew from the default generator."""
        draw_weights(self, self.hidden_size)

    def _step(self, mode: str, input: Tensor, state: State | None, states: int) -> list[Tensor]:
        """The next state, each part of the batch's form."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, part in enumerate(state or ()):
            if part.ndim not in (1, 2):
                what = "hidden" if states == 1 else f"hx[{i}]"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {part.ndim}D instead")
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
        batch, expected = input.shape[0], [input.shape[0], self.hidden_size]
        if state is None:
            state = (_C.zeros(expected, dtype=input.dtype, device=input.device),) * states
        elif not batched:
            state = tuple(part.unsqueeze(0) for part in state)
        if input.shape[1] != self.input_size:
            raise RuntimeError(
                f"{name}: input has inconsistent input_size: got {input.shape[1]} expected {self.input_size}"
            )
        for i, part in enumerate(state):
            if list(part.shape) != expected:
                what = "hidden" if states == 1 else f"hx[{i}]"
                raise RuntimeError(f"{name}: expected {what} of shape {expected}, got {list(part.shape)}")
        h, c = state[0], state[1] if states == 2 else None
        _, *last = _native.recurrent_layer(
            input, [batch], h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, mode=mode
        )
        return last if batched else [part.squeeze(0) for part in last]

    def extra_repr(self) -> str:
        """The arguments that are not the defaults."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias is True else f", bias={self.bias}")


class RNNCell(RNNCellBase):
    """One step of ``RNN``: input [batch, input_size] and h [batch, hidden_size] to the next h; or both
    without the batch. h is zeros by default.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether there are biases; default True.
        nonlinearity: "tanh", the default, or "relu".
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: in a call, for an input or a state of neither 1 nor 2 dimensions.
        RuntimeError: in a call, for another size, or another nonlinearity.
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next h."""
        if self.nonlinearity not in MODES:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(MODES[self.nonlinearity], input, None if hx is None else (hx,), 1)[0]

    def extra_repr(self) -> str:
        """The arguments that are not the defaults."""
        usual = self.nonlinearity == "tanh"
        return super().extra_repr() + ("" if usual else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of ``LSTM``: input [batch, input_size] and the state (h, c), each [batch, hidden_size], to the
    next state; or all without the batch. The state is zeros by default.

    Args:
        input_size, hidden_size, bias, device, dtype: see :class:`RNNCell`, also for the errors.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next h and c."""
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            raise RuntimeError("LSTMCell: lstm_cell expects two hidden states, (h, c)")
        h, c = self._step("LSTM", input, None if hx is None else tuple(hx), 2)
        return h, c


class GRUCell(RNNCellBase):
    """One step of ``GRU``: input [batch, input_size] and h [batch, hidden_size] to the next h; or both
    without the batch. h is zeros by default.

    Args:
        input_size, hidden_size, bias, device, dtype: see :class:`RNNCell`, also for the errors.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next h."""
        return self._step("GRU", input, None if hx is None else (hx,), 1)[0]
