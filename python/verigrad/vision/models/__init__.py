"""Convolutional networks for small images."""

from .inception import BasicConv2d, InceptionBlock
from .lenet import LeNet5
from .mnist_cnn import MNISTCNN
from .resnet import BasicBlock, ResNet, resnet18

__all__ = ["BasicBlock", "BasicConv2d", "InceptionBlock", "LeNet5", "MNISTCNN", "ResNet", "resnet18"]
