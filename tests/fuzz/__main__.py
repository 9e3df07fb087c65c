"""``python -m tests.fuzz``: a long run by hand."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.fuzz.driver import campaign
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Parses the options and prints what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=(*TARGETS, "all"), default="all")
    parser.add_argument("--programs", type=int, default=20_000, help="for each target (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first program (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default 1)")
    parser.add_argument("--memory", type=int, default=6144, help="MiB of a worker (default 6144)")
    parser.add_argument("--seconds", type=float, default=20.0, help="limit of one program (default 20)")
    parser.add_argument("--findings", type=int, default=20, help="stop a target after so many (default 20)")
    parser.add_argument("--out", type=Path, help="folder for the programs that fail, as JSON")
    options = parser.parse_args()
    failed = False
    for target in TARGETS if options.target == "all" else (options.target,):
        report = campaign(
            target,
            options.seed,
            options.programs,
            options.jobs,
            options.memory,
            options.seconds,
            options.findings,
        )
        print(
            f"{target}: {report.programs} programs, {report.calls} calls, {len(report.findings)} findings, "
            f"{report.seconds:.0f} s",
            flush=True,
        )
        for found in report.findings:
            failed = True
            print(f"  seed {found.seed}: {found.signature}\n    {json.dumps(found.program)}", flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                path = options.out / f"{target}-{found.seed}.json"
                path.write_text(
                    json.dumps({"signature": found.signature, "program": found.program}, indent=1)
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
