"""Sorting, scans, indexing and contractions of large tensors."""

from __future__ import annotations

from . import large


class Call:
    """One call with a million elements."""

    params = (["verigrad", "torch"], [1, 2], list(large.OPERATIONS))
    param_names = ["library", "threads", "operation"]

    def setup(self, library: str, threads: int, operation: str) -> None:
        self.work = large.large(library, operation, threads)

    def time_call(self, library: str, threads: int, operation: str) -> None:
        self.work()
