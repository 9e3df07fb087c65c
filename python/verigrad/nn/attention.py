"""Attention of several heads as a layer."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import init
from .functional.attention import attend
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads between projections (Vaswani et al., arXiv 1706.03762, section 3.2.2).

    L is the length of the query, S that of key and value, N the batch, E ``embed_dim``. The parameters are
    ``in_proj_weight`` [3 * E, E], or ``q_proj_weight`` [E, E], ``k_proj_weight`` [E, kdim] and
    ``v_proj_weight`` [E, vdim] where ``kdim`` or ``vdim`` is another number; ``in_proj_bias`` [3 * E];
    ``bias_k`` and ``bias_v`` [1, 1, E]; and those of the layer ``out_proj``, [E, E] and [E]. Weights begin as
    Glorot's uniform numbers, those of ``out_proj`` as a Linear's; biases are 0; bias_k and bias_v Glorot's
    normal numbers.

    Args:
        embed_dim: E, a multiple of ``num_heads``.
        num_heads: number of heads, of width E / num_heads each.
        dropout: probability with which an attention weight becomes 0 in training; default 0.
        bias: whether the projections have biases; default True.
        add_bias_kv: whether there is a further learnt key and value; default False.
        add_zero_attn: whether there is a further key and value of zeros; default False.
        kdim: width of the keys; default E.
        vdim: width of the values; default E.
        batch_first: whether inputs and output are [N, L, E] rather than [L, N, E]; default False.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.

    Raises:
        ValueError: ``embed_dim`` or ``num_heads`` is not positive.
        AssertionError: ``embed_dim`` is no multiple of ``num_heads``.
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "MultiheadAttention: embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(
                "MultiheadAttention: embed_dim must be divisible by num_heads, "
                f"got embed_dim={embed_dim} and num_heads={num_heads}"
            )

        def parameter(*shape: int) -> Parameter:
            return Parameter(_C.empty(shape, device=device, dtype=dtype))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = parameter(3 * embed_dim)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, device=device, dtype=dtype
        )
        if add_bias_kv:
            self.bias_k = parameter(1, 1, embed_dim)
            self.bias_v = parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draws the parameters anew from the default generator, but for those of ``out_proj``."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for further in (self.bias_k, self.bias_v):
            if further is not None:
                init.xavier_normal_(further)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, and the attention weights where they are wanted.

        Args:
            query: [L, N, E], with ``batch_first`` [N, L, E], or [L, E] without a batch.
            key: the same with S and kdim.
            value: the same with S and vdim.
            key_padding_mask: [N, S] or [S]; bool, True for keys that are left out, or numbers that are added
                to the scores.
            need_weights: whether to return the weights; without them memory does not grow with L * S. Default
                True.
            attn_mask: [L, S] or [N * num_heads, L, S]; bool, True for pairs that are left out, or numbers
                that are added to the scores.
            average_attn_weights: whether the weights are averaged over the heads; default True.
            is_causal: says that ``attn_mask``, which must be given, is the causal one.

        Raises:
            AssertionError: numbers of dimensions or sizes do not fit.
            RuntimeError: ``attn_mask`` has another shape, or is missing with ``is_causal``.
        """
        separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        return attend(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            None if self._qkv_same_embed_dim else separate,
            None,
            None,
            average_attn_weights,
            is_causal,
            self.batch_first,
        )
