"""Reference of the random numbers: Philox4x32-10 and what the library makes of its words.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 3.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """One block of four 32-bit words, in Python's own integers."""
    c, k = counter, key
    for _ in range(10):
        first, second = MULTIPLIERS[0] * c[0], MULTIPLIERS[1] * c[2]
        c = ((second >> 32) ^ c[1] ^ k[0], second & MASK, (first >> 32) ^ c[3] ^ k[1], first & MASK)
        k = ((k[0] + WEYL[0]) & MASK, (k[1] + WEYL[1]) & MASK)
    return c
