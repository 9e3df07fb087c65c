"""Records of the losses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_loss import quiet
from verigrad.testing.reference import elementwise_losses
from verigrad.testing.reference import loss_tape as parts
from verigrad.testing.reference import losses as ref
from verigrad.testing.samples import Array, Const, Sample, Sampler, call

LOGITS = np.zeros((2, 3))
LABELS = Const(np.array([0, 2]))


def losses(s: Sampler, smoothing: bool) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, no batch, further dimensions; weights, ignored labels, all reductions."""
    low, high = (-3.0, -0.1) if not smoothing else (-3.0, 3.0)

    def draw(*shape: int) -> np.ndarray:
        return s.array(*shape, low=low, high=high)

    def labels(*shape: int) -> Const:
        return s.index(*shape, high=4)

    for batch in (1, 2, 5):
        yield call(draw(batch, 4), labels(batch))
    yield call(draw(4), labels())
    yield call(draw(0, 4), labels(0), grad=False, note="NaN, the mean of nothing")
    yield call(draw(0, 4), labels(0), reduction="sum")
    yield call(draw(2, 4, 3), labels(2, 3))
    # PyTorch's backward fails on a transposed input here: "grad_input must be contiguous".
    yield call(draw(2, 4, 3, 2), labels(2, 3, 2), reduction="none", peer=False)
    weight = Const(np.array([0.5, 2.0, 0.0, 1.5], s.dtype))
    ignored = Const(np.array([1, 3, 0, 1, 3]))
    for reduction in ("mean", "sum", "none"):
        yield call(draw(5, 4), labels(5), reduction=reduction)
        yield call(draw(5, 4), ignored, weight, reduction=reduction)
        yield call(draw(5, 4), ignored, ignore_index=3, reduction=reduction)
        yield call(draw(5, 4), Const(np.array([1, -100, 0, -100, 3])), weight=weight, reduction=reduction)
    yield call(draw(2, 4), Const(np.array([-100, -100])), grad=False, note="NaN, all ignored")
    yield call(draw(2, 4), Const(np.array([-100, -100])), reduction="sum", note="all ignored")
    yield call(draw(1, 1), Const(np.array([0])), grad=not smoothing)
    nothing = Const(np.zeros(4, s.dtype))
    yield call(draw(2, 4), labels(2), nothing, grad=False, note="NaN, no weight is left")
    yield call(draw(2, 4), labels(2), nothing, reduction="sum", grad=False, note="no weight is left")
    yield call(draw(2, 4), Const(np.array([1, 2], np.uint8)), reduction="none")
    special = draw(3, 4)
    special[0, 1], special[1, 2], special[2, 0] = np.nan, np.inf, -np.inf
    for goal in ([1, 2, 0], [0, 0, 1], [-100, -100, -100]):
        yield call(special, Const(np.array(goal)), grad=False, reduction="none", note="NaN and infinities")
    yield call(draw(64, 10), s.index(64, high=10), grad=False)


def nll_samples(s: Sampler) -> Iterator[Sample]:
    """Log-probabilities."""
    yield from losses(s, smoothing=False)


def cross_entropy_samples(s: Sampler) -> Iterator[Sample]:
    """Logits; class labels and probabilities, with and without smoothing."""
    yield from losses(s, smoothing=True)
    weight = Const(np.array([0.5, 2.0, 0.25, 1.5], s.dtype))
    labels = Const(np.array([1, 3, -100, 1, 3]))
    for reduction in ("mean", "sum", "none"):
        yield call(s.array(5, 4), labels, reduction=reduction, label_smoothing=0.2)
        yield call(s.array(5, 4), labels, weight, reduction=reduction, label_smoothing=0.2)
        yield call(s.array(5, 4), s.array(5, 4, low=0, high=1), reduction=reduction)
        yield call(
            s.array(5, 4), s.array(5, 4, low=0, high=1), weight, reduction=reduction, label_smoothing=0.2
        )
    yield call(s.array(2, 4, 3), s.array(2, 4, 3, low=0, high=1))
    yield call(s.array(2, 4, 3), s.index(2, 3, high=4), label_smoothing=0.1)
    yield call(s.array(4), s.array(4, low=0, high=1))
    yield call(s.array(5, 4) * s.dtype.type(200), s.index(5, high=4), grad=False, note="large logits")


def mse_samples(s: Sampler) -> Iterator[Sample]:
    """All reductions, sizes 0 and 1."""
    for shape in ((), (1,), (5,), (3, 4), (2, 3, 4)):
        yield call(s.array(*shape), s.array(*shape))
    yield call(s.array(0, 3), s.array(0, 3), grad=False, note="NaN, the mean of nothing")
    for reduction in ("mean", "sum", "none"):
        yield call(s.array(3, 4), s.array(3, 4), reduction=reduction)
        yield call(s.array(3, 4), s.array(3, 4), reduction=reduction, weight=s.array(3, 4, low=0.5))
    yield call(s.array(0, 3), s.array(0, 3), reduction="sum")
    yield call(s.array(3, 4), s.array(4), note="broadcast")


