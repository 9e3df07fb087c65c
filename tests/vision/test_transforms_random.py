"""Random transforms: reproducible, within their ranges, and batches as their images one after the other."""

import numpy as np
import pytest

import verigrad
from verigrad import nn
from verigrad.vision import datasets
from verigrad.vision import transforms as T
from verigrad.vision.transforms import InterpolationMode as Mode
from verigrad.vision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")


def digits(count=6):
    return datasets.MNISTMini(train=False).data[:count].unsqueeze(1)


def colours(count=6):
    random = np.random.default_rng(0)
    return verigrad.from_numpy(random.uniform(0, 1, (count, 3, 12, 10)))


# Every random transform, with a generator.
MAKERS = {
    "crop": lambda g: T.RandomCrop(8, padding=2, generator=g),
    "flip": lambda g: T.RandomHorizontalFlip(generator=g),
    "vertical flip": lambda g: T.RandomVerticalFlip(generator=g),
    "rotation": lambda g: T.RandomRotation(40, Mode.BILINEAR, fill=0.5, generator=g),
    "affine": lambda g: T.RandomAffine(
        20, (0.2, 0.1), (0.8, 1.2), (-5, 5, -3, 3), Mode.BILINEAR, generator=g
    ),
    "jitter": lambda g: T.ColorJitter(0.5, 0.5, 0.5, 0.3, generator=g),
    "erasing": lambda g: T.RandomErasing(0.7, generator=g),
    "apply": lambda g: T.RandomApply([T.Lambda(lambda image: 1 - image)], 0.5, generator=g),
}


def seeded(seed=0):
    return verigrad.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_is_its_images_one_after_the_other(name):
    batch = colours()
    together = MAKERS[name](seeded())(batch)
    one = MAKERS[name](seeded())
    apart = verigrad.stack([one(image) for image in batch])
    assert np.abs(together.numpy() - apart.numpy()).max() <= (1e-15 if name == "jitter" else 0)
    assert len({image.numpy().tobytes() for image in apart}) > 1
    five = MAKERS[name](seeded())(batch.reshape(2, 3, 3, 12, 10))
    assert verigrad.equal(five, together.reshape(2, 3, *together.shape[1:]))
    assert tuple(MAKERS[name](seeded())(batch[:0]).shape) == (0, *together.shape[1:])


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_and_generators(name):
    batch = colours()
    default = MAKERS[name](None)
    verigrad.manual_seed(7)
    first, second = default(batch), default(batch)
    verigrad.manual_seed(7)
    assert verigrad.equal(default(batch), first)
    assert not verigrad.equal(second, first)
    before = verigrad.get_rng_state()
    generator = seeded(7)
    assert verigrad.equal(MAKERS[name](generator)(batch), first)
    assert verigrad.equal(verigrad.get_rng_state(), before)


@pytest.mark.parametrize("name", MAKERS)
def test_the_argument_is_left_alone_and_threads_do_not_matter(name):
    batch = colours(400)
    copy = batch.clone()
    results = []
    for threads in (1, 2):
        verigrad.set_num_threads(threads)
        results.append(MAKERS[name](seeded())(batch).numpy().tobytes())
    assert verigrad.equal(batch, copy)
    assert results[0] == results[1]


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("erasing", "apply")])
def test_pil_images_draw_the_same_numbers(name):
    image = digits(1)[0]
    pillow = Image.fromarray(image[0].numpy())
    generators = seeded(), seeded()
    transforms = [MAKERS[name](generator) for generator in generators]
    if name == "rotation":
        transforms = [T.RandomRotation(40, Mode.BILINEAR, generator=g) for g in generators]
    for _ in range(5):
        found, wanted = (
            transforms[0](image)[0].numpy().astype(int),
            np.array(transforms[1](pillow)).astype(int),
        )
        assert found.shape == wanted.shape
        assert np.abs(found - wanted)[2:-2, 2:-2].max() <= 2
    assert verigrad.equal(generators[0].get_state(), generators[1].get_state())


def test_random_crop():
    image = verigrad.arange(100).reshape(1, 10, 10)
    crop = T.RandomCrop((3, 4))
    verigrad.manual_seed(0)
    corners = {int(crop(image)[0, 0, 0]) for _ in range(800)}
    assert corners == {10 * i + j for i in range(8) for j in range(7)}  # every place, and no other
    assert T.RandomCrop(10)(image).tolist() == image.tolist()
    assert tuple(T.RandomCrop(12, padding=1, fill=5)(image).shape) == (1, 12, 12)
    assert T.RandomCrop(12, padding=1, fill=5)(image)[0, 0].tolist() == [5] * 12
    assert tuple(T.RandomCrop(14, pad_if_needed=True, padding_mode="reflect")(image).shape) == (1, 14, 14)
    assert T.RandomCrop((12, 2), pad_if_needed=True)(Image.new("L", (10, 10))).size == (2, 12)
    assert tuple(T.RandomCrop(14, 3, padding_mode="edge")(image.expand(4, 1, 10, 10)).shape) == (4, 1, 14, 14)
    for one in (image, image.unsqueeze(0), Image.new("L", (10, 10))):
        with pytest.raises(
            ValueError, match=r"Required crop size \(11, 11\) is larger than input image size \(10, 10\)"
        ):
            T.RandomCrop(11)(one)
    with pytest.raises(ValueError, match="two dimensions"):
        T.RandomCrop((1, 2, 3))


