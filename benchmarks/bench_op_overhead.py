"""Cost of an op whose arithmetic costs nothing: 8 floats."""

from __future__ import annotations

from . import common


class _Work:
    params = common.LIBRARIES
    param_names = ["library"]

    def time_it(self, library: str) -> None:
        self.work()


class Add(_Work):
    def setup(self, library: str) -> None:
        self.work = common.add_8(library)


class AddRecorded(_Work):
    def setup(self, library: str) -> None:
        self.work = common.add_8(library, grad=True)


class Scale(_Work):
    def setup(self, library: str) -> None:
        self.work = common.scale_8(library)


class Sum(_Work):
    def setup(self, library: str) -> None:
        self.work = common.sum_8(library)


class Backward(_Work):
    def setup(self, library: str) -> None:
        self.work = common.backward_8(library)


class Linear(_Work):
    def setup(self, library: str) -> None:
        self.work = common.linear_8(library)
