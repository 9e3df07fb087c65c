"""The networks that the command line knows by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verigrad import nn
from verigrad.vision import models


def mlp(
    in_features: int = 28 * 28,
    hidden: Sequence[int] = (64, 64),
    out_features: int = 10,
    dropout: float = 0.0,
) -> nn.Sequential:
    """A multilayer perceptron: Flatten, then Linear and ReLU for each hidden size, then Linear.

    Args:
        in_features: values per sample after flattening. Default 784.
        hidden: sizes of the hidden layers. Default (64, 64).
        out_features: values per sample that come out, unnormalised (logits). Default 10.
        dropout: probability of dropping a hidden unit. Above 0, a Dropout layer follows each ReLU. Default 0.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    size = in_features
    for width in hidden:
        layers += [nn.Linear(size, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return nn.Sequential(*layers, nn.Linear(size, out_features))


@dataclass(frozen=True)
class ModelInfo:
    """A network the command line knows: of the number of classes and the probability of dropout, and that
    probability where none is given."""

    build: Callable[[int, float], nn.Module]
    dropout: float = 0.0


#: Networks for images of shape [1, 28, 28].
MODELS: dict[str, ModelInfo] = {
    "mlp": ModelInfo(lambda classes, dropout: mlp(out_features=classes, dropout=dropout)),
    "lenet": ModelInfo(lambda classes, dropout: models.LeNet5(classes, dropout=dropout)),
    "cnn": ModelInfo(lambda classes, dropout: models.MNISTCNN(classes, dropout=dropout), 0.25),
    "resnet": ModelInfo(
        lambda classes, dropout: models.small_resnet18(classes, in_channels=1, dropout=dropout)
    ),
}

#: What `verigrad train` trains without --model.
DEFAULT_MODEL = "cnn"


def build_model(name: str, classes: int = 10, dropout: float | None = None) -> nn.Module:
    """The network *name* with *classes* outputs, freshly initialised from the default generator.

    *dropout*: probability of dropping a unit. Default: that of the network in `MODELS`.

    Raises:
        ValueError: there is no such network.
    """
    if name not in MODELS:
        raise ValueError(f"build_model: expected one of {', '.join(MODELS)}, got {name!r}")
    info = MODELS[name]
    return info.build(classes, info.dropout if dropout is None else dropout)
