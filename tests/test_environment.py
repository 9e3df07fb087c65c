"""compile, and switches that change nothing."""

from __future__ import annotations

import pytest

import verigrad as vg
from verigrad import accelerator, jit, onnx


def test_compile_gives_the_model_itself() -> None:
    model = vg.nn.Linear(2, 2)
    assert vg.compile(model) is model and vg.compile(model, mode="max-autotune", fullgraph=True) is model

    @vg.compile
    def f(x: vg.Tensor) -> vg.Tensor:
        return x + 1

    @vg.compile(dynamic=True)
    def g(x: vg.Tensor) -> vg.Tensor:
        return x + 2

    assert f(vg.ones(1)).item() == 2.0 and g(vg.ones(1)).item() == 3.0
    with pytest.raises(TypeError, match="compile: expected a module or a function, got 3"):
        vg.compile(3)


def test_deterministic_algorithms() -> None:
    assert not vg.are_deterministic_algorithms_enabled() and vg.get_deterministic_debug_mode() == 0
    try:
        vg.use_deterministic_algorithms(True, warn_only=True)
        assert vg.are_deterministic_algorithms_enabled()
        assert vg.is_deterministic_algorithms_warn_only_enabled() and vg.get_deterministic_debug_mode() == 1
        vg.set_deterministic_debug_mode("error")
        assert vg.get_deterministic_debug_mode() == 2
        with pytest.raises(RuntimeError, match="got 'all'"):
            vg.set_deterministic_debug_mode("all")
        with pytest.raises(TypeError, match="expected mode to be a bool, got 1"):
            vg.use_deterministic_algorithms(1)  # type: ignore[arg-type]
    finally:
        vg.set_deterministic_debug_mode(0)
    assert not vg.are_deterministic_algorithms_enabled()


def test_threads_between_ops() -> None:
    vg.set_num_interop_threads(4)
    assert vg.get_num_interop_threads() == 1
    for wrong, error in ((0, RuntimeError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="set_num_interop_threads"):
            vg.set_num_interop_threads(wrong)  # type: ignore[arg-type]


def test_warn_always() -> None:
    vg.set_warn_always(True)
    assert vg.is_warn_always_enabled()
    vg.set_warn_always(False)
    assert not vg.is_warn_always_enabled()


def test_accelerator() -> None:
    assert accelerator.is_available() == vg.cuda.is_available()
    if vg.cuda.is_available():
        device = accelerator.current_accelerator()
        assert device is not None and device.type == "cuda"
        assert accelerator.current_device_index() == vg.cuda.current_device()
        accelerator.set_device_index(0)
        accelerator.synchronize()
        return
    assert accelerator.device_count() == 0 and accelerator.current_accelerator() is None
    for call in (accelerator.current_device_index, accelerator.synchronize):
        with pytest.raises(RuntimeError, match="none is available"):
            call()
    with pytest.raises(RuntimeError, match="none is available"):
        accelerator.set_device_index(0)


def test_jit_answers_and_refuses() -> None:
    def f() -> int:
        return 3

    assert not jit.is_scripting() and not jit.is_tracing()
    assert jit.export(f) is f and jit.unused(f) is f and jit.ignore(f) is f and jit.ignore(drop=True)(f) is f
    for name in ("script", "trace", "freeze", "save", "load", "optimize_for_inference"):
        with pytest.raises(NotImplementedError, match=f"jit.{name}: .*; "):
            getattr(jit, name)(f)


def test_onnx_says_what_is_missing() -> None:
    assert not onnx.is_in_onnx_export()
    with pytest.raises(NotImplementedError, match="onnx.export: there is no translation"):
        onnx.export(vg.nn.Linear(1, 1), (vg.ones(1),), "model.onnx")


def test_version() -> None:
    assert vg.version.__version__ == vg.__version__ and vg.version.cuda is None
