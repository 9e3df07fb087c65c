"""Names of PyTorch that verigrad lacks for good: the error says why, and what to use instead."""

from __future__ import annotations

from typing import Any, NoReturn

from ._C import Tensor

__all__ = ["hide_absent_methods", "why_absent"]

_HALF = "floating-point numbers have 32 or 64 bits here; use float32, or double for float64"
_NARROW = "integers have 32 or 64 bits here, or are uint8; use int32, or uint8 for bytes"
_COMPLEX = "there are no complex numbers; keep real and imaginary parts as two tensors"
_SPARSE = "every tensor is dense; use a dense tensor, such as zeros(size).index_put_(indices, values)"
_QUANTIZED = "there are no quantized tensors; use float32"
_LAYOUT = "elements are kept row by row, whatever they are; leave the argument out"
_STORAGE = "memory is made with tensors; use Tensor.untyped_storage(), Tensor.data_ptr() or a view"

_REASONS = {
    _HALF: """half float16 bfloat16 HalfTensor BFloat16Tensor HalfStorage BFloat16Storage""",
    _NARROW: """short char int8 int16 uint16 uint32 uint64 ShortTensor CharTensor
        ShortStorage CharStorage""",
    _COMPLEX: """cfloat cdouble chalf complex complex32 complex64 complex128 polar view_as_real
        view_as_complex angle real imag ComplexFloatStorage ComplexDoubleStorage""",
    _SPARSE: """sparse sparse_coo sparse_csr sparse_csc sparse_bsr sparse_bsc sparse_coo_tensor
        sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor sparse_compressed_tensor
        to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc sparse_mask coalesce
        smm nested jagged""",
    _QUANTIZED: """quantize_per_tensor quantize_per_channel quantization qint8 quint8 qint32 dequantize
        int_repr ao""",
    _LAYOUT: """channels_last channels_last_3d contiguous_format preserve_format memory_format""",
    _STORAGE: """Storage TypedStorage UntypedStorage FloatStorage DoubleStorage
        LongStorage IntStorage ByteStorage BoolStorage""",
    "there is no other process to speak to; start one process for each model": "distributed",
    "no code is fetched from elsewhere; install the package that has the model": "hub",
    "the graph is made while the program runs; autograd and verigrad.func have what it gives": "fx export",
    "use a profiler of Python, or verigrad.utils.summary for the cost of layers": "profiler",
    "there is no such device; use 'cpu' or 'cuda'": "mps xpu mtia",
}
_WHY = {name: reason for reason, names in _REASONS.items() for name in names.split()}
_METHODS = """half bfloat16 short char cfloat cdouble chalf real imag angle
    to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc sparse_mask coalesce smm
    dequantize"""


def why_absent(name: str) -> str:
    """What the message about a missing name goes on with; empty where there is nothing to say."""
    return f": {_WHY[name]}" if name in _WHY else ""


class _Absent:
    """Stands for a method that tensors do not have: asking for it raises AttributeError with the reason."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {self.name!r}{why_absent(self.name)}"
        )


def hide_absent_methods() -> None:
    """Gives `Tensor` the messages for methods that PyTorch's tensors have."""
    for name in _METHODS.split():
        absent: Any = _Absent()
        absent.__set_name__(Tensor, name)
        setattr(Tensor, name, absent)
