// Optimizer steps over all tensors of a parameter group in one call. Parameters and state change in place; nothing is
// recorded.
#pragma once

#include <vector>

#include "verigrad/autograd.h"
#include "verigrad/update.h"

namespace verigrad::optim {

/// The rule of that name. Raises ValueError where there is none.
UpdateRule parse_rule(const char* name);

/// One step of `rule`.
///
/// `states`: a list for each array that the rule keeps under these options, of the shape and dtype of the parameters,
/// in the order in which kernels/update_rules.h takes them. In the list of `sgd` an undefined tensor is a first step;
/// the new momentum buffer is stored there.
///
/// `kept`: lists of what a parameter keeps as a number, tensors of one floating-point element, best on the CPU: the
/// step for all rules but `sgd`, then `mu_product` for `nadam`, `eta` and `mu` for `asgd`.
///
/// Raises RuntimeError or ValueError, before anything is written, where tensors do not belong together.
void update(UpdateRule rule, const TensorList& params, const TensorList& grads, std::vector<TensorList>& states,
            const std::vector<TensorList>& kept, const UpdateOptions& options);

}  // namespace verigrad::optim
