"""Embeddings: rows of a table, alone and in bags, and one-hot vectors."""

from __future__ import annotations

import bisect
import itertools
import warnings

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native
from ...autograd import no_grad
from .distance import vector_norm

__all__ = ["embedding", "embedding_bag", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Returns rows of a table: ``weight[i]`` for each index.

    Args:
        input: int64 or int32 indices of any shape.
        weight: [num_embeddings, embedding_dim].
        padding_idx: a row that gets no gradient, counted from the end where negative. Default none.
        max_norm: rows that are taken and whose norm is greater are shortened to it, in ``weight`` itself and
            without a graph. Default none.
        norm_type: the p of that norm; default 2.
        scale_grad_by_freq: divide the gradient of a row by the number of times that it was taken. Default
            False.
        sparse: must be False: there are no sparse tensors.

    Returns:
        [*, embedding_dim] for indices [*].

    Raises:
        IndexError: an index is out of range; negative ones are.
        RuntimeError: a dtype does not fit, or ``weight`` has not two dimensions.
        AssertionError: ``padding_idx`` is out of range.
        NotImplementedError: ``sparse=True``.
    """
    refuse_sparse("embedding", sparse)
    if padding_idx is not None:
        padding_idx = wrap_padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    return _native.embedding(weight, input, padding_idx, scale_grad_by_freq)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Returns the sum, mean or maximum of the rows of each bag of indices; zeros for an empty bag.

    Args:
        input: int64 or int32 indices: [B, L], bags of one length, or [N] with ``offsets``.
        weight: the table, [num_embeddings, embedding_dim].
        offsets: where in ``input`` each bag begins, [B], rising from 0.
        max_norm: as for ``embedding``.
        norm_type: as for ``embedding``.
        scale_grad_by_freq: as for ``embedding``; not with ``mode="max"``.
        mode: "sum", "mean" or "max"; default "mean".
        sparse: must be False: there are no sparse tensors.
        per_sample_weights: factors of the rows, of the input's shape; only with ``mode="sum"``. Default none.
        include_last_offset: the last offset is the end of the last bag. Default False.
        padding_idx: the index that counts for nothing, as if it were not in its bag. Default none.

    Returns:
        [B, embedding_dim].

    Raises:
        ValueError: shapes, ``offsets`` or ``mode`` do not fit.
        RuntimeError: a dtype does not fit, or an index, an offset or ``padding_idx`` is out of range.
        NotImplementedError: ``per_sample_weights`` in another mode than "sum", or ``sparse=True``.
    """
    if weight.dtype == _C.int64 and input.dtype.is_floating_point:
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. "
            "Usage `embedding_bag(weight, input, ...)` is deprecated, "
            "and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    _check_bags(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse)
    bounds = _bounds(input, offsets, include_last_offset)
    index = input.reshape(-1)
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise RuntimeError(
                "embedding_bag: padding_idx must be within the number of embeddings, "
                f"{-rows} through {rows - 1}, got {padding_idx}"
            )
        padding_idx %= rows
    _native.check_index("embedding_bag", index, rows)
    if max_norm is not None:
        _shorten_rows(weight, index, max_norm, norm_type)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    if padding_idx is not None:
        kept = (index != padding_idx).nonzero().reshape(-1)
        index = index.index_select(0, kept)
        factors = None if factors is None else factors.index_select(0, kept)
        positions = kept.tolist()
        bounds = [bisect.bisect_left(positions, bound) for bound in bounds]
    picked = _native.embedding(weight, index, None, scale_grad_by_freq)
    if factors is not None:
        picked = picked * factors.unsqueeze(1)
    return _reduce_bags(picked, bounds, mode)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Returns int64 vectors that are 1 at the given class and 0 elsewhere.

    Args:
        input: int64 classes of any shape.
        num_classes: the length of the vectors; -1 for one more than the greatest class. Default -1.

    Returns:
        [*, num_classes] for classes [*].

    Raises:
        RuntimeError: the input is not int64, a class is negative or not smaller than ``num_classes``, or
            there is none to infer their number from.
    """
    if input.dtype != _C.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor (int64), got {input.dtype}"
        )
    if input.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError(
                "one_hot: Can not infer total number of classes from empty tensor, "
                f"got num_classes {num_classes}"
            )
    elif input.is_cuda and num_classes > 0:
        _native.check_index("one_hot", input, num_classes)
    else:
        least, greatest = int(input.min().item()), int(input.max().item())
        if least < 0:
            raise RuntimeError(f"one_hot: Class values must be non-negative, got {least}")
        if num_classes == -1:
            num_classes = greatest + 1
        elif greatest >= num_classes:
            raise RuntimeError(
                f"one_hot: Class values must be smaller than num_classes {num_classes}, got {greatest}"
            )
    classes = _C.arange(num_classes, device=input.device)
    return (input.unsqueeze(-1) == classes).to(_C.int64)


def wrap_padding(padding_idx: int, rows: int, name: str = "Padding_idx") -> int:
    """The index of the padding row, counted from 0.

    Raises:
        AssertionError: there is no such row.
    """
    if not -rows <= padding_idx < max(rows, 1):
        raise AssertionError(f"{name} must be within num_embeddings, got {padding_idx} for {rows}")
    return padding_idx + rows if padding_idx < 0 else padding_idx


def refuse_sparse(name: str, sparse: bool) -> None:
    """Raises NotImplementedError for ``sparse=True``."""
    if sparse:
        raise NotImplementedError(f"{name}: sparse=True is not implemented: there are no sparse tensors")


def _shorten_rows(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    """Shortens the rows of ``weight`` that are taken, in place, to a norm of at most ``max_norm``."""
    with no_grad():
        table = weight.detach()
        index = index.reshape(-1).to(_C.int64)
        rows = _native.embedding(table, index)  # which raises for an index out of range
        norms = vector_norm(rows, norm_type, 1, keepdim=True)
        # The small number is PyTorch's; it keeps the new norm below the limit in spite of rounding.
        factors = _C.where(norms > max_norm, max_norm / (norms + 1e-7), 1)
        if index.numel():
            # A device has only reported a negative index, and a subscript would count it from the end.
            table[_C.where(index < 0, table.shape[0], index)] = rows * factors


def _check_bags(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None,
    mode: str,
    per_sample_weights: Tensor | None,
    scale_grad_by_freq: bool,
    sparse: bool,
) -> None:
    """Raises for arguments of ``embedding_bag`` that do not fit."""
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"embedding_bag: weight has to be a 2D Tensor, got shape {weight.shape}")
    if input.ndim not in (1, 2):
        raise ValueError(f"embedding_bag: input has to be 1D or 2D Tensor, got shape {input.shape}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "embedding_bag: if input is 2D, then offsets has to be None, as input is treated as a mini-batch "
            f"of fixed length sequences, got offsets of shape {offsets.shape}"
        )
    if input.ndim == 1 and (offsets is None or offsets.ndim != 1):
        got = None if offsets is None else offsets.shape
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor, got {got}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse weights")
    refuse_sparse("embedding_bag", sparse)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights is only supported for mode='sum', got mode={mode!r}"
        )
    for name, tensor in (("input", input), ("offsets", offsets)):
        if tensor is not None and tensor.dtype not in (_C.int64, _C.int32):
            raise RuntimeError(f"embedding_bag: expected {name} of dtype int64 or int32, got {tensor.dtype}")
    if not weight.dtype.is_floating_point:
        raise RuntimeError(f"embedding_bag: expected a floating-point weight, got {weight.dtype}")
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(
            f"embedding_bag: expected per_sample_weights of the weight's dtype {weight.dtype}, "
            f"got {per_sample_weights.dtype}"
        )


def _bounds(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> list[int]:
    """Where each bag begins, and where the last one ends."""
    if offsets is None:
        return [i * input.shape[1] for i in range(input.shape[0] + 1)]
    bounds: list[int] = offsets.tolist()
    count = input.shape[0]
    if include_last_offset and not bounds:
        raise RuntimeError(
            "embedding_bag: include_last_offset: number of offsets should be at least 1, got 0"
        )
    if bounds and bounds[0] != 0:
        raise RuntimeError(f"embedding_bag: offsets[0] has to be 0, got {bounds[0]}")
    if bounds and bounds[-1] > count:
        raise RuntimeError(
            f"embedding_bag: offsets[-1] can not be greater than input's length {count}, got {bounds[-1]}"
        )
    if any(a > b for a, b in itertools.pairwise(bounds)):
        raise RuntimeError(f"embedding_bag: expected offsets that do not fall, got {bounds}")
    return bounds if include_last_offset else [*bounds, count]


def _reduce_bags(rows: Tensor, bounds: list[int], mode: str) -> Tensor:
    """Reduces rows [bounds[i], bounds[i + 1]) for each i. Bags of one length are reduced together."""
    width = rows.shape[1]
    by_length: dict[int, list[int]] = {}
    for bag, (begin, end) in enumerate(itertools.pairwise(bounds)):
        by_length.setdefault(end - begin, []).append(bag)
    if len(by_length) == 1 and bounds[0] == 0 and bounds[-1] == rows.shape[0]:
        ((length, bags),) = by_length.items()
        return _reduce_block(rows.reshape(len(bags), length, width), mode)
    if not by_length:
        return rows.index_select(0, _C.empty(0, dtype=_C.int64, device=rows.device))
    parts: list[Tensor] = []
    order: list[int] = []
    for length, bags in by_length.items():
        begins = _C.tensor([bounds[bag] for bag in bags], dtype=_C.int64, device=rows.device)
        index = begins.unsqueeze(1) + _C.arange(length, device=rows.device)
        block = rows.index_select(0, index.reshape(-1)).reshape(len(bags), length, width)
        parts.append(_reduce_block(block, mode))
        order += bags
    place = sorted(range(len(order)), key=order.__getitem__)
    return _C.cat(parts).index_select(0, _C.tensor(place, dtype=_C.int64, device=rows.device))


def _reduce_block(block: Tensor, mode: str) -> Tensor:
    """Reduces dimension 1 of [bags, length, width]; of nothing the result is 0."""
    length = block.shape[1]
    if mode == "sum" or length == 0:
        return block.sum(1)
    return block.mean(1) if mode == "mean" else block.max(1).values
