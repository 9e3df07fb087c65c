// Padding. Constant padding is a copy into the middle of a filled tensor, and its gradient the same padding with the
// sign changed. The other modes repeat elements of the input and are selections by an index along each dimension.
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/nn/resampling.h"

namespace verigrad::ops {
namespace {

/// What to add before and after dimension `dim`.
struct Margin {
  std::int64_t before, after;
};
Margin margin(const DimList& padding, int ndim, int dim) {
  const auto at = static_cast<std::size_t>(2 * (ndim - 1 - dim));
  return at < padding.size() ? Margin{padding[at], padding[at + 1]} : Margin{0, 0};
}

/// The padded size; raises RuntimeError where it is beyond int64.
std::int64_t padded_size(const Tensor& self, int dim, const Margin& m) {
  std::int64_t size = 0;
  VG_CHECK(!__builtin_add_overflow(m.before, m.after, &size) && !__builtin_add_overflow(size, self.shape()[dim], &size),
           RuntimeError, "pad: expected a padded size below 2^63, got padding (", m.before, ", ", m.after,
           ") at dimension ", dim, " of input ", self.shape());
  return size;
}

Tensor constant(const Tensor& self, const DimList& padding, Scalar value) {
  Dims shape = self.shape();
  bool grows = false;
  for (int d = 0; d < self.ndim(); ++d) {
    const Margin m = margin(padding, self.ndim(), d);
    shape[d] = padded_size(self, d, m);
    // What is cropped must be there, before anything is added.
    const std::int64_t kept =
        self.shape()[d] + std::min<std::int64_t>(m.before, 0) + std::min<std::int64_t>(m.after, 0);
    VG_CHECK(shape[d] >= 0 && kept >= 0, RuntimeError, "pad: expected a padded size of at least 0, got padding (",
             m.before, ", ", m.after, ") at dimension ", d, " of input ", self.shape(),
             ": it resulted in a negative output size");
    grows = grows || m.before > 0 || m.after > 0;
  }
  checked_numel("pad", shape);
  const Tensor out = empty_tensor(shape, self.dtype(), self.device());
  if (grows) fill_out(out, value);
  Dims inner = shape;
  for (int d = 0; d < self.ndim(); ++d) {
    const Margin m = margin(padding, self.ndim(), d);
    inner[d] -= std::max<std::int64_t>(m.before, 0) + std::max<std::int64_t>(m.after, 0);
  }
  if (checked_numel("pad", inner) > 0) {
    std::int64_t from = self.offset(), to = out.offset();
    for (int d = 0; d < self.ndim(); ++d) {
      const Margin m = margin(padding, self.ndim(), d);
      from += std::max<std::int64_t>(-m.before, 0) * self.strides()[d];
      to += std::max<std::int64_t>(m.before, 0) * out.strides()[d];
    }
    copy_out(alias(out, inner, out.strides(), to), alias(self, inner, self.strides(), from));
  }
  if (!is_floating_point(self.dtype())) return out;
  return record("ConstantPadNdBackward0", out, {self}, {}, [padding](Node&, const Tensor& g) -> TensorList {
    DimList back = padding;
    for (std::int64_t& p : back) p = -p;
    return {constant(g, back, 0.0)};
  });
}

/// The element of the input at position i, which counts from the first element of the input. "circular" goes round
/// the elements [first, stop) that are not cropped.
std::int64_t source(const std::string& mode, std::int64_t i, std::int64_t size, std::int64_t first, std::int64_t stop) {
  if (mode == "replicate") return std::clamp<std::int64_t>(i, 0, size - 1);
  if (mode == "circular") return i < first ? i + (stop - first) : i >= stop ? i - (stop - first) : i;
  return i < 0 ? -i : i < size ? i : 2 * (size - 1) - i;
}

void check_margin(const std::string& mode, const Tensor& self, int dim, const Margin& m) {
  const std::int64_t size = self.shape()[dim];
  if (mode == "reflect") {
    VG_CHECK(m.before < size && m.after < size, RuntimeError,
             "pad: Padding size should be less than the corresponding input dimension, but got: padding (", m.before,
             ", ", m.after, ") at dimension ", dim, " of input ", self.shape());
  } else if (mode == "circular") {
    const std::int64_t kept = size + std::min<std::int64_t>(m.before, 0) + std::min<std::int64_t>(m.after, 0);
    VG_CHECK(m.before + m.after >= -size, RuntimeError,
             "pad: Negative padding value is resulting in an empty dimension, got padding (", m.before, ", ", m.after,
             ") at dimension ", dim, " of input ", self.shape());
    VG_CHECK(m.before <= kept && m.after <= kept, RuntimeError,
             "pad: Padding value causes wrapping around more than once, got padding (", m.before, ", ", m.after,
             ") at dimension ", dim, " of input ", self.shape());
  }
  const std::int64_t out = padded_size(self, dim, m);
  VG_CHECK(out >= (mode == "circular" ? 0 : 1), RuntimeError, "pad: expected an output of at least one element, got ",
           out, " from padding (", m.before, ", ", m.after, ") at dimension ", dim, " of input ", self.shape(),
           ": input is too small");
}

}  // namespace

Tensor pad(const Tensor& self, const DimList& padding, const std::string& mode, const std::optional<Scalar>& value) {
  const auto count = static_cast<int>(padding.size());
  for (const std::int64_t p : padding) {
    // Sums of two and a size then cannot overflow.
    VG_CHECK(p > -(std::int64_t{1} << 61) && p < std::int64_t{1} << 61, RuntimeError,
             "pad: expected padding between -2^61 and 2^61, so that no size overflows, got ", p);
  }
  VG_CHECK(count % 2 == 0, RuntimeError, "pad: Padding length must be divisible by 2, got ", count);
  VG_CHECK(count <= 2 * self.ndim(), RuntimeError,
           "pad: Padding length should be less than or equal to two times the input dimension but got padding length ",
           count, " and input ", self.shape(), " of dimension ", self.ndim());
  if (mode == "constant") {
    const Scalar filled = value.value_or(Scalar(0));
    // The value counts as a float, so that -1 is no uint8; only int64 would lose digits.
    check_fits("pad", self.dtype() == DType::Int64 ? filled : Scalar(filled.to_double()), self.dtype());
    return constant(self, padding, filled);
  }
  VG_CHECK(!value || value->to_double() == 0, RuntimeError, "pad: Padding mode \"", mode,
           "\" doesn't take in value argument, got ", value->to_double());
  VG_CHECK(mode == "reflect" || mode == "replicate" || mode == "circular", NotImplementedError,
           "pad: Unrecognised padding mode ", mode, ", expected constant, reflect, replicate or circular");
  const int dims = count / 2;
  VG_CHECK(dims >= 1 && dims <= 3 && (self.ndim() == dims + 1 || self.ndim() == dims + 2), NotImplementedError,
           "pad: Padding size ", count, " is not supported for ", self.ndim(), "D input ", self.shape(),
           ": expected 2 numbers for 2D or 3D, 4 for 3D or 4D, 6 for 4D or 5D with padding mode ", mode);
  if (mode != "circular") {
    for (int d = self.ndim() - dims - (self.ndim() == dims + 2 ? 1 : 0); d < self.ndim(); ++d) {
      VG_CHECK(self.shape()[d] > 0, RuntimeError, "pad: Expected ", dims + 1, "D or ", dims + 2,
               "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ",
               self.shape());
    }
  }
  for (int d = self.ndim() - dims; d < self.ndim(); ++d) check_margin(mode, self, d, margin(padding, self.ndim(), d));
  VG_CHECK(self.dtype() != DType::Bool || mode == "circular", NotImplementedError, "pad: padding mode ", mode,
           " is not implemented for dtype bool");
  Tensor out = self;
  for (int d = self.ndim() - dims; d < self.ndim(); ++d) {
    const Margin m = margin(padding, self.ndim(), d);
    const std::int64_t size = self.shape()[d];
    const Tensor index = empty_tensor({padded_size(self, d, m)}, DType::Int64, kHost);
    auto* positions = index.data_as<std::int64_t>();
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      positions[i] = source(mode, i - m.before, size, std::max<std::int64_t>(-m.before, 0),
                            size + std::min<std::int64_t>(m.after, 0));
    }
    out = index_select(out, d, to(index, DType::Int64, self.device()));
  }
  return out;
}

}  // namespace verigrad::ops
