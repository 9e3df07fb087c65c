"""What a library answers to a call, and whether two answers agree.

Results that are moved, counted, compared or integral must be equal. Floating-point results may differ by
what both libraries may be off: the tolerance of the record, as ``verigrad.testing`` allows it to PyTorch,
relative to the error bound of the record's composition where it has one (so a sum whose terms cancel may
differ by the rounding of its terms), to what the record names as its scale, or to the largest element.
Gradients likewise, by the bounds of the tape.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from verigrad.testing.backward import compose
from verigrad.testing.calls import prepare, tensors
from verigrad.testing.forward import scale_of
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec
from verigrad.testing.reference import tape
from verigrad.testing.samples import Sample, tree_map

Array = np.ndarray[Any, Any]

KINDS = {
    "refuses": "verigrad refuses what PyTorch accepts",
    "accepts": "verigrad accepts what PyTorch refuses",
    "error type": "both refuse, with other exceptions",
    "results": "another number or kind of results",
    "dtype": "another dtype",
    "shape": "another shape",
    "value": "another value",
    "input": "an input is changed",
    "flag": "another requires_grad",
    "no gradient": "verigrad's backward pass refuses",
    "gradient": "another gradient",
}
QUICK = 4.0  # units of the machine epsilon that need no bound
ALLOWED = 8.0  # times the record's tolerance: verigrad's, and PyTorch's, which promises less


@dataclass
class Answer:
    """What came of a call."""

    error: str = ""  # type of the exception, "" for a call that returned
    message: str = ""
    shape_of_results: str = ""
    results: list[Array] = field(default_factory=list)
    flags: list[bool] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    after: list[Array] = field(default_factory=list)  # the tensors of the call, afterwards
    grads: list[Array | None] | None = None
    backward_error: str = ""


@dataclass(frozen=True)
class Difference:
    """A disagreement: its kind, see :data:`KINDS`, what either library said, and marks of the call.

    The marks are "special" for numbers that are not finite or beyond 1e30, and "empty" for a tensor without
    elements.
    """

    kind: str
    ours: str
    theirs: str
    marks: frozenset[str] = frozenset()


def exception_name(error: BaseException) -> str:
    """The name of the first built-in class of an exception: a library's own class stands for its base."""
    return next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")


def has_random_values(spec: OpSpec, sample: Sample) -> bool:
    """Whether the values are drawn: the streams of the libraries differ, so that dtypes and shapes remain."""
    named = {k: v for k, v in sample.kwargs.items() if "dropout" in k and v not in (0, 0.0, None)}
    drawn = spec.family in ("random", "dropout") or not spec.compare or spec.name.startswith("rrelu")
    positional = spec.name in ("scaled_dot_product_attention", "multi_head_attention_forward")
    return drawn or bool(named) or (positional and any(isinstance(a, float) and a for a in sample.args))


def ask(spec: OpSpec, lib: Library, sample: Sample, differentiate: bool) -> Answer:
    """Makes a call and differentiates its results with fixed incoming gradients."""
    answer = Answer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lib.module.manual_seed(0)
        try:
            call = prepare(lib, sample)
        except Exception as error:  # noqa: BLE001
            return Answer("unbuilt", str(error))
        smooth = [leaf.tensor for leaf in call.leaves if leaf.differentiable and differentiate]
        for leaf in smooth:
            leaf.requires_grad_(True)
        args = call.args
        if (spec.mutates or sample.form == "inplace") and smooth:
            copies = {id(leaf.tensor): leaf.tensor.clone() for leaf in call.leaves}
            args = tree_map(lambda x: copies.get(id(x), x), args)
        try:
            result = spec.bind(lib, sample.form)(*args, **call.kwargs)
        except Exception as error:  # noqa: BLE001
            return Answer(exception_name(error), str(error).split("\n")[0][:300])
        found = tensors(lib, result)
        shown = result.tolist() if isinstance(result, np.ndarray) else result
        structure = tree_map(lambda x: "t" if lib.is_tensor(x) else None, _plain(shown))
        answer.shape_of_results = repr(structure)
        tree_map(lambda x: None if lib.is_tensor(x) else answer.others.append(_number(x)), _plain(shown))
        answer.results = [lib.to_numpy(t) for t in found]
        answer.flags = [bool(t.requires_grad) for t in found]
        answer.after = [lib.to_numpy(leaf.tensor) for leaf in call.leaves]
        outputs = [t for t in found if t.requires_grad]
        if smooth and outputs:
            try:
                weights = [lib.from_numpy(weight(lib.to_numpy(t), i)) for i, t in enumerate(outputs)]
                grads = lib.grad(outputs, smooth, weights)
                answer.grads = [None if g is None else lib.to_numpy(g) for g in grads]
            except Exception as error:  # noqa: BLE001
                answer.backward_error = exception_name(error)
                answer.message = str(error).split("\n")[0][:300]
    return answer


