// The table of CUDA devices.
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/runtime.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

namespace {

/// A slot that comes back when its work is done, so that an error is raised by the op that made it.
template <auto kSlot>
struct Waiting;
template <class... Params, void (*kSlot)(Params...)>
struct Waiting<kSlot> {
  static void run(Params... params) {
    kSlot(params...);
    cuda::synchronize_stream();
  }
};

/// Whether the environment asks for that.
bool slots_wait() {
  const char* text = std::getenv("VERIGRAD_CUDA_SYNC");
  return text && *text != 0 && std::strcmp(text, "0") != 0;
}

}  // namespace

void register_cuda_kernels(KernelTable& table) {
  const bool wait = slots_wait();
#define VG_SLOT(NAME, PARAMS) table.NAME = wait ? &Waiting<&cuda::NAME>::run : &cuda::NAME;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
}

}  // namespace verigrad::kernels
