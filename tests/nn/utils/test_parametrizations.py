"""Orthogonal matrices, spectral and weight normalisation as parametrizations: values, gradients, state dicts
that PyTorch and verigrad give to each other, errors."""

import copy
import pickle

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.utils import parametrize
from verigrad.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

MAPS = ["matrix_exp", "cayley", "householder"]
lapack = pytest.mark.host("LAPACK is of CPU tensors alone")


def holder(lib, *shape, dtype="float64"):
    module = lib.nn.Module()
    values = np.random.default_rng(len(shape)).normal(size=shape)
    module.weight = lib.nn.Parameter(lib.tensor(values, dtype=getattr(lib, dtype)))
    return module


def is_orthogonal(q, tolerance=1e-12):
    if q.shape[-2] < q.shape[-1]:
        q = q.transpose(-2, -1)
    return vg.allclose(q.transpose(-2, -1) @ q, vg.eye(q.shape[-1], dtype=q.dtype), atol=tolerance)


def originals(module):
    return {name: value for name, value in module.named_parameters() if "original" in name}


# -- orthogonal ----------------------------------------------------------------------------------------------


@lapack
@pytest.mark.parametrize("use_trivialization", [True, False])
@pytest.mark.parametrize("orthogonal_map", [None, *MAPS])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3), (2, 4, 3), (2, 1, 3), (1, 1)])
def test_the_weight_is_orthogonal_before_and_after_training(shape, orthogonal_map, use_trivialization):
    module = holder(vg, *shape)
    before = module.weight.detach().clone()
    assert orthogonal(module, "weight", orthogonal_map, use_trivialization=use_trivialization) is module
    assert module.weight.shape == shape and is_orthogonal(module.weight)
    chosen = module.parametrizations.weight[0].orthogonal_map
    assert chosen == (orthogonal_map or ("matrix_exp" if shape[-1] == shape[-2] else "householder"))
    if use_trivialization or chosen == "householder":  # it begins as Q of the weight's QR decomposition
        tall = before if shape[-2] >= shape[-1] else before.transpose(-2, -1)
        q, r = vg.linalg.qr(tall)
        q = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        assert vg.allclose(module.weight, q if shape[-2] >= shape[-1] else q.transpose(-2, -1), atol=1e-12)
    optimizer = vg.optim.SGD(module.parameters(), lr=0.1)
    aim = vg.linspace(-1.0, 1.0, before.numel(), dtype=vg.float64).reshape(shape)
    losses = []
    for _ in range(5):
        loss = (module.weight - aim).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert is_orthogonal(module.weight)
    assert losses[-1] < losses[0] or shape[-1] == shape[-2] == 1
    parametrize.remove_parametrizations(module, "weight")
    assert is_orthogonal(module.weight) and isinstance(module.weight, nn.Parameter)


@lapack
@pytest.mark.parametrize("orthogonal_map", MAPS)
def test_an_orthogonal_weight_stays_and_can_be_assigned(orthogonal_map):
    module = holder(vg, 3, 3)
    q = vg.linalg.qr(module.weight.detach()).Q  # perhaps a reflection
    module.weight = nn.Parameter(q.clone())
    orthogonal(module, orthogonal_map=orthogonal_map)
    assert vg.allclose(module.weight, q, atol=1e-14)
    module.weight = -q
    assert vg.allclose(module.weight, -q, atol=1e-14)
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices of shape"):
        module.weight = vg.ones(2, 3, dtype=vg.float64)


@lapack
def test_without_trivialisations():
    module = orthogonal(holder(vg, 3, 3), use_trivialization=False)
    with pytest.raises(NotImplementedError, match="not possible to assign to the matrix exponential"):
        module.weight = vg.eye(3, dtype=vg.float64)
    for rows in (vg.eye(3), -vg.eye(3), vg.eye(4)[:, :3], vg.tensor([[0.0, 1.0], [1.0, 0.0]])):
        module = holder(vg, *rows.shape)
        orthogonal(module, orthogonal_map="householder", use_trivialization=False)
        module.weight = rows.double()
        assert vg.allclose(module.weight, rows.double(), atol=1e-14)


@lapack
def test_on_top_of_another_parametrization():
    module = weight_norm(holder(vg, 3, 3))
    orthogonal(module)
    assert is_orthogonal(module.weight) and module.parametrizations.weight[1].base is None


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_the_exponential_is_for_every_device(shape):
    module = orthogonal(holder(vg, *shape), orthogonal_map="matrix_exp")
    optimizer = vg.optim.SGD(module.parameters(), lr=0.1)
    (module.weight * vg.arange(shape[0] * shape[1]).reshape(shape)).sum().backward()
    before = module.weight.detach()
    optimizer.step()
    assert is_orthogonal(module.weight) and not vg.allclose(module.weight, before)
    assert module.weight.device == before.device == module.parametrizations.weight.original.grad.device


class OnCuda(nn.Parameter):
    """A parameter that says that it is elsewhere."""

    is_cpu = False
    device = "cuda:0"


