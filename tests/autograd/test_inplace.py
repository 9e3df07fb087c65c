"""In-place operations: gradients through them, views, versions, and what is refused."""

import pytest

import verigrad as vg


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


# -- gradients -----------------------------------------------------------------------------------------------


def test_in_place_on_a_result():
    x = leaf()
    y = x * 1
    y.mul_(3.0)
    y.add_(x)
    y.sum().backward()
    assert y.tolist() == [4.0, 8.0, 12.0] and x.grad.tolist() == [4.0] * 3


def test_in_place_on_a_constant_takes_up_the_graph():
    x = leaf()
    y = vg.zeros(3)
    y.add_(x * 2)
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [2.0] * 3


def test_fill_and_zero_cut_the_graph():
    x = leaf()
    y = x * 2
    y.zero_()
    (y + x).sum().backward()
    assert x.grad.tolist() == [1.0] * 3


def test_copy_passes_the_gradient_to_the_source():
    x, source = leaf(), leaf(5.0, 6.0, 7.0)
    y = x * 2
    y.copy_(source)
    (y * y).sum().backward()
    assert x.grad.tolist() == [0.0] * 3 and source.grad.tolist() == [10.0, 12.0, 14.0]


def test_copy_from_the_same_memory_is_recorded():
    x = leaf()
    y = x * 2
    alias = y.detach()
    alias.copy_(y)
    assert alias.requires_grad and alias.tolist() == y.tolist()
    alias.sum().backward()
    assert x.grad.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda y: y.add_(0.1), 3.1),
        (lambda y: y.sub_(0.1), 2.9),
        (lambda y: y.mul_(0.1), 3 * 0.1),
        (lambda y: y.div_(0.1), 3 / 0.1),
        (lambda y: y.fill_(0.1), 0.1),
        (lambda y: y.__setitem__(0, 0.1), 0.1),
    ],
)
def test_numbers_keep_their_precision(change, expected):
    y = vg.tensor([3.0], dtype=vg.float64)
    change(y)
    assert y.item() == pytest.approx(expected, rel=1e-15, abs=0)


def test_assignment_to_an_element():
    x, value = leaf(), vg.tensor(10.0, requires_grad=True)
    y = x * 1
    y[0] = value
    (y * vg.tensor([2.0, 3.0, 4.0])).sum().backward()
    assert y.tolist() == [10.0, 2.0, 3.0]
    assert x.grad.tolist() == [0.0, 3.0, 4.0] and value.grad.item() == 2.0


def test_assignment_of_a_number():
    x = leaf()
    y = x * 2
    y[1:] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_assignment_is_broadcast():
    base, row = vg.zeros(3, 2), vg.tensor([1.0, 2.0], requires_grad=True)
    base[1:] = row
    (base * vg.arange(6, dtype=vg.float32).reshape(3, 2)).sum().backward()
    assert row.grad.tolist() == [6.0, 8.0]


def test_in_place_on_a_view_reaches_the_base():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    base = x * 1
    base.view(2, 2)[0].mul_(10.0)
    assert base.tolist() == [10.0, 20.0, 3.0, 4.0]
    base.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0, 1.0, 1.0]


def test_views_taken_before_follow_the_base():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = base[0:1]
    base.mul_(5.0)
    assert view.tolist() == [5.0]
    view.sum().backward()
    assert x.grad.tolist() == [5.0, 0.0]


def test_views_taken_before_follow_another_view():
    x = leaf(1.0, 2.0)
    base = x * 1
    one, two = base[0:2], base.view(2, 1)
    one.mul_(3.0)
    (two * vg.tensor([[1.0], [10.0]])).sum().backward()
    assert x.grad.tolist() == [3.0, 30.0]


def test_transposed_and_narrowed_views():
    x = vg.ones(2, 3, requires_grad=True)
    base = x * 1
    base.t()[1:].add_(x.t()[1:] * 2)
    (base * base).sum().backward()
    assert base.tolist() == [[1.0, 3.0, 3.0]] * 2
    assert x.grad.tolist() == [[2.0, 18.0, 18.0]] * 2


def test_view_of_a_constant_takes_up_the_graph():
    x = leaf(1.0, 2.0)
    base = vg.zeros(2, 2)
    base[0].add_(x)
    base[1].add_(x * 2)
    assert base.requires_grad
    base.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_hooks_before_and_after_an_in_place_operation():
    x, seen = leaf(1.0), []
    y = x * 1
    y.register_hook(lambda grad: seen.append(("before", grad.item())))
    y.mul_(4.0)
    y.register_hook(lambda grad: seen.append(("after", grad.item())))
    y.backward()
    assert dict(seen) == {"before": 4.0, "after": 1.0} and x.grad.item() == 4.0


