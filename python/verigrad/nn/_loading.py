"""How a Module takes in a state dict: everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._C import Tensor
from ..autograd import no_grad
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


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
    expected: dict[str, None] = {}
    missing: list[str] = []
    errors: list[str] = []
    actions: list[Callable[[], object]] = []
    for prefix, owner in module.named_modules(remove_duplicate=False):
        for name, current in owner._persistent():
            key = f"{prefix}.{name}" if prefix else name
            expected[key] = None
            if key not in state_dict:
                missing.append(key)
                continue
            value = state_dict[key]
            problem = _problem(key, current, value, assign)
            if problem:
                errors.append(problem)
            else:
                actions.append(_action(owner, name, current, value, assign))
    unexpected = [key for key in state_dict if key not in expected]

    if strict:
        reports = (("Missing", missing), ("Unexpected", unexpected))
        errors[:0] = [
            f"{what} key(s) in state_dict: {', '.join(f'{chr(34)}{key}{chr(34)}' for key in keys)}. "
            for what, keys in reports
            if keys
        ]
    if errors:
        lines = "\n\t".join(errors)
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{lines}")
    with no_grad():
        for action in actions:
            action()
    return IncompatibleKeys(missing, unexpected)


def _problem(key: str, current: Tensor, value: Any, assign: bool) -> str | None:
    if not isinstance(value, Tensor):
        return (
            f'While copying the parameter named "{key}", expected a Tensor from checkpoint '
            f"but received {type(value)}"
        )
    if value.shape != current.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {current.shape}."
        )
    if assign and current.requires_grad and not value.dtype.is_floating_point:
        return f"dtype mismatch for {key}: a parameter that requires grad cannot be of {value.dtype}."
    return None


def _action(owner: Module, name: str, current: Tensor, value: Tensor, assign: bool) -> Callable[[], object]:
    if not assign:
        return lambda: current.copy_(value)
    if not isinstance(current, Parameter):
        return lambda: setattr(owner, name, value)
    if isinstance(value, Parameter):
        return lambda: setattr(owner, name, value.requires_grad_(current.requires_grad))
    return lambda: setattr(owner, name, Parameter(value, current.requires_grad))
