// The one place where gradients meet.
#pragma once

#include "verigrad/autograd.h"

namespace verigrad {

/// Raises RuntimeError naming `producer` unless `grad` has the shape, dtype and device that `meta` asks for.
void check_gradient(const Node& producer, int input, const GradMeta& meta, const Tensor& grad);
/// `into` += grad, where `into` may be undefined yet. In place only when nobody else can see `into` and no graph of the
/// gradients is wanted.
void add_gradient(Tensor& into, Tensor grad);

/// Applies a planted fault (see testing::plant_vjp_fault) to what `node` returned.
void apply_planted_fault(const Node& node, TensorList& grads);
/// Whether `node`'s VJP must skip the sums over broadcast dimensions.
bool broadcast_fault_planted(const Node& node);
extern thread_local bool skip_broadcast_sum;

}  // namespace verigrad
