"""The recorded graph: names, edges, depth, and that it is freed."""

import gc
import os
import resource
import threading
import weakref

import pytest

import verigrad as vg

DEPTH = 100_000


def test_nodes_are_of_classes_that_bear_their_names():
    x = vg.ones(2, requires_grad=True)
    y = x.exp() + 1
    node = y.grad_fn
    assert type(node).__name__ == node.name() == "AddBackward0" and node is y.grad_fn
    inner = node.next_functions[0][0]
    assert type(inner).__name__ == "ExpBackward0" and inner is node.next_functions[0][0]
    assert type(inner.next_functions[0][0]).__name__ == "AccumulateGrad"
    assert isinstance(node, vg.autograd.graph.Node) and type(node) is type((x + x).grad_fn)

    class Mine(vg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    assert type(Mine.apply(x).grad_fn).__name__ == "MineBackward"
    alive = weakref.ref(node)
    del node, inner
    gc.collect()
    assert alive() is None and type(y.grad_fn).__name__ == "AddBackward0"
    y.sum().backward()
    assert x.grad is not None


NAMES = {
    "AddBackward0": lambda x: x + x,
    "SubBackward0": lambda x: x - 1,
    "MulBackward0": lambda x: x * x,
    "DivBackward0": lambda x: x / 2,
    "NegBackward0": lambda x: -x,
    "PowBackward0": lambda x: x**2,
    "PowBackward1": lambda x: x**x,
    "ExpBackward0": lambda x: x.exp(),
    "LogBackward0": lambda x: x.log(),
    "SqrtBackward0": lambda x: x.sqrt(),
    "SinBackward0": lambda x: x.sin(),
    "CosBackward0": lambda x: x.cos(),
    "AbsBackward0": lambda x: x.abs(),
    "TanhBackward0": lambda x: x.tanh(),
    "SigmoidBackward0": lambda x: x.sigmoid(),
    "ReluBackward0": lambda x: x.relu(),
    "MaximumBackward0": lambda x: vg.maximum(x, x * 2),
    "MmBackward0": lambda x: x @ x,
    "BmmBackward0": lambda x: vg.bmm(x[None], x[None]),
    "SumBackward0": lambda x: x.sum(),
    "SumBackward1": lambda x: x.sum(0),
    "MeanBackward0": lambda x: x.mean(),
    "MeanBackward1": lambda x: x.mean(0),
    "ProdBackward0": lambda x: x.prod(),
    "MaxBackward1": lambda x: x.max(),
    "MaxBackward0": lambda x: x.max(0).values,
    "ViewBackward0": lambda x: x.view(4),
    "TransposeBackward0": lambda x: x.transpose(0, 1),
    "TBackward0": lambda x: x.t(),
    "PermuteBackward0": lambda x: x.permute(1, 0),
    "UnsqueezeBackward0": lambda x: x.unsqueeze(0),
    "ExpandBackward0": lambda x: x.expand(3, 2, 2),
    "SelectBackward0": lambda x: x[0],
    "SliceBackward0": lambda x: x[0:1],
    "CatBackward0": lambda x: vg.cat([x, x]),
    "StackBackward0": lambda x: vg.stack([x, x]),
    "WhereBackward0": lambda x: vg.where(x > 0, x, x),
    "CloneBackward0": lambda x: x.clone(),
    "ToCopyBackward0": lambda x: x.double(),
}


def square():
    return vg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    node = NAMES[name](square()).grad_fn
    assert node.name() == name
    assert repr(node).startswith(f"<{name} object at 0x") and repr(node).endswith(">")
    assert f"grad_fn=<{name}>" in repr(NAMES[name](square()))


def test_names_are_those_of_torch():
    torch = pytest.importorskip("torch")
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    replaced = {"maximum", "bmm", "cat", "stack", "where"}
    for name, function in NAMES.items():
        if replaced.isdisjoint(function.__code__.co_names):
            assert function(x).grad_fn.name() == name


def test_leaves_have_no_function():
    x = square()
    assert x.grad_fn is None and vg.ones(2).grad_fn is None and x.detach().grad_fn is None
    assert "requires_grad=True" in repr(x)


def test_edges():
    x, constant = square(), vg.ones(2, 2)
    node = (x * constant + x.exp()).grad_fn
    (product, place), (power, _) = node.next_functions
    assert (product.name(), place, power.name()) == ("MulBackward0", 0, "ExpBackward0")
    (to_leaf, _), (to_constant, _) = product.next_functions
    assert to_leaf.name().split("::")[-1] == "AccumulateGrad" and to_constant is None


def test_in_place_operations_name_themselves():
    y = square() * 1
    y.add_(1.0)
    assert y.grad_fn.name() == "AddBackward0"
    y[0] = 5.0
    assert y.grad_fn.name().split("::")[-1] == "CopySlices"


def test_output_numbers():
    x = square()
    assert [part.output_nr for part in x.unbind(0)] == [0, 1]
    assert x.output_nr == 0


# -- depth ---------------------------------------------------------------------------------------------------


def chain(x):
    for _ in range(DEPTH):
        x = -x
    return x


def in_small_stack(work):
    """Runs it in a thread whose stack could not hold a frame for each node of a chain."""
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if errors:
        raise errors[0]


def test_backward_through_a_long_chain():
    x = vg.tensor([3.0], requires_grad=True)
    in_small_stack(lambda: chain(x).backward())
    assert x.grad.item() == 1.0


def test_freeing_a_long_chain():
    def work():
        y = chain(vg.tensor([3.0], requires_grad=True))
        assert y.requires_grad
        del y

    in_small_stack(work)


@pytest.mark.host("the emulation, with a page for each, has not so many blocks")
def test_freeing_a_long_chain_of_saved_tensors():
    def work():
        x = vg.tensor([1.0], requires_grad=True)
        y = x
        for _ in range(DEPTH):
            y = y * x
        (first,) = vg.autograd.grad(y, x, retain_graph=True)
        assert first.item() == DEPTH + 1
        del y, first

    in_small_stack(work)


def test_freeing_a_long_chain_of_views_written_in_place():
    def work():
        x = vg.tensor([1.0, 2.0], requires_grad=True)
        y = x * 1
        for _ in range(DEPTH // 10):
            y[0:1].add_(1.0)
        y.sum().backward()
        assert x.grad.tolist() == [1.0, 1.0]

    in_small_stack(work)


# -- memory --------------------------------------------------------------------------------------------------


class Witness:
    """A hook whose own life shows that of the graph it hangs on."""

    def __call__(self, grad):
        return None


def watched(tensor):
    witness = Witness()
    tensor.register_hook(witness)
    return weakref.ref(witness)


@pytest.fixture
def no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_graphs_are_freed_at_once(no_garbage_collector):
    x = square()
    y = x * 2
    reference = watched(y)
    z = (y * y).sum()
    del y
    assert reference() is not None
    del z
    assert reference() is None


def test_graphs_are_freed_after_backward(no_garbage_collector):
    x = square()
    y = x * 2
    reference = watched(y)
    loss = (y * y).sum()
    del y
    loss.backward()
    del loss
    assert reference() is None and x.grad is not None


def test_graphs_are_freed_after_in_place_operations_on_views(no_garbage_collector):
    x = square()
    y = x * 2
    reference = watched(y)
    y[0].mul_(3.0)
    y[1] = y[0].clone()
    y.sum().backward()
    del y
    assert reference() is None


def test_graphs_are_freed_after_errors(no_garbage_collector):
    x = square()
    y = x * 2
    reference = watched(y)
    z = y * y
    y.add_(1.0)
    with pytest.raises(RuntimeError):
        z.sum().backward()
    del y, z
    assert reference() is None


def test_saved_results_make_no_cycle(no_garbage_collector):
    y = square() * 1
    reference = watched(y)
    z = y.exp().sigmoid().tanh().softmax(1)
    del y, z
    assert reference() is None


@pytest.mark.skipif("san" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers hold freed memory back")
def test_memory_does_not_grow():
    x = vg.ones(64, 1024, requires_grad=True)

    def work():
        for _ in range(100):
            y = x * 2
            y.register_hook(lambda grad: grad)
            y[0] = 1.0
            (y * y).sum().backward()
            x.grad = None

    work()
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        work()
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # In kibibytes. One lost tensor for each of the 300 rounds would be 75 MiB.
    assert grown < 24 * 1024
