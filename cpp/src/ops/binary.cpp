// Elementwise functions of two broadcast tensors, generated from verigrad/binary.def, and their in-place forms.
#include <cmath>

#include "ops/operands.h"

namespace verigrad::ops {

namespace {

using kernels::BinaryOp;
using kernels::Kind;
// What a VJP reads, as a set.
constexpr int A = 1, B = 2, Y = 4, AB = A | B, AY = A | Y, BY = B | Y, ABY = A | B | Y;

/// torch.result_type: tensors with dimensions outrank 0-d tensors, which outrank Python numbers, within a category.
struct Promotion {
  std::optional<DType> dimensioned, zero_dim, wrapped;
  void add(const Tensor& t) { add(t.ndim() > 0 ? dimensioned : zero_dim, t.dtype()); }
  void add(Scalar s) { add(wrapped, s.dtype(default_dtype())); }
  static void add(std::optional<DType>& slot, DType dtype) { slot = slot ? promote_types(*slot, dtype) : dtype; }
  static std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
    if (!higher) return lower;
    if (!lower || category(*lower) <= category(*higher)) return higher;
    return promote_types(*higher, *lower);
  }
  DType result() const { return *combine(dimensioned, combine(zero_dim, wrapped)); }
};

DType promoted(const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() ? a.dtype() : ops::result_type(a, b); }
DType promoted(const Tensor& a, Scalar b) {
  const DType number = b.dtype(default_dtype());
  return category(number) <= category(a.dtype()) ? a.dtype() : number;
}

/// What grad_fn.name() answers. PyTorch tells a power with a tensor exponent from one with a number.
template <class Spec>
constexpr const char* node_name(bool scalar_exponent) {
  if constexpr (Spec::op == BinaryOp::pow) return scalar_exponent ? "PowBackward0" : "PowBackward1";
  return Spec::node;
}

Dims result_shape(const char* op, const Tensor& a, const Tensor& b) {
  check_same_device(op, a, b);
  return broadcast_shapes(op, a.shape(), b.shape());
}
const Dims& result_shape(const char*, const Tensor& a, Scalar) { return a.shape(); }
const Dims& result_shape(const char*, Scalar, const Tensor& b) { return b.shape(); }

const Tensor& tensor_of(const Tensor& a, const Tensor&) { return a; }
const Tensor& tensor_of(const Tensor& a, Scalar) { return a; }
const Tensor& tensor_of(Scalar, const Tensor& b) { return b; }

/// Tensors have the operation's dtype.
template <class Spec, class Left, class Right>
Tensor binary_same(const Left& a, const Right& b) {
  const Tensor& model = tensor_of(a, b);
  const Tensor out =
      empty_tensor(result_shape(Spec::name, a, b), Spec::compares ? DType::Bool : model.dtype(), model.device());
  binary_out(Spec::op, out, a, b);
  if constexpr (Spec::differentiable) {
    if (GradMode::enabled() && (wants_gradient(a) || wants_gradient(b))) {
      const int reads = (wants_gradient(a) ? Spec::reads_a : 0) | (wants_gradient(b) ? Spec::reads_b : 0);
      static const Tensor none;
      const Kept<Left> kept_a(a);
      const Kept<Right> kept_b(b);
      return record(node_name<Spec>(is_number(b)), out, {as_input(a), as_input(b)},
                    {reads & A ? kept(a) : Save::input(none), reads & B ? kept(b) : Save::input(none),
                     Save::output(reads & Y ? out : none)},
                    [kept_a, kept_b](Node& n, const Tensor& g) -> TensorList {
                      const auto a = kept_a.get(n, 0);
                      const auto b = kept_b.get(n, 1);
                      const Tensor y = n.saved(2);
                      TensorList grads(2);
                      if constexpr (std::is_same_v<Left, Tensor>) {
                        if (n.needs(0)) grads[0] = sum_to_shape(Spec::vjp_a(g, a, b, y), input_meta(n, 0).shape);
                      }
                      if constexpr (std::is_same_v<Right, Tensor>) {
                        if (n.needs(1)) grads[1] = sum_to_shape(Spec::vjp_b(g, a, b, y), input_meta(n, 1).shape);
                      }
                      return grads;
                    });
    }
  }
  return out;
}

bool is_bool(const Tensor& x) { return x.dtype() == DType::Bool; }
bool is_bool(Scalar x) { return x.is_bool(); }

/// What single ops ask of their operands, besides a dtype.
template <class Spec, class Left, class Right>
void check_operands([[maybe_unused]] DType dtype, [[maybe_unused]] const Left& a, [[maybe_unused]] const Right& b) {
  if constexpr (Spec::op == BinaryOp::sub) {
    VG_CHECK(!is_bool(a) && !is_bool(b), RuntimeError, "sub: expected numeric operands, got bool; see ^ and ~");
  }
  if constexpr (Spec::op == BinaryOp::heaviside && std::is_same_v<Left, Right>) {
    VG_CHECK(a.dtype() == b.dtype(), RuntimeError, "heaviside: expected tensors of the same dtype, got ", a.dtype(),
             " and ", b.dtype());
  }
  if constexpr (Spec::op == BinaryOp::pow && std::is_same_v<Right, Scalar>) {
    // An integer to a negative power is no integer.
    VG_CHECK(is_floating_point(dtype) || b.template to<std::int64_t>() >= 0, RuntimeError,
             "pow: Integers to negative integer powers are not allowed.");
  }
}

template <class Spec>
DType operation_dtype(DType promoted) {
  const DType dtype = computed_in(Spec::kind, promoted);
  check_kind(Spec::name, Spec::kind, dtype);
  return dtype;
}

template <class Spec>
Tensor binary(const Tensor& a, const Tensor& b) {
  if (a.device() != b.device()) [[unlikely]] {
    const Tensor left = beside(a, b), right = beside(b, left);
    check_same_device(Spec::name, left, right);
    return binary<Spec>(left, right);
  }
  const DType dtype = operation_dtype<Spec>(promoted(a, b));
  check_operands<Spec>(dtype, a, b);
  return binary_same<Spec>(to(a, dtype), to(b, dtype));
}

template <class Spec>
Tensor binary(const Tensor& a, Scalar b) {
  if constexpr (Spec::op == BinaryOp::pow) {  // bools have no products, but PyTorch's two shortcuts
    if (is_bool(a) && is_bool(b)) return b.to<bool>() ? clone(a) : full_like(a, true);
  }
  const DType dtype = operation_dtype<Spec>(promoted(a, b));
  check_operands<Spec>(dtype, a, b);
  return binary_same<Spec>(to(a, dtype), b);
}

template <class Spec>
Tensor binary(Scalar a, const Tensor& b) {
  const DType dtype = operation_dtype<Spec>(promoted(b, a));
  check_operands<Spec>(dtype, a, b);
  return binary_same<Spec>(a, to(b, dtype));
}

#define VG_BINARY(NAME, NODE, KIND, READS_A, READS_B, VJP_A, VJP_B)                          \
  struct Spec_##NAME {                                                                       \
    static constexpr auto op = kernels::BinaryOp::NAME;                                      \
    static constexpr const char* name = #NAME;                                               \
    static constexpr const char* node = NODE;                                                \
    static constexpr Kind kind = Kind::KIND;                                                 \
    static constexpr int reads_a = READS_A, reads_b = READS_B;                               \
    static constexpr bool compares = false, differentiable = true;                           \
    template <class Left, class Right>                                                       \
    static Tensor vjp_a([[maybe_unused]] const Tensor& g, [[maybe_unused]] const Left& a,    \
                        [[maybe_unused]] const Right& b, [[maybe_unused]] const Tensor& y) { \
      return VJP_A;                                                                          \
    }                                                                                        \
    template <class Left, class Right>                                                       \
    static Tensor vjp_b([[maybe_unused]] const Tensor& g, [[maybe_unused]] const Left& a,    \
                        [[maybe_unused]] const Right& b, [[maybe_unused]] const Tensor& y) { \
      return VJP_B;                                                                          \
    }                                                                                        \
  };
