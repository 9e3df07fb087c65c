"""plot_history: a readable picture without a display."""

import io
import os
import sys

import pytest

from verigrad.training import History, plot_history

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
