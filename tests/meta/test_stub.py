"""The committed type stub says what the native module has."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from verigrad import _C

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_stub.py"
STUB = ROOT / "python" / "verigrad" / "_C.pyi"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_stub", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names_in(body: list[ast.stmt]) -> set[str]:
    found = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_stub_is_fresh() -> None:
    result = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_stale_stub_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script()
    stale = tmp_path / "_C.pyi"
    stale.write_text(STUB.read_text(encoding="utf-8").replace("def relu(", "def rule("), encoding="utf-8")
    monkeypatch.setattr(script, "TARGET", stale)
    monkeypatch.setattr(sys, "argv", ["make_stub.py", "--check"])
    assert script.main() == 1
    monkeypatch.setattr(sys, "argv", ["make_stub.py"])
    assert script.main() == 0
    assert stale.read_text(encoding="utf-8") == STUB.read_text(encoding="utf-8")


def test_every_name_is_there() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    public = {name for name in dir(_C) if not name.startswith("__")}
    assert public <= names_in(tree.body)
    (tensor,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor")
    # Those that raise AttributeError say why there is no such method.
    methods = {name for name in vars(_C.Tensor) if not name.startswith("_") and hasattr(_C.Tensor, name)}
    assert methods <= names_in(tensor.body)
    assert {"__add__", "__rsub__", "__imul__", "__matmul__", "__getitem__", "__eq__"} <= names_in(tensor.body)


def test_nothing_is_vague() -> None:
    # Where the type really depends on a value, or anything will do.
    allowed = {"item", "tolist", "type"}
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    vague = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.returns is None or ast.unparse(node.returns) == "Any")
    }
    assert vague <= allowed


def test_function_without_signature_is_an_error() -> None:
    script = load_script()
    with pytest.raises(SystemExit, match="nothing has no signature: state it in STATED"):
        script.function_stub(lambda: None, "nothing")
    with pytest.raises(SystemExit, match=r"state the type of \*args of nothing in VARIADIC"):
        script.signature("(*args) -> None", "nothing")


def test_signatures_are_rewritten() -> None:
    script = load_script()
    written = (
        "(self: verigrad.Tensor, n: typing.SupportsInt | typing.SupportsIndex = 0, *, other: object = <x>)"
    )
    assert script.signature(f"{written} -> tuple", "f") == (
        "(self, n: _int = 0, *, other: Any = ...) -> _tuple[Any, ...]"
    )
    # Methods that change their tensor in place return the object itself.
    assert (
        script.signature("(self: object, other: Tensor) -> object", "f_") == "(self, other: Tensor) -> Self"
    )
    assert script.signature("(g: verigrad._C.Generator = None) -> dtype", "f") == (
        "(g: Generator | None = None) -> _dtype"
    )
