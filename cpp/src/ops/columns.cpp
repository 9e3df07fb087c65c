// unfold and fold, each the transpose and so the VJP of the other. Output sizes: V. Dumoulin and F. Visin, "A guide to
// convolution arithmetic for deep learning", arXiv 1603.07285, relation 6 with dilation (relation 15).
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/nn/resampling.h"

namespace verigrad::ops {
namespace {

using kernels::ColumnsOp;
using kernels::Window;

struct Pair {
  std::int64_t h, w;
};
Pair pair_of(const char* op, const char* name, const DimList& values, std::int64_t least, const char* what) {
  VG_CHECK(values.size() == 2, RuntimeError, op, ": It is expected ", name, " equals to 2, but got size ",
           values.size());
  for (const std::int64_t v : values) {
    VG_CHECK(v >= least, RuntimeError, op, ": ", name, " should be ", what, ", but got ", values[0], " and ",
             values[1]);
    VG_CHECK(v <= INT32_MAX, RuntimeError, op, ": expected ", name, " below 2^31, got ", v);
  }
  return {values[0], values[1]};
}

/// A window without the sizes of the image.
Window make_window(const char* op, const DimList& kernel_size, const DimList& dilation, const DimList& padding,
                   const DimList& stride) {
  const Pair kernel = pair_of(op, "kernel_size", kernel_size, 1, "greater than zero");
  const Pair dilate = pair_of(op, "dilation", dilation, 1, "greater than zero");
  const Pair pad = pair_of(op, "padding", padding, 0, "non-negative");
  const Pair step = pair_of(op, "stride", stride, 1, "greater than zero");
  Window w;
  w.kernel_h = kernel.h;
  w.kernel_w = kernel.w;
  w.dilation_h = dilate.h;
  w.dilation_w = dilate.w;
  w.pad_h = pad.h;
  w.pad_w = pad.w;
  w.stride_h = step.h;
  w.stride_w = step.w;
  return w;
}

void set_image(const char* op, Window& w, std::int64_t h, std::int64_t width) {
  const auto count = [op](std::int64_t in, std::int64_t kernel, std::int64_t dilation, std::int64_t pad,
                          std::int64_t stride) {
    const std::int64_t room = checked_add(op, in, 2 * pad) - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  };
  w.in_h = h;
  w.in_w = width;
  w.out_h = count(h, w.kernel_h, w.dilation_h, w.pad_h, w.stride_h);
  w.out_w = count(width, w.kernel_w, w.dilation_w, w.pad_w, w.stride_w);
}

void run(ColumnsOp op, const char* name, const Window& window, const Tensor& in, const Tensor& out) {
  if (in.numel() == 0 || out.numel() == 0) return;
  const Tensor source = contiguous(detach(in));
  kernels::Columns c;
  c.planes = (op == ColumnsOp::unfold ? in : out).numel() / (window.in_h * window.in_w);
  c.window = window;
  c.in = source.data();
  c.out = out.data();
  VG_KERNEL(columns, name, in.device())(op, in.dtype(), c);
}

void check_dtype(const char* op, const Tensor& self) {
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, op, ": expected a floating-point input, got ",
           self.dtype(), ": not implemented for this dtype");
}

Tensor fold_checked(const Tensor& columns, const Window& window, const Dims& shape);

Tensor unfold_checked(const Tensor& image, const Window& window, const Dims& shape) {
  const Tensor out = empty_tensor(shape, image.dtype(), image.device());
  run(ColumnsOp::unfold, "unfold", window, image, out);
  return record("Im2ColBackward0", out, {image}, {}, [window](Node& n, const Tensor& g) -> TensorList {
    return {fold_checked(g, window, input_meta(n, 0).shape)};
  });
}

Tensor fold_checked(const Tensor& columns, const Window& window, const Dims& shape) {
  const Tensor out = empty_tensor(shape, columns.dtype(), columns.device());
  run(ColumnsOp::fold, "fold", window, columns, out);
  return record("Col2ImBackward0", out, {columns}, {}, [window](Node& n, const Tensor& g) -> TensorList {
    return {unfold_checked(g, window, input_meta(n, 0).shape)};
  });
}

/// The product of two sizes; raises RuntimeError beyond int64.
std::int64_t product(const char* op, std::int64_t a, std::int64_t b) { return checked_numel(op, {a, b}); }

}  // namespace

