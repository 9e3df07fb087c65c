// Pooling.
#include "python.h"
#include "size_arg.h"
#include "verigrad/nn/pooling.h"

namespace verigrad::bindings {
namespace {

using OptSize = std::optional<SizeArg>;

template <int dims>
void bind_pools(py::module_& f, const char* max_name, const char* max_indices_name, const char* average_name) {
  const auto max = [](bool indices) {
    return [indices](const Tensor& input, const SizeArg& kernel_size, const OptSize& stride, const SizeArg& padding,
                     const SizeArg& dilation, bool ceil_mode) {
      return ops::max_pool(dims, input,
                           {kernel_size.values, list_of(stride), padding.values, dilation.values, ceil_mode}, indices);
    };
  };
  def_function(
      f, max_name, true,
      [max](const Tensor& input, const SizeArg& kernel_size, const OptSize& stride, const SizeArg& padding,
            const SizeArg& dilation,
            bool ceil_mode) { return max(false)(input, kernel_size, stride, padding, dilation, ceil_mode).first; },
      py::arg("input"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = 0,
      py::arg("dilation") = 1, py::arg("ceil_mode") = false, "The greatest element of each window.");
  def_function(f, max_indices_name, true, max(true), py::arg("input"), py::arg("kernel_size"),
               py::arg("stride") = py::none(), py::arg("padding") = 0, py::arg("dilation") = 1,
               py::arg("ceil_mode") = false, "The greatest element of each window and its int64 place in the plane.");
  const auto average = [](const Tensor& input, const SizeArg& kernel_size, const OptSize& stride,
                          const SizeArg& padding, bool ceil_mode, bool count_include_pad,
                          std::optional<std::int64_t> divisor_override) {
    return ops::avg_pool(dims, input, {kernel_size.values, list_of(stride), padding.values, {1}, ceil_mode},
                         count_include_pad, divisor_override);
  };
  constexpr const char* doc = "The mean of each window.";
  if constexpr (dims > 1) {
    def_function(f, average_name, true, average, py::arg("input"), py::arg("kernel_size"),
                 py::arg("stride") = py::none(), py::arg("padding") = 0, py::arg("ceil_mode") = false,
                 py::arg("count_include_pad") = true, py::arg("divisor_override") = py::none(), doc);
  } else {
    def_function(
        f, average_name, true,
        [average](const Tensor& input, const SizeArg& kernel_size, const OptSize& stride, const SizeArg& padding,
                  bool ceil_mode, bool count_include_pad) {
          return average(input, kernel_size, stride, padding, ceil_mode, count_include_pad, {});
        },
        py::arg("input"), py::arg("kernel_size"), py::arg("stride") = py::none(), py::arg("padding") = 0,
        py::arg("ceil_mode") = false, py::arg("count_include_pad") = true, doc);
  }
}

template <int dims>
void bind_adaptive(py::module_& f, const char* max_name, const char* average_name) {
  def_function(
      f, max_name, true,
      [](const Tensor& input, const SizeArg& output_size) {
        return ops::adaptive_max_pool(dims, input, output_size.values, true);
      },
      py::arg("input"), py::arg("output_size"),
      "The greatest element of each of output_size windows, and its int64 place in the plane.");
  def_function(
      f, average_name, true,
      [](const Tensor& input, const SizeArg& output_size) {
        return ops::adaptive_avg_pool(dims, input, output_size.values);
      },
      py::arg("input"), py::arg("output_size"), "The mean of each of output_size windows.");
}

template <int dims>
void bind_unpool(py::module_& f, const char* name) {
  def_function(
      f, name, true,
      [](const Tensor& input, const Tensor& indices, const SizeArg& output_size) {
        return ops::max_unpool(dims, input, indices, output_size.values);
      },
      py::arg("input"), py::arg("indices"), py::arg("output_size"),
      "The values of a maximum at its places, zeros elsewhere.");
}

}  // namespace

void bind_pooling(py::module_& m, TensorClass&) {
  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  bind_pools<1>(f, "max_pool1d", "max_pool1d_with_indices", "avg_pool1d");
  bind_pools<2>(f, "max_pool2d", "max_pool2d_with_indices", "avg_pool2d");
  bind_pools<3>(f, "max_pool3d", "max_pool3d_with_indices", "avg_pool3d");
  bind_adaptive<1>(f, "adaptive_max_pool1d", "adaptive_avg_pool1d");
  bind_adaptive<2>(f, "adaptive_max_pool2d", "adaptive_avg_pool2d");
  bind_adaptive<3>(f, "adaptive_max_pool3d", "adaptive_avg_pool3d");
  bind_unpool<1>(f, "max_unpool1d");
  bind_unpool<2>(f, "max_unpool2d");
  bind_unpool<3>(f, "max_unpool3d");
}

}  // namespace verigrad::bindings
