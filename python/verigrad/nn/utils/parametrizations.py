"""Parametrizations to register: orthogonal matrices, spectral and weight normalisation.

Each is registered by `nn.utils.parametrize.register_parametrization` and removed by
`remove_parametrizations`; state dicts are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ... import _C, linalg
from ..._C import Tensor
from ...autograd import no_grad
from ...linalg._functions import geqrf
from ..functional import normalize
from ..module import Module
from .parametrize import is_parametrized, register_parametrization
from .spectral_norm import as_matrix, dimension_of_outputs
from .weight_norm import norm_except_dim, normed

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_M = TypeVar("_M", bound=Module)


def _tensor_of(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# -- orthogonal matrices -------------------------------------------------------------------------------------


def _skew(tall: Tensor) -> Tensor:
    """The skew-symmetric matrix [*, n, n] whose first columns have the lower triangle of [*, n, k]."""
    n, k = tall.shape[-2:]
    lower = tall.tril()
    if n != k:
        lower = _C.cat([lower, lower.new_zeros((*lower.shape[:-1], n - k))], dim=-1)
    return lower - lower.transpose(-2, -1)


def _by_exponential(tall: Tensor) -> Tensor:
    return linalg.matrix_exp(_skew(tall))[..., : tall.shape[-1]]


def _by_cayley(tall: Tensor) -> Tensor:
    half = _skew(tall) / 2
    one = _C.eye(half.shape[-1], dtype=half.dtype, device=half.device)
    return linalg.solve(one - half, one + half)[..., : tall.shape[-1]]


def _by_reflections(tall: Tensor) -> Tensor:
    below = tall.tril(-1)
    tau = 2 / (1 + below.square().sum(-2))
    # The diagonal has the signs of the columns, 1 and -1, which are not trained.
    signs = tall.detach().diagonal(dim1=-2, dim2=-1).trunc().unsqueeze(-2)
    return linalg.householder_product(below, tau) * signs


_MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "matrix_exp": _by_exponential,
    "cayley": _by_cayley,
    "householder": _by_reflections,
}


# What the maps need of linalg that is for the CPU alone.
_NEEDED = {"cayley": "linalg.solve", "householder": "linalg.householder_product"}


def _check_device(orthogonal_map: str, tensor: Tensor) -> None:
    if orthogonal_map in _NEEDED and not tensor.is_cpu:
        raise NotImplementedError(
            f"orthogonal: expected a tensor on the CPU for the map {orthogonal_map!r}, which needs "
            f"{_NEEDED[orthogonal_map]}, got one on {tensor.device}; use orthogonal_map='matrix_exp'"
        )


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    one = _C.eye(k, dtype=q.dtype, device=q.device)
    epsilon = 2.0 ** (-23 if q.dtype == _C.float32 else -52)
    return _C.allclose(q.transpose(-2, -1) @ q, one, atol=10.0 * n * epsilon)


def _orthogonal_factor(tall: Tensor) -> Tensor:
    """Q of ``tall`` = Q R, where the diagonal of R is positive."""
    q, r = linalg.qr(tall.cpu())  # where LAPACK is; this is done once
    factor: Tensor = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    return factor.to(tall.device)


class _Orthogonal(Module):
    """Matrices, or batches of them, with orthonormal columns, or rows where these are fewer."""

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        _check_device(self.orthogonal_map, X)
        wide = X.shape[-2] < X.shape[-1]
        q = _MAPS[self.orthogonal_map](X.transpose(-2, -1) if wide else X)
        base = getattr(self, "base", None)
        if base is not None:
            q = base @ q
        return q.transpose(-2, -1) if wide else q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.transpose(-2, -1) if wide else Q
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            found = _reflections_of(tall)
            return found.transpose(-2, -1) if wide else found
        n, k = tall.shape[-2:]
        if n != k:
            # Completed to a basis of the whole space.
            others = tall.new_empty((*tall.shape[:-1], n - k)).normal_()
            self.base = _orthogonal_factor(_C.cat([tall, others], dim=-1))
        else:
            self.base = tall.clone() if _is_orthogonal(tall) else _orthogonal_factor(tall)
        # The map of this is the identity, also that by reflections, which takes the signs for columns.
        return -_C.eye(*Q.shape[-2:], dtype=Q.dtype, device=Q.device).expand(Q.shape).clone()


def _reflections_of(tall: Tensor) -> Tensor:
    """Reflections below the diagonal and signs on it, from which `_by_reflections` makes Q of QR."""
    packed: Tensor
    packed, tau = geqrf(tall)
    diagonal = packed.diagonal(dim1=-2, dim2=-1)
    # Where LAPACK needs no reflection, tau is 0; the map makes of a column of zeros one that changes a sign.
    diagonal.copy_(_C.where(tau == 0, -diagonal.sign(), diagonal.sign()))
    return packed


def orthogonal(
    module: _M,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> _M:
    """Makes a matrix, or a batch of them, orthogonal; returns the module.

    Q'Q is I, or QQ' where the matrix is wide. What is trained makes Q by one of three maps; A is the
    skew-symmetric matrix with the lower triangle of what is trained:

    - ``"matrix_exp"``: exp(A);
    - ``"cayley"``: (I - A/2)^-1 (I + A/2);
    - ``"householder"``: a product of reflections.

    With trivialisations (M. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds",
    NeurIPS 2019, arXiv 1909.09501) Q is that times the buffer ``parametrizations.<name>.0.base``. It begins
    as the weight if this is orthogonal, else as the Q of its QR decomposition; so does ``"householder"``
    without them. A weight that is parametrized already is mapped as it is.

    On a CUDA device only ``"matrix_exp"`` works: the others need `linalg.solve` and
    `linalg.householder_product`, which are for the CPU.

    Args:
        module: the module.
        name: its tensor, of at least two dimensions; default "weight".
        orthogonal_map: default "matrix_exp" for square matrices, else "householder".
        use_trivialization: default True.

    Raises:
        ValueError: no such tensor, fewer than two dimensions, an unknown map; in an assignment, another
            shape.
        NotImplementedError: in an assignment, for the first two maps without trivialisations; a CUDA tensor
            and another map than "matrix_exp".
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    _check_device(orthogonal_map, weight)
    orth = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, orth, unsafe=True)


