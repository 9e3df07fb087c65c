"""CUDA devices: which there are, their memory, streams and events. Names and meaning are those of
``torch.cuda``.

A build without CUDA has none of them: `is_available` says so, and everything that needs one raises
RuntimeError with the reason. Importing verigrad touches no CUDA library; the first question about devices
does.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import _C
from .._absent import why_absent
from .._C import OutOfMemoryError
from .._types import CUDA_TYPES

__all__ = [
    "BoolTensor",
    "ByteTensor",
    "DoubleTensor",
    "Event",
    "FloatTensor",
    "IntTensor",
    "LongTensor",
    "OutOfMemoryError",
    "Stream",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "get_rng_state_all",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "seed",
    "set_device",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "stream",
    "synchronize",
]

_cuda = _C._cuda

FloatTensor = CUDA_TYPES["FloatTensor"]
DoubleTensor = CUDA_TYPES["DoubleTensor"]
LongTensor = CUDA_TYPES["LongTensor"]
IntTensor = CUDA_TYPES["IntTensor"]
ByteTensor = CUDA_TYPES["ByteTensor"]
BoolTensor = CUDA_TYPES["BoolTensor"]

DeviceLike = Any  # a verigrad.device, "cuda:1", an index or None


def is_available() -> bool:
    """Whether tensors can be made on a CUDA device."""
    return device_count() > 0


def device_count() -> int:
    """The number of CUDA devices that can be used."""
    return _cuda.device_count()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there are no tensors of 16 bits."""
    return False


def init() -> None:
    """Does nothing: the first use of a device prepares it."""


def is_initialized() -> bool:
    """Whether there are devices; they are ready when they are used."""
    return is_available()


def __getattr__(name: str) -> Any:
    """``cuda.amp`` is imported on first use."""
    if name == "amp":
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{why_absent(name)}")


def _index(device: DeviceLike) -> int:
    """The index of a device, of the current one for None. Raises ValueError for a device of another type."""
    if device is None:
        return _cuda.current_device()
    if isinstance(device, int) and not isinstance(device, bool):
        return device
    if isinstance(device, str):
        device = _C.device(device)
    if not isinstance(device, _C.device):
        raise TypeError(f"cuda: expected a device, its name, its index or None, got {type(device).__name__}")
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return _cuda.current_device() if device.index is None else device.index


def current_device() -> int:
    """The index of the device that "cuda" means; 0 at first, each thread has its own."""
    return _cuda.current_device()


def set_device(device: DeviceLike) -> None:
    """Makes a device the one that "cuda" means on this thread."""
    _cuda.set_device(_index(device))


class device:
    """Makes a device the current one inside of a ``with`` block.

    Args:
        device: a device, its name or its index; None changes nothing.
    """

    def __init__(self, device: DeviceLike) -> None:
        self.idx = None if device is None else _index(device)
        self._before = 0

    def __enter__(self) -> None:
        if self.idx is not None:
            self._before = _cuda.current_device()
            _cuda.set_device(self.idx)

    def __exit__(self, *exception: object) -> None:
        if self.idx is not None:
            _cuda.set_device(self._before)


def synchronize(device: DeviceLike = None) -> None:
    """Waits for all work of a device.

    Raises what its kernels reported: an index out of range, a division by zero.
    """
    _cuda.synchronize(_index(device))


@dataclass(frozen=True)
class _DeviceProperties:
    """What a device is: its name, compute capability, memory in bytes and number of multiprocessors."""

    name: str
    major: int
    minor: int
    multi_processor_count: int
    total_memory: int


def get_device_properties(device: DeviceLike = None) -> _DeviceProperties:
    """A device's name, compute capability, memory and number of multiprocessors."""
    return _DeviceProperties(*_cuda.properties(_index(device)))


def get_device_name(device: DeviceLike = None) -> str:
    """The device's name."""
    return get_device_properties(device).name


def get_device_capability(device: DeviceLike = None) -> tuple[int, int]:
    """The device's compute capability, such as (9, 0)."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes that tensors hold on a device, each storage rounded up to a block; 0 where there is none."""
    return _cuda.memory(_index(device))[0] if is_available() else 0


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The most bytes that tensors held since the start or `reset_peak_memory_stats`."""
    return _cuda.memory(_index(device))[1] if is_available() else 0


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes taken from the driver: those of tensors and the cache."""
    return _cuda.memory(_index(device))[2] if is_available() else 0


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Lets `max_memory_allocated` begin at what is held now."""
    _cuda.reset_peak(_index(device))


def empty_cache() -> None:
    """Gives cached memory that no tensor uses back to the driver, page-locked memory of the host as well.

    Does nothing where there is no device.
    """
    _cuda.empty_cache()


# -- random numbers ------------------------------------------------------------------------------------------


def _generator(device: DeviceLike) -> _C.Generator:
    return _cuda.default_generator(_index(device))


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator; does nothing where there is no device."""
    if is_available():
        _generator(None).manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices."""
    for index in range(device_count()):
        _generator(index).manual_seed(seed)


def seed() -> None:
    """Seeds the current device's generator from the operating system.

    Does nothing where there is no device.
    """
    if is_available():
        _generator(None).seed()


def seed_all() -> None:
    """Seeds the generators of all devices from the operating system."""
    for index in range(device_count()):
        _generator(index).seed()


def initial_seed() -> int:
    """The seed of the current device's generator."""
    return _generator(None).initial_seed()


