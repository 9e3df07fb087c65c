// Pooling. Output sizes: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
// arXiv 1603.07285, relation 6 with floor or, with ceil_mode, ceil.
//
// A window is a list of rows and a list of columns, so ordinary, dilated and adaptive pooling are one kernel. Each pair
// of kernels is a linear map and its transpose, recorded as ops of their own: any order of derivatives works.
#include "verigrad/nn/pooling.h"

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

using kernels::PoolOp;

using kernels::PoolAxis;

/// How windows lie in a plane and what averages are divided by: all of a kernel's arguments but the tensors.
using Geometry = kernels::Pool;

constexpr const char* kMaxNames[] = {"max_pool1d", "max_pool2d"};
constexpr const char* kAverageNames[] = {"avg_pool1d", "avg_pool2d"};
constexpr const char* kAdaptiveMaxNames[] = {"adaptive_max_pool1d", "adaptive_max_pool2d"};
constexpr const char* kAdaptiveAverageNames[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d"};

void check_rank(const char* op, int dims, const Tensor& self) {
  VG_CHECK(self.ndim() == dims + 1 || self.ndim() == dims + 2, RuntimeError, op, ": Expected ", dims + 1, "D or ",
           dims + 2, "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", self.shape());
}

/// Only a batch may be empty.
void check_sizes(const char* op, int dims, const Tensor& self) {
  bool empty = false;
  for (int d = self.ndim() - dims - 1; d < self.ndim(); ++d) empty = empty || self.shape()[d] == 0;
  VG_CHECK(!empty, RuntimeError, op, ": Expected ", dims + 1, "D or ", dims + 2,
           "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", self.shape());
}

void check_dtype(const char* op, const Tensor& self, bool allowed) {
  VG_CHECK(allowed, NotImplementedError, op, ": expected a floating-point input, got ", self.dtype(),
           ": not implemented for this dtype");
}

/// One number for each of height and width; those of the height are `neutral` in 1-d.
struct Pair {
  std::int64_t h, w;
};
Pair expand_pair(const char* op, const char* name, int dims, const DimList& values, std::int64_t neutral) {
  const auto count = static_cast<int>(values.size());
  VG_CHECK(count == 1 || count == dims, RuntimeError, op, ": expected ", name, " to be an int or ", dims,
           dims == 1 ? " int" : " ints", ", got ", count, " of them");
  for (const std::int64_t v : values) {
    VG_CHECK(v <= INT32_MAX && v >= INT32_MIN, RuntimeError, op, ": expected ", name, " below 2^31, got ", v,
             ": value cannot be converted to type int without overflow");
  }
  if (dims == 1) return {neutral, values[0]};
  return {values[0], values[static_cast<std::size_t>(count - 1)]};
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

void check_axis(const char* op, const PoolAxis& s) {
  VG_CHECK(s.kernel > 0, RuntimeError, op, ": kernel size should be greater than zero, but got ", s.kernel);
  VG_CHECK(s.stride > 0, RuntimeError, op, ": stride should be greater than zero, but got ", s.stride);
  VG_CHECK(s.dilation > 0, RuntimeError, op, ": dilation should be greater than zero, but got ", s.dilation);
  VG_CHECK(s.pad >= 0, RuntimeError, op, ": padding must be non-negative, but got ", s.pad);
  VG_CHECK(s.pad <= s.kernel / 2, RuntimeError, op,
           ": padding should be at most half of kernel size, but got padding=", s.pad, " and kernel_size=", s.kernel);
}

std::int64_t output_size(const char* op, const PoolAxis& s, bool ceil_mode) {
  // All but the size of the input are below 2^31.
  const std::int64_t room =
      checked_add(op, s.in, 2 * s.pad + (ceil_mode ? s.stride - 1 : 0)) - s.dilation * (s.kernel - 1) - 1;
  const std::int64_t out = floor_div(room, s.stride) + 1;
  // The last window must begin inside of the input or of the padding before it.
  return ceil_mode && (out - 1) * s.stride >= s.in + s.pad ? out - 1 : out;
}

Geometry window_geometry(const char* op, int dims, const Tensor& self, const PoolWindows& windows) {
  check_rank(op, dims, self);
  const Pair kernel = expand_pair(op, "kernel_size", dims, windows.kernel_size, 1);
  const Pair stride = windows.stride.empty() ? (dims == 1 ? Pair{1, kernel.w} : kernel)
                                             : expand_pair(op, "stride", dims, windows.stride, 1);
  const Pair pad = expand_pair(op, "padding", dims, windows.padding, 0);
  const Pair dilation = expand_pair(op, "dilation", dims, windows.dilation, 1);
  Geometry s;
  s.h = {dims == 1 ? 1 : self.size(-2), 0, kernel.h, stride.h, pad.h, dilation.h};
  s.w = {self.size(-1), 0, kernel.w, stride.w, pad.w, dilation.w};
  check_axis(op, s.h);
  check_axis(op, s.w);
  check_sizes(op, dims, self);
  s.h.out = output_size(op, s.h, windows.ceil_mode);
  s.w.out = output_size(op, s.w, windows.ceil_mode);
  VG_CHECK(s.h.out > 0 && s.w.out > 0, RuntimeError, op, ": expected a window of ", s.h.kernel, "x", s.w.kernel,
           " with dilation ", s.h.dilation, "x", s.w.dilation, " inside of input ", self.shape(), " with padding ",
           s.h.pad, "x", s.w.pad, ", got an output size of ", s.h.out, "x", s.w.out, ": Output size is too small");
  return s;
}

PoolAxis adaptive_axis(std::int64_t in, std::int64_t out) { return {in, out, 1, 1, 0, 1, true}; }

/// A maximum needs an element.
void check_windows(const char* op, const PoolAxis& a) {
  for (std::int64_t i = 0; i < a.out; ++i) {
    VG_CHECK(a.start(i) < a.stop(i), RuntimeError, op,
             ": expected an element of the input in every window, got none in window ", i, " for an input of size ",
             a.in, ", kernel size ", a.kernel, ", padding ", a.pad, " and dilation ", a.dilation);
  }
}

/// The input's shape with other sizes of the planes.
Dims with_planes(int dims, const Dims& shape, std::int64_t h, std::int64_t w) {
  Dims result = shape;
  result.back() = w;
  if (dims == 2) result[shape.size() - 2] = h;
  return result;
}

void run(PoolOp op, const char* name, Geometry p, const Tensor& in, const Tensor& out, std::int64_t* index) {
  if (in.numel() == 0 || out.numel() == 0) return;
  const Tensor source = contiguous(detach(in));
  const bool forward = op == PoolOp::max || op == PoolOp::average || op == PoolOp::max_gather;
  p.planes = (forward ? in : out).numel() / (p.h.in * p.w.in);
  p.in = source.data();
  p.out = out.data();
  p.index = index;
  VG_KERNEL(pool, name, in.device())(op, in.dtype(), p);
}

/// The names of a function, of its node and of that of the first derivative.
struct Names {
  const char *op, *node, *backward;
};

Tensor max_backward(const Tensor& g, const Tensor& index, const Geometry& geometry, const Dims& shape,
                    const Names& names);

Tensor max_gather(const Tensor& x, const Tensor& index, const Geometry& geometry, const Names& names) {
  const Tensor out = empty_tensor(index.shape(), x.dtype(), x.device());
  run(PoolOp::max_gather, names.op, geometry, x, out, index.data_as<std::int64_t>());
  return record(names.node, out, {x}, {Save::input(index)}, [geometry, names](Node& n, const Tensor& g) -> TensorList {
    return {max_backward(g, n.saved(0), geometry, input_meta(n, 0).shape, names)};
  });
}

/// The memory of a gradient; zeros where no window adds to it.
Tensor gradient_output(const Tensor& g, const Dims& shape) {
  return g.numel() == 0 ? zeros(shape, g.dtype(), g.device()) : empty_tensor(shape, g.dtype(), g.device());
}

Tensor max_backward(const Tensor& g, const Tensor& index, const Geometry& geometry, const Dims& shape,
                    const Names& names) {
  const Tensor out = gradient_output(g, shape);
  run(PoolOp::max_backward, names.op, geometry, g, out, index.data_as<std::int64_t>());
  return record(names.backward, out, {g}, {Save::input(index)},
                [geometry, names](Node& n, const Tensor& gg) -> TensorList {
                  return {max_gather(gg, n.saved(0), geometry, names)};
                });
}

std::pair<Tensor, Tensor> max_over(const Names& names, const Tensor& self, const Geometry& geometry, const Tensor& out,
                                   bool indices) {
  const bool recorded = is_floating_point(self.dtype()) && recording(self);
  Tensor index;
  if (indices || recorded) index = empty_tensor(out.shape(), DType::Int64, self.device());
  run(PoolOp::max, names.op, geometry, self, out, index.defined() ? index.data_as<std::int64_t>() : nullptr);
  if (recorded) {
    record(names.node, out, {self}, {Save::input(index)}, [geometry, names](Node& n, const Tensor& g) -> TensorList {
      return {max_backward(g, n.saved(0), geometry, input_meta(n, 0).shape, names)};
    });
  }
  return {out, indices ? index : Tensor()};
}

Tensor average_backward(const Tensor& g, const Geometry& geometry, const Dims& shape, const Names& names);

Tensor average(const Tensor& x, const Geometry& geometry, const Tensor& out, const Names& names) {
  run(PoolOp::average, names.op, geometry, x, out, nullptr);
  if (!is_floating_point(x.dtype())) return out;
  return record(names.node, out, {x}, {}, [geometry, names](Node& n, const Tensor& g) -> TensorList {
    return {average_backward(g, geometry, input_meta(n, 0).shape, names)};
  });
}

Tensor average_backward(const Tensor& g, const Geometry& geometry, const Dims& shape, const Names& names) {
  const Tensor out = gradient_output(g, shape);
  run(PoolOp::average_backward, names.op, geometry, g, out, nullptr);
  return record(names.backward, out, {g}, {}, [geometry, names](Node& n, const Tensor& gg) -> TensorList {
    return {average(gg, geometry, empty_tensor(input_meta(n, 0).shape, gg.dtype(), gg.device()), names)};
  });
}

/// The checked output of an adaptive function.
Tensor adaptive_output(const char* op, int dims, const Tensor& self, const DimList& output_size) {
  check_rank(op, dims, self);
  VG_CHECK(static_cast<int>(output_size.size()) == dims, RuntimeError, op, ": expected output_size to have ", dims,
           dims == 1 ? " int" : " ints", ", got ", output_size.size());
  for (const std::int64_t size : output_size) {
    VG_CHECK(size >= 0, RuntimeError, op, ": elements of output_size must be greater than or equal to 0 but received ",
             size, " for input ", self.shape());
  }
  const Dims shape = with_planes(dims, self.shape(), output_size.front(), output_size.back());
  checked_numel(op, shape);
  for (const std::int64_t size : output_size) {
    VG_CHECK(size <= INT32_MAX, RuntimeError, op, ": expected output_size below 2^31, got ", size);
  }
  return empty_tensor(shape, self.dtype(), self.device());
}

Geometry adaptive_geometry(int dims, const Tensor& self, const Tensor& out) {
  Geometry geometry;
  if (dims == 2) geometry.h = adaptive_axis(self.size(-2), out.size(-2));
  geometry.w = adaptive_axis(self.size(-1), out.size(-1));
  return geometry;
}

}  // namespace

std::pair<Tensor, Tensor> max_pool(int dims, const Tensor& self, const PoolWindows& windows, bool indices) {
  const Names names{kMaxNames[dims - 1], "MaxPool2DWithIndicesBackward0", "MaxPool2DWithIndicesBackwardBackward0"};
  const Geometry geometry = window_geometry(names.op, dims, self, windows);
  check_dtype(names.op, self, self.dtype() != DType::Bool);
  const Dims shape = with_planes(dims, self.shape(), geometry.h.out, geometry.w.out);
  checked_numel(names.op, shape);
  const Tensor out = empty_tensor(shape, self.dtype(), self.device());
  if (out.numel() > 0) {
    check_windows(names.op, geometry.h);
    check_windows(names.op, geometry.w);
  }
  return max_over(names, self, geometry, out, indices);
}

Tensor avg_pool(int dims, const Tensor& self, const PoolWindows& windows, bool count_include_pad,
                std::optional<std::int64_t> divisor_override) {
  const Names names{kAverageNames[dims - 1], "AvgPool2DBackward0", "AvgPool2DBackwardBackward0"};
  VG_CHECK(dims == 1 || self.ndim() > 2, IndexError, names.op,
           ": Dimension out of range, expected 3D or 4D input, got ", self.shape());
  VG_CHECK(!divisor_override || *divisor_override != 0, RuntimeError, names.op, ": divisor must be not zero");
  Geometry geometry = window_geometry(names.op, dims, self, windows);
  check_dtype(names.op, self, is_floating_point(self.dtype()) || self.dtype() == DType::Int64);
  const Dims shape = with_planes(dims, self.shape(), geometry.h.out, geometry.w.out);
  checked_numel(names.op, shape);
  const Tensor out = empty_tensor(shape, self.dtype(), self.device());
  geometry.count_include_pad = count_include_pad;
  if (divisor_override) geometry.divisor = static_cast<double>(*divisor_override);
  return average(self, geometry, out, names);
}

std::pair<Tensor, Tensor> adaptive_max_pool(int dims, const Tensor& self, const DimList& output_size, bool indices) {
  const Names names{kAdaptiveMaxNames[dims - 1], "AdaptiveMaxPool2DBackward0", "AdaptiveMaxPool2DBackwardBackward0"};
  const Tensor out = adaptive_output(names.op, dims, self, output_size);
  for (int d = 1; d < self.ndim(); ++d) {
    VG_CHECK(self.shape()[d] > 0, RuntimeError, names.op,
             ": Expected input to have non-zero size for non-batch dimensions, but input has sizes ", self.shape(),
             " with dimension ", d, " being empty");
  }
  check_dtype(names.op, self, is_floating_point(self.dtype()));
  return max_over(names, self, adaptive_geometry(dims, self, out), out, indices);
}

Tensor adaptive_avg_pool(int dims, const Tensor& self, const DimList& output_size) {
  const Names names{kAdaptiveAverageNames[dims - 1], "AdaptiveAvgPool2DBackward0",
                    "AdaptiveAvgPool2DBackwardBackward0"};
  const Tensor out = adaptive_output(names.op, dims, self, output_size);
  for (int d = self.ndim() - dims; d < self.ndim(); ++d) {
    VG_CHECK(self.shape()[d] > 0, RuntimeError, names.op,
             ": Expected input to have non-zero size for non-batch dimensions, but input has sizes ", self.shape(),
             " with dimension ", d, " being empty");
  }
  check_dtype(names.op, self, is_floating_point(self.dtype()));
  return average(self, adaptive_geometry(dims, self, out), out, names);
}

}  // namespace verigrad::ops
