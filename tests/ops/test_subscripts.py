"""Random subscripts, read and written: PyTorch's values, gradients and types of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg

TORCH_ERRORS = (IndexError, TypeError, ValueError, RuntimeError)


def entry(rng: np.random.Generator, size: int) -> Any:
    """An entry for a dimension of that size; sometimes one that is out of range."""
    beyond = int(rng.random() < 0.03)
    kind = rng.integers(0, 10)
    high = max(size, 1) + beyond
    if kind < 2:
        return int(rng.integers(-high, high))
    if kind < 6:
        bound = [None if rng.random() < 0.4 else int(rng.integers(-size - 2, size + 3)) for _ in range(2)]
        step = None if rng.random() < 0.5 else int(rng.integers(1, 4))
        return slice(*bound, -1 if rng.random() < 0.02 else step)
    if kind == 6:
        return [int(i) for i in rng.integers(-high, high, rng.integers(0, 3))]
    if kind == 7:
        return [bool(b) for b in rng.integers(0, 2, size + beyond)]
    shape = ((), (1,), (2,), (2,), (3,), (2, 1), (0,))[rng.integers(0, 7)]
    return rng.integers(-high, high, shape).astype(rng.choice(["int64", "int64", "int32"]))


def subscript(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """A random subscript of a tensor of that shape: arrays stand for tensors."""
    key: list[Any] = []
    left = list(shape)
    dots = rng.random() < 0.4
    while left and rng.random() < 0.8:
        take = int(rng.integers(1, len(left) + 1))
        if rng.random() < 0.12:
            mask = rng.random(left[:take]) < 0.6
            key.append(mask)
            left = left[take:]
        else:
            key.append(entry(rng, left.pop(0)))
        if dots and rng.random() < 0.4:
            key.append(Ellipsis)
            dots = False
            left = left[int(rng.integers(0, len(left) + 1)) :]
        if rng.random() < 0.15:
            key.append(None)
        if rng.random() < 0.05:
            key.append(bool(rng.random() < 0.7))
    if not key:
        key = [Ellipsis]
    return tuple(key) if len(key) > 1 or rng.random() < 0.5 else key[0]


def as_key(key: Any, tensor: Callable[[Any], Any]) -> Any:
    """The subscript with tensors of a library."""
    if isinstance(key, tuple):
        return tuple(as_key(part, tensor) for part in key)
    return tensor(key) if isinstance(key, np.ndarray) else key


def outcome(action: Callable[..., Any], *args: Any) -> Any:
    """What an action answers: arrays, or the type of its error."""
    try:
        return [np.asarray(x.detach().numpy()) for x in action(*args)]
    except TORCH_ERRORS as error:
        return type(error)


def read(lib: Any, array: np.ndarray, key: Any) -> Any:
    x = lib.tensor(array, requires_grad=array.dtype.kind == "f")
    y = x[as_key(key, lib.tensor)]
    if not x.requires_grad:
        return [y]
    weight = lib.tensor(1.0 + np.arange(max(y.numel(), 1), dtype=array.dtype))[: y.numel()].reshape(y.shape)
    (y * weight).sum().backward()
    return [y, x.grad]


def write(lib: Any, array: np.ndarray, key: Any, value: Any) -> Any:
    x = lib.tensor(array)
    x[as_key(key, lib.tensor)] = lib.tensor(value) if isinstance(value, np.ndarray) else value
    return [x]


def write_recorded(lib: Any, array: np.ndarray, key: Any, value: np.ndarray) -> Any:
    leaf, source = lib.tensor(array, requires_grad=True), lib.tensor(value, requires_grad=True)
    x = leaf * 2
    x[as_key(key, lib.tensor)] = source
    weight = lib.tensor(1.0 + np.arange(max(array.size, 1), dtype=array.dtype))[: array.size]
    (x.reshape(-1) * weight).sum().backward()
    return [x, leaf.grad, source.grad]


def cases(seed: int, count: int) -> Any:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = tuple(
            int(n) for n in rng.choice([0, 1, 2, 3, 4], rng.integers(0, 5), p=[0.05, 0.2, 0.25, 0.25, 0.25])
        )
        yield rng, shape, subscript(rng, shape)


def same(found: Any, wanted: Any) -> bool:
    """Equal results or types of errors; PyTorch does not look at indices where nothing is selected."""
    if isinstance(found, type) or isinstance(wanted, type):
        return found is wanted or (found is IndexError and wanted[0].size == 0)
    return len(found) == len(wanted) and all(
        a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)
        for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
@pytest.mark.filterwarnings("ignore")
def test_reading(dtype: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    for rng, shape, key in cases(seed, 250):
        array = (rng.random(shape) * 100).astype(dtype)
        found, wanted = (outcome(read, lib, array, key) for lib in (vg, torch))
        assert same(found, wanted), (shape, key, found, wanted)


def sources(rng: np.random.Generator, array: np.ndarray, key: Any, lib: Any) -> list[np.ndarray]:
    """Values of the shape of what the subscript selects, of one that broadcasts, and of one that does not."""
    try:
        shape = tuple(lib.tensor(array)[as_key(key, lib.tensor)].shape)
    except TORCH_ERRORS:
        return [np.ones((), array.dtype)]  # the subscript is the one mistake
    wide = tuple(1 if rng.random() < 0.3 else n for n in shape)
    shapes = [shape, wide, (1, *shape), wide[int(rng.integers(0, len(shape) + 1)) :], (*shape, 2)]
    return [(rng.random(s) * 100).astype(array.dtype) for s in shapes]


def repeats(array: np.ndarray, key: Any, lib: Any) -> bool:
    """Whether an element is named twice: which write counts is then up to the library."""
    numbers = lib.arange(array.size).reshape(array.shape)
    try:
        named = numbers[as_key(key, lib.tensor)].reshape(-1).tolist()
    except TORCH_ERRORS:
        return False
    return len(set(named)) < len(named)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
@pytest.mark.filterwarnings("ignore")
def test_writing(dtype: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    for rng, shape, key in cases(100 + seed, 150):
        array = (rng.random(shape) * 100).astype(dtype)
        if repeats(array, key, torch):
            continue
        for value in (3, *sources(rng, array, key, torch)):
            found, wanted = (outcome(write, lib, array, key, value) for lib in (vg, torch))
            assert same(found, wanted), (shape, key, np.shape(value), found, wanted)
            if dtype == "float64" and isinstance(value, np.ndarray):
                found, wanted = (outcome(write_recorded, lib, array, key, value) for lib in (vg, torch))
                assert same(found, wanted), (shape, key, value.shape, found, wanted)