# -- versions ------------------------------------------------------------------------------------------------


def test_versions_count_writes():
    x = vg.zeros(3)
    assert x._version == 0
    view = x[1:]
    x.add_(1.0)
    view.mul_(2.0)
    x[0] = 5.0
    assert x._version == view._version == 3
    assert x.detach()._version == 3 and x.clone()._version == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.add_(1.0),
        lambda y: y.zero_(),
        lambda y: y.__setitem__(0, 1.0),
        lambda y: y[1:].mul_(2.0),
        lambda y: y.detach().fill_(1.0),
        lambda y: y.copy_(vg.ones(3)),
    ],
)
def test_changed_saved_tensors_are_noticed(change):
    x = leaf()
    y = x * 1
    z = (y * y).sum()
    change(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    assert x.grad is None


def test_changed_saved_results_are_noticed():
    x = leaf()
    y = x.exp()
    z = y.sum()
    with vg.no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_a_quotient_may_be_changed():
    x, d = leaf(), leaf(4.0, 5.0, 8.0)
    y = x / d
    y.mul_(2.0)
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([0.5, 0.4, 0.25])
    assert d.grad.tolist() == pytest.approx([-2 / 16, -4 / 25, -6 / 64])
    z = 1 / x
    z.add_(1.0)
    z.sum().backward()
    assert x.grad.tolist() == pytest.approx([0.5 - 1, 0.4 - 1 / 4, 0.25 - 1 / 9])


def test_a_normalized_tensor_may_be_changed():
    x = leaf(3.0, 4.0)
    y = vg.nn.functional.normalize(x, dim=0)
    y.mul_(vg.tensor([1.0, 0.0]))
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([16 / 125, -12 / 125])


def test_changes_of_what_is_not_saved_do_no_harm():
    x = leaf()
    y = x * 2
    z = y + 1
    y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [2.0] * 3


# The operands that the gradients by a and by b read, as in PyTorch.
READS = {
    "add": ("", ""),
    "sub": ("", ""),
    "mul": ("b", "a"),
    "div": ("b", "ab"),
    "remainder": ("", "ab"),
    "pow": ("ab", "ab"),
    "maximum": ("ab", "ab"),
    "minimum": ("ab", "ab"),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("wanted", ["a", "b", "ab"])
@pytest.mark.parametrize("changed", ["a", "b"])
def test_an_operand_may_be_changed_where_no_gradient_reads_it(name, wanted, changed):
    operands = {k: leaf(1.5, 2.5, 3.5) * 1 if k in wanted else vg.tensor([2.0, 1.0, 4.0]) for k in "ab"}
    result = getattr(vg, name)(operands["a"], operands["b"])
    with vg.no_grad():
        operands[changed].add_(1.0)
    if any(changed in read for k, read in zip("ab", READS[name], strict=True) if k in wanted):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.sum().backward()
    else:
        result.sum().backward()


def test_data_is_not_watched():
    x = leaf()
    y = x * x
    x.data.mul_(10.0)
    y.sum().backward()
    assert x.grad.tolist() == [20.0, 40.0, 60.0]


# -- leaves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1.0),
        lambda x: x.zero_(),
        lambda x: x.copy_(vg.ones(3)),
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x[0:1].mul_(2.0),
        lambda x: x.view(3, 1).fill_(0.0),
    ],
)
def test_leaves_that_require_grad_are_protected(change):
    x = leaf()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        change(x)
    assert x.tolist() == [1.0, 2.0, 3.0] and x._version == 0


def test_leaves_can_be_changed_without_recording():
    x = leaf()
    with vg.no_grad():
        x.mul_(2.0)
        x[0] = 7.0
    assert x.tolist() == [7.0, 4.0, 6.0] and x.is_leaf and x.requires_grad


def test_view_made_without_recording_cannot_be_changed_with_it():
    y = leaf() * 2
    with vg.no_grad():
        view = y[0:1]
    with pytest.raises(RuntimeError, match="no_grad"):
        view.add_(1.0)


def test_expanded_tensors_cannot_be_written():
    y = vg.zeros(1).expand(3)
    with pytest.raises(RuntimeError):
        y.add_(1.0)
    assert y.tolist() == [0.0] * 3


def test_dtype_of_an_in_place_result_must_fit():
    y = vg.ones(2, dtype=vg.int64)
    with pytest.raises(RuntimeError):
        y.add_(0.5)
    with pytest.raises(RuntimeError):
        y.mul_(vg.ones(2))
    assert y.tolist() == [1, 1]


def test_floor_divide_in_place_leaves_no_gradient_of_what_was_there() -> None:
    x = vg.ones(4, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.floor_divide_(2.0)
    y = x * 3
    y[1:3].floor_divide_(2.0)
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 0.0, 0.0, 3.0]
