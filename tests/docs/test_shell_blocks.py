"""The commands in the documents: each runs in a folder of its own, or is on a list that says why not."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from verigrad.vision.datasets import MNISTMini

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

# Beginning of a command -> why it is not run here.
NOT_RUN = {
    "python -m venv": "makes an environment, as .ci/run does",
    "source": "enters that environment",
    "pip install": "compiles for minutes; .ci/run installs a clean clone. The names are checked below",
    "pytest": "is what runs this test",
    "python scripts/mutate.py": "builds mutants for hours. tests/meta/test_mutate.py runs its parts",
    "python scripts/side_by_side.py": "for minutes. tests/meta/test_agreement.py makes a few calls",
    "python scripts/unreached_errors.py": "needs the C++ code. tests/meta/test_unreached_errors.py runs it",
    "python -m tests.fuzz": "runs for minutes. tests/fuzz/test_fuzz.py runs it with fewer programs",
    "cmake": "compiles for minutes; .ci/run compiles with CMake. The preset is checked below",
    "PYTHONPATH=build/cuda-emulated/package": "needs the build of the emulation; steps of .ci/run",
    "ctest": "runs pytest on what cmake has built",
    "ruff": "comes with the extra dev; a step of .ci/run",
    "mypy": "comes with the extra dev; a step of .ci/run",
    "clang-format": "comes with the extra dev; a step of .ci/run",
    "asv": "makes clones and environments; `asv run --quick` is a step of .ci/run",
}
# Beginning of a command -> options that make it short. A later option wins.
SHORTER = {
    "verigrad train": "--epochs 1 --model mlp",
    "verigrad verify": "--op neg",
    "python scripts/flat_memory.py": "--graphs 500",
    "python -m verigrad.testing.second_order": "--op neg",
    "python benchmarks/compare.py": "--tiny --rounds 1 --budget 0.01 --libraries verigrad --only add",
}
RUN = ("verigrad", "python", "cd")  # what else a command may begin with


def commands(text: str) -> list[str]:
    """The commands of a block, one by one and without comments."""
    lines = [re.sub(r"(^|\s)#.*", "", line) for line in text.replace("\\\n", " ").splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip()]


def entry(table, command):
    """The value of the key that a command begins with; None if there is none."""
    return next((table[start] for start in table if f"{command} ".startswith(f"{start} ")), None)


def blocks() -> list[tuple[Path, int, list[str]]]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            found.append((document, text.count("\n", 0, block.start(1)) + 1, commands(block[1])))
    return found


BLOCKS = [
    pytest.param(wanted, id=f"{document.name}:{line}")
    for document, line, every in blocks()
    if (wanted := [command for command in every if entry(NOT_RUN, command) is None])
]
ALL = [command for _, _, every in blocks() for command in every]


@pytest.fixture
def sandbox(tmp_path, mnist_files):
    """A folder like a clone, where `verigrad` and `python` are those that run this, and MNIST is small."""
    image_module = pytest.importorskip("PIL.Image")
    for module in ("click", "matplotlib", "numba"):
        pytest.importorskip(module)
    folder, programs = tmp_path / "clone", tmp_path / "programs"
    for name in ("docs", "benchmarks", "examples", "scripts", "python"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".asv"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    programs.mkdir()
    for name, arguments in (("python", ""), ("verigrad", "-m verigrad ")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        program.chmod(0o755)
    raw = tmp_path / "cache" / "MNIST" / "raw"
    raw.parent.mkdir(parents=True)
    mnist_files(200, 40).rename(raw)
    image_module.fromarray(MNISTMini(train=False).data[0].numpy()).save(folder / "digit.png")
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return folder, os.environ | {"PATH": path, "VERIGRAD_CACHE": str(tmp_path / "cache")}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("block", BLOCKS)
def test_commands_run(block, sandbox):
    folder, environment = sandbox
    lines = []
    for command in block:
        assert command.split()[0] in RUN, f"{command}: neither run nor on the list NOT_RUN"
        lines.append(f"{command} {entry(SHORTER, command) or ''}")
    script = "set -euo pipefail\n" + "\n".join(lines)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def test_what_is_not_run(capsys):
    left_out = {command: entry(NOT_RUN, command) for command in ALL if entry(NOT_RUN, command)}
    with capsys.disabled():
        print("\nnot run, of the commands in the documents:")
        for command, reason in left_out.items():
            print(f"  {command}: {reason}")
    # Entries that nothing needs any more go away.
    for table in (NOT_RUN, SHORTER):
        assert [start for start in table if not any(entry({start: True}, one) for one in ALL)] == []
    assert len(left_out) < len(ALL)


def test_names_in_commands_that_are_not_run():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    known = {name.split(">=")[0] for name in extras["dev"]} | set(extras["dev"]) | {"."}
    options = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    checked = 0
    for command in ALL:
        words = shlex.split(command)
        if command.startswith("pip install"):
            for word in words[2:]:
                if word.startswith(".["):
                    assert set(word[2:-1].split(",")) <= set(extras), command
                elif word.startswith("cmake.define."):
                    name = word.removeprefix("cmake.define.").partition("=")[0]
                    assert name.startswith("CMAKE_") or f"option({name} " in options, command
                elif not word.startswith("-"):
                    assert word in known, command
                checked += 1
        elif "--preset" in words:
            name = words[words.index("--preset") + 1]
            assert name in {preset["name"] for preset in presets["configurePresets"]}, command
            checked += 1
    assert checked > 8


def test_commands_are_found():
    text = "one --a  # why\n# not this\ntwo && three 'x#y' \\\n  four\n"
    assert commands(text) == ["one --a", "two", "three 'x#y'    four"]
    assert entry({"a b": 1}, "a bc") is None and entry({"a b": 1}, "a b c") == 1
