"""What the core binds, as the package shows it: every op is a function, without a list to keep."""

from __future__ import annotations

from ._C import *  # noqa: F403

# Not PyTorch's: a node is reached by grad_fn, these ops by nn.functional, and linalg is a module of its own.
del Node, linalg, nn_functional  # noqa: F821