Tensor unfold(const Tensor& self, const DimList& kernel_size, const DimList& dilation, const DimList& padding,
              const DimList& stride) {
  VG_CHECK(self.ndim() >= 3, IndexError, "unfold: Dimension out of range, expected 3D or 4D input, got ", self.shape());
  Window w = make_window("unfold", kernel_size, dilation, padding, stride);
  const int n = self.ndim();
  VG_CHECK(n <= 4 && self.size(-1) > 0 && self.size(-2) > 0 && self.size(-3) > 0, RuntimeError,
           "unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for "
           "input, but got: ",
           self.shape());
  check_dtype("unfold", self);
  set_image("unfold", w, self.size(-2), self.size(-1));
  VG_CHECK(w.out_h > 0 && w.out_w > 0, RuntimeError, "unfold: Given input ", self.shape(), ", kernel_size=(",
           w.kernel_h, ", ", w.kernel_w, "), dilation=(", w.dilation_h, ", ", w.dilation_w, "), padding=(", w.pad_h,
           ", ", w.pad_w, "), calculated shape of the array of sliding blocks as (", w.out_h, ", ", w.out_w,
           "), but its components must be at least one.");
  const std::int64_t rows = product("unfold", self.size(-3), product("unfold", w.kernel_h, w.kernel_w));
  Dims shape = {rows, product("unfold", w.out_h, w.out_w)};
  if (n == 4) shape.insert(0, self.shape()[0]);
  checked_numel("unfold", shape);
  return unfold_checked(self, w, shape);
}

Tensor fold(const Tensor& self, const DimList& output_size, const DimList& kernel_size, const DimList& dilation,
            const DimList& padding, const DimList& stride) {
  VG_CHECK(output_size.size() == 2, RuntimeError, "fold: It is expected output_size equals to 2, but got size ",
           output_size.size());
  Window w = make_window("fold", kernel_size, dilation, padding, stride);
  const int n = self.ndim();
  VG_CHECK((n == 2 || n == 3) && self.size(-1) > 0 && self.size(-2) > 0, RuntimeError,
           "fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions "
           "for input, but got: ",
           self.shape());
  check_dtype("fold", self);
  const std::int64_t taps = product("fold", w.kernel_h, w.kernel_w);
  VG_CHECK(self.size(-2) % taps == 0, RuntimeError,
           "fold: Expected size of input's dimension to be divisible by the product of kernel_size, but got input ",
           self.shape(), " and kernel_size=(", w.kernel_h, ", ", w.kernel_w, ")");
  VG_CHECK(output_size[0] > 0 && output_size[1] > 0 && output_size[0] <= INT32_MAX && output_size[1] <= INT32_MAX,
           RuntimeError, "fold: expected output_size of positive numbers below 2^31, got (", output_size[0], ", ",
           output_size[1], ")");
  set_image("fold", w, output_size[0], output_size[1]);
  const std::int64_t length = product("fold", w.out_h, w.out_w);
  VG_CHECK(length == self.size(-1), RuntimeError, "fold: Given output_size=(", w.in_h, ", ", w.in_w, "), kernel_size=(",
           w.kernel_h, ", ", w.kernel_w, "), dilation=(", w.dilation_h, ", ", w.dilation_w, "), padding=(", w.pad_h,
           ", ", w.pad_w, "), stride=(", w.stride_h, ", ", w.stride_w,
           "), expected size of input's last dimension to match the calculated number of sliding blocks ", w.out_h,
           " * ", w.out_w, " = ", length, ", but got input ", self.shape());
  Dims shape = {self.size(-2) / taps, w.in_h, w.in_w};
  if (n == 3) shape.insert(0, self.shape()[0]);
  checked_numel("fold", shape);
  return fold_checked(self, w, shape);
}

}  // namespace verigrad::ops