def test_flip_chances():
    batch = verigrad.arange(2.0).expand(1000, 1, 1, 2)
    verigrad.manual_seed(1)
    assert 420 < int(T.RandomHorizontalFlip()(batch)[:, 0, 0, 0].sum()) < 580
    assert T.RandomHorizontalFlip(0.0)(batch)[:, 0, 0, 0].sum().item() == 0
    assert T.RandomHorizontalFlip(1.0)(batch)[:, 0, 0, 0].sum().item() == 1000
    assert T.RandomVerticalFlip(1.0)(verigrad.tensor([[[True], [False]]])).tolist() == [[[False], [True]]]


def test_angles_and_shifts_stay_in_their_ranges():
    verigrad.manual_seed(2)
    for _ in range(200):
        assert 3 <= T.RandomRotation.get_params((3, 5)) < 5
        angle, (x, y), scale, (shear_x, shear_y) = T.RandomAffine.get_params(
            (-10, 20), (0.1, 0.3), (0.5, 2.0), (1, 2, 3, 4), (30, 10)
        )
        assert -10 <= angle < 20 and 0.5 <= scale < 2
        assert abs(x) <= 3 and abs(y) <= 3 and isinstance(x, int)
        assert 1 <= shear_x < 2 and 3 <= shear_y < 4
    assert T.RandomAffine.get_params((0, 0), None, None, None, (9, 9)) == (0, (0, 0), 1.0, (0.0, 0.0))
    shifts = {T.RandomAffine.get_params((0, 0), (0.1, 0), None, None, (28, 28))[1] for _ in range(300)}
    assert shifts == {(x, 0) for x in range(-3, 4)}


def test_a_shift_is_a_shift():
    image = digits(1)[0]
    verigrad.manual_seed(5)
    moved = T.RandomAffine(0, (0.2, 0.2))(image).numpy()
    verigrad.manual_seed(5)
    _, (x, y), _, _ = T.RandomAffine.get_params((0, 0), (0.2, 0.2), None, None, (28, 28))
    assert (x, y) != (0, 0)
    wanted = np.zeros_like(moved)
    source = image.numpy()[:, max(-y, 0) : 28 - max(y, 0), max(-x, 0) : 28 - max(x, 0)]
    wanted[:, max(y, 0) : 28 + min(y, 0), max(x, 0) : 28 + min(x, 0)] = source
    assert np.array_equal(moved, wanted)


def test_random_refusals():
    for make in (T.RandomRotation, T.RandomAffine):
        with pytest.raises(ValueError, match="must be positive"):
            make(-1)
        with pytest.raises(TypeError, match="degrees"):
            make("10")
        with pytest.raises(ValueError, match="length 2"):
            make((1, 2, 3))
        with pytest.raises(TypeError, match="[Ff]ill"):
            make(1, fill=object())
        with pytest.raises(ValueError, match="center"):
            make(1, center=(1,))
        with pytest.raises(TypeError, match="InterpolationMode"):
            make(1, interpolation="nearest")
    for options, error in (
        ({"translate": 0.1}, TypeError),
        ({"translate": (0.1, 2)}, ValueError),
        ({"translate": (0.1,)}, ValueError),
        ({"scale": (0, 1)}, ValueError),
        ({"shear": -1}, ValueError),
        ({"shear": (1, 2, 3)}, ValueError),
    ):
        with pytest.raises(error):
            T.RandomAffine(0, **options)
    with pytest.raises(ValueError, match="expand=False with a batch"):
        T.RandomRotation(10, expand=True)(digits())
    assert T.RandomRotation((45, 45), expand=True)(digits(1)[0]).shape[1] == 40


def test_random_apply():
    apply = T.RandomApply([T.Resize((2, 2)), T.Lambda(lambda image: image + 1)], 1.0)
    assert apply(verigrad.zeros(3, 1, 4, 4)).tolist() == verigrad.ones(3, 1, 2, 2).tolist()
    image = verigrad.zeros(1, 4, 4)
    assert T.RandomApply([apply], 0.0)(image) is image
    assert repr(T.RandomApply([T.CenterCrop(2)])) == "RandomApply(\n    p=0.5\n    CenterCrop(size=(2, 2))\n)"
    with pytest.raises(TypeError, match="sequence"):
        T.RandomApply(T.CenterCrop(2))
    assert T.RandomApply(nn.ModuleList([T.CenterCrop(2)]), 1.0)(Image.new("L", (4, 4))).size == (2, 2)
    verigrad.manual_seed(0)
    with pytest.raises(RuntimeError):
        T.RandomApply([T.Resize((2, 2))])(verigrad.zeros(30, 1, 4, 4))


def test_chains():
    chain = T.Compose([T.RandomCrop(28, 2), T.RandomRotation(10), T.ToTensor(), T.Normalize((0.1,), (0.3,))])
    dataset = datasets.MNISTMini(train=False, transform=chain)
    verigrad.manual_seed(0)
    image, _ = dataset[0]
    assert tuple(image.shape) == (1, 28, 28) and image.dtype == verigrad.float32


def test_a_sequential_of_transforms():
    module = nn.Sequential(T.RandomCrop(8), T.RandomHorizontalFlip(), T.Normalize((0.5,) * 3, (0.5,) * 3))
    assert tuple(module(colours()).shape) == (6, 3, 8, 8)
    assert not list(module.parameters()) and not module.state_dict()


def test_native_warps_of_a_batch_agree_with_the_functions():
    batch = digits().float()
    verigrad.manual_seed(9)
    together = T.RandomRotation(30, Mode.BILINEAR, fill=3)(batch)
    verigrad.manual_seed(9)
    for image, result in zip(batch, together, strict=True):
        angle = T.RandomRotation.get_params((-30, 30))
        assert verigrad.equal(F.rotate(image, angle, Mode.BILINEAR, fill=3), result)