def _plain(tree: Any) -> Any:
    return tuple(_plain(t) for t in tree) if isinstance(tree, tuple | list) else tree


def _number(value: Any) -> Any:
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    text = repr(value).replace("torch.", "").replace("verigrad.", "")
    return text if " at 0x" not in text else type(value).__name__


def weight(like: Array, number: int) -> Array:
    """An incoming gradient: multiples of 1/64 between 1/2 and 1 of either sign."""
    rng = np.random.default_rng(zlib.crc32(f"{like.shape}{number}".encode()))
    values = rng.integers(32, 65, like.shape) / 64.0 * rng.choice([-1.0, 1.0], like.shape)
    return np.asarray(values).astype(like.dtype)


def marks_of(sample: Sample, answers: tuple[Answer, ...]) -> frozenset[str]:
    """The marks of a call, see :class:`Difference`."""
    found = {"empty" for array in sample.arrays() if not array.size}
    for array in (*sample.arrays(), *(r for answer in answers for r in answer.results)):
        if array.dtype.kind == "f" and not (np.abs(array) < 1e30).all():
            found.add("special")
    numbers: list[Any] = []
    tree_map(numbers.append, (sample.args, dict(sample.kwargs)))
    if any(isinstance(n, float) and not abs(n) < 1e29 for n in numbers):
        found.add("special")
    return frozenset(found)


def judge(spec: OpSpec, sample: Sample, ours: Answer, theirs: Answer, faults: int = 1) -> Difference | None:
    """The first way in which two answers differ, with the marks of the call; None if they agree.

    Where several things are wrong, either library may name any of them: types of exceptions count for calls
    with one fault.
    """
    found = _judged(spec, sample, ours, theirs, faults)
    return None if found is None else replace(found, marks=marks_of(sample, (ours, theirs)))


def _judged(spec: OpSpec, sample: Sample, ours: Answer, theirs: Answer, faults: int) -> Difference | None:
    if "unbuilt" in (ours.error, theirs.error):
        return None
    if ours.error or theirs.error:
        if ours.error == theirs.error or (ours.error and theirs.error and faults > 1):
            return None
        kind = "error type" if ours.error and theirs.error else "refuses" if ours.error else "accepts"
        return Difference(kind, _said(ours), _said(theirs))
    if ours.shape_of_results != theirs.shape_of_results:
        return Difference("results", ours.shape_of_results, theirs.shape_of_results)
    drawn = has_random_values(spec, sample)
    if not drawn and not _alike(ours.others, theirs.others):
        return Difference("results", repr(ours.others)[:200], repr(theirs.others)[:200])
    for kind, name in (("dtype", "dtype"), ("shape", "shape")):
        a, b = ([str(getattr(r, name)) for r in x.results] for x in (ours, theirs))
        if a != b:
            return Difference(kind, ", ".join(a), ", ".join(b))
    if ours.flags != theirs.flags:
        return Difference("flag", str(ours.flags), str(theirs.flags))
    if drawn:
        return None
    found = _values(spec, sample, ours.results, theirs.results)
    if found is None and not (sample.form == "inplace" or spec.mutates):
        found = _exact("input", ours.after, theirs.after)
    if found is not None:
        return found
    if ours.backward_error != theirs.backward_error:
        if not ours.backward_error:
            return None  # PyTorch has no formula, or keeps less for the backward pass
        said = f"{ours.backward_error}: {ours.message}"
        return Difference("no gradient", said, theirs.message or "returned a gradient")
    if ours.grads is not None and theirs.grads is not None:
        return _gradients(spec, sample, ours.grads, theirs.grads)
    return None


