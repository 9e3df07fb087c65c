"""Metrics of classifiers and regressors, streaming over batches; the definitions are scikit-learn's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import verigrad

if TYPE_CHECKING:
    from numpy import ndarray

    from verigrad import Tensor

_AVERAGES = ("binary", "micro", "macro", "weighted", None)


class Metric:
    """Base of metrics: ``reset``, then ``update`` with each batch, then ``compute``.

    A subclass keeps what it has counted in attributes of plain data (numbers, lists, tensors), which a
    checkpoint within an epoch holds.

    Attributes:
        name: of its column in a history, where a list of metrics is given.
    """

    name = "metric"

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define reset")

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take the outputs and targets of a batch."""
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define update")

    def compute(self) -> Any:
        """The value over all batches since the last reset: a float, or a tensor."""
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define compute")

    def state_dict(self) -> dict[str, Any]:
        """What has been counted so far."""
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        vars(self).update(state)


class MeanLoss:
    """The mean of a loss over samples: each batch's mean counts as often as it has samples. NaN before the
    first."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, loss: float, samples: int) -> None:
        self.total += loss * samples
        self.count += samples

    def compute(self) -> float:
        return self.total / self.count if self.count else float("nan")


class Accuracy(Metric):
    """The share of samples that are classified rightly, 0 .. 1; NaN before the first sample.

    Outputs are scores [B, C], of which the largest counts (the first of equals); with *threshold*, one score
    for each sample ([B] or [B, 1]), whose class is 1 above it and 0 elsewhere. Targets are class numbers
    (int64, [B]) or, without *threshold*, class probabilities ([B, C], whose largest entry counts).

    Args:
        threshold: for binary scores: 0.0 for logits, 0.5 for probabilities. Default None.

    Attributes:
        correct, count: samples classified rightly, and seen.
    """

    name = "accuracy"

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        self.correct = 0
        self.count = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        predicted, target = _classes("Accuracy", output, target, self.threshold)
        self.correct += int((predicted == target).sum().item())
        self.count += len(target)

    def compute(self) -> float:
        return self.correct / self.count if self.count else float("nan")


class TopKAccuracy(Metric):
    """The share of samples whose target is among the *k* largest outputs, 0 .. 1; NaN before the first
    sample.

    Of equal outputs that of the higher class counts as larger, as in scikit-learn's
    ``top_k_accuracy_score``.

    Args:
        k: how many; default 5.

    Raises:
        ValueError: *k* is not a positive int.
    """

    def __init__(self, k: int = 5) -> None:
        if type(k) is not int or k < 1:
            raise ValueError(f"TopKAccuracy: expected k to be a positive int, got {k!r}")
        self.k = k
        self.reset()

    @property
    def name(self) -> str:  # type: ignore[override]  # says k
        return f"top{self.k}_accuracy"

    def reset(self) -> None:
        self.correct = 0
        self.count = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        if output.ndim != 2 or target.ndim != 1 or len(output) != len(target):
            raise ValueError(
                f"TopKAccuracy: expected output [B, C] with target [B], got {list(output.shape)} and "
                f"{list(target.shape)}"
            )
        output = output.detach()
        column = target.reshape(-1, 1)
        own = output.gather(1, column)
        later = verigrad.arange(output.shape[1], device=output.device) > column
        ahead = ((output > own) | ((output == own) & later)).sum(1)
        self.correct += int(((ahead < self.k) & ~own.isnan().reshape(-1)).sum().item())
        self.count += len(target)

    def compute(self) -> float:
        return self.correct / self.count if self.count else float("nan")


class ConfusionMatrix(Metric):
    """How often each class was taken for each: int64 [C, C], a row for the true class, a column for the
    predicted one.

    Args:
        classes: C; default None, as many as the outputs have columns or as have occurred.
        threshold: as for `Accuracy`.

    ``update`` takes what `Accuracy` takes, and class numbers (int64, [B]) as outputs.

    Raises:
        ValueError: in ``update``: a class number is negative or not below *classes*.
    """

    name = "confusion_matrix"

    def __init__(self, classes: int | None = None, threshold: float | None = None) -> None:
        if classes is not None and (type(classes) is not int or classes < 1):
            raise ValueError(f"{type(self).__name__}: expected classes to be a positive int, got {classes!r}")
        self.classes = classes
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        self.counts = verigrad.zeros(self.classes or 0, self.classes or 0, dtype=verigrad.int64)

    def update(self, output: Tensor, target: Tensor) -> None:
        import numpy

        who = type(self).__name__
        columns = output.shape[1] if output.ndim == 2 and self.threshold is None else 0
        predicted, target = _classes(who, output, target, self.threshold)
        guessed, actual = (numpy.asarray(one.cpu().numpy()).ravel() for one in (predicted, target))
        highest = max((int(one.max()) for one in (guessed, actual) if one.size), default=-1)
        lowest = min((int(one.min()) for one in (guessed, actual) if one.size), default=0)
        if lowest < 0 or (self.classes is not None and highest >= self.classes):
            limit = "not negative" if self.classes is None else f"from 0 to {self.classes - 1}"
            wrong = lowest if lowest < 0 else highest
            raise ValueError(f"{who}: expected class numbers {limit}, got {wrong}")
        size = max(len(self.counts), columns, highest + 1)
        counts = numpy.zeros((size, size), numpy.int64)
        counts[: len(self.counts), : len(self.counts)] = self.counts.numpy()
        counts += numpy.bincount(actual * size + guessed, minlength=size * size).reshape(size, size)
        self.counts = verigrad.from_numpy(counts)

    def compute(self) -> Any:
        return self.counts.clone()


class _Share(ConfusionMatrix):
    """A ratio of counts for each class, and its averages; a subclass says which."""

    def __init__(
        self,
        average: str | None = "macro",
        zero_division: float = 0.0,
        classes: int | None = None,
        threshold: float | None = None,
    ) -> None:
        who = type(self).__name__
        if average not in _AVERAGES:
            raise ValueError(f"{who}: expected average to be one of {_AVERAGES}, got {average!r}")
        if not (zero_division in (0, 1) or (isinstance(zero_division, float) and math.isnan(zero_division))):
            raise ValueError(f"{who}: expected zero_division to be 0, 1 or NaN, got {zero_division!r}")
        self.average = average
        self.zero_division = float(zero_division)
        super().__init__(classes, threshold)

    def compute(self) -> Any:
        import numpy

        counts = self.counts.numpy()
        right, guessed, actual = counts.diagonal(), counts.sum(0), counts.sum(1)
        if self.average == "binary":
            if len(counts) > 2:
                raise ValueError(
                    f"{type(self).__name__}: expected two classes for the average 'binary', got {len(counts)}"
                )
            padded = [numpy.append(one, [0, 0])[1:2] for one in (right, guessed, actual)]
            return float(self._shares(*padded)[0]) if counts.sum() else float("nan")
        if self.average is None:
            return verigrad.from_numpy(self._shares(right, guessed, actual))
        if not counts.sum():
            return float("nan")
        if self.average == "micro":
            return float(self._shares(*(one.sum(keepdims=True) for one in (right, guessed, actual)))[0])
        # As in scikit-learn, classes that occur neither as target nor as prediction do not count.
        present = (guessed + actual) > 0
        shares = self._shares(right, guessed, actual)
        weights = present.astype(float) if self.average == "macro" else actual.astype(float)
        known = present & ~numpy.isnan(shares)
        total = float(weights[known].sum())
        if not known.any():
            return float("nan")
        if not total:  # no class that is left has a target: their plain mean
            return float(shares[known].mean())
        return float((shares[known] * weights[known]).sum() / total)

    def _shares(self, right: Any, guessed: Any, actual: Any) -> ndarray[Any, Any]:
        raise NotImplementedError

    def _divided(self, over: Any, under: Any) -> ndarray[Any, Any]:
        import numpy

        result = numpy.full(len(over), self.zero_division)
        numpy.divide(over, under, out=result, where=under > 0)
        return result


class Precision(_Share):
    """Of the samples that were given a class, the share that has it; NaN before the first sample.

    Args:
        average: over the classes: "macro" (default), the plain mean; "weighted", by the number of samples of
            each class; "micro", of all counts together; "binary", class 1 alone; None, a float64 tensor [C].
        zero_division: the share where nothing was given the class: 0.0 (default), 1.0, or NaN, which leaves
            the class out of the averages.
        classes, threshold: as for `ConfusionMatrix`.

    Averages leave out classes that occur neither as target nor as prediction, as
    ``sklearn.metrics.precision_score`` does.

    Raises:
        ValueError: an unknown *average* or *zero_division*; in ``compute``, more than two classes with
            "binary".
    """

    name = "precision"

    def _shares(self, right: Any, guessed: Any, actual: Any) -> ndarray[Any, Any]:
        return self._divided(right, guessed)


class Recall(_Share):
    """Of the samples of a class, the share that was given it. Arguments and errors as for `Precision`."""

    name = "recall"

    def _shares(self, right: Any, guessed: Any, actual: Any) -> ndarray[Any, Any]:
        return self._divided(right, actual)


class F1(_Share):
    """The harmonic mean of precision and recall, ``2 tp / (2 tp + fp + fn)``. Arguments and errors as for
    `Precision`; *zero_division* is for classes without any of these."""

    name = "f1"

    def _shares(self, right: Any, guessed: Any, actual: Any) -> ndarray[Any, Any]:
        return self._divided(2 * right, guessed + actual)


class MAE(Metric):
    """The mean absolute error over all elements; NaN before the first sample.

    Raises:
        ValueError: in ``update``: output and target differ in shape.
    """

    name = "mae"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        output, target = _values("MAE", output, target)
        self.total += float((output - target).abs().sum().item())
        self.count += target.numel()

    def compute(self) -> float:
        return self.total / self.count if self.count else float("nan")


class R2(Metric):
    """The coefficient of determination, ``1 - sum (y - output)^2 / sum (y - mean y)^2``.

    For targets [B, ...] the mean over the outputs. A target without spread counts as 1 where it is met
    exactly and as 0 elsewhere, as in ``sklearn.metrics.r2_score``. NaN before the second sample.

    The spread is merged batch by batch (Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
    variance", eq. 2.1), in float64.

    Raises:
        ValueError: in ``update``: output and target differ in shape.
    """

    name = "r2"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.mean: Any = None
        self.spread: Any = None
        self.error: Any = None

    def update(self, output: Tensor, target: Tensor) -> None:
        output, target = (one.reshape(len(one), -1) for one in _values("R2", output, target))
        if not len(target):
            return
        mean = target.mean(0)
        spread = ((target - mean) ** 2).sum(0)
        error = ((target - output) ** 2).sum(0)
        if not self.count:
            self.count, self.mean, self.spread, self.error = len(target), mean, spread, error
            return
        total = self.count + len(target)
        shift = mean - self.mean
        self.spread = self.spread + spread + shift**2 * (self.count * len(target) / total)
        self.mean = self.mean + shift * (len(target) / total)
        self.error = self.error + error
        self.count = total

    def compute(self) -> float:
        if self.count < 2:
            return float("nan")
        pairs = zip(self.error.tolist(), self.spread.tolist(), strict=True)
        shares = [1 - error / spread if spread else float(not error) for error, spread in pairs]
        return sum(shares) / len(shares)


_NAMED: dict[str, type[Metric]] = {
    one.name: one for one in (Accuracy, ConfusionMatrix, Precision, Recall, F1, MAE, R2)
}


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Metrics by name: of a mapping, or of a sequence of metrics and names such as "accuracy".

    Raises:
        TypeError: it is neither, or holds something that is no metric.
        ValueError: an unknown name, or one that comes twice.
    """
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    elif isinstance(metrics, list | tuple):
        made = [_NAMED[one]() if isinstance(one, str) and one in _NAMED else one for one in metrics]
        pairs = [(getattr(one, "name", one), one) for one in made]
    else:
        raise TypeError(f"metrics: expected a mapping or a list, got {type(metrics).__name__}")
    for name, one in pairs:
        if isinstance(one, str):
            raise ValueError(f"metrics: expected one of {', '.join(_NAMED)}, got {one!r}")
        methods = [getattr(one, method, None) for method in ("reset", "update", "compute")]
        if isinstance(one, type) or not all(map(callable, methods)):
            raise TypeError(f"metrics: expected metrics, got {type(one).__name__} as {name!r}")
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(f"metrics: expected different names, got {[name for name, _ in pairs]}")
    return dict(pairs)


def _classes(who: str, output: Tensor, target: Tensor, threshold: float | None) -> tuple[Tensor, Tensor]:
    """The predicted and the true class numbers, each [B]."""
    output = output.detach()
    if threshold is not None:
        if output.numel() != target.numel() or len(output) != len(target):
            raise ValueError(
                f"{who}: expected one output for each target, got {list(output.shape)} and "
                f"{list(target.shape)}"
            )
        return (output.reshape(-1) > threshold).long(), target.reshape(-1).long()
    if output.ndim == 1 and not output.dtype.is_floating_point and output.shape == target.shape:
        return output, target
    if output.ndim != 2 or target.ndim not in (1, 2) or output.shape[0] != target.shape[0]:
        raise ValueError(
            f"{who}: expected output [B, C] with target [B] or [B, C], "
            f"got {list(output.shape)} and {list(target.shape)}"
        )
    return output.argmax(1), target.argmax(1) if target.ndim == 2 else target


def _values(who: str, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if output.shape != target.shape:
        raise ValueError(
            f"{who}: expected output and target of one shape, got {list(output.shape)} and "
            f"{list(target.shape)}"
        )
    return output.detach().to(verigrad.float64), target.to(verigrad.float64)
