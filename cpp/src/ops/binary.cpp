// Elementwise functions of two broadcast tensors, generated from verigrad/binary.def, and their in-place forms.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

namespace {

enum class Kind { Any, Numeric, Float };
// What a VJP reads, as a set.
constexpr int A = 1, B = 2, Y = 4, AB = A | B, ABY = A | B | Y;

/// torch.result_type: tensors with dimensions outrank 0-d tensors, which outrank Python numbers, within a category.
struct Promotion {
  std::optional<DType> dimensioned, zero_dim, wrapped;
  void add(const Tensor& t) {
    auto& slot = t.ndim() > 0 ? dimensioned : (t.impl()->wrapped_number ? wrapped : zero_dim);
    const DType dtype = t.impl()->wrapped_number && is_floating_point(t.dtype()) ? default_dtype() : t.dtype();
    slot = slot ? promote_types(*slot, dtype) : dtype;
  }
  static std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
    if (!higher) return lower;
    if (!lower || category(*lower) <= category(*higher)) return higher;
    return promote_types(*higher, *lower);
  }
  DType result() const { return *combine(dimensioned, combine(zero_dim, wrapped)); }
};

DType result_type(const Tensor& a, Scalar b) {
  const DType number = b.dtype(default_dtype());
  return category(number) <= category(a.dtype()) ? a.dtype() : number;
}

template <class Spec>
DType operation_dtype(DType dtype) {
  if constexpr (Spec::kind == Kind::Float) return is_floating_point(dtype) ? dtype : default_dtype();
  if constexpr (Spec::kind == Kind::Numeric) {
    VG_CHECK(dtype != DType::Bool, RuntimeError, Spec::name, ": expected a numeric dtype, got two bool tensors");
  }
  return dtype;
}

template <class Spec>
Tensor vjp_node(Node& n, const Tensor& g, int i) {
  if (!n.needs(i)) return {};
  const Tensor grad =
      i == 0 ? Spec::vjp_a(g, n.saved(0), n.saved(1), n.saved(2)) : Spec::vjp_b(g, n.saved(0), n.saved(1), n.saved(2));
  return sum_to_shape(grad, input_meta(n, i).shape);
}

/// What grad_fn.name() answers. PyTorch tells a power with a tensor exponent from one with a number.
template <class Spec>
constexpr const char* node_name(bool scalar_exponent) {
  if constexpr (Spec::op == kernels::BinaryOp::pow) return scalar_exponent ? "PowBackward0" : "PowBackward1";
  return Spec::node;
}

/// Both operands have the operation's dtype.
template <class Spec>
Tensor binary_same(const Tensor& a, const Tensor& b) {
  check_same_device(Spec::name, a, b);
  const Tensor out = empty_tensor(broadcast_shapes(Spec::name, a.shape(), b.shape()),
                                  Spec::compares ? DType::Bool : a.dtype(), a.device());
  binary_out(Spec::op, out, a, b);
  if constexpr (Spec::differentiable) {
    if (recording(a, b)) {
      const int reads = (a.requires_grad() ? Spec::reads_a : 0) | (b.requires_grad() ? Spec::reads_b : 0);
      static const Tensor none;
      return record(
          node_name<Spec>(b.impl()->wrapped_number), out, {a, b},
          {Save::input(reads & A ? a : none), Save::input(reads & B ? b : none), Save::output(reads & Y ? out : none)},
          [](Node& n, const Tensor& g) -> TensorList { return {vjp_node<Spec>(n, g, 0), vjp_node<Spec>(n, g, 1)}; });
    }
  }
  return out;
}

template <class Spec>
Tensor binary(const Tensor& a, const Tensor& b) {
  const DType dtype =
      operation_dtype<Spec>(a.dtype() == b.dtype() && !a.impl()->wrapped_number ? a.dtype() : ops::result_type(a, b));
  return binary_same<Spec>(to(a, dtype), to(b, dtype));
}

/// pow of integers to a negative number has no integer result.
template <class Spec>
void check_exponent(DType dtype, Scalar exponent) {
  if constexpr (Spec::op == kernels::BinaryOp::pow) {
    VG_CHECK(is_floating_point(dtype) || exponent.to<std::int64_t>() >= 0, RuntimeError,
             "pow: Integers to negative integer powers are not allowed.");
  }
}

template <class Spec>
Tensor binary(const Tensor& a, Scalar b) {
  const DType dtype = operation_dtype<Spec>(result_type(a, b));
  check_exponent<Spec>(dtype, b);
  return binary_same<Spec>(to(a, dtype), wrapped_scalar(b, dtype, a.device()));
}

template <class Spec>
Tensor binary(Scalar a, const Tensor& b) {
  const DType dtype = operation_dtype<Spec>(result_type(b, a));
  return binary_same<Spec>(wrapped_scalar(a, dtype, b.device()), to(b, dtype));
}

#define VG_BINARY(NAME, NODE, KIND, READS_A, READS_B, VJP_A, VJP_B)                           \
  struct Spec_##NAME {                                                                        \
    static constexpr auto op = kernels::BinaryOp::NAME;                                       \
    static constexpr const char* name = #NAME;                                                \
    static constexpr const char* node = NODE;                                                 \
    static constexpr Kind kind = Kind::KIND;                                                  \
    static constexpr int reads_a = READS_A, reads_b = READS_B;                                \
    static constexpr bool compares = false, differentiable = true;                            \
    static Tensor vjp_a([[maybe_unused]] const Tensor& g, [[maybe_unused]] const Tensor& a,   \
                        [[maybe_unused]] const Tensor& b, [[maybe_unused]] const Tensor& y) { \
      return VJP_A;                                                                           \
    }                                                                                         \
    static Tensor vjp_b([[maybe_unused]] const Tensor& g, [[maybe_unused]] const Tensor& a,   \
                        [[maybe_unused]] const Tensor& b, [[maybe_unused]] const Tensor& y) { \
      return VJP_B;                                                                           \
    }                                                                                         \
  };
