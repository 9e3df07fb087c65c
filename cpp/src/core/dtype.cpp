#include "verigrad/dtype.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <ostream>

#include "core/backend.h"
#include "verigrad/device.h"

namespace verigrad {

namespace {
std::atomic<DType> default_dtype_{DType::Float32};
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

bool fits(Scalar value, DType dtype) {
  return dispatch(dtype, [&]<class T>(TypeTag<T>) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_same_v<T, bool>) {
      return true;
    } else if constexpr (std::is_floating_point_v<T>) {
      return !std::isfinite(value.to_double()) || std::fabs(value.to_double()) <= static_cast<double>(Limits::max());
    } else if (value.is_floating_point()) {
      // No double lies between the largest int64 and 2^63.
      const double v = value.to_double(), most = static_cast<double>(Limits::max());
      return v >= static_cast<double>(Limits::lowest()) && (sizeof(T) == 8 ? v < most : v <= most);
    } else {
      const std::int64_t v = value.to<std::int64_t>();
      const std::int64_t least =
          std::is_signed_v<T> ? static_cast<std::int64_t>(Limits::lowest()) : -static_cast<std::int64_t>(Limits::max());
      return v >= least && v <= static_cast<std::int64_t>(Limits::max());
    }
  });
}

void check_fits(const char* op, Scalar value, DType dtype) {
  if (fits(value, dtype)) [[likely]]
    return;
  if (value.is_floating_point()) {
    VG_THROW(RuntimeError, op, ": value cannot be converted to type ", name(dtype), " without overflow, got ",
             value.to_double());
  }
  VG_THROW(RuntimeError, op, ": value cannot be converted to type ", name(dtype), " without overflow, got ",
           value.to<std::int64_t>());
}

DType default_dtype() { return default_dtype_.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  VG_CHECK(is_floating_point(dtype), TypeError, "set_default_dtype: expected a floating-point dtype, got ", dtype);
  default_dtype_.store(dtype, std::memory_order_relaxed);
}

Device Device::parse(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  Device device;
  bool ok = kind == "cpu" || kind == "cuda";
  device.type = kind == "cuda" ? DeviceType::CUDA : DeviceType::CPU;
  if (ok && colon == std::string::npos) {
    if (device.type == DeviceType::CUDA) device.index = static_cast<std::int8_t>(current_index());
  } else if (ok) {
    const std::string index = text.substr(colon + 1);
    ok = !index.empty() && index.size() <= 2 && index.find_first_not_of("0123456789") == std::string::npos;
    if (ok) device.index = static_cast<std::int8_t>(std::stoi(index));
  }
  VG_CHECK(ok, RuntimeError, "device: expected one of cpu, cuda, cuda:<index>, got '", text, "'");
  VG_CHECK(device.type == DeviceType::CUDA || device.index == 0, RuntimeError, "device: expected CPU index 0, got '",
           text, "'");
  return device;
}

std::string Device::str() const {
  return type == DeviceType::CPU ? "cpu" : "cuda:" + std::to_string(static_cast<int>(index));
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << device.str(); }

}  // namespace verigrad
