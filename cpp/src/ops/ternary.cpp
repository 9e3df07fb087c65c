// Elementwise functions of three broadcast operands, generated from verigrad/ternary.def, and their in-place forms.
#include "ops/operands.h"

namespace verigrad::ops {
namespace {

using kernels::Kind;
using kernels::TernaryOp;
// What a VJP reads, as a set.
constexpr int A = 1, B = 2, C = 4, AB = A | B, BC = B | C;

Tensor rest_of_one(const Tensor& weight) { return sub(1.0, weight); }
Scalar rest_of_one(Scalar weight) { return 1.0 - weight.to_double(); }

#define VG_TERNARY(NAME, NODE, KIND, READS_A, READS_B, READS_C, VJP_A, VJP_B, VJP_C)                              \
  struct Spec_##NAME {                                                                                            \
    static constexpr auto op = TernaryOp::NAME;                                                                   \
    static constexpr const char* name = #NAME;                                                                    \
    static constexpr const char* node = NODE;                                                                     \
    static constexpr Kind kind = Kind::KIND;                                                                      \
    static constexpr int reads_a = READS_A, reads_b = READS_B, reads_c = READS_C;                                 \
    template <class Third>                                                                                        \
    static Tensor vjp(int i, const Tensor& g, [[maybe_unused]] const Tensor& a, [[maybe_unused]] const Tensor& b, \
                      [[maybe_unused]] const Third& c, [[maybe_unused]] Scalar v) {                               \
      if (i == 0) return VJP_A;                                                                                   \
      if (i == 1) return VJP_B;                                                                                   \
      return VJP_C;                                                                                               \
    }                                                                                                             \
  };
#include "verigrad/ternary.def"

const Dims& shape_of(const Tensor& x) { return x.shape(); }
Dims shape_of(Scalar) { return {}; }

template <class Third>
Dims result_shape(const char* op, const Tensor& a, const Tensor& b, const Third& c) {
  return broadcast_shapes(op, broadcast_shapes(op, a.shape(), b.shape()), shape_of(c));
}

/// Tensors have the operation's dtype and device.
template <class Spec, class Third>
Tensor ternary(const Tensor& a, const Tensor& b, const Third& c, Scalar value) {
  const Tensor out = empty_tensor(result_shape(Spec::name, a, b, c), a.dtype(), a.device());
  ternary_out(Spec::op, Spec::name, out, a, b, c, value);
  const int reads = (wants_gradient(a) ? Spec::reads_a : 0) | (wants_gradient(b) ? Spec::reads_b : 0) |
                    (wants_gradient(c) ? Spec::reads_c : 0);
  static const Tensor none;
  return record(
      Spec::node, out, {a, b, as_input(c)},
      {Save::input(reads & A ? a : none), Save::input(reads & B ? b : none), reads & C ? kept(c) : Save::input(none)},
      [value, kept_c = Kept<Third>(c)](Node& n, const Tensor& g) -> TensorList {
        const Tensor a = n.saved(0), b = n.saved(1);
        const auto c = kept_c.get(n, 2);
        TensorList grads(3);
        for (int i = 0; i < 3; ++i) {
          if (n.needs(i)) {
            grads[static_cast<std::size_t>(i)] = sum_to_shape(Spec::vjp(i, g, a, b, c, value), input_meta(n, i).shape);
          }
        }
        return grads;
      });
}

/// self = op(self, b, c, value), in place; tensors have the device of self, and are cast to dtype.
template <class Spec, class Third>
const Tensor& ternary_inplace(const Tensor& self, const Tensor& b, const Third& c, Scalar value, DType dtype) {
  const bool record_it = GradMode::enabled() && (wants_gradient(self) || wants_gradient(b) || wants_gradient(c));
  check_inplace(self, record_it);
  check_result(Spec::name, self, dtype, result_shape(Spec::name, self, b, c));
  check_kind(Spec::name, Spec::kind, dtype);
  if (!record_it && self.dtype() == dtype) {
    ternary_out(Spec::op, Spec::name, self, self, apart(to(b, dtype), self), apart(in_dtype(c, dtype), self), value);
    self.bump_version();
    return self;
  }
  // Where a gradient needs the old value of self, that value must outlive the change.
  const bool keep = wants_gradient(c) && (Spec::reads_c & A);
  const Tensor a = to(keep && record_it ? clone(self) : self, dtype);
  const Tensor result = to(ternary<Spec>(a, to(b, dtype), in_dtype(c, dtype), value), self.dtype());
  copy_out(self, result);
  finish_inplace(self, result);
  return self;
}

/// f(weight), a tensor or a number, for lerp, whose operands have one dtype.
template <class F>
decltype(auto) with_weight(const char* op, const Tensor& self, const Tensor& end, const Operand& weight, F&& f) {
  VG_CHECK(end.dtype() == self.dtype(), RuntimeError, op, ": expected dtype ", self.dtype(),
           " for `end` but got dtype ", end.dtype());
  if (!weight.is_tensor()) return f(weight.scalar);
  VG_CHECK(weight.tensor.ndim() == 0 || weight.tensor.dtype() == self.dtype(), RuntimeError, op, ": expected dtype ",
           self.dtype(), " for `weight` but got dtype ", weight.tensor.dtype());
  const Tensor here = beside(weight.tensor, self);
  check_same_device(op, self, here);
  return f(here);
}

/// The dtype of addcmul and addcdiv.
template <class Spec>
DType sum_dtype(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2) {
  VG_CHECK(Spec::op != TernaryOp::addcdiv || is_floating_point(tensor1.dtype()) || is_floating_point(tensor2.dtype()),
           RuntimeError, "addcdiv: expected a floating-point tensor1 or tensor2, got ", tensor1.dtype(), " and ",
           tensor2.dtype(), "; Integer division with addcdiv is no longer supported");
  const Operand a = self, b = tensor1, c = tensor2;
  return result_type({&a, &b, &c});
}

template <class Spec>
Tensor sum_with(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value) {
  const DType dtype = sum_dtype<Spec>(self, tensor1, tensor2);
  check_kind(Spec::name, Spec::kind, dtype);
  const Tensor b = beside(tensor1, self), c = beside(tensor2, self);
  check_same_device(Spec::name, self, b);
  check_same_device(Spec::name, self, c);
  return ternary<Spec>(to(self, dtype), to(b, dtype), to(c, dtype), value);
}
template <class Spec>
const Tensor& sum_with_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value) {
  const DType dtype = sum_dtype<Spec>(self, tensor1, tensor2);
  const Tensor b = beside(tensor1, self), c = beside(tensor2, self);
  check_same_device(Spec::name, self, b);
  check_same_device(Spec::name, self, c);
  return ternary_inplace<Spec>(self, b, c, value, dtype);
}

}  // namespace

Tensor lerp(const Tensor& self, const Tensor& end, const Operand& weight) {
  check_kind("lerp", Spec_lerp::kind, self.dtype());
  const Tensor to_end = beside(end, self);
  check_same_device("lerp", self, to_end);
  return with_weight("lerp", self, to_end, weight,
                     [&](const auto& w) { return ternary<Spec_lerp>(self, to_end, in_dtype(w, self.dtype()), 0); });
}
const Tensor& lerp_(const Tensor& self, const Tensor& end, const Operand& weight) {
  const Tensor to_end = beside(end, self);
  check_same_device("lerp", self, to_end);
  return with_weight("lerp_", self, to_end, weight, [&](const auto& w) -> const Tensor& {
    return ternary_inplace<Spec_lerp>(self, to_end, w, 0, self.dtype());
  });
}

#define VG_SUM(NAME)                                                                                      \
  Tensor NAME(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value) {           \
    return sum_with<Spec_##NAME>(self, tensor1, tensor2, value);                                          \
  }                                                                                                       \
  const Tensor& NAME##_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value) { \
    return sum_with_<Spec_##NAME>(self, tensor1, tensor2, value);                                         \
  }
VG_SUM(addcmul)
VG_SUM(addcdiv)

}  // namespace verigrad::ops
