// Elementwise ops: the rows of unary.def, binary.def and ternary.def, their in-place forms, and the odd ones.
#include <algorithm>
#include <string_view>

#include "number_arg.h"
#include "out.h"
#include "python.h"
#include "verigrad/indexing.h"
#include "verigrad/nn/activation.h"

namespace verigrad::bindings {
namespace {

/// f(tensor, tensor or number)
template <TensorTensor tt, TensorScalar ts>
Tensor mixed(const Tensor& input, const Operand& other) {
  return other.is_tensor() ? tt(input, other.tensor) : ts(input, other.scalar);
}
#define VG_MIXED(NAME) mixed<static_cast<TensorTensor>(&ops::NAME), static_cast<TensorScalar>(&ops::NAME)>

/// f(tensor or number, tensor or number), one of which is a tensor.
template <TensorTensor tt, TensorScalar ts, ScalarTensor st>
Tensor either(const Operand& input, const Operand& other) {
  if (input.is_tensor()) return mixed<tt, ts>(input.tensor, other);
  VG_CHECK(other.is_tensor(), TypeError, "expected a tensor as one of the operands, got two numbers");
  return st(input.scalar, other.tensor);
}
#define VG_EITHER(NAME) VG_OVERLOADS(either, NAME)

bool is_one(Scalar alpha) { return !alpha.is_bool() && alpha.to_double() == 1.0; }

/// alpha * other, of the dtype that it has in a sum with input.
Operand times(const Operand& input, const Operand& other, Scalar alpha) {
  const DType dtype = ops::result_type({&input, &other});
  VG_CHECK(!alpha.is_floating_point() || is_floating_point(dtype), RuntimeError,
           "For integral input tensors, argument alpha must not be a floating point number.");
  VG_CHECK(!alpha.is_bool() || dtype == DType::Bool, RuntimeError, "Boolean alpha only supported for Boolean results.");
  if (dtype == DType::Bool) alpha = alpha.to<bool>();
  if (other.is_tensor()) return ops::mul(ops::to(other.tensor, dtype), alpha);
  if (dtype == DType::Bool) return Scalar(other.scalar.to<bool>() && alpha.to<bool>());
  if (is_floating_point(dtype)) return Scalar(other.scalar.to_double() * alpha.to_double());
  return Scalar(wrapping_mul(other.scalar.to<std::int64_t>(), alpha.to<std::int64_t>()));
}

/// PyTorch's four basic operations take two numbers, too: the first one as a tensor without dimensions.
Operand as_operand(const Operand& input, const Operand& other) {
  if (input.is_tensor() || other.is_tensor()) return input;
  return ops::full({}, input.scalar, input.scalar.dtype(default_dtype()), kHost);
}
template <TensorTensor tt, TensorScalar ts, ScalarTensor st>
Tensor arithmetic(const Operand& input, const Operand& other) {
  return either<tt, ts, st>(as_operand(input, other), other);
}

/// add and sub take alpha: input + alpha * other.
template <TensorTensor tt, TensorScalar ts, ScalarTensor st>
Tensor scaled(const Operand& input, const Operand& other, NumberArg alpha) {
  const Operand first = as_operand(input, other);
  return is_one(alpha) ? either<tt, ts, st>(first, other) : either<tt, ts, st>(first, times(first, other, alpha));
}

/// other - alpha * input.
Tensor reflected_sub(const Tensor& input, const Operand& other, NumberArg alpha) {
  return VG_EITHER(sub)(other, is_one(alpha) ? Operand(input) : times(other, input, alpha));
}

template <InPlaceTensor tt, InPlaceScalar ts>
py::object inplace(const py::object& self, const Operand& other) {
  change_in_place<tt, ts>(unwrap(self.ptr()), other);
  return self;
}
template <InPlaceTensor tt, InPlaceScalar ts>
py::object inplace_scaled(const py::object& self, const Operand& other, NumberArg alpha) {
  return is_one(alpha) ? inplace<tt, ts>(self, other) : inplace<tt, ts>(self, times(unwrap(self.ptr()), other, alpha));
}

/// The one of three divisions that `mode` names.
using Rounding = std::optional<std::string>;
template <class F>
F division(const Rounding& mode, F exact, F trunc, F floor) {
  if (!mode) return exact;
  VG_CHECK(*mode == "trunc" || *mode == "floor", RuntimeError,
           "div: expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *mode, "'");
  return *mode == "trunc" ? trunc : floor;
}
Tensor divide(const Operand& input, const Operand& other, const Rounding& mode) {
  return division(mode, &VG_EITHER(div), &VG_EITHER(div_trunc), &VG_EITHER(div_floor))(as_operand(input, other), other);
}
py::object divide_inplace(const py::object& self, const Operand& other, const Rounding& mode) {
  return division(mode, &VG_INPLACE(inplace, div_), &VG_INPLACE(inplace, div_trunc_), &VG_INPLACE(inplace, div_floor_))(
      self, other);
}

/// In float64, the base and the exponent.
Operand in_double(const Operand& x) {
  return x.is_tensor() ? Operand(ops::to(x.tensor, DType::Float64)) : Operand(Scalar(x.scalar.to_double()));
}
Tensor float_power(const Operand& input, const Operand& exponent) {
  return VG_EITHER(pow)(in_double(input), in_double(exponent));
}

template <InPlaceTensor f>
py::object inplace_pair(const py::object& self, const Tensor& other) {
  f(unwrap(self.ptr()), other);
  return self;
}

/// A function of an operand on either side, and a method.
template <class F, class... Extra>
void def_either(py::module_& m, TensorClass& cls, const char* name, bool differentiable, F f, const char* second,
                const Extra&... extra) {
  m.def(name, f, py::arg("input"), py::arg(second), extra...);
  takes_out(name);
  def_method(cls, name, differentiable, f, py::arg(second), extra...);
}

/// PyTorch's other names of functions, methods and methods in place are the same objects.
void alias(py::module_& m, TensorClass& cls, const std::string& name, const std::string& of) {
  for (const char* form : {"", "_"}) {
    const std::string from = of + form, to = name + form;
    if (py::hasattr(m, from.c_str())) m.attr(to.c_str()) = m.attr(from.c_str());
    if (py::hasattr(cls, from.c_str())) cls.attr(to.c_str()) = cls.attr(from.c_str());
  }
}

/// A row of unary.def, with `out=` where PyTorch has it.
using TensorFunction = Tensor (*)(const Tensor&);
void def_row(py::module_& m, TensorClass& cls, const char* name, bool differentiable, TensorFunction f) {
  constexpr std::string_view plain[] = {"relu", "isnan", "isinf", "isfinite"};
  def_op(m, cls, name, differentiable, f);
  if (std::find(std::begin(plain), std::end(plain), name) == std::end(plain)) takes_out(name);
}

void bind_unary(py::module_& m, TensorClass& cls) {
#define VG_IN_PLACE(NAME, DIFFERENTIABLE)                                  \
  def_inplace(cls, #NAME "_", DIFFERENTIABLE, [](const py::object& self) { \
    ops::NAME##_(unwrap(self.ptr()));                                      \
    return self;                                                           \
  });
#define VG_FORMS(NAME, DIFFERENTIABLE)                                             \
  def_row(m, cls, #NAME, DIFFERENTIABLE, static_cast<TensorFunction>(&ops::NAME)); \
  VG_IN_PLACE(NAME, DIFFERENTIABLE)
#define VG_UNARY(NAME, ...) VG_FORMS(NAME, true)
#define VG_DISCRETE(NAME, ...) VG_FORMS(NAME, false)
#define VG_PREDICATE(NAME, ...) def_row(m, cls, #NAME, false, static_cast<TensorFunction>(&ops::NAME));
#include "verigrad/unary.def"
  VG_IN_PLACE(logical_not, false)

  const auto positive = [](const Tensor& input) {
    check_positive(input);
    return input;
  };
  def_op(m, cls, "positive", true, positive, "The input itself.\n\nRaises RuntimeError for a bool tensor.");
  const auto rounded = [](const Tensor& input, std::int64_t decimals) { return ops::round(input, decimals); };
  const char* round_doc =
      "Rounded to `decimals` places behind the point, or before it for a negative number; halves go to the even digit.";
  m.def("round", rounded, py::arg("input"), py::kw_only(), py::arg("decimals"), round_doc);
  cls.def("round", rounded, py::kw_only(), py::arg("decimals"), round_doc);
  cls.def(
      "round_",
      [](const py::object& self, std::int64_t decimals) {
        ops::round_(unwrap(self.ptr()), decimals);
        return self;
      },
      py::call_guard<Uninterrupted>(), py::kw_only(), py::arg("decimals"));

  using Number = std::optional<double>;
  def_op_out(
      m, cls, "logit", true, [](const Tensor& input, Number eps) { return ops::logit(input, eps); },
      py::arg("eps") = py::none(), "ln(x / (1 - x)); with `eps` x is limited to [eps, 1 - eps] before.");
  def_inplace(
      cls, "logit_", true,
      [](const py::object& self, Number eps) {
        ops::logit_(unwrap(self.ptr()), eps);
        return self;
      },
      py::arg("eps") = py::none());
  def_op_out(
      m, cls, "nan_to_num", true,
      [](const Tensor& input, Number nan, Number posinf, Number neginf) {
        return ops::nan_to_num(input, nan.value_or(0), posinf, neginf);
      },
      py::arg("nan") = py::none(), py::arg("posinf") = py::none(), py::arg("neginf") = py::none(),
      "The input with NaN replaced by `nan` (0), and infinities by `posinf` and `neginf` (the dtype's largest "
      "numbers).");
  def_inplace(
      cls, "nan_to_num_", true,
      [](const py::object& self, Number nan, Number posinf, Number neginf) {
        ops::nan_to_num_(unwrap(self.ptr()), nan.value_or(0), posinf, neginf);
        return self;
      },
      py::arg("nan") = py::none(), py::arg("posinf") = py::none(), py::arg("neginf") = py::none());
}

/// PyTorch's order of the arguments differs between function and method.
void bind_polygamma(py::module_& m, TensorClass& cls) {
  const auto order = [](std::int64_t n) {
    VG_CHECK(n >= 0, RuntimeError, "polygamma(n, x) does not support negative n.");
    return Scalar(n);
  };
  const auto of = [order](const Tensor& input, std::int64_t n) { return ops::polygamma(input, order(n)); };
  const auto n = py::arg("n").noconvert();
  const char* doc = "The n-th derivative of digamma, n >= 0.\n\nRaises RuntimeError for a negative n.";
  m.def("polygamma", [of](std::int64_t n, const Tensor& input) { return of(input, n); }, n, py::arg("input"), doc);
  takes_out("polygamma");
  def_method(cls, "polygamma", true, of, n, doc);
  def_inplace(
      cls, "polygamma_", true,
      [order](const py::object& self, std::int64_t n) {
        ops::polygamma_(unwrap(self.ptr()), order(n));
        return self;
      },
      n);

  py::module_ special = m.def_submodule("_special", "Functions that PyTorch has in `special` alone.");
  const char* zeta =
      "The zeta function of two arguments, the sum of (other + k)^-input over k >= 0; either may be a number.\n\n"
      "NaN for input < 1, and for a negative other where input is not whole. Differentiable by other alone.";
  def_function(special, "zeta", true, &VG_EITHER(zeta), py::arg("input"), py::arg("other"), zeta);
  takes_out("zeta");
}

void bind_binary(py::module_& m, TensorClass& cls) {
  const auto other = py::arg("other");
  const auto alpha = py::arg("alpha") = Scalar(1);
  const auto rounding_mode = py::arg("rounding_mode") = py::none();
  def_either(m, cls, "add", true, &VG_OVERLOADS(scaled, add), "other", py::kw_only(), alpha,
             "input + alpha * other, broadcast.");
  def_either(m, cls, "sub", true, &VG_OVERLOADS(scaled, sub), "other", py::kw_only(), alpha,
             "input - alpha * other, broadcast.");
  def_function(m, "rsub", true, &reflected_sub, py::arg("input"), other, py::kw_only(), alpha,
               "other - alpha * input, broadcast.");
  def_either(m, cls, "mul", true, &VG_OVERLOADS(arithmetic, mul), "other");
  def_either(m, cls, "div", true, &divide, "other", py::kw_only(), rounding_mode,
             "input / other; with `rounding_mode` 'trunc' or 'floor' the quotient rounded to zero or down, in the "
             "promoted dtype.\n\nRaises RuntimeError for another mode, and for integers divided by 0.");
  def_either(m, cls, "true_divide", true, &VG_OVERLOADS(arithmetic, div), "other");
  def_either(m, cls, "pow", true, &VG_EITHER(pow), "exponent");
  def_either(m, cls, "float_power", true, &float_power, "exponent", "input ** exponent, in float64.");
  def_either(m, cls, "remainder", true, &VG_EITHER(remainder), "other");
  def_either(m, cls, "floor_divide", false, &VG_OVERLOADS(arithmetic, floor_divide), "other");
  def_op_out(m, cls, "fmod", true, &VG_MIXED(fmod), other, "The remainder of C: with the sign of the input.");
  def_either(m, cls, "xlogy", true, &VG_EITHER(xlogy), "other", "input * ln(other), and 0 where the input is 0.");
  def_op_out(m, cls, "copysign", true, &VG_MIXED(copysign), other);
  def_op_out(m, cls, "maximum", true, static_cast<TensorTensor>(&ops::maximum), other);
  def_op_out(m, cls, "minimum", true, static_cast<TensorTensor>(&ops::minimum), other);
  def_op_out(m, cls, "heaviside", false, static_cast<TensorTensor>(&ops::heaviside), py::arg("values"),
             "0 below 0, `values` at 0, 1 above.\n\nRaises RuntimeError unless both have the same dtype.");
  bind_polygamma(m, cls);
#define VG_PAIR(NAME, ...) def_op_out(m, cls, #NAME, true, static_cast<TensorTensor>(&ops::NAME), other);
#define VG_COMPARE(NAME, ...)                               \
  def_op_out(m, cls, #NAME, false, &VG_MIXED(NAME), other); \
  def_inplace(cls, #NAME "_", false, &VG_INPLACE(inplace, NAME##_), other);
#include "verigrad/binary.def"
#define VG_BITWISE(NAME)                                       \
  def_either(m, cls, #NAME, false, &VG_EITHER(NAME), "other"); \
  def_inplace(cls, #NAME "_", false, &VG_INPLACE(inplace, NAME##_), other);
  VG_BITWISE(bitwise_and)
  VG_BITWISE(bitwise_or)
  VG_BITWISE(bitwise_xor)
  VG_BITWISE(bitwise_left_shift)
  VG_BITWISE(bitwise_right_shift)

  // The fused gradients of unary ops are ops too: verified like the others, but not part of the public names.
  py::module_ gradients = m.def_submodule("_gradients", "Gradients of unary ops as ops of their own.");
  def_function(gradients, "threshold_backward", true, static_cast<TensorTensor>(&ops::threshold_backward),
               py::arg("grad"), py::arg("output"));
  def_function(gradients, "tanh_backward", true, static_cast<TensorTensor>(&ops::tanh_backward), py::arg("grad"),
               py::arg("output"));
  def_function(gradients, "sigmoid_backward", true, static_cast<TensorTensor>(&ops::sigmoid_backward), py::arg("grad"),
               py::arg("output"));

  def_inplace(cls, "add_", true, &VG_INPLACE(inplace_scaled, add_), other, py::kw_only(), alpha);
  def_inplace(cls, "sub_", true, &VG_INPLACE(inplace_scaled, sub_), other, py::kw_only(), alpha);
  def_inplace(cls, "mul_", true, &VG_INPLACE(inplace, mul_), other);
  def_inplace(cls, "div_", true, &divide_inplace, other, py::kw_only(), rounding_mode);
  def_inplace(cls, "true_divide_", true, &VG_INPLACE(inplace, div_), other);
  def_inplace(cls, "pow_", true, &VG_INPLACE(inplace, pow_), py::arg("exponent"));
  def_inplace(
      cls, "float_power_", true,
      [](const py::object& self, const Operand& exponent) {
        const DType dtype = unwrap(self.ptr()).dtype();
        VG_CHECK(dtype == DType::Float64, RuntimeError, "the base given to float_power_ has dtype ", dtype,
                 " but the operation's result requires dtype float64");
        return VG_INPLACE(inplace, pow_)(self, in_double(exponent));
      },
      py::arg("exponent"));
  def_inplace(cls, "remainder_", true, &VG_INPLACE(inplace, remainder_), other);
  def_inplace(cls, "floor_divide_", false, &VG_INPLACE(inplace, floor_divide_), other);
  def_inplace(cls, "fmod_", true, &VG_INPLACE(inplace, fmod_), other);
  def_inplace(cls, "xlogy_", true, &VG_INPLACE(inplace, xlogy_), other);
  def_inplace(cls, "copysign_", true, &VG_INPLACE(inplace, copysign_), other);
  def_inplace(cls, "atan2_", true, &inplace_pair<static_cast<InPlaceTensor>(&ops::atan2_)>, other);
  def_inplace(cls, "hypot_", true, &inplace_pair<static_cast<InPlaceTensor>(&ops::hypot_)>, other);
  def_inplace(cls, "heaviside_", false, &inplace_pair<static_cast<InPlaceTensor>(&ops::heaviside_)>, py::arg("values"));

  // Python 2's names, which PyTorch has kept.
  cls.def("__div__", &VG_MIXED(div), other);
  cls.def("__rdiv__", [](const Tensor& self, const Operand& other) { return VG_EITHER(div)(other, self); }, other);
  cls.def("__idiv__", &VG_INPLACE(inplace, div_), py::call_guard<Uninterrupted>(), other);
}

void bind_ternary(py::module_& m, TensorClass& cls) {
  const auto end = py::arg("end"), weight = py::arg("weight");
  def_op_out(
      m, cls, "lerp", true, &ops::lerp, end, weight,
      "input + weight * (end - input), broadcast; `weight` is a number or a tensor.\n\nRaises RuntimeError unless the "
      "tensors have the same dtype, NotImplementedError unless that is a floating-point one.");
  def_inplace(
      cls, "lerp_", true,
      [](const py::object& self, const Tensor& end, const Operand& weight) {
        ops::lerp_(unwrap(self.ptr()), end, weight);
        return self;
      },
      end, weight);
  const auto tensor1 = py::arg("tensor1"), tensor2 = py::arg("tensor2");
  const auto value = py::arg("value") = Scalar(1);
#define VG_SUM(NAME, DOC)                                                                      \
  def_op_out(m, cls, #NAME, true, &ops::NAME, tensor1, tensor2, py::kw_only(), value, DOC);    \
  def_inplace(                                                                                 \
      cls, #NAME "_", true,                                                                    \
      [](const py::object& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value) { \
        ops::NAME##_(unwrap(self.ptr()), tensor1, tensor2, value);                             \
        return self;                                                                           \
      },                                                                                       \
      tensor1, tensor2, py::kw_only(), value);
  VG_SUM(addcmul, "input + value * tensor1 * tensor2, broadcast.")
  VG_SUM(addcdiv,
         "input + value * tensor1 / tensor2, broadcast.\n\nRaises RuntimeError where both tensors are integers.")
#undef VG_SUM
}

void bind_aliases(py::module_& m, TensorClass& cls) {
  const std::pair<const char*, const char*> names[] = {
      {"absolute", "abs"},     {"negative", "neg"}, {"sgn", "sign"},      {"fix", "trunc"},     {"arcsin", "asin"},
      {"arccos", "acos"},      {"arctan", "atan"},  {"arcsinh", "asinh"}, {"arccosh", "acosh"}, {"arctanh", "atanh"},
      {"arctan2", "atan2"},    {"subtract", "sub"}, {"multiply", "mul"},  {"divide", "div"},    {"greater", "gt"},
      {"greater_equal", "ge"}, {"less", "lt"},      {"less_equal", "le"}, {"not_equal", "ne"},
  };
  for (const auto& [name, of] : names) alias(m, cls, name, of);
}

}  // namespace

void bind_elementwise(py::module_& m, TensorClass& cls) {
  bind_unary(m, cls);
  bind_binary(m, cls);
  bind_ternary(m, cls);
  bind_aliases(m, cls);

  def_inplace(
      cls, "copy_", true,
      [](const py::object& self, const Tensor& src, bool non_blocking) {
        ops::copy_(unwrap(self.ptr()), src, non_blocking);
        return self;
      },
      py::arg("src"), py::arg("non_blocking").noconvert() = false);
  def_inplace(
      cls, "fill_", true,
      [](const py::object& self, const Operand& value) {
        const Tensor x = unwrap(self.ptr());
        if (value.is_tensor()) {
          VG_CHECK(value.tensor.ndim() == 0, RuntimeError,
                   "fill_ only supports 0-dimension value tensor but got tensor with ", value.tensor.ndim(),
                   " dimensions.");
          ops::copy_(x, value.tensor);
        } else {
          ops::fill_(x, value.scalar);
        }
        return self;
      },
      py::arg("value"));
  def_inplace(cls, "zero_", true, [](const py::object& self) {
    ops::fill_(unwrap(self.ptr()), 0);
    return self;
  });
  def_inplace(
      cls, "uniform_", false,
      [](const py::object& self, double from, double to, const Ref<Generator>& generator) {
        ops::uniform_(unwrap(self.ptr()), from, to, generator);
        return self;
      },
      py::arg("from") = 0.0, py::arg("to") = 1.0, py::kw_only(), py::arg("generator") = py::none());
  def_inplace(
      cls, "normal_", false,
      [](const py::object& self, double mean, double std, const Ref<Generator>& generator) {
        ops::normal_(unwrap(self.ptr()), mean, std, generator);
        return self;
      },
      py::arg("mean") = 0.0, py::arg("std") = 1.0, py::kw_only(), py::arg("generator") = py::none());

  def_function(m, "where", true, &ops::where, py::arg("condition"), py::arg("input"), py::arg("other"));
  m.def(
      "where", [](const Tensor& condition) { return py::tuple(py::cast(ops::nonzero_tuple(condition))); },
      py::arg("condition"));
  cls.def(
      "where",
      [](const Tensor& self, const Tensor& condition, const Operand& other) {
        return ops::where(condition, self, other);
      },
      py::arg("condition"), py::arg("other"));
  def_function(m, "fill", true, &ops::fill, py::arg("input"), py::arg("value"),
               "A tensor like the input whose elements are all `value`, a number or a 0-d tensor.");
  def_op(m, cls, "clone", true, &ops::clone);
  def_method(cls, "contiguous", true, &ops::contiguous);
  def_op(m, cls, "equal", false, &ops::equal, py::arg("other"));
  def_op(m, cls, "allclose", false, &ops::allclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false);
  def_op(m, cls, "isclose", false, &ops::isclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false);
  m.def(
      "result_type", [](const Operand& a, const Operand& b) { return ops::result_type({&a, &b}); }, py::arg("tensor1"),
      py::arg("tensor2"));
}

}  // namespace verigrad::bindings
