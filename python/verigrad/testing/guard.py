"""Memory that ends where nothing may be read or written."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

PROT_NONE = 0  # the same number on Linux and macOS
AVAILABLE = sys.platform in ("linux", "darwin")


def guarded(array: Array) -> Array:
    """A copy whose last element is followed by a page of memory that ends the process when it is touched.

    Where the system has no ``mprotect``, and of no elements, it is a plain copy.
    """
    if not AVAILABLE or array.nbytes == 0:
        return np.array(array, order="C", copy=True)
    size = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    region = mmap.mmap(-1, size + mmap.PAGESIZE)
    memory = np.frombuffer(region, array.dtype, array.size, size - array.nbytes).reshape(array.shape)
    libc = ctypes.CDLL(None, use_errno=True)
    end = ctypes.c_void_p(memory.ctypes.data + array.nbytes)
    if libc.mprotect(end, ctypes.c_size_t(mmap.PAGESIZE), PROT_NONE):
        raise OSError(ctypes.get_errno(), f"mprotect: {os.strerror(ctypes.get_errno())}")
    memory[...] = array
    return memory
