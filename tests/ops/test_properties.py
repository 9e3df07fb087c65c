"""Random shapes, strides and keys: results against the references, views and assignment against numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verigrad.testing import strategies as vst
from verigrad.testing.calls import compare, expected
from verigrad.testing.forward import scale_of
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.samples import Sample
from verigrad.testing.strategies import Strided

LIB = Library("verigrad")
UNARY = [name for name, spec in records().items() if spec.family == "unary"]
BINARY = [name for name, spec in records().items() if spec.family == "binary" and spec.registered]
REDUCTIONS = ["sum", "mean", "prod", "amax", "amin", "all", "any", "argmax", "argmin"]
WHOLE = {"floor_divide", "remainder", "fmod"}  # quotients near a whole number may be rounded across it


def agree(spec: OpSpec, got: Any, *args: Any, **kwargs: Any) -> None:
    """Compares a result with the reference of the same arguments."""
    sample = Sample(args, kwargs)
    arrays = sample.arrays()
    wanted = expected(spec.reference, sample, arrays)
    scale = scale_of(spec, sample, wanted, arrays)
    compare(LIB, got, wanted, scale, spec.tolerance, spec.name)


def plain(view: Strided) -> np.ndarray:
    """The values, contiguous."""
    return np.array(view.array, order="C")


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=25)
@given(data=st.data())
def test_unary(name: str, data: st.DataObject) -> None:
    spec = records()[name]
    dtype = data.draw(vst.dtypes(*spec.dtypes))
    x = data.draw(vst.shapes().flatmap(lambda shape: vst.strided(shape, dtype)))
    agree(spec, spec.bind(LIB)(x.tensor(LIB)), plain(x))


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=25)
@given(data=st.data())
def test_binary(name: str, data: st.DataObject) -> None:
    spec = records()[name]
    left, right = data.draw(vst.broadcastable_shapes(2))
    first, second = data.draw(vst.dtypes(*spec.dtypes)), data.draw(vst.dtypes(*spec.dtypes))
    low, high = (1.0, 4.0) if name in WHOLE or "pow" in name else (-8.0, 8.0)
    x = data.draw(vst.strided(left, first, low=low, high=high))
    y = data.draw(vst.strided(right, second, low=low, high=high))
    if name in WHOLE and "b" in (np.dtype(first).kind, np.dtype(second).kind):
        return
    agree(spec, spec.bind(LIB)(x.tensor(LIB), y.tensor(LIB)), plain(x), plain(y))


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(max_examples=40)
@given(data=st.data())
def test_reductions(name: str, data: st.DataObject) -> None:
    spec = records()[name]
    shape = data.draw(vst.shapes(min_side=1))
    x = data.draw(vst.strided(shape, data.draw(vst.dtypes(*spec.dtypes))))
    dim = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1)) if shape else None
    keepdim = data.draw(st.booleans()) and dim is not None
    if dim is None:
        agree(spec, spec.bind(LIB)(x.tensor(LIB)), plain(x))
    else:
        agree(spec, spec.bind(LIB)(x.tensor(LIB), dim, keepdim), plain(x), dim, keepdim)


@settings(max_examples=150)
@given(data=st.data())
def test_basic_indexing_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes())
    x = data.draw(vst.strided(shape, data.draw(vst.dtypes())))
    key = data.draw(vst.basic_indices(shape))
    np.testing.assert_array_equal(LIB.to_numpy(x.tensor(LIB)[key]), x.array[key])


@settings(max_examples=150)
@given(data=st.data())
def test_assignment_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes())
    dtype = data.draw(vst.dtypes())
    x = data.draw(vst.strided(shape, dtype, expand=False))
    key = data.draw(vst.basic_indices(shape))
    tensor, array = x.tensor(LIB), plain(x)
    value = data.draw(vst.strided(np.shape(array[key]), dtype))
    tensor[key] = value.tensor(LIB)
    array[key] = value.array
    np.testing.assert_array_equal(LIB.to_numpy(tensor), array)


@settings(max_examples=100)
@given(data=st.data())
def test_index_tensors_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes(min_dims=1, min_side=1))
    x = data.draw(vst.strided(shape, data.draw(vst.dtypes())))
    count = data.draw(st.integers(1, len(shape)))
    common = data.draw(vst.broadcastable_shapes(count, max_dims=2, max_side=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = [rng.integers(-size, size, form) for size, form in zip(shape, common, strict=False)]
    key = tuple(LIB.from_numpy(np.asarray(i)) for i in index)
    np.testing.assert_array_equal(LIB.to_numpy(x.tensor(LIB)[key]), x.array[tuple(index)])


@settings(max_examples=100)
@given(data=st.data())
def test_masks_are_numpys(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes(min_dims=1))
    dtype = data.draw(vst.dtypes())
    x = data.draw(vst.strided(shape, dtype, expand=False))
    mask = data.draw(vst.strided(shape[: data.draw(st.integers(1, len(shape)))], "bool"))
    array, tensor = plain(x), x.tensor(LIB)
    np.testing.assert_array_equal(LIB.to_numpy(tensor[mask.tensor(LIB)]), array[mask.array])
    array[mask.array] = 1
    tensor[mask.tensor(LIB)] = 1
    np.testing.assert_array_equal(LIB.to_numpy(tensor), array)


@settings(max_examples=100)
@given(data=st.data())
def test_reshape_of_any_layout(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes(min_side=1))
    x = data.draw(vst.strided(shape, data.draw(vst.dtypes())))
    target = data.draw(st.permutations([*shape, 1]))
    np.testing.assert_array_equal(LIB.to_numpy(x.tensor(LIB).reshape(tuple(target))), x.array.reshape(target))
    assert LIB.to_numpy(x.tensor(LIB).flatten()).tolist() == x.array.reshape(-1).tolist()


@settings(max_examples=60)
@given(data=st.data())
def test_matmul_of_any_layout(data: st.DataObject) -> None:
    m, k, n = (data.draw(st.integers(0, 6)) for _ in range(3))
    batch = data.draw(vst.broadcastable_shapes(2, max_dims=2, max_side=3))
    dtype = data.draw(vst.dtypes("float32", "float64"))
    a, b = data.draw(vst.strided((*batch[0], m, k), dtype)), data.draw(vst.strided((*batch[1], k, n), dtype))
    # Multiples of 1/8 up to 8: products and their few sums are exact in float32.
    np.testing.assert_array_equal(LIB.to_numpy(a.tensor(LIB) @ b.tensor(LIB)), a.array @ b.array)


@settings(max_examples=60)
@given(data=st.data())
def test_a_copy_has_the_values_and_memory_of_its_own(data: st.DataObject) -> None:
    shape = data.draw(vst.shapes())
    x = data.draw(vst.strided(shape, data.draw(vst.dtypes())))
    tensor = x.tensor(LIB)
    for copy in (tensor.clone(), tensor.contiguous().clone()):
        np.testing.assert_array_equal(LIB.to_numpy(copy), x.array)
        assert math.prod(shape) == 0 or copy.data_ptr() != tensor.data_ptr()
