"""Signals, images and volumes of another size.

Interpolation follows PyTorch: with ``align_corners`` the centres of the corner elements stay where they are,
without it the corners of the image do, and element ``i`` of the output lies at ``(i + 0.5) * scale - 0.5``.
Cubic convolution is that of R. Keys, "Cubic convolution interpolation for digital image processing" (1981),
equation 4, with ``a = -3/4``. With ``antialias`` the kernels are as wide as an element of the output, as in
Pillow, and ``a = -1/2``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ... import _C
from ..._C import Tensor
from ..._text import short
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .resampling import pad

__all__ = ["interpolate"]

_Size = int | Sequence[int]

_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area", "lanczos")
_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5, "lanczos": 4}
_WIDENED = ("bilinear", "bicubic", "lanczos")  # modes with antialias


def _spatial(name: str, value: object, dims: int, input: Tensor) -> list[object]:
    """One entry for each spatial dimension."""
    if not isinstance(value, tuple | list):
        return [value] * dims
    if len(value) != dims:
        raise ValueError(
            f"interpolate: expected {name} of one number or of {dims} for input {input.shape}, got "
            f"{short(list(value))}: Input and output must have the same number of spatial dimensions"
        )
    return list(value)


def interpolate(
    input: Tensor,
    size: _Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Returns a signal, an image or a volume in another size.

    Args:
        input: [N, C, L], [N, C, H, W] or [N, C, D, H, W]; N may be 0. The nearest modes take floating point
            and uint8, the others floating point.
        size: of the spatial dimensions of the output, or one number for all.
        scale_factor: instead of ``size``; the output's size is ``floor(size * scale_factor)``.
        mode: "nearest" (element ``floor(i * scale)``), "nearest-exact" (``floor((i + 0.5) * scale)``),
            "linear" (3 dimensions), "bilinear" and "bicubic" (4 dimensions), "trilinear" (5 dimensions),
            "area" (means, as the adaptive pools), or "lanczos" (4 dimensions, with ``antialias`` alone).
            Default "nearest".
        align_corners: whether the corner elements keep their centres; only for linear, bilinear, bicubic and
            trilinear. Default None, which is False there.
        recompute_scale_factor: whether the positions follow from the rounded output size instead of
            ``scale_factor``; default None, which is False.
        antialias: whether the kernel grows with the elements of a smaller output, so that all of the input
            counts; only for bilinear, bicubic and lanczos. Default False.

    Raises:
        ValueError: not one of ``size`` and ``scale_factor`` is given, they have the wrong number of entries,
            or an option does not belong to the mode.
        RuntimeError: the input or the output has a spatial size that is not positive.
        TypeError: ``size`` is no int.
        NotImplementedError: the mode is unknown or not for this number of dimensions; the dtype is another
            one.
    """
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic "
            f"| trilinear, got mode {short(mode)}"
        )
    dims = input.ndim - 2
    output, scales = _output_size(input, dims, size, scale_factor, recompute_scale_factor, mode)
    if antialias and (mode not in _WIDENED or input.ndim != 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            f"tensor as input, got mode {short(mode)} and input {input.shape}"
        )
    if mode == "lanczos" and (align_corners or not antialias) and input.ndim == 4:
        raise ValueError(
            "interpolate: Lanczos mode requires antialias=True and does not support align_corners=True, got "
            f"antialias={antialias} and align_corners={align_corners}"
        )
    if mode not in _MODES or input.ndim not in (3, 4, 5):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D, shape "
            f"{input.shape}) for the modes: {' | '.join(_MODES)} (got {short(mode)})"
        )
    if mode in _RANKS and input.ndim != _RANKS[mode]:
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode]}D input, got shape {input.shape}"
        )
    if mode != "area" and min(*input.shape[1:], *output) <= 0:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {input.shape} and "
            f"output size {output}"
        )
    if math.prod((*input.shape[:2], *output)) >= 2**60:
        raise RuntimeError(
            f"interpolate: expected an output that fits into memory, got size {output} for input "
            f"{input.shape}: Storage size calculation overflowed"
        )
    nearest = mode in ("nearest", "nearest-exact")
    if not input.dtype.is_floating_point and not (nearest and input.dtype == _C.uint8):
        raise NotImplementedError(
            f"interpolate: expected a floating-point input for mode {short(mode)}, got {input.dtype}: not "
            "implemented for this dtype"
        )
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, output)
    corners = bool(align_corners)
    result = input
    for d in reversed(range(dims)):
        if nearest:
            result = _nearest(result, d + 2, output[d], scales[d], 0.5 if mode == "nearest-exact" else 0.0)
        elif antialias:
            result = _widened(result, d + 2, output[d], scales[d], corners, mode)
        elif mode == "bicubic":
            result = _cubic(result, d + 2, output[d], scales[d], corners)
        else:
            result = _linear(result, d + 2, output[d], scales[d], corners)
    return result.clone() if result is input else result


