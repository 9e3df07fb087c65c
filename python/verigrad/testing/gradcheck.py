"""``gradcheck`` and ``gradgradcheck`` with PyTorch's signatures, for functions of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from verigrad.testing.library import Library

Array = np.ndarray[Any, Any]


class GradcheckError(RuntimeError):
    """Analytic and numeric gradients differ."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of a function with central finite differences, (f(x + eps) - f(x - eps)) / (2
    eps).

    Args:
        func: takes the inputs, returns a tensor or a sequence of tensors.
        inputs: a tensor or a sequence; those that require a gradient are checked and must be float64, for in
            float32 the rounding of a difference hides wrong gradients.
        eps: step of the differences.
        atol, rtol: an element agrees if |analytic - numeric| <= atol + rtol * |numeric|.
        raise_exception: whether to raise where gradients differ, instead of returning False.
        nondet_tol: largest difference of two equal backward passes.
        check_undefined_grad: with several outputs, also checks that an output left out of the backward pass
            counts as zero.
        check_grad_dtypes: also checks that each gradient has the dtype of its input.
        fast_mode: compares one random projection of the Jacobian instead of all elements.
        check_batched_grad, check_batched_forward_grad, check_forward_ad: must be False; verigrad has no vmap
            and no forward mode.
        check_backward_ad: must be True.
        masked: must be None or False; verigrad has no sparse tensors.

    Returns:
        True if all gradients agree.

    Raises:
        GradcheckError: if a gradient differs, is not finite in the same places, or changes from pass to pass.
        ValueError: if no input requires a gradient, or one that does is not float64.
        RuntimeError: if an input that requires a gradient overlaps itself (stride 0).
        NotImplementedError: for an option that must be left at its default, naming it.
    """
    _refuse(
        "gradcheck",
        {
            "check_batched_grad": check_batched_grad,
            "check_batched_forward_grad": check_batched_forward_grad,
            "check_forward_ad": check_forward_ad,
            "masked": bool(masked),
        },
    )
    if not check_backward_ad:
        raise ValueError("gradcheck: expected check_backward_ad=True, the only mode of verigrad, got False")
    given = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    checker = _Checker(func, given, eps, atol, rtol)
    try:
        checker.run(nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares second derivatives with finite differences: ``gradcheck`` of the gradients of a function.

    Args:
        func, inputs: as for ``gradcheck``.
        grad_outputs: the incoming gradients, float64, one per output that requires a gradient; random by
            default.
        gen_non_contig_grad_outputs: whether random incoming gradients are not contiguous.
        check_fwd_over_rev: must be False; verigrad has no forward mode.
        check_rev_over_rev: must be True.
        eps, atol, rtol, raise_exception, nondet_tol: as for ``gradcheck``.
        check_undefined_grad, check_grad_dtypes, check_batched_grad, fast_mode, masked: as for ``gradcheck``.

    Returns:
        True if all second derivatives agree.

    Raises:
        GradcheckError, ValueError, RuntimeError, NotImplementedError: as ``gradcheck``.
    """
    _refuse(
        "gradgradcheck",
        {
            "check_batched_grad": check_batched_grad,
            "check_fwd_over_rev": check_fwd_over_rev,
            "masked": masked,
        },
    )
    if not check_rev_over_rev:
        raise ValueError(
            "gradgradcheck: expected check_rev_over_rev=True, the only mode of verigrad, got False"
        )
    given = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    lib = _library("gradgradcheck", given)
    outputs = _differentiable(lib, func(*given))
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        incoming = tuple(_random_like(lib, o, rng, gen_non_contig_grad_outputs) for o in outputs)
    else:
        incoming = tuple(grad_outputs) if isinstance(grad_outputs, list | tuple) else (grad_outputs,)
    if len(incoming) != len(outputs):
        raise ValueError(
            f"gradgradcheck: expected one grad_output for each of {len(outputs)} outputs that require a "
            f"gradient, got {len(incoming)}"
        )

    def gradients(*arguments: Any) -> tuple[Any, ...]:
        arguments, weights = arguments[: len(given)], arguments[len(given) :]
        wanted = [a for a in arguments if lib.is_tensor(a) and a.requires_grad]
        grads = lib.grad(_differentiable(lib, func(*arguments)), wanted, weights, create_graph=True)
        return tuple(g for g in grads if g is not None)

    return gradcheck(
        gradients,
        given + incoming,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )


def _refuse(name: str, options: dict[str, bool]) -> None:
    for option, value in options.items():
        if value:
            raise NotImplementedError(f"{name}: expected {option}=False, got True; verigrad has no such mode")


def _library(name: str, inputs: Sequence[Any]) -> Library:
    for value in inputs:
        if hasattr(value, "requires_grad"):
            return Library.of(value)
    raise ValueError(f"{name}: expected at least one input tensor that requires a gradient, got no tensor")


def _differentiable(lib: Library, result: Any) -> list[Any]:
    found = list(result) if isinstance(result, list | tuple) else [result]
    return [t for t in found if lib.is_tensor(t) and t.requires_grad]


