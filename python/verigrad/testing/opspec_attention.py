"""Record of scaled dot-product attention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_activation import SEED, seeded
from verigrad.testing.reference import attention as ref
from verigrad.testing.reference import attention_tape as tapes
from verigrad.testing.samples import Array, Const, Sample, Sampler, call

Shape = tuple[int, ...]


def function(lib: Library, *args: Any, **options: Any) -> Any:
    """The function with the default generator at a known place."""
    return seeded(lib, lambda: lib.get("nn.functional.scaled_dot_product_attention")(*args, **options))


def inputs(
    s: Sampler,
    batch: Shape,
    queries: int,
    keys: int,
    width: int = 4,
    value_width: int | None = None,
    batch_of_key: Shape | None = None,
) -> tuple[Array, Array, Array]:
    """Query, key and value; scores of some units."""
    of_key = batch if batch_of_key is None else batch_of_key
    return (
        s.array(*batch, queries, width, low=-2.0, high=2.0),
        s.array(*of_key, keys, width, low=-2.0, high=2.0),
        s.array(*of_key, keys, width if value_width is None else value_width),
    )


def hidden(s: Sampler, *shape: int) -> Const:
    """A bool mask with a key for most rows, and one row without any."""
    mask = s.rng.random(shape) < 0.7
    mask[..., 0] = True
    mask.reshape(-1, shape[-1])[-1] = False
    return Const(mask)


def masked(s: Sampler) -> Iterator[Sample]:
    """Masks of bools and of numbers, of every shape that broadcasts; numbers with gradients."""
    for shape in ((5, 6), (1, 6), (5, 1), (3, 5, 6), (2, 1, 5, 6), (2, 3, 5, 6), (2, 1, 1, 6), (1, 1)):
        yield call(*inputs(s, (2, 3), 5, 6), hidden(s, *shape))
        yield call(*inputs(s, (2, 3), 5, 6), attn_mask=s.array(*shape))
    for few in ((6,), ()):  # PyTorch takes them with some inputs only
        yield call(*inputs(s, (2, 3), 5, 6), s.array(*few), peer=False)
    infinite = s.array(5, 6)
    infinite[1, 2:] = infinite[3] = -np.inf
    yield call(*inputs(s, (2,), 5, 6), Const(infinite), note="minus infinity")
    yield call(*inputs(s, (2,), 5, 6), s.array(5, 6, dtype="float32"), grad=False, note="a float mask")


def attention_samples(s: Sampler) -> Iterator[Sample]:
    """Leading dimensions, masks, dropout, scales, shared heads, sizes of 0."""
    for batch in ((), (2,), (2, 3), (1, 2, 3)):
        yield call(*inputs(s, batch, 4, 5))
        yield call(*inputs(s, batch, 5, 4), is_causal=True)
    yield call(*inputs(s, (2, 3), 4, 5, 6, 3), note="another width of the values")
    yield call(*inputs(s, (2, 3), 1, 1, 1), note="one of each")
    yield call(*inputs(s, (3,), 4, 5, batch_of_key=(2, 1)), note="batches that broadcast")
    yield call(*inputs(s, (2, 1), 4, 5, batch_of_key=(3,)), is_causal=True)
    for scale in (0.0, 1.0, -0.5):
        yield call(*inputs(s, (2,), 4, 5), scale=scale)
    yield from masked(s)
    for p in (0.3, 0.5):
        yield call(*inputs(s, (2, 3), 4, 5), None, p, peer=False)
        yield call(*inputs(s, (2,), 5, 7), dropout_p=p, is_causal=True, peer=False)
        yield call(*inputs(s, (2,), 5, 7), s.array(5, 7), dropout_p=p, peer=False)
    yield call(*inputs(s, (2,), 4, 5), dropout_p=1.0)
    for heads in (1, 2, 6):
        yield call(*inputs(s, (2, 6), 4, 5, batch_of_key=(2, heads)), enable_gqa=True)
        yield call(*inputs(s, (6,), 4, 5, batch_of_key=(heads,)), enable_gqa=True, is_causal=True)
    yield call(*inputs(s, (2, 6), 4, 5, batch_of_key=(2, 2)), hidden(s, 6, 4, 5), enable_gqa=True)
    yield call(*inputs(s, (2, 6), 4, 5, batch_of_key=(2, 3)), s.array(2, 1, 4, 5), enable_gqa=True)
    q, k, _ = inputs(s, (2, 6), 4, 5, batch_of_key=(2, 2))
    yield call(q, k, s.array(2, 3, 5, 4), enable_gqa=True, note="other heads of the values")
    for queries, keys, width, value_width in ((0, 5, 4, 4), (4, 0, 4, 4), (4, 5, 0, 4), (4, 5, 4, 0)):
        yield call(*inputs(s, (2,), queries, keys, width, value_width), note="a size of 0", grad=False)
    large = inputs(s, (2,), 9, 11)
    yield call(100.0 * large[0], *large[1:], grad=False, note="scores far apart")
    for shape in ((2, 3), (1,)):
        yield call(*inputs(s, shape, 37, 150, 8), grad=False)


def boundaries(s: Sampler) -> Iterator[Sample]:
    """Lengths around the blocks of both devices, work that threads share, batches of few and many tasks."""
    for queries in around("attention_queries"):
        yield call(*inputs(s, (2,), queries, 5))
        yield call(*inputs(s, (1,), queries, queries, 3), is_causal=True)
    for keys in around("attention_keys"):
        yield call(*inputs(s, (2,), 5, keys))
        yield call(*inputs(s, (2,), 70, keys, 3), s.array(70, keys))
        yield call(*inputs(s, (1,), 67, keys, 3), dropout_p=0.5, is_causal=True, peer=False)
    for rows in (*around("cuda_attention_rows"), *around("cuda_attention_columns")):
        yield call(*inputs(s, (2,), rows, 7), hidden(s, rows, 7))
        yield call(*inputs(s, (2,), 7, rows), dropout_p=0.5, peer=False)
    for width in around("cuda_attention_depth"):
        yield call(*inputs(s, (1,), 5, 7, width))
    yield call(
        *inputs(s, (17, 2), 33, 35, 19), is_causal=True, vary=False, note="more than one thread's work"
    )
    yield call(*inputs(s, (3,), 131, 515, 11), hidden(s, 131, 515), vary=False, note="keys that are shared")
    yield call(
        *inputs(s, (5, 4), 40, 300, 7), s.array(4, 40, 300), vary=False, note="many tasks of two blocks"
    )
    yield call(*inputs(s, (300,), 9, 17, 5), dropout_p=0.3, vary=False, peer=False, note="many small tasks")


HEADS = 2


def together(
    lib: Library,
    query: Any,
    key: Any,
    value: Any,
    *weights: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
) -> Any:
    """The first result of the function, at a known place of the generator."""
    in_weight, in_bias, out_weight, out_bias = weights
    forward = lib.get("nn.functional.multi_head_attention_forward")
    projections = in_weight, in_bias, None, None, False, dropout_p, out_weight, out_bias
    options = {"attn_mask": attn_mask, "need_weights": False}
    return seeded(lib, lambda: forward(query, key, value, query.shape[-1], HEADS, *projections, **options)[0])


def heads_together(s: Sampler) -> Iterator[Sample]:
    """A query of its own, masks, dropout; larger sizes."""
    for width, queries, keys, batch in ((4, 3, 5, 2), (2, 1, 1, 1), (6, 5, 5, 3)):
        shapes = (queries, batch, width), (keys, batch, width), (keys, batch, width)
        weights = (3 * width, width), (3 * width,), (width, width), (width,)
        tensors = [s.array(*shape, low=-0.8, high=0.8) for shape in (*shapes, *weights)]
        yield call(*tensors)
        yield call(*tensors, attn_mask=s.array(queries, keys))
        out = s.rng.random((queries, keys)) < 0.3
        out[:, 0] = False  # a key is left for each query
        yield call(*tensors, attn_mask=Const(out))
        yield call(*tensors, dropout_p=0.5, peer=False)


def many_heads_together(s: Sampler) -> Iterator[Sample]:
    """More than one thread's work in every product."""
    shapes = (67, 5, 36), (131, 5, 36), (131, 5, 36), (108, 36), (108,), (36, 36), (36,)
    yield call(*(s.array(*shape, low=-0.5, high=0.5) for shape in shapes), vary=False)


