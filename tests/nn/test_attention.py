"""Attention: the function against PyTorch and against itself, memory, and the layer MultiheadAttention."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F

RNG = np.random.default_rng(3)


def draw(*shape: int, dtype: str = "float32") -> Any:
    return RNG.standard_normal(shape).astype(dtype)


def leaves(library: Any, *arrays: Any) -> list[Any]:
    return [library.tensor(a, requires_grad=True) for a in arrays]


def outcome(library: Any, call: Callable[..., Any], *arrays: Any) -> list[Any]:
    """The result of a call and the gradients of the sum of its squares."""
    inputs = leaves(library, *arrays)
    out = call(*inputs)
    (out * out).sum().backward()
    return [x.detach().numpy() for x in (out, *(i.grad for i in inputs))]


def assert_close(ours: list[Any], theirs: list[Any], tolerance: float = 2e-5) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# -- scaled_dot_product_attention ----------------------------------------------------------------------------


CALLS: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9, 4), (2, 3, 7, 4), (2, 3, 7, 5), {}),
    ((2, 3, 9, 4), (2, 3, 9, 4), (2, 3, 9, 4), {"is_causal": True}),
    ((2, 3, 9, 4), (2, 3, 5, 4), (2, 3, 5, 4), {"is_causal": True}),
    ((2, 3, 5, 4), (2, 3, 9, 4), (2, 3, 9, 4), {"is_causal": True, "scale": 0.7}),
    ((9, 4), (7, 4), (7, 4), {"scale": -0.3}),
    ((2, 6, 9, 4), (2, 2, 7, 4), (2, 2, 7, 4), {"enable_gqa": True}),
    ((2, 6, 9, 4), (2, 3, 7, 4), (2, 2, 7, 4), {"enable_gqa": True, "is_causal": True}),
    ((3, 1, 9, 4), (2, 7, 4), (2, 7, 4), {}),
    ((2, 2, 130, 8), (2, 2, 270, 8), (2, 2, 270, 8), {}),
    ((1, 1, 150, 8), (1, 1, 150, 8), (1, 1, 150, 8), {"is_causal": True}),
]


@pytest.mark.parametrize(("q", "k", "v", "options"), CALLS)
def test_attention_is_pytorchs(q: Any, k: Any, v: Any, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    arrays = draw(*q), draw(*k), draw(*v)
    found = [
        outcome(lib, lambda *x, f=lib.nn.functional: f.scaled_dot_product_attention(*x, **options), *arrays)
        for lib in (vg, torch)
    ]
    assert_close(*found)


@pytest.mark.parametrize("shape", [(9, 7), (1, 7), (9, 1), (3, 9, 7), (2, 1, 9, 7), (2, 3, 9, 7)])
@pytest.mark.parametrize("kind", ["bool", "float32"])
def test_masks_are_pytorchs(shape: tuple[int, ...], kind: str) -> None:
    torch = pytest.importorskip("torch")
    arrays = draw(2, 3, 9, 4), draw(2, 3, 7, 4), draw(2, 3, 7, 4)
    mask = RNG.random(shape) < 0.6
    mask.reshape(-1, shape[-1])[0] = False  # a query without a key, or all
    if kind == "bool":
        found = [
            outcome(
                lib,
                lambda *x, lib=lib: lib.nn.functional.scaled_dot_product_attention(*x, lib.tensor(mask)),
                *arrays,
            )
            for lib in (vg, torch)
        ]
    else:  # with a gradient
        added = draw(*shape)
        found = [
            outcome(lib, lib.nn.functional.scaled_dot_product_attention, *arrays, added)
            for lib in (vg, torch)
        ]
    assert_close(*found)


def test_a_query_without_keys_is_zero_and_gets_no_gradient() -> None:
    mask = vg.tensor([[True, False], [False, False]])
    q, k, v = leaves(vg, draw(2, 3), draw(2, 3), draw(2, 3))
    out = F.scaled_dot_product_attention(q, k, v, mask)
    assert out[1].tolist() == [0.0] * 3
    np.testing.assert_allclose(out[0].detach().numpy(), v[0].detach().numpy())
    out.sum().backward()
    assert q.grad is not None and v.grad is not None
    assert not q.grad.numpy().any() and not v.grad[1].numpy().any()


def test_heads_that_were_split_off_are_joined_without_a_copy() -> None:
    x = vg.tensor(draw(2, 5, 12), requires_grad=True)
    heads = x.reshape(2, 5, 3, 4).transpose(1, 2)
    out = F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
    assert out.shape == (2, 3, 5, 4)
    assert out.transpose(1, 2).is_contiguous()
    plain = heads.detach().contiguous()
    again = F.scaled_dot_product_attention(plain, plain, plain, is_causal=True)
    assert again.is_contiguous()
    np.testing.assert_array_equal(out.detach().numpy(), again.numpy())


def test_dropout_is_that_of_the_generator_and_the_same_in_the_gradient() -> None:
    q, k, v = leaves(vg, draw(2, 5, 4), draw(2, 7, 4), draw(2, 7, 4))
    vg.manual_seed(5)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.4)
    vg.manual_seed(5)
    factors = F.dropout(vg.ones(2, 5, 7), 0.4)
    weights = F.softmax(q @ k.transpose(-2, -1) * 0.5, dim=-1) * factors
    np.testing.assert_allclose(out.detach().numpy(), (weights @ v).detach().numpy(), rtol=1e-5, atol=1e-6)
    incoming = vg.tensor(draw(2, 5, 4))
    ours = vg.autograd.grad(out, (q, k, v), incoming)
    composed = vg.autograd.grad(weights @ v, (q, k, v), incoming)
    assert_close([g.numpy() for g in ours], [g.numpy() for g in composed])


def test_dropout_moves_the_generator_by_its_elements_and_only_with_a_probability() -> None:
    x = vg.tensor(draw(1, 6, 4))
    vg.manual_seed(5)
    F.scaled_dot_product_attention(x, x, x)
    before = vg.get_rng_state().tolist()
    vg.manual_seed(5)
    assert vg.get_rng_state().tolist() == before
    F.scaled_dot_product_attention(x, x, x, dropout_p=0.1)
    after = vg.get_rng_state().tolist()
    vg.manual_seed(5)
    F.dropout(vg.ones(6, 6), 0.1)
    assert vg.get_rng_state().tolist() == after != before


@pytest.mark.parametrize("batch", [(), (40,)])
def test_bits_do_not_depend_on_the_number_of_threads(batch: tuple[int, ...]) -> None:
    arrays = draw(*batch, 150, 9), draw(*batch, 300, 9), draw(*batch, 300, 9)
    before = vg.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            vg.set_num_threads(threads)
            found.append(outcome(vg, F.scaled_dot_product_attention, *arrays))
    finally:
        vg.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


MEMORY = """
import resource
import verigrad as vg

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