def _output_size(
    input: Tensor,
    dims: int,
    size: object,
    scale_factor: object,
    recompute: bool | None,
    mode: str,
) -> tuple[list[int], list[float | None]]:
    """The spatial sizes of the output, and the scale factors where positions follow from them."""
    if size is not None and scale_factor is not None:
        raise ValueError(
            f"only one of size or scale_factor should be defined, got size {short(size)} and scale_factor "
            f"{short(scale_factor)}"
        )
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined, got none")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        output: list[int] = []
        for entry in _spatial("size", size, dims, input):
            if isinstance(entry, bool) or not isinstance(entry, int):
                raise TypeError(f"interpolate: expected size to be one of int or of ints, got {short(size)}")
            output.append(entry)
        return output, [None] * dims
    scales: list[float] = []
    for entry in _spatial("scale_factor", scale_factor, dims, input):
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise TypeError(
                f"interpolate: expected scale_factor to be a number or numbers, got {short(scale_factor)}"
            )
        scales.append(float(entry))
    try:
        output = [math.floor(float(n) * s) for n, s in zip(input.shape[2:], scales, strict=True)]
    except (ValueError, OverflowError):
        raise RuntimeError(
            f"interpolate: expected a finite scale_factor, got {short(scale_factor)}"
        ) from None
    if recompute or mode == "area":
        return output, [None] * dims
    return output, list(scales)


def _positions(
    input: Tensor, size: int, out: int, factor: float | None, of: Callable[[Tensor, float], Tensor]
) -> Tensor:
    """Where the elements of the output lie in the input, in the precision of the input, as in PyTorch."""
    dtype = input.dtype if input.dtype.is_floating_point else _C.float32
    steps = _C.arange(out, dtype=dtype, device=input.device)
    return of(steps, 1.0 / factor if factor is not None and factor > 0 else size / out)


def _last(size: int) -> Tensor:
    return _C.full((), size - 1, dtype=_C.int64)


def _nearest(input: Tensor, dim: int, out: int, factor: float | None, shift: float) -> Tensor:
    size = input.shape[dim]
    # As PyTorch does with images, and in all of its gradients of "nearest": a size that is equal or twice as
    # large decides, not the scale factor that led to it.
    if out == size and (shift == 0 or factor in (None, 1.0)):
        return input
    if out == 2 * size and shift == 0:
        factor = None
    at = _positions(input, size, out, factor, lambda i, scale: (i + shift) * scale)
    return input.index_select(dim, _C.minimum(at.to(_C.int64), _last(size)))


def _linear(input: Tensor, dim: int, out: int, factor: float | None, align_corners: bool) -> Tensor:
    size = input.shape[dim]
    if out == size:
        return input
    if align_corners:
        step = _scale(size, out, None, True)
        at = _positions(input, size, out, None, lambda i, scale: i * step)
    else:
        at = _positions(input, size, out, factor, lambda i, scale: ((i + 0.5) * scale - 0.5).relu())
    first = _C.minimum(at.to(_C.int64), _last(size))
    after = _C.minimum(first + 1, _last(size))
    weight = _C.minimum(at - first, _C.ones((), dtype=at.dtype)).reshape(
        (out, *(1,) * (input.ndim - 1 - dim))
    )
    return input.index_select(dim, first) * (1.0 - weight) + input.index_select(dim, after) * weight


