"""A batch-normalised convolutional network for MNIST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor


class MNISTCNN(nn.Module):
    """Four convolutions of 3 x 3 with batch normalisation, for images of 28 x 28.

    Two times [convolution, BatchNorm, ReLU] with *channels* maps, max pooling, the same with twice the
    maps, max pooling, dropout, one linear layer. Convolutions have no bias, since normalisation takes it
    away. 32,154 parameters with the defaults.

    S. Ioffe, C. Szegedy, "Batch Normalization" (arXiv 1502.03167); K. Simonyan, A. Zisserman, "Very Deep
    Convolutional Networks" (arXiv 1409.1556) for pairs of small kernels.

    Args:
        num_classes: outputs. Default 10.
        in_channels: of the images. Default 1.
        channels: maps of the first two convolutions. Default 16, which is quick on a CPU; 32 is usual
            and needs nearly four times the work.
        dropout: probability of dropping an input of the linear layer. Default 0.25.

    Input [N, in_channels, 28, 28], output [N, num_classes] (logits).
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int = 1, channels: int = 16, dropout: float = 0.25
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for width in (channels, 2 * channels):
            for _ in range(2):
                layers += [
                    nn.Conv2d(before, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(before * 7 * 7, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(self.features(x).flatten(1)))
        return logits
