"""Memory stays flat over many small graphs; ``scripts/flat_memory.py`` builds more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "flat_memory.py"


@pytest.mark.host("a process of its own, with CPU tensors")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.skipif("VERIGRAD_TEST_SANITIZER" in os.environ, reason="sanitizers keep what is freed")
def test_memory_is_flat_over_3000_graphs() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--graphs", "3000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3000 graphs" in done.stdout
