"""Backward hooks of modules: what they see, what they change, when they run."""

import warnings
from collections import namedtuple

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn


def lists(gradients):
    return tuple(None if gradient is None else gradient.tolist() for gradient in gradients)


def recorder(seen):
    def hook(module, grad_input, grad_output):
        seen.append((lists(grad_input), lists(grad_output)))

    return hook


def classes(lib):
    class Scale(lib.nn.Module):
        def forward(self, x):
            return 3 * x

    class Pair(lib.nn.Module):
        def forward(self, a, b, other=None):
            return a * b, a + 2 * b, other

    return Scale, Pair


@pytest.fixture(params=["verigrad", "torch"])
def lib(request):
    """Both libraries: the same test of both says that they agree."""
    return pytest.importorskip(request.param)


def test_one_input(lib):
    seen = []
    module = classes(lib)[0]()
    handle = module.register_full_backward_hook(recorder(seen))
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (module(x) * lib.tensor([1.0, 10.0])).sum().backward()
    assert seen == [(([3.0, 30.0],), ([1.0, 10.0],))]
    assert x.grad.tolist() == [3.0, 30.0]
    handle.remove()
    module(x).sum().backward()
    assert len(seen) == 1


def test_gradients_outside_of_the_module_are_not_seen(lib):
    seen = []
    module = classes(lib)[0]()
    module.register_full_backward_hook(recorder(seen))
    x = lib.tensor([1.0], requires_grad=True)
    hidden = x * 2
    y = module(hidden)
    (y + 5 * hidden + y * 7).sum().backward()
    assert seen == [(([24.0],), ([8.0],))]
    assert x.grad.tolist() == [58.0]


def test_several_inputs_and_outputs(lib):
    seen = []
    module = classes(lib)[1]()
    module.register_full_backward_hook(recorder(seen))
    a = lib.tensor([1.0, 2.0], requires_grad=True)
    b = lib.tensor([[3.0], [4.0]], requires_grad=True)
    product, total, other = module(a, b, other=5)
    assert other == 5 and product.shape == (2, 2)
    (product.sum() + 10 * total.sum()).backward()
    grad_a, grad_b = [27.0, 27.0], [[43.0], [43.0]]
    assert a.grad.tolist() == grad_a and b.grad.tolist() == grad_b
    ones = [[1.0, 1.0], [1.0, 1.0]]
    tens = [[10.0, 10.0], [10.0, 10.0]]
    assert seen == [((grad_a, grad_b), (ones, tens, None))]


def test_outputs_that_the_pass_does_not_reach(lib):
    seen = []
    module = classes(lib)[1]()
    module.register_full_backward_hook(recorder(seen))
    a = lib.tensor([2.0], requires_grad=True)
    b = lib.tensor([3.0], requires_grad=True)
    module(a, b)[0].sum().backward()
    assert seen == [(([3.0], [2.0]), ([1.0], None, None))]


def test_hooks_replace_gradients(lib):
    module = classes(lib)[1]()
    order = []

    def pre(mod, grad_output):
        order.append("pre")
        return tuple(None if g is None else 2 * g for g in grad_output)

    def first(mod, grad_input, grad_output):
        order.append("first")
        assert lists(grad_output) == ([2.0], [2.0], None)
        return grad_input[0] + 1, grad_input[1]

    def second(mod, grad_input, grad_output):
        order.append("second")
        return grad_input[0] * 10, grad_input[1] * 100

    module.register_full_backward_hook(second)
    module.register_full_backward_hook(first, prepend=True)
    module.register_full_backward_pre_hook(pre)
    a = lib.tensor([2.0], requires_grad=True)
    b = lib.tensor([3.0], requires_grad=True)
    product, total, _ = module(a, b)
    (product + total).sum().backward()
    assert order == ["pre", "first", "second"]
    # d/da = 2 (b + 1) = 8, d/db = 2 (a + 2) = 8
    assert a.grad.tolist() == [90.0] and b.grad.tolist() == [800.0]


def test_parameters_feel_the_pre_hook_only(lib):
    layer = lib.nn.Linear(2, 1, bias=False)
    layer.register_full_backward_pre_hook(lambda module, grads: (grads[0] * 3,))
    layer.register_full_backward_hook(lambda module, grads, _: (grads[0] * 0,))
    x = lib.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[3.0, 3.0]] and x.grad.tolist() == [[0.0, 0.0]]


