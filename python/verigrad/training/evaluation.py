"""A model on data it does not learn from: `evaluate` and `predict`; and what a batch is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn

from .metrics import MeanLoss, named_metrics

if TYPE_CHECKING:
    from verigrad import Tensor

Loss = Callable[[Any, Any], "Tensor"]


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    loss: Loss | None = None,
    metrics: Mapping[str, Any] | list[Any] | tuple[Any, ...] = (),
) -> dict[str, Any]:
    """The mean loss and the metrics of *model* on the batches of *loader*, in eval mode and without
    gradients.

    The mode of the model is restored.

    Args:
        model: whose parameters say on which device.
        loader: batches (inputs, targets): tensors, or tuples, lists and dicts of them.
        loss: of (outputs, targets), a mean over the samples; None: no loss.
        metrics: a mapping of names to metrics, or a list of metrics and names, see `Metric`.

    Returns:
        ``{"loss": .., "<metric>": ..}``.

    Raises:
        ValueError: the loader is empty.
        TypeError: a batch is not a pair, or its targets hold no tensor.
    """
    named = named_metrics(metrics)
    mean = MeanLoss()
    for metric in named.values():
        metric.reset()
    seen = 0
    with evaluating(model):
        device = device_of(model)
        for batch in loader:
            inputs, targets = pair("evaluate", batch, device)
            outputs = model(inputs)
            count = samples("evaluate", targets)
            seen += count
            if loss is not None:
                mean.update(float(loss(outputs, targets).item()), count)
            for metric in named.values():
                metric.update(outputs, targets)
    if not seen:
        raise ValueError("evaluate: expected a loader with at least one sample, got an empty one")
    values = {} if loss is None else {"loss": mean.compute()}
    return values | {name: metric.compute() for name, metric in named.items()}


def predict(model: nn.Module, data: Tensor | Iterable[Any]) -> Tensor:
    """The outputs of *model*, in eval mode and without gradients. The mode of the model is restored.

    Args:
        model: whose parameters say on which device.
        data: a tensor of inputs, or batches: inputs, or pairs (inputs, targets), whose targets are left out.

    Returns:
        The outputs of all batches, one behind the other.

    Raises:
        ValueError: there are no batches.
        TypeError: the model gives something other than tensors.
    """
    whole = isinstance(data, verigrad.Tensor)
    outputs = []
    with evaluating(model):
        device = device_of(model)
        for batch in [data] if whole else data:
            inputs = batch[0] if isinstance(batch, tuple | list) and len(batch) == 2 else batch
            output = model(moved(inputs, device))
            if not isinstance(output, verigrad.Tensor):
                raise TypeError(f"predict: expected a model that gives tensors, got {type(output).__name__}")
            outputs.append(output)
    if not outputs:
        raise ValueError("predict: expected at least one batch, got none")
    return outputs[0] if len(outputs) == 1 else verigrad.cat(outputs)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients for the block; afterwards every module has the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with verigrad.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: nn.Module) -> verigrad.device | None:
    """Where the model's parameters are; None if it has none."""
    return next((parameter.device for parameter in model.parameters()), None)


def moved(value: Any, device: verigrad.device | None) -> Any:
    """Tensors, and those in tuples, lists and dicts, on the device; all else as it is."""
    if device is None:
        return value
    if isinstance(value, verigrad.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(one, device) for one in value))
    if isinstance(value, tuple | list):
        return type(value)(moved(one, device) for one in value)
    if isinstance(value, dict):
        return {name: moved(one, device) for name, one in value.items()}
    return value


def pair(who: str, batch: Any, device: verigrad.device | None) -> tuple[Any, Any]:
    """Inputs and targets, on the device."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{who}: expected batches (inputs, targets), got {type(batch).__name__}")
    return moved(batch[0], device), moved(batch[1], device)


def samples(who: str, targets: Any) -> int:
    """How many samples a batch has, by the first tensor of its targets."""
    queue = [targets]
    while queue:
        one = queue.pop(0)
        if isinstance(one, verigrad.Tensor):
            return len(one) if one.ndim else 1
        if isinstance(one, tuple | list | dict):
            queue[:0] = one.values() if isinstance(one, dict) else one
    raise TypeError(f"{who}: expected targets with a Tensor, got {type(targets).__name__}")
