"""Every operation of the library has a record, every record an operation, and every kernel slot a record that
uses it."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from verigrad.nn import functional
from verigrad.testing import verify
from verigrad.testing.library import Library
from verigrad.testing.opspec import ErrorInput, OpSpec, covered_names, records
from verigrad.testing.samples import call

LIB = Library("verigrad")
PACKAGE = Path(verify.__file__).parent


def test_every_operation_has_a_record_and_every_record_an_operation() -> None:
    registered = set(LIB.get("_C._testing.registered_ops")())
    covered = set(covered_names())
    assert not registered - covered, "operations without a record"
    assert not covered - registered, "records without an operation"


def test_in_place_forms_are_those_of_the_registry() -> None:
    registered = LIB.get("_C._testing.registered_ops")()
    forms = {spec.inplace for spec in records().values() if spec.inplace}
    alone = {name for name, spec in records().items() if spec.registered and spec.mutates}
    alone |= {"uniform_", "normal_"}
    assert {name for name, info in registered.items() if info["inplace"]} == forms | alone


def test_every_function_of_nn_has_a_record() -> None:
    """Native or composed; an in-place twin is named by the record of its function, an alias is the very
    object."""
    covered = {name for spec in records().values() for name in spec.names}
    covered |= {
        spec.function.rpartition(".")[2]
        for spec in records().values()
        if isinstance(spec.function, str) and spec.function.startswith("nn.functional.")
    }
    known = {id(getattr(functional, name)) for name in functional.__all__ if name in covered}
    assert known, "no function of nn has a record"
    missing = [
        name
        for name in functional.__all__
        if name not in covered and id(getattr(functional, name)) not in known
    ]
    assert not missing, "functions of nn without a record"


def test_a_missing_record_is_a_failed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    names = covered_names()
    del names["exp"]
    monkeypatch.setattr(verify, "covered_names", lambda: {**names, "gone": "gone"})
    rows = {row.name: row for row in verify.registry_failures(LIB)}
    assert set(rows) == {"exp", "gone"}
    assert "expected a record, got none" in rows["exp"].failures[0].message
    assert "expected an operation" in rows["gone"].failures[0].message


def test_every_record_has_something_to_check() -> None:
    for name, spec in records().items():
        samples = [sample for dtype in spec.dtypes for sample in spec.sample(dtype)]
        assert samples or spec.check is not None, name
        assert not spec.order or any(sample.grad for sample in samples), name


def test_every_elementwise_record_has_sizes_zero_and_one_and_none() -> None:
    for name, spec in records().items():
        if spec.family not in ("unary", "binary", "reduce") or not spec.registered:
            continue
        shapes = {a.shape for sample in spec.sample("float32") for a in sample.arrays()}
        assert any(0 in shape for shape in shapes) and () in shapes, name


def test_samples_are_the_same_each_time() -> None:
    for name, spec in records().items():
        for dtype in spec.dtypes[:1]:
            first = [[a.tobytes() for a in s.arrays()] for s in spec.sample(dtype)]
            assert first == [[a.tobytes() for a in s.arrays()] for s in spec.sample(dtype)], name


def test_a_tolerance_above_the_usual_one_needs_a_reason() -> None:
    spec = records()["exp"]
    with pytest.raises(ValueError, match="reason"):
        replace(spec, tolerance=100.0)
    assert replace(spec, tolerance=100.0, reason="a test").tolerance == 100.0
    with pytest.raises(ValueError, match="order"):
        replace(spec, order=3)
    with pytest.raises(ValueError, match="scale"):
        replace(spec, scale="other")
    with pytest.raises(ValueError, match="dtypes"):
        replace(spec, dtypes=("float16",))
    # 1e-2 relative in float32 is 8e4 units of epsilon; nothing comes near it.
    assert max(s.tolerance for s in records().values()) <= 64


def test_a_record_with_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from verigrad.testing import opspec_cast

    records.cache_clear()
    monkeypatch.setattr(opspec_cast, "SPECS", (*opspec_cast.SPECS, records()["exp"]))
    records.cache_clear()
    with pytest.raises(ValueError, match="one record for 'exp'"):
        records()
    monkeypatch.undo()
    records.cache_clear()
    assert "exp" in records()


def test_errors_have_rows_wherever_shapes_or_dtypes_can_be_wrong() -> None:
    for name, spec in records().items():
        if spec.family in ("binary", "linalg", "nn") and spec.registered:
            assert any(isinstance(row, ErrorInput) for row in spec.errors), name


def test_references_use_nothing_of_the_library() -> None:
    for path in (PACKAGE / "reference").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith("verigrad") or name.startswith("verigrad.testing.reference"), (
                    path.name,
                    name,
                )


def test_the_library_never_imports_its_references() -> None:
    program = (
        "import sys, verigrad, verigrad.nn.functional, verigrad.optim, verigrad.testing\n"
        "heavy = {'numba', 'hypothesis', 'tqdm', 'verigrad.testing.reference'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_numba_the_error_names_the_extra() -> None:
    program = (
        "import sys\n"
        "sys.modules['numba'] = None\n"
        "from verigrad.testing import verify\n"
        "try:\n    verify.run('exp')\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'pip install "verigrad[verify]"' in done.stdout, done.stderr


def test_a_new_elementwise_operation_is_a_short_record() -> None:
    """The whole record of an operation that verigrad composes: name, formula, derivative, function, range."""
    from verigrad.testing.opspec_unary import unary
    from verigrad.testing.reference import elementwise, tape

    @elementwise.kernel
    def softsign(x: float) -> float:
        return x / (1.0 + abs(x))

    spec: OpSpec = unary("softsign", softsign, "float", gap=0.1, inplace=None, method=None,
                         composition=lambda x: x / (tape.absolute(x) + 1.0),
                         function=lambda lib, x: x / (x.abs() + 1.0))  # fmt: skip
    result = verify.verify_record(replace(spec, dtypes=("float32", "float64")), LIB)
    assert not result.failures, result.failures
    assert result.samples > 50
    wrong = replace(spec, dtypes=("float64",), function=lambda lib, x: x / (x.abs() + 1.0 + 1e-13))
    assert verify.verify_record(wrong, LIB).failures
    assert call(1.0).label == "(1.0)"
