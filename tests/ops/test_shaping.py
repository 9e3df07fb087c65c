"""What the records of shape, joining and splitting do not say: names, keywords, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import verigrad as vg

X = vg.arange(24.0).reshape(2, 3, 4)


def test_names_that_are_others() -> None:
    assert vg.concat is vg.cat is vg.concatenate
    assert vg.row_stack is vg.vstack
    assert vg.cat((X, X), axis=1).shape == (2, 6, 4)


def test_numel() -> None:
    assert vg.numel(X) == X.numel() == 24
    assert vg.numel(vg.zeros(())) == 1


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        ((), ()),
        (((2, 1), (3,)), (2, 3)),
        (((2, 1), 3), (2, 3)),
        (((1,), (0,)), (0,)),
        ((vg.Size([5, 1]), [1, 4], ()), (5, 4)),
    ],
)
def test_broadcast_shapes(shapes: Any, wanted: Any) -> None:
    found = vg.broadcast_shapes(*shapes)
    assert found == wanted and isinstance(found, vg.Size)


def test_broadcast_shapes_refuses() -> None:
    with pytest.raises(RuntimeError, match="broadcast"):
        vg.broadcast_shapes((2,), (3,))
    with pytest.raises(ValueError, match="at least 0"):
        vg.broadcast_shapes((-1,))
    with pytest.raises(TypeError):
        vg.broadcast_shapes("a")


def test_keywords_of_the_splits() -> None:
    assert [p.shape for p in vg.split(tensor=X, split_size_or_sections=2, dim=1)] == [(2, 2, 4), (2, 1, 4)]
    assert [p.shape for p in X.split(split_size=2, dim=1)] == [(2, 2, 4), (2, 1, 4)]
    assert len(vg.tensor_split(X, sections=2)) == len(vg.tensor_split(X, indices=(1,))) == 2
    assert len(vg.hsplit(X, sections=3)) == 3 and len(vg.hsplit(X, indices=[1])) == 2
    for parts in (X.split(1), X.chunk(2), X.unbind(), X.tensor_split(2), X.hsplit(3)):
        assert isinstance(parts, tuple)


def test_numbers_one_by_one_or_by_name() -> None:
    for a, b in (
        (X.repeat(1, 2, 1), X.repeat(repeats=(1, 2, 1))),
        (X.tile(2, 1), X.tile(dims=(2, 1))),
        (X.flip(0, 2), X.flip(dims=(0, 2))),
        (X.broadcast_to(2, 2, 3, 4), X.broadcast_to(size=(2, 2, 3, 4))),
        (X.new_zeros(2, 3), X.new_zeros(size=(2, 3))),
    ):
        assert vg.equal(a, b)
    with pytest.raises(TypeError, match="twice"):
        X.repeat(2, repeats=(2,))


def test_parts_share_memory() -> None:
    x = vg.zeros(4, 6)
    for part in (
        *x.split(3),
        *x.chunk(2, 1),
        *x.tensor_split((1,)),
        *x.hsplit(2),
        x.diagonal(),
        x.unfold(0, 2, 2),
    ):
        part[0] = 1.0
        assert x.sum().item() > 0
        x.zero_()


def test_gradients_of_some_parts_alone() -> None:
    x = vg.arange(6.0).requires_grad_()
    first, second, third = x.split(2)
    (second * vg.tensor([3.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [0, 0, 3, 5, 0, 0]


@pytest.mark.parametrize("take", [lambda y: y.unfold(0, 3, 1), lambda y: y.expand(2, 5).unfold(1, 2, 1)])
def test_a_window_of_a_tensor_that_changes_later(take: Any) -> None:
    """The view is taken again from its base, whose elements it shows several times."""
    x = vg.arange(5.0, dtype=vg.float64).requires_grad_()

    def late(x: Any) -> Any:
        y = x * 1
        view = take(y)
        y.mul_(x)
        return view * view

    def early(x: Any) -> Any:
        view = take(x * x)
        return view * view

    found, wanted = (vg.autograd.grad(f(x).sum(), x, create_graph=True)[0] for f in (late, early))
    assert found.tolist() == wanted.tolist()
    twice = [vg.autograd.grad((g * g).sum(), x)[0].tolist() for g in (found, wanted)]
    assert twice[0] == twice[1]


def test_windows_cannot_be_written_to_where_they_overlap() -> None:
    with pytest.raises(RuntimeError, match="single memory"):
        vg.zeros(5).unfold(0, 3, 1).add_(1)
    with pytest.raises(RuntimeError, match="single memory"):
        vg.zeros(5).unfold(0, 3, 1).scatter_(1, vg.tensor([[0]]), 1.0)


def test_nonzero_as_tuple_is_a_subscript() -> None:
    x = vg.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert x[x.nonzero(as_tuple=True)].tolist() == [2.0, 3.0]
    assert x[vg.where(x > 2)].tolist() == [3.0]
    with pytest.raises(TypeError):
        vg.nonzero(x, True)


def test_scatter_takes_the_last_of_equal_places_and_its_gradient() -> None:
    src = vg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = vg.tensor([1, 1, 0])
    out = vg.zeros(3).scatter(0, index, src)
    assert out.tolist() == [3.0, 2.0, 0.0]
    (out * vg.tensor([5.0, 7.0, 11.0])).sum().backward()
    assert src.grad.tolist() == [0.0, 7.0, 5.0]


def test_in_place_writes_read_their_own_memory_first() -> None:
    x = vg.arange(4.0)
    x.index_copy_(0, vg.tensor([1, 2, 3]), x[:3])
    assert x.tolist() == [0, 0, 1, 2]
    x = vg.arange(4.0)
    x.scatter_(0, vg.tensor([3, 2, 1, 0]), x)
    assert x.tolist() == [3, 2, 1, 0]
    x = vg.arange(4.0)
    x.put_(vg.tensor([1, 2, 3]), x[:3], accumulate=True)
    assert x.tolist() == [0, 1, 3, 5]


def test_combinations_of_many() -> None:
    x = vg.arange(9)
    found = vg.combinations(x, 4)
    assert found.shape == (126, 4) and len({tuple(row) for row in found.tolist()}) == 126
    assert vg.combinations(x, 3, with_replacement=True).shape == (165, 3)


def test_a_tensor_of_one_number_is_no_number() -> None:
    x = vg.arange(6)
    assert [p.tolist() for p in x.tensor_split(vg.tensor([2]))] == [[0, 1], [2, 3, 4, 5]]
    assert vg.repeat_interleave(x, vg.tensor([2])).shape == (12,)


def test_of_numpy_alike() -> None:
    array = X.numpy()
    np.testing.assert_array_equal(vg.hstack((X, X)).numpy(), np.hstack((array, array)))
    np.testing.assert_array_equal(vg.rot90(X, 3, (0, 2)).numpy(), np.rot90(array, 3, (0, 2)))
