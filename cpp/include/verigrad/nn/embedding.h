// Embeddings. Semantics are those of the PyTorch function of the same name.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// Rows of weight [num_embeddings, embedding_dim]: [*indices, embedding_dim]. Row `padding_idx` gets no gradient;
/// `scale_grad_by_freq` divides the gradients of a row by the number of times that it was taken.
Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx,
                 bool scale_grad_by_freq);

}  // namespace verigrad::ops
