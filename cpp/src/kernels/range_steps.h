// The elements of a Range, for all devices.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels {

/// Element i is value(first + i).
template <class T>
struct RangeSteps {
  // Unsigned integers, so that steps past the range of the dtype wrap.
  using Number = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  Number start, step;

  explicit RangeSteps(const Range& r) : start(number(r.start)), step(number(r.step)) {}

  VG_HD T value(std::int64_t i) const {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(start + static_cast<double>(i) * step);
    } else {
      return static_cast<T>(static_cast<std::int64_t>(start + static_cast<std::uint64_t>(i) * step));
    }
  }

 private:
  static Number number(const Scalar& s) {
    if constexpr (std::is_floating_point_v<T>) {
      return s.to_double();
    } else {
      return static_cast<Number>(s.to<std::int64_t>());
    }
  }
};

}  // namespace verigrad::kernels
