"""What arrives at .grad: added in place or not, and what a .grad of another shape, dtype or layout does."""

import subprocess
import sys

import numpy as np
import pytest

import verigrad as vg


def run(program):
    """The program's output, from a process of its own: it may crash."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.strip()


def test_gradients_are_added_in_place():
    x = vg.ones(3, requires_grad=True)
    x.sum().backward()
    held = x.grad
    (x * 2).sum().backward()
    assert x.grad is held and held.tolist() == [3.0] * 3 and held._version == 1


def test_a_gradient_of_another_shape_is_refused():
    x = vg.ones(1000, requires_grad=True)
    x.sum().backward()
    x.data = vg.zeros(2)
    assert x.grad.shape == (1000,)
    with pytest.raises(RuntimeError, match=r"the shape of \.grad, \[1000\], got \[2\]"):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [1.0] * 1000
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_small_gradient_is_not_overrun():
    x = vg.ones(2, requires_grad=True)
    x.grad = vg.ones(2)
    x.data = vg.zeros(100000)
    with pytest.raises(RuntimeError, match="shape"):
        x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("old", "new"), [(vg.float32, vg.float64), (vg.float64, vg.float32)])
def test_a_gradient_of_another_dtype_follows_the_leaf(old, new):
    x = vg.ones(3, dtype=old, requires_grad=True)
    x.sum().backward()
    x.data = x.data.to(new)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 3 and x.grad.dtype == new
    vg.optim.SGD([x], lr=1.0).step()
    assert x.tolist() == [-2.0] * 3


def test_an_expanded_gradient_counts_once():
    x, one = vg.ones(3, requires_grad=True), vg.ones(1)
    x.grad = one.expand(3)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 3 and one.tolist() == [1.0]


def test_a_gradient_in_the_same_memory():
    x = vg.ones(2, 2, requires_grad=True)
    given = vg.tensor([[1.0, 2.0], [3.0, 4.0]])
    x.grad = given.t()
    x.backward(given)
    assert x.grad.tolist() == [[2.0, 5.0], [5.0, 8.0]]


def test_a_transposed_gradient_is_kept():
    x = vg.ones(2, 3, requires_grad=True)
    held = vg.zeros(3, 2).t()
    x.grad = held
    (x * vg.arange(6.0).reshape(2, 3)).sum().backward()
    assert x.grad is held and held.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_gradients_with_a_graph_are_added_out_of_place():
    x = vg.ones(3, dtype=vg.float64, requires_grad=True)
    x.grad = held = vg.ones(3, dtype=vg.float64)
    (x * x * x).sum().backward(create_graph=True)
    assert x.grad is not held and held.tolist() == [1.0] * 3
    assert x.grad.requires_grad and x.grad.tolist() == [4.0] * 3


def test_nothing_arrives_where_requires_grad_was_switched_off():
    x, w, seen = vg.ones(3, requires_grad=True), vg.full((3,), 2.0, requires_grad=True), []
    x.register_hook(lambda grad: seen.append(grad.tolist()))
    y = (x * w).sum()
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None and w.grad.tolist() == [1.0] * 3 and seen == [[2.0] * 3]


def test_switched_off_and_on_again():
    x = vg.ones(3, requires_grad=True)
    y = (x * 2).sum()
    x.requires_grad_(False)
    x.requires_grad_(True)
    y.backward()
    assert x.grad.tolist() == [2.0] * 3


def test_nothing_arrives_at_a_detached_leaf():
    x = vg.ones(3, requires_grad=True)
    y = (x * 2).sum()
    x.detach_()
    y.backward()
    assert x.grad is None


def test_a_long_chain_of_gradients_is_freed():
    program = """
import verigrad as vg
first = tensor = vg.zeros(1)
for _ in range(1000000):
    tensor.grad = vg.zeros(1)
    tensor = tensor.grad
del first
tensor.grad = None
print("freed", vg._C._testing.allocated_bytes())
"""
    assert run(program).startswith("freed")


def test_a_chain_of_gradients_and_graphs_is_freed():
    program = """
import verigrad as vg
previous = vg.zeros(1, requires_grad=True)
for _ in range(200000):
    leaf = vg.zeros(1, requires_grad=True)
    leaf.grad = previous * previous
    previous = leaf
del previous, leaf
print("freed")
"""
    assert run(program) == "freed"


def test_gradients_from_foreign_memory():
    x, array = vg.ones(3, requires_grad=True), np.ones(3, dtype=np.float32)
    x.backward(vg.from_numpy(array))
    array[:] = 5
    assert x.grad.tolist() == [1.0] * 3
