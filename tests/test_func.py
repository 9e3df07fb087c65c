"""verigrad.func against torch.func, and against derivatives that are known."""

import pytest

import verigrad as vg
from verigrad import func, nn


def tensor(*values, dtype=vg.float64):
    return vg.tensor(list(values), dtype=dtype)


CALLS = {
    "grad": lambda lib, x, y: lib.func.grad(lambda x, y: (x.sin() * y).sum())(x, y),
    "grad by both": lambda lib, x, y: lib.func.grad(lambda x, y: (x * y * y).sum(), argnums=(0, 1))(x, y),
    "grad by the last": lambda lib, x, y: lib.func.grad(lambda x, y: (x * y * y).sum(), argnums=-1)(x, y),
    "grad of grad": lambda lib, x, y: lib.func.grad(
        lambda x: lib.func.grad(lambda x: (x**3 * y).sum())(x).sum()
    )(x),
    "grad with aux": lambda lib, x, y: lib.func.grad(lambda x: ((x * x).sum(), x * 2), has_aux=True)(x),
    "grad and value": lambda lib, x, y: lib.func.grad_and_value(lambda x: (x * x).sum())(x),
    "grad and value, aux": lambda lib, x, y: lib.func.grad_and_value(
        lambda x: ((x * x).sum(), x + 1), has_aux=True
    )(x),
    "grad of a tree": lambda lib, x, y: sorted(
        lib.func.grad(lambda p: (p["w"] * p["b"][0]).sum())({"w": x, "b": [y]}).items(), key=lambda e: e[0]
    ),
    "vjp": lambda lib, x, y: (lambda o, v: (o, v(y)))(*lib.func.vjp(lambda x: x.exp() * 2, x)),
    "vjp of several": lambda lib, x, y: (lambda o, v: (o, v((x, y))))(
        *lib.func.vjp(lambda a, b: (a * b, a - b), x, y)
    ),
    "jvp": lambda lib, x, y: lib.func.jvp(lambda x: x.exp() * x, (x,), (y,)),
    "jvp of several": lambda lib, x, y: lib.func.jvp(lambda a, b: (a * b, a.sin()), (x, y), (y, x)),
    "jvp with aux": lambda lib, x, y: lib.func.jvp(lambda x: (x * x, x + 1), (x,), (y,), has_aux=True),
    "jacrev": lambda lib, x, y: lib.func.jacrev(lambda x: x[:2, None] * x[None] ** 2)(x),
    "jacrev by both": lambda lib, x, y: lib.func.jacrev(lambda x, y: (x * y, x.sum()), argnums=(0, 1))(x, y),
    "jacfwd": lambda lib, x, y: lib.func.jacfwd(lambda x: x[:2, None] * x[None] ** 2)(x),
    "jacfwd by both": lambda lib, x, y: lib.func.jacfwd(lambda x, y: (x * y, x.sum()), argnums=(0, 1))(x, y),
    "jacfwd with aux": lambda lib, x, y: lib.func.jacfwd(lambda x: (x * x, x + 1), has_aux=True)(x),
    "hessian": lambda lib, x, y: lib.func.hessian(lambda x: (x**3 * y).sum())(x),
    "hessian by both": lambda lib, x, y: lib.func.hessian(lambda x, y: (x**2 * y).sum(), argnums=(0, 1))(
        x, y
    ),
}


def listed(found):
    return [listed(one) for one in found] if isinstance(found, tuple | list) else (
        found if isinstance(found, str) else found.detach().tolist()
    )  # fmt: skip


def close(ours, theirs):
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    return ours == theirs if isinstance(ours, str) else abs(ours - theirs) <= 1e-12 * max(1, abs(theirs))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch.func itself
@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    values = [0.3, -1.1, 2.0], [1.5, 0.2, -0.7]
    found = []
    for lib in (vg, torch):
        x, y = (lib.tensor(one, dtype=lib.float64) for one in values)
        result = CALLS[name](lib, x, y)
        assert not x.requires_grad and x.grad is None
        found.append(listed(result))
    assert close(*found), found


def test_results_have_no_graph_unless_something_outside_wants_one():
    x, w = tensor(1.0, 2.0), tensor(3.0, 4.0).requires_grad_()
    assert not func.grad(lambda x: (x * x).sum())(x).requires_grad
    found, value = func.grad_and_value(lambda x: (x * x * w).sum())(x)
    assert found.requires_grad and value.requires_grad
    (by_w,) = vg.autograd.grad(found.sum(), w)
    assert by_w.tolist() == [2.0, 4.0]
    y = tensor(1.0, 2.0).requires_grad_()
    found = func.grad(lambda x: (x**3).sum())(y)
    found.sum().backward()
    assert y.grad.tolist() == [6.0, 12.0]
    with vg.no_grad():
        assert not func.grad(lambda x: (x * x * w).sum())(x).requires_grad
    output, by = func.vjp(lambda x: x * w, x)
    assert output.requires_grad and by(x)[0].requires_grad
    assert not func.jacrev(lambda x: x * 2)(x).requires_grad


