"""read_gray_image: pictures of every kind as 28 x 28 gray, and files that are none."""

import io
import random
import struct
import zlib

import numpy as np
import pytest

import verigrad
from verigrad.training.images import read_gray_image
from verigrad.vision import datasets

Image = pytest.importorskip("PIL.Image")


def saved(tmp_path, image, name="i.png"):
    path = tmp_path / name
    image.save(path)
    return path


def test_an_image_of_the_data_set_is_unchanged(tmp_path):
    digit = datasets.MNISTMini(train=False).data[0]
    path = saved(tmp_path, Image.fromarray(digit.numpy()))
    back = read_gray_image(path)
    assert back.dtype == verigrad.uint8
    assert verigrad.equal(back, digit)
    assert verigrad.equal(read_gray_image(str(path), invert=True), 255 - digit)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes(tmp_path, mode):
    array = np.zeros((28, 28), np.uint8)
    array[5:20, 10:15] = 255
    image = read_gray_image(saved(tmp_path, Image.fromarray(array).convert(mode)))
    assert np.array_equal(image.numpy(), array)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    array = np.zeros((28, 28), np.uint16)
    array[3] = 40000
    image = read_gray_image(saved(tmp_path, Image.fromarray(array)))
    assert image[3, 0].item() == 40000 >> 8
    assert image[4, 0].item() == 0


def test_transparency_is_background(tmp_path):
    array = np.zeros((28, 28, 4), np.uint8)  # a black stroke on a transparent ground
    array[10:12, :, 3] = 255
    path = saved(tmp_path, Image.fromarray(array))
    assert read_gray_image(path).max().item() == 0
    inverted = read_gray_image(path, invert=True)
    assert inverted[10:12].min().item() == 255
    assert inverted[:10].max().item() == 0


@pytest.mark.parametrize("size", [(56, 56), (280, 280), (14, 14), (1, 1), (56, 28), (28, 300), (100_000, 1)])
def test_sizes(tmp_path, size):
    image = read_gray_image(saved(tmp_path, Image.new("L", size, 200)))
    assert tuple(image.shape) == (28, 28)
    assert image[12:16].max().item() > 0
    if size[0] == 2 * size[1]:  # padded above and below, not stretched
        assert image[:7].max().item() == 0
        assert image[21:].max().item() == 0
        assert image[10:18].min().item() >= 195


@pytest.mark.parametrize("name", ["i.jpg", "i.bmp", "i.gif"])
def test_other_formats(tmp_path, name):
    image = read_gray_image(saved(tmp_path, Image.new("L", (28, 28), 100), name))
    assert abs(int(image[14, 14].item()) - 100) <= 2


def png():
    buffer = io.BytesIO()
    Image.fromarray(datasets.MNISTMini(train=False).data[0].numpy()).save(buffer, "png")
    return buffer.getvalue()


def test_files_that_are_no_pictures(tmp_path):
    path = tmp_path / "f"
    for content in (b"", b"text", b"\x89PNG\r\n\x1a\n", png()[:40], b"P5 1 1 255 x", b"II*\0" + bytes(20)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a picture"):
            read_gray_image(path)
    with pytest.raises(FileNotFoundError):
        read_gray_image(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        read_gray_image(tmp_path)


def test_damaged_pictures_never_crash(tmp_path):
    content, path = png(), tmp_path / "f"
    dice = random.Random(0)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            read_gray_image(path)
        except ValueError as error:
            assert "expected a picture" in str(error)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            assert tuple(read_gray_image(path).shape) == (28, 28)
        except ValueError as error:
            assert "expected a picture" in str(error)


def test_a_decompression_bomb(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (10_000, 100_000):  # Pillow warns of the first and refuses the second
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        data = chunk(b"IDAT", zlib.compress(bytes(1000)))
        (tmp_path / "f").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))
        with pytest.raises(ValueError, match="DecompressionBomb"):
            read_gray_image(tmp_path / "f")
