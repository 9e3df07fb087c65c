"""What can be mutated: the core on the CPU, and the CUDA kernels, which run on the emulated device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Sources, how they are built, and what judges them.

    Attributes:
        device: where the verifier runs.
        quick: whether the verifier leaves out what ``--quick`` leaves out.
        subject: what the report calls the sources.
        patterns: the sources, below the root.
        left_out: parts of names that are no part of a computation.
        flags: arguments for CMake.
        goal: the library's name in CMake.
        library: its file in the package.
        sources: a folder of which every .cpp is built into it.
        program: C++ tests of the survivors, a name in CMake; None if pytest starts them.
        tests: what else the survivors go through first.
        rest: whether the other tests of the suite can notice a mutant.
        page: the document beside the report that has its summary.
    """

    device: str
    quick: bool
    subject: str
    patterns: tuple[str, ...]
    left_out: tuple[str, ...]
    flags: tuple[str, ...]
    goal: str
    library: str
    sources: str
    program: str | None
    tests: tuple[str, ...]
    rest: bool
    page: str

    @property
    def option(self) -> str:
        """What chooses the device in a command, with a blank before it; nothing for the CPU."""
        return "" if self.device == "cpu" else f" --device {self.device}"


HOST = Target(
    device="cpu",
    quick=False,
    subject="a kernel, an op, an optimizer or a table of gradients",
    patterns=(
        "cpp/src/kernels/**/*.cpp",
        "cpp/src/kernels/**/*.h",
        "cpp/src/ops/**/*.cpp",
        "cpp/src/ops/**/*.h",
        "cpp/src/optim/**/*.cpp",
        "cpp/src/optim/**/*.h",
        "cpp/include/verigrad/*.def",
    ),
    # No part of a computation: tables of pointers, and the faults that are planted on purpose.
    left_out=("/cuda/", "/faults", "/table.", "/register.cpp", "/cblas.", "/host_device.h"),
    flags=(),
    goal="verigrad_core",
    library="libverigrad_core.so",
    sources="cpp/src/core",
    program=None,
    tests=("tests/cpp", "tests/ops", "tests/nn", "tests/autograd", "tests/optim"),
    rest=True,
    page="verification.md",
)
CUDA = Target(
    device="cuda",
    quick=True,
    subject="a CUDA kernel",
    patterns=("cpp/src/kernels/cuda/*.cu", "cpp/src/kernels/cuda/*.cuh"),
    # Tables of pointers, and the calls of cuBLAS, which the emulation answers itself.
    left_out=("/register.cu", "/kernels.cuh", "/blas.cu"),
    flags=("-DVERIGRAD_CUDA_EMULATED=ON", "-DVERIGRAD_BUILD_TESTS=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"),
    goal="verigrad_cuda_emulated",
    library="libverigrad_cuda.so",
    sources="cpp/emulation",
    program="verigrad_emulation_tests",
    tests=("tests/device",),
    rest=False,
    page="devices.md",
)
TARGETS = {target.device: target for target in (HOST, CUDA)}
