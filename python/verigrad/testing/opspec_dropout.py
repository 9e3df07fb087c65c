"""Records of the dropout functions.

With the generator at a known place dropout is a function of its input, and is compared with the reference of
the stream. On another library, and besides, its statistics are checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_activation import SEED, seeded
from verigrad.testing.opspec_random import require
from verigrad.testing.reference import activation as ref
from verigrad.testing.reference import activation_tape as tapes
from verigrad.testing.reference import tape
from verigrad.testing.samples import SHAPES, Sample, Sampler, call

Check = Callable[[], float]
SIGMAS = 5.0
SHARES = (0.1, 0.5, 0.9)


def function(name: str, inplace: bool = False) -> Callable[..., Any]:
    """The function with the default generator at a known place."""

    def run(lib: Library, x: Any, p: float = 0.5, **options: Any) -> Any:
        where = "nn.functional."
        if name == "feature_dropout":  # the base of dropout1d and dropout2d; PyTorch's has other names
            where = "_C.nn_functional." if lib.name == "verigrad" else ""
            if lib.name != "verigrad":
                options["train"] = options.pop("training")
        if inplace:
            options["inplace"] = True
        return seeded(lib, lambda: lib.get(where + name)(x, p, **options))

    return run


def element_samples(s: Sampler) -> Iterator[Sample]:
    """Every shape and probability, 0 and 1 too; evaluation."""
    for shape in SHAPES:
        yield call(s.array(*shape, gap=0.1), 0.5, training=True, peer=False)
    for p in (0.0, 0.1, 0.9, 1.0, 1e-7):
        yield call(s.array(3, 4, gap=0.1), p, training=True, peer=p in (0.0, 1.0))
    yield call(s.array(3, 4, gap=0.1), 0.5, training=False)
    yield call(s.array(37, 41), 0.3, training=True, grad=False, peer=False)


def channel_samples(*shapes: tuple[int, ...]) -> Callable[[Sampler], Iterator[Sample]]:
    """The shapes, with all probabilities for the first."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in shapes:
            yield call(s.array(*shape, gap=0.1), 0.5, training=True, peer=False)
        for p in (0.0, 0.3, 1.0):
            yield call(s.array(*shapes[0], gap=0.1), p, training=True, peer=p != 0.3)
        yield call(s.array(*shapes[0], gap=0.1), 0.5, training=False)

    return samples


def large_elements(s: Sampler) -> Iterator[Sample]:
    """Tails of the stream's batches; more elements than one thread takes."""
    for p in (0.1, 0.5):
        yield call(s.array(1037, gap=0.1), p, training=True, peer=False)
    yield call(s.array(516, 521, gap=0.1), 0.5, training=True, peer=False)
    yield call(s.array(80, 1024, gap=0.1), 0.5, training=True, peer=False, note="whole batches and chunks")


def large_channels(s: Sampler) -> Iterator[Sample]:
    """More channels than a batch of the stream, more elements than one thread takes."""
    yield call(s.array(37, 29, 3, gap=0.1), 0.3, training=True, peer=False)
    yield call(s.array(61, 11, 401, gap=0.1), 0.5, training=True, peer=False)


def large_images(s: Sampler) -> Iterator[Sample]:
    """The same with images."""
    yield call(s.array(37, 29, 3, 2, gap=0.1), 0.3, training=True, peer=False)
    yield call(s.array(61, 11, 19, 23, gap=0.1), 0.5, training=True, peer=False)


def large_volumes(s: Sampler) -> Iterator[Sample]:
    """The same with volumes."""
    yield call(s.array(37, 29, 3, 2, 1, gap=0.1), 0.3, training=True, peer=False)
    yield call(s.array(61, 11, 19, 5, 5, gap=0.1), 0.5, training=True, peer=False)


def volumes(x: Any, *args: Any, **kwargs: Any) -> tape.Var:
    """As `sequences`, of volumes."""
    x = tape.var(x)
    batch = x if x.ndim == 5 else x.reshape(1, *x.shape)
    return tapes.dropout(SEED, channels=True)(batch, *args, **kwargs).reshape(*x.shape)


def sequences(x: Any, *args: Any, **kwargs: Any) -> tape.Var:
    """Dropout of channels; without a batch the first dimension holds them."""
    x = tape.var(x)
    batch = x if x.ndim == 3 else x.reshape(1, *x.shape)
    return tapes.dropout(SEED, channels=True)(batch, *args, **kwargs).reshape(*x.shape)


