"""What PyTorch's programs ask and set about its libraries: cuDNN, MKL, MPS and others.

verigrad has kernels of its own and OpenBLAS, so most answers are no. Flags may be set, keep their value and
change nothing: results here are what the strictest setting promises. The one exception is
``backends.cuda.matmul.allow_tf32``, which is `verigrad.set_float32_matmul_precision` by another name.
"""

from __future__ import annotations

from . import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
