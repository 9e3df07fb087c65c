"""Workloads, written once for every library.

verigrad and PyTorch share their names, so one function serves both; NumPy has its own where that makes sense.
Each workload returns a function without arguments that does one unit of work, on inputs from fixed seeds.
To keep the history comparable, add workloads but do not change those that exist.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], Any]

LIBRARIES = ["verigrad", "torch", "numpy"]


@dataclass(frozen=True)
class Sizes:
    """Sizes that a smoke test makes small."""

    loader_samples: int = 60_000
    folder_images: int = 2_000
    largest_matrix: int = 1024
    wide_layer: int = 1000
    conv_batch: int = 32
    conv_channels: int = 64
    recurrent_steps: int = 64
    gpt_layers: int = 4
    large_elements: int = 1_000_000
    import_rounds: int = 5


FULL = Sizes()
TINY = Sizes(
    loader_samples=200,
    folder_images=12,
    largest_matrix=16,
    wide_layer=16,
    conv_batch=1,
    conv_channels=4,
    recurrent_steps=3,
    gpt_layers=1,
    large_elements=100,
    import_rounds=1,
)
sizes = FULL


def use_sizes(chosen: Sizes) -> None:
    """Choose the sizes that benchmarks read when they are set up."""
    global sizes
    sizes = chosen


def require(library: str) -> None:
    """Raise NotImplementedError if a library is absent. From `setup`, asv takes that as a skip."""
    if importlib.util.find_spec(library) is None:
        raise NotImplementedError(f"{library} is not installed")


def load(library: str, threads: int = 1) -> Any:
    """Import a library and fix its threads. Raises NotImplementedError if it is absent.

    NumPy reads the number of threads when it is imported, so it keeps the first choice of a process.
    """
    require(library)
    if library == "numpy":
        before = dict(os.environ)
        os.environ.update(thread_environment(threads))
        try:
            return importlib.import_module("numpy")
        finally:
            os.environ.clear()
            os.environ.update(before)
    module = importlib.import_module(library)
    importlib.import_module(f"{library}.utils.data")
    module.set_num_threads(threads)
    return module


def thread_environment(threads: int) -> dict[str, str]:
    """Environment variables that fix the threads of BLAS and OpenMP in a new process."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


def absent(library: str, workload: str) -> NotImplementedError:
    return NotImplementedError(f"{workload} has no counterpart in {library}")


def add_8(library: str, grad: bool = False, threads: int = 1) -> Work:
    """Adds two vectors of 8 floats; with `grad`, both require one and the graph is recorded."""
    lib = load(library, threads)
    if library == "numpy":
        if grad:
            raise absent(library, "recording a graph")
        a, b = lib.arange(8, dtype=lib.float32), lib.ones(8, dtype=lib.float32)
    else:
        a = lib.arange(8, dtype=lib.float32).requires_grad_(grad)
        b = lib.ones(8).requires_grad_(grad)
    return lambda: a + b


def scale_8(library: str, threads: int = 1) -> Work:
    """Multiplies a vector of 8 floats by a Python number."""
    lib = load(library, threads)
    a = lib.arange(8, dtype=lib.float32)
    return lambda: a * 2.0


def sum_8(library: str, threads: int = 1) -> Work:
    """Sums a vector of 8 floats."""
    lib = load(library, threads)
    a = lib.arange(8, dtype=lib.float32)
    return lambda: a.sum()


def backward_8(library: str, threads: int = 1) -> Work:
    """Forward and backward of `(a * b).sum()` for vectors of 8 floats."""
    if library == "numpy":
        raise absent(library, "backpropagation")
    lib = load(library, threads)
    a = lib.arange(8, dtype=lib.float32).requires_grad_()
    b = lib.ones(8).requires_grad_()

    def run() -> None:
        (a * b).sum().backward()

    return run


