"""Results of every operation: values against the reference, dtypes, memory, views, in-place forms and
flags."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from verigrad.testing.forward import Check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import records, records_on
from verigrad.testing.verify import extra_checks

LIB = Library("verigrad")
HERE = records_on(LIB.device)
COMPARED = [(name, dtype) for name, spec in HERE.items() if spec.compare for dtype in spec.dtypes]
OWN = [name for name, spec in HERE.items() if spec.check is not None]


def failures(checks: Iterator[Check]) -> tuple[int, list[str]]:
    """The number of checks and the texts of those that failed."""
    count, texts = 0, []
    for check in checks:
        count += 1
        try:
            check.run()
        except Exception as error:
            texts.append(f"{check.kind} {check.dtype} {check.label}: {type(error).__name__}: {error}")
    return count, texts


@pytest.mark.parametrize(("name", "dtype"), COMPARED)
def test_against_the_reference(name: str, dtype: str) -> None:
    count, texts = failures(forward_checks(records()[name], LIB, (dtype,)))
    assert not texts, "\n".join(texts[:5])
    assert count or dtype != records()[name].dtypes[0]


@pytest.mark.parametrize("name", OWN)
def test_what_the_record_checks_itself(name: str) -> None:
    count, texts = failures(iter(extra_checks(records()[name], LIB)))
    assert not texts, "\n".join(texts[:5])
    assert count
