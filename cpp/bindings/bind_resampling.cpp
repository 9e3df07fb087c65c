// Padding, unfold and fold.
#include "python.h"
#include "size_arg.h"
#include "verigrad/nn/resampling.h"

namespace verigrad::bindings {
void bind_resampling(py::module_& m, TensorClass&) {
  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  def_function(
      f, "pad", true,
      [](const Tensor& input, const SizeArg& pad, const std::string& mode, const std::optional<Scalar>& value) {
        if (pad.single) throw py::type_error("pad(): argument 'pad' (position 2) must be tuple of ints, not int");
        return ops::pad(input, pad.values, mode, value);
      },
      py::arg("input"), py::arg("pad"), py::arg("mode") = "constant", py::arg("value") = py::none(),
      "input with elements added before and after the last dimensions, the last one first.");
  def_function(
      f, "unfold", true,
      [](const Tensor& input, const SizeArg& kernel_size, const SizeArg& dilation, const SizeArg& padding,
         const SizeArg& stride) {
        return ops::unfold(input, kernel_size.both(), dilation.both(), padding.both(), stride.both());
      },
      py::arg("input"), py::arg("kernel_size"), py::arg("dilation") = 1, py::arg("padding") = 0, py::arg("stride") = 1,
      "The windows of an image as columns: [N, C, H, W] to [N, C * kernel elements, windows].");
  def_function(
      f, "fold", true,
      [](const Tensor& input, const SizeArg& output_size, const SizeArg& kernel_size, const SizeArg& dilation,
         const SizeArg& padding, const SizeArg& stride) {
        return ops::fold(input, output_size.both(), kernel_size.both(), dilation.both(), padding.both(), stride.both());
      },
      py::arg("input"), py::arg("output_size"), py::arg("kernel_size"), py::arg("dilation") = 1, py::arg("padding") = 0,
      py::arg("stride") = 1,
      "The sum of columns, each at its window of an image: [N, C * kernel elements, windows] to [N, C, H, W].");
}

}  // namespace verigrad::bindings