#define VG_PLAIN(NAME, NODE, KIND, COMPARES)                           \
  struct Spec_##NAME {                                                 \
    static constexpr auto op = kernels::BinaryOp::NAME;                \
    static constexpr const char* name = #NAME;                         \
    static constexpr const char* node = NODE;                          \
    static constexpr Kind kind = Kind::KIND;                           \
    static constexpr int reads_a = 0, reads_b = 0;                     \
    static constexpr bool compares = COMPARES, differentiable = false; \
  };
#define VG_COMPARE(NAME, NODE) VG_PLAIN(NAME, NODE, Any, true)
#define VG_DISCRETE(NAME, NODE, KIND) VG_PLAIN(NAME, NODE, KIND, false)
#include "verigrad/binary.def"

/// self = self op other, in place; other is a tensor or a number.
template <class Spec, class Other>
const Tensor& binary_inplace(const Tensor& self, const Other& other) {
  if constexpr (Spec::op == BinaryOp::pow && std::is_same_v<Other, Scalar>) {
    if (is_bool(self) && is_bool(other)) return other.template to<bool>() ? self : fill_(self, true);
  }
  if constexpr (std::is_same_v<Other, Tensor>) {
    if (other.device() != self.device()) [[unlikely]] {
      const Tensor moved = beside(other, self);
      check_same_device(Spec::name, self, moved);
      return binary_inplace<Spec>(self, moved);
    }
  }
  const bool record_it = Spec::differentiable && GradMode::enabled() && (wants_gradient(self) || wants_gradient(other));
  const bool cut_off = !Spec::differentiable && recording(self);  // the old value's gradient is zero
  check_inplace(self, record_it || cut_off);
  const DType dtype = computed_in(Spec::kind, promoted(self, other));
  const DType result_dtype = Spec::compares ? DType::Bool : dtype;
  check_result(Spec::name, self, result_dtype, result_shape(Spec::name, self, other));
  check_kind(Spec::name, Spec::kind, dtype);
  check_operands<Spec>(dtype, self, other);
  if (!record_it) {
    const Other b = apart(in_dtype(other, dtype), self);
    if (self.dtype() == dtype && dtype == result_dtype) {
      binary_out(Spec::op, self, self, b);
    } else {
      copy_out(self, binary_same<Spec>(to(self, dtype), b));
    }
    finish_overwrite(Spec::node, self, cut_off);
    return self;
  }
  // Where a gradient needs the old value of self, that value must outlive the change.
  const bool keep = (wants_gradient(other) && (Spec::reads_b & A)) || (self.requires_grad() && (Spec::reads_a & A));
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
DType result_type(std::initializer_list<const Operand*> operands) {
  Promotion promotion;
  for (const Operand* x : operands) x->visit([&](const auto& value) { promotion.add(value); });
  return promotion.result();
}

#define VG_DEFINE_PAIR(NAME)                                                          \
  Tensor NAME(const Tensor& a, const Tensor& b) { return binary<Spec_##NAME>(a, b); } \
  const Tensor& NAME##_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_##NAME>(self, other); }
#define VG_DEFINE(NAME)                                                        \
  VG_DEFINE_PAIR(NAME)                                                         \
  Tensor NAME(const Tensor& a, Scalar b) { return binary<Spec_##NAME>(a, b); } \
  Tensor NAME(Scalar a, const Tensor& b) { return binary<Spec_##NAME>(a, b); } \
  const Tensor& NAME##_(const Tensor& self, Scalar other) { return binary_inplace<Spec_##NAME>(self, other); }
#define VG_BINARY(NAME, ...) VG_DEFINE(NAME)
#define VG_PAIR(NAME, ...) VG_DEFINE_PAIR(NAME)
#define VG_COMPARE(NAME, ...) VG_DEFINE(NAME)
#define VG_DISCRETE(NAME, ...) VG_DEFINE(NAME)
#include "verigrad/binary.def"

Tensor extremum_backward(const Tensor& g, const Tensor& wins, const Tensor& ties) {
  return add(where(wins, g, 0), where(ties, mul(g, 0.5), 0));
}

// d/da a^b = b a^(b-1), which is 0 for b = 0 whatever a is.
Tensor pow_backward_base(const Tensor& g, const Tensor& a, const Tensor& b) {
  const Tensor grad = mul(g, mul(b, pow(a, sub(b, 1.0))));
  return where(eq(b, 0.0), 0, grad);
}
Tensor pow_backward_base(const Tensor& g, const Tensor& a, Scalar b) {
  // The exponent as the forward pass had it.
  const double exponent = a.dtype() == DType::Float32 ? static_cast<float>(b.to_double()) : b.to_double();
  if (exponent == 0) return zeros_like(g);
  return mul(g, mul(exponent, pow(a, exponent - 1.0)));
}

// d/db a^b = a^b ln a, which is taken as 0 for a = 0 and b >= 0.
Tensor pow_backward_exponent(const Tensor& g, const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor base_zero = logical_and(eq(a, 0.0), ge(b, 0.0));
  const Tensor log_a = log(where(base_zero, 1, a));
  const Tensor grad = mul(g, mul(y, log_a));
  return where(base_zero, 0, grad);
}
Tensor pow_backward_exponent(const Tensor& g, Scalar a, const Tensor& b, const Tensor& y) {
  // The base as the forward pass had it.
  const double base = y.dtype() == DType::Float32 ? static_cast<float>(a.to_double()) : a.to_double();
  if (base != 0) return mul(g, mul(y, std::log(base)));
  return where(ge(b, 0.0), 0, mul(g, mul(y, -HUGE_VAL)));
}

// d/da a ln(b) = ln(b), which is taken as 0 for a = 0 where b is not positive.
Tensor xlogy_backward(const Tensor& g, const Tensor& a, const Tensor& b) {
  return where(logical_and(eq(a, 0.0), le(b, 0.0)), 0, xlogy(g, b));
}
Tensor xlogy_backward(const Tensor& g, const Tensor& a, Scalar b) {
  const Tensor grad = xlogy(g, b);
  return b.to_double() <= 0 ? where(eq(a, 0.0), 0, grad) : grad;
}

Tensor copysign_backward(const Tensor& g, const Tensor& a, const Tensor& y) {
  return where(eq(a, 0.0), 0, mul(g, div(y, a)));
}

Tensor no_derivative(const char* op, const Tensor&) {
  VG_THROW(NotImplementedError, "the derivative for '", op, "' is not implemented.");
}

Tensor inverse_square_norm(const Tensor& a, const Tensor& b) {
  const Tensor squares = add(square(a), square(b));
  return where(eq(squares, 0.0), 0, reciprocal(squares));
}

Tensor takes_first(const Tensor& wins, const Tensor& second) { return logical_or(wins, isnan(second)); }

}  // namespace verigrad::ops
