"""Hooks on nodes, and on leaves once their gradients are there."""

import gc
import weakref

import pytest

import verigrad as vg


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


class Two(vg.autograd.Function):
    """Two outputs, x and 3 x."""

    @staticmethod
    def forward(ctx, x, materialize):
        ctx.set_materialize_grads(materialize)
        return x.clone(), 3 * x

    @staticmethod
    def backward(ctx, first, second):
        found = [one for one in (first, None if second is None else 3 * second) if one is not None]
        return sum(found[1:], found[0]), None


def test_a_hook_sees_gradients_by_inputs_and_outputs():
    x, y, seen = leaf(2.0), leaf(5.0), []
    z = x * y
    z.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    (z * 3).backward()
    ((inputs, outputs),) = seen
    assert isinstance(inputs, tuple) and [one.item() for one in inputs] == [15.0, 6.0]
    assert isinstance(outputs, tuple) and [one.item() for one in outputs] == [3.0]


def test_a_prehook_sees_the_gradients_by_outputs():
    x, seen = leaf(2.0), []
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: seen.append([one.item() for one in outputs]))
    (y * 3 + y).backward()
    assert seen == [[4.0]] and x.grad.item() == 8.0


def test_both_replace_gradients():
    x = leaf(1.0)
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.grad_fn.register_hook(lambda inputs, outputs: tuple(None if one is None else one + 1 for one in inputs))
    y.backward()
    assert x.grad.item() == 21.0


def test_the_outputs_of_a_hook_are_those_after_the_prehooks():
    x, seen = leaf(1.0), []
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(outputs[0].item()))
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.backward()
    assert seen == [10.0]


def test_hooks_run_in_order_and_handles_remove_them():
    x, seen = leaf(1.0), []
    y = x * 2
    first = y.grad_fn.register_hook(lambda inputs, outputs: seen.append("first"))
    with y.grad_fn.register_hook(lambda inputs, outputs: seen.append("second")):
        y.backward(retain_graph=True)
    first.remove()
    first.remove()
    y.backward()
    assert seen == ["first", "second"]


@pytest.mark.parametrize("materialize", [True, False])
def test_gradients_that_do_not_arrive_are_none(materialize):
    x, seen = leaf(2.0), []
    first, _ = Two.apply(x, materialize)
    first.grad_fn.register_prehook(lambda outputs: seen.append(outputs))
    first.grad_fn.register_hook(lambda inputs, outputs: seen.append(outputs))
    first.backward()
    assert [outputs[1] for outputs in seen] == [None, None] and x.grad.item() == 1.0


def test_none_in_a_tuple_drops_a_gradient():
    x, y = leaf(2.0), leaf(5.0)
    z = x * y
    z.grad_fn.register_hook(lambda inputs, outputs: (None, inputs[1]))
    z.backward()
    assert x.grad is None and y.grad.item() == 2.0


def test_the_sink_of_a_leaf_has_hooks_too():
    x, seen = leaf(2.0), []
    sink = (x * 2).grad_fn.next_functions[0][0]
    sink.register_prehook(lambda outputs: (outputs[0] * 5,))
    sink.register_hook(lambda inputs, outputs: seen.append((inputs, outputs[0].item(), x.grad.item())))
    (x * 2).backward()
    assert seen == [((), 10.0, 10.0)]


def test_hooks_take_part_in_higher_orders():
    x = leaf(3.0)
    y = x**2
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * x, *inputs[1:]))
    (first,) = vg.autograd.grad(y, x, create_graph=True)
    (second,) = vg.autograd.grad(first, x)
    assert (first.item(), second.item()) == (18.0, 12.0)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (3, TypeError, "expected tuple, but hook returned 'int'"),
        ([vg.ones(3)], TypeError, "expected tuple, but hook returned 'list'"),
        (("a",), TypeError, "expected Variable, but hook returned 'str'"),
        (
            (vg.ones(3), vg.ones(3)),
            RuntimeError,
            r"hook 'wrong' .*number of values \(got 2, but expected 1\)",
        ),
        ((vg.ones(4),), RuntimeError, "hook 'wrong' has changed the size of value"),
        ((vg.ones(3, dtype=vg.float64),), RuntimeError, "hook 'wrong' has changed the type of value"),
    ],
)
def test_what_a_hook_must_not_return(before, given, error, text):
    def wrong(*grads):
        return given

    x = leaf()
    y = x.exp()
    (y.grad_fn.register_prehook if before else y.grad_fn.register_hook)(wrong)
    with pytest.raises(error, match=text):
        y.sum().backward()
    assert x.grad is None


