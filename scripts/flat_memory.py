"""Build many small random graphs and see whether resident memory stays flat.

    python scripts/flat_memory.py [--graphs 100000] [--seed 1] [--most 8]

Each graph is a few ops of tensors of up to some dozens of elements: views, changes in place, gradients of
gradients, hooks, Python functions, a module, cycles that only the garbage collector ends, and calls that
are refused. Memory is read after a tenth of them, when caches are full, and at the end. Answers 1 if it grew
by more than ``--most`` MiB.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import sys
from collections.abc import Callable
from typing import Any

import verigrad as vg
from verigrad.nn import functional as F


class Twice(vg.autograd.Function):
    """A function in Python."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 + 0 * x


STEPS: tuple[Callable[[Any, random.Random], Any], ...] = (
    lambda x, r: x.exp().clamp(-9, 9),
    lambda x, r: x * x.flip(0),
    lambda x, r: x[r.randrange(x.shape[0]) :].sum(0, keepdim=True) + x,
    lambda x, r: x.clone().mul_(0.5),
    lambda x, r: x.clone().index_add_(0, vg.tensor([0]), x[:1]),
    lambda x, r: vg.cat([x, x[:1]])[: x.shape[0]],
    lambda x, r: (x @ x.T).softmax(-1) @ x,
    lambda x, r: F.layer_norm(x, x.shape[1:]),
    lambda x, r: F.dropout(x, 0.5),
    lambda x, r: x.sort(0).values,
    lambda x, r: Twice.apply(x),
    lambda x, r: vg.utils.checkpoint.checkpoint(vg.tanh, x, use_reentrant=False),
    lambda x, r: vg.where(x > 0, x, -x).cumsum(0),
    lambda x, r: vg.einsum("ij,kj->ik", x, x)[:, :1] + x,
    lambda x, r: vg.nn.Linear(x.shape[1], x.shape[1])(x),
    lambda x, r: vg.stack(list(x.unbind(0))).transpose(0, 1).reshape(x.shape),
)


def graph(rng: random.Random) -> None:
    """Builds one graph, differentiates it in one of several ways, and drops it."""
    leaf = vg.randn(rng.randrange(1, 6), rng.randrange(1, 6), requires_grad=True)
    x = leaf
    for _ in range(rng.randrange(1, 7)):
        x = rng.choice(STEPS)(x, rng)
    if rng.random() < 0.2:
        x.register_hook(lambda g: g * 2)
    if rng.random() < 0.1:
        x.itself = x  # a cycle that holds the graph
    kind = rng.randrange(6)
    if kind == 0:
        x.sum().backward()
    elif kind == 1:
        (first,) = vg.autograd.grad(x.square().sum(), leaf, create_graph=True)
        first.square().sum().backward()
    elif kind == 2:
        with contextlib.suppress(RuntimeError):
            x.backward(vg.ones(9, 9, 9))
    elif kind == 3:
        x.sum().backward(retain_graph=True)
        leaf.grad = None
        x.sum().backward()
    elif kind == 4:
        with contextlib.suppress(RuntimeError, IndexError):
            x.reshape(7, 7, 7)[99]
    # else the graph is dropped as it is


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(graphs: int, seed: int) -> int:
    """How many bytes a process is larger after so many graphs than after a tenth of them."""
    rng = random.Random(seed)
    vg.manual_seed(seed)
    before = 0
    for i in range(graphs):
        if i == graphs // 10:
            before = resident()
        graph(rng)
    return resident() - before


def main() -> int:
    parser = argparse.ArgumentParser(description="Is memory flat over many small graphs?")
    parser.add_argument("--graphs", type=int, default=100_000, help="to build (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of the graphs (default: 1)")
    parser.add_argument("--most", type=float, default=8.0, help="MiB that are no growth (default: 8)")
    options = parser.parse_args()
    grown = growth(options.graphs, options.seed) / 2**20
    print(f"{options.graphs} graphs: resident memory grew by {grown:.1f} MiB after the first tenth")
    return int(grown > options.most)


if __name__ == "__main__":
    sys.exit(main())
