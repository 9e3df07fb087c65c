"""Values and sizes at the edge: nothing crashes, whatever the input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import verigrad as vg

LEAST = {"int32": -(2**31), "int64": -(2**63)}


@pytest.mark.parametrize("dtype", LEAST)
def test_the_least_integer_wraps_like_twos_complement(dtype: str) -> None:
    x = vg.tensor([LEAST[dtype]], dtype=getattr(vg, dtype))
    minus_one = vg.tensor([-1], dtype=getattr(vg, dtype))
    assert (-x).tolist() == x.abs().tolist() == [LEAST[dtype]]
    assert (x // minus_one).tolist() == [LEAST[dtype]]
    assert (x % minus_one).tolist() == [0]
    assert (x * minus_one).tolist() == [LEAST[dtype]]
    assert (x - 1).tolist() == [-LEAST[dtype] - 1]
    assert (minus_one**3).tolist() == [-1] and (x**2).tolist() == [0]


def test_bytes_wrap() -> None:
    x = vg.tensor([0, 1, 255], dtype=vg.uint8)
    assert (
        (x - 1).tolist() == [255, 0, 254] and (x + 1).tolist() == [1, 2, 0] and (-x).tolist() == [0, 255, 1]
    )


def test_sums_of_integers_are_long() -> None:
    assert vg.full((3,), 2**31 - 1, dtype=vg.int32).sum().item() == 3 * (2**31 - 1)
    assert vg.full((1000,), 255, dtype=vg.uint8).sum().item() == 255_000
    assert vg.full((2,), 2**62, dtype=vg.int64).sum().item() == -(2**63)


@pytest.mark.parametrize("target", ["uint8", "int32", "int64"])
def test_numbers_that_do_not_fit_are_converted_to_something(target: str) -> None:
    """C++ leaves such conversions undefined; ours is defined (NaN gives 0) and the same at every level."""
    x = vg.tensor([math.nan, math.inf, -math.inf, 1e300, -1e300, 3e9, -3e9, 300.7], dtype=vg.float64)
    found = []
    for level in ("baseline", vg._C._testing.max_simd_level()):
        vg._C._testing.set_simd_level(level)
        found.append(x.to(getattr(vg, target)).tolist())
    assert found[0] == found[1]
    assert found[0][0] == 0
    assert vg.tensor([300.7, -1.9]).to(vg.int64).tolist() == [300, -1]


def test_bool_of_nan_is_true() -> None:
    assert vg.tensor([math.nan, 0.0, -0.0, math.inf, 1e-40]).to(vg.bool).tolist() == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_subnormal_numbers_are_kept() -> None:
    x = vg.tensor([1e-40, -1e-42], dtype=vg.float32)
    assert (x * 1.0).tolist() == x.tolist() and (x + x).tolist() == [2 * v for v in x.tolist()]
    assert vg.tensor([5e-324], dtype=vg.float64).mul(2).tolist() == [1e-323]


def test_signed_zeros_are_kept() -> None:
    x = vg.tensor([0.0, -0.0])
    assert np.signbit((-x).numpy()).tolist() == [True, False]
    assert np.signbit(x.clone().numpy()).tolist() == [False, True]
    assert np.signbit((x * -1.0).numpy()).tolist() == [True, False]


def test_sizes_beyond_memory_are_refused() -> None:
    for size in ((2**40, 2**40), (2**62, 4), (2**63 - 1,)):
        with pytest.raises((RuntimeError, MemoryError)):
            vg.empty(size)
    with pytest.raises((RuntimeError, MemoryError)):
        vg.zeros(2**55)
    assert vg.empty((0, 2**40)).numel() == 0


def test_an_expanded_tensor_of_astronomic_size_has_no_memory_but_cannot_be_copied() -> None:
    x = vg.ones(1).expand(2**40)
    assert x.numel() == 2**40
    with pytest.raises((RuntimeError, MemoryError)):
        x.expand(2**40, 2**40)
    with pytest.raises((RuntimeError, MemoryError)):
        x.expand(2**21, 2**40).clone()


def test_many_dimensions_work_or_are_refused() -> None:
    data: object = 1.0
    for _ in range(200):
        data = [data]
    with pytest.raises((RuntimeError, ValueError)):
        vg.tensor(data)
    x = vg.ones(2, 3)
    for _ in range(14):
        x = x.unsqueeze(0)
    assert x.sum().item() == 6.0 and (x + x).ndim == 16
    with pytest.raises(RuntimeError, match="at most 16 dimensions, got 17"):
        x.unsqueeze(0)


def test_a_list_that_contains_itself_is_refused() -> None:
    data: list[object] = []
    data.append(data)
    with pytest.raises((RuntimeError, ValueError, RecursionError)):
        vg.tensor(data)


def test_indices_beyond_64_bits_are_refused() -> None:
    x = vg.ones(3)
    for key in (2**63, -(2**70)):
        with pytest.raises((IndexError, OverflowError, TypeError, RuntimeError)):
            x[key]
    assert x[: 2**70].tolist() == x.tolist() and x[-(2**70) :].tolist() == x.tolist()


@pytest.mark.parametrize("at", [0, 65_536, 300_000])
def test_a_wrong_index_is_found_in_any_part_of_many(at: int) -> None:
    """Threads look at chunks of 65,536 indices each."""
    index = vg.zeros(300_001, dtype=vg.int64)
    index[at] = 3
    x = vg.ones(3)
    for write in (lambda: x.index_add_(0, index, vg.ones(300_001)), lambda: vg.index_select(x, 0, index)):
        with pytest.raises((IndexError, RuntimeError), match=r"\[0, 3\), got 3|index 3 is out of"):
            write()
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_numbers_beyond_64_bits_are_refused() -> None:
    for call in (
        lambda: vg.tensor(2**64),
        lambda: vg.ones(2, dtype=vg.int64) + 2**64,
        lambda: vg.full((2,), 2**70),
    ):
        with pytest.raises((RuntimeError, OverflowError, TypeError, ValueError)):
            call()


def test_a_reduction_over_many_rows_of_nothing() -> None:
    x = vg.zeros(0, 5)
    assert x.sum(0).tolist() == [0.0] * 5 and x.sum(1).tolist() == [] and x.prod().item() == 1.0
    assert x.mean(0).isnan().all() and x.all().item() is True and x.any().item() is False


def test_products_without_inner_dimension_are_zero() -> None:
    assert (vg.zeros(2, 0) @ vg.zeros(0, 3)).tolist() == [[0.0] * 3] * 2
    assert vg.nn.functional.linear(vg.zeros(2, 0), vg.zeros(3, 0), vg.ones(3)).tolist() == [[1.0] * 3] * 2


def test_a_result_may_be_written_over_its_own_input() -> None:
    """Overlapping views of one memory: as if the right side had been copied first."""
    x = vg.arange(6.0)
    x[1:].copy_(x[:-1])
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]
    y = vg.arange(9.0).reshape(3, 3)
    y.copy_(y.t())
    assert y.tolist() == [[0.0, 3.0, 6.0], [1.0, 4.0, 7.0], [2.0, 5.0, 8.0]]
    z = vg.arange(4.0)
    z[:] = z.clone().reshape(2, 2).t().reshape(4)
    assert z.tolist() == [0.0, 2.0, 1.0, 3.0]


def test_in_place_arithmetic_with_a_view_of_itself() -> None:
    for size in (5, 100_003):
        x = vg.arange(float(size))
        wanted = x.numpy()[1:] + x.numpy()[:-1]
        try:
            x[1:].add_(x[:-1])
        except RuntimeError as error:
            assert "overlap" in str(error) or "memory" in str(error)
        else:
            np.testing.assert_array_equal(x.numpy()[1:], wanted)


def test_an_expanded_tensor_cannot_be_written_to() -> None:
    with pytest.raises(RuntimeError, match="single memory location"):
        vg.zeros(1).expand(3).add_(1)
    with pytest.raises(RuntimeError, match="single memory location"):
        vg.zeros(1).expand(3)[0:2].fill_(1)


@pytest.mark.parametrize("join", [vg.cat, vg.concat, vg.stack])
def test_a_tensor_is_no_list_of_tensors(join: Callable[..., vg.Tensor]) -> None:
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        join(vg.ones(2, 3))
    assert join([vg.ones(2), vg.ones(2)]).numel() == join((vg.ones(2), vg.ones(2))).numel() == 4
