"""``verigrad verify``: every operation against its reference, its gradients, and the calls that must fail.

The checks are those of the test suite, made from the records in ``opspec_*.py``. Needs numba and tqdm
(``pip install "verigrad[verify]"``).
"""

from __future__ import annotations

import argparse
import difflib
import faulthandler
import functools
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from verigrad.testing.backward import element_checks
from verigrad.testing.calls import CheckError
from verigrad.testing.crossing import boundary_checks, refuse_uncut
from verigrad.testing.differentiation import Coverage, gradient_checks, kink_checks, refuse_blind
from verigrad.testing.failing import error_checks
from verigrad.testing.forward import Check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import FAMILIES, OpSpec, covered_names, records, records_on
from verigrad.testing.report import Failure, OpResult, markdown, mutation_section, summary, table, write_json

MOST_FAILURES = 5  # reported for one operation
# Kinds of checks of small tensors of which a quick run takes one in so many.
THINNED = {"forward": 16, "gradient": 8, "second": 16, "composition": 4, "element": 4}
# The families with the longest checks are begun first, so that no process is left with one at the end.
LONGEST_FIRST = ("convolution", "pooling", "normalization", "loss", "index", "reduce", "resampling")


def extra_checks(spec: OpSpec, lib: Library) -> list[Check]:
    """The checks that a record defines itself."""
    found: list[Check] = []
    if spec.check is not None:
        spec.check(lib, lambda dtype, label, run: found.append(Check("extra", dtype, label, run)))
    return found


def record_checks(spec: OpSpec, lib: Library, coverage: Coverage) -> Iterator[Check]:
    """Every check of one record."""
    yield from forward_checks(spec, lib)
    yield from extra_checks(spec, lib)
    yield from gradient_checks(spec, lib, coverage)
    yield from element_checks(spec, lib, coverage)
    yield from boundary_checks(spec, lib, coverage)
    yield from kink_checks(spec, lib)
    yield from error_checks(spec, lib)


def thinned(spec: OpSpec) -> Callable[[Check], bool]:
    """Which checks a quick run takes: all of boundaries, kinks and errors, of the others a share, the same in
    each run."""

    def wanted(check: Check) -> bool:
        share = THINNED.get(check.kind, 1)
        return share == 1 or zlib.crc32(f"{spec.name}{check.dtype}{check.label}".encode()) % share == 0

    return wanted


def _unchecked(spec: OpSpec) -> OpResult:
    return OpResult(spec.name, spec.family, spec.dtypes, spec.order, bool(spec.zero_gradient), spec.tolerance)


def verify_record(
    spec: OpSpec,
    lib: Library,
    most_failures: int = MOST_FAILURES,
    wanted: Callable[[Check], bool] | None = None,
) -> OpResult:
    """Runs the checks of one record.

    Args:
        spec: the record.
        lib: the library.
        most_failures: where to stop.
        wanted: which checks to run; all by default.
    """
    started = time.perf_counter()
    result = _unchecked(spec)
    coverage = Coverage()

    def fail(kind: str, label: str, error: Exception) -> None:
        text = (
            str(error)
            if isinstance(error, CheckError)
            else f"{spec.name}{label}: {type(error).__name__}: {error}"
        )
        result.failures.append(Failure(kind, label, text))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for check in record_checks(spec, lib, coverage):
                stopped = len(result.failures) >= most_failures
                if stopped or (wanted is not None and not wanted(check)):
                    result.skipped += 1
                    continue
                try:
                    result.note(check, check.run())
                except Exception as error:
                    fail(check.kind, check.label, error)
        except Exception as error:  # a function that is missing altogether
            fail("record", "", error)
        if wanted is None and not result.failures:
            for refuse in (refuse_blind, refuse_uncut) if lib.device == "cpu" else (refuse_blind,):
                try:
                    refuse(spec, coverage)
                except CheckError as error:
                    fail("record", "", error)
    result.checks += coverage.checks
    result.largest = coverage.largest
    result.seconds = time.perf_counter() - started
    return result


def registry_failures(lib: Library) -> list[OpResult]:
    """A failed row for each operation without a record and for each record without an operation."""
    registered, covered = set(lib.get("_C._testing.registered_ops")()), covered_names()
    found = []
    for name in sorted(registered ^ covered.keys()):
        text = "a record" if name in registered else "an operation of that name in the library's registry"
        row = OpResult(name, "", (), 0, False, 0.0)
        row.failures.append(Failure("record", "", f"{name}: expected {text}, got none"))
        found.append(row)
    return found


