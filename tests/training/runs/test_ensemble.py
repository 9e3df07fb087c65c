"""Ensembles of runs, and the sweep over learning rates, on the command line."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

import verigrad
from verigrad import nn
from verigrad.cli import main
from verigrad.training import runs
from verigrad.training.runs.folder import CONFIG, FILES, MODEL

pytestmark = pytest.mark.usefixtures("no_pictures")
pytest.importorskip("click")
pytest.importorskip("matplotlib")


def models(folder, count=3):
    return [Path(folder, f"member-{number + 1}", MODEL).read_bytes() for number in range(count)]


def ensemble(options, out, *more):
    return main([*options, "--epochs", "2", "--ensemble", "3", "--seed", "5", "--out", out, *more])


def test_an_ensemble(options, capsys):
    assert ensemble(options, "many") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("member ")][:3] == [
        "member 1 of 3", "member 2 of 3", "member 3 of 3",
    ]  # fmt: skip
    # Each member is the run of its seed.
    assert main([*options, "--epochs", "2", "--seed", "6", "--out", "one"]) == 0
    assert models("many")[1] == Path("one", MODEL).read_bytes()
    assert len(set(models("many"))) == 3
    assert sorted(os.listdir("many/member-1")) == sorted(FILES)
    # The mean of their probabilities, by hand.
    config, _ = runs.load_run(Path("one"))
    test_set = runs.DATASETS["mnist"].load(False, config.data_dir, False)
    images = verigrad.stack([image for image, _ in test_set])
    labels = verigrad.tensor([int(label) for _, label in test_set])
    with verigrad.no_grad():
        each = [
            nn.functional.softmax(runs.load_run(Path("many", f"member-{number}"))[1](images), dim=1)
            for number in (1, 2, 3)
        ]
    mean = sum(each) / 3
    right = int((mean.argmax(1) == labels).sum().item())
    assert f"test accuracy {5 * right:.2f} % ({right} of 20)" in lines
    result = json.loads(Path("many/ensemble.json").read_text())["result"]
    assert result["test_accuracy"] == right / 20
    spread = (sum((one - mean) ** 2 for one in each) / 3).sqrt()
    expected = spread.gather(1, mean.argmax(1).reshape(-1, 1)).mean().item()
    assert result["spread"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("member", [1, 2])
def test_an_interrupted_ensemble_goes_on(options, signalled, capsys, member):
    assert ensemble(options, "whole") == 0
    signalled((2, 2), signal.SIGTERM, run=member)
    capsys.readouterr()
    assert ensemble(options, "many") == 143
    message = f"verigrad: interrupted by SIGTERM in member {member}; verigrad train --resume many goes on\n"
    assert capsys.readouterr().err == message
    signalled((9, 9), signal.SIGTERM)
    assert main(["train", "--resume", "many"]) == 0
    assert models("many") == models("whole")
    results = [json.loads(Path(name, "ensemble.json").read_text())["result"] for name in ("whole", "many")]
    assert results[0] == results[1]
    # What is finished is not trained again.
    assert capsys.readouterr().out.count("training mlp") == 4 - member


def test_a_folder_that_has_an_ensemble(options, capsys):
    assert ensemble(options, "many") == 0
    before = models("many")
    capsys.readouterr()
    assert ensemble(options, "many") == 2
    assert "expected a folder without an ensemble" in capsys.readouterr().err
    assert main(["train", "--resume", "many"]) == 2
    assert "got one that has come to its end" in capsys.readouterr().err
    assert models("many") == before
    assert ensemble(options, "many", "--lr", "0.01", "--overwrite") == 0
    assert all(old != new for old, new in zip(before, models("many"), strict=True))
    assert json.loads(Path("many/member-2", CONFIG).read_text())["config"]["lr"] == 0.01


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "members": 2}'])
def test_a_damaged_ensemble(text, capsys):
    Path("many").mkdir()
    Path("many/ensemble.json").write_text(text)
    assert main(["train", "--resume", "many"]) == 2
    assert re.search("expected (an ensemble of format 1|the entries)", capsys.readouterr().err)


def test_finding_a_learning_rate(options, capsys):
    assert main([*options, "--find-lr"]) == 0
    out = capsys.readouterr().out
    rate = float(re.fullmatch(r"learning rate (\S+): the loss falls most there\n", out)[1])
    assert 1e-6 < rate < 10
    assert os.listdir() == []
    assert main([*options, "--find-lr", "--out", "deep/er", "--optimizer", "adam"]) == 0
    assert os.listdir("deep/er") == ["learning-rate.png"]
    for more in (["--ensemble", "2"], ["--overwrite", "--out", "x"]):
        assert main([*options, "--find-lr", *more]) == 2
        assert "expected --find-lr without --ensemble and --overwrite" in capsys.readouterr().err
    assert main([*options, "--ensemble", "1"]) == 2


@pytest.mark.parametrize("name", runs.OPTIMIZERS)
def test_every_optimizer_trains(name, mnist_files):
    options = ["train", "--dataset", "mnist", "--data-dir", str(mnist_files(300, 60)), "--model", "mlp"]
    assert main([*options, "--epochs", "6", "--batch-size", "16", "--optimizer", name, "--out", "run"]) == 0
    assert json.loads(Path("run", CONFIG).read_text())["result"]["train_accuracy"] > 0.5


@pytest.mark.parametrize("name", runs.SCHEDULERS)
def test_every_scheduler_trains(name, mnist_files, capsys):
    options = ["train", "--dataset", "mnist", "--data-dir", str(mnist_files(300, 60)), "--model", "mlp"]
    options += ["--epochs", "3", "--scheduler", name]
    if name == "plateau":
        assert main([*options, "--out", "other"]) == 2
        assert "expected the scheduler plateau only with validation" in capsys.readouterr().err
        options += ["--validation", "0.2"]
    assert main([*options, "--out", "run"]) == 0
    rates = [float(line.split(",")[1]) for line in Path("run", "metrics.csv").read_text().splitlines()[1:]]
    assert len(rates) == 3 and (name in ("none", "plateau")) == (rates[0] == rates[-1])
