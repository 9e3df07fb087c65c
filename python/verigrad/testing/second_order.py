"""How many differentiable operations pass the check of their second derivatives, and which do not have any.

    python -m verigrad.testing.second_order [--op NAME] [--samples 2]

For each record the gradient, recorded with ``create_graph=True``, is itself compared with finite differences,
by the inputs and by the incoming gradient. ``verigrad verify`` does that for every smooth sample and memory
layout; here a few samples show the count and the exceptions: operations that can be differentiated once
alone, and those whose gradient is zero everywhere, where there is nothing to check. Needs numba.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

from verigrad.testing.calls import CheckError
from verigrad.testing.differentiation import problem_of, smooth_samples
from verigrad.testing.gradients import projection_check, second_order
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records

ONCE = "can be differentiated once alone"


@dataclass
class Summary:
    """What the checks found.

    Attributes:
        passed: operations whose second derivatives agree with differences, with the number of checks.
        exceptions: operations without a second-order check, with the reason.
        failed: operations whose check failed, with the failure.
    """

    passed: dict[str, int] = field(default_factory=dict)
    exceptions: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """A line for each exception and failure, then the count."""
        lines = [f"exception: {name}: {reason}" for name, reason in self.exceptions.items()]
        lines += [f"FAILED {name}: {failure}" for name, failure in self.failed.items()]
        differentiable = len(self.passed) + len(self.exceptions) + len(self.failed)
        lines.append(
            f"{len(self.passed)} of {differentiable} differentiable operations pass the second-order check, "
            f"{len(self.exceptions)} are exceptions, {len(self.failed)} failed"
        )
        return "\n".join(lines)


def exception(spec: OpSpec) -> str:
    """Why there is no second-order check of a differentiable operation; empty where there is one."""
    if spec.order == 1:
        return ONCE
    return f"gradient zero everywhere: {spec.zero_gradient}" if spec.zero_gradient else ""


def check(spec: OpSpec, lib: Library, samples: int = 2) -> int:
    """Checks the second derivatives of an operation at its first smooth samples with elements.

    Returns:
        The number of comparisons.

    Raises:
        CheckError: if one is off, or there is nothing to compare.
    """
    done = comparisons = 0
    for sample in smooth_samples(spec):
        problem = problem_of(spec, lib, sample)
        if problem is None or not all(a.size > 1 for a in problem.arrays) or done == samples:
            if done == samples:
                break
            continue
        comparisons += projection_check(second_order(problem), directions=1).checks
        done += 1
    if not comparisons:
        raise CheckError(f"{spec.name}: expected a smooth sample for second derivatives, got none")
    return comparisons


def run(specs: Iterable[OpSpec], lib: Library, samples: int = 2) -> Summary:
    """Checks the differentiable operations among these."""
    found = Summary()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for spec in specs:
            if spec.order == 0:
                continue
            if reason := exception(spec):
                found.exceptions[spec.name] = reason
                continue
            try:
                found.passed[spec.name] = check(spec, lib, samples)
            except Exception as error:
                found.failed[spec.name] = str(error)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the summary. Answers 0 if nothing failed, else 1, and 2 for an unknown operation."""
    parser = argparse.ArgumentParser(description="Second derivatives of the differentiable operations.")
    parser.add_argument("--op", help="one operation (default: all)")
    parser.add_argument("--samples", type=int, default=2, help="of each operation (default: 2)")
    options = parser.parse_args(arguments)
    known = records()
    if options.op is not None and options.op not in known:
        print(f"second_order: expected the name of a record, got {options.op!r}", file=sys.stderr)
        return 2
    specs = list(known.values()) if options.op is None else [known[options.op]]
    found = run(specs, Library("verigrad"), options.samples)
    print(found.text)
    return 1 if found.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
