"""F.pad and the layers around it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F

ROW = np.array([[0.0, 1.0, 2.0, 3.0]])
NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("constant", [0, 0, 0, 1, 2, 3, 0]),
        ("reflect", [2, 1, 0, 1, 2, 3, 2]),
        ("replicate", [0, 0, 0, 1, 2, 3, 3]),
        ("circular", [2, 3, 0, 1, 2, 3, 0]),
    ],
)
def test_modes_by_hand(mode, wanted):
    assert F.pad(vg.tensor(ROW), (2, 1), mode).tolist() == [wanted]


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8])
def test_modes_are_those_of_numpy(mode, dtype):
    rng = np.random.default_rng(0)
    for shape, dims in (((3, 5), 1), ((2, 3, 5), 1), ((2, 4, 5), 2), ((2, 3, 4, 5), 2), ((2, 1, 3, 4, 5), 3)):
        x = rng.integers(0, 9, shape).astype(dtype)
        for widths in itertools.islice(itertools.product((0, 1, 2), repeat=2 * dims), 0, None, 4):
            pairs = [(widths[2 * k], widths[2 * k + 1]) for k in range(dims)]
            wanted = np.pad(x, [(0, 0)] * (x.ndim - dims) + pairs[::-1], NUMPY_MODES[mode])
            got = F.pad(vg.tensor(x), widths, mode).numpy()
            assert got.dtype == x.dtype
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_constants_in_any_number_of_dimensions(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    wanted = np.pad(x, [(0, 1), (2, 0), (1, 3)], constant_values=1)
    got = F.pad(vg.tensor(x), (1, 3, 2, 0, 0, 1), value=1).numpy()
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got, wanted)


def test_negative_widths_crop():
    x = vg.arange(12.0).reshape(3, 4).requires_grad_()
    y = F.pad(x, (-1, 2, 1, -2), value=9.0)
    assert y.tolist() == [[9.0] * 5, [1.0, 2.0, 3.0, 9.0, 9.0]]
    y.sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0], [0.0] * 4, [0.0] * 4]
    assert tuple(F.pad(x, (-2, -2)).shape) == (3, 0)
    # A circle is closed after the crop.
    assert F.pad(vg.tensor(ROW), (-1, 2), "circular").tolist() == [[1.0, 2.0, 3.0, 1.0, 2.0]]


def test_the_result_is_new_memory():
    x = vg.zeros(3)
    y = F.pad(x, (0, 0))
    y.fill_(1)
    assert not x.any()
    y = F.pad(x.reshape(1, 3), (0, 0), "reflect")
    y.fill_(1)
    assert not x.any()


def test_gradients_of_repeated_elements_add_up():
    for mode, wanted in (("reflect", [1, 3, 3, 1]), ("replicate", [3, 1, 1, 3]), ("circular", [3, 3, 3, 3])):
        x = vg.tensor(ROW, requires_grad=True)
        width = 4 if mode == "circular" else 2
        F.pad(x, (width, width), mode).sum().backward()
        assert x.grad.tolist() == [wanted], mode


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("ConstantPad1d", (2, 3.5), (2, 3, 4)),
        ("ConstantPad1d", ((1, -1), 2), (3, 4)),
        ("ConstantPad2d", ((1, 2, 3, 4), 0), (2, 3, 4)),
        ("ZeroPad1d", (2,), (2, 3, 4)),
        ("ZeroPad2d", ((1, 2, 3, 4),), (1, 2, 3, 4)),
        ("ReflectionPad1d", (2,), (2, 3, 4)),
        ("ReflectionPad2d", ((1, 2, 0, 1),), (1, 2, 3, 4)),
        ("ReplicationPad1d", (1,), (3, 4)),
        ("ReplicationPad2d", ((1, 2, 0, 1),), (2, 3, 4)),
        ("CircularPad1d", ([1, 3],), (2, 3, 4)),
        ("CircularPad2d", (2,), (1, 2, 3, 4)),
        ("ConstantPad3d", ((1, 2, 3, 4, 0, -1), 0.5), (2, 3, 4, 2)),
        ("ZeroPad3d", (2,), (1, 2, 3, 4, 2)),
        ("ReflectionPad3d", ((1, 2, 0, 1, 1, 2),), (2, 3, 4, 5)),
        ("ReflectionPad3d", (1,), (1, 2, 3, 4, 2)),
        ("ReplicationPad3d", ((1, 2, 0, 1, 3, 0),), (2, 3, 4, 5)),
        ("CircularPad3d", ((1, 2, 0, 1, 3, 0),), (1, 2, 3, 4, 5)),
    ],
)
def test_layers_are_those_of_pytorch(name, arguments, shape):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    assert repr(ours) == repr(theirs)
    assert ours.padding == theirs.padding and list(ours.state_dict()) == []
    x = np.random.default_rng(1).normal(size=shape)
    np.testing.assert_array_equal(ours(vg.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy())


def test_errors_name_padding_and_shape():
    with pytest.raises(RuntimeError, match=r"pad: .*\(4, 0\) at dimension 1 of input \[1, 4\]"):
        F.pad(vg.tensor(ROW), (4, 0), "reflect")
    with pytest.raises(RuntimeError, match=r"pad: .*\(-3, -2\) at dimension 1 of input \[1, 4\]"):
        F.pad(vg.tensor(ROW), (-3, -2))
    with pytest.raises(RuntimeError, match=r"circular.*more than once|more than once.*\(5, 0\)"):
        F.pad(vg.tensor(ROW), (5, 0), "circular")
    with pytest.raises(RuntimeError, match="uint8 without overflow"):
        F.pad(vg.zeros(3, dtype=vg.uint8), (1, 1), value=-1)
