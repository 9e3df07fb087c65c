"""Records of the optimizers' steps, which change their arguments in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, ErrorInput, OpSpec, bad
from verigrad.testing.reference import optim as ref
from verigrad.testing.reference import optim_tape as parts
from verigrad.testing.samples import Const, Sample, Sampler, call

SHAPES: tuple[tuple[int, ...], ...] = ((5,), (3, 4), (), (0,), (2, 3, 2), (37, 41))
SGD: dict[str, Any] = {
    "lr": 0.1,
    "momentum": 0.0,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "maximize": False,
}
ADAM: dict[str, Any] = {
    "lr": 0.01,
    "beta1": 0.9,
    "beta2": 0.99,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "decoupled_weight_decay": False,
    "amsgrad": False,
    "maximize": False,
}
ALL = 1000  # tensors that the steps write to; the gradients among them keep their values


def tensors(s: Sampler, low: float = -2.0, high: float = 2.0) -> list[Const]:
    """One tensor per shape."""
    return [Const(s.array(*shape, low=low, high=high)) for shape in SHAPES]


def sgd_samples(s: Sampler) -> Iterator[Sample]:
    """First and later steps under every option."""
    none: list[Any] = [None] * len(SHAPES)
    yield call(tensors(s), tensors(s), none, **SGD)
    yield call(tensors(s), tensors(s), none, **{**SGD, "weight_decay": 0.3, "maximize": True})
    for options in (
        {},
        {"dampening": 0.3},
        {"nesterov": True},
        {"weight_decay": 0.2, "nesterov": True},
        {"maximize": True, "dampening": 0.5},
    ):
        yield call(tensors(s), tensors(s), none, **{**SGD, "momentum": 0.9, **options})
        yield call(tensors(s), tensors(s), tensors(s), **{**SGD, "momentum": 0.9, **options})
    yield call([], [], [], **SGD)


def adam_samples(s: Sampler) -> Iterator[Sample]:
    """First and later steps under every option; positive second moments."""
    for step in (0.0, 7.0):
        for options in (
            {},
            {"weight_decay": 0.2},
            {"weight_decay": 0.2, "decoupled_weight_decay": True},
            {"maximize": True},
            {"amsgrad": True},
            {"amsgrad": True, "weight_decay": 0.1, "eps": 1e-3, "beta1": 0.3},
        ):
            steps = [Const(np.array(step, np.float32)) for _ in SHAPES]
            squares = tensors(s, low=0.1) if step else [Const(np.zeros(shape, s.dtype)) for shape in SHAPES]
            greatest = tensors(s, low=0.2) if "amsgrad" in options else []
            means = tensors(s) if step else [Const(np.zeros(shape, s.dtype)) for shape in SHAPES]
            yield call(tensors(s), tensors(s), means, squares, greatest, steps, **{**ADAM, **options})


SGD_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"dampening": 0.3, "weight_decay": 0.2},
    {"nesterov": True, "weight_decay": 0.2},
    {"maximize": True, "dampening": 0.5},
)
ADAM_OPTIONS: tuple[dict[str, Any], ...] = (
    {"weight_decay": 0.2},
    {"weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    {"amsgrad": True, "weight_decay": 0.1, "eps": 1e-3, "beta1": 0.3},
)
LONG = (1037, 270_001)  # tails of vectors; more elements than one thread takes


def sgd_bounds(s: Sampler) -> Iterator[Sample]:
    """First and later steps of long vectors."""

    def vectors() -> list[Const]:
        return [Const(s.array(n, low=-2.0, high=2.0)) for n in LONG]

    none: list[Any] = [None] * len(LONG)
    yield call(vectors(), vectors(), none, vary=False, **{**SGD, "weight_decay": 0.3})
    yield call(vectors(), vectors(), none, vary=False, **{**SGD, "maximize": True})
    for options in SGD_OPTIONS:
        for buffers in (none, vectors()):
            yield call(vectors(), vectors(), buffers, vary=False, **{**SGD, "momentum": 0.9, **options})


def adam_bounds(s: Sampler) -> Iterator[Sample]:
    """A later step of long vectors."""

    def vectors(low: float = -2.0) -> list[Const]:
        return [Const(s.array(n, low=low, high=2.0)) for n in LONG]

    for options in ADAM_OPTIONS:
        steps = [Const(np.array(7.0, np.float32)) for _ in LONG]
        greatest = vectors(0.2) if "amsgrad" in options else []
        state = vectors(), vectors(0.1), greatest, steps
        yield call(vectors(), vectors(), *state, vary=False, **{**ADAM, **options})


def sgd(lib: Library, params: list[Any], grads: list[Any], buffers: list[Any], **options: Any) -> Any:
    """The parameters and buffers after the call."""
    if lib.name == "torch":
        updated = list(buffers)
        lib.get("optim.sgd.sgd")(params, grads, updated, foreach=False, **options)
    else:
        updated = lib.get("_C._optim.sgd")(params, grads, buffers, **options)
    if not options["momentum"]:
        return params, [None] * len(params)
    return params, [new if old is None else old for old, new in zip(buffers, updated, strict=True)]


def adam(lib: Library, params: list[Any], grads: list[Any], *state: list[Any], **options: Any) -> Any:
    """The parameters and the state after the call."""
    if lib.name == "torch":
        lib.get("optim.adam.adam")(params, grads, *state, foreach=False, **options)
    else:
        lib.get("_C._optim.adam")(params, grads, *state, **options)
    return (params, *state)


P = Const(np.ones(3))
NARROW, OTHER_DTYPE, WHOLE = Const(np.ones(2)), Const(np.ones(3, np.float32)), Const(np.ones(3, np.int64))
STEP = Const(np.array(1.0, np.float32))
MOMENTUM = {**SGD, "momentum": 0.9}
AMSGRAD = {**ADAM, "amsgrad": True}


def refused(error: type[Exception], text: str, *args: Any, **options: Any) -> ErrorInput:
    """A call that must fail. PyTorch's functions check less."""
    return bad(error, text, *args, peer=False, **options)


