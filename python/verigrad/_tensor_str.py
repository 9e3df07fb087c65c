"""Tensors as text, in PyTorch's format: `tensor([[1., 2.]], requires_grad=True)`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from verigrad import _C
from verigrad._text import short

__all__ = ["get_printoptions", "printoptions", "set_printoptions", "tensor_format", "tensor_str"]

Scalar = bool | int | float


@dataclass(frozen=True)
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed. What is None keeps its value, except `sci_mode`.

    Args:
        precision: digits after the point of floating point numbers. Default: 4.
        threshold: a tensor of more elements than this is summarised; `math.inf` never. Default: 1000.
        edgeitems: elements shown at both ends of each summarised dimension. Default: 3.
        linewidth: characters a line, used to break lines between elements. Default: 80.
        profile: "default", "short" (precision 2, edgeitems 2) or "full" (never summarise), applied before the
            other arguments.
        sci_mode: True for scientific notation, False for none, None to decide by the values shown.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number is negative (`linewidth`: below 1), or the profile is unknown.
    """
    global _options
    for name, value, least in (
        ("precision", precision, 0),
        ("edgeitems", edgeitems, 0),
        ("linewidth", linewidth, 1),
    ):
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"set_printoptions: expected {name} to be an int, got {short(value)}")
        if value < least:
            raise ValueError(f"set_printoptions: expected {name} of at least {least}, got {value}")
    if threshold is not None:
        if not isinstance(threshold, (int, float)) or isinstance(threshold, bool):
            raise TypeError(f"set_printoptions: expected threshold to be a number, got {short(threshold)}")
        if not threshold >= 0:
            raise ValueError(f"set_printoptions: expected threshold of at least 0, got {threshold}")
    if sci_mode not in (None, True, False):
        raise TypeError(
            f"set_printoptions: expected sci_mode to be True, False or None, got {short(sci_mode)}"
        )
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: expected profile in {sorted(_PROFILES)}, got {short(profile)}")

    base = _options if profile is None else _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = replace(base, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The current options, such that `set_printoptions(**options)` restores them."""
    return asdict(_options)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a `with` block. Takes the arguments of `set_printoptions`."""
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


class _Format:
    """How to write the elements of one tensor, decided from the elements that are shown."""

    def __init__(self, values: list[Scalar], floating: bool, options: _Options) -> None:
        self.floating = floating
        self.width = 1
        self.spec = ".0f"
        self.point = True  # whole numbers end in a point: "2."
        if not floating:
            self.width = max((len(str(value)) for value in values), default=1)
            return
        # Zeros, infinities and NaN fit any notation, so they decide nothing.
        counted = [float(value) for value in values if value != 0 and math.isfinite(value)]
        if not counted:
            return
        magnitudes = [abs(value) for value in counted]
        low, high = min(magnitudes), max(magnitudes)
        scientific = options.sci_mode
        if scientific is None:
            scientific = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
        whole = all(value == math.ceil(value) for value in counted)
        if scientific or not whole:
            self.spec = f".{options.precision}{'e' if scientific else 'f'}"
            self.point = False
        self.width = max(len(format(value, self.spec)) + self.point for value in counted)

    def __call__(self, value: Scalar) -> str:
        text = format(value, self.spec) if self.floating else str(value)
        if self.floating and self.point and math.isfinite(value):
            text += "."
        return text.rjust(self.width)


def _join(left: Any, right: Any, depth: int) -> Any:
    """Two nested lists as one, joined along the dimension `depth`."""
    if depth == 0:
        return left + right
    return [_join(a, b, depth - 1) for a, b in zip(left, right, strict=True)]


def _edges(tensor: _C.Tensor, edgeitems: int, dim: int = 0) -> Any:
    """Nested list of the elements that a summary shows. Reads no others, however large the tensor."""
    if dim == tensor.dim():
        return tensor.tolist()
    size = tensor.shape[dim]
    if size <= 2 * edgeitems:
        return _edges(tensor, edgeitems, dim + 1)
    first = _edges(tensor.narrow(dim, 0, edgeitems), edgeitems, dim + 1)
    last = _edges(tensor.narrow(dim, size - edgeitems, edgeitems), edgeitems, dim + 1)
    return _join(first, last, dim)


def _flatten(values: Any, out: list[Scalar]) -> list[Scalar]:
    if isinstance(values, list):
        for value in values:
            _flatten(value, out)
    else:
        out.append(values)
    return out


class _Layout:
    """Brackets and line breaks around the formatted elements."""

    def __init__(self, formatter: _Format, options: _Options, summarize: bool) -> None:
        self.formatter = formatter
        self.linewidth = options.linewidth
        self.edge = options.edgeitems
        self.summarize = summarize

    def cut(self, size: int) -> bool:
        """Whether a dimension of this size is shown by its ends only."""
        return self.summarize and size > 2 * self.edge

    def text(self, values: Any, shape: tuple[int, ...], indent: int) -> str:
        if not shape:
            return self.formatter(values)
        if len(shape) == 1:
            return self.row(values, shape[0], indent)
        parts = [self.text(value, shape[1:], indent + 1) for value in values]
        if self.cut(shape[0]):
            parts.insert(self.edge, "...")
        return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"

    def row(self, values: list[Scalar], size: int, indent: int) -> str:
        parts = [self.formatter(value) for value in values]
        if self.cut(size):
            parts.insert(self.edge, " ..." if self.edge else "...")
        # Two more characters for the comma and the blank after an element.
        per_line = max(1, (self.linewidth - indent) // (self.formatter.width + 2))
        lines = [", ".join(parts[start : start + per_line]) for start in range(0, len(parts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _content(tensor: _C.Tensor, indent: int, options: _Options) -> str:
    """The elements, without what stands around them. `tensor` has at least one."""
    summarize = tensor.numel() > options.threshold
    shape = tuple(tensor.shape)
    if not summarize:
        values = tensor.tolist()
    elif options.edgeitems == 0 and shape:
        values = []
    else:
        values = _edges(tensor, options.edgeitems)
    formatter = _Format(_flatten(values, []), tensor.dtype.is_floating_point, options)
    return _Layout(formatter, options, summarize).text(values, shape, indent)


def _suffixes(tensor: _C.Tensor, options: _Options) -> list[str]:
    """What follows the elements: device, size, dtype and history, where they do not go without saying."""
    suffixes = [] if tensor.device == _C.get_default_device() else [f"device='{tensor.device}'"]
    implied = [_C.get_default_dtype()]
    if tensor.numel() == 0:
        # One empty dimension is what [] says; its elements say nothing about the dtype.
        if tensor.dim() != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
    else:
        if options.edgeitems == 0:
            suffixes.append(f"size={tuple(tensor.shape)}")
        implied += [_C.int64, _C.bool]
    if tensor.dtype not in implied:
        suffixes.append(f"dtype={tensor.dtype}")
    try:
        grad_fn = tensor.grad_fn
    except RuntimeError:
        # A view taken and changed without recording has no history that could be shown.
        suffixes.append("grad_fn=<Invalid>")
    else:
        if grad_fn is not None:
            suffixes.append(f"grad_fn=<{grad_fn.name()}>")
        elif tensor.requires_grad:
            suffixes.append("requires_grad=True")
    return suffixes


def _class_of(tensor: _C.Tensor) -> tuple[str, bool]:
    """The name before the elements, and whether the text of a subclass of Parameter goes around it all."""
    if type(tensor) is _C.Tensor:
        return "tensor", False
    from verigrad.nn.parameter import Parameter

    if type(tensor) is Parameter:
        return "tensor", False
    return type(tensor).__name__, isinstance(tensor, Parameter)


def tensor_format(tensor: _C.Tensor, spec: str) -> str:
    """`format(tensor, spec)`: that of the number for a tensor without dimensions, else that of any object.

    Raises TypeError for a format of a tensor with dimensions or of a subclass, such as a parameter.
    """
    if tensor.ndim == 0 and type(tensor) is _C.Tensor:
        return format(tensor.item(), spec)
    return object.__format__(tensor, spec)


def tensor_str(tensor: _C.Tensor) -> str:
    """`repr` of a tensor, as PyTorch writes it.

    Elements are aligned in columns. Floats are in scientific notation where the largest magnitude shown is
    above 1e8, the smallest below 1e-4, or their ratio above 1000. Tensors of more than 1000 elements are
    summarised, and then only the elements shown are read. See `set_printoptions`.
    """
    options = _options
    name, wrapped = _class_of(tensor)
    indent = len(name) + 1
    text = f"{name}(" + ("[]" if tensor.numel() == 0 else _content(tensor.detach(), indent, options))

    column = len(text) - text.rfind("\n") + 1
    for suffix in _suffixes(tensor, options):
        if column + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return f"Parameter({text}))" if wrapped else f"{text})"
