"""The suite itself: what `-m torch` selects, how many processes there are, and what runs in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SAMPLE = """
import hypothesis
import pytest

@pytest.fixture
def peer():
    return pytest.importorskip("torch")

@pytest.fixture(params=["math", "torch"])
def lib(request):
    return pytest.importorskip(request.param)

def test_in_the_body():
    torch = pytest.importorskip("torch")

def test_of_a_module():
    pytest.importorskip("torch.nn.utils.fusion")

def test_by_a_nested_function():
    def inner():
        import torch
    pytest.importorskip("torch")

def test_by_a_fixture(peer):
    pass

def test_by_a_parameter_of_a_fixture(lib):
    pass

@pytest.mark.parametrize("values", [("math", 1), ("torch", 1)])
def test_by_a_parameter(values):
    pytest.importorskip(values[0])

@hypothesis.given(hypothesis.strategies.integers())
def test_by_hypothesis(number):
    pytest.importorskip("torch")

def test_without():
    assert "torch is a word" and "pytorch"

def test_hidden():
    pytest.importorskip("".join(["tor", "ch"]))
"""
EXPECTED = [
    "test_in_the_body", "test_of_a_module", "test_by_a_nested_function", "test_by_a_fixture",
    "test_by_a_parameter_of_a_fixture[torch]", "test_by_a_parameter[values1]",
    "test_by_hypothesis",
]  # fmt: skip


@pytest.fixture
def sample(tmp_path):
    """A folder with the settings of the suite and one file of tests."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    return tmp_path


def run(target, *arguments, folder=None, **environment):
    folder = folder or target
    options = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *arguments, str(target)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=os.environ | environment, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_mark_of_comparisons(sample):
    _, out = run(sample, "--collect-only", "-q", "-m=torch")
    found = [line.partition("::")[2] for line in out.splitlines() if "::" in line]
    assert found == EXPECTED


def test_without_torch_only_marked_tests_are_skipped(sample):
    # A package of that name that cannot be imported stands before the real one.
    (sample / "absent").mkdir()
    (sample / "absent/torch.py").write_text('raise ModuleNotFoundError("no torch", name="torch")')
    path = os.pathsep.join([str(sample / "absent"), os.environ.get("PYTHONPATH", "")])
    code, out = run(sample, "-q", "-n0", "-W", "ignore", PYTHONPATH=path)
    assert code == 1, out
    assert "1 failed, 3 passed, 7 skipped" in out
    assert "test_hidden needs torch, but names it where conftest.py does not see it" in out


PROCESSES = """
import os, time
import pytest

@pytest.mark.parametrize("number", range(20))
def test_it(number, tmp_path_factory):
    time.sleep(0.02)
    import verigrad
    place = tmp_path_factory.getbasetemp().parent / f"{os.getpid()}.txt"
    place.write_text(f"{verigrad.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")
"""


def test_the_workers_share_the_processors(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "tests" / "test_it.py").write_text(PROCESSES)
    code, out = run(tmp_path, "-n2", f"--basetemp={tmp_path / 'base'}")
    assert code == 0, out
    answers = [path.read_text() for path in (tmp_path / "base").glob("*.txt")]
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert answers == [f"{share} {share}"] * 2


def test_tests_that_are_named_run_in_this_process(sample):
    _, out = run(sample, "-v", "-k", "without")
    assert "created: " in out  # workers
    _, out = run(f"{sample / 'test_sample.py'}::test_without", "-v", folder=sample)
    assert "1 passed" in out and "created: " not in out
