"""Sizes, crops, flips and affine maps: PyTorch's numbers, Pillow's pixels, torchvision's errors and repr."""

import numpy as np
import pytest

import verigrad
from verigrad.vision import datasets
from verigrad.vision import transforms as T
from verigrad.vision.transforms import functional as F
from verigrad.vision.transforms.functional import InterpolationMode as Mode

Image = pytest.importorskip("PIL.Image")


def digit():
    return datasets.MNISTMini(train=False).data[0].unsqueeze(0)


def noise(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(dtype)


def tensor(array):
    return verigrad.from_numpy(np.ascontiguousarray(array))


# Resize


@pytest.mark.parametrize("size", [(7, 5), (3, 14), (20, 31), (1, 1), (6, 9)])
@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (Mode.NEAREST, {"mode": "nearest"}),
        (Mode.NEAREST_EXACT, {"mode": "nearest-exact"}),
        (Mode.BILINEAR, {"mode": "bilinear"}),
        (Mode.BICUBIC, {"mode": "bicubic"}),
    ],
)
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_gives_pytorchs_numbers(size, mode, options, antialias):
    torch = pytest.importorskip("torch")
    antialias = antialias and mode in (Mode.BILINEAR, Mode.BICUBIC)
    array = noise(2, 3, 6, 9)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(array), size, antialias=antialias, **options
    ).numpy()
    found = T.Resize(size, mode, antialias=antialias)(tensor(array)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(14, 14), (13, 11), (40, 31), (9, 28)])
@pytest.mark.parametrize("mode", [Mode.BILINEAR, Mode.BICUBIC])
def test_resize_of_bytes_is_pillows_within_one(size, mode):
    image = digit()
    found = T.Resize(size, mode)(image)
    pillow = T.Resize(size, mode)(Image.fromarray(image[0].numpy()))
    assert found.dtype == verigrad.uint8 and pillow.size == size[::-1]
    assert np.abs(found[0].numpy().astype(int) - np.array(pillow).astype(int)).max() <= 1


@pytest.mark.parametrize("size", [(9, 20), (40, 31), (5, 60)])
def test_resize_of_bytes_is_pytorchs_within_one(size):
    torch = pytest.importorskip("torch")
    image = digit()
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(image.numpy())[None], size, mode="bicubic", antialias=True
    )[0].numpy()
    assert np.abs(T.Resize(size, Mode.BICUBIC)(image).numpy().astype(int) - wanted.astype(int)).max() <= 1


def test_resize_by_hand():
    ramp = verigrad.tensor([[[0.0, 4.0]]])
    assert T.Resize((1, 4))(ramp).tolist() == [[[0.0, 1.0, 3.0, 4.0]]]
    assert T.Resize((1, 4), Mode.NEAREST)(ramp).tolist() == [[[0.0, 0.0, 4.0, 4.0]]]
    assert T.Resize((1, 1))(verigrad.tensor([[[0.0, 1.0, 8.0]]])).tolist()[0][0] == pytest.approx(
        [19 / 7], abs=1e-6
    )
    constant = verigrad.full((1, 5, 7), 0.3, dtype=verigrad.float64)
    for mode in (Mode.BILINEAR, Mode.BICUBIC):
        assert T.Resize((3, 11), mode)(constant).sub(0.3).abs().max().item() < 1e-15


def test_the_shorter_side():
    image = verigrad.zeros(1, 20, 30)
    assert tuple(T.Resize(10)(image).shape) == (1, 10, 15)
    assert tuple(T.Resize([10])(image.transpose(1, 2)).shape) == (1, 15, 10)
    assert tuple(T.Resize(10, max_size=12)(image).shape) == (1, 8, 12)
    assert T.Resize(20)(image) is image
    assert T.Resize(10)(Image.new("L", (30, 20))).size == (15, 10)
    assert tuple(T.Resize(4)(verigrad.zeros(0, 1, 8, 8)).shape) == (0, 1, 4, 4)
    assert tuple(T.Resize(4)(verigrad.zeros(8, 8)).shape) == (4, 4)


