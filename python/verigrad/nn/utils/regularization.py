"""Terms that a loss gets against over-fitting, and noise on gradients.

Other regularisation is elsewhere: ``max_norm_`` beside this, ``nn.Dropout`` and ``nn.GaussianNoise``, label
smoothing in ``nn.CrossEntropyLoss``, label noise in ``verigrad.data``, weight decay in ``verigrad.optim``.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ... import _C
from ..._C import Generator, Tensor
from ...autograd import no_grad
from ._norms import listed

if TYPE_CHECKING:
    from ..module import Module

__all__ = ["add_gradient_noise_", "confidence_penalty", "l1_penalty", "l2_penalty"]

Select = str | Iterable[str] | Callable[[str, Tensor], bool] | None


def l1_penalty(module: Module, select: Select = None) -> Tensor:
    """The sum of the magnitudes of parameters, a 0-d tensor: ``sum(abs(w))``. It favours few large weights
    over many small ones.

    Added to a loss with a factor: ``loss + 1e-5 * l1_penalty(model)``. The derivative at 0 is 0.

    Args:
        module: whose parameters, those of its submodules too; one that is used twice counts once.
        select: which of them; default None: all. A predicate of name and parameter, such as
            ``lambda name, w: w.ndim > 1``, which leaves out biases and normalisations; or a pattern of
            names, such as "*.weight", or several, of which one must match.

    Raises:
        ValueError: no parameter is selected.
    """
    return _total(module, select, "l1_penalty", lambda weight: weight.abs().sum())


def l2_penalty(module: Module, select: Select = None) -> Tensor:
    """The sum of the squares of parameters, a 0-d tensor: ``sum(w ** 2)``.

    ``loss + 0.5 * c * l2_penalty(model)`` has the gradients that ``weight_decay=c`` gives SGD and Adam. The
    decay of AdamW is another: it does not pass through the moments (Loshchilov and Hutter 2019, "Decoupled
    Weight Decay Regularization").

    Args:
        module: whose parameters, those of its submodules too; one that is used twice counts once.
        select: which of them, see ``l1_penalty``; default None: all.

    Raises:
        ValueError: no parameter is selected.
    """
    return _total(module, select, "l2_penalty", lambda weight: (weight * weight).sum())


def _total(module: Module, select: Select, name: str, measure: Callable[[Tensor], Tensor]) -> Tensor:
    total: Tensor | None = None
    for parameter_name, parameter in module.named_parameters():
        if _selected(select, parameter_name, parameter):
            part = measure(parameter)
            total = part if total is None else total + part
    if total is None:
        names = [each for each, _ in module.named_parameters()]
        raise ValueError(f"{name}: expected select to match a parameter, got {select!r} for {names}")
    return total


def _selected(select: Select, name: str, parameter: Tensor) -> bool:
    if select is None:
        return True
    if callable(select):
        return bool(select(name, parameter))
    patterns = (select,) if isinstance(select, str) else select
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def confidence_penalty(logits: Tensor, dim: int = 1, threshold: float | None = None) -> Tensor:
    """The negative entropy of predicted distributions, a 0-d tensor: the mean of ``sum(p * log(p))``.

    Added to a loss it punishes networks that are too sure: ``loss + 0.1 * confidence_penalty(logits)``.
    Pereyra et al. 2017, "Regularizing Neural Networks by Penalizing Confident Output Distributions",
    section 3.

    Args:
        logits: any shape with the classes in dimension ``dim``, such as [N, C]; floating-point.
        dim: default 1.
        threshold: entropies, in nats, above this one are not punished: the mean of
            ``max(0, threshold - entropy)``, section 3.1 of the paper. Default None.

    Raises:
        IndexError: there is no such dimension.
        ValueError: ``threshold`` is negative or NaN.
    """
    if threshold is not None and not threshold >= 0:
        raise ValueError(f"confidence_penalty: expected threshold >= 0, got {threshold}")
    # A class that is ruled out, with a logit of minus infinity, has the probability 0 and adds 0.
    log_p = logits.log_softmax(dim).clamp(min=-1e30)
    negative = (log_p.exp() * log_p).sum(dim)
    if threshold is not None:
        negative = (negative + threshold).clamp(min=0)
    return negative.mean()


def add_gradient_noise_(
    parameters: Tensor | Iterable[Tensor],
    step: int,
    eta: float = 0.01,
    gamma: float = 0.55,
    generator: Generator | None = None,
) -> None:
    """Adds normal noise to gradients in place, with the variance ``eta / (1 + step) ** gamma``.

    It is called between ``backward()`` and ``optimizer.step()``. Neelakantan et al. 2015, "Adding Gradient
    Noise Improves Learning for Very Deep Networks".

    Args:
        parameters: one tensor or several; those without a gradient are left alone.
        step: the number of the training step, from 0.
        eta: the variance at step 0; default 0.01. The paper tries 0.3 and 1.0 as well.
        gamma: how fast the variance falls; default 0.55, that of the paper.
        generator: where the draws come from; default None: the default generator.

    Raises:
        ValueError: ``step`` or ``eta`` is negative or not finite.
    """
    for name, value in (("step", step), ("eta", eta)):
        if not 0 <= value < math.inf:
            raise ValueError(f"add_gradient_noise_: expected {name} to be finite and at least 0, got {value}")
    deviation = math.sqrt(eta / (1 + step) ** gamma)
    with no_grad():
        for parameter in listed(parameters):
            if parameter.grad is not None:
                parameter.grad.add_(_C.randn_like(parameter.grad, generator=generator), alpha=deviation)
