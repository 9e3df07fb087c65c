"""Runs the verifier and the test suite on a build. A mutant is killed by a failure, a crash or a hang."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutation.targets import HOST, Target

MEMORY = 12 << 30  # bytes of addresses that a mutant may use
RECORD_LIMIT = 300.0  # seconds for a record whose usual time is not known
SUITE_LIMIT = 3600.0
# A test's parameters may have spaces in them.
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - |$)", re.MULTILINE)
# Tests of the sources as text and of this script; a mutant is in the library alone.
TEXT_TESTS = ("tests/meta/test_mutate.py",)


@dataclass
class Verdict:
    """What a phase found.

    Attributes:
        killed: whether the mutant was noticed.
        how: "failure", "crash" or "hang".
        by: the record or the test.
        text: the first words of the failure.
        seconds: how long it took.
        times: seconds of each record that passed.
    """

    killed: bool = False
    how: str = ""
    by: str = ""
    text: str = ""
    seconds: float = 0.0
    times: dict[str, float] = field(default_factory=dict)


def environment(package: Path, cache: Path) -> dict[str, str]:
    """The variables with which Python finds that build."""
    return {
        **os.environ,
        "PYTHONPATH": str(package),
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(
    command: list[str], folder: Path, variables: dict[str, str], limit: float, given: str = ""
) -> tuple[int | None, str, str]:
    """Exit code (None for a hang), output and errors of a command in a group of its own."""
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, errors="replace",
    )  # fmt: skip
    if "VERIGRAD_TEST_SANITIZER" not in os.environ:  # a sanitizer reserves most of the address space
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    try:
        out, err = process.communicate(given, timeout=limit)
        return process.returncode, out, err
    except subprocess.TimeoutExpired:
        return None, *_end(process)
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def _lines(out: str) -> list[dict[str, Any]]:
    found = []
    for line in out.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # the line during which the process died
            break
    return found


def verify(
    package: Path,
    cache: Path,
    records: list[str] | None,
    limit: float = RECORD_LIMIT,
    trace: Path | None = None,
    target: Target = HOST,
) -> tuple[Verdict, dict[str, str]]:
    """Runs records until one fails; all of them with ``trace``, where each leaves what it reached.

    Returns:
        The verdict, and all records with their families.
    """
    if records == []:
        return Verdict(), {}
    asked = {
        "records": records, "limit": limit, "device": target.device,
        "quick": target.quick or trace is not None,  # what takes long reaches no further lines
        "trace": str(trace) if trace else None, "library": target.library,
    }  # fmt: skip
    child = Path(__file__).with_name("verify_child.py")
    started = time.monotonic()
    overall = limit * (len(records) if records is not None else 1000) + 120
    code, out, err = run(
        [sys.executable, str(child)], package, environment(package, cache), overall, json.dumps(asked)
    )
    verdict = Verdict(seconds=round(time.monotonic() - started, 2))
    known: dict[str, str] = {}
    running = "import"
    for line in _lines(out):
        known = line.get("known", known)
        running = line.get("start", running)
        if "end" in line and not line["failure"]:
            verdict.times[line["end"]] = line["seconds"]
        elif "end" in line and not verdict.killed:
            verdict.killed, verdict.how, verdict.by, verdict.text = (
                True,
                "failure",
                line["end"],
                line["failure"],
            )
        if "done" in line:
            return verdict, known
    if not verdict.killed:
        hang = code is None or "Timeout (" in err
        verdict.killed, verdict.how, verdict.by = True, "hang" if hang else "crash", running
        verdict.text = f"exit code {code}: {err[-300:]}"
    return verdict, known


def _compiler(folder: Path) -> dict[str, str]:
    """The variables with which tests that compile C++ do so once for all mutants and leave nothing behind."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    found = {"TMPDIR": str(folder / "tmp")}
    if shutil.which("ccache"):
        script = folder / "cxx"
        script.write_text(f'#!/bin/sh\nexec ccache {os.environ.get("CXX", "g++")} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        found["CXX"] = str(script)
    return found


def suite(package: Path, cache: Path, tree: Path, tests: list[str], more: list[str]) -> Verdict:
    """Runs tests until one fails. The folder above the tree is for what they write."""
    options = ["-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
    options += [f"--ignore={name}" for name in TEXT_TESTS]
    variables = environment(package, cache) | _compiler(tree.parent)
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", *options, *more, *tests]
    code, out, err = run(command, tree, variables, SUITE_LIMIT)
    verdict = Verdict(seconds=round(time.monotonic() - started, 2))
    if code in (0, 5):  # passed, or nothing was selected
        return verdict
    failed = FAILED.search(out)
    verdict.killed = True
    verdict.how = "hang" if code is None else "failure" if code == 1 else "crash"
    verdict.by = failed[1] if failed else "pytest"
    verdict.text = (out + err)[-400:]
    return verdict


def program(path: Path, cache: Path) -> Verdict:
    """Runs the C++ tests of a build."""
    started = time.monotonic()
    code, out, err = run([str(path)], path.parent, environment(path.parent, cache), SUITE_LIMIT)
    verdict = Verdict(seconds=round(time.monotonic() - started, 2))
    if code == 0:
        return verdict
    failed = re.search(r"^FAIL (.*)$", out, re.MULTILINE)
    verdict.killed = True
    verdict.how = "hang" if code is None else "failure" if failed else "crash"
    verdict.by = f"{path.name}: {failed[1]}" if failed else path.name
    verdict.text = (out + err)[-400:]
    return verdict


# Tests that are likely to notice a change of a family; the others of its layer follow.
NEAREST = {
    "convolution": ["tests/nn/test_conv.py"],
    "columns": ["tests/nn/test_conv.py", "tests/nn/test_functional.py"],
    "pool": ["tests/nn/test_pooling.py"],
    "normaliz": ["tests/nn/test_normalization.py"],
    "recurrent": ["tests/nn/test_rnn.py"],
    "loss": [
        "tests/nn/test_loss.py",
        "tests/nn/test_losses_against_torch.py",
        "tests/nn/test_loss_properties.py",
    ],
    "activation": ["tests/nn/test_activation.py"],
    "dropout": ["tests/nn/test_dropout.py"],
    "embedding": ["tests/nn/test_embedding.py"],
    "padding": ["tests/nn/test_padding.py"],
    "warp": ["tests/vision/test_transforms_geometry.py"],
    "random": ["tests/ops/test_random.py"],
    "create": ["tests/ops/test_creation.py", "tests/ops/test_random.py"],
    "parallel": ["tests/autograd/test_interrupt.py", "tests/cpp", "tests/ops/test_threads.py"],
    "inplace": ["tests/autograd/test_inplace.py", "tests/autograd/test_views.py"],
    "binary": ["tests/autograd/test_inplace.py"],
    "optim": ["tests/optim"],
    "linear": ["tests/nn/test_layers.py"],
}


def affected_tests(tree: Path, family: str, target: Target = HOST) -> list[str]:
    """The part of the suite that a change of a family is likely to fail."""
    near = (
        [test for word, tests in NEAREST.items() if word in family for test in tests] if target.rest else []
    )
    return [test for test in dict.fromkeys([*near, *target.tests]) if (tree / test).exists()]


def other_tests(tree: Path, family: str, target: Target = HOST) -> list[str]:
    """The rest of the suite."""
    if not target.rest:
        return []
    done = set(affected_tests(tree, family))
    return sorted(
        path.relative_to(tree).as_posix()
        for path in (tree / "tests").iterdir()
        if (path.is_dir() or path.name.startswith("test_"))
        and path.relative_to(tree).as_posix() not in done
        and not path.name.startswith(("_", "."))
    )
