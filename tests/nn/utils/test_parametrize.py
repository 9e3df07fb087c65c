"""Parametrizations: values, gradients, keys, copies, removal, errors, and all of it as PyTorch has it."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.utils import parametrize
from verigrad.nn.utils.parametrize import (
    cached,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
    transfer_parametrizations_and_params,
    type_before_parametrizations,
)


def modules(lib):
    """Parametrizations for either library."""

    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x):
            return x.triu()

    class Scale(lib.nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = lib.nn.Parameter(lib.tensor(factor, dtype=lib.float64))

        def forward(self, x):
            return self.factor * x

    class Product(lib.nn.Module):
        """Of a column and a row."""

        def forward(self, a, b):
            return a.unsqueeze(-1) * b.unsqueeze(-2)

        def right_inverse(self, x):
            return x[:, 0].clone(), x[0] / x[0, 0]

    return Symmetric, Scale, Product


Symmetric, Scale, Product = modules(vg)
# pickle finds classes by their names.
for _kind in (Symmetric, Scale, Product):
    _kind.__qualname__ = _kind.__name__


class Counting(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return 2 * x


def keys(module):
    return list(module.state_dict())


def test_the_weight_is_computed_when_it_is_read():
    layer = nn.Linear(3, 3)
    original = layer.weight
    upper = original.detach().clone().triu()
    assert register_parametrization(layer, "weight", Symmetric()) is layer
    assert layer.parametrizations.weight.original is original  # which an optimizer knows
    assert vg.equal(original, upper)  # by right_inverse
    assert vg.equal(layer.weight, upper + upper.triu(1).T) and layer.weight.grad_fn is not None
    assert keys(layer) == ["bias", "parametrizations.weight.original"]
    assert [name for name, _ in layer.named_parameters()] == keys(layer)
    x = vg.randn(2, 3)
    assert vg.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    layer(x).sum().backward()
    assert (original.grad.tril(-1) == 0).all() and original.grad.abs().sum() > 0
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert type_before_parametrizations(layer) is nn.Linear is type_before_parametrizations(nn.Linear(1, 1))
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=3, out_features=3, bias=True\n  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Symmetric()\n    )\n  )\n)"
    )


def test_an_assignment_goes_through_the_inverses():
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    original = layer.parametrizations.weight.original
    layer.weight = vg.tensor([[1.0, 2.0], [5.0, 3.0]])
    assert layer.parametrizations.weight.original is original and original.requires_grad
    assert original.tolist() == [[1.0, 2.0], [0.0, 3.0]] and layer.weight.tolist() == [[1.0, 2.0], [2.0, 3.0]]
    layer.weight = nn.Parameter(vg.eye(2))
    assert layer.weight.tolist() == [[1.0, 0.0], [0.0, 1.0]] and "weight" not in layer._parameters
    register_parametrization(layer, "weight", Scale(3.0))
    with pytest.raises(RuntimeError, match="parametrization Scale does not implement right_inverse"):
        layer.weight = vg.eye(2)
    assert layer.weight.tolist() == [[3.0, 0.0], [0.0, 3.0]]


def test_several_parametrizations_of_a_tensor_and_several_tensors():
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone().triu()
    register_parametrization(layer, "weight", Symmetric())
    register_parametrization(layer, "weight", Scale(3.0))
    register_parametrization(layer, "bias", Scale(2.0))
    assert vg.allclose(layer.weight, 3 * (before + before.triu(1).T))
    assert keys(layer) == [
        "parametrizations.weight.original",
        "parametrizations.weight.1.factor",
        "parametrizations.bias.original",
        "parametrizations.bias.0.factor",
    ]
    assert is_parametrized(layer) and is_parametrized(layer, "bias") and not is_parametrized(layer, "other")
    assert not is_parametrized(nn.Linear(1, 1))
    bias = layer.bias.detach()
    remove_parametrizations(layer, "bias")
    assert vg.equal(layer.bias, bias) and isinstance(layer.bias, nn.Parameter)
    assert is_parametrized(layer, "weight") and type(layer).__name__ == "ParametrizedLinear"
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear and vg.equal(layer.weight, before) and keys(layer) == ["bias", "weight"]
    assert not hasattr(layer, "parametrizations")


def test_a_parametrization_of_several_tensors():
    layer = nn.Linear(3, 2)
    register_parametrization(layer, "weight", Product())
    first, second = (getattr(layer.parametrizations.weight, f"original{i}") for i in range(2))
    assert keys(layer) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    assert isinstance(first, nn.Parameter) and first.shape == (2,) and second.shape == (3,)
    layer.weight = vg.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    assert first.tolist() == [1.0, 2.0] and second.tolist() == [1.0, 2.0, 3.0]
    layer.weight.sum().backward()
    assert first.grad.tolist() == [6.0, 6.0] and second.grad.tolist() == [3.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.is_leaf
    assert layer.weight.tolist() == [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]


def test_buffers_and_frozen_parameters():
    module = nn.Module()
    module.register_buffer("table", vg.ones(2))
    register_parametrization(module, "table", Counting())
    assert module.table.tolist() == [2.0, 2.0] and keys(module) == ["parametrizations.table.original"]
    assert not list(module.parameters())
    remove_parametrizations(module, "table")
    assert module.table.tolist() == [2.0, 2.0] and [name for name, _ in module.named_buffers()] == ["table"]
    layer = nn.Linear(2, 2).requires_grad_(False)
    register_parametrization(layer, "weight", Product())
    assert not any(p.requires_grad for p in layer.parameters())


def test_the_mode_is_the_modules():
    layer = nn.Linear(2, 2).eval()
    given = Counting()
    register_parametrization(layer, "weight", given)
    assert not given.training and layer.train() is layer and given.training


def test_cached():
    layer = nn.Linear(2, 2)
    counting = Counting()
    register_parametrization(layer, "weight", counting)
    counting.calls = 0
    for _ in range(2):
        layer(vg.ones(1, 2))
    assert counting.calls == 2
    with cached():
        first = layer.weight
        with cached():
            assert layer.weight is first and layer.weight is first
        assert layer.weight is first and counting.calls == 3
        layer(vg.ones(1, 2)).sum().backward()

        def elsewhere():
            seen.append(layer.weight is first)

        seen = []
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [False] and counting.calls == 4
    assert layer.weight is not first and counting.calls == 5
    assert layer.parametrizations.weight.original.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_what_is_cached_ends_with_an_assignment_a_registration_and_an_error():
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    with cached():
        layer.weight = vg.eye(2)
        assert layer.weight.tolist() == [[1.0, 0.0], [0.0, 1.0]]
        layer.weight = 2 * vg.eye(2)
        assert layer.weight.tolist() == [[2.0, 0.0], [0.0, 2.0]]
        register_parametrization(layer, "weight", Scale(2.0))
        assert layer.weight.tolist() == [[4.0, 0.0], [0.0, 4.0]]
        remove_parametrizations(layer, "weight")
        assert layer.weight.tolist() == [[4.0, 0.0], [0.0, 4.0]]
    with pytest.raises(KeyError), cached():
        raise KeyError
    assert parametrize._cache.depth == 0 and not parametrize._cache.tensors


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("kind", [Symmetric, Product])
def test_copies_are_apart(copied, kind):
    layer = nn.Linear(2, 2)
    register_parametrization(layer, "weight", kind())
    other = copied(layer)
    assert type(other).__name__ == "ParametrizedLinear" and keys(other) == keys(layer)
    assert vg.equal(other.weight, layer.weight) and isinstance(other, nn.Linear)
    with vg.no_grad():
        for parameter in other.parameters():
            parameter.fill_(2.0)
    assert not vg.equal(other.weight, layer.weight)
    remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and is_parametrized(other, "weight") and other.weight.shape == (2, 2)
    register_parametrization(other, "bias", Scale(1.0))
    assert set(other.parametrizations) == {"weight", "bias"}


def test_pickles_of_old_protocols_and_in_a_tree():
    net = nn.Sequential(nn.Linear(2, 2), register_parametrization(nn.Linear(2, 2), "weight", Symmetric()))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(net, protocol))
        assert vg.equal(other(vg.ones(1, 2)), net(vg.ones(1, 2)))


class Reduced(nn.Linear):
    """A layer that says itself how it is pickled."""

    def __reduce__(self):
        return type(self), (self.in_features, self.out_features), self.__dict__


def test_a_class_with_a_reduction_of_its_own():
    layer = register_parametrization(Reduced(2, 2), "weight", Symmetric())
    other = pickle.loads(pickle.dumps(layer))
    assert vg.equal(other.weight, layer.weight) and type_before_parametrizations(other) is Reduced


def test_a_shallow_copy_shares_values_alone():
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    other = copy.copy(layer)
    assert other.parametrizations.weight.original is layer.parametrizations.weight.original
    remove_parametrizations(other, "weight", leave_parametrized=False)
    assert type(other) is nn.Linear and is_parametrized(layer, "weight") and layer.weight.grad_fn is not None


def test_classes_are_shared_and_vanish_with_their_modules():
    gc.collect()
    before = len(parametrize._classes)
    first, second = (register_parametrization(Reduced(2, 2), "weight", Counting()) for _ in range(2))
    assert type(first) is type(second) and len(parametrize._classes) == before + 1
    del first, second
    gc.collect()
    assert len(parametrize._classes) == before


def test_conversions_state_dicts_and_functional_calls():
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    original = layer.parametrizations.weight.original
    layer.double()
    assert layer.weight.dtype == vg.float64 and layer.parametrizations.weight.original is original
    other = register_parametrization(nn.Linear(2, 2).double(), "weight", Symmetric())
    assert str(other.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
    assert vg.equal(other.weight, layer.weight)
    given = {"parametrizations.weight.original": vg.eye(2, dtype=vg.float64).requires_grad_()}
    out = vg.func.functional_call(layer, given, vg.ones(1, 2, dtype=vg.float64))
    assert vg.allclose(out - layer.bias, vg.ones(1, 2, dtype=vg.float64))
    assert not vg.equal(layer.weight, vg.eye(2, dtype=vg.float64))
    loaded = register_parametrization(nn.Linear(2, 2).double(), "weight", Symmetric())
    loaded.load_state_dict(layer.state_dict(), assign=True)
    assert vg.equal(loaded.weight, layer.weight)


def test_checkpoints(tmp_path):
    layer = register_parametrization(nn.Linear(2, 2), "weight", Product())
    vg.save(layer.state_dict(), tmp_path / "layer.safetensors")
    other = register_parametrization(nn.Linear(2, 2), "weight", Product())
    other.load_state_dict(vg.load(tmp_path / "layer.safetensors"))
    assert vg.equal(other.weight, layer.weight)


@pytest.mark.parametrize("recurrent", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_read_what_is_computed(recurrent):
    layer = recurrent(2, 3)
    other = recurrent(2, 3)
    other.load_state_dict(layer.state_dict())
    register_parametrization(layer, "weight_hh_l0", Scale(2.0))
    with vg.no_grad():
        other.weight_hh_l0.mul_(2.0)
    x = vg.randn(4, 1, 2)
    assert vg.allclose(layer(x)[0], other(x)[0])
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original.grad is not None


def test_an_optimizer_goes_on_after_registration_and_removal():
    layer = nn.Linear(2, 2)
    optimizer = vg.optim.Adam(layer.parameters(), lr=0.1)
    register_parametrization(layer, "weight", Symmetric())
    for _ in range(2):
        before = layer.weight.detach()
        layer(vg.ones(1, 2)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert not vg.equal(layer.weight, before)
        assert vg.equal(layer.weight, layer.weight.T)
    remove_parametrizations(layer, "weight")
    layer(vg.ones(1, 2)).square().sum().backward()
    before = layer.weight.detach().clone()
    optimizer.step()
    assert not vg.equal(layer.weight, before)


def test_transfer():
    source = nn.Linear(3, 3)
    register_parametrization(source, "weight", Symmetric())
    register_parametrization(source, "weight", Scale(2.0))
    register_parametrization(source, "bias", Scale(3.0))
    value = source.weight.detach()
    target = nn.Linear(3, 3)
    assert transfer_parametrizations_and_params(source, target, "weight") is target
    assert vg.equal(target.weight, value) and vg.equal(source.weight, value)
    assert target.parametrizations.weight.original is source.parametrizations.weight.original
    assert is_parametrized(target, "weight") and not is_parametrized(target, "bias")
    bare = nn.Module()
    transfer_parametrizations_and_params(source, bare)
    assert vg.equal(bare.weight, source.weight) and vg.equal(bare.bias, source.bias)
    remove_parametrizations(bare, "bias")
    assert is_parametrized(source, "bias")
    already = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    transfer_parametrizations_and_params(source, already, "weight")
    assert len(already.parametrizations.weight) == 3
    assert already.parametrizations.weight.original is source.parametrizations.weight.original
    assert transfer_parametrizations_and_params(nn.Linear(1, 1), already) is already


def giving(forward=None, inverse=None):
    module = nn.Module()
    module.forward = forward or (lambda *tensors: tensors[0])
    if inverse is not None:
        module.right_inverse = inverse
    return module


REFUSED = {
    "no such tensor": ("other", Counting(), "does not have a parameter, a buffer, or a parametrized element"),
    "no tensor": ("weight", giving(lambda x: 3), "must return a tensor. Got int"),
    "dtype": ("weight", giving(lambda x: x.double()), "may not change the dtype of the tensor, unless"),
    "shape": ("weight", giving(lambda x: x.sum()), r"change the shape(.|\n)*parametrized shape: .*\[\]"),
    "inverse, number": ("weight", giving(inverse=lambda x: 3), "a Tensor or a Sequence .* Got int"),
    "inverse, element": ("weight", giving(inverse=lambda x: (x, 3)), "Got element 1 of the sequence"),
    "inverse, dtype": (
        "weight", giving(inverse=lambda x: x.double()), "outputs one tensor, it may not change the dtype",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(name):
    tensor, module, text = REFUSED[name]
    layer = nn.Linear(2, 2).eval()
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    module.train()
    with pytest.raises(ValueError, match=text):
        register_parametrization(layer, tensor, module)
    assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations") and module.training
    assert keys(layer) == list(before)
    assert all(vg.equal(value, before[key]) for key, value in layer.state_dict().items())


FURTHER = {
    "no tensor": (giving(lambda x: 3), "must return a tensor. Got int"),
    "dtype": (giving(lambda x: x.double()), r"parametrization\(module.weight\).dtype"),
    "shape": (giving(lambda x: x.sum()), r"parametrization\(module.weight\).shape"),
    "inverse": (giving(inverse=lambda x: 3), "right_inverse must return a tensor. Got: int"),
    "inverse, dtype": (giving(inverse=lambda x: x.double()), "the same dtype as module.weight"),
    "inverse, shape": (giving(inverse=lambda x: x.sum()), "the same shape as module.weight"),
}


@pytest.mark.parametrize("name", FURTHER)
def test_what_is_refused_as_a_further_one(name):
    module, text = FURTHER[name]
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    with pytest.raises(ValueError, match=text):
        register_parametrization(layer, "weight", module)
    assert len(layer.parametrizations.weight) == 1


def test_other_errors():
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="expected parametrization to be a Module, got function"):
        register_parametrization(layer, "weight", lambda x: x)
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        remove_parametrizations(layer, "weight")
    with pytest.raises(ValueError, match="requires one or more modules"):
        parametrize.ParametrizationList([], layer.weight)
    lazy = nn.LazyLinear(2)
    for unsafe in (False, True):
        with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
            register_parametrization(lazy, "weight", Counting(), unsafe=unsafe)
    assert not is_parametrized(lazy) and lazy(vg.ones(1, 3)).shape == (1, 2)
    layer.keys = nn.Parameter(vg.ones(1))
    with pytest.raises(KeyError, match="attribute 'keys' already exists"):
        register_parametrization(layer, "keys", Counting())
    assert type(layer) is nn.Linear and layer.keys.tolist() == [1.0]


ASSIGNED = {
    "no tensor": (lambda x: 3, False, "`right_inverse` should return a tensor. Got int"),
    "dtype": (lambda x: x.double(), False, "has dtype .*float64 while `original` has dtype .*float32"),
    "no sequence": (lambda x: x, True, "must return a sequence of tensors. Got Tensor"),
    "length": (lambda x: (x,), True, "length 2. Got a sequence of length 1"),
    "element": (lambda x: (x, 3), True, "Got element 1 of type int"),
    "dtype of an element": (lambda x: (x, x.double()), True, "Tensor 1 returned .* while `original1`"),
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_inverses_that_change_their_mind(name):
    inverse, several, text = ASSIGNED[name]
    layer = nn.Linear(2, 2)
    module = giving(inverse=lambda x: (x, x)) if several else giving(inverse=lambda x: x)
    register_parametrization(layer, "weight", module)
    module.right_inverse = inverse
    before = layer.weight.tolist()
    with pytest.raises(ValueError, match=text):
        layer.weight = vg.zeros(2, 2)
    assert layer.weight.tolist() == before


def test_unsafe_ones_may_change_shape_and_dtype():
    layer = nn.Linear(2, 2)
    register_parametrization(layer, "weight", giving(lambda x: x.double().sum()), unsafe=True)
    assert layer.weight.shape == () and layer.weight.dtype == vg.float64
    with pytest.raises(RuntimeError, match="expected a tensor with dtype .*float32 in place of the original"):
        remove_parametrizations(layer, "weight")
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.shape == (2, 2)


def test_an_error_of_a_parametrization_is_the_one_that_is_seen():
    layer = nn.Linear(2, 2)
    module = Counting()
    register_parametrization(layer, "weight", module)

    def failing(x):
        raise AttributeError("of its own")

    module.forward = failing
    with pytest.raises(AttributeError, match="of its own"):
        layer.weight  # noqa: B018


def train(lib, register, steps=3):
    """A few steps, and what the state dict has then; the library's own numbers replaced by given ones."""
    layer = lib.nn.Linear(3, 3, dtype=lib.float64)
    values = np.random.default_rng(0)
    layer.load_state_dict({k: lib.tensor(values.normal(size=v.shape)) for k, v in layer.state_dict().items()})
    register(lib, layer)
    optimizer = lib.optim.SGD(layer.parameters(), lr=0.05, momentum=0.9)
    x = lib.tensor(values.normal(size=(5, 3)))
    for _ in range(steps):
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
    gradients = {name: p.grad.numpy() for name, p in layer.named_parameters()}
    state = {name: value.numpy() for name, value in layer.state_dict().items()}
    return state, gradients, layer.weight.detach().numpy()