def test_what_nothing_depends_on_has_zeros():
    x = tensor(1.0, 2.0)
    assert func.grad(lambda x, y: (y * y).sum())(x, x).tolist() == [0.0, 0.0]
    assert func.grad(lambda x: tensor(1.0).sum())(x).tolist() == [0.0, 0.0]
    assert func.jvp(lambda x: tensor(5.0, 6.0), (x,), (x,))[1].tolist() == [0.0, 0.0]
    assert func.jacrev(lambda x: tensor(5.0))(x).tolist() == [[0.0, 0.0]]


def test_value_and_grad_is_the_other_order():
    value, found = func.value_and_grad(lambda x: (x * x).sum())(tensor(1.0, 2.0))
    assert (value.item(), found.tolist()) == (5.0, [2.0, 4.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: func.grad(lambda x: x * 2)(x), "scalar tensor, got tensor with 1 dims. Maybe you wanted"),
        (lambda x: func.grad(lambda x: 5)(x), "return a tensor, got <class 'int'>"),
        (lambda x: func.grad(lambda x, n: x.sum(), argnums=1)(x, 5), "got int"),
        (lambda x: func.grad(lambda x: x.sum(), argnums=2)(x), "argnum=2, but only 1 positional inputs"),
        (lambda x: func.grad(lambda x: x.sum(), argnums=())(x), "must be non-empty"),
        (lambda x: func.grad(lambda x: x.sum(), argnums=(0, 0))(x), "must be unique"),
        (lambda x: func.grad(lambda x: x.sum(), argnums=1.0)(x), r"int or Tuple\[int, ...\]"),
        (lambda x: func.grad(lambda x: x.sum(), has_aux=True)(x), r"\(output, aux\) if has_aux is True"),
        (lambda x: func.vjp(lambda x: (x, x), x)[1](x), "expected 2 cotangents, got 1"),
        (lambda x: func.jvp(lambda x: x, x, x), "non-empty tuples"),
        (lambda x: func.jvp(lambda x: x, (x,), (x[:1],)), "same structure and shapes"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(tensor(1.0, 2.0))


def test_modules_with_other_parameters():
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    names = dict(module.named_parameters())
    state = {name: value.clone() for name, value in module.state_dict().items()}
    x = vg.randn(5, 2)
    other = {name: vg.zeros_like(value) for name, value in names.items()}
    assert func.functional_call(module, other, x).tolist() == [[0.0]] * 5
    assert func.functional_call(module, [other, {"1.running_mean": vg.ones(3)}], (x,)).tolist() == [[0.0]] * 5
    assert dict(module.named_parameters()) == names
    assert all(module.get_parameter(name) is value for name, value in names.items())

    def loss(parameters):
        return func.functional_call(module, parameters, (x,)).square().mean()

    module.eval()
    found = func.grad(loss)({name: value.detach() for name, value in names.items()})
    module(x).square().mean().backward()
    assert all(vg.allclose(found[name], value.grad) for name, value in names.items())
    assert vg.equal(module[0].weight, state["0.weight"])


def test_tied_parameters_and_mistakes():
    module = nn.Module()
    module.one, module.two = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    module.two.weight = module.one.weight
    module.forward = lambda x, scale=1: module.two(module.one(x)) * scale
    eye = vg.eye(2)
    x = vg.tensor([[1.0, 2.0]])
    assert func.functional_call(module, {"one.weight": eye}, x, {"scale": 3}).tolist() == [[3.0, 6.0]]
    only_one = func.functional_call(module, {"one.weight": eye}, x, tie_weights=False)
    assert vg.equal(only_one, x @ module.two.weight.T)
    with pytest.raises(ValueError, match=r"keys \['one.weight', 'two.weight'\], which are tied"):
        func.functional_call(module, {"one.weight": eye, "two.weight": eye * 2}, x)
    with pytest.raises(ValueError, match="appears in multiple dictionaries"):
        func.functional_call(module, [{"one.weight": eye}, {"one.weight": eye}], x)
    with pytest.raises(RuntimeError, match=r"unexpected key\(s\) \['three.weight'\]"):
        func.functional_call(module, {"three.weight": eye}, x)
    with pytest.raises(RuntimeError, match=r"missing key\(s\) \['two.weight'\]"):
        func.functional_call(module, {"one.weight": eye}, x, strict=True)
    with pytest.raises(TypeError, match="expected a Tensor for one.weight, got int"):
        func.functional_call(module, {"one.weight": 5}, x)
    with pytest.raises(ZeroDivisionError):
        module.forward = lambda x: 1 / 0
        func.functional_call(module, {"one.weight": eye}, x)
    assert module.one.weight is module.two.weight
