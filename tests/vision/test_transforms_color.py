"""Colour, gray, erasing and the ways to PIL: by hand, against Pillow and the standard library."""

import colorsys

import numpy as np
import pytest

import verigrad
from verigrad.vision import transforms as T
from verigrad.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")


def colours(*leading, dtype="uint8", seed=0):
    random = np.random.default_rng(seed)
    array = random.integers(0, 256, (*leading, 3, 4, 5), dtype=np.uint8)
    return array if dtype == "uint8" else (array / 255).astype(dtype)


def tensor(array):
    return verigrad.from_numpy(np.ascontiguousarray(array))


def pil(array):
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))


def pixels(image):
    return np.array(image).transpose(2, 0, 1)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize(
    ("adjust", "name"),
    [(F.adjust_brightness, "Brightness"), (F.adjust_contrast, "Contrast"), (F.adjust_saturation, "Color")],
)
def test_adjustments_are_those_of_pillow(adjust, name, factor):
    array = colours()
    wanted = pixels(getattr(ImageEnhance, name)(pil(array)).enhance(factor)).astype(int)
    assert np.array_equal(pixels(adjust(pil(array), factor)), wanted)
    found = adjust(tensor(array), factor)
    assert found.dtype == verigrad.uint8
    assert np.abs(found.numpy().astype(int) - wanted).max() <= 1  # Pillow's gray is rounded, this one cut
    floats = adjust(tensor(colours(dtype="float64")), factor)
    assert np.abs(floats.numpy() * 255 - wanted).max() <= 1.5


def test_adjustments_by_hand():
    image = verigrad.tensor([[[0.2, 0.8]], [[0.4, 0.0]], [[0.6, 1.0]]], dtype=verigrad.float64)
    gray = 0.2989 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    assert F.rgb_to_grayscale(image).tolist() == [gray.tolist()]
    assert F.rgb_to_grayscale(image, 3).tolist() == [gray.tolist()] * 3
    assert F.adjust_brightness(image, 2.0).tolist()[0] == [[0.4, 1.0]]
    np.testing.assert_allclose(F.adjust_saturation(image, 0.0)[1].numpy(), gray.numpy(), atol=1e-15)
    np.testing.assert_allclose(F.adjust_contrast(image, 0.0).numpy(), gray.mean().item(), atol=1e-15)
    one = verigrad.tensor([[[0.25, 0.75]]])
    assert F.adjust_contrast(one, 0.5).tolist() == [[[0.375, 0.625]]]
    assert F.adjust_saturation(one, 0.5) is one and F.adjust_hue(one, 0.5) is one
    assert F.rgb_to_grayscale(one).tolist() == one.tolist()
    assert F.adjust_brightness(verigrad.tensor([[[100, 200]]], dtype=verigrad.uint8), 1.5).tolist() == [
        [[150, 255]]
    ]
    assert F.adjust_contrast(verigrad.ones(2, 2), 0.5).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("turn", [-0.5, -0.21, 0.0, 0.1, 0.34, 0.5])
def test_hue(turn):
    array = colours(dtype="float64")
    array[:, 0, 0] = 0.5  # gray has no hue
    array[:, 0, 1] = 0.0
    found = F.adjust_hue(tensor(array), turn).numpy()
    for i in range(4):
        for j in range(5):
            hue, saturation, value = colorsys.rgb_to_hsv(*array[:, i, j])
            wanted = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)
            np.testing.assert_allclose(found[:, i, j], wanted, atol=1e-12)
    assert F.adjust_hue(tensor(colours()), turn).dtype == verigrad.uint8
    exact = F.adjust_hue(tensor(colours(dtype="float64")), turn).numpy()
    assert np.abs(F.adjust_hue(tensor(colours()), turn).numpy() - 255 * exact).max() <= 1
    rough = pixels(F.adjust_hue(pil(colours()), turn)).astype(int)  # Pillow's hue has 256 steps
    assert np.abs(rough - F.adjust_hue(tensor(colours()), turn).numpy().astype(int)).max() <= 20