def _said(answer: Answer) -> str:
    if answer.error:
        return f"{answer.error}: {answer.message}"
    return "returned " + ", ".join(f"{r.dtype}{list(r.shape)}" for r in answer.results)[:200]


def _alike(a: list[Any], b: list[Any]) -> bool:
    def same(x: Any, y: Any) -> bool:
        if isinstance(x, float) and isinstance(y, float):
            return bool(np.isclose(x, y, rtol=1e-6, equal_nan=True))
        return type(x) is type(y) and x == y

    return len(a) == len(b) and all(map(same, a, b))


def _coarsest(sample: Sample) -> float:
    """The greatest epsilon of the floating-point tensors of a call: with both, something may be rounded to
    float32."""
    return max((float(np.finfo(a.dtype).eps) for a in sample.arrays() if a.dtype.kind == "f"), default=0.0)


def _off(
    got: Array, wanted: Array, scale: Any, units: float, coarsest: float = 0.0
) -> tuple[int, ...] | None:
    """The place of the first element that is off by more than so many epsilon of the scale."""
    if got.dtype.kind != "f":
        wrong = got != wanted
    else:
        eps, tiny = max(coarsest, float(np.finfo(got.dtype).eps)), float(np.finfo(got.dtype).tiny)
        with np.errstate(all="ignore"):
            a, b = got.astype(np.float64), wanted.astype(np.float64)
            base = np.maximum(np.maximum(np.abs(a), np.abs(b)), tiny)
            if scale is not None:
                base = np.maximum(base, np.nan_to_num(np.asarray(scale, np.float64), posinf=0.0))
            close = np.abs(a - b) <= units * eps * base
            # Where one overflows, the other may be just below.
            edge = (np.isinf(a) | np.isinf(b)) & (np.minimum(np.abs(a), np.abs(b)) > _most(got) * 0.999)
        wrong = ~(close & np.isfinite(b) | (a == b) | (np.isnan(a) & np.isnan(b)) | (edge & (a * b > 0)))
    if not wrong.any():
        return None
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _most(array: Array) -> float:
    return float(np.finfo(array.dtype).max)


def _exact(kind: str, ours: list[Array], theirs: list[Array]) -> Difference | None:
    for a, b in zip(ours, theirs, strict=False):
        if a.shape == b.shape and a.dtype == b.dtype:
            at = _off(a, b, None, 0.0)
            if at is not None:
                return Difference(kind, f"{a[at]!r} at {list(at)}", f"{b[at]!r}")
    return None


def _norm(array: Array) -> Any:
    finite = np.abs(array[np.isfinite(array)].astype(np.float64)) if array.dtype.kind == "f" else array
    return np.full(array.shape, finite.max(initial=0.0)) if array.dtype.kind == "f" else None


def _values(spec: OpSpec, sample: Sample, ours: list[Array], theirs: list[Array]) -> Difference | None:
    if all(_off(a, b, None, QUICK) is None for a, b in zip(ours, theirs, strict=True)):
        return None
    units = ALLOWED * max(spec.tolerance, 4.0)
    scales = _scales(spec, sample, theirs)
    for a, b, scale in zip(ours, theirs, scales, strict=True):
        at = _off(a, b, scale, units, _coarsest(sample))
        if at is not None:
            return Difference("value", f"{a[at]!r} at {list(at)}", f"{b[at]!r}")
    return None


