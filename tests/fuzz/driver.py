"""Starts workers, reads how they end, and makes what fails smaller."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.fuzz.worker import EXIT_FINDING

ROOT = Path(__file__).parents[2]
BATCH = 2000  # programs of one worker process
TRIES = 150  # runs to make one program smaller
KILLED_FOR_MEMORY = "killed"  # by the system's limit: not a finding of ours
# The address sanitizer's operator new ends the process where the standard one raises std::bad_alloc.
TOO_MUCH = ("allocator", "allocation-size-too-big", "out-of-memory", "requested")


@dataclass
class Found:
    """A program that fails, and how."""

    seed: int
    signature: str
    program: list[dict[str, Any]]


@dataclass
class Report:
    """What a campaign did."""

    programs: int = 0
    calls: int = 0
    seconds: float = 0.0
    findings: list[Found] = field(default_factory=list)


def _environment() -> dict[str, str]:
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(p for p in (env.get("PYTHONPATH"), str(ROOT)) if p)
    options = env.get("ASAN_OPTIONS", "")
    if "detect_leaks" in options and "max_allocation_size_mb" not in options:
        env["ASAN_OPTIONS"] = f"{options}:allocator_may_return_null=1:max_allocation_size_mb=4096"
    return env


def signature_of(code: int, text: str) -> str:
    """How a process ended, in a few words that stay the same while a program is made smaller."""
    report = re.search(r"(?:ERROR|WARNING): (\w+Sanitizer): ([\w-]+)", text)
    place = re.search(r"#\d+ 0x\w+ in ([\w:~]+).*?/(cpp/[\w/.]+:\d+)", text)
    undefined = re.search(r"(cpp/[\w/.]+:\d+):\d+: runtime error: ([^\n]{0,60})", text)
    where = f" in {place.group(2)}" if place else ""
    if undefined:
        return (
            f"undefined behaviour in {undefined.group(1)}: {re.sub(r'-?[0-9]{3,}', 'N', undefined.group(2))}"
        )
    if report and report.group(2) in TOO_MUCH:
        return KILLED_FOR_MEMORY
    if report:
        return f"{report.group(1)}: {report.group(2)}{where}"
    if code < 0:
        return KILLED_FOR_MEMORY if code == -signal.SIGKILL else f"signal {signal.Signals(-code).name}"
    last = text.strip().splitlines()[-1:] or [""]
    return f"exit code {code}: {last[0][:100]}"


def _start(command: list[str], folder: str, output: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A worker with its own folder for files."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.worker", *command],
        stdout=output,
        stderr=errors,
        env={**_environment(), "VERIGRAD_FUZZ_FOLDER": folder},
        cwd=ROOT,
    )


def _run(command: list[str], seconds: float, folder: str, out: Path) -> tuple[int, str, str]:
    """Exit code, standard output and error; 124 for one that took too long."""
    with open(out.with_suffix(".err"), "w+b") as errors, open(out, "w+b") as output:
        process = _start(command, folder, output, errors)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = 124
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read(200_000).decode(errors="replace"))
    return code, texts[0], texts[1]


def outcome(program: list[dict[str, Any]], memory: int, seconds: float) -> str:
    """The signature of a program that fails, else an empty text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.json"
        path.write_text(json.dumps(program), encoding="utf-8")
        code, out, errors = _run(["--program", str(path), str(memory)], seconds, folder, Path(folder) / "out")
    if code == 0:
        return ""
    if code == 124:
        return "hang"
    if code == EXIT_FINDING:
        return str(json.loads(out.strip().splitlines()[-1])["signature"])
    return signature_of(code, errors)


