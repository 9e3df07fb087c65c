// The one place where gradients meet.
#pragma once

#include "verigrad/autograd.h"

namespace verigrad {

/// Raises RuntimeError naming `producer` unless `grad` has the shape, dtype and device that `meta` asks for.
void check_gradient(const Node& producer, int input, const GradMeta& meta, const Tensor& grad);
/// `into` += grad, where `into` may be undefined yet. In place only when nobody else can see `into` and no graph of the
/// gradients is wanted.
void add_gradient(Tensor& into, Tensor grad);

}  // namespace verigrad