def _random_like(lib: Library, tensor: Any, rng: np.random.Generator, strided: bool) -> Any:
    values = rng.standard_normal(tuple(tensor.shape))
    if not strided:
        return lib.from_numpy(np.asarray(values)).requires_grad_(True)
    spread = lib.from_numpy(np.stack([values, values], -1))
    return spread[..., 0].requires_grad_(True)


class _Checker:
    """One function at one point."""

    def __init__(
        self, func: Callable[..., Any], inputs: tuple[Any, ...], eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.inputs = func, inputs
        self.eps, self.atol, self.rtol = eps, atol, rtol
        self.name = getattr(func, "__name__", type(func).__name__)
        self.lib = _library("gradcheck", inputs)
        self.positions = [i for i, x in enumerate(inputs) if self.lib.is_tensor(x) and x.requires_grad]
        if not self.positions:
            raise ValueError(
                "gradcheck: expected at least one input tensor that requires a gradient, got none"
            )
        for i in self.positions:
            if self.lib.dtype_name(inputs[i]) != "float64":
                raise ValueError(
                    f"gradcheck: expected float64 for each input that requires a gradient, got "
                    f"{inputs[i].dtype} for input {i}; "
                    "finite differences of float32 are too rough to judge a gradient"
                )
            if any(s == 0 and n > 1 for s, n in zip(inputs[i].stride(), inputs[i].shape, strict=True)):
                raise RuntimeError(
                    f"gradcheck: expected inputs whose elements do not overlap, got stride 0 in input {i}; "
                    "clone() it"
                )

    @property
    def checked(self) -> list[Any]:
        """The inputs that require a gradient."""
        return [self.inputs[i] for i in self.positions]

    def outputs(self) -> list[Any]:
        """All floating-point results."""
        result = self.func(*self.inputs)
        found = list(result) if isinstance(result, list | tuple) else [result]
        return [t for t in found if self.lib.is_tensor(t) and t.dtype.is_floating_point]

    def memory(self, i: int) -> Array:
        """The elements of input i: its memory itself where numpy can reach it, otherwise a copy."""
        x = self.inputs[i].detach()
        return x.numpy() if x.device.type == "cpu" else self.lib.to_numpy(x)

    def shifted(self, i: int, memory: Array, index: Any, step: Any) -> list[Array]:
        """The results with input i changed in place, which is changed back."""
        old = memory[index].copy()
        self.write(i, memory, index, old + step)
        try:
            return [self.lib.to_numpy(t).astype(np.float64) for t in self.outputs()]
        finally:
            self.write(i, memory, index, old)

    def write(self, i: int, memory: Array, index: Any, values: Any) -> None:
        """Changes elements of input i, unseen by the graphs that hold it."""
        memory[index] = values
        x = self.inputs[i]
        if x.device.type != "cpu":
            x.data.copy_(self.lib.from_numpy(memory))

    def run(self, nondet_tol: float, undefined: bool, dtypes: bool, fast: bool) -> None:
        """Raises GradcheckError if anything differs."""
        results = self.outputs()
        numbers = [o for o, t in enumerate(results) if t.requires_grad]
        outputs = [results[o] for o in numbers]
        compare = self.compare_projection if fast else self.compare_all
        for o, t in enumerate(results):
            if not t.requires_grad:
                self.check_constant(o)
        for o, t in zip(numbers, outputs, strict=True):
            compare(o, t, nondet_tol, dtypes)
        if outputs:
            self.check_zero(outputs)
        if undefined and len(outputs) > 1:
            self.check_undefined(outputs)

    def grads(self, outputs: list[Any], weights: list[Array], dtypes: bool = False) -> list[Array]:
        """The gradients of all checked inputs, zeros where an input is not used."""
        incoming = [
            self.lib.from_numpy(w.astype(self.lib.dtype_name(o)))
            for o, w in zip(outputs, weights, strict=True)
        ]
        found = []
        for i, x, g in zip(
            self.positions, self.checked, self.lib.grad(outputs, self.checked, incoming), strict=True
        ):
            if g is None:
                found.append(np.zeros(tuple(x.shape)))
                continue
            if tuple(g.shape) != tuple(x.shape):
                raise GradcheckError(
                    f"gradcheck: expected a gradient of shape {list(x.shape)} for input {i} of {self.name}, "
                    f"got {list(g.shape)}"
                )
            if dtypes and g.dtype != x.dtype:
                raise GradcheckError(
                    f"gradcheck: expected a gradient of dtype {x.dtype} for input {i}, got {g.dtype}"
                )
            found.append(self.lib.to_numpy(g).astype(np.float64))
        return found

    def numeric(self, i: int) -> Iterator[tuple[tuple[int, ...], list[Array]]]:
        """A column of the Jacobian of each output for each element of input i."""
        memory = self.memory(i)
        for index in np.ndindex(*memory.shape):
            above = self.shifted(i, memory, index, self.eps)
            below = self.shifted(i, memory, index, -self.eps)
            yield tuple(index), [(a - b) / (2 * self.eps) for a, b in zip(above, below, strict=True)]

    def check_constant(self, o: int) -> None:
        """An output that requires no gradient must not depend on an input that does."""
        for i in self.positions:
            for index, columns in self.numeric(i):
                if not np.allclose(columns[o], 0.0, rtol=self.rtol, atol=self.atol):
                    raise GradcheckError(
                        f"gradcheck: expected a numerical gradient of zero for output {o} of {self.name}, "
                        f"which requires no gradient, got {columns[o]} for input {i} at {list(index)}"
                    )

    def compare_all(self, o: int, output: Any, nondet_tol: float, dtypes: bool) -> None:
        """Every element of the Jacobian."""
        rows: list[tuple[tuple[int, ...], list[Array]]] = []
        for index in np.ndindex(*tuple(output.shape)):
            unit = np.zeros(tuple(output.shape))
            unit[index] = 1.0
            first, second = self.grads([output], [unit], dtypes), self.grads([output], [unit])
            self.check_repeated(o, first, second, nondet_tol)
            rows.append((tuple(index), first))
        for k, i in enumerate(self.positions):
            for place, columns in self.numeric(i):
                for index, grads in rows:
                    self.compare(o, index, i, place, float(grads[k][place]), float(columns[o][index]))

    def compare_projection(self, o: int, output: Any, nondet_tol: float, dtypes: bool) -> None:
        """One number: the Jacobian between two random unit vectors."""
        rng = np.random.default_rng(o)
        u = _unit(rng, tuple(output.shape))
        first, second = self.grads([output], [u], dtypes), self.grads([output], [u])
        self.check_repeated(o, first, second, nondet_tol)
        for k, i in enumerate(self.positions):
            memory = self.memory(i)
            v = _unit(rng, memory.shape)
            above, below = (self.shifted(i, memory, ..., s * self.eps * v)[o] for s in (1.0, -1.0))
            numeric = float((u * (above - below)).sum() / (2 * self.eps))
            widen = float(np.abs(u).sum() * np.abs(v).sum())
            self.compare(
                o,
                "a random projection",
                i,
                "a random projection",
                float((first[k] * v).sum()),
                numeric,
                widen,
            )

    def compare(
        self, o: int, at: Any, i: int, place: Any, analytic: float, numeric: float, widen: float = 1.0
    ) -> None:
        """Raises GradcheckError unless the two numbers agree."""
        same = analytic == numeric or (np.isnan(analytic) and np.isnan(numeric))
        if same or abs(analytic - numeric) <= self.atol * max(widen, 1.0) + self.rtol * abs(numeric):
            return
        where = f"at {_text(place)} of input {i} and {_text(at)} of output {o}"
        raise GradcheckError(
            f"gradcheck: Jacobian mismatch for output {o} with respect to input {i} of {self.name}, {where}: "
            f"expected the numerical {numeric!r}, got the analytical {analytic!r}"
        )

    def check_repeated(self, o: int, first: list[Array], second: list[Array], tolerance: float) -> None:
        """Raises GradcheckError unless two passes give the same."""
        for i, a, b in zip(self.positions, first, second, strict=True):
            off = float(np.nanmax(np.abs(a - b), initial=0.0))
            if off > tolerance:
                raise GradcheckError(
                    f"gradcheck: Backward is not reentrant: expected equal gradients from two passes for "
                    f"output {o} and input {i} of {self.name}, got a "
                    f"difference of {off} (nondet_tol {tolerance})"
                )

    def check_zero(self, outputs: list[Any]) -> None:
        """Incoming gradients of zero give gradients of zero."""
        zeros = [np.zeros(tuple(o.shape)) for o in outputs]
        for i, grad in zip(self.positions, self.grads(outputs, zeros), strict=True):
            if np.any(grad != 0):
                raise GradcheckError(
                    f"gradcheck: backward not multiplied by grad_output: expected zeros for input {i} of "
                    f"{self.name}, got {grad}"
                )

    def check_undefined(self, outputs: list[Any]) -> None:
        """An output left out counts as an incoming gradient of zero."""
        rng = np.random.default_rng(0)
        for o, output in enumerate(outputs):
            weight = rng.standard_normal(tuple(output.shape))
            weights = [weight if p == o else np.zeros(tuple(t.shape)) for p, t in enumerate(outputs)]
            alone, padded = self.grads([output], [weight]), self.grads(outputs, weights)
            for i, a, b in zip(self.positions, alone, padded, strict=True):
                if not np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck: Expected backward function to handle undefined output grads: expected "
                        f"{b} for input {i} of {self.name} with output {o} alone, got {a}"
                    )


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    values = np.asarray(rng.random(shape))
    return values / max(float(np.sqrt((values**2).sum())), 1e-300)


def _text(place: Any) -> str:
    return place if isinstance(place, str) else str(list(place))
