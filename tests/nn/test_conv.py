"""Convolution layers: sizes, repr, parity with PyTorch, memory, threads."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

LAYERS = {
    "Conv1d": ((4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}),
    "Conv2d": ((4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "bias": False}),
    "ConvTranspose1d": ((4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    "ConvTranspose2d": ((4, 6, (3, 2)), {"stride": 2, "groups": 2, "dilation": (2, 1)}),
}


@pytest.mark.parametrize(
    ("i", "k", "p", "s", "expected"),
    [
        (4, 3, 0, 1, 2),  # figure 2.1: no zero padding, unit strides
        (5, 4, 2, 1, 6),  # figure 2.2: arbitrary padding
        (5, 3, 1, 1, 5),  # figure 2.3: half padding
        (5, 3, 2, 1, 7),  # figure 2.4: full padding
        (5, 3, 0, 2, 2),  # figure 2.5: no padding, strides of 2
        (5, 3, 1, 2, 3),  # figure 2.6: padding and strides
        (6, 3, 1, 2, 3),  # figure 2.7: another input of the same output
    ],
)
def test_sizes_of_dumoulin_and_visin(i: int, k: int, p: int, s: int, expected: int) -> None:
    """arXiv 1603.07285, chapter 2, and the transposes of chapter 4."""
    y = F.conv2d(vg.ones(1, 1, i, i), vg.ones(1, 1, k, k), stride=s, padding=p)
    assert y.shape == (1, 1, expected, expected)
    # Relationship 14: the input's size is recovered with a = (i + 2p - k) mod s.
    a = (i + 2 * p - k) % s
    back = F.conv_transpose2d(y, vg.ones(1, 1, k, k), stride=s, padding=p, output_padding=a)
    assert back.shape == (1, 1, i, i)


def test_a_dilated_kernel_covers_more() -> None:
    """Figure 5.1: i = 7, k = 3, d = 2: the kernel acts as one of 5."""
    x = vg.arange(49.0).reshape(1, 1, 7, 7)
    dilated = F.conv2d(x, vg.ones(1, 1, 3, 3), dilation=2)
    spread = vg.zeros(1, 1, 5, 5)
    spread[:, :, ::2, ::2] = 1.0
    assert dilated.shape == (1, 1, 3, 3) and vg.equal(dilated, F.conv2d(x, spread))


def test_a_transposed_convolution_is_the_transpose() -> None:
    """<conv(x), y> = <x, conv_transpose(y)> for every x and y."""
    vg.manual_seed(1)
    w = vg.randn(4, 2, 3, 3, dtype=vg.float64)
    x = vg.randn(2, 4, 9, 8, dtype=vg.float64)
    options = {"stride": 2, "padding": 1, "groups": 2}
    y = F.conv2d(x, w, **options)
    g = vg.randn(*y.shape, dtype=vg.float64)
    back = F.conv_transpose2d(g, w, output_padding=(0, 1), **options)
    assert back.shape == x.shape
    assert math.isclose((y * g).sum().item(), (x * back).sum().item(), rel_tol=1e-12)


def test_depthwise_convolves_each_channel_alone() -> None:
    vg.manual_seed(2)
    x, w = vg.randn(2, 3, 6, 6), vg.randn(6, 1, 3, 3)
    whole = F.conv2d(x, w, padding=1, groups=3)
    for c in range(3):
        alone = F.conv2d(x[:, c : c + 1], w[2 * c : 2 * c + 2], padding=1)
        assert vg.allclose(whole[:, 2 * c : 2 * c + 2], alone, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    args, options = LAYERS[name]
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    state = {k: vg.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    assert str(ours.load_state_dict(state)) == "<All keys matched successfully>"
    for batch in (0, 1, 3):
        x = np.random.default_rng(batch).normal(size=(batch, 4, *(9, 10)[: ours.weight.ndim - 2]))
        x = x.astype(np.float32)
        mine, other = ours(vg.tensor(x)), theirs(torch.from_numpy(x))
        assert mine.shape == tuple(other.shape)
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_begin_within_the_bound(name: str) -> None:
    vg.manual_seed(0)
    args, options = LAYERS[name]
    layer = getattr(nn, name)(*args, **{**options, "bias": True})
    bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
    for parameter in layer.parameters():
        values = parameter.detach().numpy()
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.5 * bound
        assert values.min() < 0 < values.max()


def test_the_output_size_of_a_transposed_layer() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = vg.ones(1, 2, 4, 4)
    assert layer(x).shape == (1, 3, 7, 7)
    assert layer(x, output_size=(8, 7)).shape == (1, 3, 8, 7)
    assert layer(x, output_size=vg.ones(1, 3, 8, 8).shape).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="valid sizes range"):
        layer(x, output_size=(9, 9))
    with pytest.raises(ValueError, match="output_size must have"):
        layer(x, output_size=(9,))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible"),
        (lambda: nn.Conv2d(3, 4, 3, groups=0), ValueError, "groups must be a positive"),
        (lambda: nn.Conv2d(3, 4, 3, padding="some"), ValueError, "Invalid padding string"),
        (lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2), ValueError, "strided"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "padding_mode"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, "kernel_size"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), ValueError, "numbers"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, "padding_mode"),
    ],
)
def test_bad_layers(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_a_refused_call_names_both_shapes() -> None:
    with pytest.raises(RuntimeError, match=r"weight of size \[4, 3, 3, 3\].*input\[2, 5, 8, 8\]"):
        F.conv2d(vg.ones(2, 5, 8, 8), vg.ones(4, 3, 3, 3))
    with pytest.raises(NotImplementedError, match="int64"):
        F.conv2d(vg.ones(1, 1, 3, 3, dtype=vg.int64), vg.ones(1, 1, 3, 3, dtype=vg.int64))


def test_the_bits_do_not_depend_on_the_threads() -> None:
    def run(threads: int) -> list[bytes]:
        before = vg.get_num_threads()
        vg.set_num_threads(threads)
        try:
            vg.manual_seed(3)
            found = []
            for (n, c, k, size), stride in itertools.product(
                ((65, 3, 7, 9), (2, 5, 8, 61), (3, 64, 40, 14)), (1, 2)
            ):
                x = vg.randn(n, c, size, size, requires_grad=True)
                w = vg.randn(k, c, 3, 3, requires_grad=True)
                y = F.conv2d(x, w, stride=stride, padding=1)
                y.backward(vg.randn(*y.shape))
                assert x.grad is not None and w.grad is not None
                found += [t.detach().numpy().tobytes() for t in (y, x.grad, w.grad)]
            return found
        finally:
            vg.set_num_threads(before)

    assert run(1) == run(2) == run(5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of resident memory in KiB")
@pytest.mark.skipif(
    os.environ.get("VERIGRAD_TEST_SANITIZER") == "thread", reason="the sanitizer's own memory would count"
)
def test_memory_does_not_grow_with_the_batch() -> None:
    """im2col of the whole batch would take 9 times the input, 462 MB here; strips and bands take a few MB for
    each thread."""
    program = """