# -- weight normalisation ------------------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normed(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


class _OldKeys:
    """Before loading, gives the keys of `nn.utils.weight_norm` those of the parametrization."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        old = [f"{prefix}{self.name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old) and is_parametrized(module, self.name):
            for number, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{self.name}.original{number}"] = state_dict.pop(key)


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """The weight becomes ``g v / ||v||``, of its length g and its direction v; returns the module.

    Salimans and Kingma 2016, "Weight Normalization" (arXiv 1602.07868), eq. 2. The length is
    ``parametrizations.<name>.original0``, the direction ``original1``. State dicts of `nn.utils.weight_norm`
    are loaded as well. A row of zeros has no direction: its weight is NaN.

    Args:
        module: a layer.
        name: the parameter; default "weight".
        dim: the dimension that keeps a norm for each index, 0 by default, which is one for each output. None
            and -1 take one norm of all elements.

    Raises:
        ValueError: there is no such tensor.
        IndexError: it has no dimension ``dim``.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module.register_load_state_dict_pre_hook(_OldKeys(name))
    return module


# -- spectral normalisation ----------------------------------------------------------------------------------


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                    vector = matrix.new_empty((size,)).normal_()
                    self.register_buffer(name, normalize(vector, dim=0, eps=eps))
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Tensor, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u.copy_(normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(normalize(matrix.t() @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # The graph keeps copies: the next reading changes the buffers, perhaps before the backward pass.
        sigma = _C.dot(self._u.clone(), matrix @ self._v.clone())
        return weight / sigma

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: _M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _M:
    """The weight becomes itself divided by its largest singular value; returns the module.

    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks" (arXiv 1802.05957), eq. 8
    and algorithm 1. The weight is seen as a matrix with one row for each output; a vector is divided by its
    length. The buffers ``parametrizations.<name>.0._u`` and ``_v`` hold estimates of the singular vectors:
    they begin with 15 steps of the power iteration, and come closer whenever the weight is read in training
    mode.

    Args:
        module: a layer.
        name: the parameter; default "weight".
        n_power_iterations: steps of the power iteration at each reading; default 1.
        eps: the least length that vectors are divided by; default 1e-12.
        dim: the dimension of the outputs; default 0, and 1 for ConvTranspose.

    Raises:
        ValueError: there is no such tensor, or ``n_power_iterations`` is not positive.
        IndexError: it has no dimension ``dim``.
    """
    weight = _tensor_of(module, name)
    if dim is None:
        dim = dimension_of_outputs(module)
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