def _scales(spec: OpSpec, sample: Sample, theirs: list[Array]) -> list[Any]:
    """What the tolerance of each result is relative to."""
    plain = replace(sample, form="function")
    # Weights of interpolation are rounded as positions in the whole image.
    if spec.composition is not None and spec.family != "resampling":
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                bounds = [o.r.error for o in compose(spec, plain, sample.arrays())[0]]
            floating = [r for r in theirs if r.dtype.kind == "f"]
            if [np.shape(b) for b in bounds] == [r.shape for r in floating]:
                known = iter(bounds)
                return [next(known) if r.dtype.kind == "f" else None for r in theirs]
        except Exception:  # noqa: BLE001  # the composition does not know these arguments
            pass
    if spec.scale == "inputs":
        try:
            found = scale_of(spec, plain, theirs[0], sample.arrays())
            if isinstance(found, np.ndarray) and len(theirs) == 1 and found.shape == theirs[0].shape:
                return [found]
        except Exception:  # noqa: BLE001
            pass
    # Elementwise results have no other scale than themselves.
    own = spec.family in ("unary", "binary", "ternary", "special", "comparison") or spec.tolerance == 0
    return [None if own else _norm(r) for r in theirs]


def _gradients(
    spec: OpSpec, sample: Sample, ours: list[Array | None], theirs: list[Array | None]
) -> Difference | None:
    pairs = [
        (np.zeros_like(b) if a is None else a, np.zeros_like(a) if b is None else b)
        for a, b in zip(ours, theirs, strict=True)
        if a is not None or b is not None
    ]
    for a, b in pairs:
        if a.dtype != b.dtype or a.shape != b.shape:
            return Difference("gradient", f"{a.dtype}{list(a.shape)}", f"{b.dtype}{list(b.shape)}")
    if all(_off(a, b, None, QUICK) is None for a, b in pairs):
        return None
    bounds: list[Any] = [None] * len(pairs)
    if spec.composition is not None and len(pairs) == len(ours):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outputs, inputs = compose(spec, replace(sample, form="function"), sample.arrays())
                weights = [weight(o.r.value.astype(o.dtype), i) for i, o in enumerate(outputs)]
                found = [r.error for r in tape.gradients(outputs, weights, inputs)]
            if [np.shape(e) for e in found] == [b.shape for _, b in pairs]:
                bounds = found
        except Exception:  # noqa: BLE001
            pass
    units = ALLOWED * max(spec.gradient_tolerance, 4.0)
    for (a, b), bound in zip(pairs, bounds, strict=True):
        scale = _norm(b) if bound is None else np.maximum(np.nan_to_num(bound, posinf=0.0), 0.0)
        at = _off(a, b, scale, units, _coarsest(sample))
        if at is not None:
            return Difference("gradient", f"{a[at]!r} at {list(at)}", f"{b[at]!r}")
    return None


def evaluate(lib: Library, expression: str) -> Any:
    """The value of an example, in which ``record("name")`` is a record's function, and other names are the
    library's."""
    from verigrad.testing.opspec import records

    def record(name: str, form: str = "function") -> Any:
        return records()[name].bind(lib, form)

    names = {name: getattr(lib.module, name) for name in dir(lib.module) if not name.startswith("__")}
    names |= {"inf": float("inf"), "nan": float("nan"), "record": record, "F": lib.get("nn.functional")}
    names |= {"linalg": lib.get("linalg"), "special": lib.get("special"), "slice": slice, "np": np}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, names)  # noqa: S307  # an expression of differences.toml


def example_difference(expression: str, ours: Library, theirs: Library) -> Difference | None:
    """In which way the libraries differ in an example; gradients are values of the expression here."""
    spec = OpSpec("example", lambda: None, lambda s: (), function=lambda lib: evaluate(lib, expression))
    sample = Sample()
    return judge(spec, sample, *(ask(spec, lib, sample, False) for lib in (ours, theirs)))
