"""Runs the calls of an operation in a process of its own: hostile arguments end PyTorch's process now and
then."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agreement import extra
from agreement.calls import Caller, text
from agreement.judge import Difference, ask, judge
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records

MEMORY = 6 << 30  # bytes of a process: a size of 2^40 must be an error
PATIENCE = 20.0  # seconds for one call


@dataclass
class Result:
    """The calls of one operation.

    Attributes:
        calls: calls that both libraries answered; both refused `refused` of them.
        gradients: calls whose gradients were compared.
        differences: what differed, with the call as an expression.
        ended: calls that ended PyTorch's process, or that took too long in either.
        crashed: calls that ended verigrad's.
    """

    spec: OpSpec
    calls: int = 0
    refused: int = 0
    gradients: int = 0
    differences: list[tuple[Difference, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)


def operations() -> dict[str, OpSpec]:
    """What is compared: the records with a public name in PyTorch, and the public functions without a
    record."""
    found = {
        name: spec
        for name, spec in records().items()
        if not name.endswith("_backward") and name not in ("affine_image", "recurrent_layer")
    }
    return {**found, **extra.operations()}


def _serve(spec: OpSpec, seed: int, first: int, count: int, pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import os

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    ours, theirs = Library("verigrad"), Library("torch")
    caller = Caller(spec)
    for number in range(first, count):
        made = caller.call(seed, number)
        if made is None:
            break
        sample, faults = made
        with contextlib.suppress(Exception):
            pipe.send(("ours", number, text(spec, sample)[:1500], None))
        one = ask(spec, ours, sample, number % 4 != 0)
        pipe.send(("theirs", number, "", None))
        two = ask(spec, theirs, sample, number % 4 != 0)
        if "unbuilt" in (one.error, two.error):
            continue
        seen = (not one.error, one.grads is not None and two.grads is not None)
        pipe.send(("done", number, judge(spec, sample, one, two, faults), seen))
    pipe.send(("end", count, None, None))


def run(spec: OpSpec, seed: int, count: int, seconds: float | None = None) -> Result:
    """Makes so many calls of an operation, or as many as fit the time."""
    result, first, call = Result(spec), 0, ""
    context = multiprocessing.get_context("fork")
    until = None if seconds is None else time.monotonic() + seconds
    while first < count:
        here, there = context.Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fork in a process with threads, which run nothing here
            process = context.Process(target=_serve, args=(spec, seed, first, count, there), daemon=True)
            process.start()
        there.close()
        stage = "ours"
        stopped = False
        while True:
            try:
                if not here.poll(PATIENCE):
                    stage = "theirs"  # too long a call of either library is no crash
                    raise EOFError
                stage, number, what, more = here.recv()
            except EOFError:
                (result.ended if stage == "theirs" else result.crashed).append(call)
                first += 1
                break
            first = number
            if stage == "end":
                break
            if stage == "ours":
                call = what
            if stage == "done":
                _note(result, what, call, more)
                first = number + 1
                if until is not None and time.monotonic() > until:
                    stopped = True
                    break
        process.kill()
        process.join()
        if stage == "end" or stopped or len(result.crashed) + len(result.ended) > 20:
            break
    return result


def _note(result: Result, difference: Difference | None, call: str, more: tuple[bool, bool]) -> None:
    result.calls += 1
    result.refused += int(difference is None and not more[0])
    result.gradients += more[1]
    if difference is not None:
        result.differences.append((difference, call))


def written(result: Result, seed: int, count: int) -> str:
    """A result as a line of JSON."""
    content = {**vars(result), "spec": result.spec.name, "seed": seed, "count": count}
    content["differences"] = [
        [d.kind, d.ours, d.theirs, sorted(d.marks), call] for d, call in result.differences
    ]
    return json.dumps(content)


def read(path: Path, seed: int, count: int) -> dict[str, Result]:
    """The results of a file that belong to this run, by operation."""
    found: dict[str, Result] = {}
    known = operations()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        content = json.loads(line)
        name = content.pop("spec")
        if (content.pop("seed"), content.pop("count")) == (seed, count) and name in known:
            parts = content.pop("differences")
            result = Result(known[name], **content)
            result.differences = [
                (Difference(kind, ours, theirs, frozenset(marks)), call)
                for kind, ours, theirs, marks, call in parts
            ]
            found[name] = result
    return found


def run_all(
    names: list[str], seed: int, count: int, seconds: float | None, jobs: int = 1
) -> Iterator[Result]:
    """The results of operations, in their order."""
    import torch

    import verigrad

    torch.set_num_threads(1)
    verigrad.set_num_threads(1)
    known: dict[str, Any] = operations()
    each = None if seconds is None else seconds / max(1, len(names))
    if jobs == 1:
        for name in names:
            yield run(known[name], seed, count, each)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda name: run(known[name], seed, count, each), names)
