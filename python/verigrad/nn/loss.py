"""Loss functions as modules."""

from __future__ import annotations

from .._C import Tensor
from .._C import nn_functional as _native
from . import functional
from .functional._reduction import check_reduction, legacy_reduction
from .module import Module

__all__ = ["CrossEntropyLoss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """A loss with a reduction: "none", "mean" or "sum"."""

    def __init__(self, size_average: bool | None, reduce: bool | None, reduction: str) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = legacy_reduction(size_average, reduce, 4)
        check_reduction(reduction)
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """Cross entropy between the softmax of the input and the target; see ``functional.cross_entropy``.

    Args:
        weight: of each class, [C]; a buffer. Default none.
        size_average: deprecated, see ``reduction``.
        ignore_index: the class index that does not count; default -100.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum"; default "mean".
        label_smoothing: share of the target spread evenly over all classes, 0 to 1; default 0.

    Raises:
        ValueError: ``reduction`` is unknown.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _native.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(_Loss):
    """Negative log likelihood of log-probabilities; see ``functional.nll_loss``.

    Args:
        weight: of each class, [C]; a buffer. Default none.
        size_average: deprecated, see ``reduction``.
        ignore_index: the target value that does not count; default -100.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum"; default "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _native.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(_Loss):
    """Squared error; see ``functional.mse_loss``.

    Args:
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "mean" or "sum"; default "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(input, target, reduction=self.reduction)
