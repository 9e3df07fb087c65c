"""Runs that were interrupted or killed, and go on to the same bits; runs with a validation split."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from verigrad.cli import main
from verigrad.training.runs import train
from verigrad.training.runs.folder import BEST, CHECKPOINTS, CONFIG, FILES, METRICS, MODEL

pytestmark = pytest.mark.usefixtures("no_pictures")
pytest.importorskip("click")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")


def same(first, second):
    """Whether two finished runs have the same models, and metrics but for the time."""
    rows = [
        [{**row, "seconds": 0} for row in csv.DictReader((one / METRICS).read_text().splitlines())]
        for one in (first, second)
    ]
    results = [json.loads((one / CONFIG).read_text())["result"] for one in (first, second)]
    models = [
        [(one / name).read_bytes() for name in FILES if name.endswith("tensors")] for one in (first, second)
    ]
    return rows[0] == rows[1] and results[0] == results[1] and models[0] == models[1]


@pytest.mark.parametrize(
    ("number", "when"), [(signal.SIGINT, (1, 2)), (signal.SIGTERM, (2, 3)), (signal.SIGINT, (2, 4))]
)
@pytest.mark.parametrize("more", [[], ["--validation", "0.25", "--early-stopping", "2"]])
def test_an_interrupted_run_goes_on_to_the_same_bits(options, signalled, capsys, number, when, more):
    assert main([*options, *more, "--out", "whole"]) == 0
    if more:
        when = (when[0], when[1] - 1)
    signalled(when, number)
    capsys.readouterr()
    assert main([*options, *more, "--out", "run"]) == 128 + number
    out, err = capsys.readouterr()
    name = signal.Signals(number).name
    assert err == (
        f"verigrad: interrupted by {name} in epoch {when[0]}, after batch {when[1]}; "
        "verigrad train --resume run goes on\n"
    )
    assert out.count("epoch ") == when[0] - 1
    assert json.loads(Path("run", CONFIG).read_text())["result"] is None
    assert os.listdir(Path("run", CHECKPOINTS)) == [f"checkpoint-{when[0]:08d}.safetensors"]
    # The handlers are what they were.
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signalled((9, 9), number)
    assert main(["train", "--resume", "run", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("/")[0] for line in lines if line.startswith("epoch")] == [
        f"epoch {epoch}" for epoch in range(when[0], 4)
    ]
    assert sorted(os.listdir("run")) == sorted(FILES)
    assert same(Path("whole"), Path("run"))


def test_a_killed_process_goes_on(options):
    """As a user would do it: another process, and SIGKILL."""
    command = [sys.executable, "-m", "verigrad", *options]
    subprocess.run([*command, "--out", "whole"], check=True, capture_output=True)
    process = subprocess.Popen([*command, "--out", "run", "--epochs", "100000"], stdout=subprocess.PIPE)
    for _ in range(3):
        process.stdout.readline()
    process.kill()
    process.communicate()
    config = json.loads(Path("run", CONFIG).read_text())
    assert config["config"]["epochs"] == 100000 and config["result"] is None
    done = subprocess.Popen(
        [sys.executable, "-m", "verigrad", "train", "--resume", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(2):
        done.stdout.readline()
    done.send_signal(signal.SIGTERM)
    _, err = done.communicate()
    assert done.returncode == 143
    assert re.fullmatch(r"verigrad: interrupted by SIGTERM in epoch \d+, .* goes on\n", err), err


def test_an_older_run_that_is_replaced_leaves_no_checkpoint(options, signalled, capsys):
    signalled((2, 2), signal.SIGINT)
    assert main([*options, "--out", "run"]) == 130
    old = Path("run", CHECKPOINTS, "checkpoint-00000002.safetensors")
    assert old.exists()
    signalled((1, 2), signal.SIGINT)
    assert main([*options, "--out", "run", "--seed", "1", "--overwrite"]) == 130
    assert os.listdir(Path("run", CHECKPOINTS)) == ["checkpoint-00000001.safetensors"]
    assert sorted(os.listdir("run")) == [CHECKPOINTS, CONFIG]


def test_misuses_of_resume(options, capsys):
    def refused(*arguments):
        assert main(["train", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("verigrad: error: ")
        return err

    assert "expected the folder of a run, got nothing there: nowhere" in refused("--resume", "nowhere")
    assert "config.json" in refused("--resume", ".")
    assert main([*options, "--out", "run"]) == 0
    capsys.readouterr()
    assert "got one that has come to its end" in refused("--resume", "run")
    message = refused("--resume", "run", "--epochs", "9", "--lr", "0.1")
    assert "expected --resume with the options of its run, got --epochs, --lr" in message
    assert "--early-stopping only with --validation" in refused("--early-stopping", "3")
    for share in ("0.001", "0.999"):
        assert "expected validation to leave images for both" in refused(*options[1:], "--validation", share)
    for share in ("1", "-0.1", "nan"):
        assert "validation" in refused("--validation", share)
    assert "weight-decay" in refused("--weight-decay", "-1")


def test_a_damaged_checkpoint_is_left_out(options, signalled, capsys):
    assert main([*options, "--out", "whole"]) == 0
    signalled((2, 2), signal.SIGINT)
    assert main([*options, "--out", "run"]) == 130
    path = Path("run", CHECKPOINTS, "checkpoint-00000002.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    signalled((9, 9), signal.SIGINT)
    with pytest.warns(RuntimeWarning, match="is damaged and left out"):
        assert main(["train", "--resume", "run"]) == 0  # there is no other: from the beginning
    assert same(Path("whole"), Path("run"))


def test_the_test_images_are_looked_at_once_with_validation(options, capsys, monkeypatch):
    seen = []

    class Watched(train.DataLoader):
        def __iter__(self):
            seen.append(type(self.dataset).__name__)
            return super().__iter__()

    monkeypatch.setattr(train, "DataLoader", Watched)
    assert main([*options, "--validation", "0.25", "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("training mlp on mnist: 60 training, 20 validation and 20 test images")
    assert seen == ["Subset"] * 6 + ["MNIST"]
    rows = list(csv.DictReader(Path("run", METRICS).read_text().splitlines()))
    assert [name for name in rows[0] if name.startswith(("val", "test"))] == ["val_loss", "val_accuracy"]


def test_early_stopping_ends_with_the_best_network(options):
    assert (
        main([*options, "--validation", "0.25", "--early-stopping", "1", "--lr", "1e-9", "--out", "run"]) == 0
    )
    assert len(Path("run", METRICS).read_text().splitlines()) == 3  # a header, the best, one without gain
    assert Path("run", MODEL).read_bytes() == Path("run", BEST).read_bytes()


def test_weight_decay(options):
    for name, more in (("plain", []), ("none", ["--weight-decay", "0"]), ("some", ["--weight-decay", "0.5"])):
        assert main([*options, *more, "--epochs", "1", "--out", name]) == 0
    models = [Path(name, MODEL).read_bytes() for name in ("plain", "none", "some")]
    assert models[0] == models[1] != models[2]


# Options in a file


def test_options_in_a_file(options, capsys):
    Path("run.toml").write_text(
        f'dataset = "mnist"\ndata-dir = "{options[4]}"\nmodel = "mlp"\nbatch_size = 20\nepochs = 2\n'
        'dropout = 0.2\naugment = true\nlr = 0.01\nout = "run"\n'
    )
    assert main(["train", "--config", "run.toml", "--epochs", "1", "--threads", "1"]) == 0
    assert main([*options, "--lr", "0.01", "--epochs", "1", "--out", "plain"]) == 0
    assert Path("run", MODEL).read_bytes() == Path("plain", MODEL).read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "expected TOML in run.toml"),
        ("epoch = 3", "expected options of train in run.toml, got 'epoch'"),
        ('config = "other.toml"', "expected options of train in run.toml, got 'config'"),
        ('resume = "run"', "got 'resume'"),
        ("epochs = 0", "epochs"),
        ("epochs = 1.5", "epochs"),
        ('lr = "fast"', "'fast' is not a number"),
        ("lr = nan", "lr"),
        ("augment = 1", "expected another value for 'augment' in run.toml, got 1"),
        ("epochs = true", "expected another value for 'epochs'"),
        ("[train]\nepochs = 1", "got 'train'"),
        ("epochs = [1]", "expected another value for 'epochs'"),
    ],
)
def test_options_in_a_file_that_are_refused(text, message, capsys):
    Path("run.toml").write_text(text)
    assert main(["train", "--config", "run.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
    assert os.listdir() == ["run.toml"]
