// Activations, clamp and dropout.
#include "verigrad/nn/activation.h"

#include "out.h"
#include "python.h"
#include "verigrad/nn/dropout.h"

namespace verigrad::bindings {
namespace {

using ops::Bound;

void bind_clamp(py::module_& m, TensorClass& cls) {
  const auto none = py::none();
  def_op_out(
      m, cls, "clamp", true,
      [](const Tensor& input, const Bound& min, const Bound& max) { return ops::clamp(input, min, max); },
      py::arg("min") = none, py::arg("max") = none,
      "The input limited to [min, max]: numbers, tensors (broadcast) or None; max where min is greater. The gradient "
      "is "
      "1 from min to max, both included.");
  def_op_out(
      m, cls, "clamp_min", true, [](const Tensor& input, const Operand& min) { return ops::clamp(input, min, {}); },
      py::arg("min"), "max(input, min); see clamp.");
  def_op_out(
      m, cls, "clamp_max", true, [](const Tensor& input, const Operand& max) { return ops::clamp(input, {}, max); },
      py::arg("max"), "min(input, max); see clamp.");
  def_inplace(
      cls, "clamp_", true,
      [](const py::object& self, const Bound& min, const Bound& max) {
        ops::clamp_(unwrap(self.ptr()), min, max);
        return self;
      },
      py::arg("min") = none, py::arg("max") = none);
  def_inplace(
      cls, "clamp_min_", true,
      [](const py::object& self, const Operand& min) {
        ops::clamp_(unwrap(self.ptr()), min, {});
        return self;
      },
      py::arg("min"));
  def_inplace(
      cls, "clamp_max_", true,
      [](const py::object& self, const Operand& max) {
        ops::clamp_(unwrap(self.ptr()), {}, max);
        return self;
      },
      py::arg("max"));
  m.attr("clip") = m.attr("clamp");
  cls.attr("clip") = cls.attr("clamp");
  cls.attr("clip_") = cls.attr("clamp_");
}

void bind_dropout(py::module_& f) {
  const auto define = [&](const char* name, auto op, ops::DropoutUnit unit, bool training, const char* doc) {
    def_function(
        f, name, true,
        [op, name, unit](const Tensor& input, double p, bool training, bool inplace, const Ref<Generator>& generator) {
          return op(name, input, p, training, inplace, unit, generator);
        },
        py::arg("input"), py::arg("p") = 0.5, py::arg("training") = training, py::arg("inplace") = false, py::kw_only(),
        py::arg("generator") = py::none(), doc);
  };
  using ops::DropoutUnit;
  define("dropout", &ops::dropout, DropoutUnit::Element, true,
         "While training, each element is 0 with probability p, else divided by 1 - p (N. Srivastava et al., JMLR 15, "
         "2014, section 10); otherwise the input itself. With `inplace` in the input itself.\n\n"
         "Raises ValueError for a p outside of [0, 1].");
  define("feature_dropout", &ops::dropout, DropoutUnit::Channel, true,
         "dropout of whole channels of an input [N, C, *].\n\nRaises ValueError for a p outside of [0, 1].");
  define(
      "alpha_dropout", &ops::alpha_dropout, DropoutUnit::Element, false,
      "While training, each element becomes the limit of SELU at minus infinity with probability p, and a linear map "
      "restores mean 0 and variance 1 (arXiv 1706.02515, section 2).\n\nRaises ValueError for a p outside of [0, 1].");
  define("feature_alpha_dropout", &ops::alpha_dropout, DropoutUnit::Channel, false,
         "alpha_dropout of whole channels of an input [N, C, *].\n\nRaises ValueError for a p outside of [0, 1].");
}

}  // namespace

void bind_activation(py::module_& m, TensorClass& cls) {
  bind_clamp(m, cls);

  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  const auto input = py::arg("input");
  const auto inplace = py::arg("inplace") = false;
  def_function(f, "leaky_relu", true, &ops::leaky_relu, input, py::arg("negative_slope") = 0.01, inplace,
               "x for x > 0, else negative_slope * x; with `inplace` in the input itself.");
  def_function(f, "elu", true, &ops::elu, input, py::arg("alpha") = 1.0, inplace,
               "x for x > 0, else alpha (exp(x) - 1) (arXiv 1511.07289, eq. 15); with `inplace` in the input itself.");
  def_function(f, "selu", true, &ops::selu, input, inplace,
               "scale * elu(x, alpha) with the constants that keep mean 0 and variance 1 (arXiv 1706.02515, eq. 14); "
               "with `inplace` in the input itself.");
  def_function(f, "celu", true, &ops::celu, input, py::arg("alpha") = 1.0, inplace,
               "x for x > 0, else alpha (exp(x / alpha) - 1) (arXiv 1704.07483, eq. 2); with `inplace` in the input "
               "itself.\n\nRaises RuntimeError for an alpha of 0.");
  def_function(f, "gelu", true, &ops::gelu, input, py::kw_only(), py::arg("approximate") = "none",
               "x times the standard normal distribution function at x (arXiv 1606.08415, section 2); 'tanh' takes the "
               "approximation given there.\n\nRaises RuntimeError for another word.");
  def_function(f, "silu", true, &ops::silu, input, inplace,
               "x sigmoid(x), also called swish (arXiv 1702.03118, eq. 5); with `inplace` in the input itself.");
  def_function(f, "mish", true, &ops::mish, input, inplace,
               "x tanh(softplus(x)) (arXiv 1908.08681, eq. 1); with `inplace` in the input itself.");
  def_function(f, "hardswish", true, &ops::hardswish, input, inplace,
               "x relu6(x + 3) / 6 (arXiv 1905.02244, section 5.2); with `inplace` in the input itself.");
  def_function(f, "hardsigmoid", true, &ops::hardsigmoid, input, inplace,
               "relu6(x + 3) / 6; with `inplace` in the input itself.");
  def_function(f, "hardtanh", true, &ops::hardtanh, input, py::arg("min_val") = -1.0, py::arg("max_val") = 1.0, inplace,
               "x limited to [min_val, max_val], with gradient 0 at the bounds; integers too. With `inplace` in the "
               "input itself.\n\nRaises ValueError if min_val is greater than max_val.");
  def_function(f, "relu6", true, &ops::relu6, input, inplace, "hardtanh from 0 to 6.");
  def_function(f, "hardshrink", true, &ops::hardshrink, input, py::arg("lambd") = 0.5, "x for |x| > lambd, else 0.");
  def_function(f, "softshrink", true, &ops::softshrink, input, py::arg("lambd") = 0.5,
               "x - lambd above lambd, x + lambd below -lambd, else 0.\n\nRaises RuntimeError for a negative lambd.");
  def_function(f, "tanhshrink", true, &ops::tanhshrink, input, "x - tanh(x), without cancellation.");
  def_function(f, "softplus", true, &ops::softplus, input, py::arg("beta") = 1.0, py::arg("threshold") = 20.0,
               "log(1 + exp(beta x)) / beta, or x where beta x is greater than threshold.");
  def_function(f, "softsign", true, &ops::softsign, input, "x / (1 + |x|).");
  def_function(f, "logsigmoid", true, &ops::logsigmoid, input, "log(sigmoid(x)), without overflow.");
  def_function(f, "threshold", true, &ops::threshold, input, py::arg("threshold"), py::arg("value"), inplace,
               "x for x > threshold, else value; integers too. With `inplace` in the input itself.");
  def_function(f, "glu", true, &ops::glu, input, py::arg("dim") = -1,
               "The first half along `dim` times the sigmoid of the second (arXiv 1612.08083, eq. 1): `dim` is halved."
               "\n\nRaises RuntimeError for an odd size.");
  def_function(f, "prelu", true, &ops::prelu, input, py::arg("weight"),
               "x for x > 0, else weight * x, with one weight or one for each channel [C] of an input [N, C, *] (arXiv "
               "1502.01852, eq. 1).\n\nRaises RuntimeError for another number of weights.");
  def_function(
      f, "rrelu", true,
      [](const Tensor& x, double lower, double upper, bool training, bool in_place) {
        return ops::rrelu(x, lower, upper, training, in_place);
      },
      input, py::arg("lower") = 1.0 / 8, py::arg("upper") = 1.0 / 3, py::arg("training") = false, inplace,
      "leaky_relu whose slope is drawn from [lower, upper) for each element while training, else their mean (arXiv "
      "1505.00853, section 2.4); with `inplace` in the input itself.\n\nRaises RuntimeError if lower is greater than "
      "upper.");
  bind_dropout(f);

  // Their gradients are ops too, verified like the others; the numbers are those of the row.
  py::module_ gradients = m.attr("_gradients").cast<py::module_>();
#define VG_ACTIVATION(NAME, ...)                                                                               \
  def_function(gradients, #NAME "_backward", true, &ops::activations::NAME##_backward, py::arg("grad"), input, \
               py::arg("a") = 0.0, py::arg("b") = 0.0, py::arg("c") = 0.0);
#include "verigrad/activation.def"
}

}  // namespace verigrad::bindings
