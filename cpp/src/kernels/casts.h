// Conversions between dtypes, for all devices.
#pragma once

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

}  // namespace verigrad::kernels
