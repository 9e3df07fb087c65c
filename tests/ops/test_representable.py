"""Numbers that a dtype cannot hold are refused before anything is written, where PyTorch refuses them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg
from verigrad.testing.library import Library

# A number, and whether bool, uint8, int32, int64, float32 and float64 hold it. Bytes take -255 to -1, which
# wrap.
NUMBERS: list[tuple[Any, str]] = [
    (300, "b.iiff"),
    (255, "buiiff"),
    (256, "b.iiff"),
    (-1, "buiiff"),
    (-255, "buiiff"),
    (-256, "b.iiff"),
    (2**31 - 1, "b.iiff"),
    (2**31, "b..iff"),
    (-(2**31), "b.iiff"),
    (-(2**31) - 1, "b..iff"),
    (2**63 - 1, "b..iff"),
    (-(2**63), "b..iff"),
    (255.0, "buiiff"),
    (255.5, "b.iiff"),
    (-0.5, "b.iiff"),
    (2147483647.5, "b..iff"),
    (-2147483648.5, "b..iff"),
    (1e10, "b..iff"),
    (-9.3e18, "b...ff"),
    (1e30, "b...ff"),
    (1e39, "b....f"),
    (-1e300, "b....f"),
    (math.inf, "b...ff"),
    (math.nan, "b...ff"),
    (True, "buiiff"),
]
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")


def filled(lib: Library, dtype: Any) -> Any:
    return lib.get("zeros")(3, dtype=dtype)


def with_item(lib: Library, dtype: Any, key: Any, value: Any) -> Any:
    tensor = filled(lib, dtype)
    tensor[key] = value
    return tensor


def mask(lib: Library) -> Any:
    return lib.get("tensor")([True, False, True])


Store = Callable[[Library, Any, Any], Any]
STORES: dict[str, Store] = {
    "full": lambda lib, dtype, value: lib.get("full")((2,), value, dtype=dtype),
    "full of nothing": lambda lib, dtype, value: lib.get("full")((0,), value, dtype=dtype),
    "full_like": lambda lib, dtype, value: lib.get("full_like")(filled(lib, dtype), value),
    "fill_": lambda lib, dtype, value: filled(lib, dtype).fill_(value),
    "x[0] =": lambda lib, dtype, value: with_item(lib, dtype, 0, value),
    "x[:] =": lambda lib, dtype, value: with_item(lib, dtype, slice(None), value),
    "x[mask] =": lambda lib, dtype, value: with_item(lib, dtype, mask(lib), value),
    "x[index] =": lambda lib, dtype, value: with_item(lib, dtype, lib.get("tensor")([0, 2]), value),
    "masked_fill": lambda lib, dtype, value: filled(lib, dtype).masked_fill(mask(lib), value),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_stores(store: str, dtype: str) -> None:
    lib = Library("verigrad")
    for value, holders in NUMBERS:
        if holders[DTYPES.index(dtype)] == ".":
            with pytest.raises(RuntimeError, match="without overflow"):
                STORES[store](lib, lib.dtype(dtype), value)
        else:
            STORES[store](lib, lib.dtype(dtype), value)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_stores_as_pytorch_does(store: str, dtype: str) -> None:
    pytest.importorskip("torch")
    ours, theirs = Library("verigrad"), Library("torch")
    for value, holders in NUMBERS:
        try:
            wanted = STORES[store](theirs, theirs.dtype(dtype), value).tolist()
        except RuntimeError:
            assert holders[DTYPES.index(dtype)] == ".", value
        else:
            found = STORES[store](ours, ours.dtype(dtype), value).tolist()
            assert str(found) == str(wanted), value


@pytest.mark.parametrize("dtype", DTYPES[:4])
def test_tensor_of_numbers_that_do_not_fit(dtype: str) -> None:
    for value, holders in NUMBERS:
        if holders[DTYPES.index(dtype)] == ".":
            with pytest.raises(RuntimeError, match="without overflow"):
                vg.tensor([0, value], dtype=getattr(vg, dtype))
        else:
            vg.tensor([0, value], dtype=getattr(vg, dtype))
    assert vg.tensor([1e300, -1e300], dtype=vg.float32).tolist() == [math.inf, -math.inf]


def test_nothing_is_written() -> None:
    x = vg.tensor([1, 2, 3], dtype=vg.uint8)
    version = x._version
    for write in (
        lambda: x.fill_(300),
        lambda: x.__setitem__(0, 300),
        lambda: x.__setitem__(vg.tensor([0]), 300),
        lambda: x.clamp_(0, 300),
        lambda: x.clamp_min_(300),
        lambda: vg.nn.functional.threshold(x, 1, 300, inplace=True),
    ):
        with pytest.raises(RuntimeError, match="without overflow"):
            write()
    assert x.tolist() == [1, 2, 3] and x._version == version


SELECTIONS: dict[str, Callable[[Library], Any]] = {
    "where": lambda lib: lib.get("where")(mask(lib), 300, filled(lib, lib.dtype("uint8"))),
    "where of a float": lambda lib: lib.get("where")(mask(lib), 1e300, filled(lib, lib.dtype("float32"))),
    "clamp": lambda lib: filled(lib, lib.dtype("uint8")).clamp(0, 300),
    "clamp_min": lambda lib: filled(lib, lib.dtype("int32")).clamp_min(2**31),
    "clamp of a float": lambda lib: filled(lib, lib.dtype("float32")).clamp(max=1e300),
    "hardtanh": lambda lib: lib.get("nn.functional.hardtanh")(filled(lib, lib.dtype("int32")), 0, 2**40),
    "threshold": lambda lib: lib.get("nn.functional.threshold")(filled(lib, lib.dtype("uint8")), 1, 300),
    "pad": lambda lib: lib.get("nn.functional.pad")(filled(lib, lib.dtype("uint8")), (1, 0), value=300),
    "pad of bytes": lambda lib: lib.get("nn.functional.pad")(
        filled(lib, lib.dtype("uint8")), (1, 0), value=-1
    ),
    "index_add": lambda lib: filled(lib, lib.dtype("uint8")).index_add(
        0, lib.get("tensor")([0]), filled(lib, lib.dtype("uint8"))[:1], alpha=300
    ),
    "masked_fill with a tensor": lambda lib: filled(lib, lib.dtype("uint8")).masked_fill(
        mask(lib), lib.get("tensor")(300)
    ),
    "randperm": lambda lib: lib.get("randperm")(257, dtype=lib.dtype("uint8")),
    "linspace": lambda lib: lib.get("linspace")(0, 300, 4, dtype=lib.dtype("uint8")),
    "arange": lambda lib: lib.get("arange")(1e30, 1e30 + 1, dtype=lib.dtype("int64")),
}


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("library", ["verigrad", "torch"])
def test_other_ops_refuse_too(name: str, library: str) -> None:
    pytest.importorskip(library)
    with pytest.raises(RuntimeError, match="without overflow"):
        SELECTIONS[name](Library(library))


TAKEN: dict[str, Callable[[Library], Any]] = {
    "arithmetic wraps": lambda lib: (filled(lib, lib.dtype("uint8")) + 300,),
    "comparison wraps": lambda lib: (filled(lib, lib.dtype("uint8")) == 256,),
    "where promotes": lambda lib: (lib.get("where")(mask(lib), 1e10, filled(lib, lib.dtype("int32"))),),
    "clamp promotes": lambda lib: (filled(lib, lib.dtype("int32")).clamp(1e10),),
    "where of bytes wraps": lambda lib: (lib.get("where")(mask(lib), -1, filled(lib, lib.dtype("uint8"))),),
    "tensors wrap": lambda lib: (
        with_item(lib, lib.dtype("uint8"), 0, lib.get("tensor")(300)),
        filled(lib, lib.dtype("uint8")).fill_(lib.get("tensor")(300)),
    ),
    "masked_fill truncates": lambda lib: (
        filled(lib, lib.dtype("uint8")).masked_fill(mask(lib), lib.get("tensor")(1.5)),
    ),
    "randperm of all": lambda lib: (lib.get("randperm")(256, dtype=lib.dtype("uint8")).long().sum(),),
    "ranges wrap": lambda lib: (
        lib.get("arange")(300, 303, dtype=lib.dtype("uint8")),
        lib.get("arange")(-3.0, 2, dtype=lib.dtype("uint8")),
        lib.get("arange")(2**40, 2**40 + 3, dtype=lib.dtype("int32")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_pytorch_takes_is_taken(name: str) -> None:
    found = TAKEN[name](Library("verigrad"))
    pytest.importorskip("torch")
    assert [x.tolist() for x in found] == [x.tolist() for x in TAKEN[name](Library("torch"))]


def test_ranges_of_integers_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    bounds = (
        (0, 2.5),
        (0.5, 3),
        (0, 5.5, 1),
        (5, 0, -1.5),
        (0.9, 5),
        (-0.5, 2.5),
        (1.5, 4.5, 1.5),
        (0, -0.5, -1),
    )
    ends = ((0, 1, 5), (0, 10, 5), (0, 10, 4), (-2.5, 2.5, 11), (10, 0, 4), (-10, 0, 7), (0.9, 5.9, 3),
            (3.7, 7, 1), (-7.5, 3.2, 8), (0, 255, 4), (-(2**62), 2**62, 3), (0, 1000, 777))  # fmt: skip
    for dtype in ("int32", "int64"):
        for args in bounds:
            wanted = torch.arange(*args, dtype=getattr(torch, dtype)).tolist()
            assert vg.arange(*args, dtype=getattr(vg, dtype)).tolist() == wanted, (dtype, args)
        for args in ends:
            if dtype == "int32" and abs(args[0]) > 2**31:
                continue
            wanted = torch.linspace(*args, dtype=getattr(torch, dtype)).tolist()
            assert vg.linspace(*args, dtype=getattr(vg, dtype)).tolist() == wanted, (dtype, args)
    assert vg.linspace(-3, 3, 5, dtype=vg.uint8).tolist() == [253, 190, 128, 65, 3]


def test_powers_of_integers_in_place() -> None:
    x = vg.tensor([2, 3])
    for power in (lambda: x.pow_(-1), lambda: x.__ipow__(-1), lambda: vg.zeros(0, dtype=vg.int32).pow_(-2)):
        with pytest.raises(RuntimeError, match="negative integer powers"):
            power()
    assert x.tolist() == [2, 3] and x._version == 0
    assert x.clone().pow_(vg.tensor([-1, 2])).tolist() == [0, 9]
    assert vg.tensor([2.0]).pow_(-1).tolist() == [0.5]
