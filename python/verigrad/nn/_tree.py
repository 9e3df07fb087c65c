"""A walk over a tree whose branches may meet again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_N = TypeVar("_N")


def walk(
    root: _N,
    children: Callable[[_N], Iterable[tuple[str, _N | None]]],
    prefix: str = "",
    memo: set[_N] | None = None,
) -> Iterator[tuple[str, _N]]:
    """Yields every node with its dotted name, a node before those below it.

    Args:
        root: where to begin.
        children: gives the nodes below one, with their names; None is passed over.
        prefix: the name of the root.
        memo: nodes to leave out; those yielded are added, so that each comes once. Without it a node comes
            wherever it stands.

    Raises:
        RecursionError: a node contains itself, without ``memo``.
    """
    path: list[_N] = []  # the nodes above the one in hand; only without the memo are they needed
    stack: list[tuple[str, _N, int]] = [(prefix, root, 0)]
    while stack:
        name, node, depth = stack.pop()
        if memo is not None:
            if node in memo:
                continue
            memo.add(node)
        else:
            del path[depth:]
            if any(node is above for above in path):
                raise RecursionError(
                    f"named_modules: expected a tree of modules, got a {type(node).__name__} that contains "
                    f"itself as {name!r}"
                )
            path.append(node)
        yield name, node
        base = f"{name}." if name else ""
        below = [(base + child, each, depth + 1) for child, each in children(node) if each is not None]
        stack.extend(reversed(below))
