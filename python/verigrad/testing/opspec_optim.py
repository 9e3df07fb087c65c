"""Records of the optimizers' rules, which change their arguments in place."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, ErrorInput, OpSpec, bad
from verigrad.testing.reference import optim as ref
from verigrad.testing.reference import optim_tape as parts
from verigrad.testing.samples import Const, Sample, Sampler, call

ALL = 1000  # tensors that the steps write to; the gradients among them keep their values
Options = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule of the core, and PyTorch's function of the same meaning.

    Attributes:
        name: of the rule, and of PyTorch's function.
        states: names of the arrays, in the rule's order, with the least value of their elements.
        options: what the rule reads.
        variants: options that change its path.
        kept: what a parameter keeps as a number, with a value of later steps.
        peer: the names of PyTorch's lists, in their order.
    """

    name: str
    states: dict[str, float]
    options: Options
    variants: tuple[Options, ...]
    kept: dict[str, float]
    peer: tuple[str, ...]

    def names(self, options: Options) -> list[str]:
        """The arrays that there are under these options."""
        absent = set()
        if self.name in ("sgd", "rmsprop") and not options["momentum"]:
            absent.add("momentum_buffer")
        if self.name == "rmsprop" and not options["centered"]:
            absent.add("grad_avg")
        if self.name == "adam" and not options["amsgrad"]:
            absent.add("max_exp_avg_sq")
        return [name for name in self.states if name not in absent]


STEP = {"step": 6.0}
BETAS = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
DECOUPLED = {"weight_decay": 0.2, "decoupled_weight_decay": True}
MOMENTS = {"exp_avg": -2.0, "exp_avg_sq": 0.1}
RULES = (
    Rule(
        "sgd",
        {"momentum_buffer": -2.0},
        {
            "lr": 0.1,
            "momentum": 0.0,
            "dampening": 0.0,
            "weight_decay": 0.0,
            "nesterov": False,
            "maximize": False,
        },
        (
            {"weight_decay": 0.3, "maximize": True},
            {"momentum": 0.9},
            {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.2},
            {"momentum": 0.9, "weight_decay": 0.2, "nesterov": True},
            {"momentum": 0.9, "maximize": True, "dampening": 0.5},
        ),
        {},
        ("momentum_buffer",),
    ),
    Rule(
        "asgd",
        {"ax": -2.0},
        {"lr": 0.1, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0.0, "maximize": False},
        ({"lambd": 0.3, "alpha": 0.5, "weight_decay": 0.2, "maximize": True}, {"t0": 2.0}),
        {"step": 6.0, "eta": 0.0625, "mu": 0.25},
        ("ax", "mu", "eta", "step"),
    ),
    Rule(
        "adadelta",
        {"square_avg": 0.1, "acc_delta": 0.1},
        {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0, "maximize": False},
        ({"lr": 0.3, "rho": 0.5, "eps": 1e-2, "weight_decay": 0.2, "maximize": True},),
        STEP,
        ("square_avg", "acc_delta", "step"),
    ),
    Rule(
        "adagrad",
        {"sum": 0.1},
        {"lr": 0.1, "lr_decay": 0.0, "eps": 1e-10, "weight_decay": 0.0, "maximize": False},
        ({"lr_decay": 0.3, "weight_decay": 0.2, "eps": 0.1, "maximize": True},),
        STEP,
        ("sum", "step"),
    ),
    Rule(
        "adam",
        {**MOMENTS, "max_exp_avg_sq": 0.2},
        {**BETAS, "decoupled_weight_decay": False, "amsgrad": False},
        (
            {"weight_decay": 0.2},
            {**DECOUPLED, "maximize": True},
            {"amsgrad": True},
            {"amsgrad": True, "weight_decay": 0.1, "eps": 1e-3, "beta1": 0.3},
        ),
        STEP,
        ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"),
    ),
    Rule(
        "adamax",
        {"exp_avg": -2.0, "exp_inf": 0.1},
        BETAS,
        ({"beta1": 0.3, "beta2": 0.5, "eps": 0.1, "weight_decay": 0.2, "maximize": True},),
        STEP,
        ("exp_avg", "exp_inf", "step"),
    ),
    Rule(
        "nadam",
        MOMENTS,
        {**BETAS, "momentum_decay": 4e-3, "decoupled_weight_decay": False},
        (
            {"weight_decay": 0.2, "momentum_decay": 0.5, "beta1": 0.3, "maximize": True},
            {**DECOUPLED, "eps": 0.1},
        ),
        {"step": 6.0, "mu_product": 0.0625},
        ("exp_avg", "exp_avg_sq", "mu_product", "step"),
    ),
    Rule(
        "radam",
        MOMENTS,
        {**BETAS, "decoupled_weight_decay": False},
        # The average of beta2 = 0.5 never becomes long enough for adaptive steps.
        ({"weight_decay": 0.2, "beta1": 0.3, "beta2": 0.5, "maximize": True}, {**DECOUPLED, "eps": 0.1}),
        STEP,
        ("exp_avg", "exp_avg_sq", "step"),
    ),
    Rule(
        "rmsprop",
        {"square_avg": 0.1, "momentum_buffer": -2.0, "grad_avg": -0.3},
        {
            "lr": 0.1,
            "alpha": 0.9,
            "eps": 1e-3,
            "weight_decay": 0.0,
            "momentum": 0.0,
            "centered": False,
            "maximize": False,
        },
        (
            {"weight_decay": 0.2, "maximize": True},
            {"momentum": 0.9},
            {"centered": True, "alpha": 0.3, "eps": 0.1},
            {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 0.1},
        ),
        STEP,
        ("square_avg", "grad_avg", "momentum_buffer", "step"),
    ),
    Rule(
        "rprop",
        {"prev": -2.0, "step_size": 0.01},
        {"eta_minus": 0.5, "eta_plus": 1.2, "step_size_min": 1e-6, "step_size_max": 50.0, "maximize": False},
        ({"eta_minus": 0.25, "eta_plus": 3.0, "step_size_min": 0.3, "step_size_max": 1.5, "maximize": True},),
        STEP,
        ("prev", "step_size", "step"),
    ),
)
# The first values of what is kept, where they are not 0.
FIRST = {"mu_product": 1.0, "mu": 1.0, "eta": 0.1}

