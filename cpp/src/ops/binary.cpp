// Elementwise functions of two broadcast tensors, generated from verigrad/binary.def, and their in-place forms.
#include <cmath>

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

template <class Spec>
DType operation_dtype(DType dtype) {
  if constexpr (Spec::kind == Kind::Float) return is_floating_point(dtype) ? dtype : default_dtype();
  if constexpr (Spec::kind == Kind::Numeric) {
    VG_CHECK(dtype != DType::Bool, RuntimeError, Spec::name, ": expected a numeric dtype, got two bool tensors");
  }
  return dtype;
}

/// What grad_fn.name() answers. PyTorch tells a power with a tensor exponent from one with a number.
template <class Spec>
constexpr const char* node_name(bool scalar_exponent) {
  if constexpr (Spec::op == kernels::BinaryOp::pow) return scalar_exponent ? "PowBackward0" : "PowBackward1";
  return Spec::node;
}

// An operand is a tensor or a Python number. A number has no gradient, and stays a number in the VJP of the other one.

bool wants_gradient(const Tensor& x) { return x.requires_grad(); }
bool wants_gradient(Scalar) { return false; }
bool is_number(const Tensor&) { return false; }
bool is_number(Scalar) { return true; }
Save kept(const Tensor& x) { return Save::input(x); }
Save kept(Scalar x) { return Save::number(as_input(x)); }
Tensor in_dtype(const Tensor& x, DType dtype) { return to(x, dtype); }
Scalar in_dtype(Scalar x, DType) { return x; }  // the loop converts it

/// An operand in the backward pass: a tensor is saved by the node, a number kept here.
template <class T>
struct Kept {
  explicit Kept(const Tensor&) {}
  Tensor get(Node& n, int i) const { return n.saved(i); }
};
template <>
struct Kept<Scalar> {
  Scalar value;
  explicit Kept(Scalar v) : value(v) {}
  Scalar get(Node& n, int i) const {
    n.saved(i);  // raises where the graph is freed
    return value;
  }
};

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

template <class Spec>
Tensor binary(const Tensor& a, const Tensor& b) {
  if (a.device() != b.device()) [[unlikely]] {
    const Tensor left = beside(a, b), right = beside(b, left);
    check_same_device(Spec::name, left, right);
    return binary<Spec>(left, right);
  }
  const DType dtype = operation_dtype<Spec>(promoted(a, b));
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
  const DType dtype = operation_dtype<Spec>(promoted(a, b));
  check_exponent<Spec>(dtype, b);
  return binary_same<Spec>(to(a, dtype), b);
}

template <class Spec>
Tensor binary(Scalar a, const Tensor& b) {
  return binary_same<Spec>(a, to(b, operation_dtype<Spec>(promoted(b, a))));
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

/// An operand that a change of self in place does not change while it is read.
Tensor apart(const Tensor& b, const Tensor& self) {
  const bool shared = b.storage() == self.storage() &&
                      !(b.offset() == self.offset() && b.shape() == self.shape() && b.strides() == self.strides());
  return shared ? clone(b) : b;
}
Scalar apart(Scalar b, const Tensor&) { return b; }

/// self = self op other, in place; other is a tensor or a number.
template <class Spec, class Other>
const Tensor& binary_inplace(const Tensor& self, const Other& other) {
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
  const Dims& shape = result_shape(Spec::name, self, other);
  const DType dtype = operation_dtype<Spec>(promoted(self, other));
  if constexpr (std::is_same_v<Other, Scalar>) check_exponent<Spec>(dtype, other);
  VG_CHECK(can_cast(dtype, self.dtype()), RuntimeError, Spec::name, "_: result type ", dtype,
           " can't be cast to the desired output type ", self.dtype());
  VG_CHECK(shape == self.shape(), RuntimeError, Spec::name, "_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  if (!record_it) {
    const Other b = apart(in_dtype(other, dtype), self);
    if (self.dtype() == dtype) {
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

#define VG_DEFINE(NAME)                                                               \
  Tensor NAME(const Tensor& a, const Tensor& b) { return binary<Spec_##NAME>(a, b); } \
  Tensor NAME(const Tensor& a, Scalar b) { return binary<Spec_##NAME>(a, b); }        \
  Tensor NAME(Scalar a, const Tensor& b) { return binary<Spec_##NAME>(a, b); }
#define VG_BINARY(NAME, ...) VG_DEFINE(NAME)
#define VG_COMPARE(NAME) VG_DEFINE(NAME)
#define VG_DISCRETE(NAME, ...) VG_DEFINE(NAME)
#include "verigrad/binary.def"

#define VG_INPLACE(NAME)                                                                                              \
  const Tensor& NAME##_(const Tensor& self, const Tensor& other) { return binary_inplace<Spec_##NAME>(self, other); } \
  const Tensor& NAME##_(const Tensor& self, Scalar other) { return binary_inplace<Spec_##NAME>(self, other); }
VG_INPLACE(add)
VG_INPLACE(sub)
VG_INPLACE(mul)
VG_INPLACE(div)
VG_INPLACE(pow)
VG_INPLACE(remainder)
VG_INPLACE(floor_divide)

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

}  // namespace verigrad::ops
