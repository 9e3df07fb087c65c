"""Composition of attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import attention as ref
from verigrad.testing.reference import tape

Array = np.ndarray[Any, Any]


def repeated(x: tape.Var, heads: int) -> tape.Var:
    """Each head of dimension -3 several times in a row."""
    *lead, own, rows, columns = x.shape
    wide = x.reshape(*lead, own, 1, rows, columns).expand(*lead, own, heads // own, rows, columns)
    return wide.reshape(*lead, heads, rows, columns)


def attention(seed: int) -> Callable[..., tape.Var]:
    """scaled_dot_product_attention with the dropout of the stream of the seed."""

    def composition(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> tape.Var:
        q, k, v = tape.var(query), tape.var(key), tape.var(value)
        if enable_gqa:
            k, v = repeated(k, q.shape[-3]), repeated(v, q.shape[-3])
        batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
        shape = (*batch, q.shape[-2], k.shape[-2])
        if scale is None:
            scale = 1.0 / math.sqrt(q.shape[-1]) if q.shape[-1] else 1.0
        scores = (tape.matmul(q, k.swap()) * tape.var(np.asarray(scale))).expand(*shape)
        seen = np.ones(shape, bool)
        if isinstance(attn_mask, tape.Var) or (attn_mask is not None and attn_mask.dtype != bool):
            mask = tape.var(attn_mask)
            seen = np.broadcast_to(mask.value > -np.inf, shape)
            scores = scores + tape.where(mask.value > -np.inf, mask, 0.0)
        elif is_causal or attn_mask is not None:
            hidden = ref.added(attn_mask, is_causal, *shape[-2:])
            seen = np.broadcast_to(hidden == 0.0, shape)
        top = np.where(seen, scores.value, -np.inf).max(-1, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0.0)
        powers = tape.where(seen, tape.exp(tape.where(seen, scores - top, 0.0)), 0.0)
        total = powers.sum(-1, keepdims=True)
        weights = powers / tape.where(total.value > 0.0, total, 1.0)
        if dropout_p > 0.0:
            weights = weights * ref.factors(seed, (math.prod(batch), *shape[-2:]), dropout_p).reshape(shape)
        return tape.matmul(weights, v)

    return composition


def multi_head(seed: int, heads: int) -> Callable[..., tape.Var]:
    """multi_head_attention_forward without its weights."""

    def composition(
        query: Any,
        key: Any,
        value: Any,
        in_weight: Any,
        in_bias: Any,
        out_weight: Any,
        out_bias: Any,
        attn_mask: Any = None,
        dropout_p: float = 0.0,
    ) -> tape.Var:
        q = tape.var(query)
        length, batch, width = q.shape
        weight, bias = tape.var(in_weight), tape.var(in_bias)

        def apart(x: tape.Var, part: slice) -> tape.Var:
            projected = tape.matmul(x, weight[part].swap()) + bias[part]
            return projected.reshape(*x.shape[:-1], heads, width // heads).transpose(1, 2, 0, 3)

        parts = [apart(tape.var(x), slice(i * width, (i + 1) * width)) for i, x in enumerate((q, key, value))]
        attended = attention(seed)(*parts, ref.taking_part(attn_mask), dropout_p).transpose(2, 0, 1, 3)
        joined = attended.reshape(length, batch, width)
        return tape.matmul(joined, tape.var(out_weight).swap()) + tape.var(out_bias)

    return composition