def _scale(size: int, out: int, factor: float | None, align_corners: bool) -> float:
    """The distance of two elements of the output, in elements of the input."""
    if align_corners:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / factor if factor is not None and factor > 0 else size / out


def _blend(input: Tensor, dim: int, places: Tensor, weights: Tensor) -> Tensor:
    """The sum over k of the elements at places[k] times weights[k]; both [terms, out], on the CPU."""
    places, weights = places.to(input.device), weights.to(input.dtype).to(input.device)
    shape = (places.shape[0], -1, *(1,) * (input.ndim - 1 - dim))
    weights = weights.reshape(shape)
    result = input.index_select(dim, places[0]) * weights[0]
    for k in range(1, places.shape[0]):
        result = result + input.index_select(dim, places[k]) * weights[k]
    return result


def _keys(x: Tensor, a: float) -> Tensor:
    """Keys' kernel of the distances."""
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return _C.where(x < 1, near, _C.where(x < 2, far, 0.0))


def _cubic(input: Tensor, dim: int, out: int, factor: float | None, align_corners: bool) -> Tensor:
    """Four neighbours; what lies outside repeats the last element."""
    size = input.shape[dim]
    scale = _scale(size, out, factor, align_corners)
    steps = _C.arange(out, dtype=_C.float64)
    at = steps * scale if align_corners else (steps + 0.5) * scale - 0.5
    first = at.floor().clamp(max=size - 1)
    part = (at - first).clamp(0.0, 1.0)
    around = _C.arange(-1, 3, dtype=_C.float64).unsqueeze(1)
    places = (first + around).clamp(0, size - 1).to(_C.int64)
    return _blend(input, dim, places, _keys(part - around, -0.75))


def _triangle(x: Tensor) -> Tensor:
    return (1.0 - x.abs()).relu()


def _lanczos(x: Tensor) -> Tensor:
    """sinc(x) sinc(x / 3) where |x| < 3."""
    angle = x * math.pi
    safe = _C.where(x == 0, 1.0, angle)
    wave = 3.0 * safe.sin() * (safe / 3.0).sin() / (safe * safe)
    return _C.where(x == 0, 1.0, _C.where(x.abs() < 3, wave, 0.0))


_KERNELS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "bilinear": (2, _triangle),
    "bicubic": (4, lambda x: _keys(x, -0.5)),
    "lanczos": (6, _lanczos),
}


def _widened(
    input: Tensor, dim: int, out: int, factor: float | None, align_corners: bool, mode: str
) -> Tensor:
    """A kernel that covers ``scale`` times as many elements where the output is smaller, with weights that
    add to 1."""
    size = input.shape[dim]
    if out == size:  # whatever the factor, as in PyTorch
        return input
    scale = _scale(size, out, factor, align_corners)
    width, kernel = _KERNELS[mode]
    stretch = max(scale, 1.0)
    support = width / 2 * stretch
    centre = (_C.arange(out, dtype=_C.float64) + 0.5) * scale
    first = (centre - support + 0.5).trunc().clamp(min=0)
    end = (centre + support + 0.5).trunc().clamp(max=size)
    terms = int((end - first).max().item())
    places = first + _C.arange(terms, dtype=_C.float64).unsqueeze(1)
    weights = _C.where(places < end, kernel((places - centre + 0.5) / stretch), 0.0)
    # Terms that a place does not have are read from a zero behind the input: 0 times infinity would be NaN.
    behind = pad(input, (*(0, 0) * (input.ndim - 1 - dim), 0, 1))
    places = _C.where(places < end, places, float(size)).to(_C.int64)
    return _blend(behind, dim, places, weights / weights.sum(0))