def get_rng_state(device: DeviceLike = None) -> _C.Tensor:
    """The position of a device's generator, a uint8 tensor of 16 elements on the CPU."""
    return _generator(device).get_state()


def set_rng_state(new_state: _C.Tensor, device: DeviceLike = None) -> None:
    """Puts a device's generator at a position that `get_rng_state` gave."""
    _generator(device).set_state(new_state)


def get_rng_state_all() -> list[_C.Tensor]:
    """The positions of the generators of all devices."""
    return [get_rng_state(index) for index in range(device_count())]


def set_rng_state_all(new_states: Iterable[_C.Tensor]) -> None:
    """Puts the generators of all devices at positions that `get_rng_state_all` gave."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


# -- streams and events --------------------------------------------------------------------------------------


class Stream:
    """A queue of work on a device. What is queued on one stream runs in order, streams run side by side.

    Args:
        device: where; the current device for None.

    Memory belongs to the stream that was current when its tensor was made. A tensor that is used on another
    stream must stay alive until that stream has used it. A stream that nobody holds does its work, and is
    given to others that ask for one.
    """

    def __init__(self, device: DeviceLike = None) -> None:
        self._index = _index(device)
        self.cuda_stream: int = _cuda.new_stream(self._index)
        self._owned = True

    @classmethod
    def _of(cls, index: int, handle: int) -> Stream:
        made = cls.__new__(cls)
        made._index, made.cuda_stream, made._owned = index, handle, False
        return made

    @property
    def device(self) -> _C.device:
        """The stream's device."""
        return _C.device("cuda", self._index)

    def query(self) -> bool:
        """Whether all of its work is done."""
        return _cuda.stream_done(self._index, self.cuda_stream)

    def synchronize(self) -> None:
        """Waits until all of its work is done."""
        _cuda.wait_stream(self._index, self.cuda_stream)

    def record_event(self, event: Event | None = None) -> Event:
        """Records an event (a new one for None) behind the work so far, and returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What is queued from now on waits for the event."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """What is queued from now on waits for the work so far of another stream."""
        self.wait_event(stream.record_event())

    def __del__(self) -> None:
        if getattr(self, "_owned", False):
            with contextlib.suppress(Exception):  # the process may be ending
                _cuda.delete_stream(self._index, self.cuda_stream)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return (self._index, self.cuda_stream) == (other._index, other.cuda_stream)

    def __hash__(self) -> int:
        return hash((self._index, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<verigrad.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in the work of a stream.

    Args:
        enable_timing: whether `elapsed_time` can be asked for.
    """

    _index: int | None = None

    def __init__(self, enable_timing: bool = False) -> None:
        self._timing = bool(enable_timing)
        self.cuda_event = 0

    def record(self, stream: Stream | None = None) -> None:
        """Puts the mark behind the work so far of a stream, the current one for None."""
        stream = current_stream() if stream is None else stream
        if self._index is None:
            self.cuda_event = _cuda.new_event(stream._index, self._timing)
            self._index = stream._index
        elif self._index != stream._index:
            raise RuntimeError(
                f"Event: expected a stream of device cuda:{self._index}, where it was recorded first, "
                f"got {stream}"
            )
        _cuda.record_event(self._index, self.cuda_event, stream.cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        """What is queued from now on on a stream, the current one for None, waits for the mark."""
        stream = current_stream() if stream is None else stream
        if self._index is not None:
            _cuda.stream_waits(stream._index, stream.cuda_stream, self.cuda_event)

    def query(self) -> bool:
        """Whether the work before the mark is done; True for an event that was never recorded."""
        return self._index is None or _cuda.event_done(self._index, self.cuda_event)

    def synchronize(self) -> None:
        """Waits for the mark."""
        if self._index is not None:
            _cuda.wait_event(self._index, self.cuda_event)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another one.

        Raises RuntimeError without timing or before both are done.
        """
        if not (self._timing and end_event._timing):
            raise RuntimeError("Both events must be created with argument 'enable_timing=True'.")
        if self._index is None or end_event._index is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end_event.query()):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return _cuda.elapsed(self._index, self.cuda_event, end_event.cuda_event)

    def __del__(self) -> None:
        if self._index is not None:
            with contextlib.suppress(Exception):
                _cuda.delete_event(self._index, self.cuda_event)


def current_stream(device: DeviceLike = None) -> Stream:
    """The stream that this thread queues its work on."""
    index = _index(device)
    return Stream._of(index, _cuda.current_stream(index))


def default_stream(device: DeviceLike = None) -> Stream:
    """The stream that is current where no other was chosen."""
    index = _index(device)
    _cuda.current_stream(index)  # raises where there is no such device
    return Stream._of(index, 0)


def set_stream(stream: Stream) -> None:
    """Makes a stream the current one of its device on this thread."""
    _cuda.set_stream(stream._index, stream.cuda_stream)


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """Makes a stream and its device current inside of a ``with`` block; None changes nothing."""
    if stream is None:
        yield
        return
    before = current_stream(stream._index)
    with device(stream._index):
        set_stream(stream)
        try:
            yield
        finally:
            set_stream(before)
