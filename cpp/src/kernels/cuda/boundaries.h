// The rows of boundaries.def as constants: boundary::cuda_threads and so on.
#pragma once

#include <cstdint>

namespace verigrad::kernels::boundary {

#define VG_BOUNDARY(NAME, VALUE, WHAT) inline constexpr std::int64_t NAME = VALUE;
#include "kernels/cuda/boundaries.def"

}  // namespace verigrad::kernels::boundary
