"""What the results and the gradients of each family of records are compared with, in words."""

from __future__ import annotations

from dataclasses import dataclass

from verigrad.testing.boundaries import BOUNDARIES
from verigrad.testing.opspec import records


@dataclass(frozen=True)
class Family:
    """The independent answers of a family.

    Attributes:
        results: what results are compared with.
        gradients: what each element of a gradient is compared with; empty for a family without gradients.
    """

    results: str
    gradients: str


SCALAR = "the scalar formula in a loop over elements, in float64"
MOVED = "the places that the elements come from, found by moving their numbers with the reference"
FAMILIES: dict[str, Family] = {
    "unary": Family(SCALAR, "the derivative as a formula of its own"),
    "binary": Family(SCALAR, "both derivatives as formulas, summed over what was broadcast"),
    "ternary": Family(SCALAR, "the formula on the tape"),
    "comparison": Family(SCALAR, ""),
    "special": Family(SCALAR, "the derivative as a formula of its own"),
    "gamma": Family(
        "recurrences and asymptotic series, in long double", "the next derivative as a formula of its own"
    ),
    "reduce": Family("sums, products and searches in loops, in float64", "the same reductions on the tape"),
    "statistics": Family(
        "compensated sums over lines, in float64",
        "means, powers and roots on the tape, with its choice of extremes",
    ),
    "scan": Family(
        "numpy's running sums and products, and loops over lines", MOVED + "; products of all but one"
    ),
    "sorting": Family("numpy's stable sort, and loops over lines", MOVED),
    "shape": Family("numpy's reshape, transpose, slice and join", MOVED),
    "rearrange": Family("numpy's functions of the same meaning", MOVED),
    "split": Family("numpy's slices and assignments", MOVED),
    "index": Family("loops over the index", MOVED + ", and sums over equal places"),
    "scatter": Family("assignments one after another", "the same assignments on the tape, slice after slice"),
    "linalg": Family("three nested loops, in float64", "numpy's einsum on the tape"),
    "contraction": Family(
        "nested loops and numpy's einsum, in float64",
        "products and sums on the tape, one pair of operands at a time",
    ),
    "nn": Family("loops over samples and classes", "log-sum-exp and sums on the tape"),
    "activation": Family(SCALAR, "the derivative as a formula of its own"),
    "clamp": Family(SCALAR, "a choice between the operands on the tape"),
    "dropout": Family("the reference of the random stream and a product", "the mask of that stream"),
    "convolution": Family(
        "the definition, one product at a time",
        "windows gathered by index, and einsum, on the tape",
    ),
    "pooling": Family(
        "loops over the elements of each window",
        "windows gathered by index, or sums weighted by row and column, on the tape",
    ),
    "volumes": Family(
        "loops over the elements of each window, frame after frame",
        "places of the maxima, sums weighted by frame, row and column, and powers, on the tape",
    ),
    "normalization": Family("two passes over each group", "means, products and powers on the tape"),
    "recurrent": Family(
        "loops over steps, sequences and units, in float64",
        "products, sigmoid and tanh on the tape, one step at a time",
    ),
    "resampling": Family("loops over outputs and their sources", MOVED + ", with weights"),
    "loss": Family("loops over the elements", "the formula on the tape"),
    "distance": Family("loops over pairs", "the formula on the tape"),
    "embedding": Family("loops over the index", "rows gathered by index on the tape"),
    "warp": Family("loops over outputs and their sources", ""),
    "create": Family("numpy's constructors", ""),
    "cast": Family("PyTorch's table of promotion, and numpy's casts", MOVED),
    "random": Family("Philox in Python integers, and the moments of the samples", ""),
    "inplace": Family("the operation that is not in place", "the tape of that operation"),
    "optim": Family("the published update, one element at a time", ""),
}


def boundaries_of(family: str) -> int:
    """How many boundaries of kernels the records of a family are shown to cross."""
    return sum(any(records()[r].family == family for r in b.records) for b in BOUNDARIES.values())
