"""Files that load has to refuse: one clear RuntimeError each, never a crash, never wrong data."""

import collections
import io
import json
import random
import re
import struct
import tarfile
import zlib

import numpy as np
import pytest

import verigrad


def build(header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def one(dtype="F32", shape=(2,), offsets=(0, 8), **extra):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **extra}


def load(content, folder=None):
    if folder is None:
        return verigrad.load(io.BytesIO(content))
    (folder / "name").write_bytes(content)
    return verigrad.load(folder / "name")


def saved(obj):
    buffer = io.BytesIO()
    verigrad.save(obj, buffer)
    return buffer.getvalue()


EIGHT = b"\0" * 8


def test_the_builder_builds_good_files():
    assert load(build({"a": one()}, EIGHT))["a"].tolist() == [0, 0]
    assert load(build({})) == {}
    assert load(build(b"{}      ")) == {}
    assert load(build({"__metadata__": {"k": "v"}, "a": one("U8", [], [0, 1])}, b"\x05"))["a"].item() == 5


HEADERS = {
    "empty file": b"",
    "seven bytes": b"\x02\0\0\0\0\0\0",
    "length 0": build(b""),
    "length beyond the file": build(b"{}", length=3),
    "length 100 MB and one": build(b"{}", length=100_000_001),
    "length 2^63": build(b"{}", length=2**63),
    "length 2^64 - 1": build(b"{}", length=2**64 - 1),
    "not UTF-8": build(b'{"\xff": 1}'),
    "not JSON": build(b"{nothing}"),
    "unfinished JSON": build(b'{"a": '),
    "an array": build(b"[]"),
    "two values": build(b"{}{}"),
    "nul after": build(b"{}\0\0"),
    "deep nesting": build(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "deep arrays": build(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "duplicate key inside": build(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "metadata not a dict": build({"__metadata__": [1]}),
    "metadata of numbers": build({"__metadata__": {"a": 1}}),
}
ENTRIES = {
    "a number": 5,
    "null": None,
    "a list": [],
    "no dtype": {"shape": [2], "data_offsets": [0, 8]},
    "no shape": {"dtype": "F32", "data_offsets": [0, 8]},
    "no offsets": {"dtype": "F32", "shape": [2]},
    "unknown dtype": one("F33"),
    "missing dtype": one("BF16", [4]),
    "dtype a number": one(5),
    "dtype a list": one(["F32"]),
    "negative size": one(shape=[-2]),
    "two negative sizes": one(shape=[-1, -2]),
    "huge size": one(shape=[2**63]),
    "size 2^62": one(shape=[2**62]),
    "product overflow to 2": one(shape=[2**32, 2**32, 2]),
    "product overflow to 0": one(shape=[2**32, 2**32], offsets=[0, 0]),
    "zero times huge": one(shape=[0, 2**62, 2**62], offsets=[0, 0]),
    "fractional size": one(shape=[2.0]),
    "boolean size": one(shape=[True, 2]),
    "text size": one(shape=["2"]),
    "shape a number": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]},
    "100 dimensions": one(shape=[1] * 99 + [2]),
    "size does not match": one(shape=[3]),
    "dtype does not match": one("F64"),
    "begin after end": one(shape=[0], offsets=[8, 0]),
    "negative offset": one(offsets=[-8, 0]),
    "fractional offset": one(offsets=[0.0, 8.0]),
    "one offset": {"dtype": "F32", "shape": [2], "data_offsets": [8]},
    "offset beyond the file": one(offsets=[8, 16]),
    "offsets 2^63": one(offsets=[2**63, 2**63 + 8]),
    "NaN": None,
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_headers(content, tmp_path):
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(content)
    with pytest.raises(RuntimeError, match=r"^load: expected.* \(file '.*name'\)$"):
        load(content, tmp_path)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_entries(entry, tmp_path):
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build({"a": entry}, EIGHT))
    with pytest.raises(RuntimeError, match=r"^load: expected.* \(file '.*name'\)$"):
        load(build({"a": entry}, EIGHT), tmp_path)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_json_constants(constant):
    with pytest.raises(RuntimeError, match="^load: expected a safetensors file, got"):
        load(build(b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}' % constant, EIGHT))


def test_a_number_of_many_digits():
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build(b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}' % (b"9" * 10_000), EIGHT))


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        ({"a": one(), "b": one()}, 8),
        ({"a": one(), "b": one(offsets=[4, 12])}, 12),
        ({"a": one(), "b": one(offsets=[12, 20])}, 20),
        ({"a": one(offsets=[4, 12])}, 12),
        ({"a": one()}, 9),
        ({"a": one()}, 7),
        ({}, 1),
    ],
)
def test_holes_overlaps_and_tails(entries, size):
    with pytest.raises(RuntimeError, match="^load: expected a safetensors file, got"):
        load(build(entries, b"\0" * size))


