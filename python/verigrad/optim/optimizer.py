"""Optimizer: parameter groups, their options, and the state that is kept for each parameter."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import wraps
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import enable_grad

__all__ = ["Optimizer"]


class Optimizer:
    """Base class of optimizers.

    A subclass passes its options as ``defaults`` and either defines ``_update(group)``, called for each group
    by ``step``, or defines ``step`` itself.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with the key "params" and options of that group.
        defaults: the options and their values for groups that do not give them.

    Raises:
        TypeError: ``params`` is a Tensor or holds something that is no Tensor.
        ValueError: there are no parameters, one is given twice or is not a leaf, or an option is invalid.
    """

    # State of one value for each element of the parameter: it is cast and checked on loading.
    _elementwise_state: tuple[str, ...] = ()
    # Whether step() has run; a scheduler that is stepped first warns.
    _opt_called = False

    defaults: dict[str, Any]
    state: defaultdict[Any, dict[str, Any]]
    param_groups: list[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("step")
        if callable(own):
            cls.step = _noting_call(own)  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + type(params).__name__
            )
        self._check_options(defaults)
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError or TypeError for an option that makes no sense; a subclass knows its own."""

    def _update(self, group: dict[str, Any]) -> None:
        """Updates the parameters of one group."""
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define step or _update")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: evaluates the model, calls ``backward`` and returns the loss; run first, with gradients
                enabled.

        Returns:
            What ``closure`` returned, or None.
        """
        self._opt_called = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update(group)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the gradients of all parameters, or with ``set_to_none=False`` fills them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach().zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters, for instance with a learning rate of its own.

        Args:
            param_group: the key "params" with a tensor or a list of tensors or of (name, tensor) pairs, and
                options; those it does not give are the defaults.

        Raises:
            TypeError: it is no dict, or "params" is a set or holds something that is no Tensor.
            ValueError: a parameter is not a leaf or already known, only some have names, or an option is
                invalid.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        group["params"], names = _split_names(list(params))
        if names:
            group["param_names"] = names
        self._check_params(group["params"])
        if self.param_groups and bool(names) != ("param_names" in self.param_groups[0]):
            what = "without" if not names else "with"
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{what} names to the optimizer"
            )
        for name, default in self.defaults.items():
            if name not in group and default is required:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            group.setdefault(name, default)
        self._check_options(group)
        self.param_groups.append(group)

    def _check_params(self, params: list[Any]) -> None:
        for param in params:
            if not isinstance(param, Tensor):
                kind = type(param).__name__
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {kind}")
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        ids = {id(param) for param in params}
        if len(ids) < len(params):
            raise ValueError("some parameters appear more than once in a parameter group")
        for group in self.param_groups:
            if not ids.isdisjoint(id(param) for param in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")

    def state_dict(self) -> dict[str, Any]:
        """Returns state and options, with parameters replaced by their numbers.

        Returns:
            "state": for each parameter's number its state; tensors share memory with the optimizer's.
            "param_groups": the options of each group, with "params" the list of numbers.
        """
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over state and options; the tensors are copied and cast to the dtype of their parameter.

        Args:
            state_dict: what ``state_dict()`` returned, for groups of the same sizes.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            KeyError: "state" or "param_groups" is missing.
            ValueError: number or sizes of the groups differ, a tensor's shape is not its parameter's, or an
                option is invalid. The optimizer is left unchanged.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        for key in ("state", "param_groups"):
            if key not in state_dict:
                raise KeyError(f"load_state_dict: expected the key '{key}', got {list(state_dict)}")
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        owners: dict[Any, Tensor] = {}
        groups = []
        for old, new in zip(self.param_groups, saved, strict=True):
            if len(old["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    "optimizer's group"
                )
            owners.update(zip(new["params"], old["params"], strict=True))
            group = {**self.defaults, **deepcopy({name: new[name] for name in new if name != "params"})}
            if "param_names" in old:
                group.setdefault("param_names", old["param_names"])
            group["params"] = old["params"]
            self._check_options(group)
            groups.append(group)
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, values in state_dict["state"].items():
            owner = owners.get(key)
            if owner is None:
                state[key] = deepcopy(values)
            else:
                state[owner] = {
                    name: self._load_value(key, owner, name, value) for name, value in values.items()
                }
        self.state = state
        self.param_groups = groups

    def _load_value(self, number: Any, param: Tensor, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._load_value(number, param, name, item) for item in value]
        if not isinstance(value, Tensor):
            return deepcopy(value)
        if name in self._elementwise_state:
            if value.shape != param.shape:
                raise ValueError(
                    f"loaded state dict: expected '{name}' of parameter {number} to have shape "
                    f"{param.shape}, got {value.shape}"
                )
            return _C.empty_like(param.detach()).copy_(value)
        if name == "step" or not param.is_floating_point():
            return value.detach().clone()
        return value.detach().to(dtype=param.dtype, device=param.device, copy=True)

    def __repr__(self) -> str:
        groups = []
        for number, group in enumerate(self.param_groups):
            lines = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            groups.append(f"\nParameter Group {number}\n{''.join(lines)}")
        return f"{type(self).__name__} ({''.join(groups)})"


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


#: The default of an option that every group has to give.
required = _Required()


def _split_names(params: list[Any]) -> tuple[list[Any], list[str]]:
    """Tensors and names of (name, tensor) pairs; no names where there are only tensors."""
    named = [isinstance(param, tuple) for param in params]
    if not any(named):
        return params, []
    if not all(named):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return [param for _, param in params], [name for name, _ in params]


def _noting_call(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def wrapper(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        return step(self, *args, **kwargs)

    return wrapper


def as_number(owner: str, name: str, value: Any) -> float:
    """The value of an option, which may be a number or a tensor of one element.

    Raises:
        TypeError: it is neither.
        ValueError: it is a tensor of more elements.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
        return float(value.item())
    if isinstance(value, str) or not hasattr(type(value), "__float__"):
        raise TypeError(
            f"{owner}: expected {name} to be a number or a one-element Tensor, got {type(value).__name__}"
        )
    return float(value)


def check_range(owner: str, what: str, name: str, value: Any) -> None:
    """Raises ValueError unless the option is finite and not negative."""
    if not 0.0 <= as_number(owner, name, value) < math.inf:
        raise ValueError(f"Invalid {what}: {value}")


def check_finite(owner: str, name: str, value: Any) -> None:
    """Raises ValueError unless the option is a finite number."""
    if not math.isfinite(as_number(owner, name, value)):
        raise ValueError(f"Invalid {name} value: {value}")


def check_modes(owner: str, options: Mapping[str, Any]) -> None:
    """Checks the keywords that choose an implementation in PyTorch.

    One native call updates all tensors of a group, whatever ``foreach``, ``fused`` and ``capturable`` say.

    Raises:
        TypeError: one of them is neither a bool nor None.
        RuntimeError: ``foreach`` and ``fused`` are both True, or the step is asked to be differentiable.
    """
    for name in ("foreach", "fused", "capturable"):
        if options.get(name) is not None and not isinstance(options[name], bool):
            kind = type(options[name]).__name__
            raise TypeError(f"{owner}: expected {name} to be a bool or None, got {kind}")
    if options.get("foreach") and options.get("fused"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if options.get("differentiable"):
        raise RuntimeError(f"{owner}: expected differentiable=False, got True: the step records no graph")


def as_float(value: Any) -> float:
    """An option that was checked before, as the native update wants it."""
    return value if type(value) is float else float(value)