def class_bounds(s: Sampler, logits: bool) -> Iterator[Sample]:
    """More classes than a vector holds and every option with them; more rows and positions than one thread
    takes."""

    def draw(*shape: int) -> Array:
        return s.array(*shape, low=-3.0, high=3.0 if logits else -0.1)

    for shape in ((67, 33), (5, 17, 131)):
        c, rest = shape[1], (shape[0], *shape[2:])
        weight = Const(s.array(c, low=0.5, high=2.0))
        labels = s.index(*rest, high=c)
        labels.array.reshape(-1)[[0, 7, -1]] = -100
        for reduction in ("mean", "sum", "none"):
            yield call(draw(*shape), labels, reduction=reduction)
            yield call(draw(*shape), labels, weight, reduction=reduction)
        yield call(draw(*shape), s.index(*rest, high=c), ignore_index=3)
        if logits:
            yield call(draw(*shape), labels, weight, label_smoothing=0.2)
            yield call(draw(*shape), s.index(*rest, high=c), label_smoothing=0.2, reduction="none")
            yield call(draw(*shape), s.array(*shape, low=0, high=1), weight, label_smoothing=0.2)
    yield call(draw(70_001, 5), s.index(70_001, high=5))
    yield call(draw(5, 11, 4_801), s.index(5, 4_801, high=11), Const(s.array(11, low=0.5)), reduction="none")


def mse_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors under every reduction; more elements than one thread takes."""
    for reduction in ("mean", "sum", "none"):
        yield call(s.array(37, 67), s.array(37, 67), reduction=reduction)
    yield call(s.array(37, 67), s.array(37, 67), weight=s.array(37, 67, low=0.5))
    yield call(s.array(516, 521), s.array(516, 521))


COMMON = (
    bad(RuntimeError, "dtype|type", LOGITS, LABELS, np.ones(3, np.float32)),
    bad(NotImplementedError, "float|implemented", Const(np.zeros((2, 3), np.int64)), LABELS),
    bad(ValueError, "dimension", np.array(1.0), Const(np.array(0)), peer=False),
    bad(RuntimeError, "target", LOGITS, Const(np.array([[0], [1]]))),
    bad(RuntimeError, "class", np.zeros((2, 0)), LABELS, peer=False),
    bad(IndexError, "[Tt]arget|class|label", LOGITS, Const(np.array([0, 3]))),
    bad(IndexError, "[Tt]arget|class|label", LOGITS, Const(np.array([0, -1]))),
    bad(RuntimeError, "weight", LOGITS, LABELS, np.ones(2)),
    bad(ValueError, "reduction|not a valid", LOGITS, LABELS, reduction="average"),
    bad(ValueError, "batch|size", LOGITS, Const(np.array([0, 1, 2]))),
)

SPECS = (
    OpSpec(
        "nll_loss",
        ref.nll_loss_op,
        nll_samples,
        function="nn.functional.nll_loss",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.nll_loss,
        boundary=lambda s: class_bounds(s, logits=False),
        errors=(*COMMON, bad(RuntimeError, "Long|int64|dtype", LOGITS, Const(np.array([0.0, 1.0])))),
    ),
    OpSpec(
        "cross_entropy",
        ref.cross_entropy_op,
        cross_entropy_samples,
        function="nn.functional.cross_entropy",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.cross_entropy,
        boundary=lambda s: class_bounds(s, logits=True),
        errors=(
            *COMMON,
            bad(RuntimeError, "smoothing", LOGITS, LABELS, label_smoothing=1.5),
            bad(RuntimeError, "Long|int64|[Ff]loat", LOGITS, Const(np.array([0.0, 1.0]))),
        ),
    ),
    OpSpec(
        "mse_loss",
        elementwise_losses.mse_loss_op,
        mse_samples,
        function=quiet("mse_loss"),
        dtypes=FLOATING,
        scale="bound",
        composition=parts.mse_loss,
        boundary=mse_bounds,
        errors=(
            bad(RuntimeError, "size|shape", LOGITS, np.zeros((2, 4))),
            bad(ValueError, "same size", LOGITS, LOGITS, weight=np.ones(3)),
            bad(RuntimeError, "float", LABELS, LABELS, peer=False),
            bad(ValueError, "reduction|not a valid", LOGITS, LOGITS, reduction="average"),
        ),
    ),
)
