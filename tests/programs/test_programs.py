"""Programs in PyTorch's idiom, run as they are by both libraries: equal weights, equal losses.

Each prints the losses of its first 20 steps, as JSON. What it draws, it draws with numpy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# gpt.py takes its weights from a file, see test_gpt.py.
PROGRAMS = sorted(
    path
    for path in Path(__file__).parent.glob("*.py")
    if not path.name.startswith("test_") and path.stem != "gpt"
)


def losses(*command: str) -> list[float]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[float] = json.loads(done.stdout)
    return found


def test_all_programs_are_found() -> None:
    assert {path.stem for path in PROGRAMS} >= {"actor_critic", "dcgan", "gcn", "vae"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_losses_are_those_of_pytorch(program: Path) -> None:
    pytest.importorskip("torch")
    found = losses("-m", "verigrad.compat", str(program))
    wanted = losses(str(program))
    assert len(found) >= 20 and len(set(found)) > 10
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5)
