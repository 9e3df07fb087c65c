"""Records of the warp functions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from verigrad.testing.opspec import OpSpec, bad
from verigrad.testing.reference import warp as ref
from verigrad.testing.samples import Const, Sample, Sampler, call

IMAGES = Const(np.zeros((2, 3, 4, 5), np.float32))
MATRIX = Const(np.tile([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], (2, 1)))


def turned(s: Sampler, count: int, height: int, width: int) -> Const:
    """Rotations about the middle, scaled and shifted, a different one for each image."""
    rows = []
    for _ in range(count):
        angle, scale = s.rng.uniform(-math.pi, math.pi), s.rng.uniform(0.6, 1.6)
        a, b = math.cos(angle) * scale, math.sin(angle) * scale
        y, x = (height - 1) / 2 + s.rng.uniform(-1, 1), (width - 1) / 2 + s.rng.uniform(-1, 1)
        rows.append([a, -b, x - a * x + b * y, b, a, y - b * x - a * y])
    return Const(np.asarray(rows).reshape(count, 6))


def same(*rows: tuple[float, ...]) -> Const:
    """Given matrices."""
    return Const(np.array(rows, np.float64).reshape(-1, 6))


def warp_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n; other sizes, modes and fills; places far outside; exact shifts and flips."""

    def images(*shape: int) -> Const:
        return Const(s.array(*shape, low=0, high=255))

    for mode in ("bilinear", "nearest"):
        for batch in (0, 1, 2, 5):
            yield call(images(batch, 2, 6, 7), turned(s, batch, 6, 7), (6, 7), mode=mode)
        yield call(images(2, 0, 3, 3), turned(s, 2, 3, 3), (3, 3), mode=mode)
        yield call(images(2, 1, 5, 4), turned(s, 2, 5, 4), (8, 3), mode=mode, fill=17.0)
        yield call(images(1, 1, 1, 1), turned(s, 1, 1, 1), (2, 2), mode=mode, fill=3.0)
        yield call(images(1, 2, 0, 3), turned(s, 1, 1, 3), (2, 2), mode=mode, fill=5.0, note="no pixels")
        yield call(images(2, 3, 9, 141), turned(s, 2, 9, 141), (11, 150), mode=mode, note="long rows")
        plain, flip = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (-1.0, 0.0, 4.0, 0.0, -1.0, 3.0)
        yield call(images(2, 1, 4, 5), same(plain, flip), (4, 5), mode=mode, note="identity and flip")
        yield call(images(1, 1, 4, 5), same((1, 0, 2, 0, 1, -1)), (4, 5), mode=mode, fill=9.0, note="shift")
        yield call(images(1, 1, 4, 5), same((0.5, 0, 0, 0, 0.5, 0)), (8, 10), mode=mode, note="ties")
        far = [(1, 0, 1e300, 0, 1, 0), (1, 0, math.nan, 0, 1, 0), (1, 0, 0, 0, math.inf, 0)]
        yield call(images(3, 1, 4, 5), same(*far), (4, 5), mode=mode, fill=2.0, note="far outside")
    yield call(images(2, 1, 3, 3), turned(s, 2, 3, 3), (3, 3), note="default mode")
    if s.floating:
        values = Const(s.edges().reshape(1, 1, 4, 4))
        yield call(values, same((1, 0, 0, 0, 1, 0)), (4, 4), note="NaN and infinities stay")
        yield call(images(1, 1, 2, 2), same((1, 0, 9, 0, 1, 0)), (2, 2), fill=math.nan)


def warp_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows on both sides of 128 columns (kColumns), vectors and their tails, and rows enough to be cut:
    262,144 elements (kSerialElements), each counted eight times, by 65,536; a single pixel."""
    for mode in ("bilinear", "nearest"):
        images = Const(s.array(1, 3, 4, 5, low=0, high=255))
        yield call(images, turned(s, 1, 4, 5), (1, 1), mode=mode)
        for width in (5, 9, 17, 127, 128, 129, 257):
            images = Const(s.array(2, 2, 7, width, low=0, high=255))
            yield call(images, turned(s, 2, 7, width), (5, width), mode=mode, fill=7.0)
        images = Const(s.array(13, 3, 31, 33, low=0, high=255))
        yield call(images, turned(s, 13, 31, 33), (29, 35), mode=mode, fill=7.0)


SPECS = (
    OpSpec(
        "affine_image",
        ref.affine_image_op,
        warp_samples,
        function="_C.nn_functional.affine_image",
        dtypes=("uint8", "float32", "float64"),
        order=0,
        boundary=warp_boundaries,
        errors=(
            bad(RuntimeError, r"\[N, C, H, W\]", Const(np.zeros((3, 4, 5))), MATRIX, (4, 5)),
            bad(RuntimeError, "dtype", Const(np.zeros((2, 3, 4, 5), np.int64)), MATRIX, (4, 5)),
            bad(RuntimeError, r"\[N, 6\]", IMAGES, Const(np.zeros((3, 6))), (4, 5)),
            bad(RuntimeError, r"\[N, 6\]", IMAGES, Const(np.zeros((2, 3))), (4, 5)),
            bad(RuntimeError, "float64", IMAGES, Const(np.zeros((2, 6), np.float32)), (4, 5)),
            bad(RuntimeError, "positive sizes", IMAGES, MATRIX, (4, 0)),
            bad(RuntimeError, "positive sizes", IMAGES, MATRIX, (4,)),
            bad(ValueError, "mode", IMAGES, MATRIX, (4, 5), mode="bicubic"),
            bad(ValueError, "fill", Const(np.zeros((2, 1, 4, 5), np.uint8)), MATRIX, (4, 5), fill=256.0),
        ),
    ),
)
