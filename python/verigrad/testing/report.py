"""What a verification found: as a table, as JSON, and as ``docs/verification.md``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from verigrad.testing.crossing import levels
from verigrad.testing.families import FAMILIES, boundaries_of
from verigrad.testing.forward import Check
from verigrad.testing.library import Library

BY_COVERAGE = ("gradient", "second", "element")  # counted by input and direction instead


@dataclass(frozen=True)
class Failure:
    """A check that failed."""

    kind: str
    label: str
    message: str


@dataclass
class OpResult:
    """What the checks of one record found.

    Attributes:
        name, family, dtypes, order, zero_gradient, tolerance: of the record.
        samples: calls that were compared with the reference or checked on their own.
        checks: all comparisons, those of gradients by direction and input.
        kinds: checks that passed, by kind.
        skipped: checks that were not run, since the run was a quick one or had failed before.
        forward_error: worst error of a result, in units of the machine epsilon of its dtype; None if none was
            computed.
        gradient_error, second_error: worst relative errors of the derivatives; None if there are none.
        element_error: worst error of an element of a gradient over its error bound, by dtype.
        largest: elements of the largest gradient that was compared element by element.
        failures: what failed.
        seconds: how long it took.
    """

    name: str
    family: str
    dtypes: tuple[str, ...]
    order: int
    zero_gradient: bool
    tolerance: float
    samples: int = 0
    checks: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    forward_error: float | None = None
    gradient_error: float | None = None
    second_error: float | None = None
    element_error: dict[str, float] = field(default_factory=dict)
    largest: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, check: Check, error: float) -> None:
        """Takes up a check that passed."""
        self.kinds[check.kind] = self.kinds.get(check.kind, 0) + 1
        if check.kind not in BY_COVERAGE:
            self.checks += 1
        if check.kind in ("forward", "extra", "boundary"):
            self.samples += 1
            self.forward_error = max(self.forward_error or 0.0, error)
        elif check.kind == "element":
            self.element_error[check.dtype] = max(self.element_error.get(check.dtype, 0.0), error)
        elif check.kind == "gradient":
            self.gradient_error = max(self.gradient_error or 0.0, error)
        elif check.kind == "second":
            self.second_error = max(self.second_error or 0.0, error)

    @property
    def verdict(self) -> str:
        """In one word."""
        return "FAILED" if self.failures else "pass"


def short_dtypes(dtypes: Sequence[str]) -> str:
    """The dtypes in a few letters."""
    letters = {"bool": "b", "uint8": "u8", "int32": "i32", "int64": "i64", "float32": "f32", "float64": "f64"}
    return "all" if len(dtypes) == len(letters) else " ".join(letters[d] for d in dtypes)


def _units(error: float | None) -> str:
    if error is None:
        return "-"
    return "exact" if error == 0 else f"{error:.2g} eps"


def _relative(error: float | None) -> str:
    if error is None:
        return "-"
    return "< 1e-13" if error < 1e-13 else f"{error:.0e}"


def _bound(error: float | None) -> str:
    return "-" if error is None else f"{error:.2g}"


def _orders(result: OpResult) -> str:
    if result.order == 0:
        return "-"
    return "zero" if result.zero_gradient else ("1, 2" if result.order == 2 else "1")


def _aligned(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def table(results: Sequence[OpResult]) -> str:
    """One line per operation."""
    head = (
        "op",
        "dtypes",
        "samples",
        "worst forward error",
        "worst gradient error",
        "second order",
        "float32",
        "float64",
        "largest",
        "verdict",
    )
    rows: list[Sequence[str]] = [head]
    for r in results:
        second = _relative(r.second_error)
        rows.append(
            (
                r.name,
                short_dtypes(r.dtypes),
                str(r.samples),
                _units(r.forward_error),
                _relative(r.gradient_error),
                second,
                _bound(r.element_error.get("float32")),
                _bound(r.element_error.get("float64")),
                str(r.largest) if r.largest else "-",
                r.verdict,
            )
        )
    lines = _aligned(rows, {2, 3, 4, 5, 6, 7, 8})
    return "\n".join([lines[0], "-" * max(len(x) for x in lines), *lines[1:]])


def summary(results: Sequence[OpResult], seconds: float) -> str:
    """The totals, and what the columns mean."""
    failed = [r.name for r in results if r.failures]
    samples, checks = sum(r.samples for r in results), sum(r.checks for r in results)
    skipped = sum(r.skipped for r in results)
    verdict = f"{len(failed)} failed ({', '.join(failed)})" if failed else "all pass"
    return (
        f"{len(results)} operations, {samples} samples, {checks} checks, {skipped} skips: {verdict}, "
        f"in {seconds:.0f} s\n"
        "eps: machine epsilon of the result's dtype (1.2e-07 for float32, 2.2e-16 for float64)\n"
        "float32, float64: worst element of a gradient over its error bound; largest: elements of the largest"
    )


def write_json(
    path: str | os.PathLike[str], lib: Library, results: Sequence[OpResult], seconds: float
) -> None:
    """Everything that was measured, with the machine that it was measured on."""
    testing: Any = lib.get("_C._testing")
    document = {
        "verigrad": metadata.version("verigrad"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "simd_level": testing.simd_level(),
        "simd_levels": list(levels(lib)),
        "threads": lib.get("get_num_threads")(),
        "seconds": round(seconds, 3),
        "operations": len(results),
        "samples": sum(r.samples for r in results),
        "checks": sum(r.checks for r in results),
        "skips": sum(r.skipped for r in results),
        "failed": [r.name for r in results if r.failures],
        "results": [{**asdict(r), "verdict": r.verdict} for r in results],
    }
    Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


HEADER = """# What is verified

