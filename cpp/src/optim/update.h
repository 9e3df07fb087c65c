// What the optimizers share.
#pragma once

#include "ops/elementwise.h"
#include "verigrad/optim.h"

namespace verigrad::optim {

/// Raises unless the lists match in length and each tensor its parameter.
void check_group(const char* op, const TensorList& params, const TensorList& others, const char* what);

/// A contiguous tensor to update in place of `tensor`, and back.
class Target {
 public:
  explicit Target(const Tensor& tensor)
      : tensor_(tensor), work_(tensor.is_contiguous() ? tensor : ops::clone(tensor)) {}
  void* data() const { return work_.data(); }
  /// Writes a copy back and counts the change.
  void finish() const {
    if (!work_.is_same(tensor_)) ops::copy_out(tensor_, work_);
    tensor_.bump_version();
  }

 private:
  Tensor tensor_, work_;
};

}  // namespace verigrad::optim
