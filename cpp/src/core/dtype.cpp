#include "verigrad/dtype.h"

#include <atomic>
#include <ostream>

#include "verigrad/device.h"

namespace verigrad {

namespace {
std::atomic<DType> default_dtype_{DType::Float32};
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

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
  if (ok && colon != std::string::npos) {
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
