"""Views: their gradients after in-place changes, what long chains cost, and those made without recording."""

import os
import subprocess
import sys

import pytest

import verigrad as vg


def peak_of(program):
    """Peak memory in KiB that `program` adds, from a process of its own."""
    code = f"""
import verigrad as vg
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
{program}
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
plain = pytest.mark.skipif(
    bool(os.environ.get("VERIGRAD_TEST_SANITIZER")), reason="a sanitizer keeps freed memory"
)


@linux
@plain
def test_a_chain_of_live_views_is_small():
    grown = peak_of("""
tensor = vg.zeros(5000, requires_grad=True) * 1
before = peak()
views = [tensor]
for _ in range(4000):
    views.append(views[-1][1:])
""")
    assert grown < 20_000


def test_a_change_through_the_end_of_a_long_chain():
    x = vg.ones(5, requires_grad=True)
    base = view = x * 1
    for i in range(3000):
        view = view.view(5, 1) if i % 2 else view.reshape(5)
    view.mul_(2.0)
    base.sum().backward()
    assert x.grad.tolist() == [2.0] * 5


@linux
@plain
@pytest.mark.parametrize(
    "change",
    [
        "relu_()",
        "exp_()",
        "sigmoid_()",
        "square_()",
        "neg_()",
        "tanh_()",
        "clamp_(0, 1)",
        "clamp_(min=vg.zeros(1))",
    ],
)
def test_an_unrecorded_change_needs_no_second_tensor(change):
    grown = peak_of(f"""
