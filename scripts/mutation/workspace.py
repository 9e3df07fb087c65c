"""Copies of the tree in which mutants are built. The checkout itself is only read."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mutation.operators import Mutant
from mutation.targets import HOST, Target

BUILD_LIMIT = 1800.0  # seconds
# What decides the results of the verifier; a change of anything else keeps the builds and the map of reach.
DECISIVE = ("cpp/", "cmake/", "python/", "CMakeLists.txt", "pyproject.toml")


def tracked_files(root: Path) -> list[str]:
    """The files of the checkout that git does not ignore."""
    command = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(name for name in names if (root / name).is_file())


def signature(root: Path, names: list[str]) -> str:
    """A name for what is tested."""
    digest = hashlib.sha256(f"{sys.version} {os.fspath(root)}".encode())
    for name in names:
        if name.startswith(DECISIVE):
            digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return digest.hexdigest()[:12]


def copy_tree(root: Path, to: Path) -> None:
    """Brings a copy up to date. Files that are equal keep their times, so nothing is rebuilt for them; the
    others become new, so that what was built from a mutant when a run was stopped is built again."""
    names = tracked_files(root)
    for name in names:
        source, target = root / name, to / name
        if not target.is_file() or source.read_bytes() != target.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    for path in sorted((to / "cpp").rglob("*")) + sorted((to / "tests").rglob("*.py")):
        if path.is_file() and path.relative_to(to).as_posix() not in set(names):
            path.unlink()


@dataclass
class Build:
    """The outcome of a build.

    Attributes:
        kind: "changed", "invalid" (it does not compile) or "same code".
        seconds: how long it took.
        text: the end of the compiler's words.
    """

    kind: str
    seconds: float
    text: str = ""


class Tree:
    """One copy with its build.

    Args:
        root: the checkout.
        folder: where the copy lives.
        flags: further arguments for CMake.
        jobs: compilers at a time.
        absolute: whether debug information names the sources by absolute paths.
        target: what is mutated.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        flags: list[str],
        jobs: int,
        absolute: bool = False,
        target: Target = HOST,
    ) -> None:
        self.root, self.folder, self.jobs, self.target = root, folder, jobs, target
        self.source = folder / "tree"
        # As deep as the build folders of the presets, so that ccache knows their objects.
        self.build_folder = self.source / "build" / "mutation"
        self.package, self.original = self.build_folder / "package", folder / "original"
        self.flags, self.absolute = flags, absolute
        self._objects: dict[Path, bytes] = {}

    def prepare(self) -> float:
        """Copies and builds everything; answers the seconds."""
        started = time.monotonic()
        self.copy()
        self.configure()
        outcome = self.ninja(["all"])
        if outcome.returncode:
            raise RuntimeError(f"mutate: expected the unchanged tree to build, got\n{outcome.stdout[-4000:]}")
        if self.original.exists():
            shutil.rmtree(self.original)
        shutil.copytree(self.package, self.original, symlinks=True)
        self._objects = {path: self._digest(path) for path in self._library_objects()}
        return time.monotonic() - started

    def copy(self) -> None:
        """Brings the sources up to date."""
        copy_tree(self.root, self.source)

    def configure(self) -> None:
        """Runs CMake."""
        linker = ["-DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=mold"] if shutil.which("mold") else []
        command = [
            "cmake", "-G", "Ninja", "-S", str(self.source), "-B", str(self.build_folder),
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPython_EXECUTABLE={sys.executable}", *linker, *self.target.flags, *self.flags,
        ]  # fmt: skip
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mutate: expected CMake to configure the tree, got\n{done.stderr[-4000:]}")

    def _environment(self) -> dict[str, str]:
        # Objects are shared between the copies through ccache, whose keys must not name the folder.
        if self.absolute:
            return {**os.environ, "CCACHE_BASEDIR": "", "CCACHE_HASHDIR": "1"}
        return {"CCACHE_BASEDIR": str(self.source), "CCACHE_NOHASHDIR": "1", **os.environ}

    def ninja(self, targets: list[str]) -> subprocess.CompletedProcess[str]:
        """Builds targets."""
        command = ["cmake", "--build", str(self.build_folder), "-j", str(self.jobs), "--target", *targets]
        try:
            return subprocess.run(
                command, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=BUILD_LIMIT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "the build took too long")

    def _library_objects(self) -> list[Path]:
        return sorted(self.build_folder.glob(f"cpp/CMakeFiles/{self.target.goal}.dir/**/*.o"))

    @property
    def program(self) -> Path | None:
        """The C++ tests, where pytest does not start them."""
        return self.build_folder / "cpp" / self.target.program if self.target.program else None

    @staticmethod
    def _digest(path: Path) -> bytes:
        return hashlib.sha256(path.read_bytes()).digest()

    def build(self, mutant: Mutant) -> Build:
        """Builds the library with a mutant. Tests read the sources, so these are put back at once."""
        started = time.monotonic()
        outcome = self._with(mutant, [self.target.goal])
        seconds = time.monotonic() - started
        if outcome.returncode:
            return Build("invalid", seconds, outcome.stdout[-1500:])
        if all(self._digest(path) == known for path, known in self._objects.items()):
            return Build("same code", seconds)
        return Build("changed", seconds)

    def build_all(self, mutant: Mutant) -> Build:
        """Builds all else that includes the file. The library stays as ``build`` made it."""
        if mutant.file.endswith((".cpp", ".cu")):
            return Build("changed", 0.0)
        started = time.monotonic()
        outcome = self._with(mutant, ["all"])
        return Build("invalid" if outcome.returncode else "changed", time.monotonic() - started)

    def _with(self, mutant: Mutant, targets: list[str]) -> subprocess.CompletedProcess[str]:
        path = self.source / mutant.file
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(text), encoding="utf-8")
        try:
            return self.ninja(targets)
        finally:
            path.write_text(text, encoding="utf-8")