Q, K = np.zeros((2, 3, 4)), np.zeros((2, 5, 4))

SPECS = (
    OpSpec(
        "scaled_dot_product_attention",
        ref.attention_op(SEED),
        attention_samples,
        function=function,
        dtypes=FLOATING,
        composition=tapes.attention(SEED),
        boundary=boundaries,
        scale="bound",
        view=None,
        errors=(
            bad(RuntimeError, "at least 2 dimensional", np.zeros(4), K, K),
            bad(RuntimeError, "same dtype", Q, K.astype(np.float32), K),
            bad(RuntimeError, "floating-point", Q.astype(int), K.astype(int), K.astype(int)),
            bad(RuntimeError, "last dimension", Q, K[..., :3], K),
            bad(RuntimeError, "as many rows", Q, K, K[:, :4]),
            bad(RuntimeError, "broadcast", Q, np.zeros((3, 5, 4)), np.zeros((3, 5, 4))),
            bad(RuntimeError, "attn_mask should not be set", Q, K, K, np.ones((3, 5), bool), is_causal=True),
            bad(RuntimeError, "attn_mask dtype", Q, K, K, np.ones((3, 5), np.int64)),
            bad(RuntimeError, "attn_mask dtype", *(x.astype(np.float32) for x in (Q, K, K)), np.ones((3, 5))),
            bad(RuntimeError, "broadcast", Q, K, K, np.ones((2, 5), bool)),
            bad(RuntimeError, "broadcast", Q, K, K, np.ones((4, 2, 3, 5), bool)),
            bad(RuntimeError, "between 0 and 1", Q, K, K, dropout_p=1.5),
            bad(RuntimeError, "between 0 and 1", Q, K, K, dropout_p=-0.5, peer=False),
            bad(RuntimeError, "must divide", Q, K[:0], K[:0], enable_gqa=True, peer=False),
            bad(RuntimeError, "must divide", np.zeros((3, 3, 4)), K, K, enable_gqa=True),
            bad(IndexError, "out of range", Q[0], K[0], K[0], enable_gqa=True),
        ),
    ),
    OpSpec(
        "multi_head_attention_forward",
        ref.multi_head_op(SEED, HEADS),
        heads_together,
        function=together,
        dtypes=FLOATING,
        composition=tapes.multi_head(SEED, HEADS),
        boundary=many_heads_together,
        scale="bound",
        view=None,
        registered=False,
    ),
)
