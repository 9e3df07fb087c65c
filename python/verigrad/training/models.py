"""The networks that the command line knows by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from verigrad import nn


def mlp(
    in_features: int = 28 * 28, hidden: Sequence[int] = (64, 64), out_features: int = 10
) -> nn.Sequential:
    """A multilayer perceptron: Flatten, then Linear and ReLU for each hidden size, then Linear.

    Args:
        in_features: values per sample after flattening. Default 784.
        hidden: sizes of the hidden layers. Default (64, 64).
        out_features: values per sample that come out, unnormalised (logits). Default 10.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    size = in_features
    for width in hidden:
        layers += [nn.Linear(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, out_features))


#: Name -> function of the number of classes that builds the network for images of shape [1, 28, 28].
MODELS: dict[str, Callable[[int], nn.Module]] = {"mlp": lambda classes: mlp(out_features=classes)}


def build_model(name: str, classes: int = 10) -> nn.Module:
    """The network *name* with *classes* outputs, freshly initialised from the default generator.

    Raises:
        ValueError: there is no such network.
    """
    if name not in MODELS:
        raise ValueError(f"build_model: expected one of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name](classes)