def share_check(name: str, lib: Library, dtype: str, p: float, shape: tuple[int, ...], units: int) -> Check:
    """The share of units that are dropped, whether units are dropped as one, and the gradient, which is the
    factor of each element."""

    def run() -> float:
        x = lib.from_numpy(np.ones(shape, dtype)).requires_grad_(True)
        y = lib.get("nn.functional." + name)(x, p, training=True)
        (grad,) = lib.grad([y], [x], [lib.from_numpy(np.ones(shape, dtype))])
        factor = lib.to_numpy(grad).astype(np.float64)
        rows = factor.reshape(units, -1)
        require((rows == rows[:, :1]).all(), name, "one decision for each unit", "several")
        share = float((rows[:, 0] == 0).mean())
        off = (share - p) / math.sqrt(p * (1 - p) / units)
        require(abs(off) < SIGMAS, name, f"a share of {p} dropped", f"{share} ({off:.1f} deviations)")
        require(len(np.unique(factor)) == 2, name, "one factor for all that is kept", np.unique(factor))
        if "alpha" not in name:
            values = lib.to_numpy(y.detach()).astype(np.float64)
            require((values == factor).all(), name, "x times its factor", "others")
            close = math.isclose(float(factor.max()), 1 / (1 - p), rel_tol=1e-6)
            require(close, name, f"a factor of {1 / (1 - p)}", factor.max())
        return 0.0

    return run


def moments_check(name: str, lib: Library, dtype: str, p: float, shape: tuple[int, ...]) -> Check:
    """Standard normal inputs keep their mean 0 and variance 1, up to a few percent."""

    def run() -> float:
        x = np.random.default_rng(SEED).normal(size=shape).astype(dtype)
        y = lib.to_numpy(lib.get("nn.functional." + name)(lib.from_numpy(x), p, training=True))
        require(abs(float(y.mean())) < 0.05, name, "a mean of 0", y.mean())
        require(abs(float(y.var()) - 1.0) < 0.08, name, "a variance of 1", y.var())
        return 0.0

    return run


def repeat_check(name: str, lib: Library, dtype: str, shape: tuple[int, ...]) -> Check:
    """Equal seeds give equal bits; a second call drops others; evaluation draws nothing."""

    def run() -> float:
        x = lib.from_numpy(np.ones(shape, dtype))
        f = lib.get("nn.functional." + name)

        def bits() -> bytes:
            return lib.to_numpy(f(x, 0.5, training=True)).tobytes()

        def twice() -> tuple[bytes, bytes]:
            return bits(), bits()

        first, second = seeded(lib, twice)
        require(first != second, name, "another mask in the second call", "the same")
        require((first, second) == seeded(lib, twice), name, "equal masks for equal seeds", "others")
        f(x, 0.5, training=False)
        state = lib.to_numpy(lib.get_rng_state()).tobytes()
        f(x, 0.5, training=False)
        after = lib.to_numpy(lib.get_rng_state()).tobytes()
        require(state == after, name, "no random numbers in evaluation", "some")
        return 0.0

    return run


def checks(name: str, shape: tuple[int, ...], units: int) -> Callable[[Library, Any], None]:
    """All statistical checks of a function."""

    def all_checks(lib: Library, check: Any) -> None:
        for dtype in FLOATING:
            for p in SHARES:
                check(dtype, f"p={p}", share_check(name, lib, dtype, p, shape, units))
                if "alpha" in name:
                    check(dtype, f"moments p={p}", moments_check(name, lib, dtype, p, shape))
            check(dtype, "seeds", repeat_check(name, lib, dtype, shape))

    return all_checks


PROBABILITY = (
    bad(ValueError, "between 0 and 1", np.zeros((2, 3, 2, 2)), -0.1, training=True),
    bad(ValueError, "between 0 and 1", np.zeros((2, 3, 2, 2)), 1.5, training=True),
    bad(ValueError, "between 0 and 1", np.zeros((2, 3, 2, 2)), 1.5, training=False),
)
INTEGER = bad(RuntimeError, "cast|Long|int", np.array([[[[1, 2]]]]), 0.5, training=True)
ALL_INTEGERS = bad(RuntimeError, "cast|Long|int", np.array([[[[1, 2]]]]), 1.0, training=True, peer=False)
FLAT = bad(RuntimeError, "2 dimensions", np.zeros(3), 0.5, training=True)
COMMON: dict[str, Any] = {"dtypes": FLOATING, "view": None}
ALPHA: dict[str, Any] = {**COMMON, "scale": "bound"}
ELEMENTS = ((40, 500), 20_000)
CHANNELS = ((200, 100, 2, 3), 20_000)
SEQUENCES = ((200, 100, 3), 20_000)
VOLUMES = ((200, 100, 2, 1, 2), 20_000)
IMAGES = channel_samples((2, 3, 2, 2), (0, 3, 2, 2), (1, 1, 4, 1), (5, 2, 1, 3))


