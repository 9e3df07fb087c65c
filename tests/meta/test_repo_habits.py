"""Habits of the repository that no compiler enforces."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "verigrad"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRA_MODULES = ["numba", "matplotlib", "tqdm", "PIL", "click", "hypothesis", "pytest", "torch"]
EXTRA_MODULES += ["IPython", "sklearn", "tensorboard"]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOURCES = [path.as_posix() for path in script("file_sizes").source_files()]
PYTHON_FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def run_python(code: str, *arguments: str) -> str:
    """Output of a new process that does not see the folder of this repository."""
    command = [sys.executable, *arguments, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(sys.executable).parent)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_no_file_is_too_long() -> None:
    sizes = script("file_sizes")
    assert [(name, lines) for lines, name in sizes.line_counts() if lines > sizes.LIMIT] == []


def test_too_long_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "cpp").mkdir()
    (tmp_path / "cpp" / "long.cpp").write_text("\n" * 601, encoding="utf-8")
    assert script("file_sizes").line_counts(tmp_path) == [(601, "cpp/long.cpp")]


# Written in two parts, so that this file does not contain what it looks for.
FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.~$}])/(?:ro"
    + r"ot|ho"
    + r"me|wo"
    + r"rk|Us"
    + r"ers|t"
    + r"mp)/\w",
    "unfinished work": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
    "a left-over of a merge": r"^(?:<{7}|>{7}) ",
    "white space at the end of a line": r"[ \t]+$",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_contains(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], flags=re.MULTILINE)
    found = []
    for name in SOURCES:
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [f"{name}:{text[: m.start()].count(chr(10)) + 1}: {m[0]}" for m in pattern.finditer(text)]
    assert found == []


def test_version_is_stated_once() -> None:
    version = PROJECT["version"]
    assert importlib.metadata.version("verigrad") == version
    assert run_python("import verigrad; print(verigrad.__version__)").strip() == version
    elsewhere = [
        name
        for name in SOURCES
        if name.startswith(("python/", "cpp/", "cmake/")) or name in ("CMakeLists.txt", "CMakePresets.json")
        if re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", (ROOT / name).read_text(encoding="utf-8"))
    ]
    assert elsewhere == []


def requirement_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()


def test_run_time_dependencies() -> None:
    assert {requirement_name(entry) for entry in PROJECT["dependencies"]} == {"numpy", "safetensors"}
    required = importlib.metadata.requires("verigrad") or []
    always = {requirement_name(entry) for entry in required if "extra ==" not in entry}
    assert always == {"numpy", "safetensors"}


def test_extras_are_complete() -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {
        "train", "notebook", "sklearn", "tensorboard", "einops", "verify", "test", "torch-comparison",
        "cuda12", "cuda13", "bench", "dev",
    }  # fmt: skip
    # What the tests exercise must come with them: a fresh environment runs them all.
    assert "verigrad[train,verify]" in extras["test"]


@pytest.mark.parametrize("name", PYTHON_FILES)
def test_module_explains_itself(name: str) -> None:
    assert ast.get_docstring(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))), "no docstring"


@pytest.mark.parametrize("name", PYTHON_FILES)
def test_module_imports_extras_lazily(name: str) -> None:
    # The verifier, the commands and the estimators are modules of their own, loaded once their extra is known
    # to be there.
    allowed = {"training/commands.py": {"click"}, "training/sklearn.py": {"sklearn"}}.get(name, set())
    if name.startswith("testing/"):
        allowed = {"numba", "hypothesis"}
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    assert found & set(EXTRA_MODULES) <= allowed


def test_import_is_light() -> None:
    code = "import json, sys; import verigrad, verigrad.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(run_python(code)))
    assert loaded & {*EXTRA_MODULES, "scipy_openblas32", "setuptools"} == set()


def test_import_without_extras() -> None:
    # As where only numpy and safetensors are installed: a finder refuses everything else that an extra names.
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA_MODULES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
import verigrad, verigrad.nn, verigrad.optim, verigrad.utils.data
import verigrad.vision, verigrad.training, verigrad.cli
print((verigrad.ones(2) + 1).sum().item())
"""
    assert run_python(code).strip() == "4.0"


