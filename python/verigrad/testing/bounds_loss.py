"""Samples of the losses at the bounds of the kernels that they are composed of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.samples import Const, Sample, Sampler, call

Draw = Callable[..., Any]

REDUCTIONS = ("mean", "sum", "none")


def signs(s: Sampler) -> Draw:
    """Targets 1 and -1 without a gradient."""
    return lambda *shape: Const(np.asarray(s.rng.integers(0, 2, shape) * 2 - 1).astype(s.dtype))


def probabilities(s: Sampler) -> Draw:
    """Numbers between 0 and 1."""
    return lambda *shape: s.array(*shape, low=0.05, high=0.95)


def at_bounds(*draws: Callable[[Sampler], Draw], **options: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """Tails of vectors under every reduction; more elements than one thread takes."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for reduction in REDUCTIONS:
            yield call(*(draw(s)(37, 67) for draw in draws), reduction=reduction, **options)
        yield call(*(draw(s)(516, 521) for draw in draws), **options)

    return samples


def numbers(low: float = -3.0, high: float = 3.0, gap: float = 0.0) -> Callable[[Sampler], Draw]:
    """Numbers of a range that keep away from 0."""
    return lambda s: lambda *shape: s.array(*shape, low=low, high=high, gap=gap)


def halves(s: Sampler) -> Draw:
    """Multiples of a half."""
    return lambda *shape: (np.round(s.array(*shape) * 2) / 2).astype(s.dtype)


def above_one(s: Sampler) -> Draw:
    """Numbers away from 1."""
    return lambda *shape: np.asarray(s.array(*shape, gap=0.3) + s.dtype.type(1))


def cosine_bounds(s: Sampler) -> Iterator[Sample]:
    """Vectors longer than one of the processor's; more of them than one thread takes. The cosine of two long
    random vectors is near 0, above every margin here."""
    target = signs(s)
    for reduction in REDUCTIONS:
        for shape in ((19, 67), (2, 1_031)):
            yield call(
                s.array(*shape),
                s.array(*shape),
                target(shape[0]),
                margin=-0.9,
                reduction=reduction,
                vary=False,
            )
    yield call(s.array(701, 379), s.array(701, 379), target(701), margin=-0.9, vary=False)
    x = s.array(701, 379)
    similar = x + s.array(701, 379, low=-1, high=1)
    yield call(x, similar, target(701), reduction="none", vary=False, note="similar ones")


def class_bounds(s: Sampler) -> Iterator[Sample]:
    """More classes than a vector holds; more rows than one thread takes."""
    for p in (1, 2):
        for shape in ((19, 67), (2_803, 97)):
            scores = (np.round(s.array(*shape) * 4) / 4).astype(s.dtype)
            weight = Const(s.array(shape[1], low=0.5, high=2.0))
            yield call(scores, s.index(shape[0], high=shape[1]), p=p, margin=0.9, weight=weight)


def ranking_bounds(s: Sampler) -> Iterator[Sample]:
    """Margins that some pairs keep, and one that none does."""
    for margin in (0.25, 9.0):
        yield from at_bounds(numbers(gap=1.0), numbers(-0.4, 0.4), signs, margin=margin)(s)


def triplet_bounds(s: Sampler) -> Iterator[Sample]:
    """Vectors longer than one of the processor's; more of them than one thread takes."""
    for shape in ((19, 67), (701, 379)):
        near, far = s.array(*shape, low=0, high=1), s.array(*shape, low=2, high=3)
        anchor = s.array(*shape, low=0, high=1)
        yield call(anchor, near, far, margin=99.0)
        if shape[0] < 100:
            yield call(anchor, near, far, margin=99.0, p=3.0, swap=True)
    x = s.array(67, 5)
    yield call(x, x.copy(), x + 2, margin=99.0, eps=0.0, vary=False, note="no distance")


BOUNDS: dict[str, Callable[[Sampler], Iterator[Sample]]] = {
    "l1_loss": at_bounds(numbers(gap=1.0), numbers(-0.5, 0.5)),
    "smooth_l1_loss": at_bounds(halves, numbers(0.05, 0.2)),
    "huber_loss": at_bounds(halves, numbers(0.05, 0.2), delta=0.75),
    "binary_cross_entropy": at_bounds(probabilities, probabilities),
    "binary_cross_entropy_with_logits": at_bounds(numbers(), probabilities),
    "kl_div": at_bounds(numbers(-3.0, -0.1), probabilities),
    "poisson_nll_loss": at_bounds(numbers(), numbers(1.2, 5.0), full=True),
    "gaussian_nll_loss": at_bounds(numbers(), numbers(), numbers(0.5, 3.0), full=True),
    "hinge_embedding_loss": at_bounds(above_one, signs),
    "cosine_embedding_loss": cosine_bounds,
    "margin_ranking_loss": ranking_bounds,
    "multi_margin_loss": class_bounds,
    "soft_margin_loss": at_bounds(numbers(), signs),
    "multilabel_soft_margin_loss": at_bounds(numbers(), probabilities, numbers(0.5, 2.0)),
    "triplet_margin_loss": triplet_bounds,
}
