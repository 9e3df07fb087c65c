"""Python numbers as operands: their part in promotion, and what they share with tensors of the same value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

NUMBERS = (True, 2, -1, 2.5)
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")


def outcome(call: Callable[[], Any]) -> Any:
    """Numbers and dtype of the result, or the type of the error."""
    try:
        result = call()
    except (RuntimeError, TypeError) as error:
        return type(error).__name__
    return result.tolist(), str(result.dtype).split(".")[-1]


def operand(lib: Any, dtype: str, *, zero_dim: bool = False) -> Any:
    """Zeros and ones."""
    return lib.tensor(1 if zero_dim else [1, 0, 1], dtype=getattr(lib, dtype))


def test_where_of_two_numbers() -> None:
    mask = vg.tensor([True, False])
    for a, b, dtype in (
        (1.0, 0.0, vg.float32),
        (1, 0, vg.int64),
        (True, 2.5, vg.float32),
        (1, 2.5, vg.float32),
        (True, False, vg.bool),
        (True, 2, vg.int64),
    ):
        result = vg.where(mask, a, b)
        assert result.dtype == dtype and result.tolist() == [a, b]
    vg.set_default_dtype(vg.float64)
    try:
        third = vg.where(mask, 1 / 3, 1)
    finally:
        vg.set_default_dtype(vg.float32)
    assert third.dtype == vg.float64 and third.tolist() == [1 / 3, 1]
    assert vg.where(vg.tensor(True), 3, 4).shape == ()
    assert vg.where(vg.ones(0, 2, dtype=vg.bool), 3.0, 4).shape == (0, 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_promote_as_in_pytorch(dtype: str) -> None:
    torch = pytest.importorskip("torch")

    def calls(lib: Any, number: Any, zero_dim: bool) -> dict[str, Callable[[], Any]]:
        x, mask = operand(lib, dtype, zero_dim=zero_dim), operand(lib, "bool")
        return {
            "where left": lambda: lib.where(mask, number, x),
            "where right": lambda: lib.where(mask, x, number),
            "masked_fill": lambda: x.masked_fill(mask[0] if zero_dim else mask, number),
            "clamp": lambda: lib.clamp(x, min=number),
            "clamp both": lambda: lib.clamp(x, number, 7),
            "clamp_": lambda: x.clone().clamp_(max=number),
            "add": lambda: lib.add(x, 1, alpha=number),
            "add a number": lambda: lib.add(x, number, alpha=3),
            "add both": lambda: lib.add(x, number, alpha=number),
            "add a tensor": lambda: lib.add(x, operand(lib, "uint8"), alpha=number),
            "add_": lambda: x.clone().add_(number, alpha=2),
            "result_type": lambda: lib.zeros(1, dtype=lib.result_type(x, number)),
        }

    for number in NUMBERS:
        for zero_dim in (False, True):
            ours, theirs = calls(vg, number, zero_dim), calls(torch, number, zero_dim)
            for name in ours:
                expected = outcome(theirs[name])
                if dtype == "bool" and name.startswith("clamp"):
                    continue  # PyTorch has no clamp of bools
                assert outcome(ours[name]) == expected, (name, number, zero_dim)


def test_a_mask_of_bytes_is_refused_with_two_numbers() -> None:
    with pytest.raises(RuntimeError, match="boolean tensor, but got a tensor with dtype uint8"):
        vg.where(vg.tensor([1, 0], dtype=vg.uint8), 1.0, 0.0)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), 1),
        Ellipsis,
        vg.tensor([2, -3]),
        (vg.tensor([0, 2]), vg.tensor([1, -1])),
        (slice(None), vg.tensor([1, 3])),
        vg.tensor([True, False, True]),
        vg.arange(12).reshape(3, 4) % 3 == 0,
        (slice(1, 3), vg.tensor([True, False, True, False])),
        True,
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_is_assigned_as_a_tensor_of_it_is(key: Any, dtype: str) -> None:
    for grad in (False, True) if dtype.startswith("f") else (False,):
        for layout in (lambda x: x, lambda x: x.t().contiguous().t(), lambda x: x[1:4]):
            results = []
            for value in (2, vg.tensor(2, dtype=getattr(vg, dtype))):
                leaf = vg.arange(20).reshape(5, 4).to(getattr(vg, dtype)).requires_grad_(grad)
                x = layout(leaf * 1 if grad else leaf)[:3]
                version = x._version
                x[key] = value
                assert x._version > version
                if grad:
                    (x * x).sum().backward()
                results.append((x.tolist(), leaf.grad.tolist() if grad else None))
            assert results[0] == results[1]


def test_a_mask_that_is_the_tensor_itself() -> None:
    x = vg.tensor([[True, False], [True, True]])
    x[x.t()] = False
    assert x.tolist() == [[False, False], [True, False]]
    y = vg.tensor([True, False])
    y[y] = False
    assert y.tolist() == [False, False]


def test_a_refused_number_changes_nothing() -> None:
    x = vg.arange(4, dtype=vg.uint8)
    for key in (Ellipsis, vg.tensor([0, 1]), x > 1):
        with pytest.raises(RuntimeError, match="value cannot be converted to type uint8 without overflow"):
            x[key] = 300
    with pytest.raises(IndexError, match="The shape of the mask"):
        x[vg.tensor([True])] = 1
    assert x.tolist() == [0, 1, 2, 3]
    leaf = vg.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        leaf[vg.tensor([True, False, True])] = 0
    with pytest.raises(RuntimeError, match="more than one element"):
        vg.ones(1).expand(3)[vg.tensor([True, False, True])] = 0


def test_bounds_that_are_numbers_have_the_gradients_of_tensors() -> None:
    for low, high in ((math.nan, None), (0.25, vg.tensor(0.5)), (vg.tensor([0.1, 0.2, 0.6]), 0.5)):
        results = []
        for as_tensor in (False, True):
            x = vg.tensor([0.0, 0.3, 0.9], requires_grad=True)
            bounds = [
                b if b is None else vg.as_tensor(b).clone().requires_grad_(isinstance(b, vg.Tensor))
                for b in (low, high)
            ]
            if not as_tensor:
                bounds = [
                    b.item() if isinstance(n, float) else b for b, n in zip(bounds, (low, high), strict=True)
                ]
            y = x.clamp(*bounds)
            y.sum().backward()
            grads = [b.grad.tolist() for b in bounds if isinstance(b, vg.Tensor) and b.requires_grad]
            results.append(str((y.tolist(), x.grad.tolist(), grads)))
        assert results[0] == results[1]


@pytest.mark.parametrize("base", [2.0, 0.0, 1, -2.0, 0.3])
@pytest.mark.parametrize("dtype", [vg.float32, vg.float64])
def test_a_power_of_a_number_has_the_gradient_of_a_tensor(base: float, dtype: vg.dtype) -> None:
    results = []
    for number in (base, vg.tensor(base, dtype=dtype)):
        exponent = vg.tensor([-1.0, 0.0, 2.0, 0.5], dtype=dtype, requires_grad=True)
        (grad,) = vg.autograd.grad((number**exponent).sum(), exponent, create_graph=True)
        (second,) = vg.autograd.grad(grad.sum(), exponent)
        results.append([*grad.tolist(), *second.tolist()])
    assert results[0] == pytest.approx(results[1], rel=1e-6 if dtype == vg.float32 else 1e-14, nan_ok=True)