def test_bools_are_zero_or_one():
    good = build({"a": one("BOOL", [2], [0, 2])}, b"\x01\x00")
    assert load(good)["a"].tolist() == [True, False]
    with pytest.raises(RuntimeError, match="bools of tensor 'a' to be 0 or 1"):
        load(good[:-1] + b"\x02")


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580, 0x8B1F])
def test_lengths_that_look_like_another_format(length):
    # The first bytes of a file are the length of its header, which may be those of a pickle or a gzip file.
    good = build(b"{}" + b" " * (length - 2))
    assert good[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x1f\x8b")
    assert load(good) == {}


def test_every_length_of_a_header():
    for length in range(2000):
        assert load(saved({"k": "x" * length})) == {"k": "x" * length}


def test_other_formats_are_named(tmp_path):
    array = io.BytesIO()
    np.save(array, np.ones(2))
    with pytest.raises(RuntimeError, match="got a .npy file"):
        load(array.getvalue())
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        file.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(RuntimeError, match="got a tar archive, such as the first versions of PyTorch wrote"):
        load(archive.getvalue())


def test_ten_thousand_tensors():
    tensors = {f"layer.{i}.weight": verigrad.full((3,), float(i)) for i in range(10_000)}
    back = load(saved(tensors))
    assert list(back) == list(tensors)
    assert back["layer.9999.weight"].tolist() == [9999.0] * 3


# Damage to files of our own: with the checksums, no single flipped bit goes unnoticed.

SAMPLE = collections.OrderedDict(
    weights=verigrad.arange(6, dtype=verigrad.float32).reshape(2, 3),
    flags=(verigrad.tensor([True, False]), verigrad.zeros(0, 2), verigrad.tensor(7)),
    config={"lr": 0.1, 1: None, "name": "a b"},
)


def shown(value):
    if isinstance(value, verigrad.Tensor):
        return str(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, [(key, shown(entry)) for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [shown(entry) for entry in value]
    return repr(value)


def test_truncation_at_every_byte(tmp_path):
    content = saved(SAMPLE)
    for length in range(len(content)):
        with pytest.raises(RuntimeError, match="^load: expected"):
            load(content[:length])
        with pytest.raises(RuntimeError, match="^load: expected"):
            load(content[:length], tmp_path)


def test_every_flipped_bit_is_noticed():
    content = saved(SAMPLE)
    expected = shown(load(content))
    unnoticed = []
    for position in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        try:
            value = load(bytes(damaged))
        except RuntimeError as error:
            assert str(error).startswith("load: expected")
        else:
            # Only the notation may have changed, such as 1e-05 to 1E-05, or a free entry of the metadata.
            if shown(value) != expected:
                unnoticed.append(position)
    assert unnoticed == []


def test_random_damage_never_crashes(tmp_path):
    content = saved(SAMPLE)
    dice = random.Random(0)
    for turn in range(3000):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 8)):
            kind = dice.randrange(3)
            place = dice.randrange(len(damaged) + 1)
            if kind == 0 and place < len(damaged):
                damaged[place] = dice.randrange(256)
            elif kind == 1:
                damaged[place:place] = dice.randbytes(dice.randint(1, 5))
            else:
                del damaged[place : place + dice.randint(1, 5)]
        for folder in (None, tmp_path)[: 1 + (turn % 10 == 0)]:
            try:
                load(bytes(damaged), folder)
            except RuntimeError as error:
                assert str(error).startswith("load: expected")


# Structures that nobody's save wrote, with right checksums


def forged(tree, tensors=None, crc=None, **changes):
    tensors = {"t": np.zeros(2, np.float32)} if tensors is None else tensors
    crcs = {
        name: f"{zlib.crc32(array.tobytes(), zlib.crc32(f'float32{list(array.shape)}'.encode())):08x}"
        for name, array in tensors.items()
    }
    content = {"version": 1, "tree": tree, "crc32": crcs, **changes}
    text = json.dumps({key: value for key, value in content.items() if value is not ...})
    header, data = {}, b""
    for name, array in tensors.items():
        header[name] = one("F32", array.shape, [len(data), len(data) + array.nbytes])
        data += array.tobytes()
    header["__metadata__"] = {"verigrad": signed(text, crc)}
    return build(header, data)


def signed(text, crc=None):
    return f"verigrad {zlib.crc32(text.encode()):08x} {text}" if crc is None else f"verigrad {crc} {text}"


def test_the_forger_forges():
    assert load(forged(["list", [["tensor", "t", False], 1]]))[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    "tree",
    [
        1,  # the tensor is left over
        ["list", []],
        ["tensor", "missing", False],
        ["tensor", "t", 1],
        ["tensor", "t"],
        ["tensor", ["t"], False],
        ["tensor", "t", False, 1],
        {"t": 1},
        [],
        ["list"],
        ["list", 5],
        ["no such kind", [["tensor", "t", False]]],
        [1, [["tensor", "t", False]]],
        [["list"], [["tensor", "t", False]]],
        ["list", [["tensor", "t", False], ["int", "zz"]]],
        ["list", [["tensor", "t", False], ["int", 5]]],
        ["list", [["tensor", "t", False], ["float", "1.0"]]],
        ["list", [["tensor", "t", False], ["float", ["nan"]]]],
        ["list", [["tensor", "t", False], ["Size", ["a"]]]],
        ["list", [["tensor", "t", False], ["Size", [["tensor", "t", False]]]]],
        ["dict", [["k", ["tensor", "t", False]], ["k", 1]]],
        ["dict", [["k", ["tensor", "t", False], 1]]],
        ["dict", [["k"]]],
        ["dict", ["k"]],
        ["dict", [[["list", []], ["tensor", "t", False]]]],
        ["dict", [[["tensor", "t", False], 1]]],
    ],
)
def test_forged_trees(tree):
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(forged(tree))


def test_forged_depth():
    tree = ["tensor", "t", False]
    for _ in range(101):
        tree = ["list", [tree]]
    with pytest.raises(RuntimeError, match="at most 100 levels"):
        load(forged(tree))
    for _ in range(50_000):
        tree = [tree]
    text = "[" * 50_000 + "]" * 50_000
    header = {"__metadata__": {"verigrad": signed(text)}}
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build(header))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": True},
        {"version": ...},
        {"tree": ...},
        {"crc32": ...},
        {"crc32": []},
        {"crc32": {}},
        {"crc32": {"t": 5}},
        {"crc32": {"t": "00000000"}},
        {"more": 1},
    ],
)
def test_forged_structures(changes):
    tree = changes.pop("tree", ["tensor", "t", False])
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(forged(tree, **changes))


