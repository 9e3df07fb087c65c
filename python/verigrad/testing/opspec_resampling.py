"""Records of padding, sliding windows and interpolation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, OpSpec, bad
from verigrad.testing.reference import resampling as ref
from verigrad.testing.reference import resampling_tape
from verigrad.testing.reference.compositions import moved
from verigrad.testing.samples import Sample, Sampler, call

BATCHES = (0, 1, 2, 5)
IMAGE = np.zeros((1, 2, 4, 5))


def pad_samples(s: Sampler) -> Iterator[Sample]:
    """Every mode in one, two and three dimensions, crops, sizes 0; constants in any number of dimensions."""
    for shape in ((5,), (4, 5), (2, 3, 4), (2, 1, 3, 2)):
        yield call(s.array(*shape), (1, 2))
        yield call(s.array(*shape), (-1, 1), "constant", 1.5)
        yield call(s.array(*shape), (0, 0))
        yield call(s.array(*shape), ())
    yield call(s.array(), ())
    yield call(s.array(2, 3), (1, 0, 2, 1), value=-1.0 if s.floating else 1)
    yield call(s.array(2, 3, 4), [1, 2, -1, 0, 0, 3])
    yield call(s.array(2, 3, 4, 2), (1, 2, -1, 0, 0, 3, -1, 1))
    yield call(s.array(3, 5), (-4, 3))
    yield call(s.array(3, 5), (-2, -3))
    yield call(s.array(0, 3), (1, 1, 1, 1), grad=False)
    yield call(s.array(3, 0), (2, 1), "constant", 2, grad=False)
    if s.floating:
        yield call(s.array(2, 3), (1, 1), "constant", float("nan"), grad=False, note="NaN")
        yield call(s.edges(), (1, 2), "constant", float("inf"), grad=False, note="edge values")
    for mode in ("reflect", "replicate", "circular"):
        if s.dtype.kind == "b" and mode != "circular":
            continue
        for batch in BATCHES:
            for before, after in itertools.product((0, 1, 3), (0, 2, 3)):
                yield call(s.array(batch, 2, 5), (before, after), mode, grad=batch == 2)
            yield call(s.array(batch, 2, 4, 5), (1, 2, 3, 0), mode)
        yield call(s.array(2, 5), (4, 4), mode)
        yield call(s.array(2, 4, 5), (2, 1, 0, 3), mode)
        yield call(s.array(2, 5), (-1, 2), mode)
        yield call(s.array(2, 5), (-1, -2), mode)
        yield call(s.array(1, 2, 3, 2, 4), (1, 2, 1, 1, 0, 2), mode)
    for mode, most in (("replicate", 12), ("circular", 5)):
        if s.dtype.kind != "b":
            yield call(s.array(2, 5), (most, most), mode)


def pad_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows of vectors and their tails, crops, and what is cut for threads: 262,144 elements of a copy, 65,536
    of the rows and elements that the other modes select, 262,144 of the sums in their gradients."""
    modes = () if s.dtype.kind == "b" else ("reflect", "replicate", "circular")
    for mode in ("constant", *modes):
        yield call(s.array(2, 5, 17, 67), (3, -1, 2, 1), mode)
        yield call(s.array(2, 3, 35), (17, 16), mode)
        yield call(s.array(1, 2, 371, 363), (2, 3, -1, 4), mode, vary=False)


def window_grid(fold: bool) -> Any:
    """Kernel, dilation, padding, stride and batch; an image, or the columns of one."""

    def samples(s: Sampler) -> Iterator[Sample]:
        kernels: tuple[Any, ...] = (1, 2, 3, (2, 3))
        steps: tuple[Any, ...] = (1, 2, (2, 1))
        for kernel, dilation, padding, stride, batch in itertools.product(
            kernels, (1, 2), (0, 1, (2, 1)), steps, BATCHES
        ):
            plane = (6, 5)
            if fold:
                counts = ref.unfold_op(np.zeros((1, 1, *plane)), kernel, dilation, padding, stride).shape
                image = s.array(batch, 2 * counts[1], counts[2])
                yield call(image, plane, kernel, dilation, padding, stride, grad=batch == 2)
            else:
                yield call(s.array(batch, 2, *plane), kernel, dilation, padding, stride, grad=batch == 2)
        if fold:
            yield call(s.array(12, 9), 4, 2)
            yield call(s.array(12, 9), [4, 4], kernel_size=(2, 2))
        else:
            yield call(s.array(3, 4, 5), 2)
            yield call(s.array(1, 1, 1, 1), 1)
            yield call(s.array(2, 3, 4, 5), [4, 5])

    return samples