def test_colour_refusals():
    image = verigrad.zeros(3, 2, 2)
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
        with pytest.raises(ValueError, match="not non-negative"):
            adjust(image, -0.1)
        with pytest.raises(TypeError, match="permitted channel values"):
            adjust(verigrad.zeros(2, 2, 2), 0.5)
        with pytest.raises(TypeError, match="PIL Image or Tensor"):
            adjust(np.zeros((2, 2)), 0.5)
    with pytest.raises(ValueError, match="hue_factor"):
        F.adjust_hue(image, 0.6)
    for options in (
        {"brightness": -1},
        {"hue": 0.6},
        {"hue": (-0.6, 0)},
        {"contrast": (2, 1)},
        {"hue": (0.2, -0.2)},
    ):
        with pytest.raises(ValueError, match="between|non negative"):
            T.ColorJitter(**options)
    with pytest.raises(TypeError, match="single number or a list/tuple"):
        T.ColorJitter(saturation="much")
    with pytest.raises(ValueError, match="1 or 3"):
        F.rgb_to_grayscale(image, 2)
    with pytest.raises(TypeError, match="PIL Image"):
        F.to_grayscale(image)


def test_color_jitter():
    jitter = T.ColorJitter(0.5, (0.5, 1.5), 0.2, 0.1)
    assert repr(jitter) == (
        "ColorJitter(brightness=(0.5, 1.5), contrast=(0.5, 1.5), saturation=(0.8, 1.2), hue=(-0.1, 0.1))"
    )
    assert repr(T.ColorJitter()) == "ColorJitter(brightness=None, contrast=None, saturation=None, hue=None)"
    image = tensor(colours())
    assert T.ColorJitter()(image) is image
    verigrad.manual_seed(0)
    results = [jitter(image) for _ in range(4)]
    assert len({result.numpy().tobytes() for result in results}) == 4
    verigrad.manual_seed(0)
    assert verigrad.equal(jitter(image), results[0])
    brightest = T.ColorJitter(brightness=(2, 2))(image)
    assert np.array_equal(brightest.numpy(), np.minimum(colours().astype(int) * 2, 255))
    assert jitter(pil(colours())).size == (5, 4)
    assert jitter(pil(colours()).convert("L")).mode == "L"


def test_grayscale():
    assert repr(T.Grayscale()) == "Grayscale(num_output_channels=1)"
    image = pil(colours())
    assert np.array_equal(np.array(T.Grayscale()(image)), np.array(image.convert("L")))
    assert T.Grayscale(3)(image).mode == "RGB"
    assert tuple(T.Grayscale(3)(tensor(colours(2))).shape) == (2, 3, 4, 5)


def test_random_erasing():
    image = verigrad.ones(3, 20, 30)
    verigrad.manual_seed(3)
    for _ in range(20):
        erased = T.RandomErasing(1.0, value=(2, 3, 4))(image)
        for c in range(3):
            rows, columns = np.nonzero(erased[c].numpy() != 1)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert height * width == len(rows)  # a full rectangle
            assert np.all(erased[c].numpy()[rows, columns] == 2 + c)
            assert 0.015 < height * width / 600 < 0.36 and 0.25 < height / width < 4
    assert image.sum().item() == 1800
    assert T.RandomErasing(1.0, inplace=True)(image) is image and image.sum().item() < 1800
    assert verigrad.equal(T.RandomErasing(0.0)(image), image)
    noisy = T.RandomErasing(1.0, value="random")(verigrad.zeros(1, 20, 20))
    assert len(set(noisy[noisy != 0].tolist())) > 5
    batch = T.RandomErasing(1.0)(verigrad.ones(4, 1, 20, 20))
    assert len({part.numpy().tobytes() for part in batch}) == 4
    assert (
        repr(T.RandomErasing())
        == "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"
    )
    for options in ({"p": 2}, {"scale": (0.5, 0.1)}, {"ratio": (0, 1)}, {"value": "black"}):
        with pytest.raises(ValueError):
            T.RandomErasing(**options)
    with pytest.raises(TypeError):
        T.RandomErasing(scale=0.5)
    with pytest.raises(ValueError, match="number of input channels"):
        T.RandomErasing(1.0, value=(1, 2))(image)
    with pytest.raises(TypeError, match="Tensor Image"):
        T.RandomErasing(1.0)(pil(colours()))


