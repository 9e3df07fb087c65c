"""PyTorch's path for the data tools: `verigrad.utils.data`."""

from . import data

__all__ = ["data"]
