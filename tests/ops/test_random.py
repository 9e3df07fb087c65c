"""Random numbers beyond the checks of their records: seeds, states, and arguments of generators."""

from __future__ import annotations

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing.reference import random as reference


def test_philox_gives_the_published_words() -> None:
    # kat_vectors of the authors' Random123 library, "philox4x32 10".
    known = [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for counter, key, words in known:
        assert reference.philox(counter, key) == words


def generator_here() -> vg.Generator:
    """A new one where tensors are made."""
    return vg.Generator(vg.get_default_device())


def test_manual_seed_answers_the_default_generator() -> None:
    made = vg.manual_seed(5)
    assert isinstance(made, vg.Generator)
    assert vg.initial_seed() == 5


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63, 2**64 - 1])
def test_every_seed_of_64_bits_counts(seed: int) -> None:
    first = vg.rand(3, generator=generator_here().manual_seed(seed))
    other = vg.rand(3, generator=generator_here().manual_seed((seed + 1) % 2**64))
    assert first.tolist() != other.tolist()


def test_seed_draws_a_new_one_and_answers_it() -> None:
    generator = generator_here()
    seed = generator.seed()
    first = vg.rand(4, generator=generator).tolist()
    assert vg.rand(4, generator=generator_here().manual_seed(seed)).tolist() == first
    assert generator_here().seed() != seed


def test_state_is_a_uint8_tensor_and_a_wrong_one_is_refused() -> None:
    generator = generator_here().manual_seed(3)
    state = generator.get_state()
    assert state.dtype == vg.uint8
    with pytest.raises(RuntimeError, match="uint8"):
        generator.set_state(vg.zeros(16))
    with pytest.raises(RuntimeError, match="16"):
        generator.set_state(state[:-1])
    assert generator.get_state().tolist() == state.tolist()


def test_one_large_call_and_the_state_after_it_do_not_depend_on_the_threads() -> None:
    found = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        generator = generator_here().manual_seed(7)
        values = [vg.rand(300_007, generator=generator), vg.randn(300_007, generator=generator),
                  vg.randint(0, 1000, (300_007,), generator=generator)]  # fmt: skip
        found.append([v.numpy().tobytes() for v in values] + [generator.get_state().numpy().tobytes()])
    assert found[0] == found[1] == found[2]


def test_uniform_never_reaches_the_upper_bound() -> None:
    x = vg.empty(200_000).uniform_(
        0.0, np.nextafter(np.float32(0), np.float32(1)) * 4, generator=generator_here().manual_seed(1)
    )
    assert float(x.max()) < float(np.nextafter(np.float32(0), np.float32(1)) * 4)
    assert (
        float(vg.empty(200_000).uniform_(1e8, 1e8 + 16, generator=generator_here().manual_seed(1)).max())
        < 1e8 + 16
    )


def test_a_shuffle_of_the_default_generator_follows_its_seed() -> None:
    vg.manual_seed(11)
    first = vg.randperm(50).tolist()
    vg.manual_seed(11)
    assert vg.randperm(50).tolist() == first
    assert vg.randperm(50).tolist() != first


def test_randint_like_takes_the_bound_alone() -> None:
    x = vg.zeros(50, 3)
    vg.manual_seed(1)
    alone = vg.randint_like(x, 5)
    vg.manual_seed(1)
    assert alone.tolist() == vg.randint_like(x, 0, 5).tolist()
    assert alone.dtype is vg.float32 and alone.shape == x.shape and 0 <= alone.min() < alone.max() < 5
    assert vg.randint_like(x, high=2, dtype=vg.int64).dtype is vg.int64
    with pytest.raises(RuntimeError, match="randint"):
        vg.randint_like(x, 0)
