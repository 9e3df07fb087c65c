"""LRScheduler: the counter of epochs, the learning rates of the groups, and the state of a schedule."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..._C import Tensor
from ..optimizer import Optimizer

# A learning rate is a float, or a tensor of one element that stays the same object.
Rate = Any

_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`. Otherwise the first value of the learning rate "
    "schedule is skipped."
)
_REPLACED = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, "
    "make sure to call `optimizer.step()` before `lr_scheduler.step()`."
)
_EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. If epoch is different from None, the closed form "
    "is used instead of the chainable form, where available."
)


class LRScheduler:
    """Base class of schedulers; a subclass defines ``get_lr`` and calls ``super().__init__`` last.

    The learning rates at the start are kept in each group as "initial_lr". ``_get_closed_form_lr()``, where a
    subclass has it, gives the learning rates of ``last_epoch`` from these alone.

    Args:
        optimizer: whose learning rates to set.
        last_epoch: the epoch to resume after; default -1, the start. As in PyTorch the new scheduler goes one
            epoch on at once.

    Raises:
        TypeError: ``optimizer`` is no Optimizer.
        KeyError: resuming, and a group has no "initial_lr".
    """

    optimizer: Optimizer
    base_lrs: list[Rate]
    last_epoch: int
    _last_lr: list[Rate]
    # True while the learning rates are computed: get_lr() means something only then.
    _get_lr_called_within_step = False
    # True during the step that the constructor takes.
    _is_initial = False
    # What stands in the object and is no state.
    _transient: tuple[str, ...] = ("optimizer", "_get_lr_called_within_step", "_is_initial", "_known_step")

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler "
                    "with last_epoch >= 0: load the optimizer's state dict first"
                )
        self.optimizer = optimizer
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._known_step = vars(optimizer).get("step")
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        with _flag(self, "_is_initial"):
            self.step()

    def _restart(self) -> None:
        """Goes to the start: a scheduler around this one has come to its turn."""
        self._update_lr(0)

    def get_lr(self) -> list[Rate]:
        """The learning rate of each group for ``last_epoch``, mostly from those of the epoch before.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected the subclass to define get_lr")

    def get_last_lr(self) -> list[Rate]:
        """The learning rates that were set last: floats, or copies of tensors."""
        return list(self._last_lr)

    def step(self, epoch: int | None = None) -> None:
        """Goes to the next epoch and sets the learning rates.

        Args:
            epoch: deprecated: the epoch to go to, by the closed form where there is one.

        Warns:
            UserWarning: ``optimizer.step()`` was not called before, or ``epoch`` is given.
        """
        if self._step_count == 1:
            if vars(self.optimizer).get("step") is not self._known_step:
                warnings.warn(_REPLACED, stacklevel=2)
            elif not self.optimizer._opt_called:
                warnings.warn(_ORDER, stacklevel=2)
        if epoch is not None:
            warnings.warn(_EPOCH, stacklevel=2)
        self._step_count += 1
        try:
            self._update_lr(epoch)
        except BaseException:
            self._step_count -= 1
            raise

    def _update_lr(self, epoch: int | None = None) -> None:
        before = self.last_epoch
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        try:
            self.last_epoch = before + 1 if epoch is None else epoch
            with _flag(self, "_get_lr_called_within_step"):
                rates = self.get_lr() if closed is None else closed()
            self._check_groups(len(rates))
        except BaseException:
            self.last_epoch = before
            raise
        self._set(rates)

    def _set(self, rates: list[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr = values_of(self.optimizer, "lr")

    def _check_groups(self, count: int) -> None:
        groups = len(self.optimizer.param_groups)
        if groups != count:
            raise ValueError(
                f"{type(self).__name__}: expected the {count} param groups it was made for, got {groups}: "
                "add groups before making the scheduler"
            )

    def _rates(self) -> list[Rate]:
        """The learning rates as they are, for ``get_lr``."""
        self._warn_outside_of_step(stacklevel=4)
        return values_of(self.optimizer, "lr")

    def _warn_outside_of_step(self, stacklevel: int = 3) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=stacklevel,
            )

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the optimizer; ``verigrad.save`` can write it. Nothing in it is shared."""
        return {name: own(value) for name, value in vars(self).items() if name not in self._transient}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what ``state_dict()`` returned, PyTorch's too.

        The optimizer's own state dict holds the learning rates.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            ValueError: it is of another number of groups.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        rates = state_dict.get("_last_lr", state_dict.get("base_lrs"))
        groups = len(self.optimizer.param_groups)
        if rates is not None and len(rates) != groups:
            raise ValueError(f"load_state_dict: expected learning rates of {groups} groups, got {len(rates)}")
        vars(self).update(
            {name: own(value) for name, value in state_dict.items() if name not in self._transient}
        )


class _LRScheduler(LRScheduler):
    """The name that PyTorch's base class had before 2.0; older programs derive from it."""


@contextmanager
def _flag(scheduler: LRScheduler, name: str) -> Iterator[None]:
    setattr(scheduler, name, True)
    try:
        yield
    finally:
        delattr(scheduler, name)


def check_optimizer(optimizer: Any) -> None:
    """Raises TypeError for what is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def own(value: Any) -> Any:
    """A copy of a tensor, and of the lists and dicts around it: the optimizer changes its own in place."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: own(each) for key, each in value.items()}
    if isinstance(value, list):
        return [own(each) for each in value]
    return value


def values_of(optimizer: Optimizer, name: str) -> list[Any]:
    """The option of each group, tensors copied."""
    return [own(group[name]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], name: str, value: Any) -> None:
    """Sets an option of a group; a tensor keeps its identity and gets the value."""
    if isinstance(group[name], Tensor):
        group[name].fill_(float(value))
    else:
        group[name] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from one value or a list of them.

    Raises:
        ValueError: there are more or fewer than groups.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [own(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {groups}."
        )
    return [own(each) for each in value]
