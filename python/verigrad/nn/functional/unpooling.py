"""The partial inverse of maximum pooling: each maximum back at its place, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..._C import Tensor
from ..._C import nn_functional as _native
from ..._text import short

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

_Size = int | Sequence[int]


def _each(op: str, name: str, value: object, dims: int) -> list[int]:
    """One number for each spatial dimension."""
    values: list[int] = []
    for entry in value if isinstance(value, tuple | list) else [value] * dims:
        if isinstance(entry, bool) or not isinstance(entry, int):
            raise TypeError(f"{op}: expected {name} to be an int or ints, got {short(value)}")
        values.append(entry)
    if len(values) != dims:
        raise RuntimeError(f"{op}: expected {name} to be an int or {dims} ints, got {short(value)}")
    return values


def _unpool(
    op: str,
    dims: int,
    native: Callable[[Tensor, Tensor, Sequence[int]], Tensor],
    input: Tensor,
    indices: Tensor,
    kernel_size: _Size,
    stride: _Size | None,
    padding: _Size,
    output_size: Sequence[int] | None,
) -> Tensor:
    kernel = _each(op, "kernel_size", kernel_size, dims)
    step = kernel if stride is None else _each(op, "stride", stride, dims)
    before = _each(op, "padding", padding, dims)
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{op}: Input should be a {dims + 1}d or {dims + 2}d Tensor, but got a tensor with {input.ndim} "
            f"dimensions, shape {input.shape}"
        )
    if min(step) <= 0:
        raise RuntimeError(f"{op}: strides should be greater than zero, but got stride: {step}")
    usual = [
        (n - 1) * s + k - 2 * p for n, k, s, p in zip(input.shape[-dims:], kernel, step, before, strict=True)
    ]
    sizes = usual
    if output_size is not None:
        sizes = list(output_size)
        if len(sizes) == dims + 2:
            sizes = sizes[2:]
        if len(sizes) != dims:
            raise ValueError(
                f"{op}: output_size should be a sequence containing {dims} or {dims + 2} elements, but it "
                f"has a length of '{len(sizes)}'"
            )
        for d in range(dims):
            if not usual[d] - step[d] < sizes[d] < usual[d] + step[d]:
                raise ValueError(
                    f'{op}: invalid output_size "{sizes}" (dim {d} must be between {usual[d] - step[d]} and '
                    f"{usual[d] + step[d]})"
                )
    for d, size in enumerate(sizes):
        if size < 0:
            raise ValueError(
                f"{op}: output_size must contain non-negative spatial dimensions, but got output_size[{d}]="
                f"{size} for input {input.shape}"
            )
    return native(input, indices, sizes)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Returns a signal with the elements of ``input`` at ``indices`` and 0 elsewhere: the reverse of
    ``max_pool1d``. Where several elements have one place the last one stays, and has the gradient.

    Args:
        input: [N, C, L] or [C, L], floating point; N may be 0.
        indices: of the same shape, int64: the positions that ``max_pool1d`` answered.
        kernel_size: elements of a window of that function.
        stride: from one of its windows to the next; default ``kernel_size``.
        padding: of that function; default 0.
        output_size: of the signal, or its whole shape with N and C; default ``(L - 1) * stride - 2 * padding
            + kernel_size``, from which it differs by less than ``stride``.

    Raises:
        RuntimeError: the shapes are others, an index is outside of the result, ``indices`` is not int64 or
            ``stride`` not positive. On CUDA an index raises at the next synchronisation.
        ValueError: ``output_size`` is too small or too large, or has another number of entries.
        NotImplementedError: the input is not floating point.
        TypeError: an argument is no int.
    """
    return _unpool(
        "max_unpool1d", 1, _native.max_unpool1d, input, indices, kernel_size, stride, padding, output_size
    )


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Returns an image with the elements of ``input`` at ``indices``: ``max_unpool1d`` for [N, C, H, W] or
    [C, H, W].

    ``kernel_size``, ``stride`` and ``padding`` are those of ``max_pool2d``, one number for both dimensions or
    one for each; a position is ``row * W + column`` in the result.
    """
    return _unpool(
        "max_unpool2d", 2, _native.max_unpool2d, input, indices, kernel_size, stride, padding, output_size
    )


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Returns a volume with the elements of ``input`` at ``indices``: ``max_unpool1d`` for [N, C, D, H, W] or
    [C, D, H, W].

    ``kernel_size``, ``stride`` and ``padding`` are those of ``max_pool3d``, one number for all dimensions or
    one for each; a position is ``(frame * H + row) * W + column`` in the result.
    """
    return _unpool(
        "max_unpool3d", 3, _native.max_unpool3d, input, indices, kernel_size, stride, padding, output_size
    )
