"""`verigrad.data` under PyTorch's name, so that ``from verigrad.utils.data import DataLoader`` works."""

from verigrad.data import *  # noqa: F403
from verigrad.data import __all__ as __all__
