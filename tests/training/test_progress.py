"""Progress: a bar on a terminal, plain lines elsewhere."""

import io
import re
import sys

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import ProgressBar, ProgressLines, Trainer
from verigrad.training.progress import choose_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def train(**options):
    verigrad.manual_seed(0)
    model = nn.Linear(2, 2)
    data = [(verigrad.randn(4, 2), verigrad.tensor([0, 1, 0, 1]))] * 3
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], **options)
    return trainer.fit(data, data, epochs=2)


SPLIT = r"loss \d+\.\d{4} accuracy [01]\.\d{4}"
LINE = re.compile(rf"epoch \d/2  train {SPLIT}  val {SPLIT}  \(\d+\.\d s\)")


def test_lines_when_not_a_terminal(capsys):
    train()
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 2
    assert all(LINE.fullmatch(line) for line in lines)
    assert "\r" not in out and "\x1b" not in out


def test_silence(capsys):
    train(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch):
    pytest.importorskip("tqdm")
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    train()
    assert out.getvalue() == ""
    shown = err.getvalue()
    for part in ("epoch 1/2   0%|", "epoch 2/2   0%|", "0/3"):
        assert part in shown
    # What stays on the screen is the last thing written to each line.
    stays = [line.split("\r")[-1] for line in shown.split("\n")]
    assert len([line for line in stays if LINE.fullmatch(line)]) == 2


def test_lines_for_the_file_and_a_bar_for_the_terminal(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train()
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert "0%|" in terminal.getvalue()


def test_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r'ProgressBar: .*pip install "verigrad\[train\]"'):
        train(progress=True)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    train()  # "auto" does without
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert terminal.getvalue() == ""


def test_without_streams(monkeypatch):
    # As under pythonw, where there is no console.
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert len(choose_progress("auto")) == 1
    train(progress="auto")


def test_own_files(capsys):
    pytest.importorskip("tqdm")
    bar, lines = io.StringIO(), io.StringIO()
    train(progress=False, callbacks=[ProgressBar(bar), ProgressLines(lines)])
    assert "0%|" in bar.getvalue()
    assert len(lines.getvalue().splitlines()) == 2
    assert capsys.readouterr() == ("", "")


def test_an_error_closes_the_bar():
    pytest.importorskip("tqdm")
    file = io.StringIO()
    bar = ProgressBar(file)
    with pytest.raises(TypeError):
        Trainer(
            nn.Linear(2, 2),
            nn.CrossEntropyLoss(),
            optim.SGD([nn.Parameter(verigrad.ones(1))], lr=0.1),
            callbacks=[bar],
            progress=False,
        ).fit([5])
    assert bar._bar is None
