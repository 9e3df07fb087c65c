"""How products are computed on CUDA devices."""

from __future__ import annotations

from .. import _C

__all__ = ["is_built", "matmul"]


def is_built() -> bool:
    """Whether CUDA devices can be used."""
    return _C._cuda.device_count() > 0


class _Matmul:
    """Products of float32 matrices on a CUDA device."""

    @property
    def allow_tf32(self) -> bool:
        """Whether they may round to TF32, as `set_float32_matmul_precision` says; False at first."""
        return _C.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"allow_tf32: expected a bool, got {type(value).__name__}")
        _C.set_float32_matmul_precision("high" if value else "highest")


matmul = _Matmul()
