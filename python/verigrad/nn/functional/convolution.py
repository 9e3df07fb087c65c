"""Convolutions."""

from ..._C import nn_functional as _native

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

conv1d = _native.conv1d
conv2d = _native.conv2d
conv3d = _native.conv3d
conv_transpose1d = _native.conv_transpose1d
conv_transpose2d = _native.conv_transpose2d
conv_transpose3d = _native.conv_transpose3d
