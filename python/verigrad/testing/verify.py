"""``verigrad verify``: every operation against its reference, its gradients, and the calls that must fail.

The checks are those of the test suite, made from the records in ``opspec_*.py``; nothing is skipped. Needs
numba and tqdm (``pip install "verigrad[verify]"``).
"""

from __future__ import annotations

import difflib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from verigrad.testing.calls import CheckError
from verigrad.testing.differentiation import Coverage, gradient_checks, kink_checks, refuse_blind
from verigrad.testing.failing import error_checks
from verigrad.testing.forward import Check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, covered_names, records
from verigrad.testing.report import Failure, OpResult, markdown, summary, table, write_json

MOST_FAILURES = 5  # reported for one operation


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
    yield from kink_checks(spec, lib)
    yield from error_checks(spec, lib)


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
    result = OpResult(
        spec.name, spec.family, spec.dtypes, spec.order, bool(spec.zero_gradient), spec.tolerance
    )
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
                if wanted is not None and not wanted(check):
                    continue
                try:
                    result.note(check, check.run())
                except Exception as error:
                    fail(check.kind, check.label, error)
                    if len(result.failures) >= most_failures:
                        break
        except Exception as error:  # a function that is missing altogether
            fail("record", "", error)
        if wanted is None and not result.failures:
            try:
                refuse_blind(spec, coverage)
            except CheckError as error:
                fail("record", "", error)
    result.checks += coverage.checks
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


def choose(op: str | None) -> list[OpSpec]:
    """The records to run.

    Raises:
        KeyError: for a name without a record; its text names those that are close.
    """
    known = records()
    if op is None:
        return list(known.values())
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


def _progress(specs: list[OpSpec], progress: bool) -> Iterator[OpSpec]:
    """The records, with a bar in a terminal and a line for every tenth of them elsewhere."""
    if not progress or not specs:
        yield from specs
    elif sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError as error:
            message = 'verify: expected tqdm to be installed, got none; pip install "verigrad[verify]"'
            raise ImportError(message) from error
        with tqdm(total=len(specs), unit="op", file=sys.stderr, dynamic_ncols=True) as bar:
            for spec in specs:
                bar.set_description(f"{spec.name:<20}")
                yield spec
                bar.update()
    else:
        for i, spec in enumerate(specs):
            if i and i % max(1, len(specs) // 10) == 0:
                print(f"verify: {i} of {len(specs)} operations", file=sys.stderr, flush=True)
            yield spec


def run(
    op: str | None = None,
    json_path: str | os.PathLike[str] | None = None,
    progress: bool = True,
    markdown_path: str | os.PathLike[str] | None = None,
) -> int:
    """Verifies the library on this machine and prints a table.

    Args:
        op: one operation; all of them by default.
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
    if op is not None and markdown_path is not None:
        problem = "verify: expected all operations for a document, got a single one"
    specs: list[OpSpec] = []
    try:
        specs = choose(op)
    except KeyError as error:
        problem = str(error.args[0])
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    started = time.perf_counter()
    results = [verify_record(spec, lib) for spec in _progress(specs, progress)]
    if op is None:
        results += registry_failures(lib)
    seconds = time.perf_counter() - started
    print(table(results))
    for result in results:
        for failure in result.failures:
            print(f"FAILED {failure.kind}: {failure.message}")
    print(summary(results, seconds))
    if json_path is not None:
        write_json(json_path, lib, results, seconds)
    if markdown_path is not None:
        Path(markdown_path).write_text(markdown(results), encoding="utf-8")
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    # python -m verigrad.testing.verify docs/verification.md
    raise SystemExit(run(markdown_path=sys.argv[1] if len(sys.argv) > 1 else None))
