"""What all tests share: settings of hypothesis, and a library that every test leaves as it found it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

import verigrad
from verigrad.vision.datasets import MNISTMini
from verigrad.vision.idx import write_idx

# The same examples in every run, and no limit of time: the tests also run under sanitizers.
hypothesis.settings.register_profile(
    "verigrad", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("verigrad")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Restores what is global: random numbers, threads, vector code, planted faults."""
    testing = verigrad._C._testing
    state, threads, level = verigrad.get_rng_state(), verigrad.get_num_threads(), testing.simd_level()
    yield
    testing.clear_faults()
    testing.set_simd_level(level)
    verigrad.set_num_threads(threads)
    verigrad.set_rng_state(state)
    verigrad.set_default_dtype(verigrad.float32)


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
