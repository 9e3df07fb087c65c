"""One training step of recurrent layers."""

from __future__ import annotations

from . import common


class Step:
    """A layer and a linear one on its last output, SGD with momentum: 64 units, batch 16, 32 steps of time,
    or 128 units, batch 32, 64 steps."""

    params = (["verigrad", "torch"], [1, 2], ["LSTM", "GRU", "RNN"], [64, 128])
    param_names = ["library", "threads", "kind", "units"]

    def setup(self, library: str, threads: int, kind: str, units: int) -> None:
        batch, steps = (16, 32) if units == 64 else (32, 64)
        self.work = common.recurrent_step(library, kind, units, batch, steps, threads)

    def time_step(self, library: str, threads: int, kind: str, units: int) -> None:
        self.work()
