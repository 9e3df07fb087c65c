"""An epoch of batches from memory, without a network."""

from __future__ import annotations

from . import common


class Epoch:
    params = common.LIBRARIES
    param_names = ["library"]
    timeout = 120

    def setup(self, library: str) -> None:
        self.work = common.loader_epoch(library)

    def time_epoch(self, library: str) -> None:
        self.work()