def test_forged_checksum():
    with pytest.raises(RuntimeError, match="checksum"):
        load(forged(["tensor", "t", False], crc="00000000"))


@pytest.mark.parametrize("value", ["", "{}", "verigrad", "verigrad ", "verigrad 00000000", "verigrad  {}"])
def test_metadata_without_structure(value):
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build({"__metadata__": {"verigrad": value}}))


def test_damage_to_the_key_of_the_structure():
    content = saved([verigrad.ones(1)])
    assert content.count(b'"verigrad"') == 1
    with pytest.raises(RuntimeError, match="expected the metadata 'verigrad'"):
        load(content.replace(b'"verigrad"', b'"verigrae"'))


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": "pt"},
        {"by": "verigrad"},
        {"by": "verigrad 2, of another program", "": "", "é": "{}"},
        {"modelspec.title": "x" * 100_000},
    ],
)
def test_metadata_of_other_programs(metadata):
    content = build({"__metadata__": metadata, "a": one()}, EIGHT)
    assert load(content)["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "kind", ["F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "I16", "U16", "U32", "U64", "C64", "F4"]
)
def test_dtypes_of_other_programs_are_named(kind, tmp_path):
    content = build({"a": one(kind, [16 if kind == "F4" else 8 // _width(kind)])}, EIGHT)
    for folder in (None, tmp_path):
        with pytest.raises(RuntimeError, match=f"^load: expected.*{kind}"):
            load(content, folder)


def _width(kind):
    bits = int(re.search(r"\d+", kind)[0])
    return bits // 8


def test_a_surrogate_in_the_structure():
    # JSON can spell what UTF-8 cannot hold.
    raw = b'{"__metadata__":{"verigrad":"verigrad 00000000 \\ud800"}}'
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build(raw))


def test_an_integer_tensor_cannot_require_grad():
    text = json.dumps({"version": 1, "tree": ["tensor", "t", True], "crc32": {"t": "5a6c1b0f"}})
    entry = one("U8", [1], [0, 1])
    crc = f"{zlib.crc32(bytes(1), zlib.crc32(b'uint8[1]')):08x}"
    text = text.replace("5a6c1b0f", crc)
    with pytest.raises(RuntimeError, match="^load: expected"):
        load(build({"__metadata__": {"verigrad": signed(text)}, "t": entry}, b"\0"))
