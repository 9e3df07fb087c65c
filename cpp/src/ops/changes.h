// What the ops share that write by index or by mask, in place and not.
#pragma once

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

/// 0-d tensors are indexed as if they had one dimension.
inline Tensor at_least_1d(const Tensor& x) { return x.ndim() == 0 ? reshape(x, {1}) : x; }

/// The value that `op` fills a tensor of this dtype with; a tensor must have no dimensions.
Operand fill_value(const char* op, const Operand& value, DType dtype);

/// What an op reads beside the memory that it writes.
inline Tensor apart_from(const Tensor& self, const Tensor& x) { return x.storage() == self.storage() ? clone(x) : x; }

/// Adds the rows of `source` to those of the contiguous `out` that the index names, or puts them in their place.
void write_rows(const char* op, bool overwrite, const Tensor& out, int d, const Tensor& index, const Tensor& source);

/// write(out) with self, or with a contiguous copy that is then put back.
template <class Write>
void change_contiguous(const Tensor& self, Write write) {
  const Tensor out = self.is_contiguous() ? detach(self) : clone(detach(self));
  write(out);
  if (!self.is_contiguous()) copy_out(self, out);
}

/// An op in place: `direct()` writes where self lies, `result()` makes a recorded result of self's shape and dtype.
template <class Direct, class Result>
const Tensor& change_in_place(const Tensor& self, bool recorded, Direct direct, Result result) {
  check_inplace(self, recorded);
  if (!recorded) {
    direct();
    self.bump_version();
    return self;
  }
  const Tensor now = result();
  copy_out(self, now);
  finish_inplace(self, now);
  return self;
}

}  // namespace verigrad::ops
