"""Sequences of different lengths in one tensor: padded, or packed for recurrent layers.

A packed batch holds the first step of all sequences, then the second step of those that have one, and so on,
the longest sequence first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Self

from ... import _C
from ..._C import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """A packed batch of sequences; made by :func:`pack_padded_sequence` or :func:`pack_sequence`.

    Args:
        data: [rows, \\*], one step after the other; or the pair of data and batch_sizes.
        batch_sizes: int64 on the CPU: how many sequences each step has, a number that never grows.
        sorted_indices: [batch]: which of the caller's sequences stands at each place, longest first; None
            where they were in that order.
        unsorted_indices: the inverse permutation; made from ``sorted_indices`` where None.

    Raises:
        ValueError: ``batch_sizes`` is not on the CPU.
        AssertionError: ``data`` is no pair, without ``batch_sizes``.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, list | tuple) or len(data) != 2:
                raise AssertionError("PackedSequence: expected data and batch_sizes, or a pair of both")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "PackedSequence: batch_sizes should always be on CPU, expected one of the CPU, "
                f"got one on {batch_sizes.device}"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _mapped(self, data: Tensor, index: Callable[[Tensor], Tensor]) -> Self:
        """Other data, and the permutations changed."""
        permutations = [None if p is None else index(p) for p in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *permutations)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``Tensor.to`` of the data; the permutations follow to its device. Itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return self._mapped(data, lambda t: t.to(data.device))

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """On a CUDA device, the current one by default. Raises RuntimeError where there is none."""
        data = self.data.cuda(*args, **kwargs)
        return self if data is self.data else self._mapped(data, lambda t: t.to(data.device))

    def cpu(self) -> Self:
        """On the CPU."""
        return self.to("cpu")

    def double(self) -> Self:
        """As float64."""
        return self.to(_C.float64)

    def float(self) -> Self:
        """As float32."""
        return self.to(_C.float32)

    def long(self) -> Self:
        """As int64."""
        return self.to(_C.int64)

    def int(self) -> Self:
        """As int32."""
        return self.to(_C.int32)

    def byte(self) -> Self:
        """As uint8."""
        return self.to(_C.uint8)

    def pin_memory(self) -> Self:
        """In page-locked memory."""
        return self._mapped(self.data.pin_memory(), lambda t: t.pin_memory())

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a permutation [n] of 0 ... n - 1; None of None."""
    if permutation is None:
        return None
    places = _C.arange(0, permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    return _C.zeros_like(permutation).scatter(0, permutation, places)


def _present(lengths: Tensor, steps: int) -> Tensor:
    """[steps, batch]: whether each sequence has each step."""
    return _C.arange(0, steps, device=lengths.device).unsqueeze(1) < lengths.unsqueeze(0)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs sequences of different lengths that stand in one tensor.

    Args:
        input: [steps, batch, \\*], or [batch, steps, \\*] with ``batch_first``.
        lengths: of each sequence; a list, or an integer tensor [batch] on the CPU.
        batch_first: see ``input``; default False.
        enforce_sorted: whether the sequences must stand in the order of their lengths, the longest first; if
            False they are sorted. Default True.

    Raises:
        RuntimeError: a length is below 1 or above the number of steps, there is none or another number of
            them than sequences, they are on another device than the CPU, or not in order.
    """
    op = "pack_padded_sequence"
    if not isinstance(lengths, Tensor):
        lengths = _C.as_tensor(lengths, dtype=_C.int64, device="cpu")
    lengths = lengths.detach().to(_C.int64)
    if lengths.ndim != 1 or lengths.device.type != "cpu":
        raise RuntimeError(
            f"{op}: 'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.ndim}D {lengths.device} tensor"
        )
    if input.ndim < 2:
        raise RuntimeError(f"{op}: expected input of at least 2 dimensions, got {list(input.shape)}")
    sorted_indices = None
    if not enforce_sorted:
        lengths, order = _C.sort(lengths, descending=True, stable=True)
        sorted_indices = order.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch = input.shape[:2]
    counts: list[int] = lengths.tolist()
    if not counts:
        raise RuntimeError(f"{op}: expected `lengths` of at least one sequence, got none")
    if len(counts) != batch:
        raise RuntimeError(
            f"{op}: Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={batch})"
        )
    if min(counts) <= 0:
        raise RuntimeError(
            f"{op}: Length of all samples has to be greater than 0, but found an element in 'lengths' that "
            f"is <= 0: {min(counts)}"
        )
    if any(a < b for a, b in zip(counts, counts[1:], strict=False)):
        raise RuntimeError(
            f"{op}: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to have the sequences sorted"
        )
    if counts[0] > steps:
        raise RuntimeError(f"{op}: expected no length above the number of steps, {steps}, got {counts[0]}")
    present = _present(lengths, counts[0])
    data = input[: counts[0]][present.to(input.device)]
    return PackedSequence(data, present.sum(1), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undoes :func:`pack_padded_sequence`.

    Args:
        sequence: a packed batch.
        batch_first: whether the batch comes first in the result; default False.
        padding_value: of what is behind the end of a sequence; default 0.
        total_length: number of steps of the result; the longest sequence's by default.

    Returns:
        The sequences, [steps, batch, \\*] or [batch, steps, \\*], in the order in which they were before they
        were packed, and their lengths as int64 on the CPU.

    Raises:
        ValueError: ``total_length`` is less than the longest sequence has.
    """
    data, batch_sizes, _, unsorted_indices = sequence
    steps, batch = batch_sizes.numel(), int(batch_sizes[0])
    if total_length is not None and total_length < steps:
        raise ValueError(
            "pad_packed_sequence: Expected total_length to be at least the length of the longest sequence in "
            f"input, but got total_length={total_length} and max sequence length being {steps}"
        )
    present = _C.arange(0, batch, device="cpu").unsqueeze(0) < batch_sizes.unsqueeze(1)
    lengths = present.sum(0)
    padded = _padded(data, _present(lengths, max(steps, total_length or 0)), padding_value)
    if unsorted_indices is not None:
        padded = padded.index_select(1, unsorted_indices)
        lengths = lengths[unsorted_indices.cpu()]
    return padded.transpose(0, 1) if batch_first else padded, lengths


def _padded(rows: Tensor, present: Tensor, value: float) -> Tensor:
    """[\\*present.shape, \\*]: the rows where something is present, in order, and else the value."""
    shape = (*present.shape, *rows.shape[1:])
    out = _C.full(shape, value, dtype=rows.dtype, device=rows.device)
    out[present.to(rows.device)] = rows
    return out


def pad_sequence(
    sequences: Iterable[Tensor] | Tensor,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Puts sequences of different lengths into one tensor.

    Args:
        sequences: [steps, \\*] each, of the same further dimensions.
        batch_first: whether the result is [batch, steps, \\*] rather than [steps, batch, \\*]; default False.
        padding_value: of what a shorter sequence lacks; default 0.
        padding_side: "right" for padding behind the end, the default, or "left" for before the beginning.

    Returns:
        A tensor of the first sequence's dtype, with as many steps as the longest sequence has.

    Raises:
        RuntimeError: ``sequences`` is not iterable or empty, a sequence is 0-d, their further dimensions
            differ, or the padding side is another.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"pad_sequence: Expected padding_side to be one of left or right, but got {padding_side}."
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if any(p.ndim == 0 for p in parts):
        raise RuntimeError("pad_sequence: expected sequences of at least 1 dimension, got a 0-d one")
    if any(p.shape[1:] != parts[0].shape[1:] for p in parts):
        shapes = [list(p.shape) for p in parts]
        raise RuntimeError(f"pad_sequence: expected equal sizes behind the first dimension, got {shapes}")
    lengths = _C.tensor([p.shape[0] for p in parts], dtype=_C.int64, device="cpu")
    present = _present(lengths, int(lengths.max())).transpose(0, 1)
    if padding_side == "left":
        present = present.flip(1)
    rows = _C.cat([p.to(parts[0].dtype) for p in parts], 0)
    padded = _padded(rows, present, padding_value)
    return padded if batch_first else padded.transpose(0, 1).contiguous()


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Undoes :func:`pad_sequence` with padding on the right.

    Args:
        padded_sequences: [steps, batch, \\*], or [batch, steps, \\*] with ``batch_first``.
        lengths: of each sequence, [batch].
        batch_first: see above; default False.

    Returns:
        A tensor [steps, \\*] for each sequence.

    Raises:
        ValueError: the number of lengths is not that of the sequences.
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: max(int(n), 0)] for row, n in zip(rows.unbind(0), lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs a list of sequences.

    Args:
        sequences: [steps, \\*] each, of the same further dimensions.
        enforce_sorted: as in :func:`pack_padded_sequence`.

    Raises:
        RuntimeError: as :func:`pad_sequence` and :func:`pack_padded_sequence` do.
    """
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch, [steps, \\*] each, in the order before they were packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
