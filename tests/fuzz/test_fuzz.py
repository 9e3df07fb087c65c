"""A short run of every target, and proof that the fuzzer notices and makes smaller what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fuzz import driver, programs
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
COUNT = {
    "api": 1500,
    "ops": 600,
    "autograd": 1500,
    "modules": 200,
    "data": 150,
    "distributions": 300,
    "files": 1500,
    "torch-files": 1500,
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target: str) -> None:
    report = driver.campaign(target, 0, COUNT[target], seconds=60.0, most=3)
    texts = [f"seed {f.seed}: {f.signature}\n{json.dumps(f.program)}" for f in report.findings]
    assert not texts, "\n".join(texts)
    assert report.programs == COUNT[target] <= report.calls


def test_a_program_is_the_same_for_a_seed() -> None:
    for target in TARGETS:
        make, again = TARGETS[target](), TARGETS[target]()
        assert [make(s) for s in range(5)] == [again(s) for s in range(5)]
        assert make(1) != make(2)


def step(call: str, *args: Any) -> dict[str, Any]:
    return {"call": call, "args": list(args), "kw": {}}


SMALL = {"t": {"dtype": "float32", "shape": [3, 4], "layout": "sliced", "seed": 1, "grad": True}}


def test_what_python_can_tell_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(x: Any) -> None:
        x.detach().numpy()[...] = 7
        raise ValueError("after writing")

    def broken(x: Any) -> None:
        raise SystemError("error return without exception set")

    def talkative(x: Any) -> None:
        raise ValueError("x" * 30_000)

    for function, words in (
        (spoil, "changed an argument"),
        (broken, "SystemError"),
        (talkative, "30000 char"),
    ):
        monkeypatch.setitem(programs.SPECIAL, "planted", function)
        with pytest.raises(programs.Finding, match=words):
            programs.run([step("planted", SMALL)])
    assert programs.run([step(".sum", SMALL, 17), step("nothing", 1), step("repr", {"r": 0})]) == 2


def test_a_crash_is_found_and_made_smaller() -> None:
    program = [step("exp", SMALL), step("planted crash", {"l": [1, SMALL, 5]}), step("neg", SMALL)]
    found = driver.outcome(program, 6144, 60.0)
    assert found in ("signal SIGSEGV", "AddressSanitizer: SEGV", "ThreadSanitizer: SEGV")
    smaller = driver.minimise(program, found, 6144, 60.0)
    assert smaller == [step("planted crash")]


def test_what_cannot_be_interrupted_is_found() -> None:
    assert driver.outcome([step("planted hang")], 6144, 6.0) == "hang"


def test_what_takes_long_is_interrupted() -> None:
    assert driver.outcome([step("planted wait")], 6144, 60.0) == ""


@pytest.mark.parametrize(
    ("code", "text", "signature"),
    [
        (-11, "", "signal SIGSEGV"),
        (-9, "", "killed"),
        (3, "Traceback\nValueError: no", "exit code 3: ValueError: no"),
        (
            1,
            "==1==ERROR: AddressSanitizer: allocator is out of memory trying to allocate 0x1 bytes",
            "killed",
        ),
        (1, "==1==ERROR: AddressSanitizer: requested allocation size 0x1 exceeds maximum", "killed"),
        (
            1,
            "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address\n"
            "    #0 0x7f in verigrad::sum() /x/cpp/src/ops/reduce.cpp:12\n",
            "AddressSanitizer: heap-buffer-overflow in cpp/src/ops/reduce.cpp:12",
        ),
        (
            1,
            "/x/cpp/src/core/shape.cpp:7:3: runtime error: signed integer overflow: 99999 * 2",
            "undefined behaviour in cpp/src/core/shape.cpp:7: signed integer overflow: N * 2",
        ),
    ],
)
def test_how_a_process_ended_in_few_words(code: int, text: str, signature: str) -> None:
    assert driver.signature_of(code, text) == signature


def test_the_command_line() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--target", "files", "--programs", "50", "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("files: 50 programs, 50 calls, 0 findings")
