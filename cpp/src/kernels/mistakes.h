// Mistakes of a caller that only values show. The CPU raises them at once, CUDA at the next synchronisation.
#pragma once

#include <cstdint>

#include "verigrad/error.h"

namespace verigrad::kernels {

enum class Mistake : int {
  none = 0,
  position,      // of an element
  row,           // of a table
  subscript,     // along the dimension `dim`
  label,         // of a loss over classes
  class_target,  // of a margin loss
  input_range,   // no probability
  target_range,
  zero_divisor,
};

/// Raises what PyTorch raises; `size` bounds what `value` may be.
[[noreturn]] inline void raise_mistake(Mistake mistake, const char* op, std::int64_t value, std::int64_t size,
                                       int dim = 0) {
  switch (mistake) {
    case Mistake::row: VG_THROW(IndexError, op, ": expected an index in [0, ", size, "), got ", value);
    case Mistake::subscript:
      VG_THROW(IndexError, "index ", value, " is out of bounds for dimension ", dim, " with size ", size);
    case Mistake::label:
      VG_THROW(IndexError, op, ": Target ", value, " is out of bounds, expected labels from 0 to ", size - 1);
    case Mistake::class_target:
      VG_THROW(RuntimeError, op, ": target out of range, expected classes from 0 to ", size - 1, ", got ", value);
    case Mistake::input_range: VG_THROW(RuntimeError, op, ": all elements of input should be between 0 and 1");
    case Mistake::target_range: VG_THROW(RuntimeError, op, ": all elements of target should be between 0 and 1");
    case Mistake::zero_divisor: VG_THROW(RuntimeError, op, ": expected a non-zero divisor, got 0");
    default: VG_THROW(RuntimeError, op, ": expected an index in [0, ", size, "), got ", value);
  }
}

}  // namespace verigrad::kernels
