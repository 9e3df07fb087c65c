"""The pictures of a run: readable, and made without a display."""

import io
import os
import sys

import pytest

import verigrad
from verigrad import nn
from verigrad.training import History, first_filters, plot_filters, plot_history, plot_mistakes

pytest.importorskip("matplotlib")


def history(epochs=3, test=True):
    made = History()
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "lr": 0.1, "train_loss": 1 / epoch, "train_accuracy": 1 - 1 / (epoch + 1)}
        if test:
            row |= {"test_loss": 1.5 / epoch, "test_accuracy": 0.9}
        made.append(row | {"seconds": 0.1})
    return made


def test_the_panels():
    figure = plot_history(history(), title="a title")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    for axes in figure.axes:
        assert axes.get_xlabel() == "epoch"
        assert len(axes.lines) == 2
        assert [text.get_text().split()[0] for text in axes.get_legend().get_texts()] == ["train", "test"]
        assert list(axes.lines[0].get_xdata()) == [1, 2, 3]
    assert list(figure.axes[0].lines[1].get_ydata()) == [1.5, 0.75, 0.5]
    assert figure.get_suptitle() == "a title"
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize("epochs", [1, 2, 100])
def test_files(tmp_path, epochs):
    plot_history(history(epochs), tmp_path / "c.png")
    buffer = io.BytesIO()
    plot_history(history(epochs), buffer)
    content = (tmp_path / "c.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert buffer.getvalue() == content
    assert os.listdir(tmp_path) == ["c.png"]
    image = pytest.importorskip("PIL.Image").open(buffer)
    assert image.size == (1440, 600)


def test_without_a_test_set():
    figure = plot_history(history(test=False))
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="plot_history: expected a history of at least one epoch"):
        plot_history(History())
    with pytest.raises(FileNotFoundError):
        plot_history(history(), tmp_path / "missing" / "c.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'plot_history: .*pip install "verigrad\[train\]"'):
        plot_history(history())


def test_mistakes(tmp_path):
    images = verigrad.arange(7 * 12).reshape(7, 3, 4).to(verigrad.uint8)
    figure = plot_mistakes(images, [f"true {n}" for n in range(7)], tmp_path / "m.png", "a title")
    assert [axes.get_title() for axes in figure.axes] == [f"true {n}" for n in range(7)]
    assert figure.axes[6].images[0].get_array().tolist() == images[6].tolist()
    assert figure.get_suptitle() == "a title"
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")
    none = plot_mistakes(images[:0], [], tmp_path / "none.png")
    assert [text.get_text() for text in none.texts] == ["none"]
    for bad in ((images, ["one"]), (images[0], ["a", "b", "c"])):
        with pytest.raises(ValueError, match="plot_mistakes: expected images"):
            plot_mistakes(*bad)


def test_filters(tmp_path):
    filters = verigrad.arange(10 * 9).reshape(10, 3, 3).float() - 20
    figure = plot_filters(filters, tmp_path / "f.png", "a title")
    picture = figure.axes[0].images[0]
    assert picture.get_clim() == (-69.0, 69.0)
    board = picture.get_array().filled(float("nan"))
    assert board.shape == (3 * 4 - 1, 4 * 4 - 1)  # ten filters in 3 rows of 4, one pixel apart
    assert board[4:7, 4:7].tolist() == filters[5].tolist()
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert plot_filters(filters, most=2).axes[0].images[0].get_array().shape == (3, 7)
    assert plot_filters(verigrad.zeros(1, 2, 2)).axes[0].images[0].get_clim() == (-1.0, 1.0)
    for bad in (verigrad.zeros(3, 3), verigrad.zeros(0, 3, 3)):
        with pytest.raises(ValueError, match="plot_filters: expected filters"):
            plot_filters(bad)


def test_the_first_filters_of_a_model():
    convolution = nn.Conv2d(3, 4, (2, 5))
    found = first_filters(nn.Sequential(nn.Identity(), nn.Sequential(convolution), nn.Linear(4, 4)))
    assert found.tolist() == convolution.weight.reshape(12, 2, 5).tolist() and not found.requires_grad
    linear = nn.Linear(9, 4)
    assert first_filters(linear).tolist() == linear.weight.reshape(4, 3, 3).tolist()
    with pytest.raises(ValueError, match="inputs that make a square, got 8"):
        first_filters(nn.Linear(8, 2))
    with pytest.raises(ValueError, match="Conv2d or Linear"):
        first_filters(nn.ReLU())
