"""utils.checkpoint: the same bits with less memory."""

import contextlib
import gc
import weakref

import pytest

import verigrad as vg
from verigrad import nn
from verigrad.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_early_stop,
)


def block(seed=0):
    vg.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 4), nn.GELU())


def gradients(model, x, call):
    vg.manual_seed(7)
    for parameter in model.parameters():
        parameter.grad = None
    x = x.clone().requires_grad_()
    y = call(x)
    y.square().sum().backward()
    return [y.detach(), x.grad, *(parameter.grad for parameter in model.parameters())], vg.get_rng_state()


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("early_stop", [True, False])
def test_same_bits_as_without(use_reentrant, early_stop):
    model, x = block(), vg.rand(3, 4)
    plain, state = gradients(model, x, lambda x: model(model(x)))
    found, state_after = gradients(
        model,
        x,
        lambda x: checkpoint(
            lambda x: model(model(x)), x, use_reentrant=use_reentrant, early_stop=early_stop
        ),
    )
    assert all(vg.equal(one, other) for one, other in zip(plain, found, strict=True))
    assert vg.equal(state, state_after)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_without_the_random_state_other_numbers_are_drawn(use_reentrant):
    masks = []

    def noisy(x):
        mask = vg.rand(5)
        masks.append(mask)
        return x * mask

    x = vg.ones(5, requires_grad=True)
    checkpoint(noisy, x, use_reentrant=use_reentrant, preserve_rng_state=False).sum().backward()
    assert not vg.equal(*masks)
    masks.clear()
    checkpoint(noisy, x, use_reentrant=use_reentrant).sum().backward()
    assert vg.equal(*masks)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_nothing_within_is_kept(use_reentrant):
    inner = []

    def function(x):
        y = x.exp()
        y.marker = Marker()
        inner.append(weakref.ref(y.marker))
        return (y * y).sum()

    class Marker:
        pass

    x = vg.ones(5, requires_grad=True)
    loss = checkpoint(function, x, use_reentrant=use_reentrant)
    gc.collect()
    assert inner[0]() is None
    loss.backward()
    assert len(inner) == 2
    gc.collect()
    assert inner[1]() is None


def test_the_memory_of_the_graph():
    """What waits for the backward pass is packed away: of the tensors that a block saves none lives."""
    kept = []

    class Watched(vg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            kept.append(weakref.ref(y))
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    x = vg.ones(3, requires_grad=True)
    loss = checkpoint(lambda x: Watched.apply(Watched.apply(x)).sum(), x, use_reentrant=False)
    gc.collect()
    assert [one() for one in kept] == [None, None]
    loss.backward()
    assert x.grad is not None


def test_a_recomputation_ends_when_all_is_there():
    calls = []

    def function(x):
        calls.append("first")
        y = x.exp()
        calls.append("second")
        return y + 1

    x = vg.ones(2, requires_grad=True)
    for stop, wanted in ((True, ["first"]), (False, ["first", "second"])):
        y = checkpoint(function, x, use_reentrant=False, early_stop=stop)
        calls.clear()
        y.sum().backward()
        assert calls == wanted
    with set_checkpoint_early_stop(False):
        y = checkpoint(function, x, use_reentrant=False)
    calls.clear()
    y.sum().backward()
    assert calls == ["first", "second"]


@pytest.mark.parametrize("stop", [True, False])
def test_nested(stop):
    model, x = block(), vg.rand(3, 4)
    counts = []

    def inner(x):
        counts.append("inner")
        return model(x).sin()

    def outer(x):
        counts.append("outer")
        y = checkpoint(inner, x * 2, use_reentrant=False, early_stop=stop)
        return model(y) * y

    plain, _ = gradients(model, x, outer)
    found, _ = gradients(model, x, lambda x: checkpoint(outer, x, use_reentrant=False, early_stop=stop))
    assert all(vg.equal(one, other) for one, other in zip(plain, found, strict=True))


def test_second_derivatives():
    def function(x):
        return x.exp() * x**3

    def both(call):
        x = vg.tensor([1.5, 2.0], requires_grad=True)
        (first,) = vg.autograd.grad(call(x).sum(), x, create_graph=True)
        (second,) = vg.autograd.grad(first.sum(), x)
        return first.tolist(), second.tolist()

    assert both(lambda x: checkpoint(function, x, use_reentrant=False)) == both(function)


def test_two_backward_passes():
    x = vg.tensor([1.5], requires_grad=True)
    y = checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False)
    y.backward(retain_graph=True)
    first = x.grad.clone()
    y.backward()
    assert vg.equal(x.grad, 2 * first)
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_keyword_arguments_and_other_values():
    x = vg.ones(2, requires_grad=True)

    def function(x, power, *, scale, name=None):
        assert name == "a"
        return {"y": (x**power) * scale}

    found = checkpoint(function, x, 3, scale=vg.tensor(2.0), name="a", use_reentrant=False)
    found["y"].sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_several_outputs_with_a_pass_of_its_own():
    x, y = vg.ones(2, requires_grad=True), vg.ones(2)
    first, other, second = checkpoint(
        lambda x, y, n: (x * n, None, x + y.long()), x, y, 3, use_reentrant=True
    )
    assert other is None
    (first.sum() + 2 * second.sum()).backward()
    assert x.grad.tolist() == [5.0, 5.0] and y.grad is None


def test_closures_get_their_gradients():
    weight = vg.tensor([2.0], requires_grad=True)
    for use_reentrant in (True, False):
        x = vg.ones(1, requires_grad=True)
        checkpoint(lambda x: x * weight, x, use_reentrant=use_reentrant).backward()
    assert weight.grad.tolist() == [2.0]


