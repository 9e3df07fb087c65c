"""Checks of gradients by finite differences in float64.

For an operation f, a direction v at an input x, and weights u of the outputs, two numbers must agree:

    d/dt <u, f(x + t v)>  at t = 0,   from central differences with Richardson's extrapolation, and
    <J^T u, v>,                       from the vector-Jacobian product, one backward pass.

The extrapolation (W. H. Press et al., "Numerical Recipes", 3rd edition, section 5.7) combines the steps h and
h/2 to an error of order h^4, so that a relative tolerance of 1e-6 holds with room. A direction per input and
drawing costs five evaluations whatever the size. Tiny cases are checked by the full Jacobian as well. Second
order is first order of the function (x, u) -> J^T u.

An operation may have two ways to its gradient: a fused kernel, and public operations while the gradient
itself is recorded. The first is compared with differences, so the second is compared with the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError
from verigrad.testing.layouts import CONTIGUOUS, build, expanded_dim, settle
from verigrad.testing.library import Library

Array = np.ndarray[Any, Any]

STEP = 2.0**-10  # and directions in multiples of 2^-6, so that casts to float32 are exact and can be checked
TOLERANCE = 1e-6
EPSILON = float(np.finfo(np.float64).eps)
FLOOR = 1e-11  # rounding where gradients of order 1 cancel, as those of x / x
DIRECTIONS = 2
TINY = 12  # elements of input and of output up to which the full Jacobian is checked
LOCALISED = 200  # elements that are tried one by one after a failure


class GradientMismatch(CheckError):
    """Analytic and numeric gradient disagree.

    Attributes:
        op, input, index: where, in words and as a position in the input.
        analytic, numeric: the two numbers.
        order: 1 or 2.
    """

    def __init__(
        self,
        op: str,
        input: str,
        index: tuple[int, ...] | str,
        analytic: float,
        numeric: float,
        order: int,
        case: str,
    ) -> None:
        self.op, self.input, self.index = op, input, index
        self.analytic, self.numeric, self.order = analytic, numeric, order
        place = list(index) if isinstance(index, tuple) else index
        super().__init__(
            f"{op}: expected equal gradients of order {order} for {input} at {place}, got "
            f"analytic {analytic!r}, numeric {numeric!r} in {case or 'this call'}"
        )


@dataclass
class Problem:
    """A function of float64 tensors whose derivatives are to be checked.

    Attributes:
        name: what a failure is reported under.
        lib: the library of the tensors.
        function: takes the tensors, answers one or several tensors.
        arrays: where to check.
        layouts: memory layout of each input; contiguous where the list ends.
        labels: a name for each input.
        grad_layout: memory layout of the incoming gradient.
        case: the call in words.
        order: of the derivative that the check finds, for reports.
    """

    name: str
    lib: Library
    function: Callable[..., Any]
    arrays: list[Array]
    layouts: Sequence[str] = ()
    labels: Sequence[str] = ()
    grad_layout: str = CONTIGUOUS
    case: str = ""
    order: int = 1

    def layout(self, i: int) -> str:
        """The layout of input i."""
        return self.layouts[i] if i < len(self.layouts) else CONTIGUOUS

    def label(self, i: int) -> str:
        """The name of input i."""
        return self.labels[i] if i < len(self.labels) else f"input {i}"

    def inputs(self, arrays: Sequence[Array], requires_grad: bool) -> list[Any]:
        """Tensors of these values."""
        made = [build(self.lib, a, self.layout(i)).tensor for i, a in enumerate(arrays)]
        return [t.requires_grad_(True) for t in made] if requires_grad else made

    def outputs(self, inputs: Sequence[Any]) -> list[Any]:
        """The floating-point results."""
        result = self.function(*inputs)
        found = list(result) if isinstance(result, list | tuple) else [result]
        return [t for t in found if self.lib.is_tensor(t) and t.dtype.is_floating_point]

    def values(self, arrays: Sequence[Array]) -> list[Array]:
        """The results as arrays."""
        return [self.lib.to_numpy(t) for t in self.outputs(self.inputs(arrays, requires_grad=False))]

    def incoming(self) -> list[Array]:
        """A gradient for each result, drawn from the problem's random numbers."""
        rng = self.seed()
        return [draw(rng, v.shape, self.grad_layout) for v in self.values(self.arrays)]

    def seed(self) -> np.random.Generator:
        """Random numbers that belong to this problem."""
        return np.random.default_rng(
            zlib.crc32(f"{self.name}{self.case}{self.grad_layout}{self.order}".encode())
        )


@dataclass
class Finding:
    """What a check measured: the worst relative error, and for which inputs an error of 0.1 % would have been
    seen."""

    error: float = 0.0
    informed: set[str] = field(default_factory=set)
    checks: int = 0


def _dot(a: Sequence[Array], b: Sequence[Array]) -> float:
    return float(sum(np.vdot(u, v) for u, v in zip(a, b, strict=True)))


def _magnitude(a: Sequence[Array], b: Sequence[Array]) -> float:
    return float(sum(np.abs(u * v).sum() for u, v in zip(a, b, strict=True)))