Made by `python -m verigrad.testing.verify docs/verification.md` from the records in
`python/verigrad/testing/opspec_*.py`; do not edit. Run `verigrad verify` for the errors on your own machine,
and `verigrad verify --op NAME` for one operation.

- **reference**: every result is compared with an independent implementation in plain loops (numba),
  accumulated in float64, for each dtype and for contiguous, transposed, sliced, unaligned and zero-stride
  tensors, sizes 0 and 1, 0-d tensors, the same tensor given twice, numbers in place of tensors, infinities
  and NaN. The tolerance is in units of the machine epsilon of the result (1.2e-07 for float32, 2.2e-16 for
  float64); `exact` means equal values, zeros with equal signs (but for extremes, where equal elements stand
  for one another), and a NaN for a NaN.
- **derivatives**: checked in float64 against central differences with Richardson's extrapolation to a
  relative error of 1e-6, by random projections in every memory layout of inputs and incoming gradients, and
  by the full Jacobian on small shapes. `1, 2`: first and second order. `zero`: the gradient is zero
  everywhere. `-`: not differentiable, and its results require no gradient.
- **gradients**: the dtypes in which every element of the gradient is compared with reverse mode in float64
  over a composition of numpy functions, which uses nothing of the library. The tape carries a running error
  bound for each element (the magnitudes that were added, times epsilon); an element may be off by that bound.
- **largest**: elements of the largest gradient that was compared in this way.
- **boundaries**: every size at which a kernel changes its path (a vector and its tail, a register tile, a
  block, a leaf of a sum, a chunk of a thread) stands in `cpp/src/kernels/boundaries.def`, and those of CUDA
  kernels, which the table below does not count, in `cpp/src/kernels/cuda/boundaries.def`; a test shows which
  samples lie on both sides of each, with gradients. These samples run at every level of vector code that the
  processor has, with 1, 2 and 3 threads, which must give equal bits; at least one of each operation is large
  enough for several threads, or its record says why none is. They also run with inputs that end at a page
  which cannot be touched: to read or write behind them ends the process, and the operation has failed.
- **alone**: each gradient is the same, bit for bit, where the other inputs are constants.
- **refusals**: calls that must fail raise the right exception with the right words, change no tensor and draw
  no random number; operations in place refuse leaves, shared memory, and what their tensor cannot hold.
- **samples**: calls that are compared with the reference.

"""
# scripts/mutate.py writes between these.
MUTATION = "<!-- mutation -->\n", "<!-- end of mutation -->\n"


def family_table(results: Sequence[OpResult]) -> list[str]:
    """What the operations of each family are compared with, and how far the checks reach."""
    lines = [
        "| family | operations | results compared with | elements of gradients with | boundaries | largest |",
        "| --- | ---: | --- | --- | ---: | ---: |",
    ]
    for name, family in FAMILIES.items():
        rows = [r for r in results if r.family == name]
        largest = max((r.largest for r in rows), default=0)
        lines.append(
            f"| {name} | {len(rows)} | {family.results} | {family.gradients or '-'} | {boundaries_of(name)} "
            f"| {largest or '-'} |"
        )
    return [*lines, ""]


def mutation_section(document: str) -> str:
    """What scripts/mutate.py wrote into the document, with its marks."""
    first, last = (document.find(mark) for mark in MUTATION)
    return document[first : last + len(MUTATION[1])] if 0 <= first < last else "".join(MUTATION)


def markdown(results: Sequence[OpResult], mutation: str = "".join(MUTATION)) -> str:
    """The committed document. It has no measured numbers of its own, so that it is the same on every
    machine."""
    lines = [HEADER.rstrip(), "", mutation]
    samples = sum(r.samples for r in results)
    skipped = sum(r.skipped for r in results)
    lines += [f"{len(results)} operations, {samples} samples, {skipped} skips.", ""]
    lines += family_table(results)
    lines += [
        "| operation | family | dtypes | samples | tolerance | derivatives | gradients | largest | verdict |",
        "| --- | --- | --- | ---: | --- | --- | --- | ---: | --- |",
    ]
    for r in results:
        tolerance = "exact" if r.tolerance == 0 else f"{r.tolerance:g} eps"
        name = r.name.replace("|", "\\|")
        lines.append(
            f"| `{name}` | {r.family} | {short_dtypes(r.dtypes)} | {r.samples} | {tolerance} | {_orders(r)} "
            f"| {short_dtypes(sorted(r.element_error)) or '-'} | {r.largest or '-'} | {r.verdict} |"
        )
    return "\n".join(lines) + "\n"
