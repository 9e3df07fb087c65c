// Devices.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace verigrad {

enum class DeviceType : std::int8_t { CPU, CUDA };

struct Device {
  DeviceType type = DeviceType::CPU;
  std::int8_t index = 0;

  /// Parses "cpu", "cuda", "cuda:1"; raises RuntimeError otherwise.
  static Device parse(const std::string& text);
  std::string str() const;
  bool operator==(const Device&) const = default;
};

/// Where Python's numbers, numpy's arrays and random streams are.
inline constexpr Device kHost{};

/// Where creation functions put what no device is said for; the host at first. Raises RuntimeError for a device that is
/// not there.
Device default_device();
void set_default_device(Device device);

/// The stream that the calling thread queues its work on, on a device that is not the host.
std::uint64_t current_stream(Device device);

std::ostream& operator<<(std::ostream& out, Device device);

}  // namespace verigrad
