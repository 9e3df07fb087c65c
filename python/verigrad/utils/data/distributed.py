"""`DistributedSampler` under PyTorch's path."""

from verigrad.data.distributed import DistributedSampler

__all__ = ["DistributedSampler"]
