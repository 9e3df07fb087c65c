// Attention. Semantics are those of the PyTorch function of the same name. Undefined tensors stand for None.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// softmax(scale query key^T + mask) value over the last two dimensions, those before them broadcast; see
/// kernels::Attention. `scale`: 1 / sqrt(width) where not given. `enable_gqa`: dimension -3 of key and value divides
/// that of query, and neighbouring heads of query share theirs.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa);

}  // namespace verigrad::ops
