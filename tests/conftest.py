"""What all tests share: processes and their threads, the mark of comparisons with PyTorch, settings of
hypothesis, and a library that every test leaves as it found it."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import hypothesis
import pytest

import verigrad
from verigrad.vision.datasets import MNISTMini
from verigrad.vision.idx import write_idx

_MOST_WORKERS = 8  # each imports the library and compiles the references that it meets
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


# Processes. `-n auto` is the default, see pyproject.toml; `-n 0` runs everything in one.


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many as there are processors, up to eight; none for tests that are named one by one."""
    if all("::" in argument for argument in config.args):
        return 0
    return min(_processors(), _MOST_WORKERS)


def pytest_configure(config: pytest.Config) -> None:
    """Share the processors among the workers. Tests about threads ask for as many as they need."""
    config.addinivalue_line("markers", "torch: compares with PyTorch, see `_compares`; skipped without it")
    config.addinivalue_line("markers", "host(reason): of CPU tensors alone; skipped with `--device cuda`")
    _set_device(config.getoption("device"))
    workers = config.getoption("numprocesses", None) or 0
    if workers > 1 and not hasattr(config, "workerinput"):
        for name in _THREAD_VARIABLES:
            os.environ.setdefault(name, str(max(1, _processors() // workers)))


# The device. With `--device cuda` tensors are made there; what a test reads with numpy is copied to the CPU.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", help="where tests make their tensors: cpu, or cuda, real or emulated"
    )


def _set_device(device: str) -> None:
    if device == "cpu":
        return
    os.environ["VERIGRAD_CUDA_SYNC"] = "1"  # errors are expected where they are made
    try:
        verigrad.set_default_device(device)
    except RuntimeError as error:
        raise pytest.UsageError(f"--device {device}: {error}") from None
    for name in ("numpy", "__array__"):
        setattr(verigrad.Tensor, name, _from_the_cpu(getattr(verigrad.Tensor, name)))


def _from_the_cpu(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def read(tensor: verigrad.Tensor, *arguments: Any, **options: Any) -> Any:
        return method(tensor.cpu() if tensor.is_cuda else tensor, *arguments, **options)

    return read


# Comparisons with PyTorch, which `pytest -m torch` selects.


def _names_torch(code: CodeType) -> bool:
    """Whether a function imports torch or has its name as a text, as in `importorskip("torch")`."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if _names_torch(constant):
                return True
        elif isinstance(constant, str) and re.fullmatch(r"torch(\.\w+)*", constant):
            return True
    return any(name.partition(".")[0] == "torch" for name in code.co_names)


def _holds_torch(value: Any) -> bool:
    return value == "torch" if isinstance(value, str) else isinstance(value, tuple) and "torch" in value


def _compares(item: pytest.Function) -> bool:
    """Whether the function of a test, a fixture of it, or a parameter names PyTorch."""
    call = getattr(item, "callspec", None)
    if call is not None and any(map(_holds_torch, call.params.values())):
        return True
    # A fixture with parameters names PyTorch in those, which are the test's as well.
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    test = getattr(getattr(item.function, "hypothesis", None), "inner_test", item.function)
    functions = [test, *(one[-1].func for one in fixtures if one[-1].params is None)]
    codes = (getattr(function, "__code__", None) for function in functions)
    return any(code is not None and _names_torch(code) for code in codes)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _compares(item):
            item.add_marker("torch")
        host = item.get_closest_marker("host")
        if host is not None and config.getoption("device") != "cpu":
            item.add_marker(pytest.mark.skip(reason=host.args[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that is skipped for want of PyTorch must be among those that `-m torch` selects."""
    report: Any = yield
    wants = report.skipped and re.search(r"'torch(\.[\w.]+)?'|torch is not installed", str(report.longrepr))
    if wants and item.get_closest_marker("torch") is None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} needs torch, but names it where conftest.py does not see it"
    return report


# The same examples in every run, and no limit of time: the tests also run under sanitizers.
hypothesis.settings.register_profile(
    "verigrad", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("verigrad")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Restores what is global: random numbers, threads, vector code, planted faults, defaults."""
    testing = verigrad._C._testing
    state, threads, level = verigrad.get_rng_state(), verigrad.get_num_threads(), testing.simd_level()
    device = verigrad.get_default_device()
    yield
    testing.clear_faults()
    testing.set_simd_level(level)
    verigrad.set_num_threads(threads)
    verigrad.set_rng_state(state)
    verigrad.set_default_dtype(verigrad.float32)
    verigrad.set_default_device(device)


@pytest.fixture
def mnist_files(tmp_path: Path) -> Callable[[int, int], Path]:
    """Makes a folder with the first so many training and test images of mnist-mini, as MNIST's files."""

    def make(train: int, test: int) -> Path:
        folder = tmp_path / f"mnist-{train}-{test}"
        folder.mkdir()
        for split, count in (("train", train), ("t10k", test)):
            dataset = MNISTMini(train=split == "train")
            labels = dataset.targets[:count].to(verigrad.uint8)
            write_idx(folder / f"{split}-images-idx3-ubyte", dataset.data[:count])
            write_idx(folder / f"{split}-labels-idx1-ubyte.gz", labels)
        return folder

    return make
