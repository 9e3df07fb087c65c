"""One step of optimizers over many small parameters: nearly all of it is overhead."""

from __future__ import annotations

from . import common


class Step:
    """100 parameters of 64 elements."""

    params = (common.LIBRARIES, ["sgd", "adam"])
    param_names = ["library", "optimizer"]

    def setup(self, library: str, optimizer: str) -> None:
        self.work = common.optimizer_step(library, optimizer)

    def time_step(self, library: str, optimizer: str) -> None:
        self.work()
