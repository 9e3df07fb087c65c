"""How a Module takes in a state dict: everything is checked before anything is changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .._C import Tensor
from ..autograd import no_grad
from .parameter import Parameter, UninitializedTensorMixin, is_lazy

if TYPE_CHECKING:
    from .module import Module


EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` answers: the keys that the dict lacked, and those it had too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def load(module: Module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Checks ``state_dict`` against the module, then copies it in; see ``Module.load_state_dict``."""
    metadata: Mapping[str, Any] = getattr(state_dict, "_metadata", None) or {}
    values = OrderedDict(state_dict)
    expected: dict[str, None] = {}
    keys = IncompatibleKeys([], [])
    errors: list[str] = []
    actions: list[Callable[[], object]] = []
    modules = list(module.named_modules(remove_duplicate=False))
    for path, owner in modules:
        prefix = f"{path}." if path else ""
        for hook in owner._state_hooks_of("load_pre"):
            hook(owner, values, prefix, dict(metadata.get(path, {})), strict, *keys, errors)
        for name, current in owner._persistent():
            key = prefix + name
            expected[key] = None
            if key not in values:
                keys.missing_keys.append(key)
                continue
            value = values[key]
            problem = _problem(key, current, value, assign)
            if problem:
                errors.append(problem)
            else:
                actions.append(_action(owner, name, current, value, assign))
        if type(owner).set_extra_state is not _base(owner).set_extra_state:
            key = prefix + EXTRA_STATE
            expected[key] = None
            if key in values:
                actions.append(partial(owner.set_extra_state, values[key]))
            else:
                keys.missing_keys.append(key)
    keys.unexpected_keys.extend(key for key in values if key not in expected)

    # Hooks that run after loading may forgive keys; without any, a strict module is left unchanged.
    afterwards = [
        (owner, hook) for _, owner in reversed(modules) for hook in owner._state_hooks_of("load_post")
    ]
    if errors or not afterwards:
        _report(module, keys, strict, errors)
    with no_grad():
        for action in actions:
            action()
    for owner, hook in afterwards:
        if hook(owner, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                "values, if incompatible_keys need to be modified, it should be done inplace."
            )
    _report(module, keys, strict, [])
    return keys


def _base(owner: Module) -> type[Module]:
    from .module import Module

    return Module


def _listed(names: list[str], most: int = 500) -> str:
    """The names in quotes; of very many, or of long ones, not all."""
    shown = ", ".join(f'"{name if len(name) <= 300 else name[:300] + "..."}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _report(module: Module, keys: IncompatibleKeys, strict: bool, errors: list[str]) -> None:
    lines = []
    if strict:
        reports = (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
        lines = [f"{what} key(s) in state_dict: {_listed(names)}. " for what, names in reports if names]
    if lines or errors:
        text = "\n\t".join([*lines, *errors])
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{text}")


def _problem(key: str, current: Tensor, value: Any, assign: bool) -> str | None:
    if not isinstance(value, Tensor):
        return (
            f'While copying the parameter named "{key}", expected a Tensor from checkpoint '
            f"but received {type(value)}"
        )
    if is_lazy(value):
        if is_lazy(current):
            return None
        return (
            f"size mismatch for {key}: copying an uninitialized param from checkpoint, "
            f"the shape in current model is {current.shape}."
        )
    if not is_lazy(current) and value.shape != current.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {current.shape}."
        )
    if assign and current.requires_grad and not value.dtype.is_floating_point:
        return f"dtype mismatch for {key}: a parameter that requires grad cannot be of {value.dtype}."
    return None


def _action(owner: Module, name: str, current: Tensor, value: Tensor, assign: bool) -> Callable[[], object]:
    if is_lazy(value):
        return lambda: None
    if isinstance(current, UninitializedTensorMixin) and not assign:
        return partial(_materialize, current, value)
    if not assign:
        return lambda: current.copy_(value)
    if not isinstance(current, Parameter):
        return lambda: setattr(owner, name, value)
    if isinstance(value, Parameter):
        return lambda: setattr(owner, name, value.requires_grad_(current.requires_grad))
    return lambda: setattr(owner, name, Parameter(value, current.requires_grad))


def _materialize(current: Any, value: Tensor) -> None:
    current.materialize(value.shape)
    current.copy_(value)