def test_resize_refusals():
    with pytest.raises(TypeError, match="Size should be int or sequence"):
        T.Resize(1.5)
    with pytest.raises(ValueError, match="1 or 2 values"):
        T.Resize((1, 2, 3))
    with pytest.raises(ValueError, match="max_size should only be passed"):
        T.Resize((4, 4), max_size=5)(verigrad.zeros(1, 8, 8))
    with pytest.raises(ValueError, match="strictly greater"):
        T.Resize(4, max_size=4)(verigrad.zeros(1, 8, 8))
    with pytest.raises(ValueError, match="positive sizes"):
        T.Resize(0)(verigrad.zeros(1, 8, 8))
    with pytest.raises(ValueError, match="for a tensor, got lanczos"):
        T.Resize(4, Mode.LANCZOS)(verigrad.zeros(1, 8, 8))
    with pytest.raises(TypeError, match="InterpolationMode"):
        T.Resize(4, "bilinear")
    with pytest.raises(TypeError, match="PIL Image or Tensor"):
        T.Resize(4)(np.zeros((8, 8)))
    with pytest.raises(ValueError, match="with pixels"):
        T.Resize(4)(verigrad.zeros(1, 0, 8))
    assert T.Resize(4, 2).interpolation is Mode.BILINEAR  # Pillow's numbers


# Pad and crop


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding", [1, [2, 1], (0, 3, 2, 1), 0])
def test_pad(mode, padding):
    array = noise(2, 3, 4, 5, dtype="uint8")
    left, top, right, bottom = (
        {1: (1,) * 4, 0: (0,) * 4}.get(padding)
        if isinstance(padding, int)
        else ((2, 1, 2, 1) if len(padding) == 2 else padding)
    )
    options = {"constant_values": 7} if mode == "constant" else {}
    wanted = np.pad(array, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=mode, **options)
    assert np.array_equal(T.Pad(padding, 7, mode)(tensor(array)).numpy(), wanted)
    colour = Image.fromarray(np.ascontiguousarray(array[0].transpose(1, 2, 0)))
    assert np.array_equal(np.array(T.Pad(padding, 7, mode)(colour)), wanted[0].transpose(1, 2, 0))


def test_pad_of_other_kinds():
    palette = Image.fromarray(noise(4, 5, dtype="uint8")).convert("P")
    for mode in ("edge", "reflect"):
        padded = F.pad(palette, 1, padding_mode=mode)
        assert padded.mode == "P" and padded.size == (7, 6)
        assert padded.getpalette() == palette.getpalette()
    image = verigrad.ones(2, 1, 1)
    assert F.pad(image, 1, (5.0, 6.0))[:, 0, 0].tolist() == [5.0, 6.0]
    leaf = verigrad.ones(1, 2, 2, requires_grad=True)
    for mode in ("constant", "edge"):
        (gradient,) = verigrad.autograd.grad(F.pad(leaf, 1, padding_mode=mode).sum(), leaf)
        assert gradient.sum().item() == (4 if mode == "constant" else 16)


def test_pad_refusals():
    image = verigrad.zeros(2, 3, 3)
    for padding, error in (("1", TypeError), ([1, 2, 3], ValueError), (-1, ValueError), ([0.5], ValueError)):
        with pytest.raises(error):
            F.pad(image, padding)
    with pytest.raises(ValueError, match="Padding mode"):
        F.pad(image, 1, padding_mode="circular")
    with pytest.raises(
        ValueError, match="at most 2 pixels of padding in mode reflect beside 3 pixels, got 3"
    ):
        F.pad(image, 3, padding_mode="reflect")
    with pytest.raises(ValueError, match="at most 0"):
        F.pad(verigrad.zeros(1, 0, 3), 1, padding_mode="edge")
    with pytest.raises(ValueError, match="number of channels"):
        F.pad(image, 1, (1.0, 2.0, 3.0))
    with pytest.raises(TypeError, match="fill"):
        F.pad(image, 1, "black")


