"""Wrong labels on purpose: for a batch, or fixed for a whole dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import verigrad

from .dataset import Dataset, batch_getter

if TYPE_CHECKING:
    from verigrad import Generator, Tensor


def noisy_labels(labels: Tensor, p: float, num_classes: int, generator: Generator | None = None) -> Tensor:
    """Labels of which each is replaced, with probability *p*, by a class drawn from all, its own included.

    New draws for each batch are the regularisation of Xie et al. 2016, "DisturbLabel: Regularizing CNN on the
    Loss Layer". In the mean over the draws the loss is that of label smoothing with *p*.

    Args:
        labels: of any shape and integer dtype, classes from 0.
        p: within [0, 1].
        num_classes: how many classes there are.
        generator: source of the draws; None is the default generator.

    Returns:
        A new tensor of the same shape and dtype.

    Raises:
        TypeError: *labels* is no tensor of integers.
        ValueError: *p* is outside of [0, 1], *num_classes* below 1, or a label is none of the classes.
    """
    if not _is_integer(labels):
        got = labels.dtype if isinstance(labels, verigrad.Tensor) else type(labels).__name__
        raise TypeError(f"noisy_labels: expected labels to be a tensor of integers, got {got}")
    replace, drawn = _draw("noisy_labels", labels.shape, p, num_classes, generator, labels.device)
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(
            f"noisy_labels: expected labels within [0, {num_classes - 1}], got {int(labels.min())} to "
            f"{int(labels.max())}"
        )
    return verigrad.where(replace, drawn.to(labels.dtype), labels)


class LabelNoise(Dataset[Any]):
    """A dataset of (input, label) whose labels are wrong for good: the draws are made once.

    Each label is replaced, with probability *p*, by a class drawn from all, its own included. So a network's
    capacity for learning by heart is measured: Zhang et al. 2017, "Understanding Deep Learning Requires
    Rethinking Generalization", section 2.1.

    Args:
        dataset: map-style with ``__len__``; its samples are pairs whose second is an int or an integer tensor
            of one element.
        p: within [0, 1].
        num_classes: how many classes there are.
        generator: source of the draws; None is the default generator.

    Attributes:
        replaced: bool tensor [N]: whose labels were drawn.
        drawn: int64 tensor [N]: what these are.

    Raises:
        ValueError: *p* is outside of [0, 1], or *num_classes* below 1.
        TypeError: a sample is no pair, or its label is of another kind.

    `DataLoader` gathers its batches in native code where *dataset* allows it.
    """

    replaced: Tensor
    drawn: Tensor

    def __init__(
        self, dataset: Dataset[Any], p: float, num_classes: int, generator: Generator | None = None
    ) -> None:
        count = len(dataset)  # type: ignore[arg-type]
        self.replaced, self.drawn = _draw("LabelNoise", (count,), p, num_classes, generator, None)
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.replaced)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        sample = self.dataset[index]
        if not isinstance(sample, list | tuple) or len(sample) != 2:
            raise TypeError(
                f"LabelNoise: expected samples of an input and a label, got {type(sample).__name__}"
            )
        features, label = sample
        tensor = _is_integer(label) and label.numel() == 1
        if not tensor and not isinstance(label, int):
            raise TypeError(f"LabelNoise: expected the label to be an int, got {type(label).__name__}")
        if not self.replaced[index].item():
            return features, label
        drawn = int(self.drawn[index].item())
        return features, verigrad.full_like(label, drawn) if tensor else drawn

    def __getbatch__(self, indices: Tensor) -> Any:
        get, chosen = batch_getter(self.dataset, indices)
        batch = NotImplemented if get is None else get(chosen)
        if not isinstance(batch, list | tuple) or len(batch) != 2:
            return NotImplemented
        features, labels = batch
        if not _is_integer(labels) or labels.numel() != indices.numel():
            return NotImplemented
        replaced, drawn = (
            each.index_select(0, indices.to(each.device)).reshape(labels.shape).to(labels.device)
            for each in (self.replaced, self.drawn)
        )
        return [features, verigrad.where(replaced, drawn.to(labels.dtype), labels)]


def _is_integer(labels: Any) -> bool:
    return (
        isinstance(labels, verigrad.Tensor)
        and not labels.is_floating_point()
        and labels.dtype != verigrad.bool
    )


def _draw(
    name: str, shape: Any, p: float, num_classes: int, generator: Generator | None, device: Any
) -> tuple[Tensor, Tensor]:
    """Which labels are replaced, and a class for each."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected p within [0, 1], got {p}")
    if num_classes < 1:
        raise ValueError(f"{name}: expected num_classes to be at least 1, got {num_classes}")
    size = tuple(shape)
    replace = verigrad.rand(size=size, generator=generator, device=device) < p
    return replace, verigrad.randint(0, num_classes, size, generator=generator, device=device)
