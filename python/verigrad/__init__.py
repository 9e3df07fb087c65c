"""verigrad: a verified deep-learning library with PyTorch's names.

Tensors, the computational graph and the kernels are native; every kernel has an independent reference and a
gradient check, which ``verigrad verify`` runs on this machine.

Every op that the core binds is a function here (see ``_ops``); other names come from the modules below.
"""

from __future__ import annotations

from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING, Any

from . import _C as _C
from . import _absent, _einops, _exchange, _methods, _tensor_str, _types
from . import autograd as autograd
from . import cuda as cuda
from . import linalg as linalg
from . import nn as nn
from . import optim as optim
from . import utils as utils
from ._C import Tensor as Tensor
from ._composed import *  # noqa: F403
from ._count_draws import *  # noqa: F403
from ._draws import *  # noqa: F403
from ._environment import *  # noqa: F403
from ._exchange import from_dlpack as from_dlpack
from ._ops import *  # type: ignore[no-redef]  # noqa: F403
from ._random import *  # noqa: F403
from ._storage import layout as layout
from ._storage import strided as strided
from ._tensor_str import set_printoptions as set_printoptions
from ._types import *  # noqa: F403
from .autograd._modes import *  # noqa: F403
from .linalg import _names as _linalg_names
from .linalg._names import *  # noqa: F403
from .nn.functional import _names as _functional_names
from .nn.functional._names import *  # noqa: F403
from .serialization import load as load
from .serialization import save as save

newaxis = None
FloatTensor = _types.CPU_TYPES["FloatTensor"]
DoubleTensor = _types.CPU_TYPES["DoubleTensor"]
LongTensor = _types.CPU_TYPES["LongTensor"]
IntTensor = _types.CPU_TYPES["IntTensor"]
ByteTensor = _types.CPU_TYPES["ByteTensor"]
BoolTensor = _types.CPU_TYPES["BoolTensor"]

Tensor.__repr__ = _tensor_str.tensor_str  # type: ignore[method-assign]
Tensor.__format__ = _tensor_str.tensor_format  # type: ignore[method-assign]
Tensor.__array_wrap__ = _exchange.array_wrap  # type: ignore[method-assign]
_methods.attach()
_linalg_names.attach()
_functional_names.attach()
_absent.hide_absent_methods()
_einops.attach()

# PyTorch's other names. They stand last: inside this module they hide Python's own.
concat = concatenate = _C.cat
row_stack = _C.vstack
fill_ = Tensor.fill_
zero_ = Tensor.zero_
float = _C.float32
double = _C.float64
int = _C.int32
long = _C.int64

if TYPE_CHECKING:
    from . import accelerator as accelerator
    from . import amp as amp
    from . import backends as backends
    from . import compat as compat
    from . import data as data
    from . import distributions as distributions
    from . import func as func
    from . import jit as jit
    from . import multiprocessing as multiprocessing
    from . import onnx as onnx
    from . import special as special
    from . import testing as testing
    from . import training as training
    from . import version as version
    from . import vision as vision
    from . import viz as viz
    from .amp import GradScaler as GradScaler
    from .amp import autocast as autocast

# Imported on first use.
_LAZY = (
    "accelerator",
    "amp",
    "backends",
    "compat",
    "data",
    "distributions",
    "func",
    "jit",
    "multiprocessing",
    "onnx",
    "special",
    "testing",
    "training",
    "version",
    "vision",
    "viz",
)
_HELPERS = {"Any", "TYPE_CHECKING", "annotations"}
__all__ = sorted({name for name in globals() if not name.startswith("_")} - _HELPERS | {*_LAZY})


def __getattr__(name: str) -> Any:
    """What programs may not need, and what verigrad refuses by its name."""
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("GradScaler", "autocast"):
        return getattr(importlib.import_module(f"{__name__}.amp"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("verigrad")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_absent.why_absent(name)}")
