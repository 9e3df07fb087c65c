"""Reference of attention: for each query the scores of all keys, their softmax and the mean of the values, in
plain loops in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.activation import kept

Array = np.ndarray[Any, Any]


@kernel
def attend(out: Array, q: Array, k: Array, v: Array, mask: Array, factor: Array, scale: float) -> None:
    """[batch, rows, columns] each; mask and factor [batch, queries, keys]."""
    keys = k.shape[1]
    weights = np.zeros(keys)
    for b in range(q.shape[0]):
        for i in range(q.shape[1]):
            top = -math.inf
            for j in range(keys):
                score = 0.0
                for d in range(q.shape[2]):
                    score += q[b, i, d] * k[b, j, d]
                weights[j] = score * scale + mask[b, i, j]
                if weights[j] != weights[j] or weights[j] > top:
                    top = weights[j]
            if top == -math.inf:  # no key
                out[b, i, :] = 0.0
                continue
            total = 0.0
            for j in range(keys):
                weights[j] = math.exp(weights[j] - top)
                total += weights[j]
            for d in range(v.shape[2]):
                mean = 0.0
                for j in range(keys):
                    mean += weights[j] / total * factor[b, i, j] * v[b, j, d]
                out[b, i, d] = mean


def heads(query: Array, key: Array, value: Array, enable_gqa: bool) -> tuple[Array, Array]:
    """Key and value with as many heads as the query has."""
    if not enable_gqa:
        return key, value
    count = query.shape[-3]
    return (
        np.repeat(key, count // key.shape[-3], axis=-3),
        np.repeat(value, count // value.shape[-3], axis=-3),
    )


def added(mask: Array | None, is_causal: bool, queries: int, keys: int) -> Array:
    """The mask as numbers that are added to the scores."""
    if is_causal:
        return np.triu(np.full((queries, keys), -np.inf), 1)
    if mask is None:
        return np.zeros((queries, keys))
    return np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask.astype(np.float64)


def factors(seed: int, shape: tuple[int, ...], p: float) -> Array:
    """What dropout multiplies each element of the softmax with."""
    if p == 0.0:
        return np.ones(shape)
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    return kept(seed, math.prod(shape), p).reshape(shape) * scale


def taking_part(mask: Any) -> Any:
    """The mask of attention from that of multi_head_attention_forward, whose True leaves a key out."""
    return ~mask if isinstance(mask, np.ndarray) and mask.dtype == bool else mask


def multi_head_op(seed: int, heads: int) -> Any:
    """The projections and heads of multi_head_attention_forward."""

    def reference(
        query: Array,
        key: Array,
        value: Array,
        in_weight: Array,
        in_bias: Array,
        out_weight: Array,
        out_bias: Array,
        attn_mask: Array | None = None,
        dropout_p: float = 0.0,
    ) -> Array:
        def apart(x: Array, weight: Array, bias: Array) -> Array:
            projected = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
            return projected.reshape(*x.shape[:-1], heads, -1).transpose(1, 2, 0, 3)

        weights, biases = np.split(in_weight, 3), np.split(in_bias, 3)
        parts = [apart(*args) for args in zip((query, key, value), weights, biases, strict=True)]
        attended = attention_op(seed)(*parts, taking_part(attn_mask), dropout_p)
        joined = attended.transpose(2, 0, 1, 3).reshape(query.shape)
        return promotion.cast(joined @ out_weight.T.astype(np.float64) + out_bias, query.dtype)

    return reference


def attention_op(seed: int) -> Any:
    """scaled_dot_product_attention with the dropout of the stream of the seed."""

    def reference(
        query: Array,
        key: Array,
        value: Array,
        attn_mask: Array | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Array:
        key, value = heads(query, key, value, enable_gqa)
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        queries, keys = query.shape[-2], key.shape[-2]
        if scale is None:
            scale = 1.0 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0

        def flat(x: Array, rows: int) -> Array:
            wide = np.broadcast_to(x, (*batch, rows, x.shape[-1])).astype(np.float64)
            return np.ascontiguousarray(wide).reshape(math.prod(batch), rows, x.shape[-1])

        mask = np.broadcast_to(added(attn_mask, is_causal, queries, keys), (*batch, queries, keys))
        out = np.zeros((math.prod(batch), queries, value.shape[-1]))
        attend(
            out,
            flat(query, queries),
            flat(key, keys),
            flat(value, keys),
            np.ascontiguousarray(mask).reshape(math.prod(batch), queries, keys),
            factors(seed, (math.prod(batch), queries, keys), dropout_p),
            scale,
        )
        return promotion.cast(out, query.dtype).reshape(*batch, queries, value.shape[-1])

    return reference