@pytest.mark.parametrize("place", [(1, 2, 3, 2), (-2, -1, 4, 4), (3, 3, 5, 6), (-9, 0, 2, 2), (0, 9, 2, 2)])
def test_crop_is_pillows(place):
    array = noise(5, 6, dtype="uint8")
    wanted = np.array(F.crop(Image.fromarray(array), *place))
    assert np.array_equal(F.crop(tensor(array)[None], *place)[0].numpy(), wanted)


@pytest.mark.parametrize("size", [(2, 3), (3, 2), (5, 5), (8, 3), (9, 10), 4, [4]])
def test_center_crop_is_that_of_a_pil_image(size):
    array = noise(5, 6, dtype="uint8")
    wanted = T.CenterCrop(size)(Image.fromarray(array))
    found = T.CenterCrop(size)(tensor(array)[None, None])
    assert np.array_equal(found[0, 0].numpy(), np.array(wanted))


def test_center_crop_by_hand():
    image = verigrad.arange(25.0).reshape(1, 5, 5)
    assert T.CenterCrop(1)(image).item() == 12.0
    assert T.CenterCrop((1, 3))(image).tolist() == [[[11.0, 12.0, 13.0]]]
    assert T.CenterCrop((1, 7))(image).tolist() == [[[0.0, 10.0, 11.0, 12.0, 13.0, 14.0, 0.0]]]
    with pytest.raises(ValueError, match="only two dimensions"):
        T.CenterCrop((1, 2, 3))


def test_flips():
    image = verigrad.arange(6).reshape(1, 2, 3)
    assert F.hflip(image).tolist() == [[[2, 1, 0], [5, 4, 3]]]
    assert F.vflip(image).tolist() == [[[3, 4, 5], [0, 1, 2]]]
    array = noise(4, 5, dtype="uint8")
    assert np.array_equal(np.array(F.hflip(Image.fromarray(array))), array[:, ::-1])
    assert np.array_equal(np.array(F.vflip(Image.fromarray(array))), array[::-1])


# Rotation and affine maps


def test_rotation_by_quarters_is_exact():
    array = noise(1, 5, 5, dtype="uint8")
    for quarters in range(5):
        wanted = np.rot90(array, quarters, (1, 2))
        for mode in (Mode.NEAREST, Mode.BILINEAR):
            assert np.array_equal(F.rotate(tensor(array), 90 * quarters, mode).numpy(), wanted)
        pillow = F.rotate(Image.fromarray(array[0]), 90 * quarters)
        assert np.array_equal(np.array(pillow), wanted[0])


def test_rotation_with_expand():
    wide = tensor(noise(2, 4, 7))
    turned = F.rotate(wide, 90, expand=True)
    assert np.array_equal(turned.numpy(), np.rot90(wide.numpy(), 1, (1, 2)))
    image = digit()
    pillow = Image.fromarray(image[0].numpy())
    for angle in (10, 33, 45, 80, 135, 180, -20):
        found, wanted = F.rotate(image, angle, expand=True), F.rotate(pillow, angle, expand=True)
        assert tuple(found.shape[1:]) == wanted.size[::-1], angle


def torch_affine(torch, array, matrix, mode, fill):
    """torchvision's way: a normalised grid for grid_sample, and a mask for the fill."""
    images = torch.from_numpy(array)
    height, width = array.shape[-2:]
    theta = torch.tensor(matrix, dtype=images.dtype).reshape(1, 2, 3)
    base = torch.ones(1, height, width, 3, dtype=images.dtype)
    base[..., 0] = torch.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, dtype=images.dtype)
    base[..., 1] = torch.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, dtype=images.dtype)[
        :, None
    ]
    scaled = theta.transpose(1, 2) / torch.tensor([0.5 * width, 0.5 * height], dtype=images.dtype)
    grid = base.view(1, height * width, 3).bmm(scaled).view(1, height, width, 2)
    grid = grid.expand(len(images), height, width, 2)
    both = torch.cat([images, torch.ones_like(images[:, :1])], 1)
    sampled = torch.nn.functional.grid_sample(
        both, grid, mode=mode, padding_mode="zeros", align_corners=False
    )
    values, mask = sampled[:, :-1], sampled[:, -1:]
    return (values + (1 - mask) * fill).numpy()