def choose(op: str | None, family: str | None = None) -> list[OpSpec]:
    """The records to run: one, those of a family, or all.

    Raises:
        KeyError: for a name without a record; its text names those that are close.
    """
    known = records()
    if family is not None and family not in FAMILIES:
        raise KeyError(f"verify: expected a family out of {', '.join(FAMILIES)}, got {family!r}")
    if op is None:
        return [spec for spec in known.values() if family in (None, spec.family)]
    names = {**covered_names(), **{name: name for name in known}}
    if op in names:
        return [known[names[op]]]
    close = difflib.get_close_matches(op, names, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise KeyError(f"verify: expected the name of an operation, got {op!r}{hint}")


def _unwritable(paths: Sequence[str | os.PathLike[str] | None]) -> str | None:
    for path in paths:
        if path is not None and (Path(path).is_dir() or not os.access(Path(path).absolute().parent, os.W_OK)):
            return f"verify: expected a file that can be written, got {os.fspath(path)!r}"
    return None


def _progress(results: Iterator[OpResult], count: int, progress: bool) -> Iterator[OpResult]:
    """The results as they come, with a bar in a terminal and a line for every tenth of them elsewhere."""
    if not progress or not count:
        yield from results
    elif sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError as error:
            message = 'verify: expected tqdm to be installed, got none; pip install "verigrad[verify]"'
            raise ImportError(message) from error
        with tqdm(total=count, unit="op", file=sys.stderr, dynamic_ncols=True) as bar:
            for result in results:
                bar.set_description(f"{result.name:<20}")
                bar.update()
                yield result
    else:
        for i, result in enumerate(results, 1):
            if i < count and i % max(1, count // 10) == 0:
                print(f"verify: {i} of {count} operations", file=sys.stderr, flush=True)
            yield result


def _verify_name(name: str, quick: bool, device: str) -> OpResult:
    spec = records()[name]
    with Library("verigrad", device).as_default() as lib:
        return verify_record(spec, lib, wanted=thinned(spec) if quick else None)


def _begin(threads: int) -> None:
    faulthandler.enable()
    Library("verigrad").get("set_num_threads")(threads)


def _died(name: str) -> OpResult:
    """The result of a record whose process was ended by a signal."""
    result = _unchecked(records()[name])
    text = f"{name}: expected the checks to end, got a process that died, as after an access out of bounds"
    result.failures.append(Failure("crash", "", text))
    return result


def _in_processes(names: list[str], jobs: int, work: Callable[[str], OpResult]) -> Iterator[OpResult]:
    """The results of records in processes of their own. One that dies takes the others of its pool with it:
    each of these is tried again alone, which tells whose fault it was."""
    # Fresh processes: a fork would share this one's planted state and copy its threads half.
    context = multiprocessing.get_context("spawn")
    left = dict.fromkeys(names)
    with ProcessPoolExecutor(min(jobs, len(names)), context, _begin, (1,)) as pool:
        waiting = {pool.submit(work, name): name for name in names}
        try:
            for future in as_completed(waiting):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    continue
                del left[waiting[future]]
                yield result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for name in left:
        if len(names) == 1:
            yield _died(name)
        else:
            yield from _in_processes([name], 1, work)


def _results(specs: list[OpSpec], jobs: int, quick: bool, device: str) -> Iterator[OpResult]:
    """The result of each record, in the order in which they are done."""
    if jobs == 1 or len(specs) == 1:
        for spec in specs:
            yield _verify_name(spec.name, quick, device)
        return
    rank = {family: i for i, family in enumerate(LONGEST_FIRST)}
    order = sorted(specs, key=lambda spec: rank.get(spec.family, len(rank)))
    with tempfile.TemporaryDirectory() as folder:
        # A reference is compiled once, not in each process; numpy's products use the process's own processor.
        ours = {"NUMBA_CACHE_DIR": folder, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        added = {name: value for name, value in ours.items() if name not in os.environ}
        os.environ.update(added)
        try:
            work = functools.partial(_verify_name, quick=quick, device=device)
            yield from _in_processes([spec.name for spec in order], jobs, work)
        finally:
            for name in added:
                del os.environ[name]


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    op: str | None = None,
    json_path: str | os.PathLike[str] | None = None,
    progress: bool = True,
    markdown_path: str | os.PathLike[str] | None = None,
    family: str | None = None,
    jobs: int | None = None,
    quick: bool = False,
    device: str = "cpu",
) -> int:
    """Verifies the library on this machine and prints a table.

    Args:
        op: one operation; all of them by default.
        family: the operations of one family.
        jobs: how many processes share the operations; one for each processor by default.
        device: where the tensors are, "cpu" or "cuda".
        quick: of the calls with small tensors check only some; what is left out is counted as skips.
        json_path: also write the results there.
        progress: whether to show how far it is, on standard error.
        markdown_path: also write the table of ``docs/verification.md`` there; needs all operations.

    Returns:
        0 if everything agrees, 1 if anything does not, 2 for a call that cannot be run.

    Raises:
        ImportError: if numba or tqdm is not installed.
    """
    lib = Library("verigrad")
    problem = _unwritable((json_path, markdown_path))
    if (op is not None or family is not None or quick) and markdown_path is not None:
        problem = "verify: expected all operations for a document, got some of them"
    if op is not None and family is not None:
        problem = "verify: expected an operation or a family, got both"
    try:
        with Library("verigrad", device).as_default():
            pass
    except RuntimeError as error:
        problem = f"verify: {error}"
    if device != "cpu" and markdown_path is not None:
        problem = "verify: expected the CPU for a document, got another device"
    if jobs is not None and jobs < 1:
        problem = f"verify: expected at least 1 job, got {jobs}"
    specs: list[OpSpec] = []
    try:
        specs = choose(op, family)
    except KeyError as error:
        problem = str(error.args[0])
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    there = records_on(device)
    left_out = [spec for spec in specs if spec.name not in there]
    specs = [spec for spec in specs if spec.name in there]
    started = time.perf_counter()
    made = _results(specs, processors() if jobs is None else jobs, quick, device)
    place = {spec.name: i for i, spec in enumerate(specs)}
    results = sorted(_progress(made, len(specs), progress), key=lambda result: place[result.name])
    if op is None and family is None:
        results += registry_failures(lib)
    seconds = time.perf_counter() - started
    print(table(results))
    for result in results:
        for failure in result.failures:
            print(f"FAILED {failure.kind}: {failure.message}")
    for spec in left_out:
        print(f"not checked on {device}: {spec.name} ({spec.host})")
    print(summary(results, seconds))
    if json_path is not None:
        write_json(json_path, lib, results, seconds)
    if markdown_path is not None:
        path = Path(markdown_path)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(markdown(results, mutation_section(before)), encoding="utf-8")
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run every check and write the document of the figures.")
    parser.add_argument("document", nargs="?", help="docs/verification.md; without it a table is printed")
    raise SystemExit(run(markdown_path=parser.parse_args().document))
