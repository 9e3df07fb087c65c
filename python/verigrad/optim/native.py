"""Optimizers whose step is one native call for each group of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .. import _C
from .._C import Tensor
from .._text import short
from .optimizer import Optimizer, as_float, as_number, check_range

__all__ = ["NativeOptimizer"]


class NativeOptimizer(Optimizer):
    """Base class of optimizers with an update rule in the core (``kernels/update_rules.h``).

    A subclass names its rule and says what a parameter keeps between steps; that is made in the first step in
    which the parameter has a gradient.
    """

    _rule: ClassVar[str]
    # What a parameter keeps as a 0-d tensor on the CPU.
    _kept_state: ClassVar[tuple[str, ...]] = ("step",)

    def _kept(self, group: dict[str, Any]) -> dict[str, float]:
        """The numbers that a parameter keeps, in the rule's order, and their first values."""
        return {"step": 0.0}

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        """The arrays that a parameter keeps, in the rule's order, and the value that fills them at first."""
        raise NotImplementedError

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        """What the rule reads."""
        raise NotImplementedError

    def _update(self, group: dict[str, Any]) -> None:
        _C._optim.step(
            self._rule,
            group["params"],
            self.state,
            self._kept(group),
            self._states(group),
            self._options(group),
        )

    def _make_state(self, param: Tensor, group: dict[str, Any]) -> None:
        """What the first step would make, for optimizers that have it from the start."""
        state = self.state[param]
        for name, first in self._kept(group).items():
            state[name] = _C.full((), first, dtype=_C.get_default_dtype())
        for name, value in self._states(group).items():
            state[name] = _C.full_like(param.detach(), as_float(value))

    def _load_value(self, number: Any, param: Tensor, name: str, value: Any) -> Any:
        if name in self._kept_state:
            given = as_number(type(self).__name__, name, value)
            dtype = value.dtype if isinstance(value, Tensor) else _C.get_default_dtype()
            return _C.tensor(given, dtype=dtype)
        return super()._load_value(number, param, name, value)


def numbers(owner: str, name: str, pair: Any) -> tuple[float, float]:
    """The two numbers of an option.

    Raises:
        TypeError: it is no pair of numbers.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"{owner}: expected {name} to be a pair of numbers, got {short(pair)}")
    first, second = (as_number(owner, f"{name}[{index}]", value) for index, value in enumerate(pair))
    return first, second


def check_betas(owner: str, options: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError unless "betas" is a pair of numbers in [0, 1)."""
    for index, beta in enumerate(numbers(owner, "betas", options["betas"])):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}")


def betas_of(group: dict[str, Any]) -> dict[str, float]:
    """The betas of a group by the rule's names."""
    beta1, beta2 = group["betas"]
    return {"beta1": as_float(beta1), "beta2": as_float(beta2)}


def check_common(owner: str, options: Mapping[str, Any]) -> None:
    """Checks "lr" and, where they are given, "eps" and "weight_decay"."""
    check_range(owner, "learning rate", "lr", options["lr"])
    if "eps" in options:
        check_range(owner, "epsilon value", "eps", options["eps"])
    if "weight_decay" in options:
        check_range(owner, "weight_decay value", "weight_decay", options["weight_decay"])


def floats(group: dict[str, Any], *names: str) -> dict[str, float]:
    """These options of a group as numbers, and whether to maximize."""
    found = {name: as_float(group[name]) for name in names}
    found["maximize"] = group["maximize"]
    return found