SHAPES: tuple[tuple[int, ...], ...] = ((5,), (3, 4), (), (0,), (2, 3, 2), (37, 41))
LONG: tuple[tuple[int, ...], ...] = ((1037,), (270_001,))  # tails of vectors; more than one thread takes
# More parameters than one CUDA launch takes, around the elements that a block takes at once.
MANY: tuple[tuple[int, ...], ...] = tuple((n,) for n in (2047, 2048, 2049, 0, *range(1, 52), 4096, 5000))


def arguments(
    rule: Rule,
    s: Sampler,
    shapes: tuple[tuple[int, ...], ...],
    options: Options,
    first: bool,
    kind: type[np.floating[Any]] = np.float32,
) -> tuple[list[Any], ...]:
    """Parameters, gradients, states and what is kept, of the first step or of a later one."""

    def tensors(low: float) -> list[Any]:
        return [Const(s.array(*shape, low=low, high=2.0)) for shape in shapes]

    def start(name: str) -> list[Any]:
        if name == "momentum_buffer" and rule.name == "sgd":
            return [None] * len(shapes)
        # Sums that begin at 0 leave nothing to divide by.
        value = 0.1 if name in ("sum", "step_size") else 0.0
        return [Const(np.full(shape, value, s.dtype)) for shape in shapes]

    states = [start(name) if first else tensors(rule.states[name]) for name in rule.names(options)]
    numbers = {name: FIRST.get(name, 0.0) for name in rule.kept} if first else rule.kept
    kept = [[Const(np.array(value, kind)) for _ in shapes] for value in numbers.values()]
    return tensors(-2.0), tensors(-2.0), states, kept


def samples(rule: Rule, s: Sampler) -> Iterator[Sample]:
    """First and later steps under every option."""
    for variant in ({}, *rule.variants):
        options = {**rule.options, **variant}
        for first in (True, False):
            yield call(*arguments(rule, s, SHAPES, options, first), **options)
    if rule.name != "asgd":  # whose eta PyTorch rounds to the default dtype, whatever it is kept in
        yield call(*arguments(rule, s, SHAPES[:2], rule.options, False, np.float64), **rule.options)
    yield call(*arguments(rule, s, (), rule.options, False), **rule.options)
    params, grads, states, kept = arguments(rule, s, ((3,), (4,), (5,)), rule.options, False)
    if kept:  # parameters in different steps
        kept[0] = [Const(np.array(step, np.float32)) for step in (1.0, 6.0, 1.0)]
        yield call(params, grads, states, kept, **rule.options)


