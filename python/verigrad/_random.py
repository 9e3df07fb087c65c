"""The default generator."""

from __future__ import annotations

from ._C import Generator, Tensor, _cuda, default_generator

__all__ = ["get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


def manual_seed(seed: int) -> Generator:
    """Starts the default generators of all devices at the beginning of the stream of ``seed``.

    64 bits; negative seeds wrap. Returns the CPU's. Raises ValueError for a seed of more than 64 bits.
    """
    default_generator.manual_seed(seed)
    _cuda.seed_devices(default_generator.initial_seed())
    return default_generator


def seed() -> int:
    """Seeds the default generator from the operating system and returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The position of the default generator, a uint8 tensor of 16 elements."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator at a position that ``get_rng_state`` gave."""
    default_generator.set_state(new_state)
