"""Spectral normalisation: weights divided by their largest singular value."""

from __future__ import annotations

from typing import Any, TypeVar

from ... import _C
from ..._C import Tensor
from ...autograd import no_grad
from .._hooks import Hook
from ..module import Module
from ..parameter import Parameter, is_lazy

__all__ = ["remove_spectral_norm", "spectral_norm"]

_TRANSPOSED = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")

_M = TypeVar("_M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as the matrix [size of ``dim``, the rest]."""
    if dim != 0:
        weight = weight.permute(dim, *[d for d in range(weight.dim()) if d != dim])
    return weight.reshape(weight.shape[0], -1)


def dimension_of_outputs(module: Module) -> int:
    """Which dimension of its weight has one index for each output."""
    return 1 if any(cls.__name__ in _TRANSPOSED for cls in type(module).__mro__) else 0


class SpectralNorm:
    """The hook that computes the weight before each call."""

    # PyTorch's version of the layout: ``<name>_orig``, ``<name>_u`` and ``<name>_v``.
    _version = 1

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight with a row for each output."""
        return as_matrix(weight, self.dim)

    def normalized(self, vector: Tensor) -> Tensor:
        """``vector / max(||vector||, eps)``."""
        length = (vector * vector).sum().sqrt()
        return vector / length.clamp(min=self.eps)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """``W / (u^T W v)``, after steps of the power iteration if asked for; u and v are constants of it."""
        weight: Tensor = getattr(module, self.name + "_orig")
        u: Tensor = getattr(module, self.name + "_u")
        v: Tensor = getattr(module, self.name + "_v")
        matrix = self.matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(self.normalized(matrix.t() @ u))
                    u.copy_(self.normalized(matrix @ v))
        # The graph keeps copies: the next call changes the buffers, perhaps before the backward pass.
        sigma = (u.clone() * (matrix @ v.clone())).sum()
        return weight / sigma

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


class SpectralNormStateDictHook:
    """Notes the version in the metadata of a state dict, as PyTorch does."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def __call__(
        self, module: Module, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any]
    ) -> None:
        local_metadata.setdefault("spectral_norm", {})[self.hook.name + ".version"] = self.hook._version


def spectral_norm(
    module: _M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _M:
    """Divides a parameter by an estimate of its largest singular value before each call; returns the module.

    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks" (arXiv 1802.05957), eq. 8
    and algorithm 1. The weight is seen as a matrix with one row for each output. The parameter moves to
    ``<name>_orig``; the buffers ``<name>_u`` and ``<name>_v`` hold the singular vectors, begin at random and
    come closer by each call in training mode.

    Args:
        module: a layer.
        name: the parameter; default "weight".
        n_power_iterations: steps of the power iteration before each call; default 1.
        eps: the least length that vectors are divided by; default 1e-12.
        dim: the dimension of the outputs; default 0, and 1 for ConvTranspose.

    Raises:
        ValueError: ``n_power_iterations`` is not positive, or the parameter is None or has no shape yet.
        RuntimeError: the parameter is normalised already.
        KeyError: there is no such parameter.
        IndexError: the parameter has no dimension ``dim``.
    """
    if dim is None:
        dim = dimension_of_outputs(module)
    if n_power_iterations <= 0:
        raise ValueError(
            f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
        )
    if _find(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    if is_lazy(weight):
        raise ValueError(
            "The module passed to `SpectralNorm` can't have uninitialized parameters. "
            "Make sure to run the dummy forward before applying spectral normalization"
        )
    if not -weight.dim() <= dim < weight.dim():
        raise IndexError(
            f"spectral_norm: expected dim within [{-weight.dim()}, {weight.dim() - 1}], got {dim}"
        )
    hook = SpectralNorm(name, n_power_iterations, dim % weight.dim(), eps)
    with no_grad():
        rows, columns = hook.matrix(weight).shape
        u, v = (hook.normalized(_C.empty((size,), dtype=weight.dtype).normal_()) for size in (rows, columns))
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    # Until the first call the attribute holds the plain values.
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    module.register_state_dict_post_hook(SpectralNormStateDictHook(hook))
    return module


def remove_spectral_norm(module: _M, name: str = "weight") -> _M:
    """Makes the normalised weight an ordinary parameter again; returns the module.

    Raises:
        ValueError: it is not normalised.
    """
    key = _find(module, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    hooks: dict[int, Hook] = module._call_hooks or {}
    hook: Any = hooks[key].function
    with no_grad():
        weight = hook.compute_weight(module, do_power_iteration=False)
    for suffix in ("", "_u", "_v", "_orig"):
        delattr(module, name + suffix)
    module.register_parameter(name, Parameter(weight.detach()))
    del hooks[key]
    state_hooks: dict[int, Hook] = module._state_hooks or {}
    for number, other in list(state_hooks.items()):
        if isinstance(other.function, SpectralNormStateDictHook) and other.function.hook.name == name:
            del state_hooks[number]
    return module


def _find(module: Module, name: str) -> int | None:
    for key, hook in (module._call_hooks or {}).items():
        if isinstance(hook.function, SpectralNorm) and hook.function.name == name:
            return key
    return None