SGD_ERRORS = (
    refused(ValueError, "grads for each of 1", [P], [], [None], **SGD),
    refused(ValueError, "momentum_buffers for each of 1", [P], [P], [], **MOMENTUM),
    refused(RuntimeError, r"grads of shape \[3\]", [P], [NARROW], [None], **SGD),
    refused(RuntimeError, "grads of .* float64", [P], [OTHER_DTYPE], [None], **SGD),
    refused(RuntimeError, r"momentum_buffers of shape \[3\]", [P], [P], [NARROW], **MOMENTUM),
    refused(RuntimeError, "floating-point", [WHOLE], [WHOLE], [None], **SGD),
)
ADAM_ERRORS = (
    refused(ValueError, "grads for", [P], [], [P], [P], [], [STEP], **ADAM),
    refused(ValueError, "exp_avgs for", [P], [P], [], [P], [], [STEP], **ADAM),
    refused(ValueError, "exp_avg_sqs for", [P], [P], [P], [], [], [STEP], **ADAM),
    refused(ValueError, "max_exp_avg_sqs for", [P], [P], [P], [P], [], [STEP], **AMSGRAD),
    refused(ValueError, "steps for", [P], [P], [P], [P], [], [], **ADAM),
    refused(RuntimeError, "grads of", [P], [NARROW], [P], [P], [], [STEP], **ADAM),
    refused(RuntimeError, "exp_avgs of", [P], [P], [OTHER_DTYPE], [P], [], [STEP], **ADAM),
    refused(RuntimeError, "exp_avg_sqs of", [P], [P], [P], [NARROW], [], [STEP], **ADAM),
    refused(RuntimeError, "max_exp_avg_sqs of", [P], [P], [P], [P], [NARROW], [STEP], **AMSGRAD),
    refused(RuntimeError, "floating-point", [WHOLE], [WHOLE], [WHOLE], [WHOLE], [], [STEP], **ADAM),
    refused(RuntimeError, "one float32", [P], [P], [P], [P], [], [P], **ADAM),
    refused(RuntimeError, "one float32", [P], [P], [P], [P], [], [Const(np.array(1.0))], **ADAM),
)
SPECS = (
    OpSpec(
        "sgd",
        ref.sgd_op,
        sgd_samples,
        composition=parts.sgd,
        boundary=sgd_bounds,
        errors=SGD_ERRORS,
        function=sgd,
        dtypes=FLOATING,
        order=0,
        mutates=ALL,
        view=None,
        registered=False,
        scale="bound",
        tolerance=2.0,
    ),
    OpSpec(
        "adam",
        ref.adam_op,
        adam_samples,
        composition=parts.adam,
        boundary=adam_bounds,
        errors=ADAM_ERRORS,
        function=adam,
        dtypes=FLOATING,
        order=0,
        mutates=ALL,
        view=None,
        registered=False,
        scale="bound",
        tolerance=2.0,
    ),
)
