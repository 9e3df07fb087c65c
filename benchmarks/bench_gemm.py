"""Matrix products of float32."""

from __future__ import annotations

from . import common


class Square:
    params = (common.LIBRARIES, [1, 2], [256, 1024])
    param_names = ["library", "threads", "size"]

    def setup(self, library: str, threads: int, size: int) -> None:
        self.work = common.gemm(library, size, threads=threads)

    def time_product(self, library: str, threads: int, size: int) -> None:
        self.work()
