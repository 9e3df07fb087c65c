"""einops knows verigrad's tensors: `einops.rearrange(tensor, "b c h w -> b (c h w)")`.

einops asks the subclasses of its AbstractBackend whether they know a tensor, so a class must be derived from
it once it is there. einops is not imported for that: where it comes after verigrad, a finder of Python's
import system sees it come, does so, and goes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from . import _C
from ._C import Tensor

__all__ = ["attach"]

# The file of einops that has AbstractBackend.
_BACKENDS = "einops._backends"
# Python holds subclasses weakly.
_derived: list[type] = []


def _derive(backends: ModuleType) -> None:
    """Derives the class, which is all that registering takes; at most once."""
    known = getattr(backends, "AbstractBackend", None)
    if known is None or any(each.framework_name == "verigrad" for each in known.__subclasses__()):
        return

    class VerigradBackend(known):  # type: ignore[misc, valid-type]
        framework_name = "verigrad"

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tensor)

        def from_numpy(self, x: Any) -> Tensor:
            found = _C.from_numpy(x)
            return found.requires_grad_() if found.dtype.is_floating_point else found

        def to_numpy(self, x: Tensor) -> Any:
            return x.numpy(force=True)

        def arange(self, start: int, stop: int) -> Tensor:
            return _C.arange(start, stop, dtype=_C.int64)

        def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
            return x.permute(*axes)

        def reduce(self, x: Tensor, operation: str, axes: Sequence[int]) -> Tensor:
            if operation in ("any", "all", "prod"):  # of one dimension at a time
                for axis in sorted(axes, reverse=True):
                    x = getattr(x, operation)(axis)
                return x
            name = {"min": "amin", "max": "amax"}.get(operation, operation)
            found: Tensor = getattr(x, name)(tuple(axes))
            return found

        def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
            return _C.stack(tensors)

        def add_axis(self, x: Tensor, new_position: int) -> Tensor:
            return x.unsqueeze(new_position)

        def add_axes(self, x: Tensor, n_axes: int, pos2len: dict[int, int]) -> Tensor:
            sizes = [-1] * n_axes
            for position, length in pos2len.items():
                x = x.unsqueeze(position)
                sizes[position] = length
            return x.expand(*sizes)

        def tile(self, x: Tensor, repeats: Sequence[int]) -> Tensor:
            return x.repeat(*repeats)

        def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
            return _C.cat(tensors, axis)

        def is_float_type(self, x: Tensor) -> bool:
            return x.dtype.is_floating_point

        def einsum(self, pattern: str, *x: Tensor) -> Tensor:
            return _C.einsum(pattern, *x)

        def layers(self) -> ModuleType:
            from .utils import einops

            return einops

    _derived.append(VerigradBackend)


class _Loader:
    """Loads a module as its own loader does, and has the class derived then."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _derive(module)


class _Finder:
    """Sees einops come."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname != _BACKENDS or self not in sys.meta_path:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


def attach() -> None:
    """Makes verigrad known to an einops that is there, or comes later."""
    if _BACKENDS in sys.modules:
        _derive(sys.modules[_BACKENDS])
    else:
        finder: Any = _Finder()
        sys.meta_path.insert(0, finder)
