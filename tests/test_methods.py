"""Methods of tensors that are written in Python."""

from __future__ import annotations

from typing import Any

import pytest

import verigrad as vg


def test_apply_and_map() -> None:
    x = vg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.apply_(lambda value: value * 2) is x and x.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert x.t().apply_(lambda value: -value).tolist() == [[-2.0, -6.0], [-4.0, -8.0]]
    assert x.tolist() == [[-2.0, -4.0], [-6.0, -8.0]]
    assert x.map_(vg.tensor([1.0, 2.0]), lambda a, b: a + b) is x and x.tolist() == [
        [-1.0, -2.0],
        [-5.0, -6.0],
    ]
    assert vg.tensor([1, 2]).apply_(lambda value: value / 2).tolist() == [0, 1]
    assert vg.empty(0, 3).apply_(abs).shape == (0, 3)
    with pytest.raises(RuntimeError, match="Use var.detach"):
        vg.ones(1, requires_grad=True).apply_(abs)
    with pytest.raises(RuntimeError):
        vg.ones(3).map_(vg.ones(2), max)


class Named(vg.Tensor):
    pass


def test_as_subclass() -> None:
    x = vg.ones(2)
    named = x.as_subclass(Named)
    assert type(named) is Named and named.data_ptr() == x.data_ptr()
    with pytest.raises(TypeError, match="as_subclass: expected a subclass of Tensor"):
        x.as_subclass(int)
    x.requires_grad_()
    recorded = x.as_subclass(Named)
    assert type(recorded) is Named and recorded.requires_grad and recorded.data_ptr() == x.data_ptr()
    (recorded * 3).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 3.0]
    assert not recorded.is_leaf and recorded.grad_fn is not None


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 3), (2, 1), (2, 3), (), (4, 2, 3)])
def test_sum_to_size(shape: tuple[int, ...]) -> None:
    x = vg.arange(24, dtype=vg.float64).reshape(4, 2, 3).requires_grad_()
    out = x.sum_to_size(*shape) if shape else x.sum_to_size(())
    assert out.shape == shape and out.sum().item() == pytest.approx(276.0)
    out.sum().backward()
    assert bool((x.grad == 1).all())
    torch = pytest.importorskip("torch")
    assert out.tolist() == torch.arange(24.0).reshape(4, 2, 3).sum_to_size(shape).tolist()


def test_sum_to_size_refuses() -> None:
    for size in ((2,), (1, 1, 3, 3), (4,)):
        with pytest.raises(RuntimeError, match="is not expandable"):
            vg.ones(2, 3).sum_to_size(size)


SQUARES = [((3, 3), False), ((2, 4), False), ((7, 3), True), ((7, 3), False), ((2, 2, 2), False)]
SQUARES += [((3, 7), True), ((0, 0), False), ((3, 3, 3, 3), False)]


@pytest.mark.parametrize(("shape", "wrap"), SQUARES)
def test_fill_diagonal(shape: tuple[int, ...], wrap: bool) -> None:
    x = vg.zeros(shape)
    assert x.fill_diagonal_(5, wrap) is x
    torch = pytest.importorskip("torch")
    assert x.tolist() == torch.zeros(shape).fill_diagonal_(5, wrap).tolist()


def test_fill_diagonal_refuses() -> None:
    with pytest.raises(RuntimeError, match="larger than 1"):
        vg.zeros(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="equal length"):
        vg.zeros(2, 3, 2).fill_diagonal_(1)


@pytest.mark.host("the index of a CUDA device is another")
def test_small_ones() -> None:
    x = vg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.get_device() == -1 and x.ndimension() == 2 and not x.is_distributed()
    assert x.is_set_to(x.detach()) and not x.is_set_to(x.t()) and not x.is_set_to(x.clone())
    copied = x.narrow_copy(1, 0, 1)
    assert copied.tolist() == [[1.0], [3.0]] and copied.data_ptr() != x.data_ptr()
    assert reversed(x).tolist() == [[3.0, 4.0], [1.0, 2.0]] and reversed(vg.tensor(3)).item() == 3


def test_methods_have_torchs_names() -> None:
    torch = pytest.importorskip("torch")
    ours: dict[str, Any] = {name: value for name, value in vars(vg.Tensor).items() if callable(value)}
    import types

    written = {name for name, value in ours.items() if isinstance(value, types.FunctionType)}
    assert {"type", "apply_", "random_"} <= written
    assert not {name for name in written if not hasattr(torch.Tensor, name)}