#define VG_PLAIN(NAME, KIND, COMPARES, NODE)                           \
  struct Spec_##NAME {                                                 \
    static constexpr auto op = kernels::BinaryOp::NAME;                \
    static constexpr const char* name = #NAME;                         \
    static constexpr const char* node = NODE;                          \
    static constexpr Kind kind = Kind::KIND;                           \
    static constexpr int reads_a = 0, reads_b = 0;                     \
    static constexpr bool compares = COMPARES, differentiable = false; \
  };
#define VG_COMPARE(NAME) VG_PLAIN(NAME, Any, true, nullptr)
#define VG_DISCRETE(NAME, NODE) VG_PLAIN(NAME, Numeric, false, NODE)
#include "verigrad/binary.def"

/// self = self op other, in place.
template <class Spec>
const Tensor& binary_inplace(const Tensor& self, const Tensor& other) {
  const bool record_it = Spec::differentiable && recording(self, other);
  const bool cut_off = !Spec::differentiable && recording(self);  // the old value's gradient is zero
  check_inplace(self, record_it || cut_off);
  check_same_device(Spec::name, self, other);
  const DType dtype = operation_dtype<Spec>(ops::result_type(self, other));
  if (Spec::op == kernels::BinaryOp::pow && other.impl()->wrapped_number) check_exponent<Spec>(dtype, item(other));
  VG_CHECK(can_cast(dtype, self.dtype()), RuntimeError, Spec::name, "_: result type ", dtype,
           " can't be cast to the desired output type ", self.dtype());
  const Dims shape = broadcast_shapes(Spec::name, self.shape(), other.shape());
  VG_CHECK(shape == self.shape(), RuntimeError, Spec::name, "_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  if (!record_it) {
    Tensor b = to(other, dtype);
    // Memory shared with another view would be read after it was written.
    if (b.storage() == self.storage() &&
        !(b.offset() == self.offset() && b.shape() == self.shape() && b.strides() == self.strides())) {
      b = clone(b);
    }
    if (self.dtype() == dtype) {
      binary_out(Spec::op, self, self, b);
    } else {
      copy_out(self, binary_same<Spec>(to(self, dtype), b));
    }
    finish_overwrite(Spec::node, self, cut_off);
    return self;
  }
  // Where a gradient needs the old value of self, that value must outlive the change.
  const bool keep = (other.requires_grad() && (Spec::reads_b & A)) || (self.requires_grad() && (Spec::reads_a & A));
  const Tensor result = to(binary<Spec>(keep ? clone(self) : self, other), self.dtype());
  copy_out(self, result);
  finish_inplace(self, result);
  return self;
}

}  // namespace

DType result_type(const Tensor& a, const Tensor& b) {
  Promotion promotion;
  promotion.add(a);
  promotion.add(b);
  return promotion.result();
}

#define VG_DEFINE(NAME)                                                               \
  Tensor NAME(const Tensor& a, const Tensor& b) { return binary<Spec_##NAME>(a, b); } \
  Tensor NAME(const Tensor& a, Scalar b) { return binary<Spec_##NAME>(a, b); }        \
  Tensor NAME(Scalar a, const Tensor& b) { return binary<Spec_##NAME>(a, b); }
#define VG_BINARY(NAME, ...) VG_DEFINE(NAME)
#define VG_COMPARE(NAME) VG_DEFINE(NAME)
#define VG_DISCRETE(NAME, ...) VG_DEFINE(NAME)
#include "verigrad/binary.def"

const Tensor& add_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_add>(self, other); }
const Tensor& sub_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_sub>(self, other); }
const Tensor& mul_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_mul>(self, other); }
const Tensor& div_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_div>(self, other); }
const Tensor& pow_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_pow>(self, other); }
const Tensor& remainder_(const Tensor& self, const Tensor& other) {
  return binary_inplace<Spec_remainder>(self, other);
}
const Tensor& floor_divide_(const Tensor& self, const Tensor& other) {
  return binary_inplace<Spec_floor_divide>(self, other);
}

Tensor extremum_backward(const Tensor& g, const Tensor& wins, const Tensor& ties) {
  const Tensor zero = wrapped_scalar(0, g.dtype(), g.device());
  return add(where(wins, g, zero), where(ties, mul(g, 0.5), zero));
}

// d/da a^b = b a^(b-1), which is 0 for b = 0 whatever a is.
Tensor pow_backward_base(const Tensor& g, const Tensor& a, const Tensor& b) {
  const Tensor grad = mul(g, mul(b, pow(a, sub(b, 1.0))));
  return where(eq(b, 0.0), zeros_like(grad), grad);
}

// d/db a^b = a^b ln a, which is taken as 0 for a = 0 and b >= 0.
Tensor pow_backward_exponent(const Tensor& g, const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor base_zero = logical_and(eq(a, 0.0), ge(b, 0.0));
  const Tensor log_a = log(where(base_zero, ones_like(a), a));
  const Tensor grad = mul(g, mul(y, log_a));
  return where(base_zero, zeros_like(grad), grad);
}

}  // namespace verigrad::ops
