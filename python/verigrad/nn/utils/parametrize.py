"""Parametrizations: a parameter computed, whenever it is read, from others by modules.

The module becomes one of a class derived from its own, ``ParametrizedLinear``, which has a property for each
parametrized tensor. What the property computes from lies in ``module.parametrizations.<name>``.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..._C import Tensor
from ...autograd import no_grad
from .._registry import MODULES, check_name, forget
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_M = TypeVar("_M", bound=Module)


class _Cache(threading.local):
    """What this thread has computed within `cached`, by its `ParametrizationList`."""

    depth = 0

    def __init__(self) -> None:
        self.tensors: dict[ParametrizationList, Tensor] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Within it, each parametrized tensor is computed when it is first read, and kept until the end.

    For tensors that a forward pass reads often, as a recurrent cell does at each step. It holds for the
    thread that enters it. Assigning to a tensor, and changing its parametrizations, drops what was kept of
    it; a change of the original in place, by an optimizer for one, does not.
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.tensors = {}


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what the first of them takes.

    `register_parametrization` makes it and puts it at ``module.parametrizations.<name>``. Where the
    ``right_inverse`` of the first parametrization gives several tensors they are ``original0``,
    ``original1``, ..., else the tensor is ``original``.

    Args:
        modules: the parametrizations, in the order of their calls.
        original: the parameter or buffer they are registered for. It stays the same object, with the value
            that ``right_inverse`` gives.
        unsafe: allow a change of shape or dtype, and check nothing; default False.

    Raises:
        ValueError: no modules; ``right_inverse`` or the parametrization gives no tensor, or one of another
            dtype, device or shape than the original.
        RuntimeError: the original has no shape yet.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        dtype, shape = original.dtype, original.shape
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                new = _inverted(module, new)
            self.is_tensor = isinstance(new, Tensor)
            values = _as_tensors(new)
            self.ntensors = len(values)
            if self.is_tensor:
                _check_same("dtype", dtype, new.dtype)
                _check_same("device", original.device, new.device)
            if not unsafe:
                _check_value(self._composed(values), dtype, shape, *_FIRST)
            # Nothing has been changed up to here.
            if self.is_tensor:
                _set(original, new)
        if self.is_tensor:
            _register(self, "original", original)
            return
        for number, value in enumerate(values):
            if isinstance(original, Parameter):
                value = Parameter(value, original.requires_grad)
            else:
                value = value.detach().requires_grad_(original.requires_grad)
            _register(self, f"original{number}", value)

    def _places(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def _originals(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._places()]

    def _composed(self, originals: Sequence[Tensor]) -> Any:
        first, *others = self
        value = first(*originals)
        for module in others:
            value = module(value)
        return value

    def forward(self) -> Tensor:
        """The tensor as its parametrizations compute it."""
        found: Tensor = self._composed(self._originals())
        return found

    def right_inverse(self, value: Tensor) -> None:
        """Gives the originals the values from which the parametrizations compute ``value``, or what their
        ``right_inverse`` takes for it; this is what an assignment to the tensor does.

        Raises:
            RuntimeError: a parametrization has no ``right_inverse``.
            ValueError: the result has another number of tensors, or other dtypes, than the originals.
        """
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            originals = self._originals()
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
                if new.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {new.dtype} while `original` has "
                        f"dtype {self.original.dtype}"
                    )
                new = (new,)
            else:
                _check_sequence(new, originals)
            for original, one in zip(originals, new, strict=True):
                _set(original, one)
        _cache.tensors.pop(self, None)


def _inverted(module: Module, value: Any) -> Any:
    """Its ``right_inverse`` of the value; without one, or one that is not implemented, the value."""
    if hasattr(module, "right_inverse"):
        try:
            return module.right_inverse(value)
        except NotImplementedError:
            pass
    return value


def _as_tensors(value: Any) -> Sequence[Tensor]:
    if isinstance(value, Tensor):
        return (value,)
    expected = "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
    if not isinstance(value, Sequence):
        raise ValueError(f"{expected}{type(value).__name__}")
    for number, one in enumerate(value):
        if not isinstance(one, Tensor):
            raise ValueError(f"{expected}element {number} of the sequence with type {type(one).__name__}.")
    return value


def _check_same(what: str, old: Any, new: Any) -> None:
    if old != new:
        raise ValueError(
            f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
            f"original.{what}: {old}\nright_inverse(original).{what}: {new}"
        )


# What the tensor is called before and with the parametrization.
_FIRST = ("unparametrized {}", "parametrized {}")


def _check_value(value: Any, dtype: Any, shape: Any, before: str, after: str) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for what, old, new in (("dtype", dtype, value.dtype), ("shape", shape, value.shape)):
        if old != new:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` "
                f"flag is enabled.\n{before.format(what)}: {old}\n{after.format(what)}: {new}"
            )


def _check_sequence(value: Any, originals: Sequence[Tensor]) -> None:
    if isinstance(value, Tensor) or not isinstance(value, Sequence):
        raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
    if len(value) != len(originals):
        raise ValueError(
            f"'right_inverse' must return a sequence of tensors of length {len(originals)}. Got a sequence "
            f"of length {len(value)}."
        )
    for number, (one, original) in enumerate(zip(value, originals, strict=True)):
        if not isinstance(one, Tensor):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got element {number} of type "
                f"{type(one).__name__}."
            )
        if one.dtype != original.dtype:
            raise ValueError(
                f"Tensor {number} returned by `right_inverse` has dtype {one.dtype} while "
                f"`original{number}` has dtype {original.dtype}"
            )


def _set(tensor: Tensor, value: Tensor) -> None:
    """Gives a tensor other memory: it stays the object that an optimizer knows."""
    if value is tensor:
        return
    for what in ("dtype", "device"):
        if getattr(value, what) != getattr(tensor, what):
            raise RuntimeError(
                f"parametrize: expected a tensor with {what} {getattr(tensor, what)} in place of the "
                f"original, got {getattr(value, what)}"
            )
    if tensor.grad is not None and tensor.grad.shape != value.shape:
        tensor.grad = None
    tensor.data = value.detach()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


# -- the class of a parametrized module ----------------------------------------------------------------------

# By the class before and the names of the tensors. Classes do not change once they are made, so copies of a
# module may share one.
_classes: weakref.WeakValueDictionary[tuple[type, tuple[str, ...]], type] = weakref.WeakValueDictionary()


def _property(name: str) -> property:
    def value(self: Module) -> Tensor:
        parametrization: Any = self.parametrizations[name]
        if not _cache.depth:
            found: Tensor = parametrization()
            return found
        if parametrization not in _cache.tensors:
            _cache.tensors[parametrization] = parametrization()
        return _cache.tensors[parametrization]

    def assign(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(value, assign)


def _remade(base: type, names: tuple[str, ...], function: Callable[..., Any], *args: Any) -> Any:
    """What pickle makes and then fills in: an object of the class before, whose class is changed."""
    module = function(*args)
    for name in names:  # those that a constructor made
        forget(module.__dict__, name)
        module.__dict__.pop(name, None)
    module.__class__ = _parametrized(base, names)
    return module


def _parametrized(base: type, names: tuple[str, ...]) -> type:
    """The class derived from ``base`` that has a property for each of the names."""
    known = _classes.get((base, names))
    if known is not None:
        return known

    def reduce(self: Any, protocol: Any) -> Any:
        found: Any = super(made, self).__reduce_ex__(protocol)
        if isinstance(found, str):
            return found
        function, args, *rest = found
        # The class has no name by which pickle would find it again.
        parts = [base if one is made else one for one in (function, *args)]
        return (_remade, (base, names, *parts), *rest)

    def shallow(self: Any) -> Any:
        # Registers and forgets parametrizations on its own, as a copied module does with its attributes.
        other = super(made, self).__copy__()
        other.__dict__["parametrizations"] = copy.copy(self.parametrizations)
        return other

    attributes: dict[str, Any] = {name: _property(name) for name in names}
    attributes |= {"__reduce_ex__": reduce, "__copy__": shallow, "__module__": base.__module__}
    attributes["_before_parametrizations"] = base
    made: Any = type(f"Parametrized{base.__name__}", (base,), attributes)
    _classes[base, names] = made
    kind: type = made
    return kind


def _install(module: Module, name: str, chain: ParametrizationList) -> None:
    """Puts a chain in the place of a tensor."""
    delattr(module, name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[name] = chain
    _adapt_class(module)


def _adapt_class(module: Module) -> None:
    """Gives the module the class that fits what `module.parametrizations` holds."""
    base = type_before_parametrizations(module)
    names = tuple(sorted(module.parametrizations)) if is_parametrized(module) else ()
    module.__class__ = _parametrized(base, names) if names else base


# -- for users -----------------------------------------------------------------------------------------------


def register_parametrization(
    module: _M, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> _M:
    """From now on ``module.<tensor_name>`` is ``parametrization`` of what was there; returns the module.

    The original lies in ``module.parametrizations.<tensor_name>.original``, under which name the state dict
    and optimizers find it; gradients go to it. Further parametrizations of a tensor take what those before
    compute. A parametrization with a method ``right_inverse(value)`` lets one assign to the tensor; the
    originals begin with what it gives for the present value, and without it with that value. The first
    parametrization may take several tensors; ``right_inverse`` then gives a sequence of them, which become
    ``original0``, ``original1``, ... These are new parameters, which an optimizer does not know.

    Args:
        module: the module.
        tensor_name: its parameter, buffer or parametrized tensor.
        parametrization: a module that takes a tensor and gives one of the same shape and dtype. It is put
            into the mode, training or evaluation, of ``module``.
        unsafe: allow it to change shape or dtype, and check nothing; default False.

    Raises:
        TypeError: ``parametrization`` is no Module.
        ValueError: there is no such tensor; the parametrization, or its ``right_inverse``, gives no tensor,
            or one of another dtype or shape. The module is as before then.
        RuntimeError: the tensor has no shape yet.
    """
    if not isinstance(parametrization, Module):
        raise TypeError(
            "register_parametrization: expected parametrization to be a Module, got "
            f"{type(parametrization).__name__}"
        )
    modes = [(each, each.training) for each in parametrization.modules()]
    parametrization.train(module.training)
    try:
        _register_checked(module, tensor_name, parametrization, unsafe)
    except BaseException:
        for each, training in modes:
            each.training = training
        raise
    return module


def _register_checked(module: Module, name: str, parametrization: Module, unsafe: bool) -> None:
    if is_parametrized(module, name):
        if not unsafe:
            _check_further(module, name, parametrization)
        chain: Any = module.parametrizations[name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
        _cache.tensors.pop(chain, None)
    elif name in module._buffers or name in module._parameters:
        chains = module.parametrizations if is_parametrized(module) else ModuleDict()
        check_name(chains, "module", MODULES, name)
        chain = ParametrizationList([parametrization], getattr(module, name), unsafe=unsafe)
        _install(module, name, chain)
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{name}'"
        )


def _check_further(module: Module, name: str, parametrization: Any) -> None:
    present = getattr(module, name)
    place = f"module.{name}"
    value = parametrization(present)
    _check_value(value, present.dtype, present.shape, f"{place}.{{}}", f"parametrization({place}).{{}}")
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(value)
    except NotImplementedError:
        return
    if not isinstance(inverse, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}")
    for what in ("dtype", "shape"):
        if getattr(inverse, what) != getattr(present, what):
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as {place}, "
                f"unless the `unsafe` flag is enabled.\n{place}.{what}: {getattr(present, what)}\n"
                f"returned {what}: {getattr(inverse, what)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrization, or with ``tensor_name`` one of that tensor."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: _M, tensor_name: str, leave_parametrized: bool = True) -> _M:
    """Makes a tensor an ordinary parameter or buffer again; returns the module.

    Args:
        module: the module.
        tensor_name: its parametrized tensor.
        leave_parametrized: give it the value that the parametrizations compute now; False: that of
            ``original``. Default True. One ``original`` stays the same object. Of several originals a new
            parameter is made, or a buffer where none of them requires a gradient.

    Raises:
        ValueError: the tensor is not parametrized; without ``leave_parametrized``, there are several
            originals.
        RuntimeError: the value has another dtype than the original.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain: Any = module.parametrizations[tensor_name]
    if chain.is_tensor:
        original = chain.original
        if leave_parametrized:
            with no_grad():
                _set(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
            "of a sequence of tensors."
        )
    _cache.tensors.pop(chain, None)
    del module.parametrizations[tensor_name]
    _adapt_class(module)
    if not is_parametrized(module):
        del module.parametrizations
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of the module without its parametrizations."""
    kind = type(module)
    before: type = kind.__dict__.get("_before_parametrizations", kind)
    return before


def transfer_parametrizations_and_params(
    from_module: Module, to_module: _M, tensor_name: str | None = None
) -> _M:
    """Gives a module the parametrizations of another, and shares their parameters; returns ``to_module``.

    Args:
        from_module: the parametrized module; nothing happens if it is none.
        to_module: the module that takes them. Tensors that it does not have are added.
        tensor_name: only that of this tensor; default all.
    """
    if not is_parametrized(from_module):
        return to_module
    chains: Any = from_module.parametrizations
    for name in list(chains) if tensor_name is None else [tensor_name]:
        if not is_parametrized(to_module, name):
            if not hasattr(to_module, name):
                to_module.register_parameter(name, None)
            # No call of right_inverse: it might change the state of the modules that both have now.
            _install(to_module, name, copy.copy(chains[name]))
            continue
        for parametrization in chains[name]:
            register_parametrization(to_module, name, parametrization, unsafe=chains[name].unsafe)
        other: Any = to_module.parametrizations[name]
        for place in chains[name]._places():
            setattr(other, place, getattr(chains[name], place))
    return to_module
