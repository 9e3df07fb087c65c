"""``GradScaler``, which has nothing to scale in float32."""

from __future__ import annotations

from typing import Any

__all__ = ["GradScaler"]


class GradScaler:
    """What a training loop calls around ``backward`` and ``step`` for mixed precision: here it does nothing.

    It behaves as PyTorch's with ``enabled=False``: the scale is 1, `step` calls the optimizer's.

    Args:
        device, init_scale, growth_factor, backoff_factor, growth_interval, enabled: say how float16 gradients
            are scaled; there are none.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device

    def scale(self, outputs: Any) -> Any:
        """The outputs as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Leaves the gradients as they are."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)``."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Leaves the scale at 1."""

    def is_enabled(self) -> bool:
        """False."""
        return False

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes any state; that of an enabled scaler of PyTorch has no meaning here."""