def window_boundaries(fold: bool) -> Any:
    """Rows of vectors and their tails, steps and dilations, and 262,144 elements (kSerialElements), which are
    cut: rows of columns by 65,536 elements, planes of images likewise."""
    rows: tuple[tuple[Any, ...], ...] = (
        ((3, 7, 17), 3, 1, 1, 1),
        ((3, 7, 35), (2, 3), 2, (2, 1), 1),
        ((3, 9, 67), 3, 1, 1, (1, 2)),
        ((3, 9, 68), (3, 2), (1, 3), 1, (2, 1)),
        ((6, 71, 69), 3, 1, 1, 1),
    )

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, *options in rows:
            vary = shape[1] < 71
            if fold:
                counts = ref.unfold_op(np.zeros((1, *shape)), *options).shape
                yield call(s.array(*counts), shape[1:], *options, vary=vary)
            else:
                yield call(s.array(1, *shape), *options, vary=vary)

    return samples


def smooth_samples(s: Sampler) -> Iterator[Sample]:
    """Volumes, cubic kernels, and kernels that grow with the elements of a smaller output. PyTorch's gradient
    of a size that stays is another where a scale factor other than 1 led to it, and its antialias of columns
    to one is wrong."""
    size: Any
    factor: Any
    for corners in (None, False, True):
        for size in (1, 3, (2, 5, 4), (4, 1, 7)):
            yield call(s.array(2, 2, 3, 2, 4), size, mode="trilinear", align_corners=corners)
        yield call(
            s.array(1, 2, 3, 2, 4), scale_factor=(2, 1.7, 0.6), mode="trilinear", align_corners=corners
        )
        for size in (1, 3, 9, (5, 2), (4, 5), (2, 11)):
            yield call(s.array(2, 2, 4, 5), size, mode="bicubic", align_corners=corners)
        for factor in (2, 0.5, (1.7, 0.63)):
            for recompute in (None, True):
                yield call(
                    s.array(1, 2, 6, 7),
                    scale_factor=factor,
                    mode="bicubic",
                    align_corners=corners,
                    recompute_scale_factor=recompute,
                )
    for size in (1, 2, (3, 1, 5)):
        yield call(s.array(2, 2, 3, 2, 4), size, mode="area")
    for mode in ("trilinear", "bicubic", "area"):
        shape = (0, 2, 3, 3) if mode == "bicubic" else (0, 2, 3, 3, 3)
        yield call(s.array(*shape), 2, mode=mode)
    for mode in ("bilinear", "bicubic", "lanczos"):
        for corners in (None, True) if mode != "lanczos" else (None,):
            options: dict[str, Any] = {"mode": mode, "antialias": True, "align_corners": corners}
            for size in (2, 3, (1, 4), (9, 3), (5, 20), (12, 13)):
                yield call(s.array(1, 2, 7, 9), size, **options)
            yield call(s.array(1, 1, 7, 9), (3, 1), peer=False, **options)
            for factor in (0.5, (0.3, 1.7), (2, 0.45)):
                yield call(s.array(2, 1, 7, 9), scale_factor=factor, **options)
            yield call(s.array(2, 1, 7, 9), scale_factor=0.45, recompute_scale_factor=True, **options)
            yield call(s.array(0, 1, 7, 9), 3, **options)
        if s.floating:
            rare = s.array(1, 1, 6, 6)
            rare[0, 0, 0, 5] = np.inf
            yield call(rare, 3, mode=mode, antialias=True, grad=False, note="infinity stays where it is read")