length = 8192
q, k, v = (vg.randn(1, 1, length, 8).requires_grad_() for _ in range(3))
before = peak()
vg.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_square_of_the_length() -> None:
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    scores = 8192 * 8192 * 4
    assert int(run.stdout) < scores / 8


def test_the_gradient_has_a_gradient() -> None:
    arrays = [draw(2, 3, 2, dtype="float64") for _ in range(3)]
    mask = vg.tensor(draw(3, 3, dtype="float64"), requires_grad=True)
    for options in ({}, {"is_causal": True}, {"attn_mask": mask}):
        inputs = leaves(vg, *arrays)
        wanted = [*inputs, *([mask] if "attn_mask" in options else [])]
        out = F.scaled_dot_product_attention(*inputs, **options)
        fused = vg.autograd.grad((out**2).sum(), wanted, retain_graph=True)
        graph = vg.autograd.grad((out**2).sum(), wanted, create_graph=True)
        assert_close([g.numpy() for g in fused], [g.detach().numpy() for g in graph], 1e-12)
        second = vg.autograd.grad(sum((g**2).sum() for g in graph), wanted)
        assert all(bool(g.isfinite().all()) for g in second)


# -- MultiheadAttention --------------------------------------------------------------------------------------

E, HEADS, N, LENGTH = 8, 2, 3, 4


def layer_options() -> Iterator[dict[str, Any]]:
    for kdim, vdim in ((None, None), (5, None), (5, 7)):
        for bias, kv, zero, first in itertools.product((True, False), repeat=4):
            yield {
                "kdim": kdim,
                "vdim": vdim,
                "bias": bias,
                "add_bias_kv": kv,
                "add_zero_attn": zero,
                "batch_first": first,
            }