def linear_8(library: str, threads: int = 1) -> Work:
    """Forward of Linear(8, 8) for one sample, with the graph recorded."""
    if library == "numpy":
        raise absent(library, "a layer")
    lib = load(library, threads)
    lib.manual_seed(0)
    layer = lib.nn.Linear(8, 8)
    x = lib.ones(1, 8)
    return lambda: layer(x)


def mlp_step(
    library: str,
    widths: tuple[int, ...],
    batch: int,
    optimizer: str = "sgd",
    threads: int = 1,
    torch_update: str = "",
) -> Work:
    """One training step of a perceptron with ReLU: forward, cross entropy, backward, update.

    `optimizer`: "sgd" is SGD(lr=0.01, momentum=0.9), "adam" is Adam(lr=0.001).
    `torch_update`: "fused" or "foreach" asks PyTorch for that implementation of the update; verigrad has one.
    """
    if library == "numpy":
        if optimizer != "sgd" or torch_update:
            raise absent(library, torch_update or optimizer)
        return _numpy_mlp_step(widths, batch, threads)
    lib = load(library, threads)
    lib.manual_seed(0)
    layers: list[Any] = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [lib.nn.Linear(inputs, outputs), lib.nn.ReLU()]
    model = lib.nn.Sequential(*layers[:-1])
    update = _update(library, lib, model.parameters(), optimizer, torch_update)
    return _step(lib, model, update, lib.randn(batch, widths[0]), widths[-1])


def _update(library: str, lib: Any, params: Any, optimizer: str, torch_update: str) -> Any:
    options = {torch_update: True} if torch_update and library == "torch" else {}
    if optimizer == "sgd":
        return lib.optim.SGD(params, lr=0.01, momentum=0.9, **options)
    return lib.optim.Adam(params, lr=0.001, **options)


def optimizer_step(library: str, optimizer: str, threads: int = 1, torch_update: str = "") -> Work:
    """One step over 100 parameters of 64 elements; the optimizers are those of `mlp_step`."""
    if library == "numpy":
        raise absent(library, optimizer)
    lib = load(library, threads)
    params = [lib.ones(64).requires_grad_() for _ in range(100)]
    for param in params:
        param.grad = lib.ones(64)
    return _update(library, lib, params, optimizer, torch_update).step


def _step(lib: Any, model: Any, update: Any, x: Any, classes: int) -> Work:
    criterion = lib.nn.CrossEntropyLoss()
    target = lib.randint(0, classes, (x.shape[0],))

    def run() -> None:
        update.zero_grad()
        criterion(model(x), target).backward()
        update.step()

    return run


def cnn_step(library: str, network: str, batch: int = 64, threads: int = 1) -> Work:
    """One training step of a convolutional network on 1x28x28 images, SGD(lr=0.01, momentum=0.9).

    `network`: "lenet" is LeNet-5 with ReLU and maximum pooling; "cnn" has 3x3 convolutions of 32 and 64
    channels with padding, ReLU and maximum pooling after each, and a hidden layer of 128.
    """
    if library == "numpy":
        raise absent(library, "a convolution")
    lib = load(library, threads)
    lib.manual_seed(0)
    nn = lib.nn
    if network == "lenet":
        layers = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    else:
        layers = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)]
    model = nn.Sequential(*layers)
    update = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return _step(lib, model, update, lib.randn(batch, 1, 28, 28), 10)


