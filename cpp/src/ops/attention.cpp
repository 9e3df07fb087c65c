// Scaled dot-product attention: one kernel each for result and gradient. Neither keeps the scores: the gradient makes
// them again from the log of their sums. While recording, the gradient is written with public ops.
#include "verigrad/nn/attention.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

constexpr const char* kOp = "scaled_dot_product_attention";
constexpr const char* kNode = "ScaledDotProductAttentionBackward0";

/// What a call has beside its tensors.
struct Plan {
  Dims batch;
  double scale = 1, dropout = 0, kept = 1;
  bool causal = false;
  Generator::State random;
};

struct Inputs {
  Tensor query, key, value, mask;
};

Dims batch_of(const Tensor& x) {
  Dims dims = x.shape();
  dims.pop_back();
  dims.pop_back();
  return dims;
}

Dims with_matrix(Dims batch, std::int64_t rows, std::int64_t columns) {
  batch.push_back(rows);
  batch.push_back(columns);
  return batch;
}

Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }

// ---- the kernel's arguments ---------------------------------------------------------------------------------------

/// The tensor itself where its rows are contiguous and their distance is one that CBLAS takes, else a copy.
Tensor in_rows(const Tensor& x) {
  const std::int64_t rows = x.size(-2), columns = x.size(-1);
  const std::int64_t row = x.strides()[x.ndim() - 2], column = x.strides()[x.ndim() - 1];
  const bool plain = (column == 1 || columns == 1) && (rows == 1 || (row >= columns && row <= INT_MAX));
  return plain ? detach(x) : contiguous(detach(x));
}

kernels::AttentionMatrix matrix(const Tensor& x, const Dims& batch) {
  kernels::AttentionMatrix m;
  if (!x.defined()) return m;
  const int rows = x.ndim() - 2;
  Dims strides;
  for (int d = 0; d < rows; ++d) strides.push_back(x.strides()[d]);
  m.data = x.data();
  m.batch = broadcast_strides(batch_of(x), strides, batch);
  m.row = x.shape()[rows] == 1 ? x.shape()[rows + 1] : x.strides()[rows];
  return m;
}

kernels::AttentionMatrix mask_matrix(const Tensor& mask, const Dims& full) {
  kernels::AttentionMatrix m;
  if (!mask.defined()) return m;
  m.data = mask.data();
  m.batch = broadcast_strides(mask.shape(), mask.strides(), full);
  m.column = m.batch.back();
  m.batch.pop_back();
  m.row = m.batch.back();
  m.batch.pop_back();
  return m;
}

kernels::Attention arguments(const Plan& plan, const Inputs& in, const Tensor& out, const Tensor& lse) {
  kernels::Attention a;
  a.batch = plan.batch;
  a.queries = in.query.size(-2);
  a.keys = in.key.size(-2);
  a.width = in.query.size(-1);
  a.value_width = in.value.size(-1);
  a.scale = plan.scale;
  a.causal = plan.causal;
  a.mask_is_bool = in.mask.defined() && in.mask.dtype() == DType::Bool;
  a.dropout = plan.dropout;
  a.kept = plan.kept;
  a.seed = plan.random.seed;
  a.counter = plan.random.counter;
  a.q = matrix(in.query, plan.batch);
  a.k = matrix(in.key, plan.batch);
  a.v = matrix(in.value, plan.batch);
  a.mask = mask_matrix(in.mask, with_matrix(plan.batch, a.queries, a.keys));
  a.out = matrix(out, plan.batch);
  a.lse = lse.data();
  return a;
}

Inputs readable(const Inputs& in) {
  return {in_rows(in.query), in_rows(in.key), in_rows(in.value), in.mask.defined() ? detach(in.mask) : Tensor()};
}

/// New memory [batch, rows, columns] whose dimensions lie in the order of those of `like`: heads that were split off
/// the columns are joined again without a copy.
Tensor blank(const Dims& batch, std::int64_t rows, std::int64_t columns, const Tensor& like) {
  const Dims shape = with_matrix(batch, rows, columns);
  const int n = shape.size();
  if (like.ndim() != n) return empty_tensor(shape, like.dtype(), like.device());
  DimList order;
  for (int d = 0; d + 1 < n; ++d) order.push_back(d);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return like.strides()[static_cast<int>(a)] > like.strides()[static_cast<int>(b)];
  });
  Dims strides = shape;
  std::int64_t step = columns;
  strides.back() = 1;
  for (int i = n - 2; i >= 0; --i) {
    const int d = static_cast<int>(order[static_cast<std::size_t>(i)]);
    strides[d] = step;
    step *= shape[d];
  }
  return alias(empty_tensor(shape, like.dtype(), like.device()), shape, strides, 0);
}

