"""An epoch of batches, without a network: from memory, and from image files by two processes."""

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


class Folder:
    params = common.LIBRARIES
    param_names = ["library"]
    timeout = 240

    def setup(self, library: str) -> None:
        self.work = common.folder_epoch(library)

    def time_epoch(self, library: str) -> None:
        self.work()
