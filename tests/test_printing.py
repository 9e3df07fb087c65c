"""`repr` of tensors: fixed cases in PyTorch's format, random ones against PyTorch where it is installed."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verigrad as vg
from verigrad._tensor_str import get_printoptions, printoptions, set_printoptions, tensor_str


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


FIXED = [
    ([[1.0, 2.0]], {}, "tensor([[1., 2.]])"),
    ([[1.0, 2.0]], {"requires_grad": True}, "tensor([[1., 2.]], requires_grad=True)"),
    (3, {}, "tensor(3)"),
    (3.0, {}, "tensor(3.)"),
    (0.5, {}, "tensor(0.5000)"),
    (True, {}, "tensor(True)"),
    ([True, False], {}, "tensor([ True, False])"),
    ([1, -20, 300], {}, "tensor([  1, -20, 300])"),
    ([1, 2], {"dtype": vg.int32}, "tensor([1, 2], dtype=verigrad.int32)"),
    ([1, 2], {"dtype": vg.uint8}, "tensor([1, 2], dtype=verigrad.uint8)"),
    ([1.5], {"dtype": vg.float64}, "tensor([1.5000], dtype=verigrad.float64)"),
    ([0.0, 0.0], {}, "tensor([0., 0.])"),
    ([-0.0, 1.0], {}, "tensor([-0., 1.])"),
    ([1.0, math.nan, math.inf, -math.inf], {}, "tensor([1., nan, inf, -inf])"),
    ([0.5, math.nan, -math.inf], {}, "tensor([0.5000,    nan,   -inf])"),
    ([math.nan], {}, "tensor([nan])"),
    # Scientific: a ratio above 1000, a value above 1e8, a value below 1e-4.
    ([1.0, 1000.0], {}, "tensor([   1., 1000.])"),
    ([1.0, 1001.0], {}, "tensor([1.0000e+00, 1.0010e+03])"),
    ([1e8], {}, "tensor([100000000.])"),
    ([2e8], {}, "tensor([2.0000e+08])"),
    ([1e-3], {}, "tensor([0.0010])"),
    ([9e-5], {}, "tensor([9.0000e-05])"),
    ([], {}, "tensor([])"),
    ([], {"dtype": vg.int64}, "tensor([], dtype=verigrad.int64)"),
    ([[], []], {}, "tensor([], size=(2, 0))"),
    ([[], []], {"dtype": vg.bool}, "tensor([], size=(2, 0), dtype=verigrad.bool)"),
    (
        [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
        {},
        "tensor([[[1, 2],\n         [3, 4]],\n\n        [[5, 6],\n         [7, 8]]])",
    ),
]


@pytest.mark.parametrize(("data", "options", "text"), FIXED)
def test_fixed(data: Any, options: dict[str, Any], text: str) -> None:
    tensor = vg.tensor(data, **options)
    assert repr(tensor) == text
    assert str(tensor) == text
    assert tensor_str(tensor) == text


def test_history_is_named() -> None:
    x = vg.tensor([1.0, 2.0], requires_grad=True)
    assert repr(x + x) == "tensor([2., 4.], grad_fn=<AddBackward0>)"
    assert repr(x.sum()) == "tensor(3., grad_fn=<SumBackward0>)"
    assert repr((x + x).detach()) == "tensor([2., 4.])"


def test_parameter() -> None:
    parameter = vg.nn.Parameter(vg.tensor([1.0]))
    assert repr(parameter) == "Parameter containing:\ntensor([1.], requires_grad=True)"


def test_subclass_has_its_name() -> None:
    class Mask(vg.Tensor):
        pass

    class Weight(vg.nn.Parameter):
        pass

    assert repr(Mask(vg.tensor([1, 2]))) == "Mask([1, 2])"
    expected = "Parameter containing:\nParameter(Weight([1.], requires_grad=True))"
    assert repr(Weight(vg.tensor([1.0]))) == expected


def test_default_dtype_goes_without_saying() -> None:
    before = vg.get_default_dtype()
    vg.set_default_dtype(vg.float64)
    try:
        assert repr(vg.tensor([1.5])) == "tensor([1.5000])"
        assert repr(vg.tensor([1.5], dtype=vg.float32)) == "tensor([1.5000], dtype=verigrad.float32)"
    finally:
        vg.set_default_dtype(before)


def test_lines_break_between_elements() -> None:
    lines = repr(vg.arange(30)).split("\n")
    assert lines[0] == "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,"
    assert lines[1] == "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"


def test_suffix_moves_to_its_own_line() -> None:
    lines = repr(vg.arange(18, dtype=vg.int32)).split("\n")
    assert lines[-1] == "       dtype=verigrad.int32)"


def test_large_tensors_are_summarised() -> None:
    assert repr(vg.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert "..." not in repr(vg.arange(1000))
    expected = (
        "tensor([[   0,    1,    2,  ...,   37,   38,   39],\n"
        "        [  40,   41,   42,  ...,   77,   78,   79],\n"
        "        [  80,   81,   82,  ...,  117,  118,  119],\n"
        "        ...,\n"
        "        [1480, 1481, 1482,  ..., 1517, 1518, 1519],\n"
        "        [1520, 1521, 1522,  ..., 1557, 1558, 1559],\n"
        "        [1560, 1561, 1562,  ..., 1597, 1598, 1599]])"
    )
    assert repr(vg.arange(1600).reshape(40, 40)) == expected


def test_hidden_elements_do_not_decide_the_format() -> None:
    values = vg.ones(2000)
    values[1000] = 1e-6
    assert repr(values) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_only_the_shown_elements_are_read() -> None:
    # 4 TB of elements: reading them all would not end.
    huge = vg.zeros(1).expand(10**6, 10**6)
    row = "        [0., 0., 0.,  ..., 0., 0., 0.]"
    assert repr(huge).split("\n")[3:5] == ["        ...,", row + ","]


def test_options() -> None:
    tensor = vg.tensor([1.23456, 2.0])
    with printoptions(precision=2):
        assert repr(tensor) == "tensor([1.23, 2.00])"
    assert repr(tensor) == "tensor([1.2346, 2.0000])"
    with printoptions(sci_mode=True):
        assert repr(tensor) == "tensor([1.2346e+00, 2.0000e+00])"
    with printoptions(sci_mode=False):
        assert repr(vg.tensor([1.0, 1e6])) == "tensor([      1., 1000000.])"
    with printoptions(threshold=4, edgeitems=1):
        assert repr(vg.arange(5)) == "tensor([0,  ..., 4])"
    with printoptions(threshold=4, edgeitems=0):
        assert repr(vg.arange(5)) == "tensor([...], size=(5,))"
        assert repr(vg.arange(6).reshape(2, 3)) == "tensor([...], size=(2, 3))"
    with printoptions(linewidth=20):
        assert repr(vg.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"


def test_profiles() -> None:
    set_printoptions(profile="short")
    assert repr(vg.tensor([1.23456])) == "tensor([1.23])"
    assert get_printoptions()["edgeitems"] == 2
    set_printoptions(profile="full")
    assert "..." not in repr(vg.arange(1001))
    set_printoptions(profile="full", precision=1)
    assert get_printoptions() == {
        "precision": 1,
        "threshold": math.inf,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }


def test_public_name() -> None:
    assert vg.set_printoptions is set_printoptions


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"precision": -1}, ValueError, "expected precision of at least 0, got -1"),
        ({"precision": 1.5}, TypeError, "expected precision to be an int, got 1.5"),
        ({"edgeitems": True}, TypeError, "expected edgeitems to be an int, got True"),
        ({"linewidth": 0}, ValueError, "expected linewidth of at least 1, got 0"),
        ({"threshold": math.nan}, ValueError, "expected threshold of at least 0, got nan"),
        ({"threshold": "many"}, TypeError, "expected threshold to be a number, got 'many'"),
        ({"sci_mode": "yes"}, TypeError, "expected sci_mode to be True, False or None, got 'yes'"),
        ({"profile": "long"}, ValueError, r"expected profile in .*, got 'long'"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    before = get_printoptions()
    with pytest.raises(error, match="set_printoptions: " + message):
        set_printoptions(**options)
    assert get_printoptions() == before


SHAPES = st.lists(st.integers(0, 9), max_size=4)
EDGE_VALUES = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-5, 1e8, 1e30, 1.0])
VALUES = st.one_of(
    st.floats(-10, 10, width=32),
    st.floats(width=32),
    st.integers(-2000, 2000).map(float),
    EDGE_VALUES,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 8),
        "threshold": st.sampled_from([0, 5, 20, 1000, math.inf]),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.sampled_from([1, 20, 80, 120]),
        "profile": st.sampled_from(["default", "short", "full"]),
        "sci_mode": st.sampled_from([None, True, False]),
    },
)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), shape=SHAPES, options=OPTIONS)
def test_same_as_torch(data: st.DataObject, shape: list[int], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    name = data.draw(st.sampled_from(["float32", "float64", "int64", "int32", "uint8", "bool"]))
    # A few values repeated, so that large shapes stay cheap to draw.
    some = data.draw(st.lists(VALUES, min_size=1, max_size=8))
    if not name.startswith("float"):
        low, high = {"uint8": (0, 255), "bool": (0, 1)}.get(name, (-(2**31), 2**31 - 1))
        some = [int(min(max(value, low), high)) if math.isfinite(value) else low for value in some]
    values = [some[i % len(some)] for i in range(math.prod(shape))]
    ours = vg.tensor(values, dtype=getattr(vg, name)).reshape(shape)
    theirs = torch.tensor(values, dtype=getattr(torch, name)).reshape(shape)
    if name.startswith("float") and data.draw(st.booleans()):
        ours.requires_grad_()
        theirs.requires_grad_()
        if data.draw(st.booleans()):
            ours, theirs = ours * 1, theirs * 1
    default = {"profile": "default"}
    try:
        torch.set_printoptions(**(default | options))
        set_printoptions(**(default | options))
        # A longer module name moves line breaks, so the names are compared before they are put in.
        expected = repr(theirs)
        got = repr(ours)
    finally:
        torch.set_printoptions(**default)
        set_printoptions(**default)
    assert _unbroken(got.replace("verigrad.", "torch.")) == _unbroken(expected)


def _unbroken(text: str) -> str:
    """Without the break before a suffix, which depends on the length of the library's name."""
    for suffix in ("dtype=", "size=", "grad_fn=", "requires_grad="):
        head, found, tail = text.partition(suffix)
        text = head.rstrip() + " " + found + tail if found else text
    return text