// ---- the gradient -------------------------------------------------------------------------------------------------

Tensor to_shape(const Tensor& grad, const Tensor& input) {
  return grad.defined() ? sum_to_shape(grad, input.shape()) : grad;
}

/// The gradients by query, key, value and mask through the kernel.
TensorList fused_backward(const Plan& plan, const Tensor& g, const Inputs& inputs, const Tensor& out, const Tensor& lse,
                          const bool (&needs)[4]) {
  const Inputs in = readable(inputs);
  const Tensor grad = in_rows(g);
  kernels::Attention a = arguments(plan, in, out, lse);
  const DType dtype = g.dtype();
  TensorList grads(4);
  if (needs[0]) grads[0] = blank(plan.batch, a.queries, a.width, inputs.query);
  if (needs[1]) grads[1] = blank(plan.batch, a.keys, a.width, inputs.key);
  if (needs[2]) grads[2] = blank(plan.batch, a.keys, a.value_width, inputs.value);
  if (needs[3]) grads[3] = empty_tensor(with_matrix(plan.batch, a.queries, a.keys), dtype, g.device());
  a.grad = matrix(grad, plan.batch);
  a.grad_q = matrix(grads[0], plan.batch);
  a.grad_k = matrix(grads[1], plan.batch);
  a.grad_v = matrix(grads[2], plan.batch);
  a.grad_scores = matrix(grads[3], plan.batch);
  VG_KERNEL(attention, kOp, g.device())(kernels::AttentionOp::backward, dtype, a);
  return grads;
}

/// The factors of dropout, as the kernel has them.
Tensor dropout_factors(const Plan& plan, const Tensor& scores) {
  const Tensor factors = empty_tensor(scores.shape(), scores.dtype(), scores.device());
  const Ref<Generator> generator(new Generator(scores.device()));
  generator->set_state(plan.random);
  random_out(kernels::RandomOp::keep, kOp, factors, plan.dropout, plan.kept, 0, 0, generator);
  return factors;
}

/// softmax(scale q k^T + mask) with public ops.
Tensor weights(const Plan& plan, const Inputs& in) {
  const Device device = in.query.device();
  const Scalar hidden = -std::numeric_limits<double>::infinity();
  const std::int64_t queries = in.query.size(-2), keys = in.key.size(-2);
  Tensor scores = mul(matmul(in.query, transposed(in.key)), plan.scale);
  scores = expand(scores, with_matrix(plan.batch, queries, keys));
  if (plan.causal) {
    const auto numbers = [&](std::int64_t count) { return arange(Scalar(0), Scalar(count), 1, DType::Int64, device); };
    return softmax(where(le(numbers(keys), unsqueeze(numbers(queries), 1)), scores, hidden), -1);
  }
  if (!in.mask.defined()) return softmax(scores, -1);
  const bool is_bool = in.mask.dtype() == DType::Bool;
  scores = is_bool ? where(in.mask, scores, hidden) : add(scores, in.mask);
  const Tensor without = eq(amax(detach(scores), {-1}, true), hidden);
  return where(without, Scalar(0), softmax(where(without, Scalar(0), scores), -1));
}

/// The same as fused_backward with public ops.
TensorList composed_backward(const Plan& plan, const Tensor& g, const Inputs& in, const bool (&needs)[4]) {
  const Tensor p = weights(plan, in);
  const Tensor factors = plan.dropout > 0 ? dropout_factors(plan, p) : Tensor();
  const auto dropped = [&](const Tensor& x) { return factors.defined() ? mul(x, factors) : x; };
  TensorList grads(4);
  if (needs[2]) grads[2] = matmul(transposed(dropped(p)), g);
  if (!needs[0] && !needs[1] && !needs[3]) return grads;
  const Tensor by_p = dropped(matmul(g, transposed(in.value)));
  const Tensor by_scores = mul(p, sub(by_p, sum(mul(by_p, p), {-1}, true)));
  if (needs[3]) grads[3] = by_scores;
  const Tensor by_product = mul(by_scores, plan.scale);
  if (needs[0]) grads[0] = matmul(by_product, in.key);
  if (needs[1]) grads[1] = matmul(transposed(by_product), in.query);
  return grads;
}

