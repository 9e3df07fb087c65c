"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import cholesky, lazy_property, solve_lower

__all__ = ["MultivariateNormal"]


def _scale_of_precision(precision: Tensor) -> Tensor:
    """The Cholesky factor of the inverse: of the matrix turned by half a turn, turned back, inverted."""
    factor = cholesky(precision.flip(-2, -1)).flip(-2, -1).mT
    return solve_lower(factor, _C.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device))


class MultivariateNormal(Distribution):
    """exp(-(x - loc)^T covariance^-1 (x - loc) / 2) / sqrt((2 pi)^n det(covariance)).

    Args:
        loc: mean, [..., n].
        covariance_matrix, precision_matrix, scale_tril: one of them, [..., n, n]: the covariance, its
            inverse, or its lower Cholesky factor, which needs no work.
        validate_args: see `Distribution`.

    The factor is made of tensor ops, a column at a time: n in the hundreds takes a while.

    Raises:
        ValueError: none or several of the matrices are given, or one has fewer than two dimensions.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        named = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in named.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        shape = _C.broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc.shape[:-1]))
        self.loc = loc.expand(*shape, loc.shape[-1])
        self.__dict__[name] = matrix.expand(*shape, *matrix.shape[-2:])
        super().__init__(shape, loc.shape[-1:], validate_args=validate_args)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        if "covariance_matrix" in self.__dict__:
            return cholesky(self.covariance_matrix)
        return _scale_of_precision(self.precision_matrix)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        size = self._event_shape[0]
        inverse = solve_lower(self.scale_tril, _C.eye(size, dtype=self.loc.dtype, device=self.loc.device))
        return inverse.mT @ inverse

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.scale_tril**2).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        noise = _C.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        z = solve_lower(self.scale_tril, (self._checked(value) - self.loc).unsqueeze(-1)).squeeze(-1)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + (z**2).sum(-1)) - self._half_log_det()

    def entropy(self) -> Tensor:
        constant = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi))
        return (constant + self._half_log_det()).expand(self._batch_shape)