def pair(torch: Any, name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A layer of ours and PyTorch's with the same parameters."""
    theirs, ours = getattr(torch.nn, name)(*args, **options), getattr(nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(draw(*parameter.shape)) * 0.3)
    ours.load_state_dict({key: vg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    return ours, theirs


def masks(kind: str, batch: int, keys: int) -> dict[str, Any]:
    """The masks of a call: which and of what dtype."""
    found: dict[str, Any] = {}
    if "padding" in kind:
        found["key_padding_mask"] = RNG.random((batch, keys) if batch else (keys,)) < 0.3
    if "causal" in kind:
        found["attn_mask"] = np.triu(np.ones((LENGTH, keys), bool), 1)
    elif "mask" in kind:
        shape = (max(batch, 1) * HEADS, LENGTH, keys) if "3" in kind else (LENGTH, keys)
        found["attn_mask"] = RNG.random(shape) < 0.3
    for mask in found.values():
        mask[..., 0] = False
    if "float" in kind:
        found = {key: np.where(mask, -np.inf, 0.25).astype("f4") for key, mask in found.items()}
    return found


KINDS = ("", "padding", "mask", "mask3", "padding mask", "float padding mask3", "causal", "causal padding")


@pytest.mark.parametrize("options", list(layer_options()), ids=str)
def test_layer_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, "MultiheadAttention", E, HEADS, **options)
    widths = E, options["kdim"] or E, options["vdim"] or E
    for turn, kind in enumerate(KINDS):
        batch, weights = (0 if turn % 4 == 3 else N), turn % 2 == 0
        keys = LENGTH if "causal" in kind else LENGTH + 2

        def shape(length: int, width: int, batch: int = batch) -> tuple[int, ...]:
            if not batch:
                return length, width
            return (batch, length, width) if options["batch_first"] else (length, batch, width)

        arrays = [draw(*shape(n, w)) for n, w in zip((LENGTH, keys, keys), widths, strict=True)]
        given = masks(kind, batch, keys)
        answers = []
        for lib, layer in ((vg, ours), (torch, theirs)):
            layer.zero_grad()
            inputs = leaves(lib, *arrays)
            out, found = layer(
                *inputs,
                need_weights=weights,
                average_attn_weights=turn % 3 == 0,
                is_causal="causal" in kind,
                **{key: lib.tensor(mask) for key, mask in given.items()},
            )
            (out * out).sum().backward()
            assert (found is not None) == weights
            tensors = [out, *([found] if weights else []), *(i.grad for i in inputs)]
            answers.append([x.detach().numpy() for x in (*tensors, *(p.grad for p in layer.parameters()))])
        assert_close(*answers, tolerance=5e-5)


@pytest.mark.parametrize("first", [True, False])
def test_self_attention_and_shared_memory_are_the_same_as_apart(first: bool) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, "MultiheadAttention", E, HEADS, batch_first=first)
    x, y = draw(3, 4, E), draw(3, 4, E)
    for number in (1, 2):
        found = []
        for lib, layer in ((vg, ours), (torch, theirs)):
            call = (
                (lambda a, m=layer: m(a, a, a)[0]) if number == 1 else (lambda a, b, m=layer: m(a, b, b)[0])
            )
            found.append(outcome(lib, call, *(x, y)[:number]))
        assert_close(*found)


def test_forward_function_takes_static_keys() -> None:
    torch = pytest.importorskip("torch")
    _, theirs = pair(torch, "MultiheadAttention", E, HEADS)
    arrays = draw(LENGTH, N, E), draw(5, N, E), draw(N * HEADS, 6, E // HEADS), draw(N * HEADS, 6, E // HEADS)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    values = {name: value.numpy() for name, value in theirs.state_dict().items() if name in names}
    for weights in (True, False):
        found = []
        for lib in (vg, torch):

            def call(
                q: Any, k: Any, static_k: Any, static_v: Any, lib: Any = lib, weights: bool = weights
            ) -> Any:
                p = [lib.tensor(values[name]) for name in names]
                return lib.nn.functional.multi_head_attention_forward(
                    q, k, k, E, HEADS, *p[:2], None, None, False, 0.0, *p[2:],
                    static_k=static_k, static_v=static_v, need_weights=weights,
                )[0]  # fmt: skip

            inputs = leaves(lib, *arrays)
            out = call(*inputs)
            (out * out).sum().backward()
            found.append([x.detach().numpy() for x in (out, inputs[0].grad, inputs[2].grad, inputs[3].grad)])
        assert_close(*found)


ERRORS: list[tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]] = [
    ({}, ((4, 3, 7), (4, 3, 7), (4, 3, 7)), {}),
    ({}, ((4,), (4, 3, 8), (4, 3, 8)), {}),
    ({}, ((4, 3, 8), (4, 8), (4, 8)), {}),
    ({}, ((4, 3, 8), (5, 3, 8), (6, 3, 8)), {}),
    ({"kdim": 5}, ((4, 3, 8), (5, 3, 5), (6, 3, 8)), {}),
    ({}, ((4, 3, 8),) * 3, {"attn_mask": (3, 4)}),
    ({}, ((4, 3, 8),) * 3, {"attn_mask": (5, 4, 4)}),
    ({}, ((4, 3, 8),) * 3, {"attn_mask": (4,)}),
    ({}, ((4, 8),) * 3, {"attn_mask": (3, 4, 4)}),
    ({}, ((4, 3, 8),) * 3, {"key_padding_mask": (4,)}),
    ({}, ((4, 3, 8),) * 3, {"key_padding_mask": (3, 5)}),
    ({}, ((4, 8),) * 3, {"key_padding_mask": (3, 4)}),
    ({}, ((4, 3, 8),) * 3, {"is_causal": True}),
]


@pytest.mark.parametrize(("options", "shapes", "given"), ERRORS)
def test_errors_are_pytorchs(options: dict[str, Any], shapes: Any, given: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    types = []
    for lib in (vg, torch):
        layer = lib.nn.MultiheadAttention(E, HEADS, **options)
        rest = {k: v if v is True else lib.zeros(v, dtype=lib.bool) for k, v in given.items()}
        with pytest.raises(Exception) as error:  # noqa: PT011
            layer(*(lib.zeros(shape) for shape in shapes), **rest)
        types.append(type(error.value))
    assert types[0] is types[1]


def test_constructor_and_mask_errors() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        nn.MultiheadAttention(0, 2)
    with pytest.raises(AssertionError, match="divisible"):
        nn.MultiheadAttention(7, 2)
    x = vg.zeros(4, 3, 8)
    layer = nn.MultiheadAttention(E, HEADS)
    with pytest.raises(AssertionError, match="only bool and floating types of attn_mask"):
        layer(x, x, x, attn_mask=vg.zeros(4, 4, dtype=vg.int64))
    both = {"attn_mask": vg.zeros(4, 4), "key_padding_mask": vg.zeros(3, 4, dtype=vg.bool)}
    with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
        layer(x, x, x, **both)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x, x, x, attn_mask=both["attn_mask"])
    p = layer.in_proj_weight
    forward = F.multi_head_attention_forward
    head = (x, x, x, E, HEADS)
    out = (False, 0.0, layer.out_proj.weight, layer.out_proj.bias)
    with pytest.raises(AssertionError, match="in_proj_weight is None"):
        forward(*head, None, None, None, None, *out)
    with pytest.raises(AssertionError, match="k_proj_weight is None"):
        forward(
            *head, None, None, None, None, *out, use_separate_proj_weight=True, q_proj_weight=vg.zeros(8, 8)
        )
    extra = vg.zeros(1, 1, 8)
    for k, v in ((extra, None), (None, extra)):
        with pytest.raises(AssertionError, match="is set but"):
            forward(*head, p, None, k, v, *out)
    for name in ("static_k", "static_v"):
        with pytest.raises(AssertionError, match=f"{name}.size\\(0\\)"):
            forward(*head, p, None, None, None, *out, **{name: vg.zeros(5, 4, 4)})
        with pytest.raises(AssertionError, match=f"{name}.size\\(2\\)"):
            forward(*head, p, None, None, None, *out, **{name: vg.zeros(6, 4, 3)})
        with pytest.raises(AssertionError, match="cannot be added to static"):
            forward(*head, p, None, extra, extra, *out, **{name: vg.zeros(6, 4, 4)})


def test_dropout_acts_in_training_alone() -> None:
    x = vg.tensor(draw(3, 4, 8))
    layer = nn.MultiheadAttention(E, HEADS, dropout=0.5)
    for weights in (True, False):
        vg.manual_seed(0)
        trained = layer.train()(x, x, x, need_weights=weights)[0]
        vg.manual_seed(0)
        again = layer(x, x, x, need_weights=weights)[0]
        still = [layer.eval()(x, x, x, need_weights=weights)[0] for _ in range(2)]
        np.testing.assert_array_equal(trained.detach().numpy(), again.detach().numpy())
        np.testing.assert_array_equal(still[0].detach().numpy(), still[1].detach().numpy())
        assert not np.allclose(trained.detach().numpy(), still[0].detach().numpy())


def test_parameters_begin_as_pytorchs_do() -> None:
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    assert layer.in_proj_weight is not None and layer.in_proj_bias is not None and layer.bias_k is not None
    bound = math.sqrt(6 / (64 + 3 * 64))
    weight = layer.in_proj_weight.detach().numpy()
    assert 0.95 * bound < np.abs(weight).max() <= bound and abs(weight.mean()) < bound / 20
    assert not layer.in_proj_bias.detach().numpy().any()
    assert layer.out_proj.bias is not None and not layer.out_proj.bias.detach().numpy().any()
    assert 0.08 < layer.bias_k.detach().numpy().std() < 0.25  # sqrt(2 / (64 + 64)) = 0.125
    other = nn.MultiheadAttention(64, 4, kdim=32, bias=False)
    assert other.k_proj_weight is not None and other.in_proj_bias is None
    bound = math.sqrt(6 / (64 + 32))
    assert 0.95 * bound < np.abs(other.k_proj_weight.detach().numpy()).max() <= bound


def test_dropout_takes_as_many_random_numbers_as_there_are_weights():
    q = vg.ones(1, 1, 3, 2)
    states = []
    for draw in (
        lambda: F.scaled_dot_product_attention(q, q, q, dropout_p=0.5),
        lambda: F.dropout(vg.ones(9), 0.5),
    ):
        vg.manual_seed(0)
        draw()
        states.append(vg.get_rng_state().tolist())
    assert states[0] == states[1]