def interpolate_samples(s: Sampler) -> Iterator[Sample]:
    """Sizes and scale factors in every mode."""
    for mode in ("nearest", "nearest-exact", "linear", "bilinear", "area"):
        shape = {"linear": (2, 2, 5), "bilinear": (2, 2, 4, 5)}.get(mode, (2, 2, 5))
        for corners in (None, False, True) if "linear" in mode else (None,):
            options: dict[str, Any] = {} if corners is None else {"align_corners": corners}
            for size in (1, 2, 3, 7, 10, 13):
                yield call(s.array(*shape), size, mode=mode, **options)
            for factor in (2, 0.5, 1.7, 0.63, 3.3):
                yield call(s.array(*shape), scale_factor=factor, mode=mode, **options)
                yield call(
                    s.array(*shape), scale_factor=factor, mode=mode, recompute_scale_factor=True, **options
                )
            yield call(s.array(0, *shape[1:]), 3, mode=mode, **options)
        if mode != "linear":
            yield call(s.array(1, 2, 4, 5), (6, 3), mode=mode)
            yield call(s.array(1, 2, 4, 5), (4, 5), mode=mode)
            yield call(s.array(1, 2, 4, 5), scale_factor=[1.5, 2.0], mode=mode)
            yield call(s.array(1, 2, 1, 1), 3, mode=mode)
    yield from smooth_samples(s)
    yield call(s.array(1, 2, 2, 3, 2), 4)
    yield call(s.array(1, 2, 2, 3, 2), (3, 5, 1), mode="nearest-exact")


