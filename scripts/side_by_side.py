"""Make the same random calls of verigrad and of PyTorch, and report where they differ.

    python scripts/side_by_side.py --samples 60 --seed 1 --report docs/agreement.md
    python scripts/side_by_side.py --op softmax --op conv2d --samples 500
    python scripts/side_by_side.py --seconds 60
    python scripts/side_by_side.py --examples

The calls are those of the verification's records with some arguments changed, see scripts/agreement/. What
may differ stands with its reason in scripts/agreement/differences.toml; every entry has an example, and one
that does not differ any more is an error. Answers 0 if there is no other difference, else 1. Needs what
``.[test,torch-comparison]`` installs.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from agreement import judge, report, runner  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(description="Random calls of verigrad and of PyTorch, side by side.")
    out.add_argument("--op", action="append", help="an operation; again for more of them (default: all)")
    out.add_argument("--samples", type=int, default=60, help="calls of each operation (default: 60)")
    out.add_argument("--seconds", type=float, help="time for all of them together")
    out.add_argument("--seed", type=int, default=1, help="of the calls (default: 1)")
    out.add_argument("--jobs", type=int, default=1, help="operations at a time (default: 1)")
    out.add_argument("--report", type=Path, help="write the report there, as Markdown")
    out.add_argument("--results", type=Path, help="append results there, and go on where that file ends")
    out.add_argument(
        "--examples", action="store_true", help="only run the examples of documented differences"
    )
    out.add_argument("--quiet", action="store_true", help="no line for each operation")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Runs what the command line says."""
    options = parser().parse_args(arguments)
    try:
        import torch
    except ImportError:
        message = 'side_by_side: expected PyTorch, got none; pip install "verigrad[torch-comparison]"'
        print(message, file=sys.stderr)
        return 2
    known = runner.operations()
    names = options.op or list(known)
    if missing := [name for name in names if name not in known]:
        print(f"side_by_side: expected names of operations, got {', '.join(missing)}", file=sys.stderr)
        return 2
    entries = report.documented()
    gone = report.stale(entries)
    for line in gone:
        print(f"STALE {line}")
    if options.examples:
        print(f"{len(entries)} documented differences, {len(gone)} stale")
        return 1 if gone else 0
    started = time.monotonic()
    done = {} if options.results is None else runner.read(options.results, options.seed, options.samples)
    left = [name for name in names if name not in done]
    for result in runner.run_all(left, options.seed, options.samples, options.seconds, options.jobs):
        done[result.spec.name] = result
        if options.results is not None:
            with options.results.open("a", encoding="utf-8") as file:
                file.write(runner.written(result, options.seed, options.samples) + "\n")
        if not options.quiet:
            print(f"{result.spec.name}: {result.calls} calls, {len(result.differences)} differ", flush=True)
    results = [done[name] for name in names]
    counts, others = report.explain(results, entries)
    for line in others:
        print(f"DIFFERS {line}")
    calls, explained = sum(r.calls for r in results), sum(counts.values())
    print(
        f"{len(results)} operations, {calls} calls, {explained} documented differences, "
        f"{len(others)} others, {time.monotonic() - started:.0f} s"
    )
    if options.report is not None:
        command = f"python scripts/side_by_side.py --samples {options.samples} --seed {options.seed}"
        version = torch.__version__.partition("+")[0]
        text = report.markdown(results, entries, command, version, judge.ALLOWED)
        options.report.write_text(text, encoding="utf-8")
    return 1 if others or gone else 0


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main()
    sys.exit(code)
