"""Records of the loss functions that compare each element, vector or row of scores with a target."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.bounds_loss import BOUNDS, REDUCTIONS, Draw, probabilities, signs
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, ErrorInput, Kink, OpSpec, bad
from verigrad.testing.reference import elementwise_losses as ref
from verigrad.testing.reference import loss_tape as parts
from verigrad.testing.samples import Const, Sample, Sampler, call

Array = np.ndarray[Any, Any]

X = np.full((2, 3), 0.5)
WIDE = np.full((2, 4), 0.5)
UNKNOWN = bad(ValueError, "not a valid|not valid|reduction", X, X, reduction="average")
SHAPES = bad(RuntimeError, "size|shape", X, WIDE)


def quiet(name: str) -> Callable[..., Any]:
    """A function of `nn.functional` without its warnings, such as those of targets that are broadcast."""

    def call(lib: Library, *args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lib.get(f"nn.functional.{name}")(*args, **kwargs)

    return call


def pairs(input: Draw, target: Draw, **options: Any) -> Iterator[Sample]:
    """Input and target of one shape: sizes 0, 1 and n, no dimension, all reductions."""
    for shape in ((), (1,), (5,), (3, 4), (2, 3, 4)):
        yield call(input(*shape), target(*shape), **options)
    for reduction in REDUCTIONS:
        yield call(input(3, 4), target(3, 4), reduction=reduction, **options)
    yield call(input(0, 3), target(0, 3), reduction="sum", **options)
    yield call(input(0, 3), target(0, 3), reduction="none", **options)
    yield call(input(0, 3), target(0, 3), grad=False, note="NaN, the mean of nothing", **options)
    yield call(input(37, 41), target(37, 41), grad=False, **options)


def l1_samples(s: Sampler) -> Iterator[Sample]:
    """Differences that keep away from 0."""

    def input(*shape: int) -> Array:
        return s.array(*shape, gap=1.0)

    def target(*shape: int) -> Array:
        return s.array(*shape, low=-0.5, high=0.5)

    yield from pairs(input, target)
    for reduction in REDUCTIONS:
        yield call(input(3, 4), target(3, 4), reduction=reduction, weight=s.array(3, 4, low=0.5))
    yield call(input(3, 4), target(4), note="broadcast")
    yield call(s.edges(), s.edges()[::-1].copy(), reduction="none", grad=False, note="edge values")


def curved(name: str, *knees: float) -> Callable[[Sampler], Iterator[Sample]]:
    """Differences on both sides of the knee and away from it, where there is no second derivative."""

    def samples(s: Sampler) -> Iterator[Sample]:
        def input(*shape: int) -> Array:
            return (np.round(s.array(*shape) * 2) / 2).astype(s.dtype)

        def target(*shape: int) -> Array:
            return s.array(*shape, low=0.05, high=0.2)

        yield from pairs(input, target)
        for knee in knees:
            for reduction in REDUCTIONS:
                options: dict[str, Any] = {name: knee, "reduction": reduction}
                yield call(input(3, 4), target(3, 4), **options)
        if name == "delta":
            for reduction in REDUCTIONS:
                yield call(input(3, 4), target(3, 4), reduction=reduction, weight=s.array(3, 4, low=0.5))
        yield call(input(3, 4), target(4), note="broadcast")
        values = np.array([np.inf, -np.inf, np.nan, 1e4, 0.0, -0.0], s.dtype)
        yield call(values, np.zeros_like(values), reduction="none", grad=False, note="edge values")

    return samples


def bce_samples(s: Sampler) -> Iterator[Sample]:
    """Probabilities, hard and soft targets, weights of every shape."""
    p = probabilities(s)
    yield from pairs(p, p)
    for shape in ((3, 4), (4,), (1,), ()):
        yield call(p(3, 4), p(3, 4), s.array(*shape, low=0.5), reduction="none", peer=False)
    for reduction in REDUCTIONS:
        yield call(p(3, 4), p(3, 4), Const(s.array(3, 1, low=0.5)), reduction=reduction)
    hard = Const(np.array([0, 1, 0, 1], s.dtype))
    yield call(np.array([0.25, 0.75, 0.5, 0.125], s.dtype), hard)
    ends = np.array([0, 0, 1, 1], s.dtype), np.array([0, 1, 0, 1], s.dtype)
    yield call(*ends, reduction="none", grad=False, note="certain, right and wrong")


def logits_samples(s: Sampler) -> Iterator[Sample]:
    """Logits, hard and soft targets, weights of elements and of the first class."""

    def target(*shape: int) -> Array:
        return s.array(*shape, low=0, high=1)

    yield from pairs(s.array, target)
    for shape in ((3, 4), (4,), (1,), (3, 1)):
        weight = s.array(*shape, low=0.5)
        # PyTorch has no gradients by the weights.
        yield call(s.array(3, 4), target(3, 4), weight, reduction="none", peer=False)
        yield call(s.array(3, 4), target(3, 4), Const(weight), reduction="none")
        yield call(s.array(3, 4), target(3, 4), reduction="none", pos_weight=weight, peer=False)
        yield call(s.array(3, 4), target(3, 4), reduction="none", pos_weight=Const(weight))
    for reduction in REDUCTIONS:
        both: dict[str, Any] = {
            "weight": Const(s.array(3, 4, low=0.5)),
            "pos_weight": Const(s.array(4, low=0.5)),
        }
        yield call(s.array(3, 4), target(3, 4), reduction=reduction, **both)
    yield call(np.zeros((2, 2), s.dtype), target(2, 2), note="logits 0")
    yield call(
        np.zeros((2, 2), s.dtype), target(2, 2), pos_weight=Const(s.array(2, low=0.5)), note="logits 0"
    )
    extreme = np.array([1e4, -1e4, 80.0, -80.0, np.nan, 0.0], s.dtype)
    for goal in (np.zeros_like(extreme), np.ones_like(extreme)):
        # PyTorch's form, (1 - t) x - log(sigmoid(x)), loses exp(x) beside x.
        yield call(extreme, goal, reduction="none", grad=False, note="large logits", peer=False)


def kl_samples(s: Sampler) -> Iterator[Sample]:
    """Probabilities and logarithms of them as targets; targets of 0."""

    def logs(*shape: int) -> Array:
        return s.array(*shape, low=-3, high=-0.1)

    yield from pairs(logs, probabilities(s))
    yield from pairs(logs, logs, log_target=True)
    for shape in ((3, 4), (5,), (), (2, 3, 4)):
        yield call(logs(*shape), probabilities(s)(*shape), reduction="batchmean")
        yield call(logs(*shape), logs(*shape), reduction="batchmean", log_target=True)
    yield call(logs(0, 3), logs(0, 3), reduction="batchmean", grad=False, note="NaN, nothing over 0")
    zero = Const(np.array([0.0, 0.5, 0.0, 0.5], s.dtype))
    yield call(logs(4), zero, reduction="sum", note="targets of 0")
    yield call(logs(3, 4), probabilities(s)(4), reduction="none", note="broadcast")
    wrong = np.array([np.nan, -0.5, np.inf], s.dtype)
    yield call(logs(3), wrong, reduction="none", grad=False, note="NaN, no probabilities")


def poisson_samples(s: Sampler) -> Iterator[Sample]:
    """Logarithms and counts, with and without the constant."""

    def counts(*shape: int) -> Array:
        values = np.where(s.rng.integers(0, 2, shape) == 0, s.rng.uniform(0.2, 0.8, shape), 0)
        return np.asarray(np.where(values > 0, values, s.rng.uniform(1.2, 2.5, shape))).astype(s.dtype)

    def means(*shape: int) -> Array:
        return s.array(*shape, low=3, high=5)  # above every count: no loss is negative

    yield from pairs(s.array, counts)
    yield from pairs(means, counts, log_input=False)
    for reduction in REDUCTIONS:
        yield call(s.array(3, 4), counts(3, 4), full=True, reduction=reduction)
        yield call(means(3, 4), counts(3, 4), log_input=False, full=True, eps=0.5, reduction=reduction)
    few = Const(np.array([0.0, 1.0, 2.0, 7.0], s.dtype))
    yield call(s.array(4), few, full=True, reduction="none", note="counts of 0 and 1")
    yield call(s.array(3, 4), counts(4), note="broadcast")
    yield call(np.zeros(4, s.dtype), few, log_input=False, reduction="none", grad=False, note="log(eps)")


def gaussian_samples(s: Sampler) -> Iterator[Sample]:
    """A variance for each element, for rows, columns, and one for all."""

    def var(*shape: int) -> Array:
        return s.array(*shape, low=0.5, high=3)

    for shape in ((1,), (5,), (3, 4), (2, 3, 4)):
        yield call(s.array(*shape), s.array(*shape), var(*shape))
        yield call(s.array(*shape), s.array(*shape), 2.5)
    yield call(s.array(), s.array(), var())
    for reduction in REDUCTIONS:
        for full in (False, True):
            options: dict[str, Any] = {"full": full, "reduction": reduction}
            yield call(s.array(3, 4), s.array(3, 4), var(3, 4), **options)
            yield call(s.array(3, 4), s.array(3, 4), var(3), **options)
            yield call(s.array(3, 4), s.array(3, 4), var(3, 1), **options)
            yield call(s.array(3, 4), s.array(3, 4), var(1, 4), **options)
    yield call(s.array(2, 3, 4), s.array(2, 3, 4), var(2, 1, 4), reduction="sum")
    yield call(s.array(0, 3), s.array(0, 3), var(0, 3), reduction="none")
    yield call(s.array(0, 3), s.array(0, 3), var(0, 3), grad=False, note="NaN, the mean of nothing")
    small = np.array([0.0, 1e-9, 1.0, np.nan], s.dtype)
    yield call(s.array(4), s.array(4), small, reduction="none", grad=False, note="below eps")
    yield call(s.array(3, 4), s.array(3, 4), var(3, 4), eps=0.25)


def hinge_samples(s: Sampler) -> Iterator[Sample]:
    """Pairs that are alike and others, on both sides of the margin."""

    def input(*shape: int) -> Array:
        return np.asarray(s.array(*shape, gap=0.3) + s.dtype.type(1))

    yield from pairs(input, signs(s))
    yield from pairs(input, signs(s), margin=0.5)
    yield call(input(3), Const(np.array([0, 2, 1], s.dtype)), reduction="none", note="other targets")
    yield call(input(3, 4), signs(s)(4), note="broadcast")
    yield call(input(3), Const(np.array([1, -1, 1])), reduction="sum", note="whole targets")
    edges = s.edges()
    yield call(edges, signs(s)(edges.size), reduction="none", grad=False, note="edge values")


def cosine_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, no batch, margins."""
    target = signs(s)
    other = Const(np.array(-1, s.dtype))
    # In some layouts vectors are parallel, and 1 - cos is nothing but rounding: these have targets -1.
    for batch in (1, 2, 5):
        apart = Const(np.full(batch, -1, s.dtype))
        yield call(s.array(batch, 4), s.array(batch, 4), apart, margin=-2.0)
        yield call(s.array(batch, 4), s.array(batch, 4), target(batch), margin=-1.5, vary=False)
    yield call(s.array(4), s.array(4), other, margin=-2.0)
    yield call(s.array(4), s.array(4), Const(np.array(1, s.dtype)), vary=False)
    yield call(s.array(0, 4), s.array(0, 4), target(0), reduction="sum")
    yield call(s.array(0, 4), s.array(0, 4), target(0), grad=False, note="NaN, the mean of nothing")
    alternating = Const(np.array([1, -1, 1, -1, 0], s.dtype))
    for reduction in REDUCTIONS:
        for margin in (-1.0, 0.0, 0.5):
            yield call(
                s.array(5, 3), s.array(5, 3), alternating, margin=margin, reduction=reduction, vary=False
            )
    both = Const(np.array([1, -1], s.dtype))
    yield call(np.zeros((2, 3), s.dtype), s.array(2, 3), both, grad=False, note="length 0")
    yield call(s.array(64, 33), s.array(64, 33), target(64), grad=False, vary=False)


