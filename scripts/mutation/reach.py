"""Which records of the verifier reach which lines: a mutant needs no others.

A copy of the library is built with a call in every basic block, see ``trace.cpp``; each record runs on it
once. The places that it reached become lines through the debug information.
"""

from __future__ import annotations

import bisect
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from mutation import checks
from mutation.operators import Mutant
from mutation.sampling import family
from mutation.workspace import Tree

# One place per basic block of plain code: optimised as little as keeps the verifier quick.
FLAGS = ["-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1 -w"]
ROW = re.compile(r"^(\S+) +(\d+|-) +(0x[0-9a-f]+)")
# Families of records that belong to a file of another name.
RELATED = {
    "elementwise": ("unary", "binary", "ternary", "comparison", "special", "gamma", "activation", "cast"),
    "vjp": ("unary", "binary", "ternary", "activation"),
    "gemm": ("linalg",),
    "matmul": ("linalg", "nn"),
    "view": ("shape",),
    "softmax": ("nn",),
    "padding": ("nn", "shape"),
    "columns": ("nn", "convolution"),
    "convolution": ("convolution", "nn"),
    "select": ("index", "binary"),
    "cast": ("cast", "shape"),
}


class Reach:
    """The map.

    Args:
        records: the families of all records.
        seconds: how long each one takes.
        lines: for each record, the lines of each file that it reaches.
        failed: records that fail without any mutant.
    """

    def __init__(
        self,
        records: dict[str, str],
        seconds: dict[str, float],
        lines: dict[str, dict[str, list[int]]],
        failed: list[str],
    ) -> None:
        self.records, self.seconds, self.lines, self.failed = records, seconds, lines, failed
        self._of_file: dict[str, dict[int, set[str]]] = {}
        for record, files in lines.items():
            for file, numbers in files.items():
                for number in numbers:
                    self._of_file.setdefault(file, {}).setdefault(number, set()).add(record)

    @classmethod
    def load(cls, path: Path) -> Reach:
        """Reads what ``save`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Writes the map."""
        what = {"records": self.records, "seconds": self.seconds, "lines": self.lines, "failed": self.failed}
        path.write_text(json.dumps(what), encoding="utf-8")

    def reaching(self, mutant: Mutant) -> set[str]:
        """The records that reach a mutant's lines; where the line has no code of its own, its function's, and
        for a constant its file's."""
        lines = self._of_file.get(mutant.file, {})
        exact = range(mutant.line, mutant.line + mutant.before.count("\n") + 1)
        for numbers in (exact, range(mutant.lines[0], mutant.lines[1] + 1), lines):
            found = set().union(*(lines.get(number, set()) for number in numbers))
            if found:
                return found
        return set(self.records) if not lines else set()

    def order(self, mutant: Mutant, kills: dict[str, int]) -> list[str]:
        """The records that reach a mutant, without those that always fail: first those that killed others of
        its file, then the quick ones, where one of its subject may take longer."""
        subject = family(mutant.file).rpartition("/")[2].partition(" ")[0]
        related = RELATED.get(subject, ())

        def key(name: str) -> tuple[int, float, str]:
            of = self.records[name]
            near = of in related or of[:4] == subject[:4]
            return -kills.get(name, 0), self.seconds.get(name, 0.0) * (0.1 if near else 1.0), name

        return sorted(self.reaching(mutant) - set(self.failed), key=key)


def rows(listing: str, root: str) -> Iterator[tuple[int, str, int]]:
    """Address, file below the root and line of each row of ``objdump --dwarf=decodedline``."""
    waiting: list[tuple[int, str, int]] = []  # of a unit's own file, before the listing says where that is
    current: str | None = None
    unit = ""
    for line in listing.splitlines():
        if line.endswith(":") and " " not in line:
            path = line[:-1]
            if "/" in path:
                current = path.partition(root + "/")[2] if path.startswith(root + "/") else None
                if Path(path).name == unit and waiting:
                    yield from ((at, current, number) for at, _, number in waiting if current)
                    waiting = []
            else:
                unit, current, waiting = path, path, []
            continue
        match = ROW.match(line)
        if match is None or match[2] == "-" or current is None or Path(current).name != match[1]:
            continue
        row = (int(match[3], 16), current, int(match[2]))
        if "/" in current:
            yield row
        else:
            waiting.append(row)


def places(listing: str) -> list[int]:
    """The return addresses of the calls of the tracer in the output of ``objdump -d``, in ascending order."""
    found = []
    called = False
    for line in listing.splitlines():
        head, colon, rest = line.partition(":\t")
        if called and colon:
            found.append(int(head, 16))
        if colon:
            called = "call" in rest and "__sanitizer_cov_trace_pc" in rest
    return sorted(found)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def lines_of_places(library: Path, root: str) -> dict[int, list[tuple[str, int]]]:
    """For each place the lines of its basic block: those that start between this call and the next."""
    calls = places(_output("objdump", "-d", "--no-show-raw-insn", str(library)))
    found: dict[int, list[tuple[str, int]]] = {place: [] for place in calls}
    starts = [place - 5 for place in calls]  # a call has five bytes; the row starts with it
    for address, file, number in set(rows(_output("objdump", "-WL", str(library)), root)):
        at = bisect.bisect_right(starts, address) - 1
        if at >= 0:
            found[calls[at]].append((file, number))
    return found


def build_traced(tree: Tree, original: Path) -> Path:
    """Builds the traced library and answers a package with it."""
    target = tree.target
    shutil.copy2(Path(__file__).with_name("trace.cpp"), tree.source / target.sources / "trace.cpp")
    script = tree.source / "cpp" / "CMakeLists.txt"
    text = script.read_text(encoding="utf-8")
    line = f"target_compile_options({target.goal} PRIVATE -fsanitize-coverage=trace-pc)\n"
    if line not in text:
        script.write_text(text + line, encoding="utf-8")
    tree.configure()
    outcome = tree.ninja([target.goal])
    if outcome.returncode:
        raise RuntimeError(f"mutate: expected the traced library to build, got\n{outcome.stdout[-4000:]}")
    package = tree.folder / "traced"
    if package.exists():
        shutil.rmtree(package)
    shutil.copytree(original, package, symlinks=True)
    shutil.copy2(tree.package / "verigrad" / target.library, package / "verigrad" / target.library)
    return package


def make(tree: Tree, original: Path, cache: Path) -> Reach:
    """Builds the map. ``original`` is a package of the same sources, for the bindings and the Python part."""
    import numpy as np

    package = build_traced(tree, original)
    folder = tree.folder / "places"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    verdict, known = checks.verify(package, cache, None, 1800.0, folder, tree.target)
    if verdict.how in ("crash", "hang"):
        raise RuntimeError(f"mutate: expected the verifier to finish without mutants, got {verdict.text}")
    print(f"mutate: {len(known)} records traced in {time.monotonic() - started:.0f} s", flush=True)
    table = lines_of_places(package / "verigrad" / tree.target.library, str(tree.source))
    lines: dict[str, dict[str, list[int]]] = {}
    for record in known:
        files: dict[str, set[int]] = {}
        for place in np.load(folder / f"{record}.npy").tolist():
            for file, number in table.get(place, ()):
                files.setdefault(file, set()).add(number)
        lines[record] = {file: sorted(numbers) for file, numbers in sorted(files.items())}
    failed = [record for record in known if record not in verdict.times]
    return Reach(known, verdict.times, lines, failed)
