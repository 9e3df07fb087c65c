// What the op families share: loops over broadcast operands, dtype rules, access to a device's kernels.
#pragma once

#include <initializer_list>

#include "kernels/table.h"
#include "verigrad/ops.h"

namespace verigrad::ops {

/// The kernel in a slot, or the uniform error where the device has none.
template <class F>
F require(F kernel, const char* op, Device device) {
  VG_CHECK(kernel != nullptr, NotImplementedError, op, ": no ", device, " implementation");
  return kernel;
}
#define VG_KERNEL(SLOT, OP, DEVICE) (::verigrad::ops::require(::verigrad::kernels::table(DEVICE, OP).SLOT, OP, DEVICE))

/// The loop of `out` over operands broadcast to its shape; false where there is nothing to do. A null input stands for
/// a number, which the caller sets.
bool make_loop(kernels::Loop& loop, const Tensor& out, std::initializer_list<const Tensor*> inputs);

void unary_out(kernels::UnaryOp op, const char* name, const Tensor& out, const Tensor& x);
/// out = a op b. Tensors have the operation's dtype, numbers are converted to it; `out` may be `a` or `b` itself.
void binary_out(kernels::BinaryOp op, const Tensor& out, const Tensor& a, const Tensor& b);
void binary_out(kernels::BinaryOp op, const Tensor& out, const Tensor& a, Scalar b);
void binary_out(kernels::BinaryOp op, const Tensor& out, Scalar a, const Tensor& b);
/// out = op(a, b, c, value); `c` may be a number.
void ternary_out(kernels::TernaryOp op, const char* name, const Tensor& out, const Tensor& a, const Tensor& b,
                 const Operand& c, Scalar value);
void copy_out(const Tensor& out, const Tensor& in);
void fill_out(const Tensor& out, Scalar value);

/// Runs a random kernel over a contiguous tensor and moves the generator on.
void random_out(kernels::RandomOp op, const char* name, const Tensor& out, double low, double high,
                std::int64_t int_low, std::int64_t int_high, const OptGenerator& generator);

/// The dtype in which a row of this kind computes, for the promoted dtype of its operands.
inline DType computed_in(kernels::Kind kind, DType promoted) {
  return kind == kernels::Kind::Float && !is_floating_point(promoted) ? default_dtype() : promoted;
}
/// Raises RuntimeError for Signed, else NotImplementedError.
[[noreturn]] void refuse_kind(const char* op, kernels::Kind kind, DType dtype);
/// Refuses a dtype that a row of this kind lacks.
inline void check_kind(const char* op, kernels::Kind kind, DType dtype) {
  if (!kernels::has(kind, dtype)) [[unlikely]]
    refuse_kind(op, kind, dtype);
}

void check_same_device(const char* op, const Tensor& a, const Tensor& b);
/// x, or its copy on the device of `other` where x is a 0-d tensor of the host: these go along with any device.
Tensor beside(const Tensor& x, const Tensor& other);
/// As `to`, for ops that store their operands: a number must fit the dtype.
Operand to_stored(const char* op, const Operand& x, DType dtype);
/// out = a where the condition holds, else b; both have the dtype of `out`.
void where_out(const Tensor& out, const Tensor& condition, const Operand& a, const Operand& b);
/// index_select as part of `op`.
Tensor select_rows(const char* op, const Tensor& self, int dim, const Tensor& index);
/// out = before + place of index * step, broadcast; see kernels::Positions.
void positions_out(const char* op, kernels::Mistake mistake, const Tensor& out, const Operand& before,
                   const Tensor& index, const kernels::IndexRange& range, std::int64_t step = 1, int dim = 0);
/// Whether all numbers of an index lie in [0, size). False for one on a device, which would have to be waited for.
bool all_within(const Tensor& index, std::int64_t size);
/// The tensor of an operand, undefined where it is a number.
inline const Tensor& as_input(const Tensor& x) { return x; }
inline const Tensor& as_input(Scalar) {
  static const Tensor none;
  return none;
}
inline const Tensor& as_input(const Operand& x) { return x.tensor; }
/// Raises TypeError-like RuntimeError unless the dtype is int64 (or int32 where allowed).
Tensor as_index(const char* op, const Tensor& index);

/// g where `wins`, g / 2 where `ties`, else 0: the one rule for equal candidates of maximum and minimum.
Tensor extremum_backward(const Tensor& g, const Tensor& wins, const Tensor& ties);
Tensor pow_backward_base(const Tensor& g, const Tensor& a, const Tensor& b);
Tensor pow_backward_base(const Tensor& g, const Tensor& a, Scalar b);
Tensor pow_backward_exponent(const Tensor& g, const Tensor& a, const Tensor& b, const Tensor& y);
Tensor pow_backward_exponent(const Tensor& g, Scalar a, const Tensor& b, const Tensor& y);
Tensor xlogy_backward(const Tensor& g, const Tensor& a, const Tensor& b);
Tensor xlogy_backward(const Tensor& g, const Tensor& a, Scalar b);
/// g y / a for y = copysign(a, b), and 0 for a = 0.
Tensor copysign_backward(const Tensor& g, const Tensor& a, const Tensor& y);
/// x + 1.
inline Tensor one_more(const Tensor& x) { return add(x, 1.0); }
inline Scalar one_more(Scalar x) { return x.to_double() + 1.0; }
/// Raises NotImplementedError, in the backward pass.
[[noreturn]] Tensor no_derivative(const char* op, const Tensor& g);
/// 1 / (a^2 + b^2), and 0 where both are 0.
Tensor inverse_square_norm(const Tensor& a, const Tensor& b);
/// Where fmax or fmin takes the first operand: where it `wins`, as it does against an equal one, or the second is NaN.
Tensor takes_first(const Tensor& wins, const Tensor& second);

/// Shape and dtype of the input that edge i of a node leads to.
inline const GradMeta& input_meta(const Node& node, int i) {
  const Edge& edge = node.edges[static_cast<std::size_t>(i)];
  return edge.node->outputs[static_cast<std::size_t>(edge.output_nr)];
}

}  // namespace verigrad::ops
