// Warping of images.
#include "python.h"
#include "verigrad/nn/warp.h"

namespace verigrad::bindings {

void bind_warp(py::module_& m, TensorClass&) {
  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  def_function(
      f, "affine_image", false, &ops::affine_image, py::arg("input"), py::arg("matrix"), py::arg("size"),
      py::arg("mode") = "bilinear", py::arg("fill") = 0.0,
      "Images [N, C, H, W] (uint8, float32 or float64) read at other places: pixel (i, j) of the result, of *size* "
      "(height, width), is image n at row m[3] j + m[4] i + m[5] and column m[0] j + m[1] i + m[2] with m = matrix[n] "
      "([N, 6], float64).\n\n"
      "mode: 'bilinear' or 'nearest' (half to even). Pixels outside of the image have the value *fill*. uint8 is "
      "rounded half to even. Not differentiable.");
}

}  // namespace verigrad::bindings
