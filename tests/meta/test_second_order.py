"""Every differentiable operation passes the check of second derivatives, but for a list of exceptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verigrad.testing import second_order
from verigrad.testing.library import Library
from verigrad.testing.opspec import records, records_on

LIB = Library("verigrad")
# Operations without second derivatives, one "name<TAB>reason" a line. Lines may only go.
EXCEPTIONS = Path(__file__).with_name("second_order_exceptions.txt")


def test_all_pass_but_the_listed_ones() -> None:
    found = second_order.run(records_on(LIB.device).values(), LIB, samples=1)
    assert not found.failed, found.text
    listed = dict(line.split("\t") for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines())
    assert found.exceptions == listed
    assert len(found.passed) >= 345 or LIB.device != "cpu"
    assert set(listed) <= {name for name, spec in records().items() if spec.zero_gradient}


def test_a_gradient_that_cannot_be_differentiated_is_seen() -> None:
    exp = records()["exp"]
    constant = replace(exp, function=lambda lib, x: x.exp() + (x.detach() * x - x * x.detach()))
    assert not second_order.run([constant], LIB).failed
    wrong = replace(exp, function=lambda lib, x: x.detach().exp() * (1 + x - x.detach()))
    found = second_order.run([wrong], LIB)
    assert list(found.failed) == ["exp"] and "order 2" in found.failed["exp"]
    once = second_order.run([replace(exp, order=1)], LIB)
    assert once.exceptions == {"exp": second_order.ONCE} and "0 of 1 differentiable" in once.text


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert second_order.main(["--op", "exp"]) == 0
    assert "1 of 1 differentiable operations pass" in capsys.readouterr().out
    assert second_order.main(["--op", "exq"]) == 2
    assert "'exq'" in capsys.readouterr().err
