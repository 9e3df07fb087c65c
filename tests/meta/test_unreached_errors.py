"""Every error of the ops' C++ code is raised by a call of the records that must fail."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
# What no error sample reaches, one "file: message<TAB>reason" a line. Lines may only go.
UNREACHED = Path(__file__).with_name("unreached_errors.txt")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "unreached_errors", ROOT / "scripts" / "unreached_errors.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def listed() -> dict[str, str]:
    """The sites of the list, with their reasons."""
    lines = UNREACHED.read_text(encoding="utf-8").splitlines()
    return {site: reason for site, _, reason in (line.partition("\t") for line in lines)}


@pytest.mark.host("the records of every device are the same")
def test_the_list_is_what_no_error_sample_raises(script: ModuleType) -> None:
    found = {site.name for site in script.unreached()}
    assert found - listed().keys() == set(), "errors without an error sample in a record"
    assert listed().keys() - found == set(), "errors of the list that are raised, or are gone"


def test_each_entry_has_a_reason_and_names_a_test_that_exists() -> None:
    assert len(listed()) <= 18
    for site, reason in listed().items():
        assert len(reason) > 20, site
        for path in re.findall(r"tests/[\w/.]+\w", reason):
            assert (ROOT / path).exists(), path


def test_sites_are_read_from_the_code(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "cpp").mkdir()
    text = (
        'void f() {\n  VG_CHECK(a(1, 2) && b[","], ValueError, op, ": got \\"", x, "\\", not "\n    "one");\n'
        '  VG_THROW(RuntimeError, "sum: ", wide ? "64" : "32", " bits");\n'
        '  // VG_CHECK(no, Error, "a comment");\n}\n'
    )
    (tmp_path / "cpp" / "f.cpp").write_text(text, encoding="utf-8")
    first, second = script.sites(("cpp",), tmp_path)
    assert first.name == 'cpp/f.cpp: *: got "*", not one' and first.line == 2
    assert re.fullmatch(first.pattern, 'prod: got "3", not one')
    assert not re.fullmatch(first.pattern, 'prod: got "3", not two')
    assert second.text == "sum: 64|32 bits" and re.fullmatch(second.pattern, "sum: 32 bits")