def _numeric(evaluate: Callable[[float], float]) -> float:
    """The derivative at 0."""
    coarse = (evaluate(STEP) - evaluate(-STEP)) / (2 * STEP)
    fine = (evaluate(STEP / 2) - evaluate(-STEP / 2)) / STEP
    return (4 * fine - coarse) / 3


def _direction(problem: Problem, weights: Sequence[Array], i: int, v: Array) -> float:
    def evaluate(t: float) -> float:
        arrays = list(problem.arrays)
        arrays[i] = (arrays[i] + t * v).astype(arrays[i].dtype)
        return _dot(weights, problem.values(arrays))

    return _numeric(evaluate)


def draw(rng: np.random.Generator, shape: tuple[int, ...], layout: str) -> Array:
    """Multiples of 1/64 of either sign between 0.5 and 1 in absolute value, such as the layout can hold."""
    values = rng.integers(32, 65, shape) / 64.0 * rng.choice([-1.0, 1.0], shape)
    return settle(np.asarray(values), layout)


def analytic(
    problem: Problem, weights: Sequence[Array], create_graph: bool = False, only: int | None = None
) -> list[Array]:
    """The vector-Jacobian product of each input.

    Args:
        problem: the function and where to check it.
        weights: the incoming gradients.
        create_graph: whether the backward pass is recorded.
        only: the input that alone requires a gradient, the others being constants; all do by default.

    Raises:
        CheckError: if a result does not require a gradient or a gradient has another shape or dtype than its
            input.
    """
    lib = problem.lib
    inputs = problem.inputs(problem.arrays, requires_grad=only is None)
    chosen = range(len(inputs)) if only is None else range(only, only + 1)
    if only is not None:
        inputs[only].requires_grad_(True)
    outputs = problem.outputs(inputs)
    incoming = [
        build(lib, w.astype(lib.dtype_name(o)), problem.grad_layout).tensor
        for o, w in zip(outputs, weights, strict=True)
    ]
    kept = [(o, g) for o, g in zip(outputs, incoming, strict=True) if o.requires_grad]
    if not kept and problem.order > 1:  # a gradient that depends on nothing; the differences will tell
        return [np.zeros(x.shape) for x in problem.arrays]
    if not kept:
        raise CheckError(
            f"{problem.name}: expected a result that requires a gradient, got none in {problem.case}"
        )
    grads = lib.grad(
        [o for o, _ in kept], [inputs[i] for i in chosen], [g for _, g in kept], create_graph=create_graph
    )
    found = []
    for i, g in zip(chosen, grads, strict=True):
        x = problem.arrays[i]
        if g is None:
            found.append(np.zeros(x.shape))
            continue
        array = lib.to_numpy(g)
        if array.shape != x.shape or array.dtype != x.dtype:
            raise CheckError(
                f"{problem.name}: expected a gradient {x.dtype}{list(x.shape)} for {problem.label(i)}, "
                f"got {array.dtype}{list(array.shape)} in {problem.case}"
            )
        if not np.isfinite(array).all():
            raise CheckError(
                f"{problem.name}: expected a finite gradient for {problem.label(i)}, got {array}"
            )
        found.append(array)
    return found


def projection_check(problem: Problem, directions: int = DIRECTIONS, tolerance: float = TOLERANCE) -> Finding:
    """Compares the two numbers for random weights and directions, each input on its own.

    Raises:
        GradientMismatch: with the element that is farthest off.
        CheckError: if a recorded backward pass gives another gradient.
    """
    rng = problem.seed()
    finding = Finding()
    values = problem.values(problem.arrays)
    for direction in range(directions):
        weights = [draw(rng, v.shape, problem.grad_layout) for v in values]
        noise = 64 * EPSILON * _magnitude(weights, values) / STEP + FLOOR * sum(
            np.abs(w).sum() for w in weights
        )
        grads = analytic(problem, weights)
        if direction == 0 and problem.order == 1:
            _compare_recorded(problem, weights, grads, tolerance)
        for i, grad in enumerate(grads):
            v = draw(rng, grad.shape, problem.layout(i))
            finding.checks += 1
            numeric = _direction(problem, weights, i, v) if grad.size else 0.0
            exact = _dot([grad], [v])
            scale = max(_magnitude([grad], [v]), abs(numeric))
            if not abs(numeric - exact) <= tolerance * scale + noise:
                _localise(problem, weights, i, grad, numeric, exact)
            if scale > 0:
                finding.error = max(finding.error, max(abs(numeric - exact) - noise, 0.0) / scale)
            if 1e-3 * abs(numeric) > 2 * (tolerance * scale + noise):
                finding.informed.add(problem.label(i))
    return finding


