// Shapes and strides: a fixed-capacity vector of int64, and the arithmetic on them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <vector>

#include "verigrad/error.h"

namespace verigrad {

inline constexpr int kMaxDims = 16;

/// Sizes or strides of a tensor, in elements. Holds at most `kMaxDims` numbers without a heap allocation.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) { assign(values.begin(), values.end()); }
  explicit Dims(const std::vector<std::int64_t>& values) { assign(values.begin(), values.end()); }
  Dims(int count, std::int64_t value) {
    check_capacity(count);
    std::fill_n(values_, count, value);
    size_ = count;
  }
  Dims(const Dims& other) : size_(other.size_) { std::copy_n(other.values_, other.size_, values_); }
  Dims& operator=(const Dims& other) {
    size_ = other.size_;
    std::copy(other.values_, other.values_ + other.size_, values_);
    return *this;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t& operator[](int i) { return values_[i]; }
  std::int64_t operator[](int i) const { return values_[i]; }
  std::int64_t& back() { return values_[size_ - 1]; }
  std::int64_t back() const { return values_[size_ - 1]; }
  std::int64_t* begin() { return values_; }
  std::int64_t* end() { return values_ + size_; }
  const std::int64_t* begin() const { return values_; }
  const std::int64_t* end() const { return values_ + size_; }
  const std::int64_t* data() const { return values_; }

  void push_back(std::int64_t value) {
    check_capacity(size_ + 1);
    values_[size_++] = value;
  }
  void insert(int at, std::int64_t value) {
    check_capacity(size_ + 1);
    std::copy_backward(values_ + at, values_ + size_, values_ + size_ + 1);
    values_[at] = value;
    ++size_;
  }
  void erase(int at) {
    std::copy(values_ + at + 1, values_ + size_, values_ + at);
    --size_;
  }
  void pop_back() { --size_; }

  bool operator==(const Dims& other) const {
    return size_ == other.size_ && std::equal(values_, values_ + size_, other.values_);
  }

 private:
  template <class It>
  void assign(It first, It last) {
    check_capacity(last - first);
    size_ = static_cast<int>(last - first);
    std::copy(first, last, values_);
  }
  static void check_capacity(std::int64_t count) {
    VG_CHECK(count <= kMaxDims, RuntimeError, "tensor: expected at most ", kMaxDims, " dimensions, got ", count);
  }

  int size_ = 0;
  std::int64_t values_[kMaxDims];
};

/// The product, which wraps where it exceeds int64: for strides of tensors without elements, which nothing reads, and
/// for sizes whose full product was checked, where a later 0 makes it 0.
inline std::int64_t wrapping_mul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
/// The sum; raises RuntimeError where it exceeds int64 (naming `op`).
inline std::int64_t checked_add(const char* op, std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  VG_CHECK(!__builtin_add_overflow(a, b, &sum), RuntimeError, op, ": expected sizes whose sum is below 2^63, got ", a,
           " + ", b);
  return sum;
}
/// The product; raises RuntimeError where it exceeds int64 (naming `op`).
inline std::int64_t checked_mul(const char* op, std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  VG_CHECK(!__builtin_mul_overflow(a, b, &product), RuntimeError, op,
           ": expected sizes whose product is below 2^63, got ", a, " * ", b);
  return product;
}

/// Prints "[2, 3]".
std::ostream& operator<<(std::ostream& out, const Dims& dims);

/// The number of elements; raises RuntimeError where it exceeds int64 and on negative sizes (naming `op`).
std::int64_t checked_numel(const char* op, const Dims& shape);
/// Row-major strides of a contiguous tensor.
Dims contiguous_strides(const Dims& shape);
bool is_contiguous(const Dims& shape, const Dims& strides);
/// The shape of an elementwise result; raises PyTorch's RuntimeError on a mismatch.
Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b);
/// Strides of `shape`/`strides` seen as `target` (0 where broadcast). `shape` must be broadcastable to `target`.
Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& target);
/// Maps -ndim..ndim-1 to 0..ndim-1 and raises IndexError otherwise. A 0-d tensor takes -1 and 0.
int wrap_dim(const char* op, std::int64_t dim, int ndim);
/// Strides with which memory of `shape`/`strides` can be seen as `target` without a copy; false where there are none.
bool view_strides(const Dims& shape, const Dims& strides, const Dims& target, Dims& out);
/// Replaces a single -1 by the size that fits `numel`; raises RuntimeError where none does.
Dims infer_size(const char* op, const Dims& target, std::int64_t numel);
/// True when two different indices may reach the same element (an expanded tensor).
bool may_overlap(const Dims& shape, const Dims& strides);

}  // namespace verigrad
