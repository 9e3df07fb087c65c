"""Dropout."""

from __future__ import annotations

import warnings

from ..._C import Tensor
from ..._C import nn_functional as _native

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

alpha_dropout = _native.alpha_dropout
dropout = _native.dropout
feature_alpha_dropout = _native.feature_alpha_dropout


def _check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros whole channels with probability ``p`` and divides the others by ``1 - p``.

    Args:
        input: [C, L] or [N, C, L].
        p: the probability; default 0.5.
        training: if False the input itself is the result; default True.
        inplace: overwrite the input; default False.

    Raises:
        ValueError: ``p`` is outside of [0, 1].
        RuntimeError: the input has other than 2 or 3 dimensions.
    """
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d "
            "exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel "
            "dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.ndim == 3:
        return _native.feature_dropout(input, p, training, inplace)
    result = _native.feature_dropout(input.unsqueeze(0), p, training, inplace)
    return input if inplace else result.squeeze(0)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros whole channels with probability ``p`` and divides the others by ``1 - p`` (J. Tompson et al.,
    arXiv 1411.4280, section 3.2).

    Args:
        input: [N, C, H, W]. Other numbers of dimensions, at least 2, give a warning; 3 are taken as [N, C,
            L].
        p: the probability; default 0.5.
        training: if False the input itself is the result; default True.
        inplace: overwrite the input; default False.

    Raises:
        ValueError: ``p`` is outside of [0, 1].
        RuntimeError: the input has fewer than 2 dimensions.
    """
    _check_probability(p)
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input to dropout2d, which is deprecated and will result "
            "in an error in a future release. To retain the behavior and silence this warning, please use "
            "dropout instead. Note that dropout2d exists to provide channel-wise dropout on inputs with 2 "
            "spatial dimensions, a channel dimension, and an optional batch dimension (i.e. 3D or 4D "
            "inputs).",
            stacklevel=2,
        )
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel dim. "
            "This behavior will change in a future release to interpret the input as one without a batch "
            "dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please "
            "switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _native.feature_dropout(input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeros whole channels with probability ``p`` and divides the others by ``1 - p``.

    Args:
        input: [C, D, H, W] or [N, C, D, H, W]. Other numbers of dimensions, at least 1, give a warning.
        p: the probability; default 0.5.
        training: if False the input itself is the result; default True.
        inplace: overwrite the input; default False.

    Raises:
        ValueError: ``p`` is outside of [0, 1].
        RuntimeError: the input has no dimension.
    """
    _check_probability(p)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.ndim}-D input to dropout3d, which is deprecated and will result "
            "in an error in a future release. To retain the behavior and silence this warning, please use "
            "dropout instead. Note that dropout3d exists to provide channel-wise dropout on inputs with 3 "
            "spatial dimensions, a channel dimension, and an optional batch dimension (i.e. 4D or 5D "
            "inputs).",
            stacklevel=2,
        )
    if input.ndim == 5:
        return _native.feature_dropout(input, p, training, inplace)
    result = _native.feature_dropout(input.unsqueeze(0), p, training, inplace)
    return input if inplace else result.squeeze(0)
