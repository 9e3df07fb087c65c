// The devices' tables.
#include "kernels/table.h"

#include "core/backend.h"

namespace verigrad::kernels {

KernelTable& table(Device device, const char* op) {
  // Explicit registration: static constructors in a library may be dropped by the linker.
  static KernelTable cpu = [] {
    KernelTable t;
    register_cpu_kernels(t);
    return t;
  }();
  if (device.type == DeviceType::CPU) [[likely]]
    return cpu;
  Backend& cuda = backend(device);
  cuda.enter(device.index, op);
  return *cuda.kernels;
}

}  // namespace verigrad::kernels