Tensor attention(const Plan& plan, const Inputs& inputs) {
  const Tensor &query = inputs.query, &key = inputs.key, &value = inputs.value;
  const Tensor out = blank(plan.batch, query.size(-2), value.size(-1), query);
  Dims rows = plan.batch;
  rows.push_back(query.size(-2));
  const Tensor lse = empty_tensor(rows, query.dtype(), query.device());
  VG_KERNEL(attention, kOp, query.device())
  (kernels::AttentionOp::forward, query.dtype(), arguments(plan, readable(inputs), out, lse));
  const Tensor by_mask = inputs.mask.defined() && is_floating_point(inputs.mask.dtype()) ? inputs.mask : Tensor();
  return record(kNode, out, {query, key, value, by_mask},
                {Save::input(query), Save::input(key), Save::input(value), Save::input(inputs.mask), Save::output(out),
                 Save::input(lse)},
                [plan](Node& n, const Tensor& g) -> TensorList {
                  const Inputs in{n.saved(0), n.saved(1), n.saved(2), n.saved(3)};
                  const bool needs[4] = {n.needs(0), n.needs(1), n.needs(2), n.needs(3)};
                  const TensorList grads = GradMode::enabled()
                                               ? composed_backward(plan, g, in, needs)
                                               : fused_backward(plan, g, in, n.saved(4), n.saved(5), needs);
                  return {to_shape(grads[0], in.query), to_shape(grads[1], in.key), to_shape(grads[2], in.value),
                          to_shape(grads[3], in.mask)};
                });
}

/// The result where there is no key, or no element: 0.
Tensor without_keys(const Plan& plan, const Inputs& in) {
  const Tensor out =
      zeros(with_matrix(plan.batch, in.query.size(-2), in.value.size(-1)), in.query.dtype(), in.query.device());
  const Tensor by_mask = in.mask.defined() && is_floating_point(in.mask.dtype()) ? in.mask : Tensor();
  return record(kNode, out, {in.query, in.key, in.value, by_mask}, {}, [](Node& n, const Tensor& g) -> TensorList {
    TensorList grads(4);
    for (int i = 0; i < 4; ++i) {
      if (n.needs(i))
        grads[static_cast<std::size_t>(i)] = zeros(input_meta(n, i).shape, input_meta(n, i).dtype, g.device());
    }
    return grads;
  });
}

// ---- shapes -------------------------------------------------------------------------------------------------------

void check_inputs(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, double dropout_p,
                  bool is_causal) {
  VG_CHECK(query.ndim() >= 2 && key.ndim() >= 2 && value.ndim() >= 2, RuntimeError, kOp,
           ": Expected query, key, and value to all be at least 2 dimensional, but got query.dim: ", query.ndim(),
           " key.dim: ", key.ndim(), " and value.dim: ", value.ndim(), " instead.");
  check_same_device(kOp, query, key);
  check_same_device(kOp, query, value);
  VG_CHECK(query.dtype() == key.dtype() && query.dtype() == value.dtype(), RuntimeError, kOp,
           ": Expected query, key, and value to have the same dtype, but got query.dtype: ", query.dtype(),
           " key.dtype: ", key.dtype(), " and value.dtype: ", value.dtype(), " instead.");
  VG_CHECK(is_floating_point(query.dtype()), RuntimeError, kOp, ": expected a floating-point query, got ",
           query.dtype());
  if (mask.defined()) {
    check_same_device(kOp, query, mask);
    VG_CHECK(!is_causal, RuntimeError, kOp, ": Explicit attn_mask should not be set when is_causal=True");
    VG_CHECK(mask.dtype() == DType::Bool || mask.dtype() == DType::Float32 || mask.dtype() == query.dtype(),
             RuntimeError, kOp,
             ": Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ",
             mask.dtype(), " and query.dtype: ", query.dtype(), " instead.");
  }
  VG_CHECK(dropout_p >= 0 && dropout_p <= 1, RuntimeError, kOp,
           ": dropout probability has to be between 0 and 1, but got ", dropout_p);
}

