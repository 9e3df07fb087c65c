"""autograd.grad, gradcheck and gradgradcheck as public functions."""

import inspect
import subprocess
import sys

import pytest

import verigrad as vg
from verigrad import autograd


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


def test_leaves_grad_alone():
    x = leaf()
    x.grad = vg.ones(3)
    answer = autograd.grad((x * x).sum(), x)
    assert isinstance(answer, tuple) and len(answer) == 1
    assert answer[0].tolist() == [2.0, 4.0, 6.0] and x.grad.tolist() == [1.0] * 3


def test_several_inputs_and_outputs():
    x, y = leaf(), leaf()
    z = x * y
    dx, dy, dz = autograd.grad([z.sum(), z], [x, y, z], [None, vg.ones(3) * 2])
    assert dx.tolist() == [3.0, 6.0, 9.0] == dy.tolist()
    assert dz.tolist() == [3.0] * 3


def test_inputs_by_name():
    x, y = leaf(), leaf()
    answer = autograd.grad((x * y * y).sum(), {"x": x, "y": y})
    assert list(answer) == ["x", "y"]
    assert answer["x"].tolist() == [1.0, 4.0, 9.0] and answer["y"].tolist() == [2.0, 8.0, 18.0]


def test_inner_tensors_are_allowed():
    x = leaf(2.0)
    y = x * 3
    z = y * y
    assert autograd.grad(z, y, retain_graph=True)[0].item() == 12.0
    assert autograd.grad(z, x)[0].item() == 36.0


def test_input_that_is_the_output():
    x = leaf(2.0)
    y = x * 3
    assert autograd.grad(y, y)[0].item() == 1.0


def test_unused_inputs():
    x, other = leaf(), leaf(5.0)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        autograd.grad(x.sum(), [x, other])
    dx, nothing = autograd.grad(x.sum(), [x, other], allow_unused=True)
    assert dx.tolist() == [1.0] * 3 and nothing is None
    _, zeros = autograd.grad(x.sum(), [x, other], materialize_grads=True)
    assert zeros.tolist() == [0.0]


def test_batched_gradients():
    x = leaf()
    y = x * x
    (jacobian,) = autograd.grad(y, x, vg.eye(3), is_grads_batched=True, retain_graph=True)
    assert jacobian.tolist() == [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    other = leaf()
    rows, nothing = autograd.grad(y, [x, other], vg.eye(3)[:2], is_grads_batched=True, allow_unused=True)
    assert tuple(rows.shape) == (2, 3) and nothing is None
    with pytest.raises(RuntimeError, match="second time"):
        autograd.grad(y, x, vg.eye(3), is_grads_batched=True)


@pytest.mark.parametrize("gradients", [vg.ones(0, 3), None, [None]])
def test_batched_gradients_need_a_batch(gradients):
    x = leaf()
    with pytest.raises(RuntimeError):
        autograd.grad(x * x, x, gradients, is_grads_batched=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: autograd.grad(x * 2, x), RuntimeError, "only for scalar outputs"),
        (lambda x: autograd.grad(x.sum(), vg.ones(3)), RuntimeError, "does not require grad"),
        (lambda x: autograd.grad(vg.ones(3).sum(), x), RuntimeError, "does not require grad"),
        (lambda x: autograd.grad(x * 2, x, vg.ones(4)), RuntimeError, "shape"),
        (lambda x: autograd.grad([x.sum()], x, []), RuntimeError, "got 1 tensors and 0 gradients"),
        (lambda x: autograd.grad(3, x), TypeError, "int"),
        (lambda x: autograd.grad(x.sum(), 3), TypeError, "int"),
        (lambda x: autograd.grad(x.sum(), [3]), TypeError, "int"),
        (lambda x: autograd.grad(x.sum(), {"x": 3}), TypeError, "int"),
        (lambda x: autograd.grad(x.sum(), x, [3]), TypeError, "int"),
        (
            lambda x: autograd.grad(x.sum(), x, materialize_grads=True, allow_unused=False),
            ValueError,
            "Expected allow_unused to be True or not passed",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(leaf())


def test_only_inputs_is_deprecated():
    x = leaf()
    with pytest.warns(FutureWarning, match="only_inputs"):
        (dx,) = autograd.grad(x.sum(), x, only_inputs=False)
    assert dx.tolist() == [1.0] * 3


# -- checking ------------------------------------------------------------------------------------------------


def test_gradcheck_accepts_what_is_right():
    x = vg.tensor([0.3, -1.2], dtype=vg.float64, requires_grad=True)
    assert autograd.gradcheck(lambda x: (x * x).sin(), (x,))
    assert autograd.gradgradcheck(lambda x: (x * x).sin(), (x,))


def test_gradcheck_refuses_what_is_wrong():
    x = vg.tensor([0.3, -1.2], dtype=vg.float64, requires_grad=True)

    def wrong(x):
        return x * x.detach()

    assert not autograd.gradcheck(wrong, (x,), raise_exception=False)
    with pytest.raises(RuntimeError):
        autograd.gradcheck(wrong, (x,))


def test_gradgradcheck_refuses_what_is_wrong():
    x = vg.tensor([0.3, -1.2], dtype=vg.float64, requires_grad=True)

    def flat(x):
        # The hook repairs the first derivative and leaves it without a graph.
        y = x * 1
        y.register_hook(lambda grad: grad * 2 * x.detach())
        return y - x.detach() + (x * x).detach()

    assert autograd.gradcheck(flat, (x,))
    assert not autograd.gradgradcheck(flat, (x,), raise_exception=False)


def test_checks_are_imported_when_needed():
    code = "import sys, verigrad; sys.exit('verigrad.testing' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["grad", "gradcheck", "gradgradcheck"])
def test_signatures_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    own, other = (
        [(p.name, p.default, p.kind) for p in inspect.signature(getattr(lib, name)).parameters.values()]
        for lib in (autograd, torch.autograd)
    )
    assert own == other
