"""The layers of einops as Modules: ``einops.layers.torch`` by another name.

The functions of einops take verigrad's tensors as they are. Importing this file imports einops.

Raises:
    ImportError: einops is not installed (it comes with the extra "einops").
"""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from ..nn import Module, Parameter
from ._extras import require

__all__ = ["EinMix", "Rearrange", "Reduce"]

_layers = require("einops.layers", "einops", "einops", "verigrad.utils.einops")
_einmix = require("einops.layers._einmix", "einops", "einops", "verigrad.utils.einops")
_Rearranging: Any = _layers.RearrangeMixin
_Reducing: Any = _layers.ReduceMixin
_Mixing: Any = _einmix._EinmixMixin


class Rearrange(_Rearranging, Module):  # type: ignore[misc]
    """``einops.rearrange`` as a layer.

    Args:
        pattern: such as ``"b c h w -> b (c h w)"``.
        axes_lengths: sizes of axes, by their names.

    Raises:
        EinopsError: the pattern is wrong; in ``forward``, the input does not fit it.
    """

    def forward(self, input: Tensor) -> Any:
        return self._apply_recipe(input)


class Reduce(_Reducing, Module):  # type: ignore[misc]
    """``einops.reduce`` as a layer.

    Args:
        pattern: such as ``"b c (h 2) (w 2) -> b c h w"``.
        reduction: "min", "max", "sum", "mean" or "prod".
        axes_lengths: sizes of axes, by their names.

    Raises:
        EinopsError: the pattern is wrong; in ``forward``, the input does not fit it.
    """

    def forward(self, input: Tensor) -> Any:
        return self._apply_recipe(input)


class EinMix(_Mixing, Module):  # type: ignore[misc]
    """An einsum of the input and a weight, a linear layer over axes that the pattern names.

    Both parameters begin uniform: the weight within ``(3 / n)**0.5`` and the bias within ``(1 / n)**0.5``,
    where n elements are mixed.

    Args:
        pattern: of the input and the output, such as ``"t b c_in -> t b c_out"``.
        weight_shape: the axes of the weight, such as ``"c_in c_out"``.
        bias_shape: the axes of the bias; default None, which means without one.
        axes_lengths: the sizes of the axes of both, by their names.

    Raises:
        EinopsError: the pattern is wrong, or sizes are missing.
    """

    def _create_parameters(
        self, weight_shape: Any, weight_bound: float, bias_shape: Any, bias_bound: float
    ) -> None:
        self.weight = Parameter(_C.empty(weight_shape).uniform_(-weight_bound, weight_bound))
        if bias_shape is None:
            self.bias = None
        else:
            self.bias = Parameter(_C.empty(bias_shape).uniform_(-bias_bound, bias_bound))

    def _create_rearrange_layers(
        self,
        pre_reshape_pattern: str | None,
        pre_reshape_lengths: dict[str, int] | None,
        post_reshape_pattern: str | None,
        post_reshape_lengths: dict[str, int] | None,
    ) -> None:
        layer: Any = Rearrange
        self.pre_rearrange = self.post_rearrange = None
        if pre_reshape_pattern is not None:
            self.pre_rearrange = layer(pre_reshape_pattern, **(pre_reshape_lengths or {}))
        if post_reshape_pattern is not None:
            self.post_rearrange = layer(post_reshape_pattern, **(post_reshape_lengths or {}))

    def forward(self, input: Tensor) -> Any:
        if self.pre_rearrange is not None:
            input = self.pre_rearrange(input)
        result = _C.einsum(self.einsum_pattern, input, self.weight)
        if self.bias is not None:
            result = result + self.bias
        return result if self.post_rearrange is None else self.post_rearrange(result)
