"""`verigrad.utils.data` under the path of PyTorch's file."""

from verigrad.utils.data import *  # noqa: F403
from verigrad.utils.data import __all__ as __all__
