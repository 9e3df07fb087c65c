"""einops takes verigrad's tensors, in whichever order the two are imported."""

import gc
import subprocess
import sys
import types

import numpy as np
import pytest

import verigrad as vg
from verigrad import _einops


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_library_does_not_import_einops() -> None:
    run("import sys, verigrad; assert 'einops' not in sys.modules")


@pytest.mark.parametrize(
    "imports",
    [
        "import verigrad as vg, einops",
        "import einops, verigrad as vg",
        "import numpy, einops; einops.rearrange(numpy.ones(2), 'a -> a 1'); import verigrad as vg",
        "import verigrad as vg, numpy, einops; einops.rearrange(numpy.ones(2), 'a -> a 1')",
        "import verigrad as vg; from einops import layers; import einops",
    ],
)
def test_the_order_of_imports_does_not_matter(imports: str) -> None:
    pytest.importorskip("einops")
    code = f"""
{imports}
import sys
assert einops.rearrange(vg.arange(6).view(2, 3), "a b -> (b a)").tolist() == [0, 3, 1, 4, 2, 5]
assert not any(type(each).__module__ == "verigrad._einops" for each in sys.meta_path)
import inspect
assert inspect.getsource(einops._backends)
"""
    run(code)


def test_the_class_is_derived_once_and_only_of_what_is_there() -> None:
    class Base:
        framework_name = ""

    backends = types.SimpleNamespace(AbstractBackend=Base)
    for _ in range(2):
        _einops._derive(backends)
    gc.collect()
    assert len(Base.__subclasses__()) == 1
    _einops._derive(types.SimpleNamespace())


def test_a_program_for_pytorch_with_einops_runs() -> None:
    pytest.importorskip("einops")
    code = """
from verigrad import compat
compat.install()
import torch
from einops import rearrange
from einops.layers.torch import Rearrange
x = torch.arange(6.0).view(1, 2, 3).requires_grad_()
rearrange(x, "b t c -> b (c t)").sum().backward()
assert x.grad.tolist() == [[[1.0] * 3] * 2]
assert torch.nn.Sequential(Rearrange("b t c -> b (t c)"), torch.nn.Linear(6, 2))(x).shape == (1, 2)
"""
    run(code)


PATTERNS = {
    "rearrange": lambda e, x: e.rearrange(x, "b c h w -> b (h w) c"),
    "split": lambda e, x: e.rearrange(x, "b c (h a) (w d) -> (a d b) c h w", a=2, d=2),
    "ellipsis": lambda e, x: e.rearrange(x, "b ... -> (...) b"),
    "ones": lambda e, x: e.rearrange(x[:1], "1 c h w -> c h 1 w"),
    "list": lambda e, x: e.rearrange([x, x + 1], "n b c h w -> b n c h w"),
    "repeat": lambda e, x: e.repeat(x, "b c h w -> b (c k) h new w", k=2, new=3),
    **{
        name: lambda e, x, name=name: e.reduce(x, "b c (h a) (w d) -> b h w", name, a=2, d=2)
        for name in ("min", "max", "sum", "mean", "prod")
    },
    "to a number": lambda e, x: e.reduce(x, "... ->", "mean"),
    "einsum": lambda e, x: e.einsum(x, x * 2, "b c h w, b k h w -> b c k"),
    "einsum, ellipsis": lambda e, x: e.einsum(x, x[0], "b ... w, ... w -> b ..."),
    "pack": lambda e, x: e.pack([x, x[:, :, 0]], "b c *")[0],
    "unpack": lambda e, x: e.unpack(e.pack([x, x[:, :, 0]], "b c *")[0], [[4, 4], [4]], "b c *")[1],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_values_are_those_of_numpy_and_gradients_flow(name: str) -> None:
    einops = pytest.importorskip("einops")
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    x = vg.tensor(array, requires_grad=True)
    found = PATTERNS[name](einops, x)
    assert isinstance(found, vg.Tensor) and found.device == x.device
    wanted = PATTERNS[name](einops, array)
    np.testing.assert_allclose(found.detach().cpu().numpy(), wanted, rtol=1e-13, atol=1e-13)
    assert vg.autograd.gradcheck(lambda x: PATTERNS[name](einops, x), (x,))


@pytest.mark.parametrize("name", PATTERNS)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    einops = pytest.importorskip("einops")
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    results = []
    for lib in (vg, torch):
        x = lib.tensor(array, requires_grad=True)
        found = PATTERNS[name](einops, x)
        (found * found).sum().backward()
        results.append((found.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_bools_integers_and_what_else_einops_asks() -> None:
    einops = pytest.importorskip("einops")
    mask = vg.tensor([[True, False], [True, True]])
    assert einops.reduce(mask, "a b -> a", "all").tolist() == [False, True]
    assert einops.reduce(mask, "a b -> b", "any").tolist() == [True, True]
    assert einops.parse_shape(vg.zeros(2, 3), "a _") == {"a": 2}
    assert type(einops.asnumpy(vg.zeros(2, requires_grad=True))) is np.ndarray
    with pytest.raises(NotImplementedError, match="reduce_mean is not available for non-floating tensors"):
        einops.reduce(vg.arange(4), "a -> ", "mean")
    with pytest.raises(einops.EinopsError, match="Shape mismatch"):
        einops.rearrange(vg.zeros(3), "(a b) -> a b", a=2)
    # What its own tests of backends call.
    backend = einops._backends.get_backend(mask)
    assert backend.framework_name == "verigrad" and backend.layers().Rearrange
    assert backend.from_numpy(np.ones(2)).requires_grad and not backend.from_numpy(np.arange(2)).requires_grad
    assert backend.arange(1, 3).tolist() == [1, 2]
    assert backend.tile(vg.ones(1, 2), (2, 1)).shape == (2, 2) and backend.add_axis(mask, 0).shape == (
        1,
        2,
        2,
    )
