"""Linear maps."""

from __future__ import annotations

import math

from ..._C import Tensor
from ..._C import nn_functional as _native

__all__ = ["bilinear", "linear"]

linear = _native.linear


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns ``y[k] = x1^T weight[k] x2 + bias[k]`` over the last dimensions.

    Args:
        input1: [*, in1_features].
        input2: [*, in2_features], the other dimensions equal to those of ``input1``.
        weight: [out_features, in1_features, in2_features].
        bias: [out_features]; default none.

    Returns:
        [*, out_features].

    Raises:
        RuntimeError: shapes or dtypes do not fit.
    """
    if input1.ndim != input2.ndim or input1.ndim == 0:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.shape} and {input2.shape}"
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {input1.shape} and {input2.shape}"
        )
    if weight.ndim != 3 or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise RuntimeError(
            f"bilinear(): input size does not match weight size: expected weight [out, {input1.shape[-1]}, "
            f"{input2.shape[-1]}] for inputs {input1.shape} and {input2.shape}, got {weight.shape}"
        )
    out, in1, in2 = weight.shape
    if bias is not None and tuple(bias.shape) != (out,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape} but expected [{out}]"
        )
    if not input1.dtype == input2.dtype == weight.dtype:
        raise RuntimeError(
            "bilinear(): All tensors must have the same dtype, "
            f"got input1: {input1.dtype}, input2: {input2.dtype}, weight: {weight.dtype}"
        )
    lead = input1.shape[:-1]
    batch = math.prod(lead)
    # x1^T weight[k] for every k at once, then one dot product with x2 for each.
    partial = input1.reshape(batch, in1) @ weight.transpose(0, 1).reshape(in1, out * in2)
    y = (partial.reshape(batch, out, in2) @ input2.reshape(batch, in2, 1)).reshape(*lead, out)
    return y if bias is None else y + bias
