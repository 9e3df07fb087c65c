"""Figures of one CUDA device: bandwidth, products, convolution, training steps, launches, beside PyTorch
where installed.

    python benchmarks/cuda.py [--json FILE] [--tiny]

verigrad and PyTorch are measured one after the other in each round, by the clock around work that ends with a
synchronisation; the figure is the median of the rounds. `benchmarks/cuda.sh` builds, verifies and then runs
this.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

Work = Callable[[], object]


class Sizes:
    """How large the work is; `--tiny` shrinks it so that the script itself can be tested anywhere."""

    elements = 1 << 26
    gemm = (512, 1024, 4096)
    batch = 64
    image = 56
    rounds = 9
    seconds = 0.2

    def shrink(self) -> None:
        """Sizes for a test."""
        self.elements, self.gemm, self.batch, self.image = 1 << 10, (16,), 2, 8
        self.rounds, self.seconds = 1, 0.0


def seconds_per_call(library: Any, work: Work, seconds: float) -> float:
    """The time of one call, from blocks of calls that end with a synchronisation."""
    work()
    library.cuda.synchronize()
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        library.cuda.synchronize()
        taken = time.perf_counter() - start
        if taken >= seconds or calls >= 1 << 16:
            return taken / calls
        calls *= 2


def elementwise(library: Any, sizes: Sizes) -> dict[str, tuple[Work, float]]:
    """Name -> work and bytes that it must move."""
    x = library.rand(sizes.elements, device="cuda")
    y = library.rand(sizes.elements, device="cuda")
    rows = x.reshape(-1, min(1024, sizes.elements))
    size = float(x.nbytes)
    functional = library.nn.functional
    return {
        "copy": (lambda: y.copy_(x), 2 * size),
        "add": (lambda: library.add(x, y), 3 * size),
        "x * 2": (lambda: x * 2, 2 * size),
        "exp": (lambda: library.exp(x), 2 * size),
        "gelu": (lambda: functional.gelu(x), 2 * size),
        "sum": (lambda: x.sum(), size),
        "sum of rows": (lambda: rows.sum(1), size),
        "sum of columns": (lambda: rows.sum(0), size),
        "softmax of rows": (lambda: functional.softmax(rows, 1), 2 * size),
        "transposed copy": (lambda: rows.t().contiguous(), 2 * size),
    }


def products(library: Any, sizes: Sizes) -> dict[str, tuple[Work, float]]:
    """Name -> work and floating-point operations."""
    found = {}
    for n in sizes.gemm:
        a, b = library.rand(n, n, device="cuda"), library.rand(n, n, device="cuda")
        found[f"matmul {n}"] = (lambda a=a, b=b: a @ b, 2.0 * n**3)
    return found


def convolutions(library: Any, sizes: Sizes) -> dict[str, tuple[Work, float]]:
    """Name -> work, forward and backward, and floating-point operations."""
    found = {}
    for title, channels, groups in (("conv 3x3", 64, 1), ("depthwise 3x3", 64, 64)):
        layer = library.nn.Conv2d(channels, channels, 3, padding=1, groups=groups).to("cuda")
        x = library.rand(sizes.batch, channels, sizes.image, sizes.image, device="cuda").requires_grad_(True)

        def work(layer: Any = layer, x: Any = x) -> None:
            layer(x).sum().backward()

        operations = 3 * 2.0 * 9 * channels * channels / groups * sizes.batch * sizes.image**2
        found[title] = (work, operations)
    return found


def networks(library: Any, sizes: Sizes) -> dict[str, tuple[Work, float]]:
    """Training steps: name -> work and 1."""
    nn = library.nn
    cnn = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    cnn += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 10)]
    lenet = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    lenet += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84)]
    lenet += [nn.ReLU(), nn.Linear(84, 10)]
    mlp = [nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]
    found = {}
    for title, layers in (("MLP 784-64-64-10 step", mlp), ("LeNet-5 step", lenet), ("CNN 32-64 step", cnn)):
        model = nn.Sequential(*layers).to("cuda")
        optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        x = library.rand(sizes.batch, 1, 28, 28, device="cuda")
        y = library.randint(0, 10, (sizes.batch,), device="cuda")

        def work(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        found[title] = (work, 1.0)
    small = library.ones(1, device="cuda")
    found["launch: x + x of one element"] = (lambda: small + small, 1.0)
    return found


GROUPS = {"bandwidth": elementwise, "products": products, "convolution": convolutions, "steps": networks}
UNITS = {"bandwidth": ("GB/s", 1e-9), "products": ("TFLOP/s", 1e-12), "convolution": ("TFLOP/s", 1e-12)}


def measure(sizes: Sizes) -> list[dict[str, Any]]:
    """A row for each piece of work."""
    libraries = {"verigrad": importlib.import_module("verigrad")}
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            libraries["torch"] = torch
    except ImportError:
        pass
    rows = []
    for group, make in GROUPS.items():
        works = {name: make(library, sizes) for name, library in libraries.items()}
        for title in works["verigrad"]:
            times: dict[str, list[float]] = {name: [] for name in libraries}
            for _ in range(sizes.rounds):
                for name, library in libraries.items():
                    times[name].append(seconds_per_call(library, works[name][title][0], sizes.seconds))
            row: dict[str, Any] = {"group": group, "name": title, "amount": works["verigrad"][title][1]}
            row |= {f"{name}_seconds": statistics.median(taken) for name, taken in times.items()}
            rows.append(row)
            print(describe(row), flush=True)
    return rows


def describe(row: dict[str, Any]) -> str:
    """A line of the table."""
    ours = row["verigrad_seconds"]
    text = f"{row['name']:32} {1e6 * ours:12.1f} us"
    if row["group"] in UNITS:
        unit, factor = UNITS[row["group"]]
        text += f" {factor * row['amount'] / ours:10.1f} {unit}"
    if "torch_seconds" in row:
        text += f"   PyTorch {1e6 * row['torch_seconds']:12.1f} us   ratio {row['torch_seconds'] / ours:6.2f}"
    return text


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--tiny", action="store_true", help="tiny work, to test this script")
    options = parser.parse_args()
    verigrad = importlib.import_module("verigrad")
    if not verigrad.cuda.is_available():
        print("benchmarks/cuda.py: expected a CUDA device, got none", file=sys.stderr)
        return 2
    sizes = Sizes()
    if options.tiny:
        sizes.shrink()
    rows = measure(sizes)
    if options.json:
        about = {
            "date": date.today().isoformat(),
            "device": verigrad.cuda.get_device_name(),
            "python": platform.python_version(),
            "verigrad": verigrad.__version__,
        }
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
