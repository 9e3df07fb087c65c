"""Programs in PyTorch's idiom, run as they are by both libraries: equal weights, equal losses.

Each prints the losses of its first 20 steps, as JSON. What it draws, it draws with numpy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))


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
    found: list[float] = json.loads(run.stdout)
    return found


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


# Programs with arguments: what makes them, in a folder of its own.
ARGUMENTS = {"gpt": lambda folder: [str(gpt_weights(folder / "weights.npz"))]}


def test_all_programs_are_found() -> None:
    assert {path.stem for path in PROGRAMS} >= {
        "actor_critic",
        "char_lstm",
        "dcgan",
        "gcn",
        "gpt",
        "vae",
        "vit",
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_losses_are_those_of_pytorch(program: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ARGUMENTS[program.stem](tmp_path) if program.stem in ARGUMENTS else []
    found = losses("-m", "verigrad.compat", str(program), *arguments)
    wanted = losses(str(program), *arguments)
    assert len(found) >= 20 and len(set(found)) > 10
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("program", ["char_lstm", "gpt", "vit"])
def test_the_loss_falls(program: str, tmp_path: Path) -> None:
    arguments = ARGUMENTS[program](tmp_path) if program in ARGUMENTS else []
    found = losses("-m", "verigrad.compat", str(Path(__file__).parent / f"{program}.py"), *arguments)
    assert found[19] < found[0] - 0.3
