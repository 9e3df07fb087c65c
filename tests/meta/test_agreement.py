"""Random calls side by side with PyTorch: a few of them, and the examples of documented differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "side_by_side.py"
DOCUMENT = ROOT / "docs" / "agreement.md"
OPS = ("exp", "add", "sum", "softmax", "gather", "linear", "cat", "clamp", "eq", "diff")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script in a process of its own: it forks, and limits its memory."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.host("both libraries on the CPU")
def test_a_few_random_calls_agree() -> None:
    pytest.importorskip("torch")
    done = run("--samples", "12", "--seed", "7", "--quiet", *(part for op in OPS for part in ("--op", op)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(OPS)} operations, " in done.stdout and " 0 others" in done.stdout


@pytest.mark.host("both libraries on the CPU")
def test_each_documented_difference_still_occurs() -> None:
    pytest.importorskip("torch")
    done = run("--examples")
    assert done.returncode == 0 and " 0 stale" in done.stdout, done.stdout + done.stderr


@pytest.mark.host("both libraries on the CPU")
def test_an_unknown_operation_is_one_line() -> None:
    pytest.importorskip("torch")
    done = run("--op", "tahn")
    assert done.returncode == 2 and "expected names of operations, got tahn" in done.stderr


def test_the_document_has_every_documented_difference_and_no_other() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    data = (ROOT / "scripts" / "agreement" / "differences.toml").read_text(encoding="utf-8")
    names = [line.partition('"')[2].rstrip('"') for line in data.splitlines() if line.startswith("name = ")]
    missing = [name for name in names if f"| {name} |" not in text]
    assert len(names) == data.count("[[difference]]") and not missing
    assert " 0 others" in text.replace("\n", " ")
