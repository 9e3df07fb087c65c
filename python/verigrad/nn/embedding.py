"""Tables of vectors, looked up by index."""

from __future__ import annotations

from typing import Any, Self

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from . import functional, init
from .functional.embedding import refuse_sparse, wrap_padding
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What both layers share: ``weight`` [num_embeddings, embedding_dim], normal with mean 0 and deviation 1,
    the padding row zero."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool
    weight: Parameter

    def _make_weight(self, given: Tensor | None, freeze: bool, device: Any, dtype: Any) -> None:
        shape = (self.num_embeddings, self.embedding_dim)
        if given is None:
            self.weight = Parameter(_C.empty(shape, device=device, dtype=dtype), requires_grad=not freeze)
            self.reset_parameters()
            return
        if tuple(given.shape) != shape:
            raise AssertionError(
                "Shape of weight does not match num_embeddings and embedding_dim: "
                f"expected {list(shape)}, got {given.shape}"
            )
        self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draws the table anew from the default generator."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)


class Embedding(_Table):
    """A table of vectors: indices [*] to rows [*, embedding_dim]; see ``functional.embedding``.

    ``weight`` has the shape [num_embeddings, embedding_dim] and begins normal with mean 0 and standard
    deviation 1.

    Args:
        num_embeddings: number of rows.
        embedding_dim: size of a row.
        padding_idx: a row that begins as zeros and gets no gradient, counted from the end where negative.
            Default none.
        max_norm: rows that are taken and whose norm is greater are shortened to it, in place. Default none.
        norm_type: the p of that norm; default 2.
        scale_grad_by_freq: divide the gradient of a row by the number of times that it was taken. Default
            False.
        sparse: must be False: there are no sparse tensors.
        device: where the parameter lives; default the CPU.
        dtype: of the parameter; default the default dtype.

    Raises:
        AssertionError: ``padding_idx`` is out of range, or a given weight has another shape.
        NotImplementedError: ``sparse=True``.
        RuntimeError: a size is negative.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        refuse_sparse("Embedding", sparse)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else wrap_padding(padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._make_weight(_weight, _freeze, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return functional.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Returns a layer over a given table, whose memory it shares.

        Args:
            embeddings: [num_embeddings, embedding_dim].
            freeze: whether the table is not to be trained; default True.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for the layer.

        Raises:
            AssertionError: ``embeddings`` has not two dimensions, or ``padding_idx`` is out of range.
        """
        rows, columns = table_size(embeddings)
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )


class EmbeddingBag(_Table):
    """Sums, means or maxima of rows of a table over bags of indices; see ``functional.embedding_bag``.

    ``weight`` has the shape [num_embeddings, embedding_dim] and begins normal with mean 0 and standard
    deviation 1.

    Args:
        num_embeddings: number of rows.
        embedding_dim: size of a row.
        max_norm: rows that are taken and whose norm is greater are shortened to it, in place. Default none.
        norm_type: the p of that norm; default 2.
        scale_grad_by_freq: divide the gradient of a row by the number of times that it was taken. Default
            False.
        mode: "sum", "mean" or "max"; default "mean".
        sparse: must be False: there are no sparse tensors.
        include_last_offset: the last offset is the end of the last bag. Default False.
        padding_idx: a row that begins as zeros and counts for nothing in a bag. Default none.
        device: where the parameter lives; default the CPU.
        dtype: of the parameter; default the default dtype.

    Raises:
        AssertionError: ``padding_idx`` is out of range, or a given weight has another shape.
        NotImplementedError: ``sparse=True``.
        RuntimeError: a size is negative.
    """

    mode: str
    include_last_offset: bool

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        refuse_sparse("EmbeddingBag", sparse)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = (
            None if padding_idx is None else wrap_padding(padding_idx, num_embeddings, "padding_idx")
        )
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self._make_weight(_weight, False, device, dtype)

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return functional.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm!r}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type!r}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        text += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Returns a layer over a given table, whose memory it shares.

        Args:
            embeddings: [num_embeddings, embedding_dim].
            freeze: whether the table is not to be trained; default True.
            max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx: as for
                the layer.

        Raises:
            AssertionError: ``embeddings`` has not two dimensions, or ``padding_idx`` is out of range.
        """
        rows, columns = table_size(embeddings)
        bag = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        bag.weight.requires_grad_(not freeze)
        return bag


def table_size(embeddings: Tensor) -> tuple[int, int]:
    """Rows and columns; raises AssertionError unless there are two dimensions."""
    if embeddings.ndim != 2:
        raise AssertionError(
            f"Embeddings parameter is expected to be 2-dimensional, got shape {embeddings.shape}"
        )
    return embeddings.shape[0], embeddings.shape[1]