def ranking_samples(s: Sampler) -> Iterator[Sample]:
    """Pairs in the right and the wrong order, away from the margin."""

    def first(*shape: int) -> Array:
        return s.array(*shape, gap=1.0)

    def second(*shape: int) -> Array:
        return s.array(*shape, low=-0.4, high=0.4)

    target = signs(s)
    for shape in ((), (1,), (5,), (3, 4), (2, 3, 4)):
        yield call(first(*shape), second(*shape), target(*shape))
    for reduction in REDUCTIONS:
        for margin in (0.25, -0.25):
            yield call(first(3, 4), second(3, 4), target(3, 4), margin=margin, reduction=reduction)
    yield call(first(3, 4), second(1, 4), target(3, 1), note="broadcast")
    yield call(first(0, 3), second(0, 3), target(0, 3), reduction="sum")
    yield call(first(0, 3), second(0, 3), target(0, 3), grad=False, note="NaN, the mean of nothing")
    edges = s.edges()
    yield call(
        edges, edges[::-1].copy(), target(edges.size), reduction="none", grad=False, note="edge values"
    )


def multi_margin_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, no batch, both powers, weights of classes."""

    def scores(*shape: int) -> Array:
        return (np.round(s.array(*shape) * 4) / 4).astype(s.dtype)  # never a margin of 0.9 apart

    for batch in (1, 2, 5):
        yield call(scores(batch, 4), s.index(batch, high=4), margin=0.9)
    yield call(scores(4), s.index(high=4), margin=0.9)
    yield call(scores(4), s.index(1, high=4), margin=0.9, reduction="none")
    # PyTorch answers memory that nobody wrote.
    yield call(scores(0, 4), s.index(0, high=4), reduction="sum", peer=False)
    yield call(scores(0, 4), s.index(0, high=4), grad=False, peer=False, note="NaN, the mean of nothing")
    weight = Const(np.array([0.5, 2.0, 0.0, 1.5], s.dtype))
    for reduction in REDUCTIONS:
        for p in (1, 2):
            options: dict[str, Any] = {"p": p, "margin": 0.9, "reduction": reduction}
            yield call(scores(5, 4), s.index(5, high=4), **options)
            yield call(scores(5, 4), s.index(5, high=4), weight=weight, **options)
    yield call(scores(64, 10), s.index(64, high=10), grad=False)
    special = np.array([[1, np.nan, 0], [np.nan, 1, 2], [np.inf, 1, 2], [1, np.inf, -np.inf]], s.dtype)
    yield call(special, Const(np.zeros(4, np.int64)), reduction="none", grad=False, note="NaN and infinities")


def soft_margin_samples(s: Sampler) -> Iterator[Sample]:
    """Logits of either sign, also large ones."""
    yield from pairs(s.array, signs(s))
    yield call(s.array(3, 4), signs(s)(4), note="broadcast")
    large = np.array([200.0, -200.0, 200.0, -200.0], s.dtype)
    goal = Const(np.array([1.0, 1.0, -1.0, -1.0], s.dtype))
    yield call(large, goal, reduction="none", grad=False, note="large logits", peer=False)
    yield call(np.array([0.0, np.nan], s.dtype), goal.array[:2].copy(), reduction="none", grad=False)


def multilabel_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, no batch, weights."""

    def target(*shape: int) -> Const:
        return Const(np.asarray(s.rng.integers(0, 2, shape)).astype(s.dtype))

    for shape in ((4,), (1, 4), (2, 4), (5, 4), (2, 3, 4)):
        yield call(s.array(*shape), target(*shape))
    for reduction in REDUCTIONS:
        yield call(s.array(5, 4), s.array(5, 4, low=0, high=1), reduction=reduction)
        yield call(s.array(5, 4), target(5, 4), s.array(4, low=0.5), reduction=reduction)
    yield call(s.array(0, 4), target(0, 4), reduction="none")
    yield call(s.array(0, 4), target(0, 4), grad=False, note="NaN, the mean of nothing")


