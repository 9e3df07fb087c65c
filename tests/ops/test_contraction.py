"""Contractions beyond what their records compare."""

from __future__ import annotations

import numpy as np
import pytest

import verigrad as vg


def test_a_diagonal_is_a_view() -> None:
    x = vg.zeros(3, 3)
    vg.einsum("ii->i", x).fill_(1)
    assert vg.equal(x, vg.eye(3))


def test_a_change_through_a_diagonal_is_recorded() -> None:
    x = vg.ones(2, 2, requires_grad=True)
    y = x * 1
    vg.einsum("ii->i", y).mul_(3)
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[3.0, 1.0], [1.0, 3.0]]


def test_operands_are_contracted_without_a_tensor_of_all_subscripts() -> None:
    """All subscripts together are 6 * 10^9 elements."""
    found = vg.einsum("ij,jk,kl->il", vg.ones(300, 400), vg.ones(400, 500), vg.ones(500, 100))
    assert found.shape == (300, 100) and found[0, 0].item() == 200_000


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij->i", ((2, 3),)),
        ("ij->ji", ((2, 3),)),
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("ij,jk->ik", ((2, 3), (1, 4))),
        ("ij,k->ij", ((2, 3), (4,))),
        ("i,j->ij", ((2,), (3,))),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool"])
def test_dtypes_of_whole_numbers_are_those_of_pytorch(
    equation: str, shapes: tuple[tuple[int, ...], ...], dtype: str
) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.ones(shape, dtype) for shape in shapes]
    try:
        wanted = torch.einsum(equation, *map(torch.from_numpy, arrays))
    except (RuntimeError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            vg.einsum(equation, *map(vg.from_numpy, arrays))
        return
    found = vg.einsum(equation, *map(vg.from_numpy, arrays))
    assert str(found.dtype).rpartition(".")[2] == str(wanted.dtype).rpartition(".")[2]
    assert found.tolist() == wanted.tolist()


def test_more_subscripts_than_dimensions_are_an_error() -> None:
    letters = "abcdefghijklmnopq"
    with pytest.raises(RuntimeError, match="at most 16 dimensions"):
        vg.einsum(f"{letters[:9]},{letters[9:]}->", vg.ones((1,) * 9), vg.ones((1,) * 8))


def test_a_product_is_added_in_place() -> None:
    x, a, b = vg.ones(2, 2), vg.ones(2, 3), vg.ones(3, 2)
    kept = x
    assert x.addmm_(a, b, beta=2) is kept
    assert x.tolist() == [[5.0, 5.0], [5.0, 5.0]]
    with pytest.raises(
        RuntimeError, match=r"addmm_: expected a tensor of the result's shape.*\[2, 2\].*\[2\]"
    ):
        vg.ones(2).addmm_(a, b)
    leaf = vg.ones(2, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.addmm_(a, b)


def test_what_is_multiplied_by_nothing_is_not_read() -> None:
    x = vg.full((2, 2), float("nan"))
    assert vg.addmm(x, vg.ones(2, 2), vg.ones(2, 2), beta=0).tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_a_chain_begins_where_it_is_shortest() -> None:
    """From the left the first product alone has 10^10 elements."""
    tall, wide = vg.ones(100_000, 1), vg.ones(1, 100_000)
    assert vg.linalg.multi_dot([tall, wide, tall]).sum().item() == 1e10
    assert vg.chain_matmul(wide, tall).tolist() == [[1e5]]


def test_names_of_linalg() -> None:
    assert set(vg.linalg.__all__) <= set(dir(vg.linalg))
    x = vg.ones(2, 2)
    assert vg.equal(vg.linalg.matmul(x, x), x @ x)
    assert vg.equal(vg.linalg.matrix_power(x, 3), vg.matrix_power(x, 3))


def test_addr_of_integers_with_a_fraction() -> None:
    one = vg.ones(2, dtype=vg.int64)
    x = vg.tensor([-4.0, 4.0], dtype=vg.float64, requires_grad=True)
    result = vg.addr(x, one, one, alpha=0.5)
    assert result.dtype is vg.float64 and result.tolist() == [[-3.5, 4.5], [-3.5, 4.5]]
    result.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]


def test_tensordot_refuses_lists_of_lists() -> None:
    x = vg.ones(2, 2)
    with pytest.raises(TypeError, match="two lists of ints"):
        vg.tensordot(x, x, ([[0]], [[0]]))
