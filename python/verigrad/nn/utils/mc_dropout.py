"""Uncertainty from dropout at test time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ... import _C
from ..._C import Tensor
from ...autograd import no_grad
from ..dropout import _Dropout
from ..module import Module

__all__ = ["mc_dropout"]


@contextmanager
def _only_dropout_trains(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = isinstance(module, _Dropout)
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def mc_dropout(model: Module, *inputs: Any, samples: int = 20, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the outputs over passes with random dropout (Y. Gal, Z. Ghahramani,
    arXiv 1506.02142, equations 6 to 8, without the noise term of the model).

    Only the dropout layers are in training mode meanwhile, so that normalisation layers use and keep their
    running statistics. The mode of every module is restored afterwards, also after an exception. No graph
    is recorded.

    Args:
        model: a module that answers one floating-point tensor.
        inputs: its arguments, such as a batch [N, *].
        samples: number of passes, at least 2; default 20.
        kwargs: keyword arguments of the model.

    Returns:
        Mean and standard deviation (with n - 1), each of the shape of one output.

    Raises:
        ValueError: ``samples`` is less than 2.
        TypeError: the model answers something else than a tensor, or ``samples`` is no integer.
    """
    if not isinstance(samples, int) or isinstance(samples, bool):
        raise TypeError(f"mc_dropout: expected samples to be an int, got {type(samples).__name__}")
    if samples < 2:
        raise ValueError(f"mc_dropout: expected at least 2 samples, got {samples}")
    mean = spread = _C.empty(0)
    with no_grad(), _only_dropout_trains(model):
        for i in range(samples):
            output = model(*inputs, **kwargs)
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"mc_dropout: expected the model to answer a Tensor, got {type(output).__name__}"
                )
            # B. P. Welford's recurrence (Technometrics 4, 1962): no cancellation, and one output in memory.
            if i == 0:
                mean, spread = output.clone(), _C.zeros_like(output)
                continue
            change = output - mean
            mean = mean + change / (i + 1)
            spread = spread + change * (output - mean)
    return mean, (spread / (samples - 1)).sqrt()
