"""vision.utils: grids of images. Expected values follow torchvision's documentation."""

import io

import numpy as np
import pytest

import verigrad as vg
from verigrad.vision.utils import make_grid, save_image


def images(count, channels=3, height=4, width=5):
    return vg.arange(count * channels * height * width, dtype=vg.float32).reshape(
        count, channels, height, width
    )


@pytest.mark.parametrize(("count", "nrow"), [(2, 8), (6, 3), (7, 3), (3, 1)])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_every_pixel_is_where_it_belongs(count, nrow, padding):
    batch = images(count)
    grid = make_grid(batch, nrow=nrow, padding=padding, pad_value=-1.0).numpy()
    columns = min(nrow, count)
    rows = -(-count // columns)
    assert grid.shape == (3, rows * (4 + padding) + padding, columns * (5 + padding) + padding)
    expected = np.full_like(grid, -1)
    for k in range(count):
        y, x = k // columns * (4 + padding) + padding, k % columns * (5 + padding) + padding
        expected[:, y : y + 4, x : x + 5] = batch[k].numpy()
    np.testing.assert_array_equal(grid, expected)


def test_kinds_of_input():
    gray = images(4, channels=1)
    assert vg.equal(make_grid(gray), make_grid(vg.cat([gray] * 3, 1)))
    assert vg.equal(make_grid(list(images(3))), make_grid(images(3)))
    assert vg.equal(make_grid(images(1)), images(1)[0])  # alone, without padding
    assert vg.equal(make_grid(images(1)[0]), images(1)[0])
    assert make_grid(vg.ones(4, 5)).shape == (3, 4, 5)
    assert make_grid(images(2, channels=4)).shape[0] == 4
    levels = make_grid(images(2).to(vg.uint8), pad_value=7)
    assert levels.dtype == vg.uint8 and levels[0, 0, 0].item() == 7
    assert not make_grid(images(2).requires_grad_()).requires_grad


def test_normalisation():
    batch = vg.stack([vg.linspace(0, 10, 12).reshape(3, 2, 2), vg.linspace(5, 25, 12).reshape(3, 2, 2)])
    inner = make_grid(batch, normalize=True, padding=0)
    assert (inner.min().item(), inner.max().item()) == (0.0, 1.0)
    np.testing.assert_allclose(inner.numpy(), np.concatenate(batch.numpy(), 2) / 25, rtol=1e-6)
    each = make_grid(batch, normalize=True, scale_each=True, padding=0)
    assert each[:, :, :2].max().item() == each[:, :, 2:].max().item() == 1.0
    cut = make_grid(batch, normalize=True, value_range=(5, 10), padding=0)
    np.testing.assert_allclose(cut.numpy(), (np.concatenate(batch.numpy(), 2).clip(5, 10) - 5) / 5, rtol=1e-6)
    assert (
        make_grid(vg.full((2, 3, 2, 2), 4.0), normalize=True).max().item() == 0.0
    )  # no range, no division by 0
    assert batch.max().item() == 25.0


def test_files():
    image_module = pytest.importorskip("PIL.Image")
    batch = vg.rand(3, 3, 4, 5)
    file = io.BytesIO()
    save_image(batch, file, format="png", nrow=3, padding=1)
    file.seek(0)
    read = np.asarray(image_module.open(file))
    expected = np.floor(make_grid(batch, nrow=3, padding=1).numpy() * 255 + 0.5).transpose(1, 2, 0)
    np.testing.assert_array_equal(read, expected)


def test_names_of_files(tmp_path):
    pytest.importorskip("PIL")
    save_image(vg.rand(2, 1, 4, 4), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0
    with pytest.raises(ValueError, match="unknown file extension"):
        save_image(vg.rand(2, 1, 4, 4), tmp_path / "a.unknown")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: make_grid(5), TypeError, "tensor or list of tensors expected, got <class 'int'>"),
        (lambda: make_grid([vg.ones(1), 2]), TypeError, "got a list containing <class 'int'>"),
        (lambda: make_grid(vg.ones(3)), ValueError, r"expected images \[N, C, H, W\].*got shape \[3\]"),
        (lambda: make_grid(vg.ones(0, 3, 2, 2)), ValueError, "N > 0"),
        (lambda: make_grid(vg.ones(2, 3, 2, 2), nrow=0), ValueError, "nrow >= 1"),
        (lambda: make_grid(vg.ones(2, 3, 2, 2), padding=-1), ValueError, "padding >= 0"),
        (
            lambda: make_grid(vg.ones(2, 3, 2, 2), normalize=True, value_range=[0, 1]),
            TypeError,
            "has to be a tuple",
        ),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
