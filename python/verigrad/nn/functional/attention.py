"""Attention of several heads."""

from __future__ import annotations

import math
import warnings

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native
from .activation import softmax
from .dropout import dropout
from .linear import linear
from .resampling import pad

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

scaled_dot_product_attention = _native.scaled_dot_product_attention


def check_mask(name: str, mask: Tensor | None) -> None:
    """Raises AssertionError unless a mask is None, bool or floating-point."""
    if mask is not None and mask.dtype != _C.bool and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")


def warn_mismatched(name: str, mask: Tensor | None, other_name: str, other: Tensor | None) -> None:
    """Warns about two masks of different dtypes, as PyTorch does."""
    if mask is not None and other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )


def added_mask(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """The mask as numbers that are added to scores: minus infinity where a bool mask is True."""
    if mask is None or mask.dtype.is_floating_point:
        return mask
    return _C.zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill(mask, -math.inf)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"multi_head_attention_forward: {message}")


def _check_dims(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    heads: int,
) -> bool:
    """Whether the input has a batch; AssertionError for numbers of dimensions that do not go together."""
    _require(
        query.ndim in (2, 3),
        f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor",
    )
    batched = query.ndim == 3
    what = f"For {'batched (3-D)' if batched else 'unbatched (2-D)'} `query`, expected"
    _require(
        key.ndim == value.ndim == query.ndim,
        f"{what} `key` and `value` to be {query.ndim}-D but found {key.ndim}-D and {value.ndim}-D tensors "
        "respectively",
    )
    if key_padding_mask is not None:
        _require(
            key_padding_mask.ndim == query.ndim - 1,
            f"{what} `key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead",
        )
    if attn_mask is not None:
        _require(
            attn_mask.ndim in (2, 3),
            f"{what} `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead",
        )
        if not batched and attn_mask.ndim == 3:
            expected = (heads, query.shape[0], key.shape[0])
            _require(
                tuple(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}",
            )
    return batched


