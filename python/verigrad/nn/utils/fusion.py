"""Folding batch normalisation into the layer before it, for inference."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ..._C import Tensor
from ...autograd import no_grad
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

_M = TypeVar("_M")


def fuse_conv_bn_eval(conv: _M, bn: Any, transpose: bool = False) -> _M:
    """Returns one convolution that computes ``bn(conv(x))``, equal within rounding.

    Args:
        conv: a convolution in evaluation mode; it is left as it is, the result is a copy.
        bn: batch normalisation in evaluation mode with running statistics.
        transpose: whether ``conv`` is a transposed convolution, whose output channels are the second
            dimension of its weight; default False.

    Raises:
        AssertionError: one of them is in training mode, or ``bn`` has no running statistics.
    """
    fused: Any = _copy_for_fusion(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    result: _M = fused
    return result


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Returns weight and bias of a convolution followed by batch normalisation.

    With ``s = bn_w / sqrt(bn_rv + bn_eps)`` they are ``conv_w * s`` and ``(conv_b - bn_rm) * s + bn_b``.

    Args:
        conv_w: weight [out, in / groups, ...]; with ``transpose`` [in, out, ...], of one group.
        conv_b: bias [out] or None.
        bn_rm, bn_rv: running mean and variance [out].
        bn_eps: what is added to the variance.
        bn_w, bn_b: weight and bias of the normalisation [out], or None for 1 and 0.
        transpose: see ``conv_w``.
    """
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return _fuse(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: _M, bn: Any) -> _M:
    """Returns one linear layer that computes ``bn(linear(x))``, equal within rounding.

    Args:
        linear: a linear layer in evaluation mode; it is left as it is, the result is a copy.
        bn: batch normalisation in evaluation mode with running statistics, of as many features as ``linear``
            has outputs, or of one.

    Raises:
        AssertionError: one of them is in training mode, ``bn`` has no running statistics, or the numbers of
            features differ.
    """
    fused: Any = _copy_for_fusion(linear, bn)
    if bn.num_features not in (fused.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={fused.out_features} and bn.num_features={bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    result: _M = fused
    return result


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Returns weight and bias of a linear layer followed by batch normalisation; arguments as for
    ``fuse_conv_bn_weights``, the weight is [out, in]."""
    return _fuse(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _copy_for_fusion(module: Any, bn: Any) -> Any:
    if module.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return copy.deepcopy(module)


def _fuse(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    bn_weight: Tensor | None,
    bn_bias: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:
    """`shape` broadcasts a vector over the output channels of the weight."""
    with no_grad():
        scale = 1.0 / (var + eps).sqrt()
        if bn_weight is not None:
            scale = scale * bn_weight
        shift = -mean if bias is None else bias - mean
        shift = shift * scale
        if bn_bias is not None:
            shift = shift + bn_bias
        channels = weight.shape[shape.index(-1)]
        if shift.shape[0] != channels:  # one feature stands for all outputs
            shift = shift.expand(channels).contiguous()
        fused = (weight * scale.reshape(shape)).to(weight.dtype)
        shift = shift.to(weight.dtype if bias is None else bias.dtype)
    learns = bias is not None and bias.requires_grad
    return Parameter(fused.detach(), weight.requires_grad), Parameter(shift.detach(), learns)
