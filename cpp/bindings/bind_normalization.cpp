// Normalisation.
#include "python.h"
#include "verigrad/nn/normalization.h"

namespace verigrad::bindings {

namespace {

using OptTensor = std::optional<Tensor>;
Tensor given(const OptTensor& t) { return t.value_or(Tensor()); }

}  // namespace

void bind_normalization(py::module_& m, TensorClass&) {
  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  def_function(
      f, "batch_norm", true,
      [](const Tensor& input, const OptTensor& running_mean, const OptTensor& running_var, const OptTensor& weight,
         const OptTensor& bias, bool training, double momentum, double eps) {
        return ops::batch_norm(input, given(running_mean), given(running_var), given(weight), given(bias), training,
                               momentum, eps);
      },
      py::arg("input"), py::arg("running_mean"), py::arg("running_var"), py::arg("weight") = py::none(),
      py::arg("bias") = py::none(), py::arg("training") = false, py::arg("momentum") = 0.1, py::arg("eps") = 1e-5,
      "(x - mean) / sqrt(var + eps) * weight + bias for each channel of an input [N, C, ...] (Ioffe and Szegedy 2015, "
      "algorithm 1).\n\n"
      "With `training`, mean and biased variance are those of the batch, and the running statistics [C], where given, "
      "become (1 - momentum) * running + momentum * batch, the variance with n - 1 in its denominator. Else mean and "
      "variance are the running ones. weight and bias: [C] or None. All of one floating-point dtype.\n\n"
      "Raises ValueError for a single value per channel in training, RuntimeError for sizes or dtypes that do not "
      "fit. An empty input leaves the running statistics alone.");
  def_function(
      f, "instance_norm", true,
      [](const Tensor& input, const OptTensor& running_mean, const OptTensor& running_var, const OptTensor& weight,
         const OptTensor& bias, bool use_input_stats, double momentum, double eps) {
        return ops::instance_norm(input, given(running_mean), given(running_var), given(weight), given(bias),
                                  use_input_stats, momentum, eps);
      },
      py::arg("input"), py::arg("running_mean") = py::none(), py::arg("running_var") = py::none(),
      py::arg("weight") = py::none(), py::arg("bias") = py::none(), py::arg("use_input_stats") = true,
      py::arg("momentum") = 0.1, py::arg("eps") = 1e-5,
      "Normalises each channel of each sample of an input [N, C, ...] on its own (Ulyanov et al., arXiv "
      "1607.08022).\n\n"
      "With `use_input_stats`, running statistics [C], where given, move by `momentum` towards the average over the "
      "samples (variance with n - 1); without it they are used instead. weight and bias: [C] or None.\n\n"
      "Raises ValueError for a single spatial element with `use_input_stats`, RuntimeError for sizes or dtypes that "
      "do not fit.");
  def_function(
      f, "layer_norm", true,
      [](const Tensor& input, const Dims& normalized_shape, const OptTensor& weight, const OptTensor& bias,
         double eps) { return ops::layer_norm(input, normalized_shape, given(weight), given(bias), eps); },
      py::arg("input"), py::arg("normalized_shape"), py::arg("weight") = py::none(), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5,
      "Normalises over the last dimensions, whose sizes are `normalized_shape` (Ba et al., arXiv 1607.06450, "
      "section 3).\n\n"
      "weight and bias have the shape `normalized_shape`, or are None. Raises RuntimeError for shapes or dtypes that "
      "do not fit.");
  def_function(
      f, "rms_norm", true,
      [](const Tensor& input, const Dims& normalized_shape, const OptTensor& weight, std::optional<double> eps) {
        return ops::rms_norm(input, normalized_shape, given(weight), eps);
      },
      py::arg("input"), py::arg("normalized_shape"), py::arg("weight") = py::none(), py::arg("eps") = py::none(),
      "x / sqrt(mean(x^2) + eps) * weight over the last dimensions, whose sizes are `normalized_shape` (Zhang and "
      "Sennrich, arXiv 1910.07467, eq. 4).\n\n"
      "eps: default the machine epsilon of the input's dtype. The weight is cast to that dtype. Raises RuntimeError "
      "for shapes that do not fit.");
  def_function(
      f, "group_norm", true,
      [](const Tensor& input, std::int64_t num_groups, const OptTensor& weight, const OptTensor& bias, double eps) {
        return ops::group_norm(input, num_groups, given(weight), given(bias), eps);
      },
      py::arg("input"), py::arg("num_groups"), py::arg("weight") = py::none(), py::arg("bias") = py::none(),
      py::arg("eps") = 1e-5,
      "Normalises each sample of an input [N, C, ...] over `num_groups` groups of neighbouring channels (Wu and He, "
      "arXiv 1803.08494).\n\n"
      "weight and bias: [C] or None. Raises RuntimeError unless C is a multiple of `num_groups`, ValueError where the "
      "whole input has one value per group.");
}

}  // namespace verigrad::bindings