def _projections(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """Query, key and value by the packed weight [3 * embed_dim, embed_dim], in one product where they are one
    tensor."""
    width = query.shape[-1]
    if query is key and key is value:
        packed = linear(query, weight, bias)
        return packed.reshape(*packed.shape[:-1], 3, width).unbind(-2)
    w_q, w_kv = weight[:width], weight[width:]
    b_q, b_kv = (None, None) if bias is None else (bias[:width], bias[width:])
    if key is value:
        packed = linear(key, w_kv, b_kv)
        return (linear(query, w_q, b_q), *packed.reshape(*packed.shape[:-1], 2, width).unbind(-2))
    b_k, b_v = (None, None) if b_kv is None else (b_kv[:width], b_kv[width:])
    return (
        linear(query, w_q, b_q),
        linear(key, w_kv[:width], b_k),
        linear(value, w_kv[width:], b_v),
    )


def _shaped_mask(mask: Tensor, batch: int, heads: int, queries: int, keys: int) -> Tensor:
    """attn_mask as a tensor that broadcasts to [batch, heads, queries, keys]."""
    expected = (queries, keys) if mask.ndim == 2 else (batch * heads, queries, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"multi_head_attention_forward: The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, "
            f"but should be {expected}."
        )
    return mask.reshape(1, 1, queries, keys) if mask.ndim == 2 else mask.reshape(batch, heads, queries, keys)


def _static(name: str, x: Tensor, batch: int, heads: int, width: int) -> Tensor:
    _require(
        x.shape[0] == batch * heads,
        f"expecting {name}.size(0) of {batch * heads}, but got {x.shape[0]}",
    )
    _require(x.shape[2] == width, f"expecting {name}.size(2) of {width}, but got {x.shape[2]}")
    return x.reshape(batch, heads, -1, width)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Projects query, key and value, attends with ``num_heads`` heads side by side, and projects the result
    (Vaswani et al., arXiv 1706.03762, section 3.2.2).

    L is the length of the query, S that of key and value, N the batch, E ``embed_dim_to_check``.

    Args:
        query: [L, N, E], or [L, E] without a batch.
        key: [S, N, kdim] or [S, kdim].
        value: [S, N, vdim] or [S, vdim].
        embed_dim_to_check: E, a multiple of ``num_heads``.
        num_heads: number of heads.
        in_proj_weight: the weights of the three projections, [3 * E, E]; kdim and vdim are then E.
        in_proj_bias: [3 * E] or None.
        bias_k: [1, 1, E], a further key for every element of the batch; None for none.
        bias_v: its value.
        add_zero_attn: whether to add a further key and value of zeros.
        dropout_p: probability with which an attention weight becomes 0 in training.
        out_proj_weight: [E, E].
        out_proj_bias: [E] or None.
        training: whether to apply dropout; default True.
        key_padding_mask: [N, S] or [S]; bool, True for keys that are left out, or numbers that are added to
            the scores.
        need_weights: whether to return the attention weights, which have L * S elements for each head;
            without them the memory does not grow with that product. Default True.
        attn_mask: [L, S] or [N * num_heads, L, S]; bool, True for pairs that are left out, or numbers that
            are added to the scores.
        use_separate_proj_weight: whether the weights are the next three instead; default False.
        q_proj_weight: [E, E].
        k_proj_weight: [E, kdim].
        v_proj_weight: [E, vdim].
        static_k: [N * num_heads, S, E / num_heads], keys in place of the projected ones.
        static_v: the same for values.
        average_attn_weights: whether the weights are averaged over the heads; default True.
        is_causal: says that ``attn_mask``, which must be given, is the causal one. It is then not read where
            neither weights nor a padding are asked for.

    Returns:
        The output, of the shape of the query, and the weights [N, L, S], [N, num_heads, L, S] without the
        average, without N where there is no batch, or None.

    Raises:
        AssertionError: numbers of dimensions or sizes do not fit, or an argument that another one needs is
            missing.
        RuntimeError: ``attn_mask`` has another shape, or is missing with ``is_causal``.
    """
    return attend(
        query,
        key,
        value,
        embed_dim_to_check,
        num_heads,
        in_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p,
        out_proj_weight,
        out_proj_bias,
        training,
        key_padding_mask,
        need_weights,
        attn_mask,
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None,
        static_k,
        static_v,
        average_attn_weights,
        is_causal,
        batch_first=False,
    )


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None] | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor | None]:
    """multi_head_attention_forward for either order of sequence and batch: with ``batch_first`` [N, L, E]."""
    batched = _check_dims(query, key, value, key_padding_mask, attn_mask, heads)
    check_mask("key_padding_mask", key_padding_mask)
    check_mask("attn_mask", attn_mask)
    warn_mismatched("key_padding_mask", key_padding_mask, "attn_mask", attn_mask)
    sequence = 1 if batch_first and batched else 0
    if not batched:  # the batch of one
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "multi_head_attention_forward: Need attn_mask if specifying the is_causal hint. You may use the "
            "Transformer module method `generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and key_padding_mask is None and not need_weights
    length, batch, keys = query.shape[sequence], query.shape[1 - sequence], key.shape[sequence]

    _require(
        query.shape[-1] == embed_dim,
        f"was expecting embedding dimension of {embed_dim}, but got {query.shape[-1]}",
    )
    width = embed_dim // heads
    _require(width * heads == embed_dim, f"embed_dim {embed_dim} not divisible by num_heads {heads}")
    if separate is None:
        _require(
            key.shape == value.shape,
            f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}",
        )
        if in_proj_weight is None:
            raise AssertionError(
                "multi_head_attention_forward: use_separate_proj_weight is False but in_proj_weight is None"
            )
        q, k, v = _projections(query, key, value, in_proj_weight, in_proj_bias)
    else:
        _require(
            key.shape[:2] == value.shape[:2],
            f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
            f"{tuple(value.shape[:2])}",
        )
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.reshape(3, embed_dim).unbind()
        projected = []
        for name, x, weight, bias in zip("qkv", (query, key, value), separate, biases, strict=True):
            if weight is None:
                raise AssertionError(
                    f"multi_head_attention_forward: use_separate_proj_weight is True but {name}_proj_weight "
                    "is None"
                )
            projected.append(linear(x, weight, bias))
        q, k, v = projected

    mask = None
    if attn_mask is not None and not is_causal:
        mask = added_mask(_shaped_mask(attn_mask, batch, heads, length, keys), query)
    padding = added_mask(key_padding_mask, query)

    _require(bias_k is None or bias_v is not None, "bias_k is set but bias_v is None")
    _require(bias_v is None or bias_k is not None, "bias_v is set but bias_k is None")
    further = 0  # keys beyond those that the masks know
    if bias_k is not None and bias_v is not None:
        _require(static_k is None, "bias cannot be added to static key.")
        _require(static_v is None, "bias cannot be added to static value.")
        shape = (batch, 1, embed_dim) if sequence == 1 else (1, batch, embed_dim)
        k = _C.cat([k, bias_k.expand(shape)], sequence)
        v = _C.cat([v, bias_v.expand(shape)], sequence)
        further += 1

    def split(x: Tensor) -> Tensor:
        """[N, num_heads, length, width]"""
        parts = x.reshape(x.shape[0], x.shape[1], heads, width)
        return parts.permute((0, 2, 1, 3) if sequence == 1 else (1, 2, 0, 3))

    q = split(q)
    k = split(k) if static_k is None else _static("static_k", static_k, batch, heads, width)
    v = split(v) if static_v is None else _static("static_v", static_v, batch, heads, width)
    if add_zero_attn:
        zeros = _C.zeros((batch, heads, 1, width), dtype=k.dtype, device=k.device)
        k, v = _C.cat([k, zeros], 2), _C.cat([v, zeros], 2)
        further += 1
    if further and mask is not None:
        mask = pad(mask, (0, further))
    if padding is not None:
        expected = (batch, k.shape[2] - further)
        _require(
            tuple(padding.shape) == expected,
            f"expecting key_padding_mask shape of {expected}, but got {tuple(padding.shape)}",
        )
        padding = pad(padding, (0, further)) if further else padding
        padding = padding.reshape(batch, 1, 1, -1)
        mask = padding if mask is None else mask + padding

    dropout_p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / width)) @ k.transpose(-2, -1)
        weights = softmax(scores if mask is None else scores + mask, dim=-1)
        weights = dropout(weights, dropout_p) if dropout_p > 0.0 else weights
        out = weights @ v
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    out = out.permute((0, 2, 1, 3) if sequence == 1 else (2, 0, 1, 3))
    out = linear(out.reshape(out.shape[0], out.shape[1], embed_dim), out_proj_weight, out_proj_bias)
    if not batched:
        out = out.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return out, weights
