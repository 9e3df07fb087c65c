"""Mutation testing: change one line of the core, rebuild, and see whether the verifier or the suite notices.

    python scripts/mutate.py --count 400 --seed 1 --jobs 2 --report docs/mutation.md
    python scripts/mutate.py --only survivors --suite whole
    python scripts/mutate.py --ids 0123456789ab --show
    python scripts/mutate.py --device cuda --count 100 --report docs/mutation-cuda.md

The mutants are built in copies of this tree under --work; the checkout is only read. Every result is appended
to --results as soon as it is known, so a run can be stopped and started again. Needs what ``.[test]``
installs and what a build needs; see CONTRIBUTING.md. Mutants that nothing can notice are listed with the
reason in scripts/mutation/equivalent.toml. With ``--device cuda`` the mutants are of the CUDA kernels, which
run on the emulated device.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from mutation import report, runner  # noqa: E402
from mutation.operators import Mutant  # noqa: E402
from mutation.results import Results  # noqa: E402
from mutation.sampling import Sample, population  # noqa: E402
from mutation.targets import TARGETS  # noqa: E402


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(description="Mutation testing of the core.")
    out.add_argument(
        "--device", choices=tuple(TARGETS), default="cpu",
        help="mutate what computes there: the core, or the CUDA kernels, emulated (default: cpu)",
    )  # fmt: skip
    out.add_argument("--seed", type=int, default=1, help="of the sample (default: 1)")
    out.add_argument("--count", type=int, default=400, help="mutants to sample (default: 400)")
    out.add_argument(
        "--jobs", type=int, default=1, help="mutants at a time, each in a tree of its own (default: 1)"
    )
    out.add_argument("--compilers", type=int, default=2, help="compilers at a time in each tree (default: 2)")
    out.add_argument(
        "--suite", choices=("none", "affected", "whole"), default="affected",
        help="tests that the survivors of the verifier go through (default: affected)",
    )  # fmt: skip
    out.add_argument("--no-verify", action="store_true", help="go straight to the suite")
    out.add_argument("--only", choices=("survivors",), help="run these of the results again")
    out.add_argument("--ids", nargs="+", default=[], metavar="ID", help="run these mutants again")
    out.add_argument("--no-run", action="store_true", help="only write the report of what has run")
    out.add_argument("--show", action="store_true", help="show the chosen mutants and run nothing")
    out.add_argument("--minutes", type=float, help="begin no further mutant after that time")
    out.add_argument(
        "--results",
        type=Path,
        help="default: build/mutation.jsonl, build/mutation-cuda.jsonl for CUDA",
    )
    out.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "verigrad-mutation",
        help="folder of the copies (default: verigrad-mutation in the folder for temporary files)",
    )  # fmt: skip
    out.add_argument(
        "--report",
        type=Path,
        help="write the report of the sample there, and its summary into verification.md or devices.md",
    )
    out.add_argument(
        "--cmake", nargs="+", default=[], metavar="ARG", help='further arguments, as " -DNAME=value"'
    )
    out.add_argument("--pytest", nargs="+", default=[], metavar="ARG", help='further arguments, as " -n 2"')
    return out


def chosen(found: list[Mutant], options: argparse.Namespace, results: Results) -> list[Mutant] | None:
    """The mutants that the command names; None for the sample.

    Raises:
        ValueError: for an id that no mutant has.
    """
    if options.only is None and not options.ids:
        return None
    ids = set(options.ids)
    unknown = ids - {mutant.id for mutant in found}
    if unknown:
        raise ValueError(
            f"mutate: expected ids of mutants of these sources, got {', '.join(sorted(unknown))}"
        )
    if options.only == "survivors":
        ids |= {r.id for r in results.by_id.values() if r.status == "survived"}
    return [mutant for mutant in found if mutant.id in ids]


def show(mutants: list[Mutant]) -> None:
    """Prints what the mutants change."""
    for mutant in mutants:
        print(f"{mutant.id} {mutant.file}:{mutant.line} {mutant.scope} ({mutant.operator})")
        print(f"  - {mutant.before}\n  + {mutant.after}")


def write_report(path: Path, found: list[Mutant], options: argparse.Namespace, results: Results) -> None:
    """Writes the report of the sample, as far as it has run."""
    sampled = list(runner.replay(found, options.seed, options.count, results))
    known = report.load_equivalents()
    for result in sampled:
        reason = report.reason_of(result, known)
        if result.status == "killed" and reason is not None:
            print(f"mutate: {result.id} is listed as equivalent, but {result.by} noticed it", file=sys.stderr)
        elif result.status == "survived" and reason is not None:
            result.status, result.text = "equivalent", reason
    seconds = sum(sum(result.seconds.values()) for result in sampled)
    tried = [result.commit for result in results.first.values() if result.commit]
    commit = runner.commit_of(ROOT) + (f" (the first mutants at {tried[0]})" if tried else "")
    target = TARGETS[options.device]
    text = report.summary(
        sampled, results.first, options.seed, commit, time.strftime("%Y-%m-%d"), seconds, path.name, target
    )
    report.insert(path.with_name(target.page), text)
    path.write_text(report.markdown(sampled, path.name, target), encoding="utf-8")


def main() -> int:
    options = parser().parse_args()
    target = TARGETS[options.device]
    found = population(ROOT, target)
    name = "mutation.jsonl" if options.device == "cpu" else f"mutation-{options.device}.jsonl"
    results = Results(options.results or ROOT / "build" / name)
    try:
        mutants = chosen(found, options, results)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.show:
        if mutants is None:
            sample = Sample(found, options.seed)
            drawn = [sample.draw(sample.slot()) for _ in range(options.count)]
            mutants = [mutant for mutant in drawn if mutant is not None]
        show(mutants)
        return 0
    if not options.no_run:
        run(options, found, mutants, results)
    if options.report:
        write_report(options.report, found, options, results)
    return 0


def run(
    options: argparse.Namespace, found: list[Mutant], mutants: list[Mutant] | None, results: Results
) -> None:
    """Runs the given mutants, or the sample."""
    session = runner.Session(
        ROOT, options.work.resolve(), results,
        runner.Options(
            options.seed, options.count, options.jobs, options.compilers, options.suite,
            not options.no_verify, options.minutes, tuple(a.strip() for a in options.cmake),
            tuple(word for a in options.pytest for word in a.split()), TARGETS[options.device],
        ),
    )  # fmt: skip
    session.prepare()
    if mutants is None:
        session.run_sample(found)
    else:
        session.run_these(mutants)


if __name__ == "__main__":
    sys.exit(main())
