// Element types, their C++ types, and PyTorch's promotion rules.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <type_traits>

#include "verigrad/error.h"

namespace verigrad {

/// Ordered by promotion: a binary operation on two dtypes of the same category takes the later one.
enum class DType : std::int8_t { Bool, UInt8, Int32, Int64, Float32, Float64 };

inline constexpr int kDTypeCount = 6;

constexpr std::int64_t itemsize(DType dtype) {
  constexpr std::int64_t sizes[kDTypeCount] = {1, 1, 4, 8, 4, 8};
  return sizes[static_cast<int>(dtype)];
}
constexpr bool is_floating_point(DType dtype) { return dtype >= DType::Float32; }
constexpr bool is_integral(DType dtype) { return dtype >= DType::UInt8 && dtype <= DType::Int64; }
/// 0 bool, 1 integral, 2 floating point.
constexpr int category(DType dtype) { return dtype == DType::Bool ? 0 : (is_integral(dtype) ? 1 : 2); }
/// PyTorch's name without the module: "float32".
constexpr std::string_view name(DType dtype) {
  constexpr std::string_view names[kDTypeCount] = {"bool", "uint8", "int32", "int64", "float32", "float64"};
  return names[static_cast<int>(dtype)];
}
/// The common dtype of two tensors of equal priority (torch.promote_types).
constexpr DType promote_types(DType a, DType b) { return a < b ? b : a; }
constexpr bool can_cast(DType from, DType to) { return category(from) <= category(to); }

std::ostream& operator<<(std::ostream& out, DType dtype);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::Bool;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::Int32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::Int64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::Float64;
};

template <class T>
struct TypeTag {
  using type = T;
};

/// A bool in memory that others write too, or nobody has written yet: every byte but 0 is true. Read as a C++ bool,
/// bytes other than 0 and 1 would be undefined.
struct BoolByte {
  std::uint8_t byte;
  BoolByte() = default;
  constexpr BoolByte(bool value) : byte(value ? 1 : 0) {}
  constexpr operator bool() const { return byte != 0; }
};
/// As what the elements of a tensor are read.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, BoolByte, T>;

/// The one dtype switch: calls `f(TypeTag<T>{})` with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Bool: return f(TypeTag<bool>{});
    case DType::UInt8: return f(TypeTag<std::uint8_t>{});
    case DType::Int32: return f(TypeTag<std::int32_t>{});
    case DType::Int64: return f(TypeTag<std::int64_t>{});
    case DType::Float32: return f(TypeTag<float>{});
    case DType::Float64: break;
  }
  return f(TypeTag<double>{});
}

/// As `dispatch`, for the floating-point types only.
template <class F>
decltype(auto) dispatch_floating(const char* op, DType dtype, F&& f) {
  if (dtype == DType::Float32) return f(TypeTag<float>{});
  if (dtype == DType::Float64) return f(TypeTag<double>{});
  VG_THROW(RuntimeError, op, ": expected a floating-point dtype, got ", name(dtype));
}

/// A number of Python: bool, int or float.
class Scalar {
 public:
  Scalar(bool v) : kind_(0), int_(v ? 1 : 0), double_(v ? 1.0 : 0.0) {}
  Scalar(int v) : kind_(1), int_(v), double_(v) {}
  Scalar(std::int64_t v) : kind_(1), int_(v), double_(static_cast<double>(v)) {}
  Scalar(double v) : kind_(2), int_(0), double_(v) {}

  bool is_bool() const { return kind_ == 0; }
  bool is_integral() const { return kind_ == 1; }
  bool is_floating_point() const { return kind_ == 2; }
  /// The dtype that the number has in promotion: bool, int64, or `default_float`.
  DType dtype(DType default_float) const {
    return kind_ == 0 ? DType::Bool : (kind_ == 1 ? DType::Int64 : default_float);
  }
  double to_double() const { return double_; }

  template <class T>
  T to() const {
    if constexpr (std::is_same_v<T, bool>) {
      return kind_ == 2 ? double_ != 0.0 : int_ != 0;
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(double_);
    } else {
      return kind_ == 2 ? float_to_int<T>(double_) : static_cast<T>(int_);
    }
  }

  /// Conversion that is defined for every value: NaN gives 0 and numbers out of range wrap by way of int64.
  template <class T>
  static constexpr T float_to_int(double v) {
    if (!(v > -9.2233720368547758e18 && v < 9.2233720368547758e18)) {
      return static_cast<T>(v != v ? 0 : INT64_MIN);
    }
    return static_cast<T>(static_cast<std::int64_t>(v));
  }

 private:
  int kind_;
  std::int64_t int_;
  double double_;
};

/// Whether `dtype` holds the number, by PyTorch's rule: bool takes all, uint8 also -255 to -1, which wrap, floats also
/// infinities and NaN, integers the floats that truncate to what they hold.
bool fits(Scalar value, DType dtype);
/// Raises RuntimeError, naming `op`, where it does not.
void check_fits(const char* op, Scalar value, DType dtype);

/// The dtype of Python floats and of creation functions: float32 unless set otherwise.
DType default_dtype();
void set_default_dtype(DType dtype);

}  // namespace verigrad
