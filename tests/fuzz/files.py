"""Targets that load files: those of verigrad and those of torch.save, damaged, hostile, and crossed."""

from __future__ import annotations

import io
import pickle as op
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import pickles

import verigrad

Make = Callable[[int], list[dict[str, Any]]]
_ODD = (0, 1, 2**31, 2**63 - 1, 2**64 - 1)


def _program(content: bytes) -> list[dict[str, Any]]:
    return [{"call": "load bytes", "args": [content.hex()], "kw": {}}]


def _saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    verigrad.save(value, buffer, **options)
    return buffer.getvalue()


def _values() -> list[Any]:
    small = verigrad.arange(6.0).reshape(2, 3)
    return [
        small,
        {"a": [1, 2.5, None, "text"], "b": (small, small.t()), "c": verigrad.Size([2])},
        {"weight": verigrad.ones(2, 3), "bias": verigrad.nn.Parameter(verigrad.zeros(2))},
        [verigrad.tensor([True, False]), verigrad.tensor([1, 2])],
    ]


def _damaged(
    content: bytes,
    rng: random.Random,
    bytes_of_interest: tuple[int, ...],
    times: tuple[int, ...] = (0, 1, 1, 2, 4, 16),
) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice(times)):
        kind, at = rng.random(), rng.randrange(max(1, len(damaged)))
        if kind < 0.4:
            damaged[at : at + 1] = bytes([rng.choice((*bytes_of_interest, rng.randrange(256)))])
        elif kind < 0.5:
            damaged[at : at + 1] = bytes([damaged[at] ^ 1 << rng.randrange(8)] if at < len(damaged) else [])
        elif kind < 0.65:
            del damaged[at : at + rng.choice((1, 2, 8, 64))]
        elif kind < 0.8:
            damaged[at:at] = bytes(damaged[at : at + rng.choice((1, 8, 32))])
        elif kind < 0.9:
            width = rng.choice((4, 8))
            damaged[at : at + width] = (rng.choice(_ODD) % 256**width).to_bytes(width, "little")
        else:
            del damaged[at:]
    return bytes(damaged)


def own() -> Make:
    """Files in the format of safetensors with bytes changed, cut and repeated."""
    originals = [_saved(value) for value in _values()]

    def make(seed: int) -> list[dict[str, Any]]:
        rng = random.Random(f"files {seed}")
        return _program(_damaged(rng.choice(originals), rng, (0, 1, 0x22, 0x7B, 0x7D, 0x5B, 0xFF)))

    return make


def torch() -> Make:
    """Files of torch.save: whole ones damaged, and sound ones around pickles that are damaged, hostile,
    spliced from two others, or random, with right lengths and checksums so that these are read."""
    around = (pickles.archive, pickles.stream)
    whole = [_saved(value, format="torch") for value in _values()]
    whole += [make(pickles.pickled(pickles.tensor())) for make in around]
    whole += [*pickles.wrong_archives().values(), *pickles.wrong_streams().values()]
    collected = (
        pickles.programs("/nonexistent/canary"),
        pickles.refused(),
        pickles.wrong_tensors(),
        pickles.bombs(),
    )
    parts = [content for found in collected for content in found.values()]
    state = pickles.table(
        *(pickles.text("w"), pickles.tensor(), pickles.text("p"), pickles.parameter(pickles.tensor())),
        *(pickles.num(1), pickles.many(pickles.ORDERED, pickles.nums(2**70, -1, 0.5, True))),
    )
    parts += [pickles.pickled(state)] * (len(parts) // 4)
    codes = tuple(
        value[0]
        for name, value in vars(op).items()
        if name.isupper() and isinstance(value, bytes) and len(value) == 1
    )

    def make(seed: int) -> list[dict[str, Any]]:
        rng = random.Random(f"torch {seed}")
        if rng.random() < 0.35:
            return _program(_damaged(rng.choice(whole), rng, (0, 1, 8, 0x50, 0x4B, 0xFF)))
        if rng.random() < 0.5:
            value = pickles.pickled(pickles.anything(rng))
            storages = pickles.EIGHT if b"FloatStorage" in value else {}
            return _program(rng.choice(around)(value, storages))
        one, other = rng.choice(parts), rng.choice(parts)
        if rng.random() < 0.5:
            other = other[rng.randrange(2, max(3, len(other))) :]
            one = one[: rng.randrange(2, max(3, len(one)))] + other
        return _program(rng.choice(around)(_damaged(one, rng, codes, (0, 1, 1, 2))))

    return make
