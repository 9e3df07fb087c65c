"""List the largest source files; fail if one has more lines than the limit.

    python scripts/file_sizes.py [--limit 600] [--show 15]

A long file wants splitting. Generated files are exempt.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 600
SUFFIXES = {".py", ".pyi", ".cpp", ".h", ".def", ".cu", ".cuh", ".cmake", ".txt", ".md", ".toml", ".json"}
FOLDERS = [".ci", "benchmarks", "cmake", "cpp", "docs", "examples", "python", "scripts", "tests"]
GENERATED = {"python/verigrad/_C.pyi", "docs/verification.md", "docs/mutation.md"}
SKIPPED_FOLDERS = {"__pycache__", "results", ".asv"}


def source_files(root: Path = ROOT) -> list[Path]:
    """Text files that people write, relative to the root."""
    files = [path for path in root.iterdir() if path.is_file()]
    for folder in FOLDERS:
        for parent, folders, names in os.walk(root / folder):
            folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
            files += [Path(parent) / name for name in names]
    wanted = [path for path in files if path.suffix in SUFFIXES or path.parent.name == ".ci"]
    return sorted(path.relative_to(root) for path in wanted)


def line_counts(root: Path = ROOT) -> list[tuple[int, str]]:
    """Number of lines and name of each source file that is not generated, largest first."""
    counts = []
    for path in source_files(root):
        if path.as_posix() not in GENERATED:
            counts.append((len((root / path).read_text(encoding="utf-8").splitlines()), path.as_posix()))
    return sorted(counts, key=lambda entry: (-entry[0], entry[1]))


def main() -> int:
    parser = argparse.ArgumentParser(description="List the largest source files; fail above the limit.")
    parser.add_argument("--limit", type=int, default=LIMIT, help="lines that a file may have (default: 600)")
    parser.add_argument("--show", type=int, default=15, help="files to list (default: 15)")
    options = parser.parse_args()
    counts = line_counts()
    for lines, name in counts[: options.show]:
        print(f"{lines:5d}  {name}")
    print(f"{sum(lines for lines, _ in counts):5d}  lines in {len(counts)} files")
    too_long = [f"{name} ({lines} lines)" for lines, name in counts if lines > options.limit]
    if too_long:
        print(f"more than {options.limit} lines: {', '.join(too_long)}", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
