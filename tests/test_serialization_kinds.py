"""What `save` keeps beside tensors and plain containers: sets, other dicts, numpy's arrays and numbers."""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verigrad as vg


def again(value: Any) -> Any:
    file = io.BytesIO()
    vg.save(value, file)
    return vg.load(io.BytesIO(file.getvalue()))


KINDS = [
    {1, "a", (2.5, None)},
    frozenset([1, 2]),
    set(),
    Counter("abca"),
    defaultdict(list, {"a": [1]}),
    defaultdict(None, {1: 2}),
    defaultdict(int),
    argparse.Namespace(lr=0.1, sizes=[1, 2], name=None),
    OrderedDict([(1, {2}), (3, Counter())]),
    np.int64(3),
    np.float32(0.1),
    np.bool_(True),
    np.complex64(1 + 2j),
    np.str_("text"),
    np.float16(0.5),
]


@pytest.mark.parametrize("value", KINDS, ids=lambda value: type(value).__name__)
def test_kinds_come_back(value: Any) -> None:
    back = again({"here": [value]})["here"][0]
    assert type(back) is type(value) and back == value
    if isinstance(value, defaultdict):
        assert back.default_factory is value.default_factory
    if isinstance(value, np.generic):
        assert back.dtype == value.dtype


NAMES = ["bool", "uint8", "int8", "int16", "uint32", "int64", "float16", "float32", "complex128", ">f4"]
ARRAYS = [np.arange(6).reshape(2, 3).astype(name) for name in NAMES]
ARRAYS += [np.array(2.5), np.zeros((0, 3)), np.zeros((0, 3), "int8"), np.array(["a", "bcd"])]
ARRAYS += [np.ones((4, 4)).T[::2]]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back(array: Any) -> None:
    back = again({"a": array})["a"]
    assert type(back) is np.ndarray and back.shape == array.shape and back.tolist() == array.tolist()
    assert back.dtype == array.dtype.newbyteorder("=") and back.flags.writeable
    if back.size:
        back.flat[0] = back.flat[-1]  # memory of its own
        assert again(array).tolist() == array.tolist()


def test_a_file_does_not_depend_on_the_order_of_a_set() -> None:
    files = []
    for names in (["a", "b", "c", "d"], ["d", "c", "b", "a"]):
        file = io.BytesIO()
        vg.save(set(names), file)
        files.append(file.getvalue())
    assert files[0] == files[1]


FOREIGN = [{1}, Counter(), defaultdict(list), argparse.Namespace(), np.ones(2), np.int64(1)]


@pytest.mark.parametrize("value", FOREIGN, ids=lambda value: type(value).__name__)
def test_files_for_torch_hold_none_of_them(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=f"got .*{type(value).__name__} at a"):
        vg.save({"a": value}, tmp_path / "x.pt", format="torch")
    assert not (tmp_path / "x.pt").exists()


DAMAGED = [
    ["set", [["list", []]]],
    ["set", [1, 1]],
    ["frozenset", 3],
    ["defaultdict", [], "eval"],
    ["defaultdict", [], ["list", []]],
    ["Namespace", [[1, 2]]],
    ["Counter", [[1]]],
    ["scalar", "<f4", "00"],
    ["scalar", "<f4", "zz00zz00"],
    ["scalar", "<f4", 3],
    ["scalar", "O", "00"],
    ["scalar", "<f3", "000000"],
    ["scalar", "<M8", "0000000000000000"],
    ["array", "none", "<f4", [1]],
    ["array", "t", "<f4", [3]],
    ["array", "t", "<f4", [-2]],
    ["array", "t", "<f4", 2],
    ["array", "t", "<i4", [2]],
    ["array", "t", "|O8", [2]],
    ["array", ["list", []], "<f4", [2]],
]


@pytest.mark.parametrize("tree", DAMAGED, ids=str)
def test_damaged_structures_are_refused(tree: Any) -> None:
    from zlib import crc32

    import safetensors.numpy as safetensors

    from verigrad.serialization import _crc

    array = np.ones(2, "f4")
    content = {"version": 1, "tree": ["list", [["tensor", "t", False], tree]], "crc32": {"t": _crc(array)}}
    text = json.dumps(content)
    text = f"{crc32(text.encode()):08x} {text}"
    file = io.BytesIO()
    vg.save([vg.ones(1)], file)
    length = int.from_bytes(file.getvalue()[:8], "little")
    (key,) = json.loads(file.getvalue()[8 : 8 + length])["__metadata__"]
    with pytest.raises(RuntimeError, match="load: "):
        vg.load(io.BytesIO(safetensors.save({"t": array}, {key: text})))