def test_import_needs_no_other_library() -> None:
    """The core finds its libraries beside itself, whatever the environment says."""
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    code = "import verigrad; a = verigrad.ones(3, 3); print((a @ a).sum().item())"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == "27.0", result.stderr


def test_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""
    assert (PACKAGE / "_C.pyi").is_file()


# SPDX's name of each licence -> what its text says.
LICENCES = {
    "BSD-3-Clause": "BSD 3-Clause License",
    "BSD-3-Clause-Open-MPI": "The copyright holders provide no reassurances",
    "GPL-3.0-or-later WITH GCC-exception-3.1": "GCC RUNTIME LIBRARY EXCEPTION",
    "CC-BY-SA-3.0": "Attribution-ShareAlike 3.0 Unported",
}


def test_licences() -> None:
    assert PROJECT["license"] == " AND ".join(LICENCES)
    files = [path for pattern in PROJECT["license-files"] for path in sorted(ROOT.glob(pattern))]
    assert len(files) >= len(PROJECT["license-files"])
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name, words in LICENCES.items() if words not in text] == []
    assert "TERMS AND CONDITIONS" in text and "The OpenBLAS Project" in text
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Licence")[2]
    for word in ("BSD-3-Clause", "OpenBLAS", "LAPACK", "libgfortran", "GPL-3.0-or-later", "CC BY-SA 3.0"):
        assert word in readme


def test_licences_of_the_installed_package() -> None:
    """Where a wheel is installed, it has the texts; a build tree has only the data's."""
    assert "Attribution-ShareAlike 3.0 Unported" in (PACKAGE / "vision" / "_data" / "LICENSE").read_text()
    installed = importlib.metadata.distribution("verigrad")
    names = {str(path) for path in installed.files or []}
    if any(name.endswith("RECORD") for name in names) and "License-Expression" in installed.metadata:
        assert installed.metadata["License-Expression"] == PROJECT["license"]
        for name in ("LICENSE", "LICENSES/openblas.txt", "python/verigrad/vision/_data/LICENSE"):
            assert any(one.endswith(f"dist-info/licenses/{name}") for one in names), name


def test_the_text_of_openblas_is_that_of_the_library() -> None:
    """What the build requirement says of its library, word for word; it may say something else one day."""
    try:
        files = importlib.metadata.files("scipy-openblas32") or []
    except importlib.metadata.PackageNotFoundError:
        return  # the build was isolated; `pip install -e ".[dev]"` has it
    text = next(path for path in files if path.name.startswith("LICENSE")).read_text()
    theirs = text[text.index("Name: OpenBLAS") :].split()
    ours = (ROOT / "LICENSES" / "openblas.txt").read_text(encoding="utf-8").partition("\n----\n")[2].split()
    assert ours == theirs


def test_bundled_data_is_small() -> None:
    files = list((PACKAGE / "vision" / "_data").glob("*.gz"))
    assert files
    assert sum(path.stat().st_size for path in files) <= 1_500_000


def test_documents_show_the_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ('pip install ".[train]"', "verigrad train", 'pip install ".[test]"', "pytest"):
        assert command in readme
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", readme):
        assert (ROOT / target).exists(), f"README links to {target}, which does not exist"


def test_presets_cover_each_other() -> None:
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    visible = [preset["name"] for preset in presets["configurePresets"] if not preset.get("hidden")]
    assert visible == [
        "dev", "release", "asan", "tsan", "cuda-emulated", "cuda-emulated-asan", "cuda", "cuda-release",
    ]  # fmt: skip
    for kind in ("buildPresets", "testPresets"):
        assert [preset["configurePreset"] for preset in presets[kind]] == visible


def test_scripts_say_what_they_do() -> None:
    for path in sorted((ROOT / "scripts").glob("*.py")):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