tensor = vg.zeros(16, 1 << 20)
before = peak()
tensor.{change}
""")
    assert grown < 32_000  # the tensor has 65,536 KiB


@pytest.mark.parametrize("dtype", [vg.float32, vg.int64])
def test_unrecorded_changes_of_strided_views(dtype):
    base = vg.arange(-6, 6, dtype=dtype).reshape(3, 4)
    base.t()[1:3].relu_()
    assert base.tolist() == [[-6, 0, 0, -3], [-2, 0, 0, 1], [2, 3, 4, 5]] and base._version == 1
    base[:, ::3].clamp_(vg.tensor([[-1], [0], [3]], dtype=dtype), vg.tensor(4, dtype=dtype))
    assert base.tolist() == [[-1, 0, 0, -1], [0, 0, 0, 1], [3, 3, 4, 4]]


def test_clamp_to_a_bound_in_its_own_memory():
    x = vg.tensor([3.0, 1.0, 2.0])
    x.clamp_(max=x[1])
    assert x.tolist() == [1.0, 1.0, 1.0]
    y = vg.tensor([3.0, 1.0, 2.0])
    with pytest.raises(RuntimeError, match="shape"):
        y.clamp_(min=vg.full((3,), 5.0), max=vg.zeros(2, 3))
    assert y.tolist() == [3.0, 1.0, 2.0]


# -- gradients -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [slice(3, 3, 5), slice(0, 0), slice(2, 5, 2), slice(5, 5), slice(1, 2, 9)])
def test_second_order_of_a_slice(index):
    x = vg.arange(1.0, 6.0, dtype=vg.float64).requires_grad_(True)
    y = x * x * x
    (grad,) = vg.autograd.grad((y[index] * y[index]).sum() + y.sum(), x, create_graph=True)
    (second,) = vg.autograd.grad(grad.sum(), x)
    taken = range(*index.indices(5))
    expected = [6 * v + (30 * v**4 if i in taken else 0) for i, v in enumerate(x.tolist())]
    assert second.tolist() == pytest.approx(expected, rel=1e-13)


def chain(base):
    return base.view(4, 3).t()[1:].unsqueeze(1)


def expanded(base):
    return base[3:7:2].unsqueeze(0).expand(3, 2)


@pytest.mark.parametrize("view", [chain, expanded, lambda base: base[4], lambda base: base[5:5]])
def test_a_view_taken_before_a_change_of_its_base(view):
    factors = vg.arange(1.0, 13.0, dtype=vg.float64)

    def program(x, before):
        base = x * 2
        seen = view(base) if before else None
        base[2:9].mul_(factors[2:9])
        seen = seen if before else view(base)
        return (seen * seen * seen).sum()

    def derivatives(before):
        x = vg.linspace(0.5, 2.0, 12, dtype=vg.float64).requires_grad_(True)
        (grad,) = vg.autograd.grad(program(x, before), x, create_graph=True)
        (second,) = vg.autograd.grad((grad * factors).sum(), x)
        return grad.tolist(), second.tolist()

    got, expected = derivatives(True), derivatives(False)
    assert got[0] == pytest.approx(expected[0], rel=1e-13) and got[1] == pytest.approx(expected[1], rel=1e-13)


def test_a_view_taken_again_names_its_node():
    base = vg.ones(4, requires_grad=True) * 1
    view = base[1:]
    assert view.grad_fn.name() == "SliceBackward0"
    base.mul_(2.0)
    assert view.grad_fn.name() == "AsStridedBackward0" and base.grad_fn.name() == "MulBackward0"


def test_a_recorded_change_of_shared_memory_is_refused():
    base = vg.zeros(1).expand(3).detach()
    with pytest.raises(RuntimeError, match="single memory location"):
        base[0:1].add_(vg.ones(1, requires_grad=True))
    assert base.tolist() == [0.0] * 3


# -- without recording ---------------------------------------------------------------------------------------


def test_a_view_made_without_recording_takes_part_without_a_gradient():
    x = vg.ones(3, requires_grad=True)
    y = x * 2
    with vg.no_grad():
        view = y[0:2]
    assert view.requires_grad and view.is_leaf and view.grad_fn is None
    z = view * 3
    assert z.requires_grad
    z.sum().backward()
    assert x.grad is None and view.grad is None
    (z2,) = [(view.view(2, 1) * x[0]).sum()]
    z2.backward()
    assert x.grad.tolist() == [4.0, 0.0, 0.0]


def test_a_view_made_without_recording_may_become_a_leaf():
    x = vg.ones(3, requires_grad=True)
    with vg.no_grad():
        view = x[0:1]
    view.requires_grad_(True)
    (view * 2).sum().backward()
    assert view.grad.tolist() == [2.0] and x.grad is None


def test_the_base_of_a_view_made_without_recording_was_changed():
    y = vg.ones(3, requires_grad=True) * 2
    with vg.no_grad():
        view = y[0:1]
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match="created in no_grad mode and its base"):
        view.sum()
    assert "grad_fn=<Invalid>" in repr(view)
    with vg.no_grad():
        assert view.sum().item() == 4.0


def test_views_of_constants_made_without_recording():
    base = vg.zeros(3)
    with vg.no_grad():
        view = base[0:1]
        view.add_(1.0)
    view.mul_(2.0)
    assert base.tolist() == [2.0, 0.0, 0.0] and not view.requires_grad
    with pytest.raises(RuntimeError, match="no_grad"):
        view.mul_(vg.ones(1, requires_grad=True))


def test_a_constant_view_whose_base_came_to_require_a_gradient():
    base = vg.zeros(3)
    view = base[0:1]
    base.requires_grad_(True)
    assert view.requires_grad and view.is_leaf
    with pytest.raises(RuntimeError, match="view of a leaf Variable"):
        view.zero_()


def test_requires_grad_of_a_result():
    y = vg.ones(3, requires_grad=True) * 2
    assert y.requires_grad_(True) is y and y.requires_grad_() is y
    for wrong in (lambda: y.requires_grad_(False), lambda: setattr(y, "requires_grad", True)):
        with pytest.raises(RuntimeError, match="leaf variables"):
            wrong()


def test_a_view_of_a_constant_that_does_not_start_with_its_memory_takes_a_recorded_value():
    base = vg.arange(8.0)[2:].detach()
    w = vg.tensor([1.0, 2.0], requires_grad=True)
    base[3:5] = w * 3
    (base * vg.arange(6.0)).sum().backward()
    assert base.tolist() == [2.0, 3.0, 4.0, 3.0, 6.0, 7.0]
    assert w.grad.tolist() == [9.0, 12.0]


def test_a_view_that_is_a_leaf_itself_is_not_changed_in_place() -> None:
    x = vg.zeros(4)[1:].requires_grad_()
    with pytest.raises(RuntimeError, match="view of a leaf Variable"):
        x.neg_()
    with vg.no_grad():
        x.add_(1)
    assert x.is_leaf and x.tolist() == [1.0, 1.0, 1.0]


def test_a_view_made_without_gradients_and_an_inference_tensor_are_not_changed_in_place() -> None:
    base = vg.zeros(4, requires_grad=True).clone()
    with vg.no_grad():
        view = base[1:]
    with pytest.raises(RuntimeError, match="no_grad mode and is being modified inplace"):
        view.add_(vg.ones(3, requires_grad=True))
    with vg.inference_mode():
        x = vg.zeros(3)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.add_(vg.ones(3, requires_grad=True))
