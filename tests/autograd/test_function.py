"""autograd.Function: ops whose forward and backward are Python's. Expected values are PyTorch's."""

import gc
import threading
import weakref

import pytest

import verigrad as vg
from verigrad.autograd import Function, Variable, gradcheck, gradgradcheck
from verigrad.autograd.function import once_differentiable


def leaf(*values, dtype=vg.float32):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], dtype=dtype, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class Product(Function):
    """Two inputs, a number, and saved inputs."""

    @staticmethod
    def forward(ctx, x, y, power=1):
        ctx.save_for_backward(x, y)
        ctx.power = power
        return (x * y) ** power

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        slope = grad * ctx.power * (x * y) ** (ctx.power - 1)
        return slope * y if ctx.needs_input_grad[0] else None, slope * x, None


def function(forward, backward):
    """A Function of two lambdas."""
    return type("Made", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def test_values_gradients_and_the_node():
    x = leaf()
    y = Exp.apply(x)
    assert vg.equal(y, x.exp()) and y.grad_fn.name() == "ExpBackward" and y.requires_grad
    y.sum().backward()
    assert vg.equal(x.grad, x.exp())
    with pytest.raises(RuntimeError, match="ExpBackward: Trying to backward through the graph a second time"):
        y.sum().backward()


def test_derivatives_of_every_order():
    x, y = leaf(0.5, -1.0, dtype=vg.float64), leaf(2.0, 0.3, dtype=vg.float64)
    assert gradcheck(Exp.apply, (x,)) and gradgradcheck(Exp.apply, (x,))
    assert gradcheck(lambda x, y: Product.apply(x, y, 3), (x, y))
    assert gradgradcheck(lambda x, y: Product.apply(x, y, 3), (x, y))
    (first,) = vg.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
    (second,) = vg.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = vg.autograd.grad(second.sum(), x)
    assert vg.allclose(third, x.exp())


def test_a_graph_that_is_kept_may_be_used_again():
    x = leaf()
    y = Exp.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert vg.allclose(x.grad, 2 * x.exp())


def test_recording_only_where_a_gradient_is_wanted():
    x, seen = leaf(), []

    def forward(ctx, x, n):
        seen.append((ctx.needs_input_grad, vg.is_grad_enabled()))
        return x * n

    made = function(forward, lambda ctx, grad: (grad, None))
    assert made.apply(x, 2).requires_grad
    with vg.no_grad():
        assert not made.apply(x, 2).requires_grad
    assert not made.apply(x.detach(), 2).requires_grad
    assert seen == [((True, False), False), ((True, False), False), ((False, False), False)]


def test_arguments_by_name_and_defaults():
    x, y = leaf(), leaf(2.0, 2.0, 2.0)
    Product.apply(x, y=y, power=2).sum().backward()
    assert x.grad.tolist() == [8.0, 16.0, 24.0]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Product.apply(x, y, z=1)


def test_a_forward_without_context():
    class Scale(Function):
        @staticmethod
        def forward(x, factor=3):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            assert not vg.is_grad_enabled() and output.shape == x.shape

        @staticmethod
        def vjp(ctx, grad):
            return grad * ctx.factor, None

    x = leaf()
    Scale.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0] * 3


def test_several_outputs_and_those_without_gradient():
    x, seen = leaf(1.0, -2.0), []

    def forward(ctx, x):
        positive, double = x > 0, x * 2
        ctx.mark_non_differentiable(double)
        return x * 3, positive, double, "text", None, x * 5

    def backward(ctx, *grads):
        seen.append([None if one is None else one.tolist() for one in grads])
        return grads[0] * 3 + grads[-1] * 5

    three, positive, double, text, none, five = function(forward, backward).apply(x)
    assert (text, none) == ("text", None)
    assert [one.requires_grad for one in (three, positive, double, five)] == [True, False, False, True]
    assert (three.output_nr, five.output_nr) == (0, 3)
    five.sum().backward()
    assert seen == [[[0.0, 0.0], [False, False], [0.0, 0.0], None, None, [1.0, 1.0]]]
    assert x.grad.tolist() == [5.0, 5.0]


