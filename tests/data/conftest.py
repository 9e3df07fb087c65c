"""Shared by the tests of data: bit-for-bit comparison of batches."""

import pytest

import verigrad


def _same(left, right):
    """Whether two batches agree in structure, types, dtypes, shapes and every bit."""
    if type(left) is not type(right):
        return False
    if isinstance(left, verigrad.Tensor):
        if left.dtype != right.dtype or tuple(left.shape) != tuple(right.shape):
            return False
        return left.detach().numpy().tobytes() == right.detach().numpy().tobytes()
    if isinstance(left, dict):
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


@pytest.fixture
def same():
    return _same
