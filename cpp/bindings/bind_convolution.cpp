// Convolutions.
#include <pybind11/stl.h>

#include "python.h"
#include "verigrad/nn/convolution.h"

namespace verigrad::bindings {
namespace {

using OptTensor = std::optional<Tensor>;
using Padding = std::variant<std::string, DimArg>;

ops::DimList list_of(const char* op, const char* name, const DimArg& argument) {
  VG_CHECK(argument.dims && !argument.dims->empty(), TypeError, op, ": expected ", name,
           " to be an int or a tuple of ints, got ", argument.dims ? "()" : "None");
  return *argument.dims;
}

template <Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, const ops::ConvolutionOptions&)>
void bind_direct(py::module_& m, const char* name, const char* doc) {
  def_function(
      m, name, true,
      [name](const Tensor& input, const Tensor& weight, const OptTensor& bias, const DimArg& stride,
             const Padding& padding, const DimArg& dilation, std::int64_t groups) {
        ops::ConvolutionOptions options;
        options.stride = list_of(name, "stride", stride);
        options.dilation = list_of(name, "dilation", dilation);
        options.groups = groups;
        if (const auto* text = std::get_if<std::string>(&padding)) {
          options.padding = *text;
        } else {
          options.padding = list_of(name, "padding", std::get<DimArg>(padding));
        }
        return f(input, weight, bias.value_or(Tensor()), options);
      },
      py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(), py::arg("stride") = 1, py::arg("padding") = 0,
      py::arg("dilation") = 1, py::arg("groups") = 1, doc);
}

template <Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, const ops::ConvolutionOptions&)>
void bind_transposed(py::module_& m, const char* name, const char* doc) {
  def_function(
      m, name, true,
      [name](const Tensor& input, const Tensor& weight, const OptTensor& bias, const DimArg& stride,
             const DimArg& padding, const DimArg& output_padding, std::int64_t groups, const DimArg& dilation) {
        ops::ConvolutionOptions options;
        options.stride = list_of(name, "stride", stride);
        options.padding = list_of(name, "padding", padding);
        options.output_padding = list_of(name, "output_padding", output_padding);
        options.dilation = list_of(name, "dilation", dilation);
        options.groups = groups;
        return f(input, weight, bias.value_or(Tensor()), options);
      },
      py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(), py::arg("stride") = 1, py::arg("padding") = 0,
      py::arg("output_padding") = 0, py::arg("groups") = 1, py::arg("dilation") = 1, doc);
}

}  // namespace

void bind_convolution(py::module_& m, TensorClass&) {
  auto f = m.attr("nn_functional").cast<py::module_>();
  bind_direct<&ops::conv1d>(
      f, "conv1d",
      "Correlates input [N, C, L] or [C, L] with weight [K, C / groups, R] and adds bias [K]: [N, "
      "K, (L + 2 padding - dilation (R - 1) - 1) / stride + 1].\n\n"
      "padding: numbers of zeros on both sides, 'valid' for none, or 'same' for an output of the "
      "input's size. Raises RuntimeError where sizes do not fit.");
  bind_direct<&ops::conv2d>(
      f, "conv2d",
      "Correlates input [N, C, H, W] or [C, H, W] with weight [K, C / groups, R, S] and adds bias "
      "[K]: [N, K, (H + 2 padding - dilation (R - 1) - 1) / stride + 1, ...].\n\n"
      "padding: numbers of zeros on both sides, 'valid' for none, or 'same' for an output of the "
      "input's size. Raises RuntimeError where sizes do not fit.");
  bind_transposed<&ops::conv_transpose1d>(
      f, "conv_transpose1d",
      "The transpose of conv1d as a map of its input: input [N, K, L] or [K, L], weight [K, C / groups, R], bias [C]; "
      "[N, C, (L - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1].");
  bind_transposed<&ops::conv_transpose2d>(
      f, "conv_transpose2d",
      "The transpose of conv2d as a map of its input: input [N, K, H, W] or [K, H, W], weight [K, C / groups, R, S], "
      "bias [C]; [N, C, (H - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1, ...].");
  bind_direct<&ops::conv3d>(
      f, "conv3d",
      "Correlates input [N, C, D, H, W] or [C, D, H, W] with weight [K, C / groups, Q, R, S] and adds bias "
      "[K]: [N, K, (D + 2 padding - dilation (Q - 1) - 1) / stride + 1, ...].\n\n"
      "padding: numbers of zeros on both sides, 'valid' for none, or 'same' for an output of the "
      "input's size. Raises RuntimeError where sizes do not fit.");
  bind_transposed<&ops::conv_transpose3d>(
      f, "conv_transpose3d",
      "The transpose of conv3d as a map of its input: input [N, K, D, H, W] or [K, D, H, W], weight [K, C / groups, Q, "
      "R, S], bias [C]; [N, C, (D - 1) stride - 2 padding + dilation (Q - 1) + output_padding + 1, ...].");
}

}  // namespace verigrad::bindings
