// What a reduction combines two values with, and what leaves a value unchanged.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/functors.h"
#include "kernels/host_device.h"

namespace verigrad::kernels {

struct SumOf : functors::add {
  template <class V>
  VG_HD static V vectors(const V& a, const V& b) {
    return a + b;
  }
  template <class T>
  static constexpr T identity = T(0);
};
struct ProductOf : functors::mul {
  template <class V>
  VG_HD static V vectors(const V& a, const V& b) {
    return a * b;
  }
  template <class T>
  static constexpr T identity = T(1);
};
struct MaxOf : functors::maximum {
  template <class T>
  VG_HD static bool better(T x, T best) {
    return x > best;
  }
  template <class T>
  static constexpr T identity =
      std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
};
struct MinOf : functors::minimum {
  template <class T>
  VG_HD static bool better(T x, T best) {
    return x < best;
  }
  template <class T>
  static constexpr T identity =
      std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
};
/// What `all` and `any` compute in: 0 or 1, in a type that loops make vectors of, which they do not of bool.
enum class Truth : std::uint8_t {};
struct AllOf {
  VG_HD Truth operator()(Truth a, Truth b) const {
    return static_cast<Truth>(static_cast<std::uint8_t>(a) & static_cast<std::uint8_t>(b));
  }
  template <class T>
  static constexpr T identity = static_cast<T>(1);
};
struct AnyOf {
  VG_HD Truth operator()(Truth a, Truth b) const {
    return static_cast<Truth>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
  }
  template <class T>
  static constexpr T identity = static_cast<T>(0);
};

/// Whether x comes before `best` as the extreme: a NaN before every number, and of equals neither.
struct Greater {
  using Reduce = MaxOf;
  template <class T>
  VG_HD bool operator()(T x, T best) const {
    return (x > best) | ((x != x) & (best == best));
  }
};
struct Less {
  using Reduce = MinOf;
  template <class T>
  VG_HD bool operator()(T x, T best) const {
    return (x < best) | ((x != x) & (best == best));
  }
};

/// An extreme value and its position.
template <class T>
struct Best {
  T value;
  std::int64_t index;
};

/// An element as the type that the reduction computes in.
template <class Acc, class In>
VG_HD inline Acc load(const In& x) {
  if constexpr (std::is_same_v<Acc, Truth>) {
    return static_cast<Truth>(static_cast<bool>(x));
  } else {
    return static_cast<Acc>(x);
  }
}

}  // namespace verigrad::kernels
