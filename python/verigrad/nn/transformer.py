"""The Transformer: layers, stacks of them, and the whole of encoder and decoder (Vaswani et al., arXiv
1706.03762, section 3.1)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from . import functional, init
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .functional.attention import added_mask, check_mask, warn_mismatched
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    named: dict[str, Callable[[Tensor], Tensor]] = {"relu": functional.relu, "gelu": functional.gelu}
    if activation not in named:
        raise RuntimeError(f"Transformer: activation should be relu/gelu, not {activation}")
    return named[activation]


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _causal(mask: Tensor | None, is_causal: bool | None, length: int) -> bool:
    """Whether the mask is the causal one; where that is not said, by its values."""
    if is_causal is not None or mask is None:
        return is_causal is True
    if tuple(mask.shape) != (length, length):
        return False
    causal = Transformer.generate_square_subsequent_mask(length, device=mask.device, dtype=mask.dtype)
    return bool((mask == causal).all())


def _length(x: Tensor, batch_first: bool) -> int:
    return x.shape[1 if batch_first and x.ndim == 3 else 0]


def _masks(
    padding_name: str, padding: Tensor | None, name: str, mask: Tensor | None, like: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Both masks as numbers, so that bool ones are not converted again in each layer."""
    check_mask(padding_name, padding)
    check_mask(name, mask)
    warn_mismatched(padding_name, padding, name, mask)
    return added_mask(padding, like), added_mask(mask, like)


def _attended(
    attention: Module,
    x: Tensor,
    memory: Tensor,
    mask: Tensor | None,
    padding: Tensor | None,
    is_causal: bool,
) -> Tensor:
    """What the queries `x` find in `memory`."""
    found = attention(
        x,
        memory,
        memory,
        attn_mask=mask,
        key_padding_mask=padding,
        need_weights=False,
        is_causal=is_causal,
    )
    out: Tensor = found[0]
    return out


