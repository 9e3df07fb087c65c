// Warping of images.
#include "verigrad/nn/warp.h"

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
Tensor affine_image(const Tensor& input, const Tensor& matrix, const DimList& size, const std::string& mode,
                    double fill) {
  VG_CHECK(input.ndim() == 4, RuntimeError, "affine_image: expected an input of shape [N, C, H, W], got ",
           input.shape());
  const DType dtype = input.dtype();
  VG_CHECK(dtype == DType::UInt8 || is_floating_point(dtype), RuntimeError,
           "affine_image: expected an input of dtype uint8, float32 or float64, got ", dtype);
  VG_CHECK(matrix.ndim() == 2 && matrix.shape()[0] == input.shape()[0] && matrix.shape()[1] == 6, RuntimeError,
           "affine_image: expected a matrix of shape [N, 6] with the N of the input ", input.shape(), ", got ",
           matrix.shape());
  VG_CHECK(matrix.dtype() == DType::Float64, RuntimeError, "affine_image: expected a matrix of dtype float64, got ",
           matrix.dtype());
  VG_CHECK(size.size() == 2 && size[0] > 0 && size[1] > 0, RuntimeError,
           "affine_image: expected two positive sizes (height, width), got ", Dims(size));
  VG_CHECK(mode == "bilinear" || mode == "nearest", ValueError,
           "affine_image: expected mode 'bilinear' or 'nearest', got '", mode, "'");
  VG_CHECK(dtype != DType::UInt8 || (fill >= 0 && fill <= 255), ValueError,
           "affine_image: expected a fill from 0 to 255 for uint8, got ", fill);
  if (matrix.device() != kHost) check_same_device("affine_image", input, matrix);
  VG_CHECK(!recording(input, matrix), NotImplementedError,
           "affine_image: expected an input and a matrix that require no gradient, got one that does; it is not "
           "differentiable");
  const Tensor out = empty_tensor(Dims{input.shape()[0], input.shape()[1], size[0], size[1]}, dtype, input.device());
  if (out.numel() == 0) return out;
  const Tensor in = contiguous(detach(input)), m = contiguous(to(detach(matrix), DType::Float64, input.device()));
  kernels::Warp w;
  w.batch = input.shape()[0];
  w.channels = input.shape()[1];
  w.in_h = input.shape()[2];
  w.in_w = input.shape()[3];
  w.out_h = size[0];
  w.out_w = size[1];
  w.matrix = static_cast<const double*>(m.data());
  w.bilinear = mode == "bilinear";
  w.fill = fill;
  w.in = in.data();
  w.out = out.data();
  VG_KERNEL(warp, "affine_image", input.device())(dtype, w);
  return out;
}

}  // namespace verigrad::ops
