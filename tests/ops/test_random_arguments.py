"""Every bound operation takes any argument, or refuses it with an exception that a user may see, and nothing
is changed: ranks up to 8, no elements, sizes whose product overflows, NaN, dimensions that are not there.

``VERIGRAD_EXAMPLES`` sets the number of examples; tests/fuzz has longer programs in processes of their own.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz import programs

from verigrad.testing.library import Library
from verigrad.testing.opspec import records

pytestmark = pytest.mark.host("programs of the fuzzer make CPU tensors")
EXAMPLES = int(os.environ.get("VERIGRAD_EXAMPLES", "400"))

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
# None between 64 and 2^40: a tensor of that size could be made, slowly.
WHOLE = (0, 1, -1, 2, 3, -2, 7, -9, 2**40, 2**62, 2**63 - 1, -(2**63), 2**64)
FRACTIONS = (0.0, -0.0, 0.5, -1.5, 1e308, {"f": "nan"}, {"f": "inf"}, {"f": "-inf"})
WORDS = ("mean", "none", "sum", "same", "reflect", "nonsense", "")


def bound() -> list[str]:
    """The names of the operations in the registry that the library or a tensor has."""
    registered = Library("verigrad").get("_C._testing.registered_ops")()
    functions = {s.name: s.function for s in records().values() if isinstance(s.function, str)}
    tensor, found = programs.verigrad.Tensor, []
    for name in sorted(registered):
        for path in (functions.get(name, name), f"nn.functional.{name}"):
            try:
                programs.resolve(path)
            except AttributeError:
                continue
            found.append(path)
            break
        if hasattr(tensor, name):
            found.append(f".{name}")
    return found


def tensors() -> st.SearchStrategy[Any]:
    """Tensors as the fuzzer's programs write them, of rank 0 to 8."""
    return st.builds(
        lambda dtype, shape, layout, seed, grad: {
            "t": {"dtype": dtype, "shape": shape, "layout": layout, "seed": seed, "grad": grad}
        },
        st.sampled_from(DTYPES),
        st.lists(st.sampled_from((0, 1, 1, 2, 2, 3, 5)), max_size=8),
        st.sampled_from(programs.LAYOUTS),
        st.integers(0, 5),
        st.booleans(),
    )


def plain() -> st.SearchStrategy[Any]:
    """What stands beside tensors."""
    numbers = st.sampled_from(WHOLE) | st.integers(-3, 5) | st.sampled_from(FRACTIONS)
    single = (
        numbers | st.sampled_from((None, True, False, *WORDS)) | st.sampled_from([{"d": d} for d in DTYPES])
    )
    lists = st.lists(numbers, max_size=9).map(lambda parts: {"l": parts})
    return single | lists | st.lists(tensors(), max_size=3).map(lambda parts: {"l": parts})


NAMES = bound()
KEYWORDS = (
    "dim",
    "keepdim",
    "dtype",
    "reduction",
    "p",
    "size",
    "stride",
    "padding",
    "alpha",
    "eps",
    "training",
)
KEPT = st.dictionaries(st.sampled_from(KEYWORDS), plain(), max_size=1)
# Tensors without elements, whose other sizes have a product beyond 2^63, and rows of NaN.
ODD = st.sampled_from((
    {"call": "zeros", "args": [{"l": [2**40, 2**40, 0]}], "kw": {}},
    {"call": "zeros", "args": [{"l": [0, 2**62, 4]}], "kw": {"dtype": {"d": "int64"}}},
    {"call": "full", "args": [{"l": [2, 3]}, {"f": "nan"}], "kw": {}},
))  # fmt: skip


def test_every_kind_of_operation_is_among_them() -> None:
    assert len(NAMES) > 500
    for name in ("conv2d", "gather", "einsum", "softmax", ".index_put_", ".sort", "nn.functional.linear"):
        assert name in NAMES or f"nn.functional.{name}" in NAMES, name


@settings(max_examples=EXAMPLES)
@given(
    name=st.sampled_from(NAMES),
    odd=ODD,
    first=tensors() | st.just({"r": 0}),
    rest=st.lists(tensors() | plain(), max_size=4),
    kw=KEPT,
)
@pytest.mark.filterwarnings("ignore")
def test_any_argument_is_taken_or_refused(
    name: str, odd: dict[str, Any], first: Any, rest: list[Any], kw: dict[str, Any]
) -> None:
    program = [odd, {"call": name, "args": [first, *rest], "kw": kw}]
    program.append({"call": "backward of sum", "args": [{"r": 1}], "kw": {}})
    programs.run(program)