def chain(lib, layer):
    first, second, _ = modules(lib)
    lib.nn.utils.parametrize.register_parametrization(layer, "weight", first())
    lib.nn.utils.parametrize.register_parametrization(layer, "weight", second(1.5))
    lib.nn.utils.parametrize.register_parametrization(layer, "bias", second(0.5))


def product(lib, layer):
    lib.nn.utils.parametrize.register_parametrization(layer, "weight", modules(lib)[2]())


def removed(lib, layer):
    chain(lib, layer)
    lib.nn.utils.parametrize.remove_parametrizations(layer, "weight")


@pytest.mark.parametrize("register", [chain, product, removed])
def test_training_is_that_of_pytorch(register):
    torch = pytest.importorskip("torch")
    for one, two in zip(train(vg, register), train(torch, register), strict=True):
        if isinstance(one, dict):
            assert list(one) == list(two)
            for name in one:
                np.testing.assert_allclose(one[name], two[name], rtol=1e-12)
        else:
            np.testing.assert_allclose(one, two, rtol=1e-12)


def test_names_and_errors_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.parametrize
    assert sorted(parametrize.__all__) == sorted(theirs.__all__)
    for forward, inverse in (
        (lambda x: 3, None), (lambda x: x.sum(), None), (lambda x: x.double(), None),
        (lambda x: x, lambda x: 3), (lambda x: x, lambda x: (x, 3)), (lambda x: x, lambda x: x.double()),
    ):  # fmt: skip
        for before in (False, True):
            kinds = []
            for lib in (vg, torch):
                layer = lib.nn.Linear(2, 2)
                module = lib.nn.Module()
                module.forward = forward
                if inverse is not None:
                    module.right_inverse = inverse
                if before:
                    lib.nn.utils.parametrize.register_parametrization(layer, "weight", modules(lib)[1](1.0))
                with pytest.raises(ValueError) as found:
                    lib.nn.utils.parametrize.register_parametrization(layer, "weight", module)
                kinds.append(type(found.value))
            assert kinds[0] is kinds[1]
