// The devices' tables.
#include "kernels/table.h"

namespace verigrad::kernels {

KernelTable& table(Device device) {
  // Explicit registration: static constructors in a library may be dropped by the linker.
  static KernelTable cpu = [] {
    KernelTable t;
    register_cpu_kernels(t);
    return t;
  }();
  if (device.type == DeviceType::CPU) [[likely]]
    return cpu;
  VG_THROW(RuntimeError, "device ", device, ": this build of verigrad has no CUDA support");
}

}  // namespace verigrad::kernels
