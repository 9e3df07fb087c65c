"""The memory of tensors as objects, the layout, and sizes changed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg


def test_the_untyped_storage_is_the_whole_memory() -> None:
    x = vg.arange(6, dtype=vg.int32).reshape(2, 3)
    whole, part = x.untyped_storage(), x[1].untyped_storage()
    assert whole.nbytes() == whole.size() == len(whole) == part.nbytes() == 24
    assert whole.data_ptr() == part.data_ptr() == x.data_ptr() != x[1].data_ptr()
    assert whole[4] == 1 and whole.tolist()[:8] == [0, 0, 0, 0, 1, 0, 0, 0] and list(whole) == whole.tolist()
    assert whole.device == x.device and not whole.is_cuda and whole.element_size() == 1
    assert repr(whole) == "[verigrad.storage.UntypedStorage(device=cpu) of size 24]"
    assert vg.is_storage(whole) and not vg.is_storage(x)
    del x
    assert whole[4] == 1  # the storage keeps its memory


def test_the_typed_storage_has_the_elements() -> None:
    x = vg.ones(2, 2)
    memory = x[1].storage()
    assert memory.size() == len(memory) == 4 and memory.nbytes() == 16 and memory.element_size() == 4
    memory[0] = 5
    assert (
        x.tolist() == [[5.0, 1.0], [1.0, 1.0]] and memory[0] == 5.0 and list(memory) == [5.0, 1.0, 1.0, 1.0]
    )
    assert memory.dtype == vg.float32 and memory.untyped().data_ptr() == memory.data_ptr() == x.data_ptr()
    assert "TypedStorage(dtype=verigrad.float32, device=cpu) of size 4" in repr(memory)
    assert vg.empty(0).untyped_storage().nbytes() == 0


def test_the_layout() -> None:
    assert vg.ones(2).layout is vg.strided and repr(vg.strided) == "verigrad.strided"
    assert isinstance(vg.strided, vg.layout)
    with pytest.raises(TypeError, match="cannot create"):
        vg.layout()


def resizes(t: Any) -> dict[str, Callable[[], Any]]:
    def of_view() -> Any:
        x = t.arange(6)
        return x[2:4].resize_(3), x

    def grown() -> Any:
        x = t.arange(4)
        y = x.resize_(2, 4)
        return y is x, x[0], tuple(x.shape)

    def back() -> Any:
        x = t.arange(4)
        return x.resize_(2).resize_(4)

    return {
        "a matrix": lambda: t.arange(4).resize_(2, 2),
        "fewer": lambda: t.arange(4).resize_(2),
        "a tuple": lambda: t.arange(4).resize_((1, 3)),
        "no dimensions": lambda: t.arange(4).resize_(()),
        "of a view": of_view,
        "of columns": lambda: t.arange(6).reshape(2, 3).t().resize_(2, 2),
        "the same size": lambda: t.arange(6).reshape(2, 3).t().resize_(3, 2),
        "grown": grown,
        "back": back,
        "as another": lambda: t.arange(4).resize_as_(t.ones(2, 2)),
        "a gradient": lambda: t.ones(4, requires_grad=True).resize_(2),
        "negative": lambda: t.arange(4).resize_(-1),
    }


def shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return [shown(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return shown(call())
    except Exception as error:
        return type(error)


def test_resize_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = resizes(vg), resizes(torch)
    for name in ours:
        assert outcome(ours[name]) == outcome(theirs[name]), name


def test_resize_() -> None:
    x = vg.arange(4)
    address = x.data_ptr()
    assert x.resize_(2) is x and x.tolist() == [0, 1] and x.data_ptr() == address
    assert x.resize_(4).tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="resize_: expected sizes of 0 or more, got"):
        x.resize_(2, -1)
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        vg.ones(2, requires_grad=True).resize_(1)
    assert x.tolist() == [0, 1, 2, 3]
