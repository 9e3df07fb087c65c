"""Layers that learn the size of their input from the first one they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._C import Tensor
from ..autograd import no_grad
from .linear import Linear
from .parameter import UninitializedParameter, is_lazy

if TYPE_CHECKING:
    from .module import Module

    _Base = Module
else:
    _Base = object

__all__ = ["LazyLinear", "LazyModuleMixin"]


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
