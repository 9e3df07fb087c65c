"""The Transformer's layers, stacks and the whole: values, gradients, state and errors of PyTorch."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn

RNG = np.random.default_rng(4)
E, HEADS, WIDE, N, S, T = 8, 2, 16, 3, 5, 4


def draw(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype("float32")


def pair(torch: Any, name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A module of ours and PyTorch's with the same parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about nested tensors, which PyTorch alone has
        theirs = getattr(torch.nn, name)(*args, **options)
    ours = getattr(nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(draw(*parameter.shape)) * 0.4)
    ours.load_state_dict({key: vg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    return ours, theirs


def outcome(lib: Any, module: Any, inputs: list[Any], masks: dict[str, Any]) -> list[Any]:
    """The output, and the gradients of the sum of its cubes by inputs and parameters."""
    module.zero_grad()
    leaves = [lib.tensor(x, requires_grad=True) for x in inputs]
    given = {key: lib.tensor(m) if isinstance(m, np.ndarray) else m for key, m in masks.items()}
    out = module(*leaves, **given)
    (out * out * out).sum().backward()
    tensors = (out, *(x.grad for x in leaves), *(p.grad for p in module.parameters()))
    return [x.detach().numpy() for x in tensors]


def assert_close(ours: list[Any], theirs: list[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * max(1.0, float(np.abs(b).max())))


def sequence(length: int, first: bool, batch: int = N) -> Any:
    if not batch:
        return draw(length, E)
    return draw(batch, length, E) if first else draw(length, batch, E)


def causal(length: int) -> Any:
    return np.triu(np.full((length, length), -np.inf, "float32"), 1)


def padding(length: int, batch: int = N) -> Any:
    mask = RNG.random((batch, length) if batch else (length,)) < 0.3
    mask[..., 0] = False
    return np.where(mask, -np.inf, 0.0).astype("float32")


OPTIONS = list(itertools.product((False, True), (False, True), (True, False), ("relu", "gelu")))


def named(norm_first: bool, first: bool, bias: bool, activation: Any) -> dict[str, Any]:
    return {
        "dropout": 0.0,
        "norm_first": norm_first,
        "batch_first": first,
        "bias": bias,
        "activation": activation,
        "layer_norm_eps": 1e-3,
    }


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_encoder_is_pytorchs(options: Any) -> None:
    torch = pytest.importorskip("torch")
    first = options[1]
    cases: tuple[tuple[int, dict[str, Any]], ...] = (
        (N, {}),
        (N, {"src_mask": causal(S), "is_causal": True}),
        (N, {"src_mask": draw(S, S), "src_key_padding_mask": padding(S)}),
        (N, {"src_mask": RNG.random((N * HEADS, S, S)) < 0.0}),
        (0, {"src_key_padding_mask": padding(S, 0)}),
    )
    ours, theirs = pair(torch, "TransformerEncoderLayer", E, HEADS, WIDE, **named(*options))
    for batch, masks in cases:
        inputs = [sequence(S, first, batch)]
        assert_close(outcome(vg, ours, inputs, masks), outcome(torch, theirs, inputs, masks))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_decoder_is_pytorchs(options: Any) -> None:
    torch = pytest.importorskip("torch")
    first = options[1]
    ours, theirs = pair(torch, "TransformerDecoderLayer", E, HEADS, WIDE, **named(*options))
    cases: tuple[tuple[int, dict[str, Any]], ...] = (
        (N, {}),
        (N, {"tgt_mask": causal(T), "tgt_is_causal": True}),
        (N, {"tgt_mask": causal(T), "memory_mask": draw(T, S)}),
        (N, {"tgt_key_padding_mask": padding(T), "memory_key_padding_mask": padding(S)}),
        (0, {"memory_key_padding_mask": padding(S, 0)}),
    )
    for batch, masks in cases:
        inputs = [sequence(T, first, batch), sequence(S, first, batch)]
        assert_close(outcome(vg, ours, inputs, masks), outcome(torch, theirs, inputs, masks))
    masks = {"memory_mask": causal(T), "memory_is_causal": True}
    inputs = [sequence(T, first), sequence(T, first)]
    assert_close(outcome(vg, ours, inputs, masks), outcome(torch, theirs, inputs, masks))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_transformer_is_pytorchs(options: Any) -> None:
    torch = pytest.importorskip("torch")
    first = options[1]
    ours, theirs = pair(torch, "Transformer", E, HEADS, 2, 2, WIDE, **named(*options))
    for batch, masks in (
        (N, {"tgt_mask": causal(T)}),
        (N, {"src_mask": causal(S), "tgt_mask": causal(T), "src_is_causal": True, "tgt_is_causal": True}),
        (N, {"src_mask": draw(S, S), "memory_mask": draw(T, S), "tgt_key_padding_mask": padding(T)}),
        (N, {"src_key_padding_mask": padding(S), "memory_key_padding_mask": padding(S)}),
        (0, {}),
    ):
        inputs = [sequence(S, first, batch), sequence(T, first, batch)]
        assert_close(outcome(vg, ours, inputs, masks), outcome(torch, theirs, inputs, masks))


def test_stacks_are_copies_that_begin_alike() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, HEADS, WIDE), 3, nn.LayerNorm(E))
    assert encoder.num_layers == len(encoder.layers) == 3 and encoder.norm is not None
    assert (encoder.enable_nested_tensor, encoder.use_nested_tensor, encoder.mask_check) == (
        True,
        False,
        True,
    )
    first, second = encoder.layers[0], encoder.layers[1]
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert a is not b
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(E, HEADS, WIDE), 2)
    assert decoder.norm is None and len(decoder.layers) == 2
    assert decoder(vg.tensor(draw(T, N, E)), vg.tensor(draw(S, N, E))).shape == (T, N, E)


def test_a_causal_mask_is_found_by_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    plain = nn.MultiheadAttention.forward

    def watched(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(options["is_causal"])
        return plain(self, *args, **options)

    monkeypatch.setattr(nn.MultiheadAttention, "forward", watched)
    layer = nn.TransformerEncoderLayer(E, HEADS, WIDE, dropout=0.0)
    encoder = nn.TransformerEncoder(layer, 1)
    x, mask = vg.tensor(draw(S, N, E)), nn.Transformer.generate_square_subsequent_mask(S)
    found = encoder(x, mask).detach().numpy()
    np.testing.assert_allclose(
        found, encoder(x, mask, is_causal=False).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    for other in (mask.bool(), vg.zeros(S, S), mask.expand(N * HEADS, S, S)):
        encoder(x, other)
    assert seen == [True, False, True, False, False]
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(E, HEADS, WIDE), 1)
    decoder(x, x, mask)
    assert seen[-2:] == [True, False]


def test_activations() -> None:
    x = vg.tensor(draw(S, N, E))
    vg.manual_seed(0)
    layers = []
    for activation in ("gelu", nn.functional.gelu, nn.GELU()):
        for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer):
            layer = kind(E, HEADS, WIDE, dropout=0.0, activation=activation)
            if len(layers) >= 2:
                layer.load_state_dict(layers[len(layers) % 2].state_dict())
            layers.append(layer)
    for encoder in layers[2::2]:
        np.testing.assert_array_equal(encoder(x).detach().numpy(), layers[0](x).detach().numpy())
    for decoder in layers[3::2]:
        np.testing.assert_array_equal(decoder(x, x).detach().numpy(), layers[1](x, x).detach().numpy())
    with pytest.raises(RuntimeError, match="relu/gelu, not tanh"):
        nn.TransformerEncoderLayer(E, HEADS, activation="tanh")
    # A copy keeps a module; PyTorch's decoder layer turns it into relu.
    stack = nn.TransformerDecoder(layers[-1], 1)
    np.testing.assert_array_equal(stack(x, x).detach().numpy(), layers[1](x, x).detach().numpy())


def test_dropout_acts_in_training_alone() -> None:
    model = nn.Transformer(E, HEADS, 1, 1, WIDE, dropout=0.5)
    src, tgt = vg.tensor(draw(S, N, E)), vg.tensor(draw(T, N, E))
    trained = [model.train()(src, tgt).detach().numpy() for _ in range(2)]
    still = [model.eval()(src, tgt).detach().numpy() for _ in range(2)]
    assert not np.allclose(*trained)
    np.testing.assert_array_equal(*still)


def test_mask_errors_and_warnings() -> None:
    layer = nn.TransformerEncoderLayer(E, HEADS, WIDE)
    x = vg.tensor(draw(S, N, E))
    with pytest.raises(AssertionError, match="only bool and floating types of src_mask"):
        layer(x, src_mask=vg.zeros(S, S, dtype=vg.int64))
    with pytest.warns(UserWarning, match="mismatched src_key_padding_mask and src_mask"):
        layer(x, src_mask=vg.zeros(S, S), src_key_padding_mask=vg.zeros(N, S, dtype=vg.bool))
    with pytest.raises(RuntimeError, match="Need attn_mask"):
        layer(x, is_causal=True)


def test_transformer_errors() -> None:
    model = nn.Transformer(E, HEADS, 1, 1, WIDE)
    src = vg.tensor(draw(S, N, E))
    with pytest.raises(RuntimeError, match="batch number of src and tgt must be equal"):
        model(src, vg.tensor(draw(T, N + 1, E)))
    with pytest.raises(RuntimeError, match="feature number of src and tgt must be equal to d_model"):
        model(src, vg.tensor(draw(T, N, E + 1)))
    model = nn.Transformer(E, HEADS, 1, 1, WIDE, batch_first=True)
    with pytest.raises(RuntimeError, match="batch number"):
        model(src, vg.tensor(draw(S + 1, N, E)))


def test_custom_parts() -> None:
    class Double(nn.Module):
        def forward(self, x: Any, *args: Any, **options: Any) -> Any:
            return 2 * x

    model = nn.Transformer(E, HEADS, custom_encoder=Double(), custom_decoder=Double())
    x = vg.tensor(draw(S, N, E))
    np.testing.assert_array_equal(model(x, x).numpy(), 2 * x.numpy())
    assert (model.d_model, model.nhead, model.batch_first) == (E, HEADS, False)


def test_matrices_begin_as_glorots_uniform_numbers() -> None:
    model = nn.Transformer(32, 4, 1, 1, 64)
    for name, p in model.named_parameters():
        if p.ndim > 1:
            bound = (6 / sum(p.shape)) ** 0.5
            assert 0.9 * bound < np.abs(p.detach().numpy()).max() <= bound, name


def test_square_subsequent_mask() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=vg.float64)
    assert mask.dtype == vg.float64
    assert mask.tolist() == [[0.0, -np.inf, -np.inf], [0.0, 0.0, -np.inf], [0.0, 0.0, 0.0]]
