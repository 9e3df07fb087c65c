"""Weight normalisation: length and direction of weights as parameters of their own."""

from __future__ import annotations

from typing import Any, TypeVar

from ..._C import Tensor
from .._hooks import Hook
from ..module import Module
from ..parameter import Parameter, is_lazy

__all__ = ["remove_weight_norm", "weight_norm"]

_M = TypeVar("_M", bound=Module)


class WeightNorm:
    """The hook that computes the weight before each call."""

    def __init__(self, name: str, dim: int) -> None:
        self.name = name
        self.dim = dim

    def compute_weight(self, module: Module) -> Tensor:
        """``g v / ||v||``."""
        return normed(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def normed(g: Tensor, v: Tensor, dim: int) -> Tensor:
    """``g v / ||v||``."""
    return v * (g / norm_except_dim(v, dim))


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """Euclidean norms over all dimensions but one, which keep their places; over all for -1, a 0-d tensor."""
    square = v * v
    if dim == -1:
        return square.sum().sqrt()
    if not 0 <= dim < v.dim():
        raise IndexError(f"weight_norm: expected dim within [-1, {v.dim() - 1}], got {dim}")
    others = [d for d in range(v.dim()) if d != dim]
    # Of a vector, each element has a norm of its own.
    return square.sum(others, True).sqrt() if others else square.sqrt()


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """Replaces a parameter by its length ``<name>_g`` and its direction ``<name>_v``; returns the module.

    Before each call the weight becomes ``g v / ||v||``. Salimans and Kingma 2016, "Weight Normalization"
    (arXiv 1602.07868), eq. 2. A row of zeros has no direction: its weight is NaN.

    Args:
        module: a layer.
        name: the parameter; default "weight".
        dim: the dimension that keeps a norm for each index, 0 by default, which is one for each output. None
            and -1 take one norm of all elements.

    Raises:
        RuntimeError: the parameter is normalised already.
        ValueError: the parameter has no shape yet.
        AttributeError: there is no such attribute.
        KeyError: the attribute is no parameter.
        IndexError: the parameter has no dimension ``dim``.
    """
    if _find(module, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `WeightNorm` can't have uninitialized parameters. "
            "Make sure to run the dummy forward before applying weight normalization"
        )
    if name not in module._parameters:
        raise KeyError(name)
    hook = WeightNorm(name, -1 if dim is None else dim)
    data = weight.detach()
    length = norm_except_dim(data, hook.dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(length))
    module.register_parameter(name + "_v", Parameter(data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Makes the weight an ordinary parameter again, with its present value; returns the module.

    Raises:
        ValueError: it is not normalised.
    """
    key = _find(module, name)
    if key is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    hooks: dict[int, Hook] = module._call_hooks or {}
    hook: Any = hooks[key].function
    weight = hook.compute_weight(module).detach()
    delattr(module, name)
    delattr(module, name + "_g")
    delattr(module, name + "_v")
    module.register_parameter(name, Parameter(weight))
    del hooks[key]
    return module


def _find(module: Module, name: str) -> int | None:
    for key, hook in (module._call_hooks or {}).items():
        if isinstance(hook.function, WeightNorm) and hook.function.name == name:
            return key
    return None