def conv_step(library: str, channels: int, size: int, threads: int = 1) -> Work:
    """Forward and backward of a 3x3 convolution with padding 1, as many channels out as in, batch 32."""
    if library == "numpy":
        raise absent(library, "a convolution")
    lib = load(library, threads)
    lib.manual_seed(0)
    channels = min(channels, sizes.conv_channels * channels // 64)
    x = lib.randn(sizes.conv_batch, channels, size, size).requires_grad_()
    layer = lib.nn.Conv2d(channels, channels, 3, padding=1)
    g = lib.randn(sizes.conv_batch, channels, size, size)

    def run() -> None:
        x.grad = layer.weight.grad = layer.bias.grad = None
        layer(x).backward(g)

    return run


def recurrent_step(library: str, kind: str, units: int, batch: int, steps: int, threads: int = 1) -> Work:
    """One training step of a recurrent layer and a linear one on its last output, SGD(lr=0.01, momentum=0.9).

    `kind`: "LSTM", "GRU" or "RNN"; as many features as units, ten classes.
    """
    if library == "numpy":
        raise absent(library, "a recurrent layer")
    lib = load(library, threads)
    lib.manual_seed(0)

    class Classifier(lib.nn.Module):  # type: ignore[misc]  # a module that is Any
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(lib.nn, kind)(units, units, batch_first=True)
            self.out = lib.nn.Linear(units, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(x)[0][:, -1])

    model = Classifier()
    update = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return _step(lib, model, update, lib.randn(batch, min(steps, sizes.recurrent_steps), units), 10)


def gpt_step(library: str, width: int = 64, batch: int = 8, threads: int = 1) -> Work:
    """One training step of a GPT of 4 layers and 4 heads on sequences of 64 out of 65 characters,
    Adam(lr=0.001): layers normalise first, attention is causal, the feed-forward part is four times as wide,
    with GELU."""
    if library == "numpy":
        raise absent(library, "attention")
    lib = load(library, threads)
    lib.manual_seed(0)
    nn, functional = lib.nn, lib.nn.functional
    heads, layers, length, characters = 4, sizes.gpt_layers, 64, 65

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            parts = self.project(self.norm1(x)).split(width, dim=2)
            q, k, v = (p.view(b, t, heads, c // heads).transpose(1, 2) for p in parts)
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.join(y.transpose(1, 2).reshape(b, t, c))
            return x + self.narrow(functional.gelu(self.widen(self.norm2(x))))

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(characters, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters)

        def forward(self, index: Any) -> Any:
            x = self.blocks(self.token(index) + self.place(places))
            return self.head(self.norm(x)).reshape(-1, characters)

    places = lib.arange(length)
    model = Network()
    update = lib.optim.Adam(model.parameters(), lr=0.001)
    index = lib.randint(0, characters, (batch, length + 1))
    inputs, target = index[:, :-1].contiguous(), index[:, 1:].reshape(-1)
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        update.zero_grad()
        criterion(model(inputs), target).backward()
        update.step()

    return run


def _numpy_mlp_step(widths: tuple[int, ...], batch: int, threads: int) -> Work:
    """The SGD step of `mlp_step`, differentiated by hand."""
    np = load("numpy", threads)
    rng = np.random.default_rng(0)
    weights = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        bound = inputs**-0.5
        weights.append(rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32))
        weights.append(rng.uniform(-bound, bound, outputs).astype(np.float32))
    momenta = [np.zeros_like(w) for w in weights]
    x = rng.standard_normal((batch, widths[0])).astype(np.float32)
    target = rng.integers(0, widths[-1], batch)
    rows = np.arange(batch)

    def run() -> None:
        inputs = [x]
        for i in range(0, len(weights), 2):
            y = inputs[-1] @ weights[i] + weights[i + 1]
            if i + 2 < len(weights):
                np.maximum(y, 0, out=y)
            inputs.append(y)
        g = np.exp(y - y.max(axis=1, keepdims=True))
        g /= g.sum(axis=1, keepdims=True)
        g[rows, target] -= 1
        g /= batch
        grads: list[Any] = [None] * len(weights)
        for i in range(len(weights) - 2, -1, -2):
            grads[i], grads[i + 1] = inputs[i // 2].T @ g, g.sum(axis=0)
            if i:
                g = (g @ weights[i].T) * (inputs[i // 2] > 0)
        for w, m, d in zip(weights, momenta, grads, strict=True):
            m *= 0.9
            m += d
            w -= 0.01 * m

    return run


def loader_epoch(library: str, threads: int = 1) -> Work:
    """One shuffled epoch over an in-memory data set of 1x28x28 images (float32) in batches of 64.

    verigrad and PyTorch: DataLoader over a TensorDataset. NumPy: indexing with a permutation, the least that
    a loader written by hand would do. The images are not zero: memory of zeros need not exist.
    """
    count, batch = sizes.loader_samples, 64
    lib = load(library, threads)
    if library == "numpy":
        images = lib.full((count, 1, 28, 28), 0.5, dtype=lib.float32)
        labels = lib.zeros(count, dtype=lib.int64)
        rng = lib.random.default_rng(0)

        def run() -> None:
            order = rng.permutation(count)
            for start in range(0, count, batch):
                chosen = order[start : start + batch]
                images[chosen], labels[chosen]

        return run

    data = lib.utils.data
    dataset = data.TensorDataset(lib.full((count, 1, 28, 28), 0.5), lib.zeros(count, dtype=lib.int64))
    loader = data.DataLoader(dataset, batch_size=batch, shuffle=True)

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


@functools.cache
def image_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of PNG images of 96 x 96 pixels in ten classes, for as long as this process lives."""
    import numpy as np
    from PIL import Image

    folder = tempfile.TemporaryDirectory(prefix="verigrad-benchmark-")
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 200, 96)
    for number in range(sizes.folder_images):
        place = Path(folder.name) / str(number % 10)
        place.mkdir(exist_ok=True)
        # Between noise, which PNG cannot pack, and a plain colour, which costs nothing.
        pixels = (
            slope[:, None, None] * rng.random(3)
            + slope[None, :, None] * 0.1
            + rng.integers(0, 24, (96, 96, 3))
        )
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    return folder


def folder_epoch(library: str, threads: int = 1, workers: int = 2) -> Work:
    """One shuffled epoch over a folder of PNG images in batches of 32, decoded by worker processes.

    verigrad: ImageFolder and ToTensor. PyTorch has neither without torchvision: here is what torchvision
    does, with the same calls of Pillow.
    """
    if library == "numpy":
        raise absent(library, "a loader with processes")
    lib = load(library, threads)
    folder = image_folder().name
    if library == "verigrad":
        from verigrad.vision import datasets, transforms

        dataset = datasets.ImageFolder(folder, transforms.ToTensor())
    else:
        dataset = _torch_image_folder(lib, folder)
    data = lib.utils.data
    loader = data.DataLoader(dataset, batch_size=32, shuffle=True, num_workers=workers)

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def _torch_image_folder(torch: Any, folder: str) -> Any:
    import numpy as np
    from PIL import Image

    paths = sorted(Path(folder).glob("*/*.png"))
    samples = [(str(path), int(path.parent.name)) for path in paths]

    class Images(torch.utils.data.Dataset):  # type: ignore[misc]  # a module that is Any
        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, index: int) -> Any:
            path, label = samples[index]
            with open(path, "rb") as file:
                image = Image.open(file).convert("RGB")
            pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
            return pixels.permute(2, 0, 1).contiguous().to(torch.get_default_dtype()).div(255), label

    return Images()


def gemm(library: str, n: int, threads: int = 1) -> Work:
    """Product of two n x n matrices of float32."""
    n = min(n, sizes.largest_matrix)
    lib = load(library, threads)
    if library == "numpy":
        rng = lib.random.default_rng(0)
        a, b = (rng.standard_normal((n, n)).astype(lib.float32) for _ in range(2))
    else:
        lib.manual_seed(0)
        a, b = lib.randn(n, n), lib.randn(n, n)
    return lambda: a @ b


_IMPORT = """
import time
start = time.perf_counter()
import {library}
print(time.perf_counter() - start)
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure_import(library: str) -> tuple[float, int]:
    """Seconds that `import library` takes in a new process, and that process's peak memory in bytes."""
    code = _IMPORT.format(library=library)
    # With byte code, which installed packages have.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr)
    seconds, kilobytes = result.stdout.split()
    return float(seconds), int(kilobytes) * 1024