/// Heads of key or value, each as often as there are heads of query to share it.
Tensor repeated(const Tensor& x, std::int64_t heads) {
  const int dim = x.ndim() - 3;
  Dims shape = x.shape();
  shape.insert(dim + 1, heads / x.shape()[dim]);
  Dims joined = x.shape();
  joined[dim] = heads;
  return reshape(expand(unsqueeze(x, dim + 1), shape), joined);
}

/// Dimension `dim`, counted from the end, as [shared, size / shared], or as [1, 1] where it is 1.
Tensor grouped(const Tensor& x, int dim, std::int64_t shared) {
  if (x.ndim() < dim) return x;
  const int at = x.ndim() - dim;
  Dims shape = x.shape();
  if (shape[at] == 1) shared = 1;
  shape.insert(at + 1, shape[at] / shared);
  shape[at] = shared;
  return reshape(x, shape);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, bool enable_gqa) {
  check_inputs(query, key, value, attn_mask, dropout_p, is_causal);
  if (enable_gqa) {
    const std::int64_t heads = query.size(-3), of_key = key.size(-3), of_value = value.size(-3);
    VG_CHECK(of_key > 0 && of_value > 0 && heads % of_key == 0 && heads % of_value == 0, RuntimeError, kOp,
             ": Number of heads in key and value must divide the number of heads in query, got ", of_key, ", ",
             of_value, " and ", heads);
    const auto call = [&](const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
      return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal, scale, false);
    };
    if (of_key != of_value) return call(query, repeated(key, heads), repeated(value, heads), attn_mask);
    if (of_key != heads) {
      const Tensor mask = attn_mask.defined() ? grouped(attn_mask, 3, of_key) : attn_mask;
      const Tensor out = call(grouped(query, 3, of_key), unsqueeze(key, -3), unsqueeze(value, -3), mask);
      return flatten(out, -4, -3);
    }
  }
  VG_CHECK(query.size(-1) == key.size(-1), RuntimeError, kOp,
           ": Expected query and key of the same last dimension, got ", query.shape(), " and ", key.shape());
  VG_CHECK(key.size(-2) == value.size(-2), RuntimeError, kOp, ": Expected as many rows of key as of value, got ",
           key.shape(), " and ", value.shape());
  Plan plan;
  plan.batch = broadcast_shapes(kOp, broadcast_shapes(kOp, batch_of(query), batch_of(key)), batch_of(value));
  const std::int64_t queries = query.size(-2), keys = key.size(-2), width = query.size(-1);
  const Dims full = with_matrix(plan.batch, queries, keys);
  if (attn_mask.defined()) {
    VG_CHECK(broadcast_shapes(kOp, attn_mask.shape(), full) == full, RuntimeError, kOp, ": output with shape ", full,
             " doesn't match the broadcast shape of attn_mask ", attn_mask.shape());
  }
  const std::int64_t numel = checked_numel(kOp, full);
  if (keys == 0 || numel == 0 || value.size(-1) == 0) return without_keys(plan, {query, key, value, attn_mask});
  if (width == 0) {  // all scores are 0
    const auto column = [](const Tensor& x) {
      Dims shape = x.shape();
      shape.back() = 1;
      return zeros(shape, x.dtype(), x.device());
    };
    return scaled_dot_product_attention(column(query), column(key), value, attn_mask, dropout_p, is_causal, 1.0, false);
  }
  plan.scale = scale.value_or(1 / std::sqrt(static_cast<double>(width)));
  plan.causal = is_causal;
  plan.dropout = dropout_p;
  plan.kept = dropout_p == 1 ? 0 : 1 / (1 - dropout_p);
  if (dropout_p > 0) {
    constexpr std::int64_t kWords = 4;  // of a block
    plan.random = default_generator(query.device())->reserve(static_cast<std::uint64_t>((numel + kWords - 1) / kWords));
  }
  const bool cast = attn_mask.defined() && attn_mask.dtype() != DType::Bool && attn_mask.dtype() != query.dtype();
  return attention(plan, {query, key, value, cast ? to(attn_mask, query.dtype()) : attn_mask});
}

}  // namespace verigrad::ops