def _simpler_values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and value:
        (kind, content), *_ = value.items()
        if kind == "t":
            for i, size in enumerate(content["shape"]):
                for smaller in {0, 1, 2, size // 2} - {size}:
                    if smaller < size:
                        yield {
                            kind: {
                                **content,
                                "shape": [*content["shape"][:i], smaller, *content["shape"][i + 1 :]],
                            }
                        }
            if content["layout"] != "contiguous":
                yield {kind: {**content, "layout": "contiguous"}}
            if content["grad"]:
                yield {kind: {**content, "grad": False}}
        elif kind in ("l", "u", "s"):
            for i, part in enumerate(content):
                if kind != "s":
                    yield {kind: [*content[:i], *content[i + 1 :]]}
                for simpler in _simpler_values(part):
                    yield {kind: [*content[:i], simpler, *content[i + 1 :]]}
        elif kind == "m":
            for key in content:
                yield {kind: {k: v for k, v in content.items() if k != key}}
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int) and abs(value) > 1:
        yield from (0, 1, value // 2)
    elif isinstance(value, str) and value:
        yield ""


def _simpler(program: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for i in reversed(range(len(program))):
        if len(program) > 1:
            yield [*program[:i], *program[i + 1 :]]
    for i, step in enumerate(program):
        args, kwargs = step.get("args", []), step.get("kw", {})

        def changed(
            args: list[Any], kwargs: dict[str, Any], i: int = i, step: Any = step
        ) -> list[dict[str, Any]]:
            return [*program[:i], {**step, "args": args, "kw": kwargs}, *program[i + 1 :]]

        for key in kwargs:
            yield changed(args, {k: v for k, v in kwargs.items() if k != key})
        if args:
            yield changed(args[:-1], kwargs)
        for j, arg in enumerate(args):
            for simpler in _simpler_values(arg):
                yield changed([*args[:j], simpler, *args[j + 1 :]], kwargs)


def minimise(program: list[dict[str, Any]], wanted: str, memory: int, seconds: float) -> list[dict[str, Any]]:
    """The smallest program found that fails in the same way."""
    best, tries, moved = deepcopy(program), 0, True
    if wanted == "hang":
        return best  # each try would take its limit
    while moved:
        moved = False
        for candidate in _simpler(best):
            tries += 1
            if tries > TRIES:
                return best
            if outcome(candidate, memory, seconds) == wanted:
                best, moved = candidate, True
                break
    return best


def _span(target: str, first: int, count: int, memory: int, seconds: float, most: int) -> Report:
    """Runs a range of seeds, with a new worker after each that fails."""
    from tests.fuzz.targets import TARGETS

    report, known = Report(), set()
    seed, end = first, first + count
    make = None
    while seed < end and len(report.findings) < most:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            state.write_bytes(bytes(24))
            size = min(BATCH, end - seed)
            command = [target, str(seed), str(size), str(state), str(memory)]
            limit = max(120.0, seconds * 3 + size * 0.5)
            code, out, errors = _watch(command, seconds, limit, folder, state)
            at, done, calls = struct.unpack("<3q", state.read_bytes())
        report.programs += done
        report.calls += calls
        if code == 0:
            seed += size
            continue
        report.programs += code != EXIT_FINDING
        seed = at + 1
        make = make or TARGETS[target]()
        if code == EXIT_FINDING:
            signature = str(json.loads(out.strip().splitlines()[-1])["signature"])
        else:
            signature = "hang" if code == 124 else signature_of(code, errors)
        if signature in known or signature == KILLED_FOR_MEMORY:
            continue
        known.add(signature)
        program = make(at)
        alone = outcome(program, memory, seconds)
        if alone:
            program = minimise(program, alone, memory, seconds)
        report.findings.append(Found(at, alone or f"{signature} (not alone)", program))
    return report


def _watch(
    command: list[str], seconds: float, limit: float, folder: str, state: Path
) -> tuple[int, str, str]:
    """Runs a worker; one whose seed does not move for `seconds` is killed."""
    out, err = Path(folder) / "out", Path(folder) / "err"
    with open(out, "wb") as output, open(err, "wb") as errors:
        process = _start(command, folder, output, errors)
        before, since, started = b"", time.monotonic(), time.monotonic()
        code: int | None = None
        while code is None:
            try:
                code = process.wait(0.2)
            except subprocess.TimeoutExpired:
                now = state.read_bytes()[:16]
                if now != before:
                    before, since = now, time.monotonic()
                # The first program waits for the imports.
                patience = seconds if any(before) else max(seconds, 60.0)
                if time.monotonic() - since > patience or time.monotonic() - started > limit * 10:
                    process.kill()
                    process.wait()
                    code = 124
    return code, out.read_text(errors="replace"), err.read_text(errors="replace")[-200_000:]


def campaign(
    target: str,
    seed: int,
    programs: int,
    jobs: int = 1,
    memory: int = 6144,
    seconds: float = 20.0,
    most: int = 20,
) -> Report:
    """Runs the programs of the seeds from `seed` on.

    Args:
        target: one of ``targets.TARGETS``.
        seed: the first.
        programs: how many.
        jobs: worker processes at a time.
        memory: of a worker, in MiB; a program that needs more gets MemoryError.
        seconds: after which a program counts as hanging.
        most: findings after which a worker's range is left.
    """
    started = time.monotonic()
    edges = [seed + programs * i // jobs for i in range(jobs + 1)]
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(
            pool.map(
                lambda span: _span(target, span[0], span[1] - span[0], memory, seconds, most),
                zip(edges[:-1], edges[1:], strict=True),
            )
        )
    whole = Report(seconds=time.monotonic() - started)
    for part in parts:
        whole.programs += part.programs
        whole.calls += part.calls
        for found in part.findings:
            if found.signature not in {f.signature for f in whole.findings}:
                whole.findings.append(found)
    return whole
