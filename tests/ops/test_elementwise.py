"""Elementwise operations beside their records: other names, operators, and what PyTorch answers for every
dtype and number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import verigrad as vg

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
NUMBERS = (True, 2, -1, 2.5)
UNARY = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "bitwise_not", "ceil", "cos", "cosh", "deg2rad",
    "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor", "frac", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "log", "log10", "log1p", "log2", "logical_not", "logit", "nan_to_num", "neg",
    "positive", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "sgn", "sigmoid", "sign", "signbit", "sin",
    "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
# With a tensor alone as the second operand; a tensor or a number; a number on the first side too.
TENSORS = (
    "atan2", "fmax", "fmin", "heaviside", "hypot", "logaddexp", "logaddexp2", "maximum", "minimum",
)  # fmt: skip
MIXED = ("copysign", "eq", "fmod", "ge", "gt", "le", "lt", "ne")
EITHER = (
    "add", "bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "div",
    "float_power", "floor_divide", "mul", "pow", "remainder", "sub", "true_divide", "xlogy",
)  # fmt: skip
LOGICAL = ("logical_and", "logical_or", "logical_xor")
ALIASES = {
    "absolute": "abs", "negative": "neg", "sgn": "sign", "fix": "trunc", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2",
    "subtract": "sub", "multiply": "mul", "divide": "div", "greater": "gt", "greater_equal": "ge",
    "less": "lt", "less_equal": "le", "not_equal": "ne", "clip": "clamp",
}  # fmt: skip
OPERATORS = (
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.iand, operator.ior,
    operator.ixor, operator.ilshift, operator.irshift,
)  # fmt: skip


# PyTorch answers powers 0 and 1 before it looks at the dtype, for a Python number alone.
SHORTCUT = ("pow(bool, True)", "pow(bool, True) in place")


def tensor(lib: Any, dtype: str, right: bool = False) -> Any:
    """Numbers that every operation takes, no divisor of 0 among them."""
    values = [1, 1, 1] if dtype == "bool" else [2, 1, 3] if right else [1, 0, 2]
    return lib.tensor(values, dtype=getattr(lib, dtype))


def outcome(call: Callable[[], Any]) -> Any:
    """Dtype and numbers of the result, or the type of the error."""
    try:
        result = call()
    except Exception as error:
        return type(error).__name__
    return str(result.dtype).split(".")[-1], result.tolist()


def same(got: Any, expected: Any) -> bool:
    """Whether two outcomes are, within rounding."""
    if isinstance(got, str) or isinstance(expected, str):
        return got == expected
    return got[0] == expected[0] and got[1] == pytest.approx(expected[1], rel=1e-5, nan_ok=True)


def calls(lib: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each operation with every pair of dtypes and every number, as function and in place."""

    def form(name: str, *args: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        label = f"{name}({', '.join(str(getattr(a, 'dtype', a)).split('.')[-1] for a in args)})"
        yield label, lambda: getattr(lib, name)(*args)
        if hasattr(args[0], "dtype") and hasattr(args[0], f"{name}_"):
            yield f"{label} in place", lambda: getattr(args[0].clone(), f"{name}_")(*args[1:])

    for one in DTYPES:
        for name in UNARY:
            yield from form(name, tensor(lib, one))
        for number in NUMBERS:
            for name in (*MIXED, *EITHER, "rsub"):
                yield from form(name, tensor(lib, one), number)
            for name in EITHER:
                yield from form(name, number, tensor(lib, one, right=True))
        for two in DTYPES:
            for name in (*TENSORS, *MIXED, *EITHER, *LOGICAL):
                yield from form(name, tensor(lib, one), tensor(lib, two, right=True))


def test_dtypes_numbers_and_errors_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    wrong = []
    for (name, ours), (_, theirs) in zip(calls(vg), calls(torch), strict=True):
        expected, got = outcome(theirs), outcome(ours)
        if name not in SHORTCUT and not same(got, expected):
            wrong.append(f"{name}: expected {expected}, got {got}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:20])


def test_operators_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for one in DTYPES:
        for other in (*DTYPES, *NUMBERS):
            for apply in OPERATORS:
                for reflected in (False, True):
                    found = []
                    for lib in (vg, torch):
                        x = tensor(lib, one)
                        y = tensor(lib, other, right=True) if isinstance(other, str) else other
                        pair = (y, x) if reflected else (x, y)
                        found.append(outcome(lambda pair=pair, apply=apply: apply(*pair)))
                    assert same(*found), (apply.__name__, one, other, reflected)
        for plain in (operator.invert, operator.pos, operator.neg):
            x, y = tensor(vg, one), tensor(torch, one)
            assert same(outcome(lambda x=x, f=plain: f(x)), outcome(lambda y=y, f=plain: f(y))), (plain, one)


def test_other_names_are_the_same_functions() -> None:
    for name, of in ALIASES.items():
        assert getattr(vg, name) is getattr(vg, of), name
        assert getattr(vg.Tensor, name) is getattr(vg.Tensor, of), name
        assert getattr(vg.Tensor, f"{name}_", None) is getattr(vg.Tensor, f"{of}_", None), name


def test_every_name_is_a_function_or_method_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name in (
        *UNARY,
        *TENSORS,
        *MIXED,
        *EITHER,
        *LOGICAL,
        *ALIASES,
        "lerp",
        "addcmul",
        "addcdiv",
        "fill",
        "rsub",
    ):
        assert hasattr(vg, name) and hasattr(torch, name), name
        for form in (name, f"{name}_"):
            assert hasattr(vg.Tensor, form) == hasattr(torch.Tensor, form), form


def test_what_overwrites_a_tensor_stops_its_gradient() -> None:
    for overwrite, node in (
        (lambda x: x.eq_(1.0), "EqBackward0"),
        (lambda x: x.logical_and_(x.detach()), "LogicalAndBackward0"),
        (lambda x: x.logical_not_(), "LogicalNotBackward0"),
        (lambda x: x.heaviside_(x.detach()), "HeavisideBackward0"),
    ):
        leaf = vg.tensor([1.0, -2.0], requires_grad=True)
        y = leaf * 3
        assert overwrite(y) is y
        assert y.grad_fn.name() == node
        y.sum().backward()
        assert leaf.grad.tolist() == [0.0, 0.0]


def test_positive_is_the_tensor_itself() -> None:
    x = vg.tensor([1.0, -2.0])
    assert vg.positive(x) is x and x.positive() is x and +x is x


def test_functions_that_overwrite() -> None:
    x = vg.ones(3)
    assert vg.fill_(x, 2) is x and x.tolist() == [2.0] * 3
    assert vg.zero_(x) is x and x.tolist() == [0.0] * 3


def test_names_of_python_2() -> None:
    x = vg.tensor([2.0, 4.0])
    assert x.__div__(2).tolist() == [1.0, 2.0] and x.__rdiv__(2).tolist() == [1.0, 0.5]
    assert x.__idiv__(2) is x and x.tolist() == [1.0, 2.0]


def test_a_rounded_quotient_has_a_zero_gradient() -> None:
    for mode in ("trunc", "floor"):
        x, y = vg.tensor([5.0], requires_grad=True), vg.tensor([2.0], requires_grad=True)
        quotient = vg.div(x, y, rounding_mode=mode)
        assert quotient.grad_fn.name() == "DivBackward2"
        quotient.backward()
        assert x.grad.tolist() == [0.0] and y.grad.tolist() == [0.0]
        z = vg.tensor([7, -7])
        assert z.div_(2, rounding_mode=mode) is z
        assert z.tolist() == [3, -3 if mode == "trunc" else -4]


def test_a_number_as_weight_has_the_gradients_of_a_tensor() -> None:
    for weight in (0.25, 0.75, -1.0):
        results = []
        for w in (weight, vg.tensor(weight)):
            a = vg.tensor([1.0, 2.0], requires_grad=True)
            b = vg.tensor([3.0, -2.0], requires_grad=True)
            y = vg.lerp(a, b, w)
            (y * y).sum().backward()
            results.append((y.tolist(), a.grad.tolist(), b.grad.tolist()))
        assert results[0] == results[1]


def test_in_place_sums_read_operands_that_share_memory() -> None:
    x = vg.arange(4.0)
    x[1:].addcmul_(x[:-1], x[:-1])
    assert x.tolist() == [0.0, 1.0, 3.0, 7.0]
    y = vg.arange(4.0)
    y[1:].lerp_(y[:-1], 0.5)
    assert y.tolist() == [0.0, 0.5, 1.5, 2.5]


def test_a_refused_call_in_place_changes_nothing() -> None:
    x = vg.arange(3)
    for call in (
        lambda: x.addcmul_(vg.ones(3), vg.ones(3)),
        lambda: x.addcmul_(vg.ones(2, 3, dtype=vg.int64), x),
        lambda: x.div_(2),
        lambda: x.div_(0, rounding_mode="trunc"),
        lambda: x.bitwise_and_(1.5),
        lambda: x.copysign_(1),
    ):
        with pytest.raises(RuntimeError):
            call()
        assert x.tolist() == [0, 1, 2] and x._version == 0


def into(lib: Any) -> dict[str, Callable[[], Any]]:
    """Calls with a tensor for the result."""
    x, whole = lib.tensor([0.5, 0.25]), lib.tensor([1, 2])

    def leaf() -> Any:
        return lib.tensor([0.5, 0.25], requires_grad=True)

    def under_no_grad() -> Any:
        with lib.no_grad():
            return lib.exp(leaf(), out=lib.zeros(2))

    return {
        "none": lambda: lib.exp(x, out=None),
        "another dtype": lambda: lib.exp(whole, out=lib.zeros(2, dtype=lib.float64)),
        "a narrower dtype": lambda: lib.exp(x, out=lib.zeros(2, dtype=lib.int64)),
        "an integer for a comparison": lambda: lib.eq(whole, 1, out=lib.zeros(2, dtype=lib.int64)),
        "a gradient": lambda: lib.exp(leaf(), out=lib.zeros(2)),
        "a gradient of the second": lambda: lib.add(x, leaf(), out=lib.zeros(2)),
        "a gradient of the result": lambda: lib.exp(x, out=leaf()),
        "under no_grad": under_no_grad,
        "no tensor": lambda: lib.exp(x, out=3),
        "empty": lambda: lib.exp(x, out=lib.zeros(0)),
        "shared elements": lambda: lib.exp(x, out=lib.zeros(1).expand(2)),
        "itself": lambda: lib.add(x, 1, out=x),
        "keywords": lambda: lib.add(x, x, alpha=2, out=lib.zeros(2)),
        "rounding": lambda: lib.div(whole, 2, rounding_mode="trunc", out=lib.zeros(2, dtype=lib.int64)),
        "decimals": lambda: lib.round(x, decimals=1, out=lib.zeros(2)),
        "three": lambda: lib.lerp(x, x, 0.5, out=lib.zeros(2)),
        "clamp": lambda: lib.clamp(x, 0.3, out=lib.zeros(2)),
        "numbers": lambda: lib.pow(2, x, out=lib.zeros(2)),
    }


def test_out_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = into(vg), into(torch)
    for name in ours:
        assert same(outcome(ours[name]), outcome(theirs[name])), name


def test_out_is_the_tensor_that_was_given() -> None:
    out = vg.zeros(2)
    before = out._version
    assert vg.exp(vg.zeros(2), out=out) is out
    assert out.tolist() == [1.0, 1.0] and out._version > before
    x = vg.arange(4.0)
    assert vg.add(x[:-1], 1, out=x[1:]).tolist() == [1.0, 2.0, 3.0]
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_out_of_another_shape_is_resized_with_a_warning() -> None:
    out = vg.ones(3)
    with pytest.warns(UserWarning, match="resized since it had shape"):
        assert vg.exp(vg.zeros(2), out=out) is out
    assert out.tolist() == [1.0, 1.0]


def test_a_refused_out_is_as_it_was() -> None:
    out = vg.tensor([7, 7])
    for call in (lambda: vg.exp(vg.zeros(2), out=out), lambda: vg.add(vg.ones(2), vg.ones(3), out=out)):
        with pytest.raises(RuntimeError):
            call()
        assert out.tolist() == [7, 7] and out._version == 0


def test_out_of_what_has_no_gradient_takes_inputs_that_require_one() -> None:
    x, out = vg.tensor([1.0, -1.0], requires_grad=True), vg.zeros(2, dtype=vg.bool)
    assert vg.signbit(x, out=out) is out and out.tolist() == [False, True]
    assert vg.gt(x, 0, out=out).tolist() == [True, False]
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        vg.exp(x, out=vg.zeros(2))
