"""unsqueeze_, squeeze_, transpose_, t_ and their other names: a tensor that becomes a view of its memory."""

from __future__ import annotations

from typing import Any

import pytest

import verigrad as vg

CHANGES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("unsqueeze_", (0,)),
    ("unsqueeze_", (-1,)),
    ("squeeze_", ()),
    ("squeeze_", (1,)),
    ("transpose_", (0, 2)),
    ("swapaxes_", (0, 1)),
    ("swapdims_", (-1, 0)),
)


@pytest.mark.parametrize(("name", "args"), CHANGES)
def test_shape_strides_memory_and_version(name: str, args: tuple[Any, ...]) -> None:
    x = vg.arange(6.0).reshape(2, 1, 3)
    wanted = getattr(x, name[:-1])(*args)
    place, version = x.data_ptr(), x._version
    assert getattr(x, name)(*args) is x
    assert x.shape == wanted.shape and x.stride() == wanted.stride() and x.data_ptr() == place
    assert x.is_contiguous() == wanted.is_contiguous() and x._version == version + 1
    assert x.tolist() == wanted.tolist()


@pytest.mark.parametrize(("name", "args"), CHANGES)
def test_gradients_of_what_came_before_and_after(name: str, args: tuple[Any, ...]) -> None:
    def run(inplace: bool) -> Any:
        x = vg.arange(6.0).reshape(2, 1, 3).requires_grad_()
        y = x * x
        z = getattr(y, name)(*args) if inplace else getattr(y, name[:-1])(*args)
        weight = vg.arange(z.numel(), dtype=vg.float32).reshape(z.shape)
        (z * weight).sum().backward()
        return x.grad.tolist()

    assert run(True) == run(False)


def test_t_of_a_matrix_and_of_more() -> None:
    x = vg.zeros(2, 3)
    assert x.t_().shape == (3, 2)
    with pytest.raises(RuntimeError, match="2 dim"):
        vg.zeros(1, 2, 3).t_()
    with pytest.raises(IndexError):
        x.unsqueeze_(5)
    assert x.shape == (3, 2)


def test_views_of_it_stay_views() -> None:
    x = vg.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    row = y[0]
    y.t_()
    row.mul_(10)
    assert y.tolist() == [[0, 3], [10, 4], [20, 5]]
    y.sum().backward()
    assert x.grad.tolist() == [[10, 10, 10], [1, 1, 1]]


def test_a_view_becomes_another_view_of_its_base() -> None:
    x = vg.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    row = y[0]
    row.unsqueeze_(1)
    row.mul_(vg.tensor([[1.0], [2.0], [3.0]]))
    assert y.tolist() == [[0, 2, 6], [3, 4, 5]]
    y.sum().backward()
    assert x.grad.tolist() == [[1, 2, 3], [1, 1, 1]]


def test_leaves_that_require_a_gradient_are_refused() -> None:
    x = vg.zeros(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.t_()
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0].unsqueeze_(0)
    with vg.no_grad():
        x.t_()
    x.sum().backward()
    assert x.grad.shape == (3, 2)


def test_what_was_saved_before_is_refused() -> None:
    x = vg.ones(2, 3, requires_grad=True)
    y = x * 2
    z = y * y
    y.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_without_recording_the_history_follows_the_shape() -> None:
    x = vg.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 3
    with vg.no_grad():
        y.t_()
    (y * vg.arange(6.0).reshape(3, 2)).sum().backward()
    assert x.grad.tolist() == [[0, 6, 12], [3, 9, 15]]


def test_an_expanded_tensor_may_change_its_shape() -> None:
    assert vg.zeros(1, 3).expand(2, 3).unsqueeze_(0).shape == (1, 2, 3)


@pytest.mark.parametrize(("name", "args"), CHANGES)
def test_as_in_torch(name: str, args: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")

    def run(lib: Any) -> Any:
        x = lib.arange(6.0).reshape(2, 1, 3)
        x.requires_grad_()
        y = x * x
        getattr(y, name)(*args)
        (y * y).sum().backward()
        return tuple(y.shape), y.stride(), y._version, y.tolist(), x.grad.tolist()

    assert run(vg) == run(torch)


def test_change_of_a_view_of_a_tensor_that_lies_behind_others_in_its_memory():
    base = vg.arange(10.0)[2:].detach()
    factor = vg.ones(3, requires_grad=True)
    base[1:4].mul_(factor * 2)
    assert base.tolist() == [2.0, 6.0, 8.0, 10.0, 6.0, 7.0, 8.0, 9.0]
    (base * vg.arange(8.0)).sum().backward()
    assert factor.grad is not None and factor.grad.tolist() == [6.0, 16.0, 30.0]


def test_change_of_a_view_of_a_transposed_tensor():
    base = vg.arange(12.0).view(3, 4).t().detach()
    factor = vg.ones(3, requires_grad=True)
    base[1].mul_(factor * 2)
    assert base[1].tolist() == [2.0, 10.0, 18.0]
    (base * vg.arange(12.0).view(4, 3)).sum().backward()
    assert factor.grad is not None and factor.grad.tolist() == [6.0, 40.0, 90.0]
