// The devices' caching allocator.
#pragma once

#include <cstdint>

#include "core/backend.h"

namespace verigrad::kernels::cuda {

MemoryUse memory_use(int device);
void reset_peak(int device);
/// Gives the driver back what no storage uses.
void empty_cache();

}  // namespace verigrad::kernels::cuda
