// The one place where something may stand between the engine and the nodes.
#pragma once

#include <atomic>

#include "verigrad/autograd.h"

namespace verigrad {

/// Calls `node.apply` in place of the engine, which asks for it once in a backward pass. Null but in the tests of the
/// verification, which plant wrong gradients (testing/faults.h).
class NodeFilter {
 public:
  virtual ~NodeFilter() = default;
  virtual TensorList apply(Node& node, TensorList&& grads) = 0;
};

extern std::atomic<NodeFilter*> node_filter;

}  // namespace verigrad