def test_a_saved_output_that_is_not_the_first_keeps_its_place():
    def forward(ctx, x):
        two, square = x * 2, x * x
        ctx.save_for_backward(square)
        return two, square

    def backward(ctx, by_two, by_square):
        (square,) = ctx.saved_tensors
        return by_two * 2 + by_square * 2 * square.sqrt()

    x = leaf(1.5, dtype=vg.float64)
    made = function(forward, backward)
    assert gradgradcheck(lambda x: made.apply(x)[1], (x,))


def test_gradients_that_nothing_gives_may_come_as_none():
    seen = []

    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx, first, second):
        seen.append((first, second.tolist()))
        return second * 3

    x = leaf()
    function(forward, backward).apply(x)[1].sum().backward()
    assert seen == [(None, [1.0] * 3)]


def test_an_input_that_is_handed_back_is_another_tensor():
    made = function(lambda ctx, x: x, lambda ctx, grad: grad * 10)
    x = leaf()
    y = made.apply(x)
    assert y is not x and y.data_ptr() == x.data_ptr() and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [10.0] * 3
    with vg.no_grad():
        z = made.apply(x)
    assert z is not x and not z.requires_grad


def test_the_same_tensor_twice():
    def forward(ctx, x):
        y = x * 2
        return y, y

    x = leaf()
    first, second = function(forward, lambda ctx, a, b: 2 * a + 20 * b).apply(x)
    (first + second).sum().backward()
    assert x.grad.tolist() == [22.0] * 3


def test_changes_in_place():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    made = function(forward, lambda ctx, grad: grad * 2)
    x = leaf()
    y = x * 1
    z = made.apply(y)
    assert z is y and z.grad_fn.name() == "MadeBackward" and z.tolist() == [2.0, 4.0, 6.0]
    z.sum().backward()
    assert x.grad.tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="leaf"):
        made.apply(x)
    silent = function(lambda ctx, x: (ctx.mark_dirty(x), x * 1)[1], lambda ctx, grad: grad)
    with pytest.raises(RuntimeError, match="were not returned as output"):
        silent.apply(x * 1)


def test_a_view_that_is_changed_in_place_changes_its_base():
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    x = leaf()
    base = x * 1
    function(forward, lambda ctx, grad: grad * 2).apply(base[1:])
    base.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 2.0]


def test_saved_tensors_notice_changes():
    x, y = leaf(), leaf()
    z = x * 1
    product = Product.apply(z, y)
    z.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*ProductBackward"):
        product.sum().backward()


def test_none_and_other_things_to_save():
    seen = []

    def forward(ctx, x):
        middle = x * 7
        ctx.save_for_backward(None, middle, x)
        seen.append(ctx.saved_tensors)
        return x * 1

    def backward(ctx, grad):
        nothing, middle, x = ctx.saved_tensors
        seen.append((nothing, middle.tolist(), x.requires_grad))
        return grad

    x = leaf(1.0)
    function(forward, backward).apply(x).backward()
    assert [one.tolist() for one in seen[0][1:]] == [[7.0], [1.0]]
    assert seen[1] == (None, [7.0], False)
    bad = function(lambda ctx, x: ctx.save_for_backward(x, 3), lambda ctx, grad: grad)
    with pytest.raises(TypeError, match="can only save variables, but argument 1 is of type int"):
        bad.apply(x)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda grad: (grad, None), RuntimeError, r"incorrect number of gradients \(expected 3, got 2\)"),
        (lambda grad: grad, RuntimeError, r"expected 3, got 1"),
        (lambda grad: (grad, grad, grad), RuntimeError, "different than None at position 3"),
        (lambda grad: (grad, 5, None), RuntimeError, r"expected Variable or None \(got int\)"),
        (
            lambda grad: (vg.ones(4), grad, None),
            RuntimeError,
            r"MadeBackward returned an invalid gradient at index 0",
        ),
    ],
)
def test_what_backward_may_not_return(result, error, message):
    x, y = leaf(), leaf()
    z = function(lambda ctx, x, y, n: x * y, lambda ctx, grad: result(grad)).apply(x, y, 2)
    with pytest.raises(error, match=message):
        z.sum().backward()
    assert x.grad is None and y.grad is None