import resource
import verigrad as vg
import verigrad.nn.functional as F
vg.set_num_threads(2)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
x, w = vg.ones(64, 64, 56, 56, requires_grad=True), vg.ones(64, 64, 3, 3, requires_grad=True)
F.conv2d(x[:1], w, padding=1).sum().backward()
image = x.numel() * 4
for tensor in (x.grad, vg.ones(64, 64, 56, 56)):  # what forward and backward return
    tensor.fill_(1.0)
start = peak()
y = F.conv2d(x.detach(), w.detach(), padding=1)
print((peak() - start - image) / 2**20)
g = vg.ones(*y.shape)
y = F.conv2d(x.detach().requires_grad_(), w, padding=1)
start = peak()
y.backward(g)
print((peak() - start - image) / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    forward, backward = map(float, done.stdout.split())
    assert forward < 16 and backward < 32, done.stdout


def test_a_kernel_of_a_quarter_million_taps() -> None:
    """Each tap has a residue of its own, which was looked for among all the others."""
    generator = np.random.default_rng(3)
    x = vg.tensor(generator.standard_normal((1, 1, 1024, 512)), requires_grad=True)
    w = vg.tensor(generator.standard_normal((1, 1, 512, 512)), requires_grad=True)
    y = F.conv2d(x, w, stride=512)
    wanted = (x.detach().numpy()[0, 0].reshape(2, -1) * w.detach().numpy().reshape(1, -1)).sum(1)
    np.testing.assert_allclose(y.detach().numpy().ravel(), wanted, rtol=1e-9)
    (dx, dw) = vg.autograd.grad(y.sum(), [x, w])
    np.testing.assert_array_equal(dx.numpy()[0, 0], np.tile(w.detach().numpy()[0, 0], (2, 1)))
    np.testing.assert_allclose(
        dw.numpy()[0, 0], x.detach().numpy()[0, 0].reshape(2, 512, 512).sum(0), rtol=1e-12
    )
