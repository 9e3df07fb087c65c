"""Compile the C++ tests against the installed core and run each of them as one case.

The program is kept in the temporary folder under a hash of everything that it is made from.
"""

import fcntl
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CPP = HERE.parents[1] / "cpp"
SOURCES = sorted(HERE.glob("*.cpp"))
FLAGS = [
    "-std=c++20",
    "-O1",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
    "-Wno-psabi",
    "-ffp-contract=off",
]
if os.environ.get("VERIGRAD_TEST_SANITIZER") == "address":
    FLAGS += ["-fsanitize=address,undefined"]
elif os.environ.get("VERIGRAD_TEST_SANITIZER") == "thread":
    FLAGS += ["-fsanitize=thread"]


def core_library() -> Path:
    """The libverigrad_core that `import verigrad` loads."""
    spec = importlib.util.find_spec("verigrad._C")
    assert spec is not None and spec.origin is not None, "verigrad._C is not installed"
    return Path(spec.origin).parent / "libverigrad_core.so"


def build() -> Path:
    """The test program, compiled if its inputs changed."""
    library = core_library()
    headers = sorted([*CPP.rglob("*.h"), *CPP.rglob("*.def"), *HERE.glob("*.h")])
    digest = hashlib.sha256(repr((FLAGS, str(library))).encode())
    for path in [*SOURCES, *headers, library]:
        digest.update(path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"verigrad-cpp-tests-{os.getuid()}" / digest.hexdigest()[:20]
    program = folder / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the processes that run tests one compiles, and the others wait
        if not program.exists():
            compile_to(program, library)
    return program


def compile_to(program: Path, library: Path) -> None:
    compiler = os.environ.get("CXX", "g++")
    includes = [f"-I{CPP / 'include'}", f"-I{CPP / 'src'}", f"-I{HERE}"]
    # A sanitizer for Python is preloaded; the compiler must not run under it.
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    with tempfile.TemporaryDirectory(dir=program.parent) as work:

        def compile_one(source: Path) -> str:
            target = f"{work}/{source.stem}.o"
            command = [compiler, *FLAGS, *includes, "-c", str(source), "-o", target]
            result = subprocess.run(command, capture_output=True, text=True, env=environment)
            assert result.returncode == 0, f"{source.name} does not compile:\n{result.stderr}"
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, SOURCES))
        rpath = [f"-Wl,-rpath,{library.parent}", f"-Wl,-rpath-link,{library.parent}"]
        link = [compiler, *FLAGS, *objects, str(library), *rpath, "-pthread", "-o", f"{work}/run"]
        result = subprocess.run(link, capture_output=True, text=True, env=environment)
        assert result.returncode == 0, f"the C++ tests do not link:\n{result.stderr}"
        os.replace(f"{work}/run", program)


@functools.cache
def names() -> list[str]:
    """Names of the cases, read from the sources: collecting must not compile."""
    found = []
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        if os.environ.get("VERIGRAD_TEST_SANITIZER") == "thread":
            text = re.sub(
                r"^#if [^\n]*!defined\(__SANITIZE_THREAD__\).*?^#endif", "", text, flags=re.M | re.S
            )
        found += re.findall(r"^TEST\((\w+)\)", text, flags=re.MULTILINE)
    return found


@pytest.fixture(scope="session")
def program() -> Path:
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("no C++ compiler: the package was installed from a wheel")
    return build()


def test_list_is_complete(program: Path) -> None:
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(listed) == sorted(names())


@pytest.mark.parametrize("name", names())
def test_case(program: Path, name: str) -> None:
    result = subprocess.run([program, name], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


def test_unknown_case_is_an_error(program: Path) -> None:
    assert subprocess.run([program, "no_such_case"], capture_output=True).returncode == 100
