"""Programs written for PyTorch, run as they are: ``import torch`` gives verigrad.

::

    python -m verigrad.compat train.py --epochs 3

runs a program so; in one's own program `install` does it, before the first ``import torch``. It is off unless
asked for. ``torch.x.y`` is ``verigrad.x.y``, and ``torchvision.x`` is ``verigrad.vision.x``; classes and
functions are the very same objects. What verigrad lacks raises ModuleNotFoundError or AttributeError with its
name.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["install", "installed", "uninstall"]

# Whose behaviour is answered to; programs compare it.
VERSIONS = {"torch": "2.13.0", "torchvision": "0.28.0"}
_ROOTS = {"torch": "verigrad", "torchvision": "verigrad.vision"}


class _Shadow(ModuleType):
    """A module of PyTorch: the attributes are those of the module of verigrad that answers to it."""

    def __init__(self, name: str, target: ModuleType) -> None:
        super().__init__(name, target.__doc__)
        self.__dict__["_target"] = target
        if name in VERSIONS:
            self.__dict__["__version__"] = VERSIONS[name]

    def __getattr__(self, name: str) -> Any:
        target = self.__dict__["_target"]
        try:
            found = getattr(target, name)
        except AttributeError as error:
            _, _, reason = str(error).partition(f"{name!r}: ")  # of what is refused by its name
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r}: verigrad answers to it, as "
                f"{target.__name__}, and has none" + (f": {reason}" if reason else "")
            ) from None
        if isinstance(found, ModuleType) and found.__name__.partition(".")[0] == "verigrad":
            return importlib.import_module(f"{self.__name__}.{name}")
        return found

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_target"])


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds PyTorch's modules in verigrad."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _ROOTS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        root, dot, rest = spec.name.partition(".")
        name = f"{_ROOTS[root]}{dot}{rest}"
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            raise ModuleNotFoundError(
                f"No module named {spec.name!r}: verigrad answers to {root}, and has no {name}",
                name=spec.name,
            ) from None
        return _Shadow(spec.name, found)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


_finder = _Finder()


def _loaded() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in _ROOTS]


def installed() -> bool:
    """Whether ``import torch`` gives verigrad."""
    return _finder in sys.meta_path


def install() -> None:
    """From now on ``import torch`` and ``import torchvision`` give verigrad in this process.

    Raises:
        RuntimeError: the real ones are loaded already.
    """
    if installed():
        return
    loaded = _loaded()
    if loaded:
        raise RuntimeError(
            f"verigrad.compat: expected a process that has not imported {loaded[0].partition('.')[0]}, "
            f"got one with {loaded[0]} loaded"
        )
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Later imports find the real packages again. Modules that were imported keep what they have."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    for name in _loaded():
        del sys.modules[name]


def _main() -> None:
    import os
    import runpy

    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print("usage: python -m verigrad.compat PROGRAM.py [ARGUMENTS ...]")
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    # That of this file is another module, __main__.
    importlib.import_module("verigrad.compat").install()
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _main()
