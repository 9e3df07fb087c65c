"""One record per operation, and the registry of all records.

A record says what the operation is compared with, on which inputs, and how far its derivatives go. Everything
iterates over the records: ``verigrad verify``, ``tests/ops`` and the tests of the checks. A new elementwise
operation is one line in its family's file; see ``opspec_unary.py``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from verigrad.testing.library import Library
from verigrad.testing.samples import Sample, Sampler

ALL_DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
NUMERIC = ALL_DTYPES[1:]
INTEGRAL = ("uint8", "int32", "int64")
FLOATING = ("float32", "float64")

FAMILIES = (
    "unary",
    "binary",
    "ternary",
    "comparison",
    "special",
    "gamma",
    "reduce",
    "statistics",
    "scan",
    "sorting",
    "shape",
    "rearrange",
    "split",
    "index",
    "scatter",
    "linalg",
    "contraction",
    "nn",
    "activation",
    "clamp",
    "dropout",
    "convolution",
    "pooling",
    "volumes",
    "normalization",
    "recurrent",
    "attention",
    "resampling",
    "loss",
    "distance",
    "embedding",
    "warp",
    "create",
    "cast",
    "random",
    "inplace",
    "optim",
)

USUAL_TOLERANCE = 4.0  # units of the machine epsilon


@dataclass(frozen=True)
class ErrorInput:
    """A call that must fail, with the type that PyTorch raises and a pattern of the message."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    error: type[Exception]
    match: str
    peer: bool = (
        True  # whether PyTorch raises the same type; False where it accepts the call or raises another
    )
    layouts: tuple[str, ...] = ()  # of the tensors; contiguous where the list ends
    form: str = "function"  # as of a sample

    @property
    def label(self) -> str:
        """A readable name."""
        return self.sample.label

    @property
    def sample(self) -> Sample:
        """The call itself."""
        return Sample(self.args, self.kwargs, layouts=self.layouts, form=self.form)


def bad(
    error: type[Exception],
    match: str,
    *args: Any,
    peer: bool = True,
    layouts: tuple[str, ...] = (),
    form: str = "function",
    **kwargs: Any,
) -> ErrorInput:
    """A call that must fail; numpy arrays become tensors."""
    return ErrorInput(args, kwargs, error, match, peer, layouts, form)


