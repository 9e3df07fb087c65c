"""The IDX reader and writer: round trips, and every way in which a file can be wrong."""

import gzip
import os
import struct
import zlib

import numpy as np
import pytest

import verigrad
from verigrad.vision.idx import read_idx, write_idx


def idx(code, shape, content):
    return bytes((0, 0, code, len(shape))) + b"".join(struct.pack(">I", size) for size in shape) + content


GOOD = idx(8, [2, 3], bytes(range(6)))


def read(tmp_path, content, **options):
    path = tmp_path / "f"
    path.write_bytes(content)
    return read_idx(path, **options)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["f", "f.gz"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 4), (1, 2, 1, 2)])
def test_round_trip(tmp_path, dtype, name, shape):
    tensor = verigrad.from_numpy((np.arange(np.prod(shape)) * 1.5).astype(dtype).reshape(shape))
    write_idx(tmp_path / name, tensor)
    back = read_idx(tmp_path / name)
    assert back.dtype == tensor.dtype
    assert tuple(back.shape) == shape
    assert back.tolist() == tensor.tolist()
    assert os.listdir(tmp_path) == [name]


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "f", verigrad.tensor([[1, 2]], dtype=verigrad.int32))
    assert (tmp_path / "f").read_bytes() == idx(0x0C, [1, 2], b"\0\0\0\1\0\0\0\2")


def test_not_contiguous_and_requiring_grad(tmp_path):
    tensor = verigrad.arange(6, dtype=verigrad.float32).reshape(2, 3).t().requires_grad_()
    write_idx(tmp_path / "f", tensor)
    assert read_idx(tmp_path / "f").tolist() == tensor.tolist()


def test_gzip_holds_neither_name_nor_time(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, verigrad.ones(5))
    content = (tmp_path / "a.gz").read_bytes()
    assert content == (tmp_path / "b.gz").read_bytes()
    assert content[3:8] == b"\0\0\0\0\0"  # flags: no name; time: 0


@pytest.mark.parametrize(
    ("code", "packed", "dtype", "values"),
    [
        (0x08, b"\x00\xff", "uint8", [0, 255]),
        (0x09, b"\x01\xff", "int32", [1, -1]),
        (0x0B, b"\x01\x00\xff\xfe", "int32", [256, -2]),
        (0x0C, b"\x00\x00\x01\x00\xff\xff\xff\xff", "int32", [256, -1]),
        (0x0D, struct.pack(">ff", 1.5, -2.0), "float32", [1.5, -2.0]),
        (0x0E, struct.pack(">dd", 1.5, -2.0), "float64", [1.5, -2.0]),
    ],
)
def test_every_type_of_the_format(tmp_path, code, packed, dtype, values):
    tensor = read(tmp_path, idx(code, [2], packed))
    assert tensor.dtype == getattr(verigrad, dtype)
    assert tensor.tolist() == values


def test_compression_is_told_by_content(tmp_path):
    assert read(tmp_path, gzip.compress(GOOD)).tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "plain.gz").write_bytes(GOOD)
    assert tuple(read_idx(tmp_path / "plain.gz").shape) == (2, 3)
    halves = gzip.compress(GOOD[:7]) + gzip.compress(GOOD[7:])
    assert tuple(read(tmp_path, halves).shape) == (2, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\0", "type code"),
        (b"\0\0\x08", "type code"),
        (b"\1\0\x08\x01" + bytes(8), "type code"),
        (b"\0\1\x08\x01" + bytes(8), "type code"),
        (b"\0\0\x07\x01" + bytes(8), "type code"),
        (b"\0\0\x0a\x01" + bytes(8), "type code"),
        (b"\0\0\x08\x00", "1 to 8 dimensions"),
        (b"\0\0\x08\x09" + bytes(40), "1 to 8 dimensions"),
        (b"\0\0\x08\xff" + bytes(2000), "1 to 8 dimensions"),
        (b"\0\0\x08\x02\0\0\0\1\0", "8 bytes of dimensions"),
        (GOOD[:-1], "6 bytes for shape"),
        (GOOD + b"\0", "got more"),
        (idx(8, [2**32 - 1], b""), "at most"),
        (idx(8, [2**32 - 1] * 8, b""), "at most"),
        (idx(8, [10**6], b"\0" * 10), "too short"),
        (b"PNG nonsense", "type code"),
    ],
)
def test_what_is_not_idx(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"read_idx: expected .*{message}"):
        read(tmp_path, content)
    if content:
        with pytest.raises(ValueError, match="read_idx: expected"):
            read(tmp_path, gzip.compress(content))


def test_truncation_at_every_byte(tmp_path):
    for content in (GOOD, gzip.compress(GOOD, mtime=0)):
        for length in range(len(content)):
            with pytest.raises(ValueError, match="read_idx: expected"):
                read(tmp_path, content[:length])


def test_a_damaged_gzip(tmp_path):
    content = bytearray(gzip.compress(GOOD, mtime=0))
    content[-6] ^= 1  # the CRC
    with pytest.raises(ValueError, match="intact gzip"):
        read(tmp_path, bytes(content))
    with pytest.raises(ValueError, match="intact gzip"):
        read(tmp_path, gzip.compress(GOOD, mtime=0) + b"tail")


def test_flipped_bits_of_a_gzip_never_crash(tmp_path):
    content = gzip.compress(GOOD, mtime=0)
    for position in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        try:
            tensor = read(tmp_path, bytes(damaged))
        except ValueError as error:
            assert str(error).startswith("read_idx: expected")
        else:
            assert tensor.tolist() == [[0, 1, 2], [3, 4, 5]]  # a bit of the gzip header that says nothing


def test_a_bomb_stops_at_what_was_declared(tmp_path, monkeypatch):
    # 64 MB of zeros behind a header that declares six bytes.
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(GOOD[:12])
    for _ in range(64):
        bomb += packer.compress(bytes(1 << 20))
    bomb += packer.flush()
    assert len(bomb) < 100_000
    read_bytes = []
    original = gzip.GzipFile.read

    def counting(self, size=-1):
        block = original(self, size)
        read_bytes.append(len(block))
        return block

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    with pytest.raises(ValueError, match="got more"):
        read(tmp_path, bomb)
    assert sum(read_bytes) < 100


def test_max_bytes(tmp_path):
    assert read(tmp_path, GOOD, max_bytes=6).numel() == 6
    with pytest.raises(ValueError, match="at most 5 bytes"):
        read(tmp_path, GOOD, max_bytes=5)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


def test_what_cannot_be_written(tmp_path):
    for tensor in (verigrad.ones(2, dtype=verigrad.int64), verigrad.ones(2) > 0):
        with pytest.raises(TypeError, match="write_idx: expected a uint8, int32, float32 or float64"):
            write_idx(tmp_path / "f", tensor)
    with pytest.raises(ValueError, match="write_idx: expected 1 to 8 dimensions"):
        write_idx(tmp_path / "f", verigrad.tensor(1.0))
    with pytest.raises(FileNotFoundError):
        write_idx(tmp_path / "missing" / "f", verigrad.ones(1))
    assert os.listdir(tmp_path) == []


def test_the_reader_leaves_the_rest_of_memory_alone(tmp_path):
    tensor = read(tmp_path, GOOD)
    tensor += 1  # own, writable memory
    assert read_idx(tmp_path / "f").tolist() == [[0, 1, 2], [3, 4, 5]]
