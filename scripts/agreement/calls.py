"""Random calls of an operation: the samples of its record with a few arguments changed.

A call is a :class:`Sample`, so that the records' own functions build its tensors in either library. The same
seed gives the same calls as long as the records' samples stay.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.layouts import LAYOUTS, applies, settle
from verigrad.testing.opspec import ALL_DTYPES, OpSpec
from verigrad.testing.samples import Const, D, Raw, Same, Sample, tree_map

Array = np.ndarray[Any, Any]

LARGEST = 3000  # elements of all tensors of a call
POOL = 120  # samples of a dtype that are drawn from
# Nothing between 64 and 2^40: a library may well make a tensor of that size, slowly.
INTEGERS = (-1, 0, 1, 2, 3, 4, 7, -2, -3, -7, 33, 2**40, -(2**40), 2**62, 2**63 - 1, -(2**63))
NUMBERS = (0.0, -0.0, 1.0, 0.5, -1.5, 2.0, 1e-3, 1e30, float("inf"), float("-inf"), float("nan"))
OTHERS: tuple[Any, ...] = (None, True, False, "mean", "nonsense", 1.5, 2, (1,), [0, 1], ())
SIZES = (0, 1, 1, 2, 3, 4, 5, 9)


def _arrays(tree: Any) -> list[Any]:
    found: list[Any] = []
    tree_map(lambda leaf: found.append(leaf) if isinstance(leaf, np.ndarray | Const) else None, tree)
    return found


def _content(leaf: Any) -> Array:
    return leaf.array if isinstance(leaf, Const) else leaf


def _like(leaf: Any, array: Array) -> Any:
    return Const(array) if isinstance(leaf, Const) else array


def fresh(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Small values of a dtype; floating-point ones are normal."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        return np.asarray(rng.standard_normal(shape) * rng.choice((0.3, 1.0, 4.0))).astype(dtype)
    if kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(bool)
    return np.asarray(rng.integers(0 if kind == "u" else -4, 6, shape)).astype(dtype)


def special(rng: np.random.Generator, array: Array) -> Array:
    """The array with NaN, infinities, zeros of both signs or extremes of its dtype at a few places."""
    values = array.copy()
    if not values.size or values.dtype.kind == "b":
        return values
    if values.dtype.kind == "f":
        info = np.finfo(values.dtype)
        choices = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, float(info.max), float(info.tiny), -1e4]
    else:
        limits = np.iinfo(values.dtype)
        choices = [limits.min, limits.max, 0, 1, limits.max - 1, *(() if limits.min == 0 else (-1,))]
    for _ in range(rng.integers(1, 4)):
        values.reshape(-1)[rng.integers(values.size)] = choices[rng.integers(len(choices))]
    return values


class Caller:
    """Draws calls of one operation."""

    def __init__(self, spec: OpSpec) -> None:
        self.spec = spec
        self.pools: list[list[Sample]] = []
        draw = random.Random(f"pool {spec.name}")
        for dtype in spec.dtypes:
            small = [s for s in spec.sample(dtype) if sum(a.size for a in s.arrays()) <= LARGEST]
            if len(small) > POOL:
                small = draw.sample(small, POOL)
            self.pools += [small] if small else []
        self.failing = [plain_numbers(error.sample) for error in spec.errors]
        if self.failing and spec.family != "optim":
            self.pools.append(self.failing)

    def call(self, seed: int, number: int) -> tuple[Sample, int] | None:
        """The call of this number, and in how many ways it may be wrong; None if the record has no samples of
        the size."""
        if not self.pools:
            return None
        rng = random.Random(f"{self.spec.name} {seed} {number}")
        values = np.random.default_rng(zlib.crc32(f"{self.spec.name} {seed} {number}".encode()))
        pool = rng.choice(self.pools)
        sample = rng.choice(pool)
        faults = int(pool is self.failing)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
            changed = self._changed(sample, rng, values)
            if sum(a.size for a in changed.arrays()) <= LARGEST:
                sample = changed
                faults += 1
        sample = replace(sample, form=self._form(sample, rng))
        if rng.random() < 0.5 and sample.vary:
            found = []
            for i, array in enumerate(sample.arrays()):
                written = i < max(self.spec.mutates, int(sample.form == "inplace"))
                layout = rng.choice(LAYOUTS[:4] if written else LAYOUTS)
                found.append(layout if applies(array.shape, layout) else LAYOUTS[0])
            sample = replace(sample, layouts=tuple(found))
        return settled(sample), faults

    def _form(self, sample: Sample, rng: random.Random) -> str:
        spec = self.spec
        if sample.form != "function" or rng.random() < 0.4:
            return sample.form
        first = bool(sample.args) and isinstance(sample.args[0], np.ndarray)
        choices = ["function"]
        if spec.method and first:
            choices.append("method")
        if spec.operator is not None and not sample.kwargs and first:
            choices.append("operator")
        if spec.inplace and first:
            choices.append("inplace")
        if spec.out:
            choices.append("out")
        return rng.choice(choices)

    def _changed(self, sample: Sample, rng: random.Random, values: np.random.Generator) -> Sample:
        """One change: of the tensors' values, dtypes or shapes, or of another argument."""
        tree = (sample.args, dict(sample.kwargs))
        count = len(_arrays(tree))
        # What optimizers call is no public function: other numbers of tensors or options say nothing.
        kind = rng.random() if self.spec.family != "optim" else 0.0
        if count and kind < 0.5:
            change = self._of_tensors(tree, count, rng, values)
            args, kwargs = tree_map(change, tree)
            return replace(sample, args=args, kwargs=kwargs, layouts=())
        if self.spec.family == "optim":
            return sample
        args, kwargs = list(sample.args), dict(sample.kwargs)
        plain = [i for i, a in enumerate(args) if not isinstance(a, np.ndarray | Const)]
        if kind < 0.75 and (plain or kwargs):
            at = rng.randrange(len(plain) + len(kwargs))
            if at < len(plain):
                args[plain[at]] = self._value(args[plain[at]], plain[at], rng)
            else:
                name = list(kwargs)[at - len(plain)]
                if rng.random() < 0.15:
                    del kwargs[name]
                else:
                    kwargs[name] = self._value(kwargs[name], name, rng)
        else:
            other = rng.choice(rng.choice(self.pools))
            if other.kwargs and rng.random() < 0.8:
                name = rng.choice(list(other.kwargs))
                kwargs[name] = _other(other.kwargs[name], kwargs.get(name))
            elif len(other.args) > len(args) and rng.random() < 0.8:
                args.append(_other(other.args[len(args)], None))
            elif args and rng.random() < 0.3:
                args.pop()
        if any(isinstance(a, Same) and a.position >= len(_arrays(args)) for a in args):
            return sample
        return replace(sample, args=tuple(args), kwargs=kwargs, layouts=())

    def _of_tensors(
        self, tree: Any, count: int, rng: random.Random, values: np.random.Generator
    ) -> Callable[[Any], Any]:
        """A change of one tensor, or of all sizes of one number together."""
        chosen, seen = rng.randrange(count), -1
        sizes = sorted({n for leaf in _arrays(tree) for n in _content(leaf).shape})
        kinds = ("special", "special", "values", "sizes", "shape", "dtype")
        kind = rng.choice(kinds if self.spec.family != "optim" else kinds[:3])
        before, after = (rng.choice(sizes), rng.choice(SIZES)) if sizes else (0, 0)

        def change(leaf: Any) -> Any:
            nonlocal seen
            if not isinstance(leaf, np.ndarray | Const):
                return leaf
            seen += 1
            array = _content(leaf)
            if kind == "sizes":
                shape = tuple(after if n == before else n for n in array.shape)
                return leaf if shape == array.shape else _like(leaf, self._resized(array, shape))
            if seen != chosen:
                return leaf
            if kind == "shape":
                return _like(leaf, self._resized(array, _near(array.shape, rng)))
            if kind == "dtype":
                with np.errstate(all="ignore"):
                    return _like(leaf, np.nan_to_num(array).astype(rng.choice(ALL_DTYPES)))
            if kind == "values":
                return _like(leaf, fresh(values, array.shape, array.dtype.name))
            return _like(leaf, special(values, array))

        return change

    @staticmethod
    def _resized(array: Array, shape: tuple[int, ...]) -> Array:
        """The array's values in another shape, again from the start where there are too few."""
        if not array.size:
            return np.ones(shape, array.dtype)
        return np.resize(array, shape)

    def _value(self, value: Any, place: int | str, rng: random.Random) -> Any:
        """Another value for an argument that is no tensor: another sample's, one near it, or a wrong one."""
        if rng.random() < 0.4:
            other = rng.choice(rng.choice(self.pools))
            if isinstance(place, str):
                return _other(other.kwargs.get(place, value), value)
            return _other(other.args[place], value) if place < len(other.args) else value
        if rng.random() < 0.15:
            return rng.choice(OTHERS)
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return rng.choice((value + 1, value - 1, -value, *INTEGERS))
        if isinstance(value, float):
            return rng.choice((-value, *NUMBERS, 1))
        if isinstance(value, D):
            return D(rng.choice(ALL_DTYPES))
        if isinstance(value, tuple | list) and value:
            parts = list(value)
            at = rng.randrange(len(parts))
            if isinstance(parts[at], np.ndarray | Const | Same):
                return value
            kind = rng.random()
            if kind < 0.7:
                parts[at] = self._value(parts[at], -1, rng) if not isinstance(parts[at], str) else "x"
            elif kind < 0.85:
                del parts[at]
            else:
                parts.append(parts[at])
            return type(value)(parts)
        return value if isinstance(value, Raw | Same) else rng.choice(OTHERS)


