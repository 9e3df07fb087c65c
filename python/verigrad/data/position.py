"""Where a loader is: what its `state_dict` holds, and how an epoch begins again in the middle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import verigrad

if TYPE_CHECKING:
    from verigrad import Generator

    from .loader import DataLoader

_VERSION = 1
_KEYS = {"version", "batches", "default_generator", "generators", "sampler", "workers", "loader"}


class Epoch:
    """One pass of a loader. Its iterator counts; the loader reads.

    Attributes:
        start: the generators and the sampler as they were before the epoch drew anything, in the entries that
            the loader's state has.
        base_seed: what the workers' seeds are counted from.
        batches: how many were handed out, those that raised an error included.
        finished: whether there are no more.
        workers: the random state of each worker after the last batch of its that was handed out.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.start = _sources(loader)
        self.start["default_generator"] = verigrad.get_rng_state()
        # Always drawn, so that what else the generator gives does not depend on the number of workers.
        self.base_seed = draw_seed(loader.generator)
        self.batches = 0
        self.finished = False
        self.workers: list[Any] = []


def draw_seed(generator: Generator | None) -> int:
    drawn = verigrad.randint(0, 2**63 - 1, (1,), dtype=verigrad.int64, generator=generator, device="cpu")
    return int(drawn.item())


def state_of(loader: DataLoader[Any], epoch: Epoch | None) -> dict[str, Any]:
    """The state of *loader* within *epoch*, or between two epochs."""
    state: dict[str, Any] = {"version": _VERSION, "batches": 0, "workers": [], "loader": _identity(loader)}
    if epoch is None or epoch.finished:
        return {**state, **_sources(loader), "default_generator": None}
    if not loader.in_order and loader.num_workers:
        raise RuntimeError(
            "DataLoader.state_dict: expected in_order=True or the end of an epoch, got in_order=False after "
            f"{epoch.batches} batches: which ones they were is not known"
        )
    workers = [None if one is None else _portable(one) for one in epoch.workers]
    return {**state, **epoch.start, "batches": epoch.batches, "workers": workers}


def check(loader: DataLoader[Any], state: Any) -> dict[str, Any]:
    """*state* as a dict of its own, if it is one of a loader like this."""
    where = "DataLoader.load_state_dict"
    if not isinstance(state, dict) or not set(state) >= _KEYS or not isinstance(state["loader"], dict):
        raise ValueError(f"{where}: expected a dict that DataLoader.state_dict made, got {_described(state)}")
    if state["version"] != _VERSION:
        raise ValueError(f"{where}: expected version {_VERSION}, got {state['version']!r}")
    if not isinstance(state["batches"], int) or state["batches"] < 0:
        raise ValueError(f"{where}: expected batches >= 0, got {state['batches']!r}")
    for name, value in _identity(loader).items():
        found = state["loader"].get(name)
        # Between two epochs the number of workers of a stream may change.
        if found != value and not (name == "num_workers" and state["batches"] == 0):
            raise ValueError(
                f"{where}: expected the state of a loader with {name}={value!r}, got one with {found!r}"
            )
    if len(state["generators"]) != len(_generators(loader)):
        raise ValueError(
            f"{where}: expected the state of {len(_generators(loader))} generators, "
            f"got {len(state['generators'])}"
        )
    sampler = _stateful_sampler(loader)
    if (state["sampler"] is None) != (sampler is None):
        raise ValueError(
            f"{where}: expected {'no' if sampler is None else 'the'} state of a sampler, "
            f"got {_described(state['sampler'])}"
        )
    return dict(state)


def restore_sources(loader: DataLoader[Any], state: dict[str, Any]) -> None:
    """Put the loader's own generators and its sampler where *state* says."""
    for generator, position in zip(_generators(loader), state["generators"], strict=True):
        generator.set_state(position)
    sampler = _stateful_sampler(loader)
    if sampler is not None:
        sampler.load_state_dict(state["sampler"])


@contextlib.contextmanager
def default_generator_at(position: Any) -> Iterator[None]:
    """Has the default generator at *position* within the block, and where it was after it."""
    if position is None:
        yield
        return
    now = verigrad.get_rng_state()
    verigrad.set_rng_state(position)
    try:
        yield
    finally:
        verigrad.set_rng_state(now)


def worker_states(loader: DataLoader[Any], state: dict[str, Any] | None) -> list[Any]:
    """The random state for each worker, None for one that starts from its seed."""
    found = [] if state is None else state["workers"]
    if len(found) != loader.num_workers or loader._streams:
        return [None] * loader.num_workers
    return [None if one is None else _native(one) for one in found]


def _sources(loader: DataLoader[Any]) -> dict[str, Any]:
    sampler = _stateful_sampler(loader)
    return {
        "generators": [generator.get_state() for generator in _generators(loader)],
        "sampler": None if sampler is None else sampler.state_dict(),
    }


def _samplers(loader: DataLoader[Any]) -> list[Any]:
    outer = loader._index_sampler
    return [outer, getattr(outer, "sampler", None)]


def _generators(loader: DataLoader[Any]) -> list[Generator]:
    found: list[Generator] = []
    for holder in (loader, *_samplers(loader)):
        one = getattr(holder, "generator", None)
        if (
            isinstance(one, verigrad.Generator)
            and one is not verigrad.default_generator
            and not any(one is other for other in found)
        ):
            found.append(one)
    return found


def _stateful_sampler(loader: DataLoader[Any]) -> Any:
    for sampler in _samplers(loader):
        if callable(getattr(sampler, "state_dict", None)) and callable(
            getattr(sampler, "load_state_dict", None)
        ):
            return sampler
    return None


def _identity(loader: DataLoader[Any]) -> dict[str, Any]:
    # What decides which batch is the n-th.
    batches = loader.batch_sampler
    length = None
    if not loader._streams:
        with contextlib.suppress(TypeError, NotImplementedError):
            length = len(loader.dataset)  # type: ignore[arg-type]  # a dataset need not have one
    return {
        "batch_size": getattr(batches, "batch_size", loader.batch_size),
        "drop_last": bool(getattr(batches, "drop_last", loader.drop_last)),
        "len(dataset)": length,
        # A map-style dataset gives the same batches with any number.
        "num_workers": loader.num_workers if loader._streams else None,
    }


# A worker's random state in types that any format can hold.


def _portable(state: Any) -> dict[str, Any]:
    own, (version, numbers, gauss), (name, keys, *rest) = state
    return {
        "verigrad": list(own),
        "python": [version, list(numbers), gauss],
        "numpy": [name, keys.tolist(), *rest],
    }


def _native(state: dict[str, Any]) -> Any:
    import numpy

    version, numbers, gauss = state["python"]
    name, keys, *rest = state["numpy"]
    return (
        list(state["verigrad"]),
        (version, tuple(numbers), gauss),
        (name, numpy.array(keys, dtype=numpy.uint32), *rest),
    )


def _described(value: Any) -> str:
    return f"one with the keys {sorted(map(str, value))}" if isinstance(value, dict) else type(value).__name__
