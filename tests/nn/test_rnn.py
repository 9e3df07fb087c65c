"""Recurrent layers and cells, against PyTorch and against what must hold without it."""

import copy
import itertools
import warnings

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.utils import rnn as tools

LAYERS = ("RNN", "LSTM", "GRU")
LENGTHS = [5, 3, 3, 1]


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape)


def parts(state):
    """The tensors of a state."""
    return list(state) if isinstance(state, tuple) else [state]


def state_of(layer, batch, seed=5):
    """A first state for a layer: arrays."""
    rows = len(layer.all_weights)
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if layer.mode == "LSTM" else 1]
    shapes = [(rows, size) if batch is None else (rows, batch, size) for size in sizes]
    return [numbers(*shape, seed=seed + i) for i, shape in enumerate(shapes)]


def as_state(arrays, lib):
    """The state as a layer takes it, with gradients."""
    tensors = [lib.tensor(a).requires_grad_() for a in arrays]
    return (tensors[0] if len(tensors) == 1 else tuple(tensors)), tensors


def pair(name, *args, **options):
    """A layer of ours and PyTorch's with the same weights, in float64."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = getattr(torch.nn, name)(*args, **options, dtype=torch.float64)
    ours = getattr(nn, name)(*args, **options, dtype=vg.float64)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: vg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def run(layer, lib, x, state, packing=None):
    """Results and gradients of a call: arrays."""
    inputs = lib.tensor(x).requires_grad_()
    hx, tensors = as_state(state, lib) if state is not None else (None, [])
    layer.zero_grad()
    if packing is None:
        output, last = layer(inputs, hx)
        results = [output, *parts(last)]
    else:
        packed, last = layer(packing(inputs), hx)
        results = [packed.data, *parts(last)]
    total = sum((r * lib.tensor(numbers(*r.shape, seed=9))).sum() for r in results)
    total.backward()
    leaves = [inputs, *tensors, *layer.parameters()]
    return [r.detach().numpy() for r in results], [leaf.grad.numpy() for leaf in leaves]


def compare(ours, theirs, x, state, packing=(None, None)):
    torch = pytest.importorskip("torch")
    found, expected = run(ours, vg, x, state, packing[0]), run(theirs, torch, x, state, packing[1])
    for mine, other in zip(found, expected, strict=True):
        for a, b in zip(mine, other, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_layers_of_a_network_are_those_of_torch():
    pytest.importorskip("torch")
    for name, layers, bias, batch_first, bidirectional in itertools.product(
        LAYERS, (1, 3), (True, False), (True, False), (True, False)
    ):
        ours, theirs = pair(
            name, 4, 5, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional
        )
        x = numbers(6, 3, 4)
        batch = 6 if batch_first else 3
        compare(ours, theirs, x, None)
        compare(ours, theirs, x, state_of(ours, batch))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_projections_are_those_of_torch(layers, bidirectional):
    pytest.importorskip("torch")
    ours, theirs = pair("LSTM", 4, 6, layers, proj_size=3, bidirectional=bidirectional)
    compare(ours, theirs, numbers(5, 3, 4), None)
    compare(ours, theirs, numbers(5, 3, 4), state_of(ours, 3))
    assert "weight_hr_l0" in ours.state_dict()


def test_relu_is_that_of_torch():
    pytest.importorskip("torch")
    ours, theirs = pair("RNN", 4, 5, 2, "relu", bidirectional=True)
    compare(ours, theirs, numbers(5, 3, 4), state_of(ours, 3))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_single_sequence_needs_no_batch(name, batch_first):
    pytest.importorskip("torch")
    ours, theirs = pair(name, 4, 5, 2, batch_first=batch_first, bidirectional=True)
    compare(ours, theirs, numbers(6, 4), None)
    compare(ours, theirs, numbers(6, 4), state_of(ours, None))


@pytest.mark.parametrize("projected", [0, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_packed_sequences_are_those_of_torch(name, projected):
    torch = pytest.importorskip("torch")
    if projected and name != "LSTM":
        return
    options = {"proj_size": projected} if projected else {}
    ours, theirs = pair(name, 4, 5, 2, bidirectional=True, **options)
    for lengths in (LENGTHS, [1, 5, 2, 5]):
        in_order = lengths == sorted(lengths, reverse=True)

        def packing(function, lengths=lengths, in_order=in_order):
            return lambda x: function(x, lengths, enforce_sorted=in_order)

        both = (
            packing(tools.pack_padded_sequence),
            packing(torch.nn.utils.rnn.pack_padded_sequence),
        )
        if not in_order:  # the order of equal lengths is PyTorch's own
            both = (packing(tools.pack_padded_sequence), None)
            found = run(ours, vg, numbers(5, 4, 4), state_of(ours, 4), both[0])
            for n, length in enumerate(lengths):
                single = run(
                    ours,
                    vg,
                    numbers(5, 4, 4)[:length, n : n + 1],
                    [a[:, n : n + 1] for a in state_of(ours, 4)],
                )
                for mine, alone in zip(found[0][1:], single[0][1:], strict=True):
                    np.testing.assert_allclose(mine[:, n], alone[:, 0], rtol=1e-12, atol=1e-14)
            continue
        compare(ours, theirs, numbers(5, 4, 4), None, both)
        compare(ours, theirs, numbers(5, 4, 4), state_of(ours, 4), both)


@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_sequence_is_as_if_it_were_alone(name):
    layer = getattr(nn, name)(3, 4, 2, bidirectional=True, dtype=vg.float64)
    sequences = [vg.tensor(numbers(n, 3, seed=n)) for n in (2, 5, 1, 4)]
    packed, last = layer(tools.pack_sequence(sequences, enforce_sorted=False))
    for n, output in enumerate(tools.unpack_sequence(packed)):
        alone, alone_last = layer(sequences[n])
        np.testing.assert_allclose(output.detach().numpy(), alone.detach().numpy(), rtol=1e-12, atol=1e-14)
        for mine, other in zip(parts(last), parts(alone_last), strict=True):
            np.testing.assert_allclose(
                mine[:, n].detach().numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-14
            )


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells_are_those_of_torch(name, bias):
    torch = pytest.importorskip("torch")
    kinds = [{}, {"nonlinearity": "relu"}] if name == "RNNCell" else [{}]
    for options in kinds:
        ours, theirs = pair(name, 4, 5, bias, **options)
        count = 2 if name == "LSTMCell" else 1
        for batch in ((3,), ()):
            for given in (True, False):
                results = []
                for lib, cell in ((vg, ours), (torch, theirs)):
                    x = lib.tensor(numbers(*batch, 4)).requires_grad_()
                    state = [lib.tensor(numbers(*batch, 5, seed=i)).requires_grad_() for i in range(count)]
                    cell.zero_grad()
                    out = parts(cell(x, (state[0] if count == 1 else tuple(state)) if given else None))
                    sum((o * o).sum() for o in out).backward()
                    leaves = [x, *(state if given else []), *cell.parameters()]
                    results.append([t.detach().numpy() for t in (*out, *(leaf.grad for leaf in leaves))])
                for a, b in zip(*results, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_cell_takes_the_steps_of_a_layer(name):
    layer = getattr(nn, name)(3, 4, dtype=vg.float64)
    cell = getattr(nn, name + "Cell")(3, 4, dtype=vg.float64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x, state = vg.tensor(numbers(9, 2, 3)), None
    output, last = layer(x)
    for t in range(9):
        state = cell(x[t], state)
        np.testing.assert_allclose(parts(state)[0].detach().numpy(), output[t].detach().numpy(), rtol=1e-12)
    for mine, other in zip(parts(state), parts(last), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other[0].detach().numpy(), rtol=1e-12)


def test_dropout_lies_between_layers_and_draws_from_the_generator():
    layer = nn.LSTM(3, 4, 2, dropout=0.5)
    x = vg.tensor(numbers(5, 2, 3), dtype=vg.float32)
    vg.manual_seed(1)
    first = layer(x)[0].detach().numpy()
    vg.manual_seed(1)
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), first)
    assert not np.array_equal(layer(x)[0].detach().numpy(), first)
    # The same from its two layers.
    below, above = nn.LSTM(3, 4), nn.LSTM(4, 4)
    for k, single in enumerate((below, above)):
        single.load_state_dict({n: layer.state_dict()[n.replace("l0", f"l{k}")] for n in single.state_dict()})
    vg.manual_seed(1)
    middle = nn.functional.dropout(below(x)[0].reshape(10, 4), 0.5).reshape(5, 2, 4)
    np.testing.assert_array_equal(above(middle)[0].detach().numpy(), first)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), above(below(x)[0])[0].detach().numpy())
    whole = nn.GRU(3, 4, 2, dropout=1.0, bias=False)
    assert not whole(x)[0].any()


@pytest.mark.parametrize("name", LAYERS)
def test_second_derivatives(name):
    layer = getattr(nn, name)(2, 3, 2, bidirectional=True, dtype=vg.float64)
    inputs = vg.tensor(numbers(3, 2, 2)).requires_grad_()
    assert vg.autograd.gradgradcheck(lambda x: layer(x)[0], (inputs,))


def test_state_and_output_keep_their_history_apart():
    layer = nn.GRU(2, 3, dtype=vg.float64)
    x = vg.tensor(numbers(4, 2, 2))
    output, last = layer(x)
    (by_output,) = vg.autograd.grad(output[-1].sum(), [layer.weight_hh_l0], retain_graph=True)
    (by_last,) = vg.autograd.grad(last.sum(), [layer.weight_hh_l0])
    np.testing.assert_allclose(by_output.numpy(), by_last.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_the_output_may_be_changed_in_place(name):
    layer = getattr(nn, name)(2, 3, dtype=vg.float64)
    grads = []
    for in_place in (False, True):
        layer.zero_grad()
        output, last = layer(vg.tensor(numbers(9, 2, 2)))
        output = output.mul_(3.0) if in_place else output * 3.0
        (output.sum() + parts(last)[0].sum()).backward()
        grads.append([p.grad.numpy() for p in layer.parameters()])
    for a, b in zip(*grads, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bits_do_not_depend_on_threads():
    layer = nn.LSTM(31, 67, 2, bidirectional=True)
    x = vg.tensor(numbers(40, 37, 31), dtype=vg.float32)
    before, seen = vg.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            vg.set_num_threads(threads)
            layer.zero_grad()
            output = layer(x)[0]
            (output * output).sum().backward()
            seen.append([output.detach().numpy(), *(p.grad.numpy() for p in layer.parameters())])
    finally:
        vg.set_num_threads(before)
    for other in seen[1:]:
        for a, b in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [*LAYERS, "RNNCell", "LSTMCell", "GRUCell"])
def test_weights_begin_uniform_from_the_default_generator(name):
    vg.manual_seed(4)
    layer = getattr(nn, name)(30, 16)
    vg.manual_seed(4)
    for weight in layer.parameters():
        np.testing.assert_array_equal(
            weight.detach().numpy(), vg.empty(weight.shape).uniform_(-0.25, 0.25).numpy()
        )


REPRS = [
    ("RNN", (3, 4), {}),
    ("RNN", (3, 4, 2, "relu"), {"bias": False}),
    ("LSTM", (3, 4), {"num_layers": 2, "dropout": 0.5, "batch_first": True}),
    ("LSTM", (3, 4), {"proj_size": 2, "bidirectional": True}),
    ("GRU", (3, 4, 3, False, True, 0.25, True), {}),
    ("RNNCell", (3, 4), {}),
    ("RNNCell", (3, 4, False, "relu"), {}),
    ("LSTMCell", (3, 4), {"bias": False}),
    ("GRUCell", (3, 4), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), REPRS)
def test_layers_print_as_in_torch(name, args, options):
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, name)(*args, **options)) == repr(getattr(torch.nn, name)(*args, **options))


def test_layers_are_copied_moved_and_called_with_half_their_arguments():
    layer = nn.LSTM(3, 4, 2, dtype=vg.float64)
    twin = copy.deepcopy(layer)
    x = vg.tensor(numbers(5, 2, 3))
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), twin(x)[0].detach().numpy())
    layer.flatten_parameters()
    assert layer.float()(x.float())[0].dtype is vg.float32
    assert [len(group) for group in layer.all_weights] == [4, 4]
    assert layer.all_weights[1][1] is layer.weight_hh_l1
    assert len(layer._flat_weights) == len(layer._flat_weights_names) == 8
    # A weight that was replaced is the one that counts.
    with vg.no_grad():
        twin.weight_hh_l0.zero_()
        twin.weight_ih_l0.zero_()
        twin.bias_ih_l0.zero_()
        twin.bias_hh_l0.zero_()
        twin.bias_ih_l1.zero_()
        twin.bias_hh_l1.zero_()
    assert not twin(x)[0].any()


def test_no_sequence():
    for name in LAYERS:
        layer = getattr(nn, name)(3, 4, 2, bidirectional=True)
        output, last = layer(vg.zeros(5, 0, 3))
        assert tuple(output.shape) == (5, 0, 8) and tuple(parts(last)[0].shape) == (4, 0, 4)
        output.sum().backward()
        assert not layer.weight_ih_l0.grad.any()


BAD_OPTIONS = [
    (ValueError, "dropout.*1.5", "LSTM", (3, 4), {"dropout": 1.5}),
    (ValueError, "dropout.*True", "GRU", (3, 4), {"dropout": True}),
    (TypeError, "hidden_size.*float", "LSTM", (3, 4.0), {}),
    (TypeError, "input_size.*str", "LSTM", ("3", 4), {}),
    (TypeError, "bias.*int", "GRU", (3, 4), {"bias": 1}),
    (TypeError, "batch_first.*int", "GRU", (3, 4), {"batch_first": 1}),
    (ValueError, "input_size.*greater than zero", "RNN", (0, 4), {}),
    (ValueError, "hidden_size.*greater than zero", "RNN", (3, 0), {}),
    (ValueError, "num_layers.*greater than zero", "RNN", (3, 4, 0), {}),
    (ValueError, "proj_size.*positive", "LSTM", (3, 4), {"proj_size": -1}),
    (ValueError, "smaller than hidden_size", "LSTM", (3, 4), {"proj_size": 4}),
    (ValueError, "only supported for LSTM", "RNN", (3, 4), {"proj_size": 2}),
    (ValueError, "only supported for LSTM", "GRU", (3, 4), {"proj_size": 2}),
    (ValueError, "nonlinearity 'sin'", "RNN", (3, 4), {"nonlinearity": "sin"}),
    (TypeError, "unexpected keyword", "GRU", (3, 4), {"layers": 2}),
    (ValueError, "Unrecognized RNN mode: LST", "RNNBase", ("LST", 3, 4), {}),
]


@pytest.mark.parametrize(("error", "match", "name", "args", "options"), BAD_OPTIONS)
def test_options_that_are_refused(error, match, name, args, options):
    with pytest.raises(error, match=match):
        getattr(nn, name)(*args, **options)
    torch = pytest.importorskip("torch")
    with pytest.raises(error):
        getattr(torch.nn, name)(*args, **options)


def test_dropout_without_a_second_layer_warns():
    with pytest.warns(UserWarning, match=r"num_layers greater than 1.*dropout=0.5"):
        nn.GRU(3, 4, dropout=0.5)


BAD_CALLS = [
    (RuntimeError, "hidden size.*\\(1, 2, 4\\).*\\[1, 3, 4\\]", "GRU", (5, 2, 3), (1, 3, 4)),
    (RuntimeError, r"hidden\[0\] size.*\(1, 2, 4\).*\[2, 2, 4\]", "LSTM", (5, 2, 3), ((2, 2, 4), (1, 2, 4))),
    (RuntimeError, r"hidden\[1\] size.*\(1, 2, 4\).*\[1, 2, 3\]", "LSTM", (5, 2, 3), ((1, 2, 4), (1, 2, 3))),
    (RuntimeError, "batched 3-D input.*2-D", "RNN", (5, 2, 3), (1, 4)),
    (RuntimeError, "unbatched 2-D input.*3-D", "GRU", (5, 3), (1, 1, 4)),
    (RuntimeError, "unbatched 2-D input, hx and cx.*3-D, 3-D", "LSTM", (5, 3), ((1, 1, 4), (1, 1, 4))),
    (RuntimeError, "input_size. Expected 3, got 2", "RNN", (5, 2, 2), None),
    (ValueError, "LSTM: Expected input to be 2D or 3D, got 4D", "LSTM", (1, 5, 2, 3), None),
    (ValueError, "GRU: Expected input to be 2D or 3D, got 1D", "GRU", (3,), None),
    (RuntimeError, "sequence length to be larger than 0", "GRU", (0, 2, 3), None),
]


@pytest.mark.parametrize(("error", "match", "name", "shape", "state"), BAD_CALLS)
def test_calls_that_are_refused(error, match, name, shape, state):
    def zeros(lib):
        if state is None:
            return None
        return tuple(map(lib.zeros, state)) if isinstance(state[0], tuple) else lib.zeros(state)

    with pytest.raises(error, match=match):
        getattr(nn, name)(3, 4)(vg.zeros(shape), zeros(vg))
    torch = pytest.importorskip("torch")
    with pytest.raises(error):
        getattr(torch.nn, name)(3, 4)(torch.zeros(shape), zeros(torch))


def test_another_dtype_and_other_states_are_refused():
    with pytest.raises(ValueError, match="float64.*does not match weight dtype.*float32"):
        nn.GRU(3, 4)(vg.zeros(5, 2, 3, dtype=vg.float64))
    with pytest.raises(RuntimeError, match="two hidden states"):
        nn.LSTM(3, 4)(vg.zeros(5, 2, 3), vg.zeros(1, 2, 4))
    packed = tools.pack_padded_sequence(vg.zeros(5, 2, 3), [5, 2])
    with pytest.raises(RuntimeError, match=r"hidden size \(1, 2, 4\), got \[1, 3, 4\]"):
        nn.GRU(3, 4)(packed, vg.zeros(1, 3, 4))
    with pytest.raises(RuntimeError, match="input must have 2 dimensions, got 3"):
        nn.GRU(3, 4)(tools.PackedSequence(vg.zeros(2, 1, 3), vg.tensor([1, 1])))


BAD_CELLS = [
    (ValueError, "GRUCell: Expected input to be 1D or 2D, got 3D", "GRUCell", (1, 2, 3), None),
    (ValueError, "RNNCell: Expected hidden to be 1D or 2D, got 3D", "RNNCell", (2, 3), (1, 2, 4)),
    (
        ValueError,
        r"LSTMCell: Expected hx\[1\] to be 1D or 2D, got 3D",
        "LSTMCell",
        (2, 3),
        ((2, 4), (1, 2, 4)),
    ),
    (RuntimeError, "inconsistent input_size: got 2 expected 3", "RNNCell", (2, 2), None),
    (RuntimeError, r"hidden of shape \[2, 4\], got \[3, 4\]", "GRUCell", (2, 3), (3, 4)),
    (RuntimeError, r"hx\[1\] of shape \[2, 4\], got \[2, 5\]", "LSTMCell", (2, 3), ((2, 4), (2, 5))),
]


@pytest.mark.parametrize(("error", "match", "name", "shape", "state"), BAD_CELLS)
def test_calls_of_cells_that_are_refused(error, match, name, shape, state):
    pytest.importorskip("torch")
    test_calls_that_are_refused(error, match, name, shape, state)


def test_other_refusals_of_cells():
    with pytest.raises(RuntimeError, match="Unknown nonlinearity: sin"):
        nn.RNNCell(3, 4, nonlinearity="sin")(vg.zeros(2, 3))
    with pytest.raises(RuntimeError, match="two hidden states"):
        nn.LSTMCell(3, 4)(vg.zeros(2, 3), vg.zeros(2, 4))
