"""LeNet-5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor


class LeNet5(nn.Module):
    """LeNet-5 in its modern form, for images of 28 x 28.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition"
    (1998), figure 2: two convolutions of 5 x 5 with 6 and 16 maps, each followed by pooling, then layers of
    120, 84 and *num_classes* units. Modern: ReLU in place of tanh, max pooling in place of learned
    averages, every map of the second convolution sees every one of the first, and the output is linear
    (logits) in place of radial basis functions. The image is padded by 2, to the paper's 32 x 32. 61,706
    parameters with the defaults.

    Args:
        num_classes: outputs. Default 10.
        in_channels: of the images. Default 1.
        dropout: probability of dropping a unit of the layers of 120 and 84. Default 0.

    Input [N, in_channels, 28, 28], output [N, num_classes].
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.dropout(self.relu(self.fc1(x.flatten(1))))
        x = self.dropout(self.relu(self.fc2(x)))
        logits: Tensor = self.fc3(x)
        return logits
