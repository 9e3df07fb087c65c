"""PyTorch's type promotion for the six dtypes, written from its documentation ("Tensor Attributes",
torch.dtype).

There are three categories, bool < integral < floating point, and three priorities: tensors with dimensions,
0-d tensors, Python numbers. A lower priority changes the result only if its category is higher than that of
the priority above.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

ORDER = ("bool", "uint8", "int32", "int64", "float32", "float64")
DEFAULT_FLOAT = np.dtype("float32")


def category(dtype: np.dtype[Any]) -> int:
    """0 for bool, 1 for integers, 2 for floating point."""
    return {"b": 0, "u": 1, "i": 1, "f": 2}[dtype.kind]


def promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """The common dtype of two tensors of equal priority (torch.promote_types)."""
    return a if ORDER.index(a.name) >= ORDER.index(b.name) else b


def scalar_dtype(value: bool | int | float) -> np.dtype[Any]:
    """The dtype that a Python number has in promotion."""
    if isinstance(value, bool):
        return np.dtype("bool")
    return np.dtype("int64") if isinstance(value, int) else DEFAULT_FLOAT


def result_dtype(*operands: Any) -> np.dtype[Any]:
    """The dtype of an operation over numpy arrays (tensors) and Python numbers (torch.result_type)."""
    levels: list[list[np.dtype[Any]]] = [[], [], []]
    for operand in operands:
        if not isinstance(operand, np.ndarray):
            levels[2].append(scalar_dtype(operand))
        else:
            levels[0 if operand.ndim else 1].append(operand.dtype)
    result: np.dtype[Any] | None = None
    for level in levels:
        if not level:
            continue
        dtype = reduce(promote, level)
        if result is None:
            result = dtype
        elif category(dtype) > category(result):
            result = promote(result, dtype)
    if result is None:
        raise ValueError("result_dtype: expected at least one operand, got none")
    return result


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype itself if it is floating point, else the default dtype."""
    return dtype if dtype.kind == "f" else DEFAULT_FLOAT


def work_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What the references compute in: float64 for floating point, int64 for everything else."""
    return np.dtype("float64") if dtype.kind == "f" else np.dtype("int64")


def cast(array: np.ndarray[Any, Any], dtype: np.dtype[Any] | str) -> np.ndarray[Any, Any]:
    """Conversion without numpy's warnings: integers wrap, floats overflow to infinity."""
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(np.dtype(dtype))