def test_inputs_that_were_changed_in_place_are_noticed():
    x = vg.ones(2, requires_grad=True)
    y = x * 1
    z = checkpoint(lambda y: y.exp(), y, use_reentrant=False)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_contexts():
    log = []

    @contextlib.contextmanager
    def noted(name):
        log.append(f"{name} in")
        yield
        log.append(f"{name} out")

    x = vg.ones(2, requires_grad=True)
    y = checkpoint(
        lambda x: x.exp() + 1,
        x,
        use_reentrant=False,
        context_fn=lambda: (noted("forward"), noted("recompute")),
        early_stop=False,
    )
    assert log == ["forward in", "forward out"]
    y.sum().backward()
    assert log[2:] == ["recompute in", "recompute out"]
    assert len(noop_context_fn()) == 2


@pytest.mark.parametrize("debug", [True, False])
def test_another_shape_the_second_time(debug):
    sizes = iter([2, 3])

    def function(x):
        return (x.sum() * vg.ones(next(sizes))).exp().sum()

    x = vg.ones(2, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False, debug=debug)
    with pytest.raises(CheckpointError, match=r"different metadata(.|\n)*\(2,\)(.|\n)*\(3,\)") as error:
        y.backward()
    assert ("saved in the forward pass by" in str(error.value)) == debug


def test_fewer_tensors_the_second_time():
    again = iter([True, False])

    def function(x):
        return x.exp().sin() if next(again) else x.exp()

    x = vg.ones(2, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved"):
        y.sum().backward()


def test_the_comparison_can_be_left_out():
    again = iter([True, False, True, False])

    def function(x):
        return x.exp().sin() if next(again) else x.exp()

    x = vg.ones(2, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False, determinism_check="none")
    with pytest.raises(CheckpointError, match="expected the function to save tensor . again"):
        y.sum().backward()


def test_without_recording_it_is_a_call():
    x = vg.ones(2, requires_grad=True)
    with vg.no_grad():
        assert not checkpoint(lambda x: x * 2, x, use_reentrant=False).requires_grad


def test_the_default_is_reentrant_with_a_warning():
    x = vg.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly") as seen:
        y = checkpoint(lambda x: x * 2, x)
    assert seen[0].filename == __file__ and y.grad_fn.name() == "CheckpointFunctionBackward"
    with pytest.warns(UserWarning, match="checkpoint_sequential: the use_reentrant"):
        checkpoint_sequential([nn.Tanh(), nn.Tanh()], 2, x)


def test_reentrant_without_gradients_of_inputs_warns():
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(lambda x: x * 2, vg.ones(2), use_reentrant=True)


def test_reentrant_works_with_backward_alone():
    x = vg.ones(2, requires_grad=True)
    for run in (
        lambda y: vg.autograd.grad(y, x),
        lambda y: y.backward(inputs=[x]),
        lambda y: vg.autograd.backward(y, inputs=[x]),
    ):
        y = checkpoint(lambda x: x * x, x, use_reentrant=True).sum()
        with pytest.raises(RuntimeError, match="checkpoint is incompatible with .grad"):
            run(y)
    checkpoint(lambda x: x * x, x, use_reentrant=True).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_reentrant_of_a_detached_output():
    x = vg.ones(2, requires_grad=True)
    y = checkpoint(lambda x: x.detach() * 2, x, use_reentrant=True)
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"use_reentrant": True, "scale": 2}, "Unexpected keyword arguments: scale"),
        ({"use_reentrant": True, "debug": True}, "only supported when use_reentrant=False"),
        ({"use_reentrant": True, "context_fn": lambda: None}, "only supported when use_reentrant=False"),
        ({"use_reentrant": False, "determinism_check": "x"}, "determinism_check should be one of"),
    ],
)
def test_options_that_do_not_go(options, text):
    with pytest.raises(ValueError, match=text):
        checkpoint(lambda x: x, vg.ones(2, requires_grad=True), **options)


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("segments", [1, 2, 3, 5])
@pytest.mark.parametrize("as_list", [True, False])
def test_sequential(use_reentrant, segments, as_list):
    model, x = block(), vg.rand(3, 4)
    plain, _ = gradients(model, x, model)
    layers = list(model) if as_list else model
    found, _ = gradients(
        model, x, lambda x: checkpoint_sequential(layers, segments, x, use_reentrant=use_reentrant)
    )
    assert all(vg.equal(one, other) for one, other in zip(plain, found, strict=True))


@pytest.mark.parametrize("segments", [0, 6])
def test_segments_must_fit(segments):
    with pytest.raises(ValueError, match=f"expected segments between 1 and 5.*got {segments}"):
        checkpoint_sequential(block(), segments, vg.rand(3, 4), use_reentrant=False)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_as_in_pytorch(use_reentrant):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torch.utils.checkpoint").checkpoint

    def run(lib, function):
        calls = []

        def step(x, w):
            calls.append(1)
            return (x @ w).tanh() * x

        x = lib.tensor([[0.5, 1.0], [2.0, -1.0]], requires_grad=True)
        w = lib.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
        y = function(step, function(step, x, w, use_reentrant=use_reentrant), w, use_reentrant=use_reentrant)
        y.sum().backward()
        return len(calls), x.grad.tolist(), w.grad.tolist()

    count, *found = run(vg, checkpoint)
    wanted_count, *wanted = run(torch, theirs)
    assert count == wanted_count
    for one, other in zip(found, wanted, strict=True):
        assert sum(one, []) == pytest.approx(sum(other, []), rel=1e-5)
