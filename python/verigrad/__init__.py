"""verigrad: a verified deep-learning library with PyTorch's names.

Tensors, the computational graph and the kernels are native; every kernel has an independent reference and a gradient
check, which ``verigrad verify`` runs on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _C, autograd, nn, optim, utils
from ._C import (
    Generator,
    Size,
    Tensor,
    abs,
    add,
    all,
    allclose,
    amax,
    amin,
    any,
    arange,
    argmax,
    argmin,
    as_tensor,
    bmm,
    bool,
    cat,
    clone,
    concat,
    cos,
    default_generator,
    detach,
    device,
    div,
    dtype,
    empty,
    empty_like,
    eq,
    equal,
    exp,
    eye,
    flatten,
    float32,
    float64,
    floor_divide,
    from_numpy,
    full,
    full_like,
    gather,
    ge,
    get_default_dtype,
    get_num_threads,
    gt,
    index_add,
    index_copy,
    index_select,
    int32,
    int64,
    is_grad_enabled,
    is_inference_mode_enabled,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    linspace,
    log,
    log_softmax,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    masked_fill,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    mm,
    mul,
    narrow,
    ne,
    neg,
    nonzero,
    ones,
    ones_like,
    permute,
    pow,
    prod,
    promote_types,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    reciprocal,
    relu,
    remainder,
    reshape,
    result_type,
    return_types,
    scatter_add,
    select,
    set_default_dtype,
    set_num_threads,
    sigmoid,
    sign,
    sin,
    softmax,
    sqrt,
    squeeze,
    stack,
    sub,
    sum,
    t,
    tanh,
    tensor,
    transpose,
    true_divide,
    uint8,
    unbind,
    unsqueeze,
    where,
    zeros,
    zeros_like,
)
from ._random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from ._tensor_str import set_printoptions, tensor_str
from .autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from .serialization import load, save

# PyTorch's other names. They stand last: inside this module they hide Python's own.
multiply = mul
subtract = sub
divide = div
negative = neg
absolute = abs
swapaxes = transpose
greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
float = float32
double = float64
int = int32
long = int64

Tensor.__repr__ = tensor_str  # type: ignore[method-assign]
Tensor.__str__ = tensor_str  # type: ignore[method-assign, assignment]

if TYPE_CHECKING:
    from . import data, testing, training, vision

_LAZY = ("data", "testing", "training", "vision")


def __getattr__(name: str) -> Any:
    """Submodules that programs may not need are imported on first use."""
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("verigrad")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def is_tensor(obj: object) -> _C.Tensor | Any:
    """Whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)