def bounds(rule: Rule, s: Sampler) -> Iterator[Sample]:
    """Long vectors, and many of them."""
    for variant in ({}, *rule.variants):
        options = {**rule.options, **variant}
        first = rule.name == "sgd" and bool(options["momentum"])
        if first:
            yield call(*arguments(rule, s, LONG, options, True), vary=False, **options)
        yield call(*arguments(rule, s, LONG, options, False), vary=False, **options)
    yield call(*arguments(rule, s, MANY, rule.options, False), vary=False, **rule.options)


def step(
    rule: Rule, lib: Library, params: list[Any], grads: list[Any], states: Any, kept: Any, **options: Any
) -> Any:
    """The parameters, the states and what is kept after the call."""
    if lib.name != "torch":
        return params, lib.get("_C._optim.update")(rule.name, params, grads, states, kept, **options), kept
    names = rule.names(options)
    lists = {**dict(zip(names, states, strict=True)), **dict(zip(rule.kept, kept, strict=True))}
    if rule.name == "sgd" and not names:
        lists["momentum_buffer"] = [None] * len(params)
    given = [list(lists.get(name, [])) for name in rule.peer]
    renamed = {"eta_minus": "etaminus", "eta_plus": "etaplus"}
    options = {renamed.get(name, name): value for name, value in options.items()}
    if rule.name not in ("sgd", "adagrad", "adam"):
        options["capturable"] = False
    if rule.name in ("nadam", "radam"):
        given.append(options.pop("decoupled_weight_decay"))
    lib.get(f"optim.{rule.name}.{rule.name}")(params, grads, *given, foreach=False, **options)
    if rule.name == "sgd" and names:
        return params, [given[0]], kept
    return params, states, kept


P = Const(np.ones(3))
NARROW, OTHER_DTYPE, WHOLE = Const(np.ones(2)), Const(np.ones(3, np.float32)), Const(np.ones(3, np.int64))
NUMBER = Const(np.array(1.0, np.float32))


def refused(error: type[Exception], text: str, *args: Any, **options: Any) -> ErrorInput:
    """A call that must fail. PyTorch's functions check less."""
    return bad(error, text, *args, peer=False, **options)


def errors(rule: Rule) -> tuple[ErrorInput, ...]:
    """Lists that do not belong together."""
    options = rule.options
    states = [[P] for _ in rule.names(options)]
    kept = [[NUMBER] for _ in rule.kept]
    found = [
        refused(ValueError, "grads for each of 1", [P], [], states, kept, **options),
        refused(RuntimeError, r"grads of shape \[3\]", [P], [NARROW], states, kept, **options),
        refused(RuntimeError, "grads of .* float64", [P], [OTHER_DTYPE], states, kept, **options),
        refused(ValueError, "lists of state", [P], [P], [*states, [P]], kept, **options),
        refused(ValueError, "lists of numbers", [P], [P], states, [*kept, [NUMBER]], **options),
        refused(TypeError, "name of an option", [P], [P], states, kept, **options, unknown=1.0),
        refused(
            RuntimeError,
            "floating-point",
            [WHOLE],
            [WHOLE],
            [[WHOLE] for _ in states],
            kept,
            **options,
        ),
    ]
    for k in range(len(states)):
        for wrong, error, text in (
            ([], ValueError, "states for each of 1"),
            ([NARROW], RuntimeError, "states of"),
            ([OTHER_DTYPE], RuntimeError, "states of"),
        ):
            lists = [*states[:k], wrong, *states[k + 1 :]]
            found.append(refused(error, text, [P], [P], lists, kept, **options))
    for k in range(len(kept)):
        for wrong, error, text in (
            ([], ValueError, "steps for"),
            ([P], RuntimeError, "one floating-point"),
            ([Const(np.array(1))], RuntimeError, "one floating-point"),
        ):
            lists = [*kept[:k], wrong, *kept[k + 1 :]]
            found.append(refused(error, text, [P], [P], states, lists, **options))
    return tuple(found)


SPECS = tuple(
    OpSpec(
        rule.name,
        functools.partial(ref.update, rule.name),
        functools.partial(samples, rule),
        composition=functools.partial(parts.update, rule.name),
        boundary=functools.partial(bounds, rule),
        errors=errors(rule),
        function=functools.partial(step, rule),
        dtypes=FLOATING,
        order=0,
        mutates=ALL,
        view=None,
        registered=False,
        scale="bound",
        tolerance=2.0,
    )
    for rule in RULES
)
