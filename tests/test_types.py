"""Typed constructors, `Tensor.type`, finfo and iinfo, and questions about dtypes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import verigrad as vg

NAMES = {
    "FloatTensor": vg.float32,
    "DoubleTensor": vg.float64,
    "LongTensor": vg.int64,
    "IntTensor": vg.int32,
    "ByteTensor": vg.uint8,
    "BoolTensor": vg.bool,
}
DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]
cpu_only = pytest.mark.host("the constructors are those of the CPU")


@cpu_only
@pytest.mark.parametrize("name", NAMES)
def test_a_typed_constructor(name: str) -> None:
    make = getattr(vg, name)
    assert make.__name__ == name and make.dtype == NAMES[name] and not make.is_cuda
    for made, shape in (
        (make(), (0,)),
        (make(2, 3), (2, 3)),
        (make(vg.Size((2,))), (2,)),
        (make(size=(4,)), (4,)),
        (make(np.int64(3)), (3,)),
    ):
        assert made.dtype == NAMES[name] and made.shape == shape
        assert isinstance(made, make) and made.type() == f"verigrad.{name}"
    assert make([[1, 0]]).tolist() == vg.tensor([[1, 0]], dtype=NAMES[name]).tolist()
    assert make((1, 0)).tolist() == make(np.array([1, 0])).tolist() == make(range(1, -1, -1)).tolist()
    source = make([1, 0])
    shared = make(source)
    assert shared is not source and shared.data_ptr() == source.data_ptr()
    assert source.new(2).shape == (2,) and source.new([1]).dtype == NAMES[name]


@cpu_only
def test_what_a_constructor_is_asked() -> None:
    x = vg.ones(2)
    assert isinstance(vg.nn.Parameter(x), vg.FloatTensor) and not isinstance(x, vg.LongTensor)
    assert not isinstance(2.0, vg.FloatTensor)
    assert vg.FloatTensor.fill_ is not None
    assert repr(vg.FloatTensor) == "<class 'verigrad.FloatTensor'>"
    assert repr(vg.cuda.FloatTensor) == "<class 'verigrad.cuda.FloatTensor'>"
    assert vg.cuda.LongTensor.is_cuda


@cpu_only
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((2.5,), TypeError, "data must be a sequence"),
        (("a",), TypeError, "invalid data type 'str'"),
        ((vg.tensor([1]),), TypeError, "FloatTensor: expected a tensor of"),
        (([1], [2]), TypeError, "FloatTensor: expected sizes or data, got 2"),
        ((-1,), RuntimeError, "non-negative"),
        (([1.0, [2.0]],), TypeError, "tensor"),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        vg.FloatTensor(*arguments)


def test_a_device_of_the_wrong_kind() -> None:
    with pytest.raises(RuntimeError, match="expected a cuda device, got cpu"):
        vg.cuda.FloatTensor(2, device="cpu")
    if not vg.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            vg.cuda.FloatTensor(2)


@cpu_only
@pytest.mark.parametrize("name", NAMES)
def test_type_casts(name: str) -> None:
    x = vg.tensor([0.0, 1.0, 2.0])
    for given in (getattr(vg, name), f"verigrad.{name}", f"torch.{name}", NAMES[name]):
        cast = x.type(given)
        assert cast.dtype == NAMES[name] and cast.tolist() == x.to(NAMES[name]).tolist()
    assert x.type(vg.FloatTensor) is x and x.type(dtype=vg.float32) is x
    assert x.type(vg.Tensor) is x
    assert vg.typename(x) == x.type() == "verigrad.FloatTensor"


def test_type_refuses() -> None:
    for given, error in (("FloatTensor", ValueError), ("torch.HalfTensor", ValueError), (3, TypeError)):
        with pytest.raises(error, match="type: "):
            vg.ones(2).type(given)


@cpu_only
def test_module_type() -> None:
    model = vg.nn.Linear(2, 2)
    assert model.type("torch.DoubleTensor").weight.dtype == vg.float64
    assert model.type(vg.FloatTensor).weight.type() == "verigrad.FloatTensor"
    with pytest.raises(TypeError, match="Module.type"):
        model.type(3)
    with pytest.raises(RuntimeError, match="floating point"):
        model.type(vg.LongTensor)


@cpu_only
def test_set_default_tensor_type() -> None:
    vg.set_default_tensor_type("torch.DoubleTensor")
    assert vg.ones(1).dtype == vg.float64
    vg.set_default_tensor_type(vg.FloatTensor)
    assert vg.ones(1).dtype == vg.float32
    for wrong, error in ((vg.LongTensor, TypeError), ("torch.LongTensor", TypeError), ("Float", ValueError)):
        with pytest.raises(error):
            vg.set_default_tensor_type(wrong)
    with pytest.raises(TypeError, match="set_default_tensor_type"):
        vg.set_default_tensor_type(vg.float32)
    assert vg.get_default_dtype() == vg.float32


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_finfo(name: str) -> None:
    ours, theirs = vg.finfo(getattr(vg, name)), np.finfo(name)
    for attribute in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
        assert getattr(ours, attribute) == pytest.approx(float(getattr(theirs, attribute)), rel=1e-6)
    assert (ours.eps, ours.max, ours.tiny) == (float(theirs.eps), float(theirs.max), float(theirs.tiny))
    assert ours.dtype == name and ours == vg.finfo(getattr(vg, name))
    assert (ours == vg.finfo(vg.float32)) == (name == "float32")
    assert len({ours, vg.finfo(getattr(vg, name))}) == 1


@pytest.mark.parametrize("name", ["uint8", "int32", "int64"])
def test_iinfo(name: str) -> None:
    ours, theirs = vg.iinfo(getattr(vg, name)), np.iinfo(name)
    assert (ours.bits, ours.min, ours.max, ours.dtype) == (theirs.bits, theirs.min, theirs.max, name)
    assert vg.finfo() == vg.finfo(vg.get_default_dtype()) != ours


def test_infos_refuse() -> None:
    for call in (
        lambda: vg.finfo(vg.int32),
        lambda: vg.finfo("float32"),  # type: ignore[arg-type]
        lambda: vg.iinfo(vg.float32),
        lambda: vg.iinfo(vg.bool),
    ):
        with pytest.raises(TypeError, match="info"):
            call()


def test_infos_print_as_torchs() -> None:
    torch = pytest.importorskip("torch")
    for name in DTYPES[:-1]:
        kind = "finfo" if "float" in name else "iinfo"
        assert repr(getattr(vg, kind)(getattr(vg, name))) == repr(getattr(torch, kind)(getattr(torch, name)))


@pytest.mark.parametrize("source", DTYPES)
def test_can_cast_as_torch(source: str) -> None:
    torch = pytest.importorskip("torch")
    for target in DTYPES:
        ours = vg.can_cast(getattr(vg, source), getattr(vg, target))
        assert ours == torch.can_cast(getattr(torch, source), getattr(torch, target)), target


def test_can_cast() -> None:
    assert vg.can_cast(vg.float64, vg.float32) and vg.can_cast(from_=vg.bool, to=vg.uint8)
    assert not vg.can_cast(vg.float32, vg.int64) and not vg.can_cast(vg.int64, vg.bool)
    with pytest.raises(TypeError, match="argument 2"):
        vg.can_cast(vg.bool, 2)  # type: ignore[arg-type]


def test_questions() -> None:
    x, n = vg.ones(2), vg.ones(1, dtype=vg.uint8)
    assert vg.is_tensor(x) and not vg.is_tensor([1.0]) and not vg.is_storage(x)
    assert vg.is_floating_point(x) and not vg.is_floating_point(n)
    assert x.is_signed() and vg.is_signed(x) and not n.is_signed() and not vg.is_signed(vg.bool)
    for question in ("is_complex", "is_conj", "is_neg"):
        assert not getattr(vg, question)(x) and not getattr(x, question)()
    assert not vg.is_inference(x)
    assert n.is_nonzero() and not vg.is_nonzero(vg.zeros(1))
    assert x.is_same_size(vg.zeros(2)) and not vg.is_same_size(x, n)
    with pytest.raises(RuntimeError, match="ambiguous"):
        vg.is_nonzero(x)
    for question in ("complex", "floating_point", "nonzero", "signed", "conj", "neg", "inference"):
        with pytest.raises(TypeError, match=f"is_{question}"):
            getattr(vg, f"is_{question}")(2.0)
    for kind in ("sparse", "sparse_csr", "quantized", "meta", "nested", "mps", "xpu", "mkldnn"):
        assert getattr(x, f"is_{kind}") is False


def test_typename() -> None:
    assert vg.typename(3) == "int" and vg.typename(vg.nn.Linear(1, 1)) == "verigrad.nn.linear.Linear"


def test_constants() -> None:
    import math

    assert (vg.pi, vg.e, vg.inf, vg.newaxis) == (math.pi, math.e, math.inf, None) and math.isnan(vg.nan)


def test_every_public_name_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    own = {"OutOfMemoryError", "training", "vision", "data", "compat", "viz"}
    extra = {name for name in vg.__all__ if not hasattr(torch, name)} - own
    assert not extra


def test_a_device_shows_the_number_that_it_was_given() -> None:
    bare, first = vg.device("cuda"), vg.device("cuda:0")
    assert str(bare) == "cuda" and repr(bare) == "device(type='cuda')" and bare.index is None
    assert str(first) == "cuda:0" and repr(first) == "device(type='cuda', index=0)" and first.index == 0
    assert bare == first and hash(bare) == hash(first)
    for again in (vg.device(bare), copy.deepcopy(bare), pickle.loads(pickle.dumps(bare))):
        assert str(again) == "cuda" and again == bare
    assert str(vg.device("cuda", 0)) == "cuda:0" and vg.device("cpu").index is None
    with pytest.raises(TypeError, match="argument 'type' must be str or device, not int"):
        vg.device(3)
    torch = pytest.importorskip("torch")
    for t_name in ("cuda", "cuda:0", "cpu"):
        ours, theirs = vg.device(t_name), torch.device(t_name)
        assert (str(ours), repr(ours), ours.index) == (str(theirs), repr(theirs), theirs.index)


def test_a_tensor_of_the_device_has_its_number() -> None:
    if not vg.cuda.is_available():
        pytest.skip("needs a CUDA device")
    bare = vg.device("cuda")
    x = vg.ones(2, device=bare)
    assert str(x.device) == "cuda:0" and x.device == bare and str(x.to(bare).device) == "cuda:0"
    assert vg.cuda.get_device_name(bare) == vg.cuda.get_device_name(0)
