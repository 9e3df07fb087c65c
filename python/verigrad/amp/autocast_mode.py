"""``autocast``, which leaves float32 what it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _C
from .._text import short

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """False: no device computes in another dtype than that of its tensors."""
    return False


class autocast:
    """A context manager and decorator that changes nothing: ops keep the dtypes of their tensors.

    Args:
        device_type: "cpu" or "cuda".
        dtype: None or float32. PyTorch's None is float16 or bfloat16, which do not exist here.
        enabled, cache_enabled: accepted; there is nothing to switch on, and nothing cached.

    Raises:
        ValueError: *device_type* is no kind of device.
        RuntimeError: *dtype* is not float32.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _C.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"autocast: expected device_type 'cpu' or 'cuda', got {short(device_type)}")
        if dtype not in (None, _C.float32):
            raise RuntimeError(
                f"autocast: expected dtype None or float32, there are no half types, got {short(dtype)}"
            )
        self.device = device_type
        self.fast_dtype = _C.float32

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def unchanged(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return unchanged


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """A decorator for ``forward`` of an `autograd.Function`: the function itself.

    Args:
        fwd: the function; without it a decorator is returned.
        device_type: "cpu" or "cuda".
        cast_inputs: used by PyTorch inside of an autocast that is switched on, so never here.
    """
    return fwd if fwd is not None else lambda function: function


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """A decorator for ``backward`` of an `autograd.Function`: the function itself."""
    return bwd if bwd is not None else lambda function: function