@pytest.mark.parametrize(
    "parameters",
    [
        (30.0, (0, 0), 1.0, (0.0, 0.0)),
        (-77.0, (2, -1), 1.0, (0.0, 0.0)),
        (0.0, (1, 3), 0.7, (0.0, 0.0)),
        (12.0, (-2, 1), 1.3, (10.0, 0.0)),
        (12.0, (0, 0), 1.0, (-8.0, 15.0)),
    ],
)
@pytest.mark.parametrize("center", [None, (2.0, 7.5)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_affine_gives_the_numbers_of_grid_sample(parameters, center, mode):
    torch = pytest.importorskip("torch")
    array = noise(2, 3, 9, 12)
    offset = (0.0, 0.0) if center is None else (center[0] - 6.0, center[1] - 4.5)
    matrix = F.inverse_affine_matrix(offset, *parameters)
    found = F.affine(tensor(array), *parameters, Mode(mode), 20.0, center).numpy()
    np.testing.assert_allclose(found, torch_affine(torch, array, matrix, mode, 20.0), rtol=0, atol=1e-9)


def test_the_inverse_matrix_is_the_inverse():
    angle, translate, scale, shear, center = 25.0, (3.0, -2.0), 1.4, (11.0, -6.0), (5.0, 2.0)
    inverse = np.array([*F.inverse_affine_matrix(center, angle, translate, scale, shear), 0, 0, 1]).reshape(
        3, 3
    )
    turn, sx, sy = np.radians(angle), np.radians(shear[0]), np.radians(shear[1])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    along_y = np.array([[1, 0], [np.tan(-sy), 1]])
    along_x = np.array([[1, np.tan(-sx)], [0, 1]])
    forward = np.eye(3)
    forward[:2, :2] = scale * rotation @ along_y @ along_x
    to, back = np.eye(3), np.eye(3)
    to[:2, 2], back[:2, 2] = np.array(center) + translate, -np.array(center)
    np.testing.assert_allclose(inverse @ (to @ forward @ back), np.eye(3), atol=1e-12)


def test_affine_of_pil_images_goes_the_same_way():
    image = digit()
    pillow = Image.fromarray(image[0].numpy())
    for arguments in (
        (20.0, (2, -3), 1.0, 0.0),
        (0.0, (0, 0), 1.2, (10.0, 5.0)),
        (-45.0, [0, 0], 0.8, [5.0]),
    ):
        found = F.affine(image, *arguments, Mode.BILINEAR)[0].numpy().astype(int)
        wanted = np.array(F.affine(pillow, *arguments, Mode.BILINEAR)).astype(int)
        # Pillow gives whole pixels of fill at the border and works in fixed point.
        assert np.abs(found - wanted)[2:-2, 2:-2].max() <= 2
    assert F.affine(pillow, 0.0, (30, 0), 1.0, 0.0, fill=9).getextrema() == (9, 9)
    rgb = F.rotate(pillow.convert("RGB"), 45, fill=(1, 2, 3))
    assert rgb.getpixel((0, 0)) == (1, 2, 3)
    assert F.rotate(pillow.convert("RGB"), 45, fill=8).getpixel((0, 0)) == (8, 8, 8)


def test_dtypes_and_fills_of_warps():
    array = noise(3, 4, 4, dtype="int32")
    shifted = F.affine(tensor(array), 0.0, (1, 0), 1.0, 0.0, fill=(7, 8, 9))
    assert shifted.dtype == verigrad.int32
    assert np.array_equal(shifted.numpy()[:, :, 1:], array[:, :, :-1])
    assert shifted[:, 0, 0].tolist() == [7, 8, 9]
    half = F.warp(tensor(array), [[1, 0, 0.5, 0, 1, 0]], interpolation=Mode.BILINEAR).numpy()
    assert np.array_equal(half[:, :, :-1], np.round((array[:, :, :-1] + array[:, :, 1:]) / 2))
    assert tuple(F.warp(verigrad.zeros(4, 5), [[1, 0, 0, 0, 1, 0]]).shape) == (4, 5)
    assert tuple(F.warp(verigrad.zeros(2, 3, 1, 4, 5), [[1, 0, 0, 0, 1, 0]] * 6, (2, 2)).shape) == (
        2,
        3,
        1,
        2,
        2,
    )
    assert tuple(F.warp(verigrad.zeros(0, 1, 4, 5), []).shape) == (0, 1, 4, 5)


def test_affine_refusals():
    image = verigrad.zeros(3, 4, 4)
    for arguments, error in (
        (("10", (0, 0), 1.0, 0.0), TypeError),
        ((10, 5, 1.0, 0.0), TypeError),
        ((10, (0, 0, 0), 1.0, 0.0), ValueError),
        ((10, (0, 0), 0.0, 0.0), ValueError),
        ((10, (0, 0), 1.0, "0"), TypeError),
        ((10, (0, 0), 1.0, (1, 2, 3)), ValueError),
        ((10, (0, 0), 1.0, 0.0, Mode.BICUBIC), ValueError),
        ((10, (0, 0), 1.0, 0.0, Mode.NEAREST, (1, 2)), ValueError),
        ((10, (0, 0), 1.0, 0.0, Mode.NEAREST, 0, 5), TypeError),
    ):
        with pytest.raises(error):
            F.affine(image, *arguments)
    with pytest.raises(TypeError, match="angle"):
        F.rotate(image, None)
    with pytest.raises(TypeError, match="PIL Image or Tensor"):
        F.rotate(np.zeros((4, 4)), 5)
    with pytest.raises(ValueError, match="expected 1 or 2 matrices, got 3"):
        F.warp(verigrad.zeros(2, 1, 4, 4), [[1, 0, 0, 0, 1, 0]] * 3)
    with pytest.raises(ValueError, match="fill from 0 to 255"):
        F.rotate(verigrad.zeros(1, 4, 4, dtype=verigrad.uint8), 5, fill=300)
    leaf = verigrad.zeros(1, 4, 4, requires_grad=True)
    with pytest.raises(NotImplementedError, match="affine_image: .*not differentiable"):
        F.rotate(leaf, 5)
    with verigrad.no_grad():
        assert F.rotate(leaf, 5).sum().item() == 0


def test_reprs():
    assert (
        repr(T.Resize((2, 3))) == "Resize(size=(2, 3), interpolation=bilinear, max_size=None, antialias=True)"
    )
    assert repr(T.CenterCrop(2)) == "CenterCrop(size=(2, 2))"
    assert repr(T.Pad(1)) == "Pad(padding=1, fill=0, padding_mode=constant)"
    assert repr(T.RandomCrop(28, 4)) == "RandomCrop(size=(28, 28), padding=4)"
    assert repr(T.RandomHorizontalFlip()) == "RandomHorizontalFlip(p=0.5)"
    assert repr(T.RandomVerticalFlip(0.1)) == "RandomVerticalFlip(p=0.1)"
    assert repr(T.RandomRotation(10)) == (
        "RandomRotation(degrees=(-10.0, 10.0), interpolation=nearest, expand=False, fill=0)"
    )
    assert repr(T.RandomRotation((0, 5), center=(1, 2))) == (
        "RandomRotation(degrees=(0.0, 5.0), interpolation=nearest, expand=False, center=(1, 2), fill=0)"
    )
    assert repr(T.RandomAffine(0)) == "RandomAffine(degrees=(-0.0, 0.0))".replace("-0.0", repr(-0.0))
    assert repr(T.RandomAffine(5, (0.1, 0.2), (0.9, 1.1), 3, Mode.BILINEAR, 1, (2, 3))) == (
        "RandomAffine(degrees=(-5.0, 5.0), translate=(0.1, 0.2), scale=(0.9, 1.1), shear=(-3.0, 3.0), "
        "interpolation=bilinear, fill=1, center=(2, 3))"
    )
