"""One training step of small perceptrons."""

from __future__ import annotations

from . import common


class Step:
    """784-64-64-10 and a wide layer, batch 64, SGD with momentum."""

    params = (common.LIBRARIES, [1, 2], ["784-64-64-10", "784-wide-10"])
    param_names = ["library", "threads", "network"]

    def setup(self, library: str, threads: int, network: str) -> None:
        widths = (784, 64, 64, 10) if network == "784-64-64-10" else (784, common.sizes.wide_layer, 10)
        self.work = common.mlp_step(library, widths, 64, threads=threads)

    def time_step(self, library: str, threads: int, network: str) -> None:
        self.work()


class TinyStep:
    """10-32-32-2, batch 16, Adam: all of it is overhead."""

    params = common.LIBRARIES
    param_names = ["library"]

    def setup(self, library: str) -> None:
        self.work = common.mlp_step(library, (10, 32, 32, 2), 16, optimizer="adam")

    def time_step(self, library: str) -> None:
        self.work()