def _other(found: Any, value: Any) -> Any:
    """What another sample has in the place of a value; numbers of numpy stay where they are."""
    return value if isinstance(found, np.generic) else found


def plain_numbers(sample: Sample) -> Sample:
    """The sample with Python's numbers in place of numpy's."""
    args, kwargs = tree_map(
        lambda leaf: leaf.item() if isinstance(leaf, np.generic) else leaf, (sample.args, dict(sample.kwargs))
    )
    return replace(sample, args=args, kwargs=kwargs)


def settled(sample: Sample) -> Sample:
    """The sample with the values that its layouts can hold."""
    number = -1

    def change(leaf: Any) -> Any:
        nonlocal number
        if not isinstance(leaf, np.ndarray | Const):
            return leaf
        number += 1
        return _like(leaf, settle(_content(leaf), sample.layout(number)))

    args, kwargs = tree_map(change, (sample.args, dict(sample.kwargs)))
    return replace(sample, args=args, kwargs=kwargs)


def _near(shape: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    sizes = list(shape)
    kind = rng.random()
    if sizes and kind < 0.5:
        sizes[rng.randrange(len(sizes))] = rng.choice(SIZES)
    elif sizes and kind < 0.75:
        del sizes[rng.randrange(len(sizes))]
    else:
        sizes.insert(rng.randrange(len(sizes) + 1), rng.choice((1, 1, 2, 0)))
    return tuple(sizes)


def text(spec: OpSpec, sample: Sample) -> str:
    """The call as an expression that either library evaluates; see :func:`agreement.judge.evaluate`."""
    arrays = [_content(leaf) for leaf in _arrays((sample.args, dict(sample.kwargs)))]

    def write(value: Any) -> str:
        if isinstance(value, Const):
            value = value.array
        if isinstance(value, Same):
            value = arrays[value.position]
        if isinstance(value, Raw):
            return f"from_numpy({write(value.array)})"
        if isinstance(value, np.ndarray):
            if value.size > 24:
                return f"ones({list(value.shape)}, dtype={value.dtype.name})"  # too long to write
            whole = f"tensor({value.tolist()}, dtype={value.dtype.name})"
            return whole if value.size else f"zeros({list(value.shape)}, dtype={value.dtype.name})"
        if isinstance(value, D):
            return value.name
        if isinstance(value, list):
            return "[" + ", ".join(map(write, value)) + "]"
        if isinstance(value, tuple):
            return "(" + ", ".join(map(write, value)) + ("," if len(value) == 1 else "") + ")"
        return "..." if value is ... else repr(value)

    args = [write(a) for a in sample.args]
    named = [f"{k}={write(v)}" for k, v in sample.kwargs.items()]
    if sample.form == "function" and isinstance(spec.function or spec.name, str):
        return f"{spec.function or spec.name}({', '.join([*args, *named])})"
    if sample.form in ("method", "inplace") and args:
        name = (spec.method or spec.name) if sample.form == "method" else spec.inplace
        return f"{args[0]}.{name}({', '.join([*args[1:], *named])})"
    form = "" if sample.form == "function" else f", {sample.form!r}"
    return f"record({spec.name!r}{form})({', '.join([*args, *named])})"