@pytest.mark.parametrize(
    ("orthogonal_map", "needed"),
    [("cayley", "solve"), ("householder", "householder_product"), (None, "house")],
)
def test_maps_for_the_cpu_name_what_they_need(orthogonal_map, needed):
    module = nn.Module()
    module.weight = OnCuda(vg.ones(3, 2))
    with pytest.raises(NotImplementedError, match=rf"needs linalg\.{needed}.* on cuda:0; use .*matrix_exp"):
        orthogonal(module, orthogonal_map=orthogonal_map)
    assert type(module) is nn.Module and not hasattr(module, "parametrizations")
    moved = orthogonal(nn.Linear(2, 3).cpu(), orthogonal_map=orthogonal_map)
    with pytest.raises(NotImplementedError, match=rf"needs linalg\.{needed}"):
        moved.parametrizations.weight[0](OnCuda(vg.ones(3, 2)))


def test_errors_of_orthogonal():
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'other'"):
        orthogonal(nn.Linear(2, 2), "other")
    with pytest.raises(ValueError, match="Got a tensor of 1 dimensions"):
        orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="orthogonal_map has to be one of .* Got: x"):
        orthogonal(nn.Linear(2, 2), orthogonal_map="x")


# -- weight normalisation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, None, -1])
def test_weight_norm_is_that_of_the_hook(dim):
    layer, other = nn.Linear(3, 2), nn.Linear(3, 2)
    other.load_state_dict(layer.state_dict())
    before = layer.weight.detach().clone()
    assert weight_norm(layer, dim=dim) is layer
    nn.utils.weight_norm(other, dim=dim)
    assert vg.allclose(layer.weight, before)
    assert list(layer.state_dict()) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    x = vg.randn(4, 3)
    for each in (layer, other):
        each(x).square().sum().backward()
    g, v = originals(layer).values()
    assert vg.allclose(g.grad, other.weight_g.grad) and vg.allclose(v.grad, other.weight_v.grad)
    with vg.no_grad():
        g.mul_(2.0)
    assert vg.allclose(layer.weight, 2 * before)


def test_weight_norm_takes_state_dicts_of_the_hook():
    layer, old = weight_norm(nn.Linear(3, 2)), nn.utils.weight_norm(nn.Linear(3, 2))
    net = nn.Sequential(layer)
    net.load_state_dict({f"0.{key}": value for key, value in old.state_dict().items()})
    x = vg.randn(4, 3)
    assert vg.allclose(net(x), old(x))
    parametrize.remove_parametrizations(layer, "weight")
    with pytest.raises(RuntimeError, match='Missing .*"weight".*(.|\n)*Unexpected .*"weight_g"'):
        layer.load_state_dict(old.state_dict())


# -- spectral normalisation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [None, 0, 1, -1])
def test_spectral_norm_divides_by_the_largest_singular_value(dim):
    layer = nn.Conv2d(3, 4, 2)
    weight = layer.weight.detach().clone()
    assert spectral_norm(layer, dim=dim, n_power_iterations=20) is layer
    for _ in range(10):
        layer.weight  # noqa: B018
    matrix = weight if dim in (None, 0) else weight.permute(dim % 4, *[d for d in range(4) if d != dim % 4])
    largest = np.linalg.svd(matrix.reshape(matrix.shape[0], -1).numpy())[1][0]
    np.testing.assert_allclose(layer.weight.detach().numpy(), weight.numpy() / largest, rtol=1e-4)
    assert list(layer.state_dict()) == [
        "bias",
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ]
    u = layer.parametrizations.weight[0]._u
    layer.eval()
    before = u.clone()
    layer.weight  # noqa: B018
    assert vg.equal(u, before)


def test_spectral_norm_of_a_vector_is_its_length():
    layer = spectral_norm(nn.Linear(2, 2), "bias")
    assert layer.bias.norm().item() == pytest.approx(1.0)
    assert list(layer.state_dict()) == ["weight", "parametrizations.bias.original"]
    layer.bias = vg.tensor([3.0, 4.0])
    assert layer.bias.tolist() == pytest.approx([0.6, 0.8])


def test_spectral_norm_of_two_passes_and_of_the_transposed():
    layer = spectral_norm(nn.ConvTranspose1d(2, 3, 2))
    assert layer.parametrizations.weight[0]._u.shape == (3,)
    (layer(vg.ones(1, 2, 4)) - layer(vg.zeros(1, 2, 4))).sum().backward()
    assert layer.parametrizations.weight.original.grad.abs().sum() > 0


def test_errors_of_normalisation():
    with pytest.raises(ValueError, match="Expected n_power_iterations to be positive, but got .*=0"):
        spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\] but got 2"):
        spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'other'"):
        spectral_norm(nn.Linear(2, 2), "other")
    with pytest.raises(ValueError, match="does not have a parameter, a buffer"):
        weight_norm(nn.Linear(2, 2), "other")
    layer = nn.Linear(2, 2)
    with pytest.raises(IndexError, match="expected dim within"):
        weight_norm(layer, dim=2)
    assert type(layer) is nn.Linear and not layer._state_hooks