@dataclass(frozen=True)
class Kink:
    """Where the derivative does not exist, or is easily got wrong: the gradients that PyTorch's rule gives
    there."""

    args: tuple[Any, ...]
    grads: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpSpec:
    """The record of one operation.

    Attributes:
        name: the operation's name in the library's registry.
        reference: the same operation over numpy arrays, independent of the library.
        samples: inputs for a dtype; the variants in memory layout are made of them by the checks.
        function: dotted name in the library, or a callable whose first argument is the :class:`Library`; the
            name if None.
        method: name of the tensor method of the same arguments, None if there is none.
        operator: Python's operator with the same meaning.
        inplace: name of the in-place method.
        out: whether the function also writes to a tensor of the caller.
        aliases: other names in the registry that this record covers.
        dtypes: the dtypes of the samples.
        grad_dtypes: the dtypes of the inputs of gradient checks; float32 only where nothing is rounded.
        order: how often it can be differentiated: 0, 1 or 2 (which stands for any number).
        errors: calls that must fail.
        kinks: exact gradients at points without a derivative.
        zero_gradient: why the gradient is zero everywhere, for an operation whose gradient is.
        zero_inputs: labels of inputs, such as "input 1", whose gradient alone is zero everywhere.
        view: True if the result shares the input's memory, False if it must not, None if it may.
        mutates: how many tensors, from the first on, the call writes to.
        ties: whether equal elements are kinks, so that stride 0 cannot be used in gradient checks.
        tolerance: largest relative error of the result, in units of the machine epsilon of its dtype.
        zeros: whether zeros must have the reference's sign where the tolerance is 0; False where equal
            elements stand for one another.
        reason: why the tolerance is not the usual one.
        scale: what the error of an element is relative to. "value": the reference's element; "inputs": the
            reference over absolute inputs, for sums whose terms cancel; "bound": the running error bound of
            the composition; "norm": the greatest element of the result, which needs a reason in ``reason``.
        composition: the same operation over the tape's variables, which answers its gradients element by
            element (``reference/tape.py``); constants and non-floating tensors come as arrays. It answers the
            floating-point results, in order.
        gradient_tolerance: largest error of a gradient, in units of its error bound times the machine
            epsilon.
        boundary: samples on both sides of what the operation's kernels cut their work by, one of them at
            least large enough to be split between threads; see ``boundaries.py``.
        serial: why no loop of the operation is ever cut for threads, for one where none is; of one way alone
            after "forward:" or "backward:".
        check: further checks, for operations that are no function of their inputs.
        host: why there is nothing to check on another device than the CPU, for an operation of CPU tensors.
        compare: whether results are compared with the reference at all.
        registered: whether the library's registry of operations lists the name; attributes and optimizers are
            not listed.
        differs: kinds of checks in which PyTorch differs, with the difference.
        family: the file of the record; filled in by the registry.
    """

    name: str
    reference: Callable[..., Any]
    samples: Callable[[Sampler], Iterable[Sample]]
    function: str | Callable[..., Any] | None = None
    method: str | None = None
    operator: Callable[..., Any] | None = None
    inplace: str | None = None
    out: bool = False
    aliases: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ALL_DTYPES
    grad_dtypes: tuple[str, ...] = ("float64",)
    order: int = 2
    errors: tuple[ErrorInput, ...] = ()
    kinks: tuple[Kink, ...] = ()
    zero_gradient: str = ""
    zero_inputs: tuple[str, ...] = ()
    view: bool | None = False
    mutates: int = 0
    ties: bool = False
    tolerance: float = USUAL_TOLERANCE
    zeros: bool = True
    reason: str = ""
    scale: str = "value"
    composition: Callable[..., Any] | None = None
    gradient_tolerance: float = 1.0
    boundary: Callable[[Sampler], Iterable[Sample]] | None = None
    serial: str = ""
    check: Callable[[Library, Any], None] | None = None
    host: str = ""
    compare: bool = True
    registered: bool = True
    differs: Mapping[str, str] = field(default_factory=dict)
    family: str = ""

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2):
            raise ValueError(f"OpSpec {self.name}: expected order 0, 1 or 2, got {self.order}")
        if self.scale not in ("value", "norm", "inputs", "bound"):
            raise ValueError(
                f"OpSpec {self.name}: expected scale 'value', 'norm', 'inputs' or 'bound', got {self.scale!r}"
            )
        if self.scale == "bound" and self.composition is None:
            raise ValueError(f"OpSpec {self.name}: expected a composition for scale 'bound', got none")
        if max(self.tolerance, self.gradient_tolerance) > USUAL_TOLERANCE and not self.reason:
            raise ValueError(
                f"OpSpec {self.name}: expected a reason for a tolerance above {USUAL_TOLERANCE}, got none"
            )
        unknown = [d for d in self.dtypes if d not in ALL_DTYPES]
        if unknown:
            raise ValueError(f"OpSpec {self.name}: expected dtypes out of {ALL_DTYPES}, got {unknown}")

    @property
    def names(self) -> tuple[str, ...]:
        """Every name in the library's registry that this record covers."""
        own = (self.inplace,) if self.inplace else ()
        return (self.name, *own, *self.aliases)

    def bind(self, lib: Library, form: str = "function") -> Callable[..., Any]:
        """The operation of this library as a function of a sample's arguments."""
        if form == "method":
            return lambda x, *args, **kwargs: getattr(x, self.method or self.name)(*args, **kwargs)
        if form == "inplace":
            return lambda x, *args, **kwargs: getattr(x, self.inplace or "")(*args, **kwargs)
        if form == "operator":
            if self.operator is None:
                raise ValueError(
                    f"OpSpec {self.name}: expected an operator for a sample that uses it, got none"
                )
            return self.operator
        if form == "out":
            return self._into(lib)
        if callable(self.function):
            function = self.function
            return lambda *args, **kwargs: function(lib, *args, **kwargs)
        operation: Callable[..., Any] = lib.get(self.function or self.name)
        return operation

    def _into(self, lib: Library) -> Callable[..., Any]:
        """The operation with ``out=``, the tensor of the caller being of the result's shape and dtype."""
        operation: Callable[..., Any] = lib.get(
            self.function if isinstance(self.function, str) else self.name
        )

        def call(*args: Any, **kwargs: Any) -> Any:
            out = lib.get("zeros_like")(operation(*args, **kwargs))
            result = operation(*args, **kwargs, out=out)
            if result is not out:
                raise RuntimeError(f"{self.name}: expected the tensor that was given as out, got another")
            return result

        return call

    def sample(self, dtype: str) -> Iterator[Sample]:
        """The base samples of a dtype, the same ones each time."""
        yield from self.samples(Sampler(self.name, dtype))


@functools.cache
def records() -> dict[str, OpSpec]:
    """All records by name, from the ``SPECS`` of the family files. Needs numba to be installed, but compiles
    nothing yet."""
    found: dict[str, OpSpec] = {}
    taken: dict[str, str] = {}
    for family in FAMILIES:
        for spec in importlib.import_module(f"verigrad.testing.opspec_{family}").SPECS:
            for name in spec.names:
                if name in taken:
                    raise ValueError(
                        f"records: expected one record for {name!r}, got {taken[name]} and {spec.name}"
                    )
                taken[name] = spec.name
            found[spec.name] = replace(spec, family=family)
    return found


def records_on(device: str) -> dict[str, OpSpec]:
    """The records that have something to check on a device."""
    return {name: spec for name, spec in records().items() if device == "cpu" or not spec.host}


def covered_names() -> dict[str, str]:
    """Every covered name of the library's registry of operations, with the name of its record."""
    return {name: spec.name for spec in records().values() if spec.registered for name in spec.names}
