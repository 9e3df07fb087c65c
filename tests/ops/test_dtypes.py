"""Type promotion against PyTorch's published rules, as a table, and against PyTorch where it is installed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing.reference import promotion

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
# promote_types(row, column), from the table of torch.promote_types.
PROMOTED = {
    "bool": ("bool", "uint8", "int32", "int64", "float32", "float64"),
    "uint8": ("uint8", "uint8", "int32", "int64", "float32", "float64"),
    "int32": ("int32", "int32", "int32", "int64", "float32", "float64"),
    "int64": ("int64", "int64", "int64", "int64", "float32", "float64"),
    "float32": ("float32", "float32", "float32", "float32", "float32", "float64"),
    "float64": ("float64", "float64", "float64", "float64", "float64", "float64"),
}
# A tensor with dimensions (row) and a 0-d tensor: the latter counts only in a higher category.
WITH_ZERO_DIM = {
    "bool": ("bool", "uint8", "int32", "int64", "float32", "float64"),
    "uint8": ("uint8", "uint8", "uint8", "uint8", "float32", "float64"),
    "int32": ("int32", "int32", "int32", "int32", "float32", "float64"),
    "int64": ("int64", "int64", "int64", "int64", "float32", "float64"),
    "float32": ("float32", "float32", "float32", "float32", "float32", "float32"),
    "float64": ("float64", "float64", "float64", "float64", "float64", "float64"),
}
# A tensor of any rank and a Python bool, int or float.
WITH_NUMBER = {
    "bool": ("bool", "int64", "float32"),
    "uint8": ("uint8", "uint8", "float32"),
    "int32": ("int32", "int32", "float32"),
    "int64": ("int64", "int64", "float32"),
    "float32": ("float32", "float32", "float32"),
    "float64": ("float64", "float64", "float64"),
}
NUMBERS = (True, 2, 2.5)
PAIRS = list(itertools.product(DTYPES, range(len(DTYPES))))


def of(name: str) -> vg.dtype:
    return getattr(vg, name)


@pytest.mark.parametrize(("left", "column"), PAIRS)
def test_two_tensors(left: str, column: int) -> None:
    right, wanted = DTYPES[column], PROMOTED[left][column]
    a, b = vg.ones(2, dtype=of(left)), vg.ones(2, dtype=of(right))
    assert vg.promote_types(of(left), of(right)) == of(wanted)
    assert vg.result_type(a, b) == of(wanted)
    assert (a * b).dtype == of(wanted)
    assert promotion.result_dtype(np.ones(2, left), np.ones(2, right)) == wanted


@pytest.mark.parametrize(("left", "column"), PAIRS)
def test_a_tensor_and_one_without_dimensions(left: str, column: int) -> None:
    right, wanted = DTYPES[column], WITH_ZERO_DIM[left][column]
    a, b = vg.ones(2, dtype=of(left)), vg.ones((), dtype=of(right))
    assert vg.result_type(a, b) == vg.result_type(b, a) == of(wanted)
    assert (a * b).dtype == (b * a).dtype == of(wanted)
    assert promotion.result_dtype(np.ones(2, left), np.ones((), right)) == wanted


@pytest.mark.parametrize("column", range(3))
@pytest.mark.parametrize("left", DTYPES)
def test_a_tensor_and_a_number(left: str, column: int) -> None:
    number, wanted = NUMBERS[column], WITH_NUMBER[left][column]
    for shape in ((2,), ()):
        a = vg.ones(shape, dtype=of(left))
        assert vg.result_type(a, number) == of(wanted)
        assert (a * number).dtype == (number * a).dtype == of(wanted)
        assert promotion.result_dtype(np.ones(shape, left), number) == wanted


def test_a_number_follows_the_default_dtype() -> None:
    vg.set_default_dtype(vg.float64)
    assert (vg.ones(2, dtype=vg.int64) * 2.5).dtype == vg.float64
    assert (vg.ones(2, dtype=vg.float32) * 2.5).dtype == vg.float32
    assert vg.exp(vg.ones(2, dtype=vg.int32)).dtype == vg.float64
    assert (vg.ones(2, dtype=vg.int64) / 2).dtype == vg.float64


@pytest.mark.parametrize("left", DTYPES)
def test_division_gives_floating_point_and_comparison_bool(left: str) -> None:
    for right in DTYPES:
        a, b = vg.ones(2, dtype=of(left)), vg.ones(2, dtype=of(right))
        assert (a / b).dtype == of(
            str(promotion.floating(promotion.promote(np.dtype(left), np.dtype(right))))
        )
        assert (a < b).dtype == (a == b).dtype == vg.bool


@pytest.mark.parametrize("left", DTYPES)
def test_in_place_keeps_the_dtype_or_refuses(left: str) -> None:
    for right in DTYPES:
        a, b = vg.ones(2, dtype=of(left)), vg.ones(2, dtype=of(right))
        if promotion.category(np.dtype(right)) > promotion.category(np.dtype(left)):
            with pytest.raises(RuntimeError, match="can't be cast|cast"):
                a.mul_(b)
            assert a.tolist() == vg.ones(2, dtype=of(left)).tolist()
        else:
            assert a.mul_(b).dtype == of(left)


@pytest.mark.parametrize(("left", "column"), PAIRS)
def test_the_table_is_that_of_pytorch(left: str, column: int) -> None:
    torch = pytest.importorskip("torch")
    right = DTYPES[column]
    a, b = torch.ones(2, dtype=getattr(torch, left)), torch.ones(2, dtype=getattr(torch, right))
    assert torch.result_type(a, b) == getattr(torch, PROMOTED[left][column])
    assert torch.result_type(a, b[0]) == getattr(torch, WITH_ZERO_DIM[left][column])
    for number, wanted in zip(NUMBERS, WITH_NUMBER[left], strict=True):
        assert torch.result_type(a, number) == getattr(torch, wanted)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
def test_sums_and_products_of_narrow_whole_numbers(dtype: str) -> None:
    """They are made in int64 and then wrap."""
    x = vg.tensor([[200, 100], [3, 4]])
    for found, wanted in ((x.sum(1, dtype=of(dtype)), [300, 7]), (x.prod(0, dtype=of(dtype)), [600, 400])):
        assert found.dtype == of(dtype)
        as_stored = np.array([[200, 100], [3, 4]]).astype(dtype).astype(np.int64)
        total = as_stored.sum(1) if wanted == [300, 7] else as_stored.prod(0)
        assert found.tolist() == total.astype(dtype).tolist()
