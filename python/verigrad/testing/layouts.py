"""The same values in different memory layouts.

Every wrong stride must show, so the memory around and between the elements is poisoned: NaN for floating
point, a large number for integers. A check can compare it afterwards, because tensors share the memory of the
numpy array below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verigrad.testing.guard import guarded
from verigrad.testing.library import Library

Array = np.ndarray[Any, Any]

CONTIGUOUS = "contiguous"
TRANSPOSED = "transposed"  # dimensions stored in reverse order
SLICED = "sliced"  # every second element of the last dimension, a margin around the others
OFFSET = "offset"  # contiguous, but not at the start of the memory, so not aligned
EXPANDED = "expanded"  # stride 0 in the first dimension that has more than one element
EXPANDED_LAST = "expanded_last"  # stride 0 in the last such dimension
GUARDED = "guarded"  # contiguous, and what lies behind cannot be touched

LAYOUTS = (CONTIGUOUS, TRANSPOSED, SLICED, OFFSET, EXPANDED, EXPANDED_LAST)
DENSE_LAYOUTS = (CONTIGUOUS, TRANSPOSED, SLICED, OFFSET)  # no element stands twice


@dataclass(frozen=True)
class Built:
    """A tensor, and the memory that it lies in: a tensor over it, and the array that shares it on the CPU."""

    lib: Library
    tensor: Any
    whole: Any
    shared: Array

    @property
    def memory(self) -> Array:
        """The elements of the memory now."""
        return self.shared if self.lib.device == "cpu" else self.lib.to_numpy(self.whole)

    def write(self, values: Array) -> None:
        """Puts other elements into the memory, on the CPU without the library's kernels."""
        self.shared[...] = values
        if self.lib.device != "cpu":
            self.whole.data.copy_(self.lib.from_numpy(self.shared))  # by .data: no change through the tensor


def poison(dtype: np.dtype[Any]) -> Any:
    """What lies between the elements."""
    return {"f": np.nan, "b": True, "u": 251, "i": 2_000_000_011}[dtype.kind]


def expanded_dim(shape: tuple[int, ...], layout: str) -> int | None:
    """The dimension that gets stride 0, or None if there is none."""
    wide = [d for d, size in enumerate(shape) if size > 1]
    if layout == EXPANDED and wide:
        return wide[0]
    return wide[-1] if layout == EXPANDED_LAST and wide else None


def applies(shape: tuple[int, ...], layout: str) -> bool:
    """Whether the layout is the contiguous one or differs from it for this shape."""
    if layout == TRANSPOSED:
        return len(shape) > 1
    if layout == EXPANDED:
        return expanded_dim(shape, layout) is not None
    if layout == EXPANDED_LAST:
        return expanded_dim(shape, layout) not in (None, expanded_dim(shape, EXPANDED))
    return True


def settle(array: Array, layout: str) -> Array:
    """The array that this layout can hold: constant along the expanded dimension, else unchanged."""
    dim = expanded_dim(array.shape, layout)
    if dim is None:
        return array
    first = array[tuple(slice(0, 1) if d == dim else slice(None) for d in range(array.ndim))]
    return np.ascontiguousarray(np.broadcast_to(first, array.shape))


def build(lib: Library, array: Array, layout: str = CONTIGUOUS) -> Built:
    """A tensor of these values in this layout."""
    shape, dim = array.shape, expanded_dim(array.shape, layout)
    if dim is not None:
        memory = np.array(
            array[tuple(slice(0, 1) if d == dim else slice(None) for d in range(array.ndim))], order="C"
        )
        whole = lib.from_numpy(memory)
        return Built(lib, whole.expand(shape), whole, memory)
    if layout == TRANSPOSED and array.ndim > 1:
        memory = np.array(array.T, order="C")
        whole = lib.from_numpy(memory)
        return Built(lib, whole.permute(*range(array.ndim - 1, -1, -1)), whole, memory)
    if layout == SLICED:
        if array.ndim == 0:
            memory = np.full(3, poison(array.dtype), array.dtype)
            memory[1] = array
            whole = lib.from_numpy(memory)
            return Built(lib, whole[1], whole, memory)
        sizes = [*(s + 2 for s in shape[:-1]), 2 * shape[-1] + 1]
        memory = np.full(sizes, poison(array.dtype), array.dtype)
        key = (*(slice(1, s + 1) for s in shape[:-1]), slice(1, 2 * shape[-1] + 1, 2))
        memory[key] = array
        whole = lib.from_numpy(memory)
        return Built(lib, whole[key], whole, memory)
    if layout == OFFSET:
        memory = np.full(array.size + 2, poison(array.dtype), array.dtype)
        memory[1:-1] = array.reshape(-1)
        whole = lib.from_numpy(memory)
        return Built(lib, whole[1 : array.size + 1].reshape(shape), whole, memory)
    memory = guarded(array) if layout == GUARDED else np.array(array, order="C", copy=True)
    whole = lib.from_numpy(memory)
    return Built(lib, whole, whole, memory)
