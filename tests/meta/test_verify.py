"""The run of the verification: table, exit codes, files, and the committed document."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verigrad.testing import guard, report, verify
from verigrad.testing.library import Library
from verigrad.testing.opspec import covered_names, records

LIB = Library("verigrad")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verification.md"


def test_one_operation_by_any_of_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("relu", "relu_", "true_divide"):
        assert verify.run(name, progress=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "op"
    for column in (
        "dtypes",
        "samples",
        "worst forward error",
        "worst gradient error",
        "second order",
        "float32",
        "float64",
        "largest",
        "verdict",
    ):
        assert column in lines[0]
    assert re.match(r"relu +u8 i32 i64 f32 f64 +\d+ +exact +\S.* \d{6} +pass$", lines[2])
    assert re.match(r"1 operations, \d+ samples, \d+ checks, 0 skips: all pass, in \d+ s", lines[3])


def test_a_quick_run_says_what_it_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert verify.run("exp", progress=False, quick=True, json_path=path) == 0
    document = json.loads(path.read_text(encoding="utf-8"))
    row = document["results"][0]
    assert document["skips"] == row["skipped"] > 100 and f"{row['skipped']} skips" in capsys.readouterr().out
    assert row["kinds"]["boundary"] > 100 and 0 < row["kinds"]["forward"] < row["skipped"]
    assert verify.run("exp", progress=False, json_path=path) == 0
    full = json.loads(path.read_text(encoding="utf-8"))["results"][0]
    assert sum(full["kinds"].values()) == sum(row["kinds"].values()) + row["skipped"]


def test_processes_find_what_one_finds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for jobs, path in zip((1, 2), paths, strict=True):
        assert verify.run(family="cast", progress=False, jobs=jobs, quick=True, json_path=path) == 0
    one, two = (json.loads(path.read_text(encoding="utf-8"))["results"] for path in paths)
    for a, b in zip(one, two, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert {row["family"] for row in one} == {"cast"} and len(one) > 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"family": "unry"}, "expected a family out of unary, binary"),
        ({"op": "exp", "family": "unary"}, "expected an operation or a family, got both"),
        ({"op": "exp", "jobs": 0}, "expected at least 1 job, got 0"),
        ({"quick": True, "markdown_path": "x.md"}, "expected all operations for a document"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    options: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.run(**options) == 2
    captured = capsys.readouterr()
    assert words in captured.err and len(captured.err.splitlines()) == 1 and not captured.out


def test_what_comes_after_too_many_failures_is_counted() -> None:
    LIB.get("_C._testing.plant_kernel_fault")("unary")
    result = verify.verify_record(records()["exp"], LIB, 3)
    assert len(result.failures) == 3 and result.skipped > 100


@pytest.mark.parametrize(("name", "hint"), [("tahn", "tanh"), ("soft_max", "softmax")])
def test_an_unknown_operation_is_one_line_with_close_names(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.run(name) == 2
    captured = capsys.readouterr()
    assert not captured.out and len(captured.err.splitlines()) == 1
    assert repr(name) in captured.err and hint in captured.err


def test_a_hopeless_name_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.run("zzzz") == 2
    assert "did you mean" not in capsys.readouterr().err


def test_json_holds_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    assert verify.run("exp", json_path=path, progress=False) == 0
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["operations"] == 1 and document["failed"] == [] and document["skips"] == 0
    row = document["results"][0]
    assert (
        row["name"] == "exp" and row["verdict"] == "pass" and row["dtypes"] == list(records()["exp"].dtypes)
    )
    assert row["samples"] == document["samples"] > 100
    assert 0 <= row["forward_error"] <= row["tolerance"] and 0 <= row["gradient_error"] <= 1e-6
    assert document["simd_level"] == LIB.get("_C._testing.simd_level")()
    assert str(row["samples"]) in capsys.readouterr().out


def test_json_names_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    LIB.get("_C._testing.plant_kernel_fault")("unary")
    assert verify.run("exp", json_path=path, progress=False) == 1
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["failed"] == ["exp"]
    failure = document["results"][0]["failures"][0]
    assert failure["kind"] == "forward" and "exp(" in failure["message"]
    assert "1 failed (exp)" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify.run("exp", json_path=tmp_path / "missing" / "result.json") == 2
    assert verify.run("exp", json_path=tmp_path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("expected a file that can be written" in line for line in lines)


def test_a_document_of_one_operation_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.run("exp", markdown_path=tmp_path / "x.md") == 2
    assert "all operations" in capsys.readouterr().err


def test_progress_is_plain_lines_where_there_is_no_terminal() -> None:
    program = (
        "from verigrad.testing import verify\n"
        "print(list(verify._progress(iter(range(20)), 20, True)) == list(range(20)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert done.stderr.splitlines()[0] == "verify: 2 of 20 operations" and "\r" not in done.stderr


def ends_with(name: str) -> Any:
    """A record whose checks read out of bounds."""
    if name == "abs":
        os.kill(os.getpid(), signal.SIGSEGV)
    return name


def test_a_record_whose_process_dies_has_failed_and_the_others_are_verified() -> None:
    results = verify._in_processes(["neg", "abs", "sign", "exp"], 2, ends_with)
    found = [r if isinstance(r, str) else (r.name, r.failures[0].kind) for r in results]
    assert sorted(found, key=str) == [("abs", "crash"), "exp", "neg", "sign"]


@pytest.mark.skipif(not guard.AVAILABLE, reason="needs mprotect")
def test_what_lies_behind_guarded_memory_cannot_be_read() -> None:
    program = (
        "import ctypes, numpy as np\n"
        "from verigrad.testing.guard import guarded\n"
        "a = guarded(np.arange(5000.0).reshape(2, 2500))\n"
        "a[1, 0] = 1.0\n"
        "print(len(ctypes.string_at(a.ctypes.data, a.nbytes)), flush=True)\n"
        "ctypes.string_at(a.ctypes.data + a.nbytes, 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "40000\n"
    assert done.returncode == -signal.SIGSEGV or "Sanitizer: SEGV" in done.stderr
    values = np.arange(3, dtype=np.int32)
    assert guard.guarded(values).tolist() == [0, 1, 2] and guard.guarded(values[:0]).shape == (0,)


def test_the_document_lists_exactly_the_records_and_all_pass() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
    listed = {row[0].strip(" `").replace("\\|", "|"): [cell.strip() for cell in row] for row in rows}
    assert set(listed) == set(records()), "run: python -m verigrad.testing.verify docs/verification.md"
    registered = set(LIB.get("_C._testing.registered_ops")())
    assert {covered_names()[name] for name in registered} <= set(listed)
    for name, row in listed.items():
        spec = records()[name]
        assert row[1] == spec.family and row[2] == report.short_dtypes(spec.dtypes), name
        assert row[-1] == "pass", name
    assert f"{len(records())} operations" in text and "0 skips" in text


def test_the_document_has_no_numbers_of_a_machine() -> None:
    result = report.OpResult("exp", "unary", ("float32",), 2, False, 4.0)
    before = report.markdown([result])
    result.forward_error, result.gradient_error, result.seconds = 0.5, 1e-9, 3.0
    assert report.markdown([result]) == before
