"""Reference of the random numbers: Philox4x32-10 and what the library makes of its words, in Python's own
integers.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11,
section 3.3. G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math.
Stat. 29, 1958.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """One block of four 32-bit words."""
    c, k = counter, key
    for _ in range(10):
        first, second = MULTIPLIERS[0] * c[0], MULTIPLIERS[1] * c[2]
        c = ((second >> 32) ^ c[1] ^ k[0], second & MASK, (first >> 32) ^ c[3] ^ k[1], first & MASK)
        k = ((k[0] + WEYL[0]) & MASK, (k[1] + WEYL[1]) & MASK)
    return c


def words(seed: int, counter: int) -> Iterator[int]:
    """The words of one block after another."""
    while True:
        yield from philox((counter & MASK, (counter >> 32) & MASK, 0, 0), (seed & MASK, seed >> 32))
        counter += 1


def units(seed: int, counter: int, count: int, dtype: str) -> Iterator[float]:
    """Numbers in [0, 1): 24 bits of a word for float32, 53 bits of two words for float64."""
    stream = words(seed, counter)
    for _ in range(count):
        if dtype == "float32":
            yield (next(stream) >> 8) * 2.0**-24
        else:
            high, low = next(stream), next(stream)
            yield (((high << 32) | low) >> 11) * 2.0**-53


def uniform(seed: int, counter: int, count: int, dtype: str, low: float = 0.0, high: float = 1.0) -> Array:
    """low + u * (high - low)."""
    return np.array([low + u * (high - low) for u in units(seed, counter, count, dtype)]).astype(dtype)


def normal(
    seed: int, counter: int, count: int, dtype: str, mean: float = 0.0, deviation: float = 1.0
) -> Array:
    """Box and Muller's pairs: two uniform numbers give radius and angle, the cosine first."""
    numbers = units(seed, counter, count + count % 2, dtype)
    out = []
    for u in numbers:
        radius = math.sqrt(-2.0 * math.log(1.0 - u))
        angle = 2.0 * math.pi * next(numbers)
        out += [mean + deviation * radius * math.cos(angle), mean + deviation * radius * math.sin(angle)]
    return np.array(out[:count]).astype(dtype)


def integers(seed: int, counter: int, count: int, low: int, high: int) -> Array:
    """low plus the high half of the product of 64 bits and the range."""
    stream = words(seed, counter)
    draws = [(next(stream) << 32) | next(stream) for _ in range(count)]
    return np.array([low + ((bits * (high - low)) >> 64) for bits in draws], np.int64)


def permutation(seed: int, counter: int, count: int) -> Array:
    """Fisher and Yates' shuffle: D. E. Knuth, TAOCP volume 2, section 3.4.2, algorithm P."""
    order = list(range(count))
    draws = integers(seed, counter, count, 0, 2**63 - 1)
    for i in range(count - 1, 0, -1):
        j = int(draws[i]) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)
