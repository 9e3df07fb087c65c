"""ToTensor, Normalize and Compose: torchvision's results, types, errors and repr."""

import numpy as np
import pytest

import verigrad
from verigrad.vision.transforms import Compose, Normalize, ToTensor

Image = pytest.importorskip("PIL.Image")


def test_gray_images_and_arrays():
    array = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    for pic in (array, array[:, :, None], Image.fromarray(array)):
        tensor = ToTensor()(pic)
        assert tensor.dtype == verigrad.float32
        assert tuple(tensor.shape) == (1, 3, 4)
        assert np.array_equal(tensor[0].numpy(), array.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    ("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2), ("CMYK", 4), ("YCbCr", 3)]
)
def test_colour(mode, channels):
    array = np.random.default_rng(0).integers(0, 256, (2, 3, channels), dtype=np.uint8)
    tensor = ToTensor()(Image.frombytes(mode, (3, 2), array.tobytes()))
    assert tuple(tensor.shape) == (channels, 2, 3)
    assert np.array_equal(tensor.numpy(), array.transpose(2, 0, 1).astype(np.float32) / np.float32(255))


def test_other_modes():
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert ToTensor()(bits).tolist() == [[[0.0, 1.0]]]
    palette = Image.fromarray(np.array([[0, 7]], np.uint8)).convert("P")
    assert tuple(ToTensor()(palette).shape) == (1, 1, 2)
    wide = ToTensor()(Image.fromarray(np.array([[1, 70000]], np.int32)))
    assert (wide.dtype, wide.tolist()) == (verigrad.int32, [[[1, 70000]]])
    short = ToTensor()(Image.fromarray(np.array([[1, 40000]], np.uint16)))
    assert (short.dtype, short.tolist()) == (verigrad.int32, [[[1, 40000]]])
    floats = ToTensor()(Image.fromarray(np.array([[0.5, 300.0]], np.float32)))
    assert (floats.dtype, floats.tolist()) == (verigrad.float32, [[[0.5, 300.0]]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_other_arrays_keep_dtype_and_values(dtype):
    array = np.array([[1, 300]], dtype)
    tensor = ToTensor()(array)
    assert str(tensor.dtype).endswith(dtype)
    assert tensor.tolist() == [[[1, 300]]]
    tensor += 1
    assert array.tolist() == [[1, 300]]  # no shared memory


def test_arrays_of_every_layout():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    array.flags.writeable = False
    for view in (array, array[::-1], array.transpose(1, 0, 2), array[:, ::2]):
        expected = np.ascontiguousarray(view.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
        assert np.array_equal(ToTensor()(view).numpy(), expected)


def test_the_default_dtype_is_used():
    before = verigrad.get_default_dtype()
    try:
        verigrad.set_default_dtype(verigrad.float64)
        assert ToTensor()(np.zeros((1, 1), np.uint8)).dtype == verigrad.float64
    finally:
        verigrad.set_default_dtype(before)


def test_to_tensor_refusals():
    for bad in ([[1]], None, verigrad.ones(1, 2)):
        with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
            ToTensor()(bad)
    for shape in ((), (3,), (1, 1, 1, 1)):
        with pytest.raises(ValueError, match=f"2/3 dimensional. Got {len(shape)} dimensions"):
            ToTensor()(np.zeros(shape, np.uint8))


def test_normalize():
    tensor = verigrad.ones(2, 1, 2)
    result = Normalize((0.5, 1.0), (0.5, 4.0))(tensor)
    assert result.tolist() == [[[1.0, 1.0]], [[0.0, 0.0]]]
    assert tensor.tolist() == [[[1.0, 1.0]], [[1.0, 1.0]]]
    batch = Normalize((0.5, 1.0), (0.5, 4.0))(tensor.unsqueeze(0).expand(3, 2, 1, 2))
    assert batch[2].tolist() == result.tolist()
    assert Normalize([0.5], [0.5], inplace=True)(tensor) is tensor
    assert tensor.sum().item() == 4.0
    assert Normalize((0.1,), (0.2,))(tensor.double()).dtype == verigrad.float64


def test_normalize_refusals():
    one = Normalize((0.5,), (0.5,))
    with pytest.raises(TypeError, match="img should be Tensor"):
        one(np.ones((1, 1, 1)))
    with pytest.raises(TypeError, match="should be a float tensor"):
        one(verigrad.ones(1, 1, 1, dtype=verigrad.uint8))
    with pytest.raises(ValueError, match=r"size \(..., C, H, W\)"):
        one(verigrad.ones(2, 2))
    with pytest.raises(ValueError, match="std evaluated to zero"):
        Normalize((0.5,), (0.0,))(verigrad.ones(1, 1, 1))
    with pytest.raises(ValueError, match="std evaluated to zero"):
        Normalize((0.5,), (1e-60,))(verigrad.ones(1, 1, 1))


def test_compose_and_repr():
    assert Compose([lambda x: x + 1, lambda x: 2 * x])(3) == 8
    assert Compose([])(3) == 3
    composed = Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    assert repr(composed) == "Compose(\n    ToTensor()\n    Normalize(mean=(0.1307,), std=(0.3081,))\n)"
    with pytest.raises(TypeError):
        Compose(5)(1)