# -- copies, and PyTorch -------------------------------------------------------------------------------------


def normalised(lib, kind, **options):
    layer = lib.nn.Linear(4, 3, dtype=lib.float64)
    getattr(lib.nn.utils.parametrizations, kind)(layer, **options)
    return layer


CASES = {
    "weight_norm": ("weight_norm", {}),
    "weight_norm, whole": ("weight_norm", {"dim": None}),
    "spectral_norm": ("spectral_norm", {"n_power_iterations": 2}),
    "spectral_norm, columns": ("spectral_norm", {"dim": 1}),
    "spectral_norm, vector": ("spectral_norm", {"name": "bias"}),
    **{f"orthogonal, {each}": ("orthogonal", {"orthogonal_map": each}) for each in MAPS},
    "orthogonal, plain": ("orthogonal", {"orthogonal_map": "householder", "use_trivialization": False}),
    "orthogonal, plain cayley": ("orthogonal", {"orthogonal_map": "cayley", "use_trivialization": False}),
}


@lapack
@pytest.mark.parametrize("case", CASES)
def test_copies_pickles_casts_and_checkpoints(case, tmp_path):
    name, options = CASES[case]
    layer = normalised(vg, name, **options)
    layer.eval()
    tensor = options.get("name", "weight")
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert vg.equal(getattr(other, tensor), getattr(layer, tensor))
    vg.save(layer.state_dict(), tmp_path / "layer.safetensors")
    other = normalised(vg, name, **options).eval()
    other.load_state_dict(vg.load(tmp_path / "layer.safetensors"))
    assert vg.equal(getattr(other, tensor), getattr(layer, tensor))
    other.float()
    assert getattr(other, tensor).dtype == vg.float32
    assert vg.allclose(getattr(other, tensor).double(), getattr(layer, tensor), atol=1e-5)


@lapack
@pytest.mark.parametrize("case", CASES)
def test_state_dicts_and_training_are_those_of_pytorch(case):
    torch = pytest.importorskip("torch")
    name, options = CASES[case]
    tensor = options.get("name", "weight")
    ours, theirs = normalised(vg, name, **options), normalised(torch, name, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    # Ours begins where PyTorch's does.
    ours.load_state_dict({key: vg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 4))
    found = []
    for lib, layer in ((vg, ours), (torch, theirs)):
        optimizer = lib.optim.SGD(layer.parameters(), lr=0.02)
        values = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = (layer(lib.tensor(x)) - 1).square().sum()
            loss.backward()
            values += [loss.item(), *(p.grad.numpy().copy() for p in layer.parameters())]
            optimizer.step()
        layer.eval()
        found.append([*values, getattr(layer, tensor).detach().numpy()])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)
    # And PyTorch takes what came out.
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    np.testing.assert_allclose(
        getattr(theirs, tensor).detach().numpy(),
        getattr(ours, tensor).detach().numpy(),
        rtol=1e-12,
        atol=1e-13,
    )


@lapack
@pytest.mark.parametrize("orthogonal_map", MAPS)
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2)])
def test_maps_and_their_gradients_are_those_of_pytorch(shape, orthogonal_map):
    torch = pytest.importorskip("torch")
    given = np.random.default_rng(1).normal(size=shape)
    weights = np.cos(np.arange(given.size)).reshape(shape)
    found = []
    for lib in (vg, torch):
        module = holder(lib, *shape)
        lib.nn.utils.parametrizations.orthogonal(
            module, "weight", orthogonal_map, use_trivialization=orthogonal_map == "householder"
        )
        if orthogonal_map == "householder":
            module.parametrizations.weight[0].base = None
            del module.parametrizations.weight[0].base
        original = module.parametrizations.weight.original
        # On the diagonal the map by reflections has signs.
        values = given - np.einsum("...ij,ij->...ij", given, np.eye(*shape[-2:])) - np.eye(*shape[-2:])
        original.data = lib.tensor(values if orthogonal_map == "householder" else given)
        (module.weight * lib.tensor(weights)).sum().backward()
        found.append((module.weight.detach().numpy(), original.grad.numpy()))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)


def test_errors_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for name, options in (
        ("orthogonal", {"name": "other"}),
        ("orthogonal", {"name": "bias"}),
        ("orthogonal", {"orthogonal_map": "x"}),
        ("spectral_norm", {"name": "other"}),
        ("spectral_norm", {"dim": 2}),
        ("spectral_norm", {"n_power_iterations": 0}),
        ("weight_norm", {"name": "other"}),
        ("weight_norm", {"dim": 2}),
    ):
        kinds = []
        for lib in (vg, torch):
            with pytest.raises((ValueError, IndexError)) as found:
                normalised(lib, name, **options)
            kinds.append(found.type)
        assert kinds[0] is kinds[1], (name, options)
    assert vg.nn.utils.parametrizations.__all__ == torch.nn.utils.parametrizations.__all__