def in_place(spec: OpSpec) -> OpSpec:
    """The record of the function with inplace=True."""
    return OpSpec(
        f"{spec.name}_",
        spec.reference,
        spec.samples,
        function=function(spec.name, inplace=True),
        mutates=1,
        registered=False,
        dtypes=spec.dtypes,
        view=None,
        composition=spec.composition,
        boundary=spec.boundary,
        scale=spec.scale,
        tolerance=spec.tolerance,
        reason=spec.reason,
    )


FUNCTIONS = (
    OpSpec(
        "dropout",
        ref.dropout_op(SEED),
        element_samples,
        composition=tapes.dropout(SEED),
        function=function("dropout"),
        boundary=large_elements,
        check=checks("dropout", *ELEMENTS),
        errors=(*PROBABILITY, INTEGER, ALL_INTEGERS),
        **COMMON,
    ),
    OpSpec(
        "alpha_dropout",
        ref.alpha_dropout_op(SEED),
        element_samples,
        composition=tapes.alpha_dropout(SEED),
        function=function("alpha_dropout"),
        boundary=large_elements,
        check=checks("alpha_dropout", *ELEMENTS),
        errors=(*PROBABILITY, INTEGER, ALL_INTEGERS),
        **ALPHA,
    ),
    OpSpec(
        "feature_alpha_dropout",
        ref.alpha_dropout_op(SEED, channels=True),
        IMAGES,
        composition=tapes.alpha_dropout(SEED, channels=True),
        function=function("feature_alpha_dropout"),
        boundary=large_channels,
        check=checks("feature_alpha_dropout", *CHANNELS),
        errors=(*PROBABILITY, INTEGER, ALL_INTEGERS, FLAT),
        **ALPHA,
    ),
    OpSpec(
        "dropout1d",
        lambda x, *args, **kwargs: ref.dropout_op(SEED, channels=True)(
            x if x.ndim == 3 else x[None], *args, **kwargs
        ).reshape(x.shape),
        channel_samples((2, 3, 4), (3, 4), (0, 3, 4), (1, 1, 1)),
        function=function("dropout1d"),
        composition=sequences,
        boundary=large_channels,
        check=checks("dropout1d", *SEQUENCES),
        registered=False,
        errors=(*PROBABILITY, bad(RuntimeError, "2D or 3D", np.zeros(3), 0.5)),
        **COMMON,
    ),
    OpSpec(
        "dropout2d",
        ref.dropout_op(SEED, channels=True),
        IMAGES,
        composition=tapes.dropout(SEED, channels=True),
        boundary=large_images,
        function=function("dropout2d"),
        check=checks("dropout2d", *CHANNELS),
        registered=False,
        errors=(*PROBABILITY, INTEGER, ALL_INTEGERS),
        **COMMON,
    ),
    OpSpec(
        "dropout3d",
        lambda x, *args, **kwargs: ref.dropout_op(SEED, channels=True)(
            x if x.ndim == 5 else x[None], *args, **kwargs
        ).reshape(x.shape),
        channel_samples((2, 3, 2, 2, 1), (3, 2, 1, 4), (0, 3, 2, 2, 2), (1, 1, 1, 1, 1)),
        function=function("dropout3d"),
        composition=volumes,
        boundary=large_volumes,
        check=checks("dropout3d", *VOLUMES),
        registered=False,
        errors=(*PROBABILITY, INTEGER, ALL_INTEGERS),
        **COMMON,
    ),
)

SPECS = (
    *FUNCTIONS,
    *(in_place(spec) for spec in FUNCTIONS),
    OpSpec(
        "feature_dropout",
        ref.dropout_op(SEED, channels=True),
        channel_samples((2, 3, 2, 2), (3, 4), (2, 3, 2, 1, 2)),
        function=function("feature_dropout"),
        composition=tapes.dropout(SEED, channels=True),
        boundary=large_channels,
        errors=(FLAT,),
        **COMMON,
    ),
)