# ToPILImage, Lambda


def test_to_pil_and_back():
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        array = np.random.default_rng(0).integers(0, 256, (channels, 3, 5), dtype=np.uint8)
        image = T.ToPILImage()(tensor(array))
        assert (image.mode, image.size) == (mode, (5, 3))
        assert np.array_equal(T.ToTensor()(image).mul(255).numpy().round(), array)
        assert T.ToPILImage()(np.ascontiguousarray(array.transpose(1, 2, 0))).tobytes() == image.tobytes()
        floats = T.ToPILImage()(T.ToTensor()(image))  # cut, so at most one below
        assert np.abs(np.array(floats).astype(int) - np.array(image).astype(int)).max() <= 1
    assert T.ToPILImage("YCbCr")(tensor(colours())).mode == "YCbCr"
    assert T.ToPILImage()(verigrad.zeros(3, 5)).size == (5, 3)
    assert T.ToPILImage("F")(verigrad.full((1, 2, 2), 0.5)).getpixel((0, 0)) == 0.5
    assert T.ToPILImage()(verigrad.full((1, 2, 2), 70000, dtype=verigrad.int32)).getpixel((1, 1)) == 70000
    assert T.ToPILImage()(verigrad.ones(1, 2, 2, requires_grad=True)).getpixel((0, 0)) == 255
    assert T.ToPILImage()(np.full((2, 2), 40000, np.uint16)).mode == "I;16"
    assert repr(T.ToPILImage()) == "ToPILImage()" and repr(T.ToPILImage("RGB")) == "ToPILImage(mode=RGB)"
    assert F.to_pil_image(F.to_tensor(pil(colours()))).mode == "RGB"


def test_to_pil_refusals():
    with pytest.raises(TypeError, match="should be Tensor or ndarray"):
        T.ToPILImage()([[1]])
    for shape in ((3,), (1, 1, 2, 2)):
        with pytest.raises(ValueError, match="2/3 dimensional"):
            T.ToPILImage()(verigrad.zeros(*shape))
    with pytest.raises(ValueError, match="4 channels"):
        T.ToPILImage()(verigrad.zeros(5, 2, 2))
    with pytest.raises(ValueError, match="Incorrect mode"):
        T.ToPILImage("RGB")(verigrad.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="Only modes"):
        T.ToPILImage("L")(verigrad.zeros(3, 2, 2))
    with pytest.raises(TypeError, match="not supported"):
        T.ToPILImage()(verigrad.zeros(1, 2, 2, dtype=verigrad.int64))
    with pytest.raises(TypeError, match="not supported"):
        T.ToPILImage()(np.zeros((2, 2, 3), np.int32))


def test_lambda():
    assert T.Lambda(lambda x: x + 1)(2) == 3
    assert repr(T.Lambda(abs)) == "Lambda()"
    with pytest.raises(TypeError, match="should be callable"):
        T.Lambda(3)


def test_functional_odds_and_ends():
    image = tensor(colours())
    assert F.get_dimensions(image) == [3, 4, 5] and F.get_image_size(pil(colours())) == [5, 4]
    assert F.get_dimensions(pil(colours())) == [3, 4, 5]
    erased = F.erase(image, 1, 2, 2, 2, verigrad.zeros(1, 1, 1, dtype=verigrad.uint8))
    assert erased[:, 1:3, 2:4].sum().item() == 0 and not verigrad.equal(erased, image)
    with pytest.raises(TypeError, match="Tensor Image"):
        F.erase(pil(colours()), 0, 0, 1, 1, verigrad.zeros(1))
    assert F.normalize(verigrad.ones(1, 1, 1), (0.5,), (0.5,)).item() == 1.0
