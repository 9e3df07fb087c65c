"""Convolutional networks and single convolutions."""

from __future__ import annotations

from . import common


class Step:
    """One training step of LeNet-5 and of a network of 32 and 64 channels, batch 64."""

    params = (["verigrad", "torch"], [1, 2], ["lenet", "cnn"])
    param_names = ["library", "threads", "network"]

    def setup(self, library: str, threads: int, network: str) -> None:
        self.work = common.cnn_step(library, network, threads=threads)

    def time_step(self, library: str, threads: int, network: str) -> None:
        self.work()

    def peakmem_step(self, library: str, threads: int, network: str) -> None:
        self.work()


class Convolution:
    """Forward and backward of 3x3 convolutions of ResNets, batch 32."""

    params = (["verigrad", "torch"], [1, 2], ["64x56x56", "128x28x28"])
    param_names = ["library", "threads", "shape"]

    def setup(self, library: str, threads: int, shape: str) -> None:
        channels, size, _ = map(int, shape.split("x"))
        self.work = common.conv_step(library, channels, size, threads)

    def time_forward_backward(self, library: str, threads: int, shape: str) -> None:
        self.work()

    def peakmem_forward_backward(self, library: str, threads: int, shape: str) -> None:
        self.work()
