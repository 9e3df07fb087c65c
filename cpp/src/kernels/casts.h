// Conversions between dtypes, and copies without one, for all devices.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"
#include "verigrad/dtype.h"

namespace verigrad::kernels {

/// PyTorch's conversions, defined for every value.
template <class To>
struct Cast {
  template <class From>
  VG_HD To operator()(From x) const {
    if constexpr (std::is_same_v<To, bool>) {
      return x != From(0);
    } else if constexpr (std::is_same_v<From, bool>) {
      return x ? To(1) : To(0);  // becomes vector code, which a conversion does not
    } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      return Scalar::float_to_int<To>(static_cast<double>(x));
    } else {
      return static_cast<To>(x);
    }
  }
};

/// No conversion.
struct Identity {
  template <class T>
  VG_HD T operator()(T x) const {
    return x;
  }
};

/// f(TypeTag<T>()) with an unsigned T of `bytes` bytes: where nothing is converted, elements are known by their width.
template <class F>
void dispatch_width(std::int64_t bytes, F&& f) {
  switch (bytes) {
    case 1: return f(TypeTag<std::uint8_t>{});
    case 4: return f(TypeTag<std::uint32_t>{});
    default: return f(TypeTag<std::uint64_t>{});
  }
}

}  // namespace verigrad::kernels
