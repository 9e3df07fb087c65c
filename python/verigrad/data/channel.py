"""Messages between a loader and its worker processes: one socket for each worker, large content in memory
that both map.

A message is pickled with protocol 5, arrays and tensors beside the pickle. A small one travels in a packet
of the socket. A larger one is copied into a *slot*: a file without a name (``memfd``), mapped by both sides
and used again once the receiver has copied it out, since new pages cost several times what copying costs.
Nothing has a name in the file system, so whoever is killed, and whenever, nothing is left behind. No lock is
shared, so a killed worker leaves none locked.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import select
import socket
import struct
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import verigrad
from verigrad._pickling import reduce_for_process

_INLINE = 16 << 10  # bytes; below the least that a socket's buffer takes
_HEADER = struct.Struct("<qqqq")  # size of the content, slot (-1: in the packet), dropped slot, freed slots
_ALIGNMENT = 64  # of each part in a slot
_ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # the loader's ends of its sockets


def _forget() -> None:
    # A child that kept these would hide the loader's end from the workers, and theirs from the loader.
    for end in list(_ours):
        end.close()


os.register_at_fork(after_in_child=_forget)


class ClosedError(Exception):
    """The other side has gone."""


class Channel:
    """One end of a connection. Each side copies what it receives, so slots are soon free again.

    Args:
        end: a connected socket of type SOCK_SEQPACKET. One that does not block gets an outbox: `send` never
            waits, `flush` goes on with what did not fit.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._outbox: deque[tuple[bytes, list[int]]] = deque()
        self._slots: dict[int, mmap.mmap] = {}  # ours, by number
        self._free: list[int] = []
        self._made = 0
        self._seen: dict[int, mmap.mmap] = {}  # the other side's
        self._to_free: list[int] = []

    def fileno(self) -> int:
        return self._end.fileno()

    def ready(self) -> bool:
        """Whether `receive` would return, or raise ClosedError, at once."""
        return bool(self._poll.poll(0))

    @property
    def waiting(self) -> bool:
        """Whether `flush` has something to send."""
        return bool(self._outbox)

    def send(self, message: Any) -> None:
        """Send *message*. Raises ClosedError, and what pickling raises; then nothing is sent."""
        body = io.BytesIO()
        buffers: list[pickle.PickleBuffer] = []
        _Pickler(body, buffers.append).dump(message)
        parts = [body.getbuffer(), *(buffer.raw() for buffer in buffers)]
        freed = struct.pack(f"<{len(self._to_free)}q", *self._to_free)
        table = struct.pack(f"<{len(parts) + 1}Q", len(parts), *(part.nbytes for part in parts))
        offsets, size = _layout(len(table), [part.nbytes for part in parts])
        slot, dropped = -1, -1
        files: list[int] = []
        if size + len(freed) <= _INLINE:
            content = bytearray(size)
            view = memoryview(content)
        else:
            slot, dropped, files = self._slot(size)
            content = bytearray()
            view = memoryview(self._slots[slot])
        view[: len(table)] = table
        for offset, part in zip(offsets, parts, strict=True):
            view[offset : offset + part.nbytes] = part
        view.release()
        header = _HEADER.pack(size, slot, dropped, len(self._to_free))
        self._to_free.clear()
        self._outbox.append((header + freed + content, files))
        self.flush()

    def flush(self) -> None:
        """Send what the outbox holds, as far as it goes without waiting. Raises ClosedError."""
        try:
            while self._outbox:
                packet, files = self._outbox[0]
                socket.send_fds(self._end, [packet], files)
                self._outbox.popleft()
                for file in files:
                    os.close(file)
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionError) as error:
            raise ClosedError from error

    def receive(self) -> Any:
        """The next message. Raises ClosedError at the end, and BlockingIOError or TimeoutError where the
        socket's mode says so."""
        try:
            packet, files, _, _ = socket.recv_fds(self._end, 2 * _INLINE, 1)
        except ConnectionError as error:
            raise ClosedError from error
        if not packet:
            raise ClosedError
        size, slot, dropped, count = _HEADER.unpack_from(packet)
        freed = struct.unpack_from(f"<{count}q", packet, _HEADER.size)
        self._free.extend(freed)
        if dropped >= 0:
            self._seen.pop(dropped).close()
        if files:
            self._seen[slot] = mmap.mmap(files[0], 0)
            os.close(files[0])
        if slot < 0:
            return _unpacked(memoryview(packet)[_HEADER.size + 8 * count :])
        view = memoryview(self._seen[slot])[:size]
        try:
            return _unpacked(view)
        finally:
            view.release()
            self._to_free.append(slot)

    def close(self) -> None:
        """Closing is seen by the other side at once."""
        self._end.close()
        for _, files in self._outbox:
            for file in files:
                os.close(file)
        self._outbox.clear()
        for shared in (*self._slots.values(), *self._seen.values()):
            shared.close()
        self._slots.clear()
        self._seen.clear()

    def _slot(self, size: int) -> tuple[int, int, list[int]]:
        """A free slot of at least *size* bytes; the number of one that was given up for it, or -1; and the
        file, where the other side does not have it yet."""
        fitting = [slot for slot in self._free if len(self._slots[slot]) >= size]
        if fitting:
            self._free.remove(fitting[0])
            return fitting[0], -1, []
        dropped = self._free.pop() if self._free else -1
        if dropped >= 0:
            self._slots.pop(dropped).close()
        file = os.memfd_create("verigrad-batch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, size + size // 4)  # batches of texts and the like vary in size
            self._slots[self._made] = mmap.mmap(file, 0)
        except BaseException:
            os.close(file)
            raise
        self._made += 1
        return self._made - 1, dropped, [file]


def pair() -> tuple[Channel, socket.socket]:
    """The loader's channel, which does not block, and the socket for the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    _ours.add(ours)
    return Channel(ours), theirs


def _layout(start: int, sizes: list[int]) -> tuple[list[int], int]:
    offsets = []
    for size in sizes:
        start = -(-start // _ALIGNMENT) * _ALIGNMENT
        offsets.append(start)
        start += size
    return offsets, start


def _unpacked(content: memoryview) -> Any:
    (count,) = struct.unpack_from("<Q", content)
    sizes = list(struct.unpack_from(f"<{count}Q", content, 8))
    offsets, _ = _layout(8 * (count + 1), sizes)
    spans = [content[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
    try:
        # Each array gets memory of its own: a small one that is kept must not keep a large neighbour.
        return pickle.loads(spans[0], buffers=[_copy(span) for span in spans[1:]])
    finally:
        for span in spans:
            span.release()


def _copy(span: memoryview) -> memoryview:
    # From the allocator's cache: the pages of the batch before are there already.
    memory = verigrad.empty(len(span), dtype=verigrad.uint8, device="cpu").numpy().data
    if len(span):
        memory[:] = span
    return memory


# Pickling: results of recorded ops cannot travel, and shared memory travels as its file.


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, take: Callable[[pickle.PickleBuffer], Any]) -> None:
        super().__init__(file, 5, buffer_callback=take)

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, verigrad.Tensor) and value.requires_grad and not value.is_leaf:
            return reduce_for_process(value)
        return NotImplemented


class _StartPickler(ForkingPickler):
    """Also knows what multiprocessing sends to a process that is started, such as locks and queues."""

    def reducer_override(self, value: Any) -> Any:
        return reduce_for_process(value) if isinstance(value, verigrad.Tensor) else NotImplemented


class Shipped:
    """Carries *value* to a new process, whatever its start method: tensors inside of it may be pickled."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        content = io.BytesIO()
        _StartPickler(content, 5).dump(self.value)
        return _received, (content.getvalue(),)


def _received(content: bytes) -> Shipped:
    return Shipped(pickle.loads(content))
