"""Taking in a state dict: everything is checked before anything is changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from .._C import Tensor
from ..autograd import no_grad
from .parameter import Parameter, UninitializedTensorMixin, is_lazy

EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` answers: the keys that the dict lacked, and those it had too many."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Loading:
    """One call of ``load_state_dict``: what it takes is checked at once and put into its place by ``finish``.

    Args:
        state_dict: the values by their keys; a copy of it is used.
        assign: replace tensors by those given, instead of copying into them.
    """

    def __init__(self, state_dict: Mapping[str, Any], assign: bool) -> None:
        self.values = OrderedDict(state_dict)
        self.keys = IncompatibleKeys([], [])
        self.errors: list[str] = []
        self._metadata: Mapping[str, Any] = getattr(state_dict, "_metadata", None) or {}
        self._assign = assign
        self._expected: dict[str, None] = {}
        self._actions: list[Callable[[], object]] = []

    def metadata(self, path: str) -> dict[str, Any]:
        """What the dict says of the module with this dotted name, such as the version of its layout."""
        return dict(self._metadata.get(path, {}))

    def take_tensor(self, key: str, current: Tensor, replace: Callable[[Tensor], object]) -> None:
        """Plans to copy a value into ``current``, or to give it to ``replace``."""
        if not self._has(key):
            return
        problem = _problem(key, current, self.values[key], self._assign)
        if problem:
            self.errors.append(problem)
        else:
            self._actions.append(_action(current, self.values[key], self._assign, replace))

    def take_extra(self, key: str, put: Callable[[Any], object]) -> None:
        """Plans to give a value of any kind to ``put``."""
        if self._has(key):
            self._actions.append(partial(put, self.values[key]))

    def _has(self, key: str) -> bool:
        self._expected[key] = None
        if key not in self.values:
            self.keys.missing_keys.append(key)
        return key in self.values

    def finish(
        self, name: str, strict: bool, afterwards: Iterable[Callable[[IncompatibleKeys], object]]
    ) -> IncompatibleKeys:
        """Does what was planned, or raises for what was found.

        Args:
            name: the class of the module, for the message.
            strict: whether keys that are missing or unexpected are errors.
            afterwards: hooks that may forgive keys by taking them from the lists.

        Raises:
            RuntimeError: something does not fit. Without hooks nothing has been changed then.
            AssertionError: a hook returned something.
        """
        self.keys.unexpected_keys.extend(key for key in self.values if key not in self._expected)
        hooks = list(afterwards)
        if self.errors or not hooks:
            _report(name, self.keys, strict, self.errors)
        with no_grad():
            for action in self._actions:
                action()
        for hook in hooks:
            if hook(self.keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return "
                    "new values, if incompatible_keys need to be modified, it should be done inplace."
                )
        _report(name, self.keys, strict, [])
        return self.keys


def _listed(names: list[str], most: int = 500) -> str:
    """The names in quotes; of very many, or of long ones, not all."""
    shown = ", ".join(f'"{name if len(name) <= 300 else name[:300] + "..."}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _report(name: str, keys: IncompatibleKeys, strict: bool, errors: list[str]) -> None:
    lines = []
    if strict:
        reports = (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
        lines = [f"{what} key(s) in state_dict: {_listed(found)}. " for what, found in reports if found]
    if lines or errors:
        text = "\n\t".join([*lines, *errors])
        raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t{text}")


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


def _action(
    current: Tensor, value: Tensor, assign: bool, replace: Callable[[Tensor], object]
) -> Callable[[], object]:
    if is_lazy(value):
        return lambda: None
    if isinstance(current, UninitializedTensorMixin) and not assign:
        return partial(_materialize, current, value)
    if not assign:
        return lambda: current.copy_(value)
    if not isinstance(current, Parameter):
        return lambda: replace(value)
    if isinstance(value, Parameter):
        return lambda: replace(value.requires_grad_(current.requires_grad))
    return lambda: replace(Parameter(value, current.requires_grad))


def _materialize(current: Any, value: Tensor) -> None:
    current.materialize(value.shape)
    current.copy_(value)
