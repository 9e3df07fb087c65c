"""Make the bundled data set mnist-mini from the full MNIST files.

    python scripts/make_mnist_mini.py FOLDER            writes python/verigrad/vision/_data
    python scripts/make_mnist_mini.py FOLDER --check    compares with what is there, writes nothing

FOLDER holds the four IDX files of MNIST, plain or .gz; their SHA-256 is checked. The subset is stratified and
needs no random numbers: each class gets its share (largest remainders), taken at even distances in the order
of the full set, which the subset keeps. The same files give the same bytes; only another version of zlib may
pack the same content into other bytes, so --check compares the content.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

import verigrad
from verigrad.vision.datasets import MNIST
from verigrad.vision.idx import read_idx, write_idx

TARGET = Path(__file__).resolve().parents[1] / "python" / "verigrad" / "vision" / "_data"
SIZES = {"train": 6000, "t10k": 1000}


def stratified(labels: np.ndarray, size: int) -> np.ndarray:
    """Positions of *size* of the *labels*, each class in its share, in rising order."""
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * size / len(labels)
    shares = np.floor(exact).astype(int)
    # The classes with the largest remainders get one more; of equal ones the first.
    for position in np.argsort(shares - exact, kind="stable")[: size - shares.sum()]:
        shares[position] += 1
    chosen = []
    for label, count, share in zip(classes, counts, shares, strict=True):
        even = (2 * np.arange(share) + 1) * count // (2 * share)  # the middles of equal stretches
        chosen.append(np.flatnonzero(labels == label)[even])
    return np.sort(np.concatenate(chosen))


def source(folder: Path, name: str) -> verigrad.Tensor:
    plain = folder / name
    tensor = read_idx(plain if plain.is_file() else folder / f"{name}.gz")
    header = bytes((0, 0, 8, tensor.ndim)) + b"".join(size.to_bytes(4, "big") for size in tensor.shape)
    digest = hashlib.sha256(header + tensor.numpy().tobytes()).hexdigest()
    expected = {resource.name: resource.sha256 for resource in MNIST.resources}[name]
    if digest != expected:
        raise ValueError(f"make_mnist_mini: expected {name} with SHA-256 {expected}, got {digest}")
    return tensor


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for split, size in SIZES.items():
        names = f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"
        images, labels = (source(arguments.folder, name) for name in names)
        positions = verigrad.from_numpy(stratified(labels.numpy(), size))
        for name, tensor in zip(names, (images, labels), strict=True):
            subset = tensor.index_select(0, positions)
            path = TARGET / f"{name}.gz"
            if not arguments.check:
                write_idx(path, subset)
                print(f"{path.name}: {list(subset.shape)}, {path.stat().st_size} bytes")
            elif not verigrad.equal(read_idx(path), subset):
                print(
                    f"{path.name}: expected the subset of {arguments.folder}, got other content",
                    file=sys.stderr,
                )
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
