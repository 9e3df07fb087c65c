// Anomaly mode: where the nodes come from, and which of them makes a NaN.
#pragma once

#include <string>

#include "verigrad/autograd.h"

namespace verigrad {

/// The stack of the caller, and behind it that of the node which is running on this thread: what a pass with
/// create_graph records has two origins.
std::string recorded_stack();

/// Runs `apply`, which is that of `node`. Where it throws, or makes a NaN and these are looked for, the stack that
/// recorded the node is reported, and the error goes on.
TensorList watched(Node& node, const std::function<TensorList()>& apply);

}  // namespace verigrad
