// Hooks for the verification: what ops there are, and faults that it must notice.
#include "core/allocator.h"
#include "core/backend.h"
#include "kernels/boundaries.h"
#include "kernels/cpu/simd.h"
#include "kernels/cuda/boundaries.h"
#include "python.h"
#include "testing/faults.h"
#include "verigrad/parallel.h"

namespace verigrad::bindings {

namespace {
std::vector<OpInfo>& mutable_registry() {
  static std::vector<OpInfo> ops;
  return ops;
}
}  // namespace

const std::vector<OpInfo>& registry() { return mutable_registry(); }
void register_op(const char* name, bool differentiable, bool inplace) {
  mutable_registry().push_back({name, differentiable, inplace});
}

void bind_testing(py::module_& m) {
  py::module_ t = m.def_submodule("_testing", "For the verification of the library; not for programs.");
  t.def(
      "registered_ops",
      [] {
        py::dict out;
        for (const OpInfo& op : registry()) {
          py::dict info;
          info["differentiable"] = op.differentiable;
          info["inplace"] = op.inplace;
          out[py::str(op.name)] = info;
        }
        return out;
      },
      "Every bound op: name -> {differentiable, inplace}.");
  t.def("plant_vjp_fault", &testing::plant_vjp_fault, py::arg("kind"), py::arg("node_name"),
        "Makes the VJP of every node of that name wrong; testing/faults.h lists the kinds.");
  t.def("vjp_fault_kinds", &testing::vjp_fault_kinds);
  t.def("kernel_slots", &testing::kernel_slots);
  t.def(
      "plant_kernel_fault",
      [](const std::string& slot, const std::string& kind, bool once, const DeviceArg& device) {
        testing::plant_kernel_fault(slot, kind, once, device.or_default());
      },
      py::arg("slot"), py::arg("kind") = "first", py::arg("once") = false, py::arg("device") = py::none(),
      "Makes a kernel of the device spoil what it writes; testing/faults.h lists the kinds.");
  t.def("kernel_fault_kinds", &testing::kernel_fault_kinds);
  t.def(
      "kernel_calls",
      [] {
        py::dict out;
        for (const testing::KernelCalls& c : testing::kernel_calls()) {
          out[py::str(c.slot)] = py::make_tuple(c.calls, c.largest, c.cut, c.spoiled);
        }
        return out;
      },
      "Of each slot with a fault: calls, elements of the largest output, calls that `chunk` can spoil, calls that "
      "were wrong.");
  t.def("clear_faults", [] {
    testing::clear_vjp_faults();
    testing::clear_kernel_faults();
  });
  t.def("simd_level", [] { return std::string(kernels::cpu::name(kernels::cpu::simd_level())); });
  t.def("max_simd_level", [] { return std::string(kernels::cpu::name(kernels::cpu::max_simd_level())); });
  t.def(
      "set_simd_level",
      [](const std::string& level) { kernels::cpu::set_simd_level(kernels::cpu::parse_simd_level(level)); },
      py::arg("level"), "Forces baseline, avx2 or avx512; raises ValueError where the processor lacks it.");
  t.def("cut_loops", &cut_loops, "How many loops were long enough to be cut into chunks for threads.");
  t.def(
      "boundaries",
      [] {
        py::dict out;
#define VG_BOUNDARY(NAME, VALUE, WHAT) out[#NAME] = py::make_tuple(kernels::boundary::NAME, WHAT);
#include "kernels/boundaries.def"
#define VG_BOUNDARY(NAME, VALUE, WHAT) out[#NAME] = py::make_tuple(kernels::boundary::NAME, WHAT);
#include "kernels/cuda/boundaries.def"
        return out;
      },
      "Every size at which a kernel changes its path: name -> (value, what it bounds).");
  t.def(
      "device_waits", [] { return device_count(DeviceType::CUDA) == 0 ? 0 : backend({DeviceType::CUDA, 0}).waits(); },
      "How often this process has waited for a CUDA device.");
  t.def(
      "cuda_emulated",
      [] {
#if defined(VERIGRAD_CUDA_EMULATED)
        return true;
#else
        return false;
#endif
      },
      "Whether CUDA is emulated, where some of these sizes are lower than on a device.");
  t.def("allocated_bytes", &cpu_allocated_bytes, "Bytes in live storages.");
  t.def("empty_cache", &cpu_empty_cache, "Returns this thread's unused blocks to the system.");
}

}  // namespace verigrad::bindings
