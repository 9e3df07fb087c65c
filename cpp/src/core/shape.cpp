#include "verigrad/shape.h"

#include <ostream>

namespace verigrad {

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '[';
  for (int i = 0; i < dims.size(); ++i) out << (i ? ", " : "") << dims[i];
  return out << ']';
}

std::int64_t checked_numel(const char* op, const Dims& shape) {
  std::int64_t numel = 1;
  bool overflow = false, zero = false;
  for (std::int64_t size : shape) {
    VG_CHECK(size >= 0, RuntimeError, op, ": expected non-negative sizes, got ", shape);
    zero = zero || size == 0;
    // Keeps a factor of 16 for the byte count of the widest dtype and for the allocator's rounding.
    overflow = overflow || __builtin_mul_overflow(numel, size, &numel) || numel > (INT64_MAX >> 4);
    if (overflow) numel = 1;
  }
  if (zero) return 0;
  VG_CHECK(!overflow, RuntimeError, op, ": expected a number of elements that fits in memory, got shape ", shape);
  return numel;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides(shape.size(), 1);
  for (int i = shape.size() - 2; i >= 0; --i) {
    strides[i] = wrapping_mul(strides[i + 1], std::max<std::int64_t>(shape[i + 1], 1));
  }
  return strides;
}

bool is_contiguous(const Dims& shape, const Dims& strides) {
  std::int64_t expected = 1;
  bool contiguous = true;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1) {
      contiguous = contiguous && strides[i] == expected;
      expected = wrapping_mul(expected, shape[i]);
    }
  }
  return contiguous;
}

Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b) {
  if (a == b) return a;
  const int ndim = std::max(a.size(), b.size());
  Dims out(ndim, 1);
  for (int i = 1; i <= ndim; ++i) {
    const std::int64_t x = i <= a.size() ? a[a.size() - i] : 1;
    const std::int64_t y = i <= b.size() ? b[b.size() - i] : 1;
    VG_CHECK(x == y || x == 1 || y == 1, RuntimeError, op, ": expected shapes that broadcast, got ", a, " and ", b,
             ". The size of tensor a (", x, ") must match the size of tensor b (", y, ") at non-singleton dimension ",
             ndim - i);
    out[ndim - i] = x == 1 ? y : x;
  }
  return out;
}

Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& target) {
  Dims out(target.size(), 0);
  const int lead = target.size() - shape.size();
  for (int i = 0; i < shape.size(); ++i) out[lead + i] = shape[i] == 1 ? 0 : strides[i];
  return out;
}

int wrap_dim(const char* op, std::int64_t dim, int ndim) {
  const int limit = std::max(ndim, 1);
  VG_CHECK(dim >= -limit && dim < limit, IndexError, op, ": Dimension out of range (expected to be in range of [",
           -limit, ", ", limit - 1, "], but got ", dim, ")");
  return static_cast<int>(dim < 0 ? dim + limit : dim);
}

bool view_strides(const Dims& shape, const Dims& strides, const Dims& target, Dims& out) {
  out = contiguous_strides(target);
  for (std::int64_t size : shape) {
    if (size == 0) return true;
  }
  // Walk both shapes from the end, chunk by chunk of dimensions that memory allows to see as one.
  int t = target.size() - 1;
  std::int64_t chunk_stride = shape.empty() ? 1 : strides.back();
  std::int64_t chunk = 1, viewed = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    chunk *= shape[i];
    if (i == 0 || (shape[i - 1] != 1 && strides[i - 1] != wrapping_mul(chunk, chunk_stride))) {
      while (t >= 0 && (viewed < chunk || target[t] == 1)) {
        out[t] = wrapping_mul(viewed, chunk_stride);
        viewed *= target[t];
        --t;
      }
      if (viewed != chunk) return false;
      if (i > 0) {
        chunk_stride = strides[i - 1];
        chunk = viewed = 1;
      }
    }
  }
  return t < 0 || shape.empty();
}

Dims infer_size(const char* op, const Dims& target, std::int64_t numel) {
  Dims out = target;
  int unknown = -1;
  std::int64_t known = 1;
  bool fits = true, zero = false;
  for (int i = 0; i < target.size(); ++i) {
    if (target[i] == -1) {
      VG_CHECK(unknown < 0, RuntimeError, op, ": only one dimension can be inferred, got shape ", target);
      unknown = i;
    } else {
      VG_CHECK(target[i] >= 0, RuntimeError, op, ": expected sizes of at least -1, got shape ", target);
      zero = zero || target[i] == 0;
      fits = fits && !__builtin_mul_overflow(known, target[i], &known);
    }
  }
  if (zero) known = 0;
  VG_CHECK(zero || fits, RuntimeError, op, ": shape ", target, " is invalid for input of size ", numel);
  if (unknown >= 0 && known != 0 && numel % known == 0) {
    out[unknown] = numel / known;
    return out;
  }
  VG_CHECK(unknown < 0 || known != 0, RuntimeError, op, ": cannot reshape tensor of ", numel, " elements into shape ",
           target, " because the unspecified dimension size -1 can be any value and is ambiguous");
  VG_CHECK(unknown < 0 && known == numel, RuntimeError, op, ": shape ", target, " is invalid for input of size ",
           numel);
  return out;
}

bool may_overlap(const Dims& shape, const Dims& strides) {
  // Sorted by stride, each dimension must step over all that the smaller ones reach.
  Dims order(shape.size(), 0);
  int n = 0;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return false;
    if (shape[i] > 1) order[n++] = i;
  }
  std::sort(order.begin(), order.begin() + n, [&](std::int64_t a, std::int64_t b) {
    return strides[static_cast<int>(a)] < strides[static_cast<int>(b)];
  });
  std::int64_t reach = 0;
  for (int i = 0; i < n; ++i) {
    const int d = static_cast<int>(order[i]);
    if (strides[d] <= reach) return true;
    reach += wrapping_mul(strides[d], shape[d] - 1);
  }
  return false;
}

}  // namespace verigrad
