// The rows of boundaries.def as constants: boundary::reduction_leaf and so on.
#pragma once

#include <cstdint>

namespace verigrad::kernels::boundary {

#define VG_BOUNDARY(NAME, VALUE, WHAT) inline constexpr std::int64_t NAME = VALUE;
#include "kernels/boundaries.def"

}  // namespace verigrad::kernels::boundary