def test_gradients_that_were_broadcast_are_summed_and_cast():
    made = function(lambda ctx, x: x * 1, lambda ctx, grad: vg.ones(2, 3, dtype=vg.float64))
    x = leaf()
    made.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0] * 3 and x.grad.dtype == vg.float32
    more = function(lambda ctx, x: x * 1, lambda ctx, grad: (grad, None, None))  # None beyond the arguments
    more.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0] * 3


def test_what_a_class_lacks():
    x = leaf()
    with pytest.raises(NotImplementedError, match="must implement the forward function"):
        Function.apply(x)
    forward_only = type("ForwardOnly", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
    with pytest.raises(NotImplementedError, match="either the backward or vjp method"):
        forward_only.apply(x).sum().backward()
    both = type("Both", (forward_only,), {n: staticmethod(lambda ctx, g: g) for n in ("backward", "vjp")})
    with pytest.raises(RuntimeError, match="Implementing both"):
        both.apply(x).sum().backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        made = Exp()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        made(x)


def test_errors_of_python_pass_through_the_engine():
    def backward(ctx, grad):
        raise KeyError("mine")

    x = leaf()
    with pytest.raises(KeyError, match="mine"):
        (function(lambda ctx, x: x * 1, backward).apply(x) * 2).sum().backward()
    assert x.grad is None


def test_a_backward_that_is_differentiable_once():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            assert not vg.is_grad_enabled()
            return 2 * grad * ctx.saved_tensors[0]

    x = leaf()
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]
    (first,) = vg.autograd.grad((Once.apply(x * 1) ** 2).sum(), x, create_graph=True)
    assert first.requires_grad
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        first.sum().backward()


def test_contexts_are_freed_with_the_graph():
    kept = []

    def forward(ctx, x):
        kept.append(weakref.ref(ctx))
        ctx.save_for_backward(x)
        return x * 2

    y = function(forward, lambda ctx, grad: grad).apply(leaf())
    assert kept[0]() is not None
    context = kept[0]()
    del y
    with pytest.raises(RuntimeError, match="has been freed"):
        context.saved_tensors  # noqa: B018
    del context
    gc.collect()
    assert kept[0]() is None


def test_long_chains_and_threads():
    x = leaf()
    y = x
    for _ in range(20_000):
        y = Exp.apply(y * 0)
    del y  # freed without recursion

    errors = []

    def work():
        try:
            for _ in range(50):
                w = leaf(0.5)
                Exp.apply(Exp.apply(w)).sum().backward()
                assert w.grad is not None
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_variables_are_tensors():
    x = leaf() * 1
    y = Variable(x)
    assert isinstance(x, Variable) and isinstance(y, vg.Tensor)
    assert y is not x and y.data_ptr() == x.data_ptr() and not y.requires_grad
    z = Variable(x, requires_grad=True)
    assert z.requires_grad and z.is_leaf
    with pytest.raises(TypeError, match="has to be a tensor, but got int"):
        Variable(5)
    with pytest.raises(RuntimeError, match="floating point"):
        Variable(vg.tensor([1]), requires_grad=True)
    assert not isinstance(5, Variable)


@pytest.mark.parametrize("order", [1, 2])
def test_a_custom_op_inside_a_network_agrees_with_pytorch(order):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (vg, torch):

        class Cube(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, grad):
                (x,) = ctx.saved_tensors
                return 3 * grad * x * x

        x = lib.tensor([0.3, -1.2, 2.0], dtype=lib.float64, requires_grad=True)
        w = lib.tensor([[1.0, 2.0, -1.0]] * 3, dtype=lib.float64, requires_grad=True)
        loss = Cube.apply(w @ Cube.apply(x)).tanh().sum()
        grads = lib.autograd.grad(loss, (x, w), create_graph=True)
        if order == 2:
            grads = lib.autograd.grad(sum((g * g).sum() for g in grads), (x, w))
        found.append([g.tolist() for g in grads])
    assert vg.allclose(vg.tensor(found[0][0]), vg.tensor(found[1][0]), rtol=1e-12)
    assert vg.allclose(vg.tensor(found[0][1]), vg.tensor(found[1][1]), rtol=1e-12)
