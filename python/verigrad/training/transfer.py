"""Transfer learning: keep a part of a model, give it a new head, and let its layers learn at rates of their
own."""

from __future__ import annotations

from typing import Any

from verigrad import nn


def freeze(model: nn.Module, *names: str) -> list[str]:
    """Take parameters out of training (``requires_grad=False``).

    Normalisation layers go on following the statistics of their inputs in training mode.

    Args:
        model: whose parameters.
        names: of parameters, or of modules with all of theirs; none means all.

    Returns:
        The names of the frozen parameters.

    Raises:
        ValueError: a name fits no parameter.
    """
    return _set_requires_grad("freeze", model, names, False)


def unfreeze(model: nn.Module, *names: str) -> list[str]:
    """Put parameters back into training. Arguments, result and errors as for `freeze`."""
    return _set_requires_grad("unfreeze", model, names, True)


def _set_requires_grad(who: str, model: nn.Module, names: tuple[str, ...], value: bool) -> list[str]:
    parameters = dict(model.named_parameters())
    for name in names:
        if not any(one == name or one.startswith(f"{name}.") for one in parameters):
            raise ValueError(f"{who}: expected names of modules or parameters, got {name!r}")
    chosen = [
        one
        for one in parameters
        if not names or any(one == name or one.startswith(f"{name}.") for name in names)
    ]
    for one in chosen:
        parameters[one].requires_grad_(value)
    return chosen


def replace_head(model: nn.Module, outputs: int) -> nn.Linear:
    """Put a new Linear layer in the place of the last one of *model*.

    It has the inputs, the bias, dtype and device of the old one and *outputs* outputs, freshly initialised
    from the default generator, and is trained even where the old one was frozen.

    Returns:
        The new layer.

    Raises:
        ValueError: *model* has no Linear layer inside, or *outputs* is not a positive int.
    """
    if type(outputs) is not int or outputs < 1:
        raise ValueError(f"replace_head: expected outputs to be a positive int, got {outputs!r}")
    found = [(name, one) for name, one in model.named_modules() if name and isinstance(one, nn.Linear)]
    if not found:
        raise ValueError("replace_head: expected a model with a Linear layer inside, got one without")
    name, old = found[-1]
    parent, _, last = name.rpartition(".")
    head = nn.Linear(
        old.in_features,
        outputs,
        bias=old.bias is not None,
        device=old.weight.device,
        dtype=old.weight.dtype,
    )
    setattr(model.get_submodule(parent), last, head)
    return head


def discriminative_rates(model: nn.Module, lr: float, factor: float = 2.6) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer: one for each child of *model*, whose learning rates fall towards
    the inputs.

    Howard and Ruder 2018, "Universal language model fine-tuning for text classification" (arXiv 1801.06146),
    section 3.2. Frozen parameters and children without parameters are left out.

    Args:
        model: its children stand in the order of the forward pass.
        lr: of the last group.
        factor: by which the rate of each group is below that of the one after it; default 2.6, the paper's.

    Returns:
        ``[{"params": [..], "lr": ..}, ..]``, from the inputs to the outputs.

    Raises:
        ValueError: *lr* or *factor* is not above 0, or there is nothing to train.
    """
    if not lr > 0 or not factor > 0:
        raise ValueError(f"discriminative_rates: expected lr and factor above 0, got {lr!r} and {factor!r}")
    seen: set[int] = set()
    groups = []
    for parts in [*([child] for child in model.children()), [model]]:  # last: what lies in no child
        parameters = [one for part in parts for one in part.parameters() if id(one) not in seen]
        seen.update(map(id, parameters))
        trained = [one for one in parameters if one.requires_grad]
        if trained:
            groups.append(trained)
    if not groups:
        raise ValueError("discriminative_rates: expected parameters that require gradients, got none")
    last = len(groups) - 1
    return [
        {"params": parameters, "lr": lr / factor ** (last - place)} for place, parameters in enumerate(groups)
    ]
