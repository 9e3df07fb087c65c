"""Residual networks for small images, with the names of torchvision's.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor


class BasicBlock(nn.Module):
    """relu(x' + bn(conv(relu(bn(conv(x)))))), both convolutions 3 x 3 (figure 2 of the paper).

    Args:
        inplanes, planes: channels that come in and go out.
        stride: of the first convolution. Default 1.
        downsample: makes x' of x where the shapes differ. Default None: x itself.
    """

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        result: Tensor = self.relu(self.bn2(self.conv2(out)) + identity)
        return result


class ResNet(nn.Module):
    """A residual network for small images such as CIFAR's 32 x 32 or MNIST's 28 x 28.

    The first convolution is 3 x 3 with stride 1 and no pooling follows it, where the network for ImageNet
    has 7 x 7 with stride 2 and pooling. Everything else, and every key of the state_dict, is as in
    torchvision: four stages of 64, 128, 256 and 512 channels, global average pooling, one linear layer.
    Shortcuts between other shapes are convolutions of 1 x 1 (option B of the paper). Convolutions begin
    with He's normal initialisation by fan-out.

    Args:
        block: the class of the blocks, such as `BasicBlock`.
        layers: blocks in each of the four stages.
        num_classes: outputs. Default 10.
        in_channels: of the images. Default 3.
        dropout: probability of dropping an input of the linear layer. Default 0.

    Input [N, in_channels, H, W], output [N, num_classes] (logits).

    Raises:
        ValueError: *layers* are not four numbers.
    """

    def __init__(
        self,
        block: type[BasicBlock],
        layers: Sequence[int],
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(layers) != 4:
            raise ValueError(f"ResNet: expected the blocks of 4 stages, got {list(layers)}")
        self.inplanes = 64
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.layer1 = self._stage(block, 64, layers[0], 1)
        self.layer2 = self._stage(block, 128, layers[1], 2)
        self.layer3 = self._stage(block, 256, layers[2], 2)
        self.layer4 = self._stage(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, block: type[BasicBlock], planes: int, blocks: int, stride: int) -> nn.Sequential:
        downsample = None
        out = planes * block.expansion
        if stride != 1 or self.inplanes != out:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )
        made = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = out
        made += [block(out, planes) for _ in range(1, blocks)]
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits


def resnet18(num_classes: int = 10, in_channels: int = 3, dropout: float = 0.0) -> ResNet:
    """ResNet-18 for small images: two blocks in each stage, 11,173,962 parameters with the defaults."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, dropout)