def triplet_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, no batch, several norms, swapped."""

    def near(*shape: int) -> Array:
        return s.array(*shape, low=0, high=1)

    for shape in ((4,), (1, 4), (2, 4), (5, 4), (2, 3, 4)):
        yield call(near(*shape), near(*shape), near(*shape), margin=4.0)
    for reduction in REDUCTIONS:
        for p in (1.0, 1.5, 2, 3.0):
            for swap in (False, True):
                options: dict[str, Any] = {"margin": 6.0, "p": p, "swap": swap, "reduction": reduction}
                yield call(near(3, 4), near(3, 4) + 2, near(3, 4) - 2, **options)
    yield call(near(3, 4), near(3, 4), near(3, 4) + 9, reduction="sum", note="far enough", grad=False)
    yield call(near(0, 4), near(0, 4), near(0, 4), reduction="sum")
    yield call(near(0, 4), near(0, 4), near(0, 4), grad=False, note="NaN, the mean of nothing")
    yield call(near(2, 3), near(2, 3), near(2, 3), margin=4.0, eps=0.5)


def loss(
    name: str,
    reference: Callable[..., Any],
    samples: Callable[[Sampler], Iterator[Sample]],
    *errors: ErrorInput,
    registered: bool = False,
    kinks: tuple[Kink, ...] = (),
    **options: Any,
) -> OpSpec:
    """A record of a loss."""
    return OpSpec(
        name,
        reference,
        samples,
        function=quiet(name) if name in WARNING else f"nn.functional.{name}",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.COMPOSITIONS[name],
        boundary=BOUNDS[name],
        registered=registered,
        errors=errors,
        kinks=kinks,
        **options,
    )


WARNING = ("l1_loss", "smooth_l1_loss", "huber_loss", "kl_div")


LEAST_VARIANCE = float(np.float32(1e-12))  # PyTorch has it in float32
LABELS = Const(np.array([0, 2]))
CLASS = Const(np.array([0, 3]))
SIGNS = Const(np.array([1.0, -1.0]))
NONE = {"reduction": "none"}

SPECS = (
    loss(
        "l1_loss",
        ref.l1_loss_op,
        l1_samples,
        SHAPES,
        UNKNOWN,
        bad(ValueError, "same size", X, X, weight=np.ones(3)),
        bad(RuntimeError, "floating|dtype", Const(np.array([1, 2])), Const(np.array([3, 4]))),
        kinks=(Kink((np.array([1.0, 2.0]), np.array([1.0, 3.0])), ([0, -1], [0, 1]), NONE),),
    ),
    loss(
        "smooth_l1_loss",
        ref.smooth_l1_loss_op,
        curved("beta", 0.75, 2.0),
        SHAPES,
        UNKNOWN,
        bad(RuntimeError, "beta", X, X, beta=-1.0),
        bad(NotImplementedError, "Long|float", Const(np.array([1, 2])), Const(np.array([3, 4]))),
        kinks=(
            Kink(
                (np.array([1.0, 2.0, np.inf, 4.0]), np.array([1.0, 3.0, 0.0, 0.0])),
                ([0, -1, 1, 1], [0, 1, -1, -1]),
                NONE,
            ),
            Kink((np.array([1.0, 2.0]), np.array([1.0, 3.0])), ([0, -1], [0, 1]), {"beta": 0.0, **NONE}),
        ),
    ),
    loss(
        "huber_loss",
        ref.huber_loss_op,
        curved("delta", 0.75, 2.0),
        SHAPES,
        UNKNOWN,
        bad(RuntimeError, "delta", X, X, delta=0.0),
        bad(ValueError, "same size", X, X, weight=np.ones(3)),
        kinks=(
            Kink(
                (np.array([1.0, 2.0, np.inf, 4.0]), np.array([1.0, 3.0, 0.0, 0.0])),
                ([0, -1, 1, 1], [0, 1, -1, -1]),
                NONE,
            ),
        ),
    ),
    loss(
        "binary_cross_entropy",
        ref.binary_cross_entropy_op,
        bce_samples,
        bad(NotImplementedError, "float", Const(np.zeros((2, 3), np.int64)), X, peer=False),
        bad(ValueError, "size", X, WIDE),
        UNKNOWN,
        bad(RuntimeError, "between 0 and 1", X + 1, X),
        bad(RuntimeError, "between 0 and 1", X - 1, X),
        bad(RuntimeError, "between 0 and 1", X * np.nan, X),
        bad(RuntimeError, "between 0 and 1", X, X + 1),
        bad(RuntimeError, "between 0 and 1", X, X * np.nan),
        bad(RuntimeError, "dtype", X, X.astype(np.float32)),
        bad(RuntimeError, "float|dtype", X, Const(np.zeros((2, 3), np.int64))),
        bad(RuntimeError, "size|shape|broadcast|expand", X, X, np.ones(4)),
        bad(RuntimeError, "size|shape|broadcast|expand", X, X, np.ones((5, 2, 3)), reduction="none"),
        registered=True,
        kinks=(
            Kink(
                (np.array([0.0, 1.0, 0.0, 1.0]), Const(np.array([0.0, 1.0, 1.0, 0.0]))),
                ([0, 0, -1 / LEAST_VARIANCE, 1 / LEAST_VARIANCE],),
                NONE,
            ),
        ),
    ),
    loss(
        "binary_cross_entropy_with_logits",
        ref.binary_cross_entropy_with_logits_op,
        logits_samples,
        bad(ValueError, "size", X, WIDE),
        UNKNOWN,
        bad(RuntimeError, "float|dtype|type", X, Const(np.zeros((2, 3), np.int64))),
        bad(RuntimeError, "size|shape|expand", X, X, np.ones(4)),
        bad(RuntimeError, "size|shape|expand", X, X, np.ones((5, 2, 3)), reduction="none"),
        bad(RuntimeError, "size|shape", X, X, pos_weight=np.ones(4)),
        gradient_tolerance=2.0,
        registered=True,
        kinks=(Kink((np.zeros(2), np.array([0.0, 1.0])), ([0.5, -0.5], [0, 0]), NONE),),
    ),
    loss(
        "kl_div",
        ref.kl_div_op,
        kl_samples,
        SHAPES,
        UNKNOWN,
        bad(RuntimeError, "Integral", X, Const(np.zeros((2, 3), np.int64))),
    ),
    loss("poisson_nll_loss", ref.poisson_nll_loss_op, poisson_samples, SHAPES, UNKNOWN),
    loss(
        "gaussian_nll_loss",
        ref.gaussian_nll_loss_op,
        gaussian_samples,
        bad(RuntimeError, "size|shape", X, WIDE, X),
        bad(ValueError, "not valid|not a valid", X, X, X, reduction="average"),
        bad(ValueError, "negative", X, X, -X),
        bad(ValueError, "negative", X, X, -2.0),
        bad(ValueError, "size", X, X, np.ones(3)),
        bad(ValueError, "size", X, X, np.ones((1, 1))),
        bad(TypeError, ".", X, X, 2),
        kinks=(Kink((np.zeros(1), np.zeros(1), np.array([0.25])), ([0], [0], [1.0]), {"eps": 0.5}),),
    ),
    loss(
        "hinge_embedding_loss",
        ref.hinge_embedding_loss_op,
        hinge_samples,
        SHAPES,
        UNKNOWN,
        kinks=(Kink((np.array([1.0, 1.0]), SIGNS), ([1, -1],), NONE),),
    ),
    loss(
        "cosine_embedding_loss",
        ref.cosine_embedding_loss_op,
        cosine_samples,
        bad(RuntimeError, "target", X, X, X),
        bad(RuntimeError, "target", X, X, np.array(1.0)),
        bad(RuntimeError, "target", X[0], X[0], np.ones(1)),
        bad(RuntimeError, "size|shape", X, WIDE, SIGNS),
        bad(RuntimeError, "size|shape", X, X, np.ones(3)),
        bad(ValueError, "reduction|not a valid", X, X, SIGNS, reduction="average"),
    ),
    loss(
        "margin_ranking_loss",
        ref.margin_ranking_loss_op,
        ranking_samples,
        bad(RuntimeError, "dimension", X, X, np.ones(3)),
        bad(RuntimeError, "size|shape", X, WIDE, X),
        bad(ValueError, "reduction|not a valid", X, X, X, reduction="average"),
        kinks=(Kink((np.ones(2), np.ones(2), SIGNS), ([-1, 1], [1, -1]), NONE),),
    ),
    loss(
        "multi_margin_loss",
        ref.multi_margin_loss_op,
        multi_margin_samples,
        bad(ValueError, "p == 1", X, LABELS, p=3),
        bad(RuntimeError, "range", X, CLASS),
        bad(RuntimeError, "range", X, Const(np.array([0, -1]))),
        bad(RuntimeError, "target", X, Const(np.array([0, 1, 2]))),
        bad(RuntimeError, "Long", X, Const(np.array([0.0, 1.0]))),
        bad(RuntimeError, "weight", X, LABELS, weight=np.ones(4)),
        bad(ValueError, "weight", X, LABELS, weight=X),
        bad(RuntimeError, "dtype|type", X, LABELS, weight=np.ones(3, np.float32)),
        bad(RuntimeError, "vector or matrix", X[None], LABELS),
        bad(RuntimeError, "vector or matrix", np.zeros((2, 0)), LABELS),
        bad(ValueError, "reduction|not a valid", X, LABELS, reduction="average"),
        kinks=(Kink((np.array([[1.0, 0.0, 2.0]]), Const(np.array([0]))), ([[-1 / 3, 0, 1 / 3]],), NONE),),
    ),
    loss(
        "soft_margin_loss",
        ref.soft_margin_loss_op,
        soft_margin_samples,
        SHAPES,
        UNKNOWN,
        bad(RuntimeError, "float|type", Const(np.array([1, 2])), Const(np.array([1, 1]))),
        kinks=(Kink((np.zeros(2), SIGNS), ([-0.5, 0.5],), NONE),),
    ),
    loss(
        "multilabel_soft_margin_loss",
        ref.multilabel_soft_margin_loss_op,
        multilabel_samples,
        SHAPES,
        UNKNOWN,
        bad(RuntimeError, "size|shape", X, X, np.ones(4)),
        bad(IndexError, "[Dd]imension", np.array(1.0), np.array(1.0)),
    ),
    loss(
        "triplet_margin_loss",
        ref.triplet_margin_loss_op,
        triplet_samples,
        bad(RuntimeError, "dimension", X, X, X[0]),
        bad(ValueError, "margin", X, X, X, margin=0.0),
        bad(RuntimeError, "size|shape", X, X, WIDE),
        bad(ValueError, "reduction|not a valid", X, X, X, reduction="average"),
    ),
)