def test_a_gradient_in_the_place_of_none_is_refused():
    first, _ = Two.apply(leaf(2.0), False)
    first.grad_fn.register_prehook(lambda outputs: (outputs[0], vg.ones(1)))
    with pytest.raises(RuntimeError, match="can't replace a None gradient with a non-None value"):
        first.backward()


def test_the_errors_of_a_hook_are_the_caller_s():
    y = leaf(1.0) * 2

    def broken(outputs):
        raise KeyError("mine")

    y.grad_fn.register_prehook(broken)
    with pytest.raises(KeyError, match="mine"):
        y.backward()


@pytest.mark.parametrize("name", ["register_hook", "register_prehook"])
def test_a_hook_that_refers_to_its_tensor_is_collected(name):
    class Marker:
        pass

    marker = Marker()
    y = leaf(1.0) * 2

    def hook(*grads, held=(y, marker)):
        return None

    getattr(y.grad_fn, name)(hook)
    gone = weakref.ref(marker)
    del y, hook, marker
    gc.collect()
    assert gone() is None


def test_shapes_of_what_arrives():
    x = leaf(1.0, 2.0)
    (meta,) = (x.unsqueeze(0) * 2).grad_fn._input_metadata
    assert (meta.shape, meta.dtype, meta.device) == ((1, 2), vg.float32, x.device)
    first, second = Two.apply(x, True)
    assert [tuple(one.shape) for one in first.grad_fn._input_metadata] == [(2,), (2,)]
    assert isinstance(first.grad_fn, vg.autograd.graph.Node)


def test_a_leaf_s_hook_runs_when_its_gradient_is_there():
    x, seen = leaf(1.0), []
    x.register_post_accumulate_grad_hook(lambda tensor: seen.append((tensor is x, tensor.grad.item())))
    (x * 3).backward()
    (x * 3).backward()
    assert seen == [(True, 3.0), (True, 6.0)]


def test_an_optimizer_in_the_backward_pass():
    model = vg.nn.Linear(2, 1)
    before = [parameter.detach().clone() for parameter in model.parameters()]

    def step(parameter):
        with vg.no_grad():
            parameter.sub_(parameter.grad)
        parameter.grad = None

    handles = [parameter.register_post_accumulate_grad_hook(step) for parameter in model.parameters()]
    model(vg.ones(1, 2)).sum().backward()
    after = [parameter.detach() for parameter in model.parameters()]
    assert all(vg.allclose(old - 1, new) for old, new in zip(before, after, strict=True))
    for handle in handles:
        handle.remove()
    model(vg.ones(1, 2)).sum().backward()
    assert model.bias.grad.item() == 1.0


def test_only_leaves_have_such_hooks():
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (leaf() * 2).register_post_accumulate_grad_hook(lambda tensor: None)
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        vg.ones(2).register_post_accumulate_grad_hook(lambda tensor: None)


@pytest.mark.parametrize("kind", ["node", "prehook", "leaf"])
def test_as_in_pytorch(kind):
    torch = pytest.importorskip("torch")

    def run(lib):
        seen = []
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = lib.tensor([3.0, 4.0], requires_grad=True)
        z = x * y
        if kind == "node":
            z.grad_fn.register_hook(
                lambda i, o: seen.append([t.tolist() for t in (*i, *o)]) or (i[0] * 2, i[1])
            )
        elif kind == "prehook":
            z.grad_fn.register_prehook(lambda o: seen.append(o[0].tolist()) or (o[0] * 2,))
        else:
            x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
        (z * z).sum().backward()
        return seen, x.grad.tolist(), y.grad.tolist()

    assert run(vg) == run(torch)
