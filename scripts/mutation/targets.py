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
    def options(self) -> str:
        """Those of ``verigrad verify`` that say what it does."""
        return ("" if self.device == "cpu" else f" --device {self.device}") + " --quick" * self.quick


HOST = Target(
    "cpu",
    False,
    "a kernel, an op, an optimizer or a table of gradients",
    (
        "cpp/src/kernels/**/*.cpp",
        "cpp/src/kernels/**/*.h",
        "cpp/src/ops/**/*.cpp",
        "cpp/src/ops/**/*.h",
        "cpp/src/optim/**/*.cpp",
        "cpp/src/optim/**/*.h",
        "cpp/include/verigrad/*.def",
    ),
    # No part of a computation: tables of pointers, and the faults that are planted on purpose.
    ("/cuda/", "/faults", "/table.", "/register.cpp", "/cblas.", "/host_device.h"),
    (),
    "verigrad_core",
    "libverigrad_core.so",
    "cpp/src/core",
    None,
    ("tests/cpp", "tests/ops", "tests/nn", "tests/autograd", "tests/optim"),
    True,
    "verification.md",
)
CUDA = Target(
    "cuda",
    True,
    "a CUDA kernel",
    ("cpp/src/kernels/cuda/*.cu", "cpp/src/kernels/cuda/*.cuh"),
    # Tables of pointers, and the calls of cuBLAS, which the emulation answers itself.
    ("/register.cu", "/kernels.cuh", "/blas.cu"),
    ("-DVERIGRAD_CUDA_EMULATED=ON", "-DVERIGRAD_BUILD_TESTS=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"),
    "verigrad_cuda_emulated",
    "libverigrad_cuda.so",
    "cpp/emulation",
    "verigrad_emulation_tests",
    ("tests/device",),
    False,
    "devices.md",
)
TARGETS = {target.device: target for target in (HOST, CUDA)}
