"""A mixed-precision loop gives the bits of a plain one."""

from __future__ import annotations

import pytest

import verigrad as vg
from verigrad import nn
from verigrad.cuda import amp as cuda_amp


def train(mixed: bool) -> list[float]:
    vg.manual_seed(1)
    model = nn.Linear(3, 1)
    optimizer = vg.optim.SGD(model.parameters(), 0.1)
    scaler = vg.amp.GradScaler("cpu", enabled=mixed)
    x, y = vg.randn(8, 3), vg.randn(8, 1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        with vg.autocast("cpu", enabled=mixed):
            loss = nn.functional.mse_loss(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses


def test_a_mixed_loop_is_the_plain_one() -> None:
    assert train(True) == train(False)
    assert not vg.is_autocast_enabled() and not vg.amp.is_autocast_available("cpu")


def test_a_scaler_is_not_enabled() -> None:
    scaler = vg.GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    scaler.load_state_dict({"scale": 65536.0})
    assert scaler.get_scale() == 1.0


def test_autocast_is_a_decorator() -> None:
    @vg.autocast("cuda", dtype=vg.float32)
    def f(x: vg.Tensor) -> vg.Tensor:
        """Doubles."""
        return x * 2

    assert f(vg.ones(1)).item() == 2.0 and f.__doc__ == "Doubles."
    with cuda_amp.autocast():
        assert vg.ones(1).dtype == vg.float32


def test_custom_forward_and_backward_stay_themselves() -> None:
    def f(x: int) -> int:
        return x

    assert vg.amp.custom_fwd(f, device_type="cuda") is f and vg.amp.custom_bwd(device_type="cpu")(f) is f
    assert cuda_amp.custom_fwd(f) is f and cuda_amp.custom_bwd()(f) is f


def test_wrong_arguments() -> None:
    with pytest.raises(RuntimeError, match="no half types, got verigrad.float64"):
        vg.autocast("cpu", dtype=vg.float64)
    with pytest.raises(AttributeError, match="use float32"):
        vg.autocast("cuda", dtype=vg.float16)
    with pytest.raises(ValueError, match="got 'tpu'"):
        vg.autocast("tpu")
    with pytest.raises(ValueError, match="device_type"):
        vg.autocast(vg.float32)  # type: ignore[arg-type]
