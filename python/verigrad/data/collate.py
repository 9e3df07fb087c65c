"""What becomes of samples: `default_collate` merges them into a batch, `default_convert` makes tensors of
them, `pin_memory` puts them where a device copies from."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import verigrad
from verigrad._text import short


def default_collate(batch: Any) -> Any:
    """Merge a list of samples into one batch with a new first dimension.

    ======================================== ===============================================
    each sample                              the batch
    ======================================== ===============================================
    Tensor of shape [..]                     Tensor of shape [len(batch), ..] (`stack`)
    numpy array or scalar                    Tensor
    bool, int                                Tensor of dtype bool, int64
    float                                    Tensor of dtype float64
    str, bytes                               the list of them, unchanged
    mapping, named tuple, list               the same type, each entry merged
    tuple                                    list, each entry merged
    ======================================== ===============================================

    Raises:
        TypeError: another type of sample, or numpy arrays of objects or strings.
        RuntimeError: tensors of different shapes, or sequences of different lengths.
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, verigrad.Tensor):
        return verigrad.stack(list(batch), 0)
    numpy = sys.modules.get("numpy")  # not imported: no numpy sample
    if numpy is not None:
        if isinstance(first, numpy.ndarray):
            if first.dtype.kind in "SUO":
                raise _unknown(first.dtype)
            return verigrad.stack([verigrad.from_numpy(numpy.array(array)) for array in batch], 0)
        if isinstance(first, numpy.bool_ | numpy.number):
            return verigrad.from_numpy(numpy.array(batch))
    if isinstance(first, float | int):
        try:
            return verigrad.tensor(batch, dtype=verigrad.float64 if isinstance(first, float) else None)
        except (TypeError, ValueError, RuntimeError):
            for position, sample in enumerate(batch):
                if not isinstance(sample, float | int):
                    raise TypeError(
                        f"default_collate: expected numbers, as the first sample is {short(first)}, "
                        f"got {short(sample)} as number {position} of the batch"
                    ) from None
            raise
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        merged = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _like_mapping(first, merged)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise _unknown(kind)


def default_convert(data: Any) -> Any:
    """Turn numpy arrays and scalars inside *data* into tensors; everything else stays as it is.

    Mappings, named tuples and lists keep their type, a tuple becomes a list. `DataLoader` uses this instead
    of `default_collate` when ``batch_size=None``.
    """
    if isinstance(data, verigrad.Tensor):
        return data
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, numpy.ndarray | numpy.bool_ | numpy.number):
        return data if data.dtype.kind in "SUO" else verigrad.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple):
        converted = [default_convert(value) for value in data]
        return type(data)(*converted) if hasattr(data, "_fields") else converted
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def pin_memory(data: Any) -> Any:
    """Put the tensors inside *data* into page-locked memory; everything else stays as it is.

    Mappings, tuples and sequences keep their type; an object with a method ``pin_memory`` answers for itself.
    """
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: pin_memory(value) for key, value in data.items()})
    if isinstance(data, tuple):
        pinned = [pin_memory(value) for value in data]
        return type(data)(*pinned) if hasattr(data, "_fields") else type(data)(pinned)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [pin_memory(value) for value in data])
    return data


def _like_mapping(example: Mapping[Any, Any], entries: dict[Any, Any]) -> Any:
    if type(example) is dict:
        return entries
    try:
        if isinstance(example, MutableMapping):
            clone = copy.copy(example)  # keeps what a subclass carries beside the entries
            clone.update(entries)
            return clone
        build: Callable[[Any], Any] = type(example)
        return build(entries)
    except TypeError:
        return entries


def _like_sequence(example: Sequence[Any], entries: list[Any]) -> Any:
    if type(example) is list:
        return entries
    try:
        if isinstance(example, MutableSequence):
            clone = copy.copy(example)
            for position, entry in enumerate(entries):
                clone[position] = entry
            return clone
        build: Callable[[Any], Any] = type(example)
        return build(entries)
    except TypeError:
        return entries


def _unknown(found: Any) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {found}"
    )
