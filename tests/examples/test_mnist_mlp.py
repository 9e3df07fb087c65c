"""The example runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import verigrad

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist_mlp.py"


def test_the_example_learns(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), "3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    accuracies = [float(value) for value in re.findall(r"test accuracy (0\.\d+)", done.stdout)]
    assert len(accuracies) == 3
    assert accuracies[-1] > 0.9
    assert len(verigrad.load(tmp_path / "mnist_mlp.safetensors")) == 6


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 42
