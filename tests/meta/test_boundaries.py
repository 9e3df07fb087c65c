"""Every size at which a kernel changes its path is in one list, and samples lie on both sides of each."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from verigrad.testing import measures
from verigrad.testing.boundaries import ABOVE, AT, BELOW, BOUNDARIES, Boundary, around, samples_of, value
from verigrad.testing.boundaries_cuda import CUDA_BOUNDARIES
from verigrad.testing.library import Library
from verigrad.testing.opspec import records
from verigrad.testing.samples import Sample, call

ALL = {**BOUNDARIES, **CUDA_BOUNDARIES}
ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "cpp" / "src" / "kernels"
# What the samples of today do not cross, one "boundary record pass side..." a line. Lines may only go.
UNCROSSED = Path(__file__).with_name("uncrossed_boundaries.txt")

# Integers in the kernels that bound no path: (file, what the line holds, reason).
ALLOWED = (
    ("float_math.h", "", "the format of float32: digits of the exponent and the mantissa"),
    ("float_trigonometry.h", "", "the same, and what turns a quarter"),
    ("functors.h", "", "formulas of single elements"),
    ("functors_unary.h", "", "formulas of single elements"),
    ("activations.h", "", "formulas of single elements"),
    ("gamma_functions.h", "", "the same: coefficients, and where series take over"),
    ("philox.h", "", "the words and the rounds of the generator"),
    ("random_numbers.h", "", "the words of a block, and formulas of single elements"),
    ("table.h", "kMaxOperands = 5", "arrays of a loop, not a size of data"),
    ("table.h", "kMaxUpdateStates = 3", "arrays of an update rule, not a size of data"),
    ("cuda/block_reduce.cuh", "sizeof(V) + 3", "bytes of the words that shuffles move"),
    ("cuda/block_reduce.cuh", "kLevels = 40", "levels of a tree over more elements than there are"),
    ("cuda/launch.cuh", "0xFFFFFFFFu", "the mask of all lanes"),
    ("cuda/operands.cuh", "alignas(16)", "the width of cuda_unit_bytes, which is asserted"),
    ("cuda/runtime.cuh", "kMaxDevices = 64", "an array with a place for each device"),
    ("cuda/shared.cuh", "0xFF", "what the emulation fills shared memory with"),
    ("cuda/blas.cu", "", "cuBLAS's versions, statuses and workspace; tests/emulation has its 32 and 64 bits"),
    ("cuda/memory.cuh", "kSmallest = 512", "sizes of the cache of memory, which no kernel sees"),
    ("cuda/pinned.cu", "kMaxStaging =", "the same, of page-locked memory"),
    ("cuda/pinned.cu", "kMost =", "more than any host has"),
    (
        "cuda/runtime.cu",
        "kStaged =",
        "bytes that are copied by way of page-locked memory; tests/emulation has both ways",
    ),
    ("cuda/memory.cu", "<< 60", "more than any device has"),
    ("cpu/cblas.h", "", "numbers of CBLAS's interface"),
    ("cpu/gemm.cpp", "1 << 30", "what CBLAS's int holds; no test has the memory"),
    ("cpu/index.cpp", "kRoom = 32 * 1024", "rows asked for ahead of time; no result depends on it"),
    ("cpu/parallel.cpp", "microseconds(200)", "how long a worker spins; no result depends on it"),
    ("cpu/parallel.cpp", "i < 64", "how often it looks at the clock"),
    ("cpu/parallel.cpp", "spins < 2000", "how long the caller spins"),
    ("cpu/parallel.cpp", "alignas(64)", "a cache line"),
    ("cpu/parallel.cpp", "milliseconds(20)", "how often Python is asked for signals"),
    ("cpu/simd.h", "target(", "names of instruction sets"),
    ("cpu/micro_kernel.cpp", "target(", "names of instruction sets"),
    ("cpu/reduce_loops.h", "vector_size(16)", "a register of the baseline in which lanes are folded"),
    ("cpu/reduce_loops.h", "sizeof(Acc)) / 16", "the same"),
    ("cpu/reduce_loops.h", "half * 16", "the same"),
    ("cpu/reduce_loops.h", "static_assert", "the sums are written out"),
    ("cpu/normalize_sums.h", "vector_size(32)", "four doubles; normalize_lanes counts them"),
    ("cpu/pool_pairs.h", "Bytes * 8", "bytes of int64"),
    ("cpu/pool.cpp", "sizeof(T) < 8", "places are counted in int32 beside smaller elements"),
    ("cpu/convolution_source.h", "kPanelBytes * 4", "what a tile may read past the end, in panels"),
    ("recurrent_cells.h", "", "gates, and formulas of single units"),
)
INTEGER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+)(?:[uUlL]*)(?![\w.])")
CONSTANT = re.compile(r"constexpr\s+(?:std::)?(?:u?int\w*|size_t|double|long|auto)\s+(\w+)\s*=\s*([^;]*);")


def code_lines(path: Path) -> Iterator[str]:
    """The lines of a source file without comments, texts, includes and hints to the compiler."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    for line in text.splitlines():
        line = re.sub(r'"(?:[^"\\]|\\.)*"', '""', re.sub(r"//.*", "", line))
        if line.strip() and not re.match(r"\s*#\s*(include|pragma)", line):
            yield line


def numbers_of(path: Path) -> list[str]:
    """The lines with a number that may bound a path: constants of a literal, and integers from 8 on."""
    name, found = path.relative_to(KERNELS).as_posix(), []
    for line in code_lines(path):
        if any(name == file and part in line for file, part, _ in ALLOWED):
            continue
        large = any(int(n, 0) >= 8 for n in INTEGER.findall(line) if not re.fullmatch(r"0\d+", n))
        constant = any(int(n, 0) > 2 for _, right in CONSTANT.findall(line) for n in INTEGER.findall(right))
        if large or constant:
            found.append(f"{name}: {line.strip()}")
    return found