def interpolate_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows and single elements that are selected, cut at 65,536, and summed in the gradients, at 262,144."""
    for mode in ("nearest", "nearest-exact", "bilinear", "area"):
        yield call(s.array(2, 3, 17, 35), (33, 67), mode=mode)
        yield call(s.array(2, 3, 33, 67), (16, 33), mode=mode)
    yield call(s.array(1, 2, 35, 67), (71, 133), mode="bilinear", align_corners=True)
    yield call(s.array(3, 5, 67), 133, mode="linear")
    yield call(s.array(3, 5, 67), scale_factor=2.5, mode="linear", align_corners=False)
    yield call(s.array(1, 2, 5, 17, 35), (9, 33, 67), mode="trilinear")
    yield call(s.array(1, 2, 35, 67), (16, 133), mode="bicubic", antialias=True)
    for mode in ("nearest", "bilinear", "bicubic"):
        yield call(s.array(1, 2, 257, 131), (510, 263), mode=mode, vary=False)


def shuffle_boundaries(sign: int) -> Any:
    """Copies of turned blocks, one of them cut at 262,144 elements; `sign`: -1 for the inverse."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, factor in (((2, 8, 5, 17), 2), ((2, 9, 7, 35), 3), ((1, 8, 181, 183), 2)):
            outer, channels, height, width = shape
            if sign < 0:
                area = factor * factor
                shape = (outer, channels // area, height * factor, width * factor)
            yield call(s.array(*shape), factor, vary=height < 100)

    return samples


def shuffle_samples(s: Sampler) -> Iterator[Sample]:
    """Factors 1 to 3, further dimensions, sizes 0."""
    for batch in BATCHES:
        # PyTorch's gradient of an empty input has the wrong shape.
        yield call(s.array(batch, 8, 2, 3), 2, peer=batch > 0)
    yield call(s.array(9, 2, 3), 3)
    yield call(s.array(2, 2, 4, 2, 1), 2)
    yield call(s.array(2, 3, 2, 2), 1)
    yield call(s.array(2, 0, 2, 2), 2, peer=False)


def unshuffle_samples(s: Sampler) -> Iterator[Sample]:
    """Factors 1 to 3, further dimensions, sizes 0."""
    for batch in BATCHES:
        # PyTorch gives an empty input back in its own shape.
        yield call(s.array(batch, 2, 4, 6), 2, peer=batch > 0)
    yield call(s.array(2, 6, 3), 3)
    yield call(s.array(2, 2, 1, 4, 2), 2)
    yield call(s.array(2, 3, 2, 2), 1)
    yield call(s.array(2, 0, 2, 2), 2, peer=False)


SPECS: tuple[OpSpec, ...] = (
    OpSpec(
        "pad",
        ref.pad_op,
        pad_samples,
        function="nn.functional.pad",
        dtypes=ALL_DTYPES,
        tolerance=0.0,
        composition=moved(ref.pad_op),
        boundary=pad_boundaries,
        errors=(
            bad(RuntimeError, "divisible by 2", IMAGE, (1,)),
            bad(RuntimeError, "two times", np.zeros(3), (1, 1, 1, 1)),
            bad(RuntimeError, "negative output size", IMAGE, (-3, -3)),
            bad(RuntimeError, "2\\^63|overflow|elements", IMAGE, (2**62, 2**62)),
            bad(RuntimeError, "overflow|elements|exceed", IMAGE, (2**62, 1)),
            bad(RuntimeError, "2\\^63|overflow|elements", IMAGE, (2**63 - 1, 1), peer=False),
            bad(RuntimeError, "value", IMAGE[0], (1, 1), "reflect", 1.0),
            bad(RuntimeError, "less than", IMAGE[0], (5, 0), "reflect"),
            bad(RuntimeError, "less than", IMAGE[0], (0, 5), "reflect"),
            bad(RuntimeError, "wrapping", IMAGE[0], (6, 0), "circular"),
            bad(RuntimeError, "wrapping", IMAGE[0], (-2, 4), "circular", peer=False),
            bad(RuntimeError, "wrapping", IMAGE[0], (4, -2), "circular", peer=False),
            bad(RuntimeError, "small|element", IMAGE[0], (-3, -2), "replicate"),
            bad(RuntimeError, "empty", IMAGE[0], (-3, -3), "circular"),
            bad(RuntimeError, "non-zero", np.zeros((2, 3, 0)), (1, 1), "replicate"),
            bad(RuntimeError, "overflow", np.zeros(3, np.int64), (1, 1), "constant", float("nan")),
            bad(NotImplementedError, "mode", IMAGE, (1, 1), "mirror"),
            bad(NotImplementedError, "Padding size", IMAGE, (1, 1), "reflect"),
            bad(NotImplementedError, "Padding size", IMAGE, (), "circular"),
            bad(NotImplementedError, "bool", np.ones((2, 3), bool), (1, 1), "reflect"),
            bad(TypeError, "", IMAGE, 1),
            bad(TypeError, "", IMAGE, (1.0, 1)),
        ),
    ),
    OpSpec(
        "unfold",
        ref.unfold_op,
        window_grid(False),
        function="nn.functional.unfold",
        dtypes=FLOATING,
        tolerance=0.0,
        composition=moved(ref.unfold_op),
        boundary=window_boundaries(False),
        errors=(
            bad(IndexError, "[Dd]imension", np.zeros((4, 5)), 2),
            bad(RuntimeError, "3D or 4D", np.zeros((1, 1, 1, 4, 5)), 2),
            bad(RuntimeError, "non-zero", np.zeros((1, 0, 4, 5)), 2),
            bad(RuntimeError, "kernel", IMAGE, 0),
            bad(RuntimeError, "kernel", IMAGE, -1),
            bad(RuntimeError, "blocks", IMAGE, 5),
            bad(RuntimeError, "blocks", IMAGE, 3, 2),
            bad(RuntimeError, "stride", IMAGE, 2, 1, 0, 0),
            bad(RuntimeError, "dilation", IMAGE, 2, 0),
            bad(RuntimeError, "padding", IMAGE, 2, 1, -1),
            bad(RuntimeError, "kernel_size equals to 2", IMAGE, (2, 2, 2)),
            bad(RuntimeError, "below|represented", IMAGE, 2, 1, 2**62),
            bad(TypeError, "", IMAGE, 2.0),
            bad(NotImplementedError, "implemented", np.zeros((1, 1, 4, 5), np.int64), 2),
        ),
    ),
    OpSpec(
        "fold",
        ref.fold_op,
        window_grid(True),
        function="nn.functional.fold",
        dtypes=FLOATING,
        scale="inputs",
        composition=resampling_tape.fold,
        boundary=window_boundaries(True),
        errors=(
            bad(RuntimeError, "2D or 3D", np.zeros(4), 4, 2),
            bad(RuntimeError, "2D or 3D", np.zeros((2, 0, 9)), 4, 2),
            bad(RuntimeError, "divisible", np.zeros((2, 11, 9)), 4, 2),
            bad(RuntimeError, "blocks", np.zeros((2, 12, 8)), 4, 2),
            bad(RuntimeError, "output_size", np.zeros((2, 12, 9)), (4,), 2),
            bad(RuntimeError, "output_size", np.zeros((2, 12, 9)), (-4, 4), 2),
            bad(RuntimeError, "output_size", np.zeros((2, 12, 9)), (2**62, 4), 2),
            bad(RuntimeError, "kernel", np.zeros((2, 12, 9)), 4, 0),
            bad(RuntimeError, "stride", np.zeros((2, 12, 9)), 4, 2, 1, 0, 0),
            bad(TypeError, "", np.zeros((2, 12, 9)), (4.0, 4), 2),
            bad(NotImplementedError, "implemented", np.zeros((1, 4, 9), np.int64), 4, 2),
        ),
    ),
    OpSpec(
        "interpolate",
        ref.interpolate_op,
        interpolate_samples,
        function="nn.functional.interpolate",
        dtypes=FLOATING,
        registered=False,
        scale="bound",
        composition=resampling_tape.interpolate,
        boundary=interpolate_boundaries,
        errors=(
            bad(ValueError, "only one", IMAGE, 2, 2.0),
            bad(ValueError, "either", IMAGE),
            bad(ValueError, "spatial", IMAGE, (2, 2, 2)),
            bad(ValueError, "align_corners", IMAGE, 2, align_corners=True),
            bad(ValueError, "recompute", IMAGE, 2, recompute_scale_factor=True),
            bad(ValueError, "Anti-alias", IMAGE, 2, antialias=True),
            bad(TypeError, "", IMAGE, 2.0),
            bad(TypeError, "", IMAGE, (2, 2.0)),
            bad(RuntimeError, "greater than 0", IMAGE, 0),
            bad(RuntimeError, "greater than 0", IMAGE, scale_factor=0.1),
            bad(RuntimeError, "greater than 0", np.zeros((1, 2, 0, 3)), 2),
            bad(RuntimeError, "overflow", IMAGE, 2**62),
            bad(RuntimeError, "finite|overflow", IMAGE, scale_factor=float("nan")),
            bad(ValueError, "Anti-alias", IMAGE[0], 2, mode="linear", antialias=True),
            bad(ValueError, "Lanczos", IMAGE, 2, mode="lanczos"),
            bad(ValueError, "Lanczos", IMAGE, 2, mode="lanczos", antialias=True, align_corners=True),
            bad(RuntimeError, "greater than 0", IMAGE, (0, 2), mode="bicubic"),
            bad(RuntimeError, "greater than 0|Non-empty", IMAGE[:, :0], 2, mode="bicubic", antialias=True),
            bad(NotImplementedError, "needs", IMAGE, 2, mode="trilinear"),
            bad(NotImplementedError, "needs|modes", IMAGE[0], 2, mode="bicubic"),
            bad(NotImplementedError, "implemented", np.zeros((1, 1, 4, 5), np.int64), 2, mode="bicubic"),
            bad(NotImplementedError, "modes", IMAGE, 2, mode="cubic"),
            bad(NotImplementedError, "modes", np.zeros((4, 5)), 2),
            bad(NotImplementedError, "needs", IMAGE, 2, mode="linear"),
            bad(NotImplementedError, "implemented", np.zeros((1, 1, 4, 5), np.int64), 2),
        ),
    ),
    OpSpec(
        "pixel_shuffle",
        ref.pixel_shuffle_op,
        shuffle_samples,
        function="nn.functional.pixel_shuffle",
        composition=moved(ref.pixel_shuffle_op),
        boundary=shuffle_boundaries(1),
        registered=False,
        view=None,
        errors=(
            bad(RuntimeError, "positive", np.zeros((4, 2, 2)), 0),
            bad(RuntimeError, "divisible", np.zeros((6, 2, 2)), 2),
            bad(RuntimeError, "3 dimensions", np.zeros((4, 2)), 2),
            bad(TypeError, "int", np.zeros((4, 2, 2)), 2.0),
        ),
    ),
    OpSpec(
        "pixel_unshuffle",
        ref.pixel_unshuffle_op,
        unshuffle_samples,
        function="nn.functional.pixel_unshuffle",
        composition=moved(ref.pixel_unshuffle_op),
        boundary=shuffle_boundaries(-1),
        registered=False,
        view=None,
        errors=(
            bad(RuntimeError, "positive", np.zeros((4, 2, 2)), -1),
            bad(RuntimeError, "divisible", np.zeros((1, 3, 2)), 2),
            bad(RuntimeError, "divisible", np.zeros((1, 2, 3)), 2),
            bad(RuntimeError, "3 dimensions", np.zeros((4, 2)), 2),
            bad(TypeError, "int", np.zeros((4, 2, 2)), 2.0),
        ),
    ),
)
