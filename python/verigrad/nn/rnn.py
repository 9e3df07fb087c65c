"""Recurrent layers and their cells.

Each layer and direction is one call of a native function, ``recurrent_layer``, which goes through all steps.
Sequences of different lengths come packed (:mod:`verigrad.nn.utils.rnn`): as a call takes one step after the
other, those that have ended are left out of the steps that follow.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Tensor
from .._C import nn_functional as _native
from . import functional
from .module import Module
from .parameter import Parameter
from .rnn_cell import MODES, GRUCell, LSTMCell, RNNCell, RNNCellBase, State, draw_weights
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def _checked_flag(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


class RNNBase(Module):
    """What :class:`RNN`, :class:`LSTM` and :class:`GRU` share.

    With G gates (1, 4 and 3), H = ``hidden_size``, R = ``proj_size`` or else H, and D directions, layer k has
    the parameters ``weight_ih_l{k}`` [G H, features], ``weight_hh_l{k}`` [G H, R], ``bias_ih_l{k}`` and
    ``bias_hh_l{k}`` [G H], and with a projection ``weight_hr_l{k}`` [R, H]; those of the other direction end
    in ``_reverse``. The first layer takes ``input_size`` features, the others D R. All begin uniform between
    plus and minus 1 / sqrt(H).

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size: see
            :class:`LSTM`.
        device, dtype: the same.

    Raises:
        ValueError: a size, the number of layers, the dropout or the mode is none.
        TypeError: a size is no int, or a flag no bool.
    """

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being "
                f"zeroed, got {dropout!r}"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            _checked_flag(name, flag, bool)
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            _checked_flag(name, size, int)
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero, got {size}")
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
        if proj_size < 0:
            raise ValueError(
                f"proj_size should be a positive integer or zero to disable projections, got {proj_size}"
            )
        if proj_size >= hidden_size:
            raise ValueError(
                f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}"
            )
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        gates, out = _GATES[mode] * hidden_size, proj_size or hidden_size
        directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            features = input_size if layer == 0 else out * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, features), "weight_hh": (gates, out)}
            if bias:
                shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse")[:directions]:
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(_C.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew from the default generator."""
        draw_weights(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Does nothing: there is no faster arrangement of the parameters than the one they have."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def _layer_weights(self, position: int) -> list[Any]:
        """The arguments of ``recurrent_layer``: weight_ih, weight_hh, bias_ih, bias_hh, weight_hr."""
        given: list[Any] = [getattr(self, name) for name in self._all_weights[position]]
        if not self.bias:
            given[2:2] = [None, None]
        return given if self.proj_size else [*given, None]

    @property
    def _state_sizes(self) -> tuple[int, ...]:
        """The sizes of h and, of an LSTM, c."""
        return (self.proj_size or self.hidden_size,)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises ValueError for another dtype than the weights', RuntimeError for another shape than
        [steps, batch, input_size] or, packed, [rows, input_size]."""
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert input: "
                f"input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if self.input_size != input.shape[-1]:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _expected(self, size: int, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        batch = int(batch_sizes[0]) if batch_sizes is not None else input.shape[0 if self.batch_first else 1]
        return len(self._all_weights), batch, size

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of h_0 for an input."""
        return self._expected(self.proj_size or self.hidden_size, input, batch_sizes)

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raises RuntimeError for a state of another shape."""
        if tuple(hx.shape) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def _check_state(self, state: State, input: Tensor, batch_sizes: Tensor | None) -> None:
        for i, (part, size) in enumerate(zip(state, self._state_sizes, strict=True)):
            name = f"hidden[{i}]" if len(self._state_sizes) > 1 else "hidden"
            expected = self._expected(size, input, batch_sizes)
            self.check_hidden_size(part, expected, f"Expected {name} size {{}}, got {{}}")

    def _parts(self, hx: Any) -> State:
        """A caller's state as a tuple."""
        return (hx,)

    def _whole(self, state: Sequence[Tensor]) -> Any:
        """A state as the caller sees it."""
        return state[0]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The output of the last layer, and the last state of each layer and direction; see :class:`LSTM`."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D tensor instead"
            )
        batched, batch_dim = input.ndim == 3, 0 if self.batch_first else 1
        state = None if hx is None else self._parts(hx)
        if state is not None and any(part.ndim != input.ndim for part in state):
            kind, dims = ("batched", 3) if batched else ("unbatched", 2)
            names, got = ("hx", "hx and cx")[len(state) - 1], ", ".join(f"{part.ndim}-D" for part in state)
            raise RuntimeError(f"For {kind} {dims}-D input, {names} should also be {dims}-D but got {got}")
        if not batched:
            input = input.unsqueeze(batch_dim)
            state = None if state is None else tuple(part.unsqueeze(1) for part in state)
        self.check_input(input, None)
        if state is not None:
            self._check_state(state, input, None)
        rows = input.transpose(0, 1) if self.batch_first else input
        steps, batch = rows.shape[:2]
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN, got 0")
        output, last = self._run(rows.reshape(steps * batch, self.input_size), [batch] * steps, state)
        output = output.reshape(steps, batch, output.shape[1])
        if not batched:
            return output.squeeze(1), self._whole([part.squeeze(1) for part in last])
        return output.transpose(0, 1) if self.batch_first else output, self._whole(last)

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, batch_sizes, sorted_indices, unsorted_indices = input
        state = None if hx is None else self._parts(hx)
        if state is not None and sorted_indices is not None:
            state = tuple(part.index_select(1, sorted_indices) for part in state)
        self.check_input(data, batch_sizes)
        if state is not None:
            self._check_state(state, data, batch_sizes)
        output, last = self._run(data, batch_sizes.tolist(), state)
        if unsorted_indices is not None:
            last = [part.index_select(1, unsorted_indices) for part in last]
        return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), self._whole(last)

    def _run(self, rows: Tensor, sizes: list[int], state: State | None) -> tuple[Tensor, list[Tensor]]:
        """All layers over input [rows, features]: output [rows, features], and the last state."""
        if state is None:
            zeros = [
                _C.zeros((sizes[0], size), dtype=rows.dtype, device=rows.device) for size in self._state_sizes
            ]
            first = [zeros] * len(self._all_weights)
        else:
            first = [list(parts) for parts in zip(*(part.unbind(0) for part in state), strict=True)]
        directions = 2 if self.bidirectional else 1
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            if layer > 0 and self.dropout > 0:
                rows = functional.dropout(rows, self.dropout, self.training)
            outputs = []
            for direction in range(directions):
                position = layer * directions + direction
                h, c = first[position] if len(first[position]) > 1 else (first[position][0], None)
                w_ih, w_hh, b_ih, b_hh, w_hr = self._layer_weights(position)
                output, *final = _native.recurrent_layer(
                    rows, sizes, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, self.mode, direction == 1
                )
                outputs.append(output)
                last.append(final)
            rows = outputs[0] if directions == 1 else _C.cat(outputs, 1)
        if len(last) == 1:
            return rows, [part.unsqueeze(0) for part in last[0]]
        return rows, [_C.stack(list(parts), 0) for parts in zip(*last, strict=True)]

    def extra_repr(self) -> str:
        """The arguments that are not the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        return text + "".join(
            f", {name}={getattr(self, name)}"
            for name, usual in defaults.items()
            if getattr(self, name) != usual
        )


def _only(name: str, options: dict[str, Any]) -> None:
    """Refuses what a layer has no option for, as PyTorch does."""
    if "proj_size" in options:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    for option in options:
        raise TypeError(f"{name}.__init__() got an unexpected keyword argument '{option}'")


class RNN(RNNBase):
    """A network of the units h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu (Elman 1990).

    Args:
        nonlinearity: "tanh", the default, or "relu".
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: see
            :class:`LSTM`, also for inputs and outputs; the state is h alone.

    Raises:
        ValueError: another nonlinearity, a ``proj_size``, or as :class:`RNNBase`.
    """

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        _only("RNN", options)
        if nonlinearity not in MODES:
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            MODES[nonlinearity],
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000):

    i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh), g = tanh(the same), each with its part of the weights in
    the order i, f, g, o; c' = f c + i g; h' = o tanh(c'), or W_hr o tanh(c') with a projection (Sak et al.,
    arXiv 1402.1128).

    It is called with an input [steps, batch, input_size] ([batch, steps, input_size] with ``batch_first``,
    [steps, input_size] for a single sequence, or a :class:`~verigrad.nn.utils.rnn.PackedSequence`) and a
    state (h_0, c_0), [num_layers D, batch, R] and [num_layers D, batch, hidden_size] (no batch for a single
    sequence; zeros by default). It answers the output [steps, batch, D R] of the last layer in the input's
    form, and the last state in that of the first. D is 2 with ``bidirectional`` and else 1, R is
    ``proj_size`` or else ``hidden_size``.

    Args:
        input_size: features of a step.
        hidden_size: units of a layer.
        num_layers: layers, each on the output of the one before; default 1.
        bias: whether there are biases; default True.
        batch_first: whether the batch is the first dimension of input and output; not that of the state.
            Default False.
        dropout: probability with which an element of the output of any layer but the last is zeroed in
            training; default 0.
        bidirectional: whether each layer also goes through time backwards; the outputs are joined. Default
            False.
        proj_size: size of the projected output; default 0 for none.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: as :class:`RNNBase`; in a call, for an input of another dtype, or of neither 2 nor 3
            dimensions.
        RuntimeError: in a call, for an input or a state of another shape.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    @property
    def _state_sizes(self) -> tuple[int, ...]:
        return self.proj_size or self.hidden_size, self.hidden_size

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape of c_0 for an input."""
        return self._expected(self.hidden_size, input, batch_sizes)

    def _parts(self, hx: Any) -> State:
        if isinstance(hx, Tensor) or len(hx) != 2:
            got = "a tensor" if isinstance(hx, Tensor) else f"{len(hx)}"
            raise RuntimeError(f"LSTM: lstm expects two hidden states, (h_0, c_0), got {got}")
        return tuple(hx)

    def _whole(self, state: Sequence[Tensor]) -> Any:
        return tuple(state)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., arXiv 1406.1078, with the reset gate behind the product):

    r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r (W_hn h + b_hn)),
    h' = (1 - z) n + z h, with the parts of the weights in the order r, z, n.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: see
            :class:`LSTM`, also for inputs and outputs; the state is h alone.

    Raises:
        ValueError: a ``proj_size``, or as :class:`RNNBase`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        _only("GRU", options)
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
