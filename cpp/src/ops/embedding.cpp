// Embeddings.
#include "verigrad/nn/embedding.h"
#include "verigrad/indexing.h"

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx,
                 bool scale_grad_by_freq) {
  check_same_device("embedding", weight, indices);
  VG_CHECK(indices.dtype() == DType::Int64 || indices.dtype() == DType::Int32, RuntimeError,
           "embedding: expected indices of dtype int64 or int32, got ", indices.dtype());
  VG_CHECK(weight.ndim() == 2, RuntimeError, "embedding: 'weight' must be 2-D, got shape ", weight.shape());
  const Tensor index = contiguous(reshape(to(indices, DType::Int64), {indices.numel()}));
  Tensor picked;
  {
    const NoGradGuard guard;
    Dims shape = indices.shape();
    shape.push_back(weight.shape()[1]);
    picked = reshape(select_rows("embedding", weight, 0, index), shape);
  }
  if (!is_floating_point(weight.dtype())) return picked;
  return record("EmbeddingBackward0", picked, {weight}, {Save::input(index)},
                [padding_idx, scale_grad_by_freq](Node& n, const Tensor& g) -> TensorList {
                  const GradMeta& meta = input_meta(n, 0);
                  const Tensor index = n.saved(0);
                  Tensor by_row = reshape(g, {index.numel(), meta.shape[1]});
                  if (padding_idx) {
                    by_row = masked_fill(by_row, unsqueeze(eq(index, Scalar(*padding_idx)), 1), 0);
                  }
                  if (scale_grad_by_freq) {
                    const Tensor counts = index_add(zeros({meta.shape[0]}, g.dtype(), g.device()), 0, index,
                                                    ones({index.numel()}, g.dtype(), g.device()));
                    by_row = div(by_row, unsqueeze(index_select(counts, 0, index), 1));
                  }
                  return {index_add_(zeros(meta.shape, meta.dtype, meta.device), 0, index, by_row)};
                });
}

}  // namespace verigrad::ops
