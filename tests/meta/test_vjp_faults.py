"""Wrong vector-Jacobian products, planted in every node of every differentiable operation, are caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from verigrad.testing.differentiation import informative_problems
from verigrad.testing.gradients import GradientMismatch, Problem, analytic, projection_check, second_order
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records

LIB = Library("verigrad")
TESTING = LIB.get("_C._testing")
DIFFERENTIABLE = [name for name, spec in records().items() if spec.order > 0]
# Operations whose gradient is zero everywhere: no factor makes it wrong.
ZERO = {name for name, spec in records().items() if spec.zero_gradient}
# Nodes whose gradient is zero, or empty wherever they stand.
NOUGHT = {"FillBackward0", "ZeroBackward0", "DivBackward2"}
# The gradient of a covariance by the mean is zero: distances to it add up to nothing.
NOUGHT_IN = {("cov", "SumBackward1"), ("corrcoef", "SumBackward1")}
# The very tensor comes back, without a node.
IDENTITY = {"cpu", "positive"}
FACTORS = tuple(kind for kind in TESTING.vjp_fault_kinds() if kind != "broadcast")
KINDS = (*FACTORS, "broadcast")
# Kinds that change no gradient in any sample: it is zero there, or has one element. Entries may only go.
UNFELT = {
    "atleast_1d": {"half"},
    "clamped_backward": {"middle"},
    "dropout2d": {"last"},
    "feature_alpha_dropout": {"last"},
    "fill": {"half"},
    "fill_": {"half"},
    "hardtanh": {"last", "middle"},
    "hardtanh_": {"last"},
    "hardtanh_backward": {"last"},
}
BROADCASTING = {
    name for name, spec in records().items() if spec.family in ("binary", "ternary") and spec.order
}
BROADCASTING |= {"where", "masked_fill", "copy_"}


def nodes(outputs: list[Any]) -> set[str]:
    """The names in the graph behind these tensors, without the leaves."""
    todo = [o.grad_fn for o in outputs if o.grad_fn is not None]
    seen: dict[int, Any] = {}  # keeps the objects, so that no id is used twice
    while todo:
        node = todo.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            todo += [n for n, _ in node.next_functions if n is not None]
    return {node.name() for node in seen.values() if not node.name().endswith("AccumulateGrad")}


def graph_nodes(problem: Problem) -> set[str]:
    """The names in the graph of a problem."""
    return nodes(problem.outputs(problem.inputs(problem.arrays, requires_grad=True)))


def some(spec: OpSpec, count: int = 80) -> list[Problem]:
    """A few problems of a record."""
    return [problem for _, problem in zip(range(count), informative_problems(spec, LIB), strict=False)]


def weights(problem: Problem) -> list[np.ndarray]:
    """Incoming gradients that are not all alike."""
    return [
        1.0 + np.cos(np.arange(v.size, dtype=np.float64)).reshape(v.shape)
        for v in problem.values(problem.arrays)
    ]


def changes(problem: Problem, kind: str, node: str, right: list[np.ndarray] | None = None) -> bool:
    """Whether the fault changes any gradient of the problem; `right`: the gradients without it, if known."""
    right = analytic(problem, weights(problem)) if right is None else right
    TESTING.plant_vjp_fault(kind, node)
    try:
        wrong = analytic(problem, weights(problem))
    except Exception:
        return True
    finally:
        TESTING.clear_faults()
    return any(not np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(right, wrong, strict=True))


def caught(problems: list[Problem], kind: str, node: str) -> bool:
    """Whether a check of first order fails with the fault planted."""
    TESTING.plant_vjp_fault(kind, node)
    try:
        for problem in problems:
            try:
                projection_check(problem)
            except Exception:
                return True
        return False
    finally:
        TESTING.clear_faults()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_planted_faults_are_caught(name: str) -> None:
    problems = some(records()[name])
    names = {problem.case: graph_nodes(problem) for problem in problems}
    right = {id(problem): analytic(problem, weights(problem)) for problem in problems}
    effective = set()
    for node in sorted(set().union(*names.values())):
        of_node = [p for p in problems if node in names[p.case]]
        for kind in KINDS:
            # Without a broadcast there is no sum to miss; two nodes of a name in a row flip the sign back.
            if any(changes(p, kind, node, right[id(p)]) for p in of_node):
                effective.add(kind)
                assert caught(of_node, kind, node), f"{kind} in {node} was not caught"
            else:
                known = node in NOUGHT or (name, node) in NOUGHT_IN or name in ZERO
                assert kind != "scale" or known, f"{node}: scale changes nothing"
    if name not in ZERO | IDENTITY:
        expected = {kind for kind in KINDS if kind != "broadcast" or name in BROADCASTING}
        assert expected - effective == UNFELT.get(name, set()), "kinds that change nothing in any node"


@pytest.mark.parametrize(
    "name", [name for name in DIFFERENTIABLE if records()[name].order == 2 and name not in ZERO]
)
def test_a_fault_in_the_second_backward_pass_is_caught(name: str) -> None:
    """In the nodes that stand in the graph of the gradients only. As in the first pass, a single number may
    lie where a node hardly counts; the samples together must see it."""
    problems = some(records()[name], 6)
    pairs = [
        (twice, graph_nodes(twice) - graph_nodes(p))
        for p, twice in zip(problems, map(second_order, problems), strict=True)
    ]
    for node in sorted(set().union(*(nodes for _, nodes in pairs))):
        of_node = [twice for twice, nodes in pairs if node in nodes]
        for kind in FACTORS:
            if any(changes(twice, kind, node) for twice in of_node):
                assert caught(of_node, kind, node), f"{kind} in {node} was not caught"


def test_the_report_of_a_fault_names_what_a_reader_needs() -> None:
    problem = next(p for p in informative_problems(records()["mul"], LIB) if p.arrays[0].shape == (3, 4))
    TESTING.plant_vjp_fault("scale", "MulBackward0")
    with pytest.raises(GradientMismatch) as info:
        projection_check(problem)
    error = info.value
    assert error.op == "mul" and error.input == "input 0" and error.order == 1
    assert isinstance(error.index, tuple) and len(error.index) == 2
    assert error.analytic == pytest.approx(1.001 * error.numeric, rel=1e-6)
    for part in (
        "mul",
        "input 0",
        str(list(error.index)),
        repr(error.analytic),
        repr(error.numeric),
        "float64[3, 4]",
        "order 1",
    ):
        assert part in str(error)


def test_every_kind_spoils_what_its_name_says() -> None:
    a, b = np.ones((3, 1)), np.ones((1, 4))
    wanted = {
        "scale": ([4.004] * 3, [3.003] * 4),
        "zero": ([0.0] * 3, [0.0] * 4),
        "sign": ([-4.0] * 3, [-3.0] * 4),
        "double": ([8.0] * 3, [6.0] * 4),
        "last": ([4.0, 4.0, 4.04], [3.0, 3.0, 3.0, 3.03]),
        "middle": ([4.0, 4.04, 4.0], [3.0, 3.0, 3.03, 3.0]),
        "half": ([4.0, 4.0, 0.0], [3.0, 3.0, 0.0, 0.0]),
        "broadcast": ([1.0] * 3, [1.0] * 4),
    }
    assert wanted.keys() == set(TESTING.vjp_fault_kinds())
    for kind, grads in wanted.items():
        for dtype in ("float32", "float64"):
            for create_graph in (False, True):
                x, y = (LIB.from_numpy(v.astype(dtype)).requires_grad_(True) for v in (a, b))
                TESTING.plant_vjp_fault(kind, "MulBackward0")
                found = LIB.grad([(x * y).sum()], [x, y], [None], create_graph=create_graph)
                TESTING.clear_faults()
                for got, want in zip(found, grads, strict=True):
                    assert LIB.to_numpy(got).dtype == dtype
                    np.testing.assert_allclose(LIB.to_numpy(got).ravel(), want, rtol=1e-6, err_msg=kind)


def test_an_unknown_kind_of_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="scale, zero, sign, double, last, middle, half or broadcast"):
        TESTING.plant_vjp_fault("transpose", "MulBackward0")
