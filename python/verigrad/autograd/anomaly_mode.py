"""Anomaly mode: finds the line of the forward pass whose derivative is NaN, or raises."""

from __future__ import annotations

import warnings

from .. import _C
from .._C import is_anomaly_check_nan_enabled, is_anomaly_enabled

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Turns anomaly mode on or off: at once as a function, for a block as a context manager.

    In this mode each recorded op keeps the stack of the call that made it. Where the op's part of a backward
    pass raises, or makes a NaN, that stack is shown as a UserWarning; the error about a NaN names its last
    line as well. Recording is many times slower. The mode is that of all threads.

    Args:
        mode: whether to be in anomaly mode.
        check_nan: whether a gradient that is NaN raises RuntimeError; default True.

    Raises:
        TypeError: an argument is not a bool.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _enabled()
        _set(type(self).__name__, mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _C._set_anomaly_enabled(*self._before)


class detect_anomaly:
    """Context manager: `set_detect_anomaly(True)` for a block, with a UserWarning that it is on.

    Args:
        check_nan: whether a gradient that is NaN raises RuntimeError; default True.

    Raises:
        TypeError: `check_nan` is not a bool.
    """

    def __init__(self, check_nan: bool = True) -> None:
        if not isinstance(check_nan, bool):
            raise TypeError(
                f"detect_anomaly: expected check_nan to be a bool, got {type(check_nan).__name__}"
            )
        self.check_nan = check_nan
        self._before = _enabled()
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _enabled()
        _C._set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *error: object) -> None:
        _C._set_anomaly_enabled(*self._before)


def _enabled() -> tuple[bool, bool]:
    return is_anomaly_enabled(), is_anomaly_check_nan_enabled()


def _set(function: str, mode: bool, check_nan: bool) -> None:
    for name, value in (("mode", mode), ("check_nan", check_nan)):
        if not isinstance(value, bool):
            raise TypeError(f"{function}: expected {name} to be a bool, got {type(value).__name__}")
    _C._set_anomaly_enabled(mode, check_nan)
