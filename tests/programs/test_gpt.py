"""Whole programs written for PyTorch, run by it and, after a change of the import alone, by verigrad: the
same losses from the same weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


def losses(*command: str) -> list[float]:
    """What a program prints. One thread, so that PyTorch's sums are the same on every machine."""
    run = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [float(line) for line in run.stdout.split()]


def gpt_weights(path: Path) -> Path:
    """Weights as GPT-2's begin: a deviation of 0.02, scales 1, biases 0."""
    numbers = np.random.default_rng(1)
    width, block, characters = 32, 32, 29
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (characters, width), "wpe.weight": (block, width)}
    for layer in range(2):
        head = f"h.{layer}."
        shapes |= {
            head + "attn.c_attn.weight": (3 * width, width),
            head + "attn.c_proj.weight": (width, width),
            head + "mlp.c_fc.weight": (4 * width, width),
            head + "mlp.c_proj.weight": (width, 4 * width),
        }
    weights = {name: 0.02 * numbers.standard_normal(shape) for name, shape in shapes.items()}
    weights |= {
        name.replace("weight", "bias"): np.zeros(shape[0])
        for name, shape in shapes.items()
        if name.startswith("h.")
    }
    np.savez(path, **{name: w.astype(np.float32) for name, w in weights.items()})
    return path


@pytest.mark.parametrize("program", ["gpt"])
def test_losses_are_pytorchs(program: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    weights = gpt_weights(tmp_path / "weights.npz")
    script = str(HERE / f"{program}.py")
    ours = losses("-m", "verigrad.compat", script, str(weights))
    theirs = losses(script, str(weights))
    assert len(ours) == len(theirs) == 20
    assert theirs[-1] < theirs[0] - 0.3
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
