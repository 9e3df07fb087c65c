"""Convolutional networks: for small images, and torchvision's residual networks for ImageNet."""

from .inception import BasicConv2d, InceptionBlock
from .lenet import LeNet5
from .mnist_cnn import MNISTCNN
from .resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    SmallResNet,
    resnet18,
    resnet34,
    resnet50,
    small_resnet18,
)

__all__ = [
    "BasicBlock",
    "BasicConv2d",
    "Bottleneck",
    "InceptionBlock",
    "LeNet5",
    "MNISTCNN",
    "ResNet",
    "SmallResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "small_resnet18",
]