def _compare_recorded(
    problem: Problem, weights: Sequence[Array], grads: Sequence[Array], tolerance: float
) -> None:
    """Raises CheckError unless create_graph=True gives these gradients."""
    noise = FLOOR * sum(np.abs(w).sum() for w in weights)
    for i, (plain, recorded) in enumerate(
        zip(grads, analytic(problem, weights, create_graph=True), strict=True)
    ):
        off = np.abs(recorded - plain)
        if not (off <= tolerance * np.abs(plain).max(initial=0.0) + noise).all():
            index = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
            raise CheckError(
                f"{problem.name}: expected the same gradient for {problem.label(i)} with create_graph=True "
                f"as without, got {recorded[index]!r} and {plain[index]!r} at {list(index)} in {problem.case}"
            )


def _units(shape: tuple[int, ...], layout: str) -> list[tuple[tuple[int, ...], Array]]:
    """A direction per element; per group of elements that are the same memory in an expanded layout."""
    dim = expanded_dim(shape, layout)
    sizes = [1 if d == dim else s for d, s in enumerate(shape)]
    found = []
    for index in np.ndindex(*sizes):
        unit = np.zeros(shape)
        unit[tuple(slice(None) if d == dim else i for d, i in enumerate(index))] = 1.0
        found.append((tuple(int(i) for i in index), unit))
    return found


def _localise(
    problem: Problem, weights: Sequence[Array], i: int, grad: Array, numeric: float, exact: float
) -> None:
    worst: tuple[float, Any, float, float] = (-1.0, "a random direction", exact, numeric)
    for index, unit in _units(grad.shape, problem.layout(i))[:LOCALISED]:
        by_difference = _direction(problem, weights, i, unit)
        by_backward = _dot([grad], [unit])
        off = abs(by_difference - by_backward)
        if off > worst[0]:
            worst = (off, index, by_backward, by_difference)
    raise GradientMismatch(problem.name, problem.label(i), *worst[1:], problem.order, problem.case)


def jacobian_check(problem: Problem, tolerance: float = TOLERANCE) -> Finding:
    """Compares every element of the Jacobian.

    Raises:
        GradientMismatch: with the first element that is off.
    """
    finding = Finding()
    values = problem.values(problem.arrays)
    rows = []
    for o, value in enumerate(values):
        for index in np.ndindex(*value.shape):
            weights = [np.zeros(v.shape) for v in values]
            weights[o][index] = 1.0
            rows.append(((o, index), analytic(problem, weights)))
    for i, array in enumerate(problem.arrays):
        scale = max((float(np.abs(grads[i]).max(initial=0.0)) for _, grads in rows), default=0.0)
        for index, unit in _units(array.shape, problem.layout(i)):
            stacks = [_shifted(problem, i, unit, t) for t in (STEP, -STEP, STEP / 2, -STEP / 2)]
            for (o, at), grads in rows:
                ends = [float(stack[o][at]) for stack in stacks]
                numeric = (8 * (ends[2] - ends[3]) - (ends[0] - ends[1])) / (6 * STEP)
                exact = _dot([grads[i]], [unit])
                noise = 64 * EPSILON * max(abs(e) for e in ends) / STEP + FLOOR
                finding.checks += 1
                if not abs(numeric - exact) <= tolerance * max(scale, abs(numeric)) + noise:
                    raise GradientMismatch(
                        problem.name,
                        problem.label(i),
                        index,
                        exact,
                        numeric,
                        problem.order,
                        f"{problem.case}, output {o} at {list(at)}",
                    )
                if scale > 0:
                    finding.error = max(finding.error, max(abs(numeric - exact) - noise, 0.0) / scale)
    return finding


def _shifted(problem: Problem, i: int, unit: Array, t: float) -> list[Array]:
    arrays = list(problem.arrays)
    arrays[i] = arrays[i] + t * unit
    return problem.values(arrays)


def is_tiny(problem: Problem) -> bool:
    """Whether the full Jacobian is cheap."""
    outputs = sum(v.size for v in problem.values(problem.arrays))
    return 0 < sum(a.size for a in problem.arrays) <= TINY and 0 < outputs <= TINY


def second_order(problem: Problem) -> Problem:
    """The problem whose first order is the second order of this one: (inputs, weights) -> vector-Jacobian
    products."""
    lib, count = problem.lib, len(problem.arrays)
    rng = problem.seed()
    values = problem.values(problem.arrays)
    weights = [draw(rng, v.shape, problem.grad_layout).astype(v.dtype) for v in values]

    def function(*tensors: Any) -> list[Any]:
        recorded = any(t.requires_grad for t in tensors)
        inputs = [t if t.requires_grad else t.detach().requires_grad_(True) for t in tensors[:count]]
        outputs = problem.outputs(inputs)
        kept = [(o, w) for o, w in zip(outputs, tensors[count:], strict=True) if o.requires_grad]
        grads = lib.grad([o for o, _ in kept], inputs, [w for _, w in kept], create_graph=recorded)
        return [g for g in grads if g is not None]

    layouts = [problem.layout(i) for i in range(count)] + [problem.grad_layout] * len(weights)
    labels = [problem.label(i) for i in range(count)] + [
        f"incoming gradient {i}" for i in range(len(weights))
    ]
    return Problem(
        problem.name,
        lib,
        function,
        [*problem.arrays, *weights],
        layouts,
        labels,
        CONTIGUOUS,
        problem.case,
        order=2,
    )
