"""The CPU."""

from __future__ import annotations

from .. import _C

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The vector code in use, by PyTorch's names: "DEFAULT", "AVX2" or "AVX512"."""
    return {"avx2": "AVX2", "avx512": "AVX512"}.get(_C._testing.simd_level(), "DEFAULT")