def sources() -> list[Path]:
    """The kernels."""
    endings = ("*.h", "*.cpp", "*.cuh", "*.cu")
    return [path for ending in endings for path in sorted(KERNELS.rglob(ending))]


def test_no_kernel_has_a_constant_of_its_own() -> None:
    found = [line for path in sources() for line in numbers_of(path)]
    assert not found, "constants that are in neither boundaries.def:\n" + "\n".join(found)


def test_what_is_allowed_is_there() -> None:
    texts = {path.relative_to(KERNELS).as_posix(): "\n".join(code_lines(path)) for path in sources()}
    gone = [(file, part) for file, part, _ in ALLOWED if part not in texts[file]]
    assert not gone, "exceptions without their line"


@pytest.mark.parametrize(
    "line",
    [
        "inline constexpr std::int64_t kLeaf = 4096;",
        "constexpr double kWork = 3;",
        "if (n > 512) return half(n);",
        "for (; i + 16 <= n; i += 16) {",
        "constexpr int kRows = kLanes * 3;",
        "const auto part = n / 0x40;",
    ],
)
def test_a_constant_is_seen(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.KERNELS", tmp_path)
    path = tmp_path / "kernel.cpp"
    path.write_text(f'#include "x16.h"\n// 4096\n{line}\n')
    assert numbers_of(path) == [f"kernel.cpp: {line}"]
    path.write_text("constexpr std::int64_t kLeaf = boundary::leaf;  // 4096\nfloat x = 1e10f * 0x1p-24f;\n")
    assert not numbers_of(path)


def test_every_boundary_is_used_by_a_kernel() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    text += "\n".join(
        f"boundary::{form}_{which}_{level}_{side}"
        for form, level in re.findall(r"VG_TILES\((\w+), \w+, (\w+)\)", text)
        for which in ("wide", "tall")
        for side in ("rows", "columns")
    )
    text += "".join(
        f"\nboundary::product_{which}_{level}_{side}"
        for level, which in re.findall(r"VG_PRODUCT\(\w+, (\w+), (\w+)\)", text)
        for side in ("rows", "columns")
    )
    assert not [name for name in measures.values() if not re.search(rf"boundary::{name}\b", text)]


def test_every_boundary_has_a_row() -> None:
    assert ALL.keys() == measures.values().keys()
    assert all(name.startswith("cuda_") for name in CUDA_BOUNDARIES)
    described = Library("verigrad").get("_C._testing.boundaries")()
    assert all(text and number > 0 for number, text in described.values())
    for name, boundary in ALL.items():
        assert boundary.records and set(boundary.records) <= records().keys(), name


@functools.cache
def samples(record: str, dtypes: tuple[str, ...]) -> list[Sample]:
    """The samples of a record, made once."""
    return list(samples_of(records()[record], Boundary((), measures.numel, dtypes=dtypes)))


def missing() -> Iterator[str]:
    """What the samples do not cross, in the form of the file. Those of CUDA count where it is emulated: some
    of a real device's are too high for any test."""
    for name, boundary in (ALL if measures.emulated() else BOUNDARIES).items():
        for record in boundary.records:
            found = samples(record, boundary.dtypes)
            passes = {"forward": boundary.sides(found, name)}
            if boundary.gradient:
                passes["gradient"] = boundary.sides([s for s in found if s.grad], name, backward=True)
            for which, sides in passes.items():
                if boundary.wanted - sides:
                    yield " ".join((name, record, which, *sorted(boundary.wanted - sides)))


def test_samples_lie_on_both_sides_of_every_boundary() -> None:
    listed = UNCROSSED.read_text(encoding="utf-8").splitlines()
    found = list(missing())
    new, gone = [x for x in found if x not in listed], [x for x in listed if x not in found]
    assert not new, "boundaries that no sample crosses any more:\n" + "\n".join(new)
    assert not gone, f"lines of {UNCROSSED.name} to be deleted (or shortened):\n" + "\n".join(gone)


def test_a_record_with_a_gradient_is_named_with_it() -> None:
    """A boundary is crossed without a gradient only where the record has none, or its kernel takes
    integers."""
    for name, boundary in ALL.items():
        if boundary.gradient or "int64" in boundary.dtypes:
            continue
        assert all(records()[record].order == 0 for record in boundary.records), name


def test_sides_are_told_apart() -> None:
    leaf = value("reduction_leaf")
    boundary = Boundary(("sum",), measures.run)

    def sides(*sizes: int) -> set[str]:
        return set(boundary.sides([call(np.zeros(n)) for n in sizes], "reduction_leaf"))

    assert sides(leaf - 1) == {BELOW} and sides(leaf) == sides(3 * leaf) == {AT}
    assert sides(leaf + 1) == {ABOVE} and sides(0) == set()
    assert sides(*around("reduction_leaf")) == {BELOW, AT, ABOVE}
    columns = [call(np.zeros((leaf, 2)), 0), call(np.zeros((2, leaf + 1)), 1)]
    assert set(boundary.sides(columns, "reduction_leaf")) == {ABOVE}


def test_sizes_around_a_boundary() -> None:
    assert around("reduction_leaf") == (2047, 2048, 2049, 4099)
    assert around("convolution_depth", per=9) == (34, 35, 36, 73)
    with pytest.raises(KeyError, match="reduction_leave"):
        around("reduction_leave")