class TransformerEncoderLayer(Module):
    """Self-attention and two linear maps, each with dropout, the input added and normalised.

    L is the length, N the batch, E ``d_model``. The parts are ``self_attn``, ``linear1``, ``linear2``,
    ``norm1`` and ``norm2``.

    Args:
        d_model: E.
        nhead: number of heads.
        dim_feedforward: width between the linear maps; default 2048.
        dropout: probability of every dropout; default 0.1.
        activation: between the linear maps: "relu", "gelu", or a function of a tensor; default ``relu``.
        layer_norm_eps: ``eps`` of the normalisations; default 1e-5.
        batch_first: whether inputs and output are [N, L, E] rather than [L, N, E]; default False.
        norm_first: whether the input of each part is normalised rather than its sum with the result (Xiong et
            al., arXiv 2002.04745, figure 1); default False.
        bias: whether linear maps and normalisations have biases; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        RuntimeError: ``activation`` is another word.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """[L, N, E], with ``batch_first`` [N, L, E], or [L, E] without a batch: the same shape.

        Args:
            src: the input.
            src_mask: see ``attn_mask`` of MultiheadAttention.
            src_key_padding_mask: see ``key_padding_mask`` there.
            is_causal: says that ``src_mask``, which must be given, is the causal one.
        """
        padding, mask = _masks("src_key_padding_mask", src_key_padding_mask, "src_mask", src_mask, src)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            x = x + self._ff_block(self.norm2(x))
        else:
            x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
            x = self.norm2(x + self._ff_block(x))
        return x

    def _sa_block(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool) -> Tensor:
        dropped: Tensor = self.dropout1(_attended(self.self_attn, x, x, mask, padding, is_causal))
        return dropped

    def _ff_block(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return dropped


class TransformerDecoderLayer(Module):
    """Self-attention, attention to an encoder's output, and two linear maps, each with dropout, the input
    added and normalised.

    L is the length, S that of the encoder's output, N the batch, E ``d_model``. The parts are ``self_attn``,
    ``multihead_attn``, ``linear1``, ``linear2``, ``norm1``, ``norm2`` and ``norm3``.

    Args:
        d_model: E.
        nhead: number of heads.
        dim_feedforward: width between the linear maps; default 2048.
        dropout: probability of every dropout; default 0.1.
        activation: between the linear maps: "relu", "gelu", or a function of a tensor; default ``relu``.
        layer_norm_eps: ``eps`` of the normalisations; default 1e-5.
        batch_first: whether inputs and output are [N, L, E] rather than [L, N, E]; default False.
        norm_first: whether the input of each part is normalised rather than its sum with the result; default
            False.
        bias: whether linear maps and normalisations have biases; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        RuntimeError: ``activation`` is another word.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **where)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **where)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """[L, N, E], with ``batch_first`` [N, L, E], or [L, E] without a batch: the same shape.

        Args:
            tgt: the input.
            memory: the encoder's output, with S in place of L.
            tgt_mask: of the self-attention, [L, L]; see ``attn_mask`` of MultiheadAttention.
            memory_mask: of the attention to ``memory``, [L, S].
            tgt_key_padding_mask: of the self-attention; see ``key_padding_mask`` there.
            memory_key_padding_mask: of the attention to ``memory``.
            tgt_is_causal: says that ``tgt_mask``, which must be given, is the causal one.
            memory_is_causal: the same of ``memory_mask``.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            x = x + self._ff_block(self.norm3(x))
        else:
            x = self.norm1(x + self._sa_block(x, *own))
            x = self.norm2(x + self._mha_block(x, memory, *other))
            x = self.norm3(x + self._ff_block(x))
        return x

    def _sa_block(self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool) -> Tensor:
        dropped: Tensor = self.dropout1(_attended(self.self_attn, x, x, mask, padding, is_causal))
        return dropped

    def _mha_block(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool
    ) -> Tensor:
        dropped: Tensor = self.dropout2(_attended(self.multihead_attn, x, memory, mask, padding, is_causal))
        return dropped

    def _ff_block(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return dropped


class TransformerEncoder(Module):
    """A stack of copies of an encoder layer; all begin with its parameters.

    Args:
        encoder_layer: what is copied.
        num_layers: number of copies.
        norm: a last normalisation; default none.
        enable_nested_tensor: kept as an attribute. There are no nested tensors, so it changes nothing: padded
            positions of the output hold what the layers make of them.
        mask_check: kept as an attribute, for the same reason.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = False
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The input through all layers.

        Args:
            src: see the layer.
            mask: its ``src_mask``.
            src_key_padding_mask: as there.
            is_causal: whether the mask is the causal one; None: it is compared with it. Default None.
        """
        padding, mask = _masks("src_key_padding_mask", src_key_padding_mask, "mask", mask, src)
        causal = _causal(mask, is_causal, _length(src, self.layers[0].self_attn.batch_first))
        out = src
        for layer in self.layers:
            out = layer(out, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return out if self.norm is None else self.norm(out)


class TransformerDecoder(Module):
    """A stack of copies of a decoder layer; all begin with its parameters.

    Args:
        decoder_layer: what is copied.
        num_layers: number of copies.
        norm: a last normalisation; default none.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The input through all layers; arguments as there.

        Args:
            tgt: the input.
            memory: the encoder's output.
            tgt_mask: of the self-attention.
            memory_mask: of the attention to ``memory``.
            tgt_key_padding_mask: of the self-attention.
            memory_key_padding_mask: of the attention to ``memory``.
            tgt_is_causal: whether ``tgt_mask`` is the causal one; None: it is compared with it. Default None.
            memory_is_causal: says that ``memory_mask`` is the causal one; default False.
        """
        causal = _causal(tgt_mask, tgt_is_causal, _length(tgt, self.layers[0].self_attn.batch_first))
        out = tgt
        for layer in self.layers:
            out = layer(
                out,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """An encoder, and a decoder that attends to its output. All matrices begin as Glorot's uniform numbers.

    S is the length of the source, T that of the target, N the batch, E ``d_model``.

    Args:
        d_model: E; default 512.
        nhead: number of heads; default 8.
        num_encoder_layers: default 6.
        num_decoder_layers: default 6.
        dim_feedforward: width between the linear maps; default 2048.
        dropout: probability of every dropout; default 0.1.
        activation: "relu", "gelu", or a function of a tensor; default ``relu``.
        custom_encoder: a module in place of the encoder; default none.
        custom_decoder: a module in place of the decoder; default none.
        layer_norm_eps: ``eps`` of the normalisations; default 1e-5.
        batch_first: whether inputs and output are [N, S, E] rather than [S, N, E]; default False.
        norm_first: see TransformerEncoderLayer; default False.
        bias: whether linear maps and normalisations have biases; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = functional.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        options = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
        )

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, **where)

        self.encoder = custom_encoder
        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*options, **where)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*options, **where)
            self.decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's output for ``tgt``, of its shape.

        Args:
            src: [S, N, E], with ``batch_first`` [N, S, E], or [S, E] without a batch.
            tgt: the same with T.
            src_mask: [S, S]; see ``attn_mask`` of MultiheadAttention.
            tgt_mask: [T, T].
            memory_mask: [T, S].
            src_key_padding_mask: [N, S] or [S]; see ``key_padding_mask`` there.
            tgt_key_padding_mask: [N, T] or [T].
            memory_key_padding_mask: [N, S] or [S].
            src_is_causal: whether ``src_mask`` is the causal one; None: it is compared with it. Default None.
            tgt_is_causal: the same of ``tgt_mask``.
            memory_is_causal: says that ``memory_mask`` is the causal one; default False.

        Raises:
            RuntimeError: the batches differ, or the last dimensions are not E.
        """
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                "Transformer: the batch number of src and tgt must be equal, got "
                f"{src.shape[batch]} and {tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                "Transformer: the feature number of src and tgt must be equal to d_model "
                f"{self.d_model}, got {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        out: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return out

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """[sz, sz]: minus infinity above the diagonal, 0 elsewhere.

        Args:
            sz: the length.
            device: where it lives; default the CPU.
            dtype: default the default dtype.
        """
        return _C.full((sz, sz), -math.inf, dtype=dtype, device=device).triu(1)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)
