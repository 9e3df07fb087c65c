"""What verigrad refuses by name says why, and names the alternative."""

from __future__ import annotations

import pytest

import verigrad as vg
from verigrad import _absent


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("float16", "use float32"),
        ("HalfTensor", "use float32"),
        ("int8", "use int32"),
        ("complex64", "no complex numbers"),
        ("sparse_coo_tensor", "use a dense tensor"),
        ("quantize_per_tensor", "no quantized tensors"),
        ("channels_last", "leave the argument out"),
        ("UntypedStorage", "data_ptr"),
        ("distributed", "one process"),
    ],
)
def test_names_of_the_module(name: str, words: str) -> None:
    assert not hasattr(vg, name)
    with pytest.raises(AttributeError, match=f"module 'verigrad' has no attribute '{name}': .*{words}"):
        getattr(vg, name)


@pytest.mark.parametrize("name", _absent._METHODS.split())
def test_methods(name: str) -> None:
    for owner in (vg.ones(2), vg.nn.Parameter(vg.ones(2)), vg.Tensor):
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=f"has no attribute '{name}': "):
            getattr(owner, name)


def test_other_names_say_no_more() -> None:
    with pytest.raises(AttributeError, match="^module 'verigrad' has no attribute 'no_such_name'$"):
        _ = vg.no_such_name


def test_reasons_are_about_names_of_torch() -> None:
    torch = pytest.importorskip("torch")
    unknown = {name for name in _absent._WHY if not hasattr(torch, name) and not hasattr(torch.Tensor, name)}
    assert not unknown
    assert not {name for name in _absent._WHY if hasattr(vg, name)}
