"""Residual networks: torchvision's for ImageNet, and one for small images.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor


class BasicBlock(nn.Module):
    """relu(x' + bn(conv(relu(bn(conv(x)))))), both convolutions 3 x 3 (figure 2 of the paper).

    Args:
        inplanes, planes: channels that come in and go out.
        stride: of the first convolution. Default 1.
        downsample: makes x' of x where the shapes differ. Default None: x itself.
        groups, base_width: as in torchvision; only 1 and 64 are possible.

    Raises:
        ValueError: other groups or another width.
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
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


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1 to four times the channels, each with batch normalisation.

    The stride is that of the middle one, as in torchvision; the paper's is that of the first.

    Args:
        inplanes, planes: channels that come in, and a quarter of those that go out.
        stride, downsample: as of `BasicBlock`.
        groups, base_width: groups of the middle convolution, and its channels as a part of 64 of *planes*.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        width = planes * base_width // 64 * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        result: Tensor = self.relu(self.bn3(self.conv3(out)) + identity)
        return result


class ResNet(nn.Module):
    """A residual network for ImageNet, with torchvision's layers and keys of the state_dict.

    A convolution of 7 x 7 with stride 2 and pooling, four stages of 64, 128, 256 and 512 channels, global
    average pooling, one linear layer. Shortcuts between other shapes are convolutions of 1 x 1 (option B of
    the paper). Convolutions begin with He's normal initialisation by fan-out.

    Args:
        block: the class of the blocks, `BasicBlock` or `Bottleneck`.
        layers: blocks in each of the four stages.
        num_classes: outputs. Default 1000.
        zero_init_residual: begin with weights of 0 in the last normalisation of each block. Default False.
        groups, width_per_group: of the middle convolutions of `Bottleneck`. Default 1 and 64.

    Input [N, 3, H, W], output [N, num_classes] (logits).

    Raises:
        ValueError: *layers* are not four numbers.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        if len(layers) != 4:
            raise ValueError(f"ResNet: expected the blocks of 4 stages, got {list(layers)}")
        self.inplanes, self.groups, self.base_width = 64, groups, width_per_group
        self._make_stem()
        self.layer1 = self._stage(block, 64, layers[0], 1)
        self.layer2 = self._stage(block, 128, layers[1], 2)
        self.layer3 = self._stage(block, 256, layers[2], 2)
        self.layer4 = self._stage(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, BasicBlock | Bottleneck):
                last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                nn.init.zeros_(last.weight)

    def _make_stem(self) -> None:
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)

    def _stage(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int
    ) -> nn.Sequential:
        downsample = None
        out = planes * block.expansion
        if stride != 1 or self.inplanes != out:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )
        shape = (self.groups, self.base_width)
        made: list[nn.Module] = [block(self.inplanes, planes, stride, downsample, *shape)]
        self.inplanes = out
        made += [block(out, planes, 1, None, *shape) for _ in range(1, blocks)]
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self._head(self.layer4(self.layer3(self.layer2(self.layer1(x)))))

    def _head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class SmallResNet(ResNet):
    """A residual network for small images such as CIFAR's 32 x 32 or MNIST's 28 x 28.

    The first convolution is 3 x 3 with stride 1 and no pooling follows it. Everything else, and every key of
    the state_dict, is as in `ResNet`.

    Args:
        block, layers: as of `ResNet`.
        num_classes: outputs. Default 10.
        in_channels: of the images. Default 3.
        dropout: probability of dropping an input of the linear layer. Default 0.

    Input [N, in_channels, H, W], output [N, num_classes] (logits).
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 10,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        self.__dict__["in_channels"] = in_channels
        super().__init__(block, layers, num_classes)
        self.dropout = nn.Dropout(dropout)

    def _head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits

    def _make_stem(self) -> None:
        self.conv1 = nn.Conv2d(self.in_channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity()


def _imagenet(
    name: str, block: type[BasicBlock | Bottleneck], layers: Sequence[int], weights: Any, **kwargs: Any
) -> ResNet:
    if weights is not None:
        raise ValueError(
            f"{name}: expected weights=None, since none are downloaded, got {weights!r}; "
            "load_state_dict(load(path)) takes a file of torchvision's"
        )
    return ResNet(block, layers, **kwargs)


def resnet18(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18 for ImageNet, as in torchvision: two basic blocks in each stage.

    Args:
        weights: None; weights are not downloaded.
        progress: of a download, which there is none of.
        kwargs: further arguments of `ResNet`.

    Raises:
        ValueError: *weights* are given.
    """
    return _imagenet("resnet18", BasicBlock, (2, 2, 2, 2), weights, **kwargs)


def resnet34(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-34 for ImageNet: 3, 4, 6 and 3 basic blocks. Arguments and errors are those of `resnet18`."""
    return _imagenet("resnet34", BasicBlock, (3, 4, 6, 3), weights, **kwargs)


def resnet50(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50 for ImageNet: 3, 4, 6 and 3 bottlenecks. Arguments and errors are those of `resnet18`."""
    return _imagenet("resnet50", Bottleneck, (3, 4, 6, 3), weights, **kwargs)


def small_resnet18(num_classes: int = 10, in_channels: int = 3, dropout: float = 0.0) -> SmallResNet:
    """ResNet-18 for small images: two blocks in each stage, 11,173,962 parameters with the defaults."""
    return SmallResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, dropout)
