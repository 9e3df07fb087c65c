"""The examples run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import verigrad

FOLDER = Path(__file__).resolve().parents[2] / "examples"
# Name -> epochs, the accuracy after them, tensors in the file that is written, most lines.
EXAMPLES = {"mnist_mlp": (3, 0.9, 6, 42), "mnist_cnn": (3, 0.95, 26, 52)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_learns(tmp_path, name):
    epochs, accuracy, tensors, _ = EXAMPLES[name]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), str(epochs)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    accuracies = [float(value) for value in re.findall(r"test accuracy ([01]\.\d+)", done.stdout)]
    assert len(accuracies) == epochs
    assert accuracies[-1] > accuracy
    assert len(verigrad.load(tmp_path / f"{name}.safetensors")) == tensors


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_short(name):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= EXAMPLES[name][3]


def test_no_example_is_left_out():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXAMPLES)
