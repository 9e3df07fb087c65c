"""Training steps of a small GPT."""

from __future__ import annotations

from . import common


class Step:
    """4 layers of 4 heads on sequences of 64: of width 32, 64 and 128, in batches of 4, 8 and 16."""

    params = (["verigrad", "torch"], [1, 2], ["32x4", "64x8", "128x16"])
    param_names = ["library", "threads", "shape"]

    def setup(self, library: str, threads: int, shape: str) -> None:
        width, batch = map(int, shape.split("x"))
        self.work = common.gpt_step(library, width, batch, threads)

    def time_step(self, library: str, threads: int, shape: str) -> None:
        self.work()

    def peakmem_step(self, library: str, threads: int, shape: str) -> None:
        self.work()
