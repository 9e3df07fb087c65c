"""Operations on large tensors, where only the kernel counts.

Each makes a function from a library; inputs come from the library's own generator with a fixed seed. One call
takes a tenth of a millisecond or more, much longer than what a call costs beside its kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import common

# An operation and its title; both libraries answer to the same names.
Make = Callable[[Any, int], common.Work]


def _rows(lib: Any, n: int) -> Any:
    return lib.randn(n // 1000 or 1, 1000)


def _with_gradient(x: Any, g: Any, function: Callable[[Any], Any]) -> common.Work:
    """The function of x and the gradient by x, from that of its result."""
    x.requires_grad_(True)

    def work() -> None:
        x.grad = None
        function(x).backward(g)

    return work


def _sort(lib: Any, n: int) -> common.Work:
    x = lib.randn(n)
    return lambda: lib.sort(x)


def _sort_rows(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    return lambda: lib.sort(x, dim=1)


def _argsort_integers(lib: Any, n: int) -> common.Work:
    x = lib.randint(0, n, (n,))
    return lambda: lib.argsort(x)


def _topk(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    return lambda: lib.topk(x, 10, dim=1)


def _topk_flat(lib: Any, n: int) -> common.Work:
    x = lib.randn(n)
    return lambda: lib.topk(x, min(100, n))


def _cumsum(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    return lambda: lib.cumsum(x, 1)


def _cumsum_columns(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    return lambda: lib.cumsum(x, 0)


def _cumsum_backward(lib: Any, n: int) -> common.Work:
    x, g = _rows(lib, n), _rows(lib, n)
    return _with_gradient(x, g, lambda x: lib.cumsum(x, 1))


def _gather(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    index = lib.randint(0, 1000, tuple(x.shape))
    return lambda: lib.gather(x, 1, index)


def _gather_backward(lib: Any, n: int) -> common.Work:
    x = _rows(lib, n)
    index, g = lib.randint(0, 1000, tuple(x.shape)), _rows(lib, n)
    return _with_gradient(x, g, lambda x: lib.gather(x, 1, index))


def _index_put(lib: Any, n: int, accumulate: bool = False) -> common.Work:
    x, values = lib.zeros(n), lib.randn(n)
    index = lib.randint(0, n, (n,))
    return lambda: x.index_put_((index,), values, accumulate=accumulate)


def _index_put_accumulate(lib: Any, n: int) -> common.Work:
    return _index_put(lib, n, True)


def _index_put_rows(lib: Any, n: int) -> common.Work:
    rows = n // 64 or 1
    x, values = lib.zeros(rows, 64), lib.randn(rows, 64)
    index = lib.randint(0, rows, (rows,))
    return lambda: x.index_put_((index,), values)


def _einsum_product(lib: Any, n: int) -> common.Work:
    side = max(2, round(n**0.5) // 2)
    a, b = lib.randn(side, side), lib.randn(side, side)
    return lambda: lib.einsum("ij,jk->ik", a, b)


def _einsum_batches(lib: Any, n: int) -> common.Work:
    length = max(2, round((n / 512) ** 0.5))
    q, k = lib.randn(8, 8, length, 64), lib.randn(8, 8, length, 64)
    return lambda: lib.einsum("bhqd,bhkd->bhqk", q, k)


def _einsum_bilinear(lib: Any, n: int) -> common.Work:
    batch = n // 1000 or 1
    x, w, y = lib.randn(batch, 32), lib.randn(16, 32, 32), lib.randn(batch, 32)
    return lambda: lib.einsum("bi,oij,bj->bo", x, w, y)


OPERATIONS: dict[str, tuple[str, Make]] = {
    "sort": ("sort of 1,000,000 floats", _sort),
    "sort_rows": ("sort of 1000 rows of 1000 floats", _sort_rows),
    "argsort": ("argsort of 1,000,000 integers", _argsort_integers),
    "topk": ("topk, 10 of 1000 in 1000 rows", _topk),
    "topk_flat": ("topk, 100 of 1,000,000 floats", _topk_flat),
    "cumsum": ("cumsum along 1000 rows of 1000", _cumsum),
    "cumsum_columns": ("cumsum down 1000 rows of 1000", _cumsum_columns),
    "cumsum_backward": ("cumsum along 1000 rows of 1000, forward and backward", _cumsum_backward),
    "gather": ("gather, 1000 of 1000 in 1000 rows", _gather),
    "gather_backward": ("gather, 1000 of 1000 in 1000 rows, forward and backward", _gather_backward),
    "index_put": ("index_put_ of 1,000,000 floats", _index_put),
    "index_put_add": ("index_put_ of 1,000,000 floats, accumulate=True", _index_put_accumulate),
    "index_put_rows": ("index_put_ of 15,625 rows of 64 floats", _index_put_rows),
    "einsum_product": ("einsum ij,jk->ik, 500 x 500", _einsum_product),
    "einsum_batches": ("einsum bhqd,bhkd->bhqk, 8 x 8 x 44 x 64", _einsum_batches),
    "einsum_bilinear": ("einsum bi,oij,bj->bo, batch 1000, 32 x 32 to 16", _einsum_bilinear),
}


def large(library: str, name: str, threads: int = 1) -> common.Work:
    """One call of an operation of the table; NumPy has other names for most of them and is left out."""
    if library == "numpy":
        raise common.absent(library, name)
    lib = common.load(library, threads)
    lib.manual_seed(0)
    return OPERATIONS[name][1](lib, common.sizes.large_elements)