def test_no_input_requires_a_gradient(lib):
    seen = []
    layer = lib.nn.Linear(2, 1)
    layer.register_full_backward_hook(recorder(seen))
    out = layer(lib.ones(1, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out.sum().backward()
    assert any("no inputs require gradients" in str(w.message) for w in caught)
    assert seen == [((None,), ([[1.0]],))]
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("kind", ["no_grad", "frozen"])
def test_without_a_graph_nothing_happens(lib, kind):
    seen = []
    layer = lib.nn.Linear(2, 1)
    layer.register_full_backward_hook(recorder(seen))
    if kind == "frozen":
        layer.requires_grad_(False)
        assert layer(lib.ones(1, 2)).grad_fn is None
    else:
        with lib.no_grad():
            assert layer(lib.ones(1, 2, requires_grad=True)).grad_fn is None
    assert seen == []


def test_each_call_and_each_pass_runs_the_hooks(lib):
    seen = []
    module = classes(lib)[0]()
    module.register_full_backward_hook(recorder(seen))
    x = lib.tensor([1.0], requires_grad=True)
    out = (module(module(x)) + module(x)).sum()
    out.backward(retain_graph=True)
    out.backward()
    expected = sorted([(([9.0],), ([3.0],)), (([3.0],), ([1.0],)), (([3.0],), ([1.0],))])
    assert sorted(seen[:3]) == expected and sorted(seen[3:]) == expected
    assert x.grad.tolist() == [24.0]


@pytest.mark.parametrize("which", ["hook", "pre"])
def test_wrong_numbers_of_gradients(lib, which):
    module = classes(lib)[0]()
    if which == "hook":
        module.register_full_backward_hook(lambda m, i, o: (i[0], i[0]))
        message = "Backward hook returned an invalid number of grad_input, got 2, but expected 1"
    else:
        module.register_full_backward_pre_hook(lambda m, o: (o[0], o[0]))
        message = "Backward pre hook returned an invalid number of grad_output, got 2, but expected 1"
    with pytest.raises(RuntimeError, match=message):
        module(lib.ones(1, requires_grad=True)).sum().backward()


def test_a_bare_tensor_is_no_tuple():
    module = classes(vg)[0]()
    module.register_full_backward_hook(lambda m, i, o: i[0])
    with pytest.raises(RuntimeError, match="expected a tuple of grad_input or None, got Tensor"):
        module(vg.ones(1, requires_grad=True)).sum().backward()


def test_where_no_input_requires_a_gradient_nothing_can_be_replaced():
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda m, i, o: (vg.ones(1),))
    with (
        pytest.warns(UserWarning, match="no inputs require"),
        pytest.raises(RuntimeError, match="should always return None"),
    ):
        layer(vg.ones(1)).sum().backward()


def test_named_tuples_stay_named(lib):
    Result = namedtuple("Result", "double half")

    class Module(lib.nn.Module):
        def forward(self, x):
            return Result(x * 2, x / 2)

    seen = []
    module = Module()
    module.register_full_backward_hook(recorder(seen))
    out = module(lib.ones(1, requires_grad=True))
    assert type(out) is Result
    (out.double + out.half).sum().backward()
    assert seen == [(([2.5],), ([1.0], [1.0]))]


def test_double_backward(lib):
    class Square(lib.nn.Module):
        def forward(self, x):
            return x * x

    seen = []
    module = Square()
    module.register_full_backward_hook(lambda m, i, o: seen.append(lists(i)))
    x = lib.tensor([3.0], requires_grad=True)
    (first,) = lib.autograd.grad(module(x).sum(), x, create_graph=True)
    (second,) = lib.autograd.grad(first.sum(), x)
    assert first.tolist() == [6.0] and second.tolist() == [2.0]
    assert seen[0] == ([6.0],)


def test_dtypes_may_differ():
    seen = []
    module = classes(vg)[1]()
    module.register_full_backward_hook(recorder(seen))
    a = vg.tensor([2.0], requires_grad=True)
    b = vg.tensor([3.0], dtype=vg.float64, requires_grad=True)
    out = module(a, b)[0]
    assert out.dtype == vg.float64
    out.sum().backward()
    assert a.grad.dtype == vg.float32 and b.grad.dtype == vg.float64
    assert a.grad.tolist() == [3.0] and b.grad.tolist() == [2.0]


def test_modules_that_work_in_place():
    seen = []
    layer = nn.ReLU(inplace=True)
    layer.register_full_backward_hook(recorder(seen))
    x = vg.tensor([-1.0, 2.0], requires_grad=True)
    layer(x * 3).sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]
    assert seen == [(([0.0, 1.0],), ([1.0, 1.0],))]


def test_forward_hooks_run_inside():
    # As in PyTorch: what a forward hook makes of the output is what the backward hooks call the output.
    seen = []
    module = classes(vg)[0]()
    module.register_forward_hook(lambda m, args, out: out * 2)
    module.register_full_backward_hook(recorder(seen))
    module(vg.ones(1, requires_grad=True)).sum().backward()
    assert seen == [(([6.0],), ([1.0],))]


def test_hooks_see_the_gradients_of_a_network():
    vg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    x = vg.randn(5, 4, requires_grad=True)
    net(x).pow(2).sum().backward()
    plain = [p.grad.numpy().copy() for p in net.parameters()]
    net.zero_grad()
    seen = {}
    for name, module in net.named_modules():
        module.register_full_backward_hook(lambda m, i, o, name=name: seen.update({name: (i[0], o[0])}))
    net(x).pow(2).sum().backward()
    for gradient, parameter in zip(plain, net.parameters(), strict=True):
        assert np.array_equal(gradient, parameter.grad.numpy())
    assert set(seen) == {"", "0", "1", "2"}
    assert vg.equal(seen["2"][0], seen["1"][1]) and vg.equal(seen["1"][0], seen["0"][1])


def test_hooks_must_be_callable():
    for name in ("register_full_backward_hook", "register_full_backward_pre_hook"):
        with pytest.raises(TypeError, match="expected hook to be callable, got int"):
            getattr(nn.Module(), name)(3)
