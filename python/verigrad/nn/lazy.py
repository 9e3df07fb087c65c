"""Layers that learn the size of their input from the first one they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .._C import Tensor
from ..autograd import no_grad
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Sizes
from .linear import Linear
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .parameter import UninitializedBuffer, UninitializedParameter, UninitializedTensorMixin, is_lazy

if TYPE_CHECKING:
    from .module import Module

    _Base = Module
else:
    _Base = object

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyLinear",
    "LazyModuleMixin",
]


class LazyModuleMixin(_Base):
    """Makes a layer wait for its first input before it makes its parameters.

    A lazy class derives from this mixin and from the layer, in this order, holds ``UninitializedParameter``
    and ``UninitializedBuffer`` objects, and defines ``initialize_parameters``. The first call gives them
    shapes and values; after it the object is of the class ``cls_to_become``. Cast the model before that call,
    and hand its parameters to an optimizer after it. A state dict may be loaded before: the parameters take
    its shapes.
    """

    cls_to_become: type[Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_inferred = False

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives shapes and values to the parameters, for the arguments that ``forward`` will get.

        Raises:
            NotImplementedError: the subclass did not define it.
        """
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of the module itself has no shape yet."""
        return any(is_lazy(tensor) for kind in (self._parameters, self._buffers) for tensor in kind.values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._has_inferred:
            self._infer_parameters(*args, **kwargs)
            # The class may be another one now.
            return type(self).__call__(self, *args, **kwargs)
        return super().__call__(*args, **kwargs)

    def _infer_parameters(self, *args: Any, **kwargs: Any) -> None:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        if self.cls_to_become is None:
            self._has_inferred = True
        else:
            del self._has_inferred
            object.__setattr__(self, "__class__", self.cls_to_become)


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear that takes ``in_features`` from the last dimension of its first input.

    Args:
        out_features: size of the last dimension of the output.
        bias: whether to add a bias; default True.
        device: where the parameters live; default the CPU.
        dtype: of the parameters; default the default dtype.
    """

    cls_to_become = Linear
    weight: UninitializedParameter
    bias: UninitializedParameter | None

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once their shapes are known."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes ``in_features`` from the input and draws the parameters."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            with no_grad():
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        elif self.in_features == 0:
            # Loaded from a state dict.
            self.in_features = self.weight.shape[-1]


class _LazyConv(LazyModuleMixin):
    """What the lazy convolutions share: they take ``in_channels`` from their first input."""

    in_channels: int
    out_channels: int
    groups: int
    transposed: bool
    kernel_size: tuple[int, ...]
    weight: UninitializedParameter
    bias: UninitializedParameter | None
    _spatial: ClassVar[int]

    def _forget(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        """Puts parameters without a shape in place of the empty ones that the layer made."""
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once their shapes are known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Takes ``in_channels`` from the input and draws the parameters.

        Raises:
            RuntimeError: the input has neither a batch dimension nor is it a single sample.
            ValueError: channels are not divisible by ``groups``.
        """
        if not self.has_uninitialized_params():
            if self.in_channels == 0:
                # Loaded from a state dict.
                first, second = self.weight.shape[:2]
                self.in_channels = first if self.transposed else second * self.groups
            return
        if input.dim() not in (self._spatial + 1, self._spatial + 2):
            raise RuntimeError(
                f"Expected {self._spatial + 1}D (unbatched) or {self._spatial + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {tuple(input.shape)}"
            )
        channels = input.shape[-self._spatial - 1]
        for name, number in (("in_channels", channels), ("out_channels", self.out_channels)):
            if number % self.groups != 0:
                raise ValueError(f"{name} must be divisible by groups, got {number} and {self.groups}")
        self.in_channels = channels
        first, second = (channels, self.out_channels) if self.transposed else (self.out_channels, channels)
        with no_grad():
            self.weight.materialize((first, second // self.groups, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


class _LazyForward(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._forget(out_channels, bias, device, dtype)


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode
        )
        self._forget(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForward, Conv1d):  # type: ignore[misc]
    """A Conv1d that takes ``in_channels`` from its first input; the other arguments are those of Conv1d."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):  # type: ignore[misc]
    """A Conv2d that takes ``in_channels`` from its first input; the other arguments are those of Conv2d."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):  # type: ignore[misc]
    """A Conv3d that takes ``in_channels`` from its first input; the other arguments are those of Conv3d."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):  # type: ignore[misc]
    """A ConvTranspose1d that takes ``in_channels`` from its first input; other arguments as there."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):  # type: ignore[misc]
    """A ConvTranspose2d that takes ``in_channels`` from its first input; other arguments as there."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):  # type: ignore[misc]
    """A ConvTranspose3d that takes ``in_channels`` from its first input; other arguments as there."""

    cls_to_become = ConvTranspose3d


class _LazyBatchNorm(LazyModuleMixin):
    """What the lazy batch normalisations share: they take ``num_features`` from their first input."""

    num_features: int

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        for name, parameter in self._parameters.items():
            if parameter is not None:
                setattr(self, name, UninitializedParameter(device=device, dtype=dtype))
        for name in ("running_mean", "running_var"):
            if self._buffers[name] is not None:
                setattr(self, name, UninitializedBuffer(device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Sets parameters and statistics to their beginning, once their shapes are known."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes ``num_features`` from the second dimension of the input and makes parameters and statistics.

        Raises:
            ValueError: the input has another number of dimensions than the layer takes.
        """
        self._check_input_dim(input)
        tensors = [
            tensor
            for kind in (self._parameters, self._buffers)
            for tensor in kind.values()
            if tensor is not None
        ]
        # What a state dict gave a shape to; the number of batches has none.
        loaded = [tensor.shape[0] for tensor in tensors if not is_lazy(tensor) and tensor.dim() == 1]
        self.num_features = loaded[0] if loaded else input.shape[1]
        if self.has_uninitialized_params():
            for tensor in tensors:
                if isinstance(tensor, UninitializedTensorMixin):
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A BatchNorm1d that takes ``num_features`` from its first input; other arguments as there."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A BatchNorm2d that takes ``num_features`` from its first input; other arguments as there."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A BatchNorm3d that takes ``num_features`` from its first input; other arguments as there."""

    cls_to_become = BatchNorm3d
