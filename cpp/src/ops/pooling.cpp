// Pooling. Output sizes: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
// arXiv 1603.07285, relation 6 with floor or, with ceil_mode, ceil.
//
// A window is a list of rows and a list of columns, so ordinary, dilated and adaptive pooling are one kernel. Each pair
// of kernels is a linear map and its transpose, recorded as ops of their own: any order of derivatives works.
//
// A window of a volume is pooled in two steps: each of its frames, then what came of them along depth, which is a plane
// with the elements of a frame in its columns.
#include "verigrad/nn/pooling.h"

#include <array>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/indexing.h"

namespace verigrad::ops {
namespace {

using kernels::PoolOp;

using kernels::PoolAxis;

/// How windows lie in a plane and what averages are divided by: all of a kernel's arguments but the tensors.
using Geometry = kernels::Pool;

constexpr const char* kMaxNames[] = {"max_pool1d", "max_pool2d", "max_pool3d"};
constexpr const char* kAverageNames[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
constexpr const char* kAdaptiveMaxNames[] = {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"};
constexpr const char* kAdaptiveAverageNames[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
constexpr const char* kUnpoolNames[] = {"max_unpool1d", "max_unpool2d", "max_unpool3d"};

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

/// One number for each of depth, height and width; those of dimensions that are not there are `neutral`.
using Triple = std::array<std::int64_t, 3>;
Triple expand_triple(const char* op, const char* name, int dims, const DimList& values, std::int64_t neutral) {
  const auto count = static_cast<int>(values.size());
  VG_CHECK(count == 1 || count == dims, RuntimeError, op, ": expected ", name, " to be an int or ", dims,
           dims == 1 ? " int" : " ints", ", got ", count, " of them");
  for (const std::int64_t v : values) {
    VG_CHECK(v <= INT32_MAX && v >= INT32_MIN, RuntimeError, op, ": expected ", name, " below 2^31, got ", v,
             ": value cannot be converted to type int without overflow");
  }
  Triple result{neutral, neutral, neutral};
  for (int i = 0; i < dims; ++i) {
    result[static_cast<std::size_t>(3 - dims + i)] = values[count == 1 ? 0 : static_cast<std::size_t>(i)];
  }
  return result;
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

/// The windows of depth, height and width; where there is no depth, or no height, that axis has one element.
using Axes = std::array<PoolAxis, 3>;

/// Three sizes as "d x h x w", of which the last `dims` are there.
std::string times(const Axes& axes, int dims, std::int64_t PoolAxis::* member) {
  std::string text;
  for (int i = 3 - dims; i < 3; ++i) {
    if (!text.empty()) text += 'x';
    text += std::to_string(axes[static_cast<std::size_t>(i)].*member);
  }
  return text;
}

Axes window_axes(const char* op, int dims, const Tensor& self, const PoolWindows& windows) {
  check_rank(op, dims, self);
  const Triple kernel = expand_triple(op, "kernel_size", dims, windows.kernel_size, 1);
  const Triple stride = windows.stride.empty() ? kernel : expand_triple(op, "stride", dims, windows.stride, 1);
  const Triple pad = expand_triple(op, "padding", dims, windows.padding, 0);
  const Triple dilation = expand_triple(op, "dilation", dims, windows.dilation, 1);
  Axes axes;
  for (std::size_t i = 0; i < 3; ++i) {
    const int d = static_cast<int>(i) - 3;
    axes[i] = {d < -dims ? 1 : self.size(d), 0, kernel[i], stride[i], pad[i], dilation[i]};
    check_axis(op, axes[i]);
  }
  check_sizes(op, dims, self);
  bool fits = true;
  for (PoolAxis& axis : axes) {
    axis.out = output_size(op, axis, windows.ceil_mode);
    fits = fits && axis.out > 0;
  }
  VG_CHECK(fits, RuntimeError, op, ": expected a window of ", times(axes, dims, &PoolAxis::kernel), " with dilation ",
           times(axes, dims, &PoolAxis::dilation), " inside of input ", self.shape(), " with padding ",
           times(axes, dims, &PoolAxis::pad), ", got an output size of ", times(axes, dims, &PoolAxis::out),
           ": Output size is too small");
  return axes;
}

Geometry plane_of(const Axes& axes) {
  Geometry g;
  g.h = axes[1];
  g.w = axes[2];
  return g;
}

/// Volumes whose frames are pooled already, as planes [depth, elements of a frame].
Geometry depth_of(const Axes& axes) {
  Geometry g;
  g.h = axes[0];
  g.w.in = g.w.out = axes[1].out * axes[2].out;
  return g;
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

/// The input's shape with the sizes of the results in place of the last `dims`.
Dims with_windows(int dims, const Dims& shape, const Axes& axes) {
  Dims result = shape;
  for (int i = 0; i < dims; ++i) result[shape.size() - 1 - i] = axes[static_cast<std::size_t>(2 - i)].out;
  return result;
}

/// What lies between the two steps over volumes: pooled frames, [..., depth, elements].
Dims with_frames(const Dims& shape, const Axes& axes, std::int64_t depth) {
  Dims result = shape;
  result.pop_back();
  result[result.size() - 2] = depth;
  result[result.size() - 1] = axes[1].out * axes[2].out;
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

/// The names of a function, of its node and of that of the first derivative; and of those of the step along depth.
struct Names {
  const char *op, *node, *backward, *deep_node = nullptr, *deep_backward = nullptr;
  Names along_depth() const { return {op, deep_node, deep_backward}; }
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

std::pair<Tensor, Tensor> max_over_windows(const Names& names, int dims, const Tensor& self, const Axes& axes,
                                           bool indices) {
  const Dims shape = with_windows(dims, self.shape(), axes);
  if (dims < 3) {
    return max_over(names, self, plane_of(axes), empty_tensor(shape, self.dtype(), self.device()), indices);
  }
  const auto memory = [&](const Dims& of) { return empty_tensor(of, self.dtype(), self.device()); };
  const auto [frames, in_frame] =
      max_over(names, self, plane_of(axes), memory(with_windows(2, self.shape(), axes)), indices);
  const Tensor planes = reshape(frames, with_frames(self.shape(), axes, axes[0].in));
  const auto [values, in_plane] = max_over(names.along_depth(), planes, depth_of(axes),
                                           memory(with_frames(self.shape(), axes, axes[0].out)), indices);
  if (!indices) return {reshape(values, shape), Tensor()};
  // in_plane counts frames times elements of a frame, whose own places follow from the first step.
  const Dims& part = planes.shape();
  Dims lines = part;
  lines.pop_back();
  lines[lines.size() - 1] = part[part.size() - 1] * part[part.size() - 2];
  Dims chosen = lines;
  chosen[chosen.size() - 1] = axes[0].out * axes[1].out * axes[2].out;
  const Tensor places = reshape(in_plane, chosen);
  const Tensor column_and_row = gather(reshape(in_frame, lines), -1, places);
  const Tensor frame = div_trunc(places, Scalar(std::max<std::int64_t>(axes[1].out * axes[2].out, 1)));
  return {reshape(values, shape), reshape(add(mul(frame, Scalar(axes[1].in * axes[2].in)), column_and_row), shape)};
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

/// The elements of each window of the planes, [h.out, w.out] int64.
Tensor counts_of(const Geometry& g, Device device) {
  const Tensor counts = empty_tensor({g.h.out, g.w.out}, DType::Int64, kHost);
  auto* at = counts.data_as<std::int64_t>();
  for (std::int64_t i = 0; i < g.h.out; ++i) {
    for (std::int64_t j = 0; j < g.w.out; ++j) {
      *at++ = g.h.count(i, g.count_include_pad) * g.w.count(j, g.count_include_pad);
    }
  }
  return to(counts, DType::Int64, device);
}

/// `divisor`: 0 for the number of elements.
Tensor average_over_windows(const Names& names, int dims, const Tensor& self, const Axes& axes, bool count_include_pad,
                            double divisor) {
  const Dims shape = with_windows(dims, self.shape(), axes);
  const auto memory = [&](const Dims& of) { return empty_tensor(of, self.dtype(), self.device()); };
  Geometry plane = plane_of(axes), depth = depth_of(axes);
  plane.count_include_pad = depth.count_include_pad = count_include_pad;
  plane.divisor = divisor;
  if (dims < 3) return average(self, plane, memory(shape), names);
  // The mean of the means of frames, since all frames of a window have as many elements. Whole numbers are divided once
  // they are added.
  const bool whole = !is_floating_point(self.dtype());
  plane.divisor = divisor != 0 || whole ? 1 : 0;
  depth.divisor = divisor;
  const Tensor frames = average(self, plane, memory(with_windows(2, self.shape(), axes)), names);
  const Tensor planes = reshape(frames, with_frames(self.shape(), axes, axes[0].in));
  const Tensor out =
      reshape(average(planes, depth, memory(with_frames(self.shape(), axes, axes[0].out)), names.along_depth()), shape);
  return whole && divisor == 0 ? div_trunc(out, counts_of(plane, self.device())) : out;
}

/// The windows of an adaptive function.
Axes adaptive_axes(const char* op, int dims, const Tensor& self, const DimList& output_size) {
  check_rank(op, dims, self);
  VG_CHECK(static_cast<int>(output_size.size()) == dims, RuntimeError, op, ": expected output_size to have ", dims,
           dims == 1 ? " int" : " ints", ", got ", output_size.size());
  Axes axes;
  for (int i = 0; i < dims; ++i) {
    const std::int64_t size = output_size[static_cast<std::size_t>(i)];
    VG_CHECK(size >= 0, RuntimeError, op, ": elements of output_size must be greater than or equal to 0 but received ",
             size, " for input ", self.shape());
    axes[static_cast<std::size_t>(3 - dims + i)] = adaptive_axis(self.size(i - dims), size);
  }
  checked_numel(op, with_windows(dims, self.shape(), axes));
  for (const std::int64_t size : output_size) {
    VG_CHECK(size <= INT32_MAX, RuntimeError, op, ": expected output_size below 2^31, got ", size);
  }
  return axes;
}

/// The sizes from dimension `first` on must not be 0.
void check_adaptive(const char* op, const Tensor& self, int first) {
  for (int d = first; d < self.ndim(); ++d) {
    VG_CHECK(self.shape()[d] > 0, RuntimeError, op,
             ": Expected input to have non-zero size for non-batch dimensions, but input has sizes ", self.shape(),
             " with dimension ", d, " being empty");
  }
  check_dtype(op, self, is_floating_point(self.dtype()));
}

}  // namespace

std::pair<Tensor, Tensor> max_pool(int dims, const Tensor& self, const PoolWindows& windows, bool indices) {
  const bool volumes = dims == 3;
  const Names names{kMaxNames[dims - 1], volumes ? "MaxPool3DWithIndicesBackward0" : "MaxPool2DWithIndicesBackward0",
                    volumes ? "MaxPool3DWithIndicesBackwardBackward0" : "MaxPool2DWithIndicesBackwardBackward0",
                    "MaxPool3DWithIndicesBackward1", "MaxPool3DWithIndicesBackwardBackward1"};
  const Axes axes = window_axes(names.op, dims, self, windows);
  check_dtype(names.op, self, self.dtype() != DType::Bool);
  if (checked_numel(names.op, with_windows(dims, self.shape(), axes)) > 0) {
    for (const PoolAxis& axis : axes) check_windows(names.op, axis);
  }
  return max_over_windows(names, dims, self, axes, indices);
}

Tensor avg_pool(int dims, const Tensor& self, const PoolWindows& windows, bool count_include_pad,
                std::optional<std::int64_t> divisor_override) {
  const bool volumes = dims == 3;
  const Names names{kAverageNames[dims - 1], volumes ? "AvgPool3DBackward0" : "AvgPool2DBackward0",
                    volumes ? "AvgPool3DBackwardBackward0" : "AvgPool2DBackwardBackward0", "AvgPool3DBackward1",
                    "AvgPool3DBackwardBackward1"};
  VG_CHECK(dims != 2 || self.ndim() > 2, IndexError, names.op,
           ": Dimension out of range, expected 3D or 4D input, got ", self.shape());
  VG_CHECK(!divisor_override || *divisor_override != 0, RuntimeError, names.op, ": divisor must be not zero");
  const Axes axes = window_axes(names.op, dims, self, windows);
  // PyTorch's rule for volumes alone, whatever the padding.
  for (const PoolAxis& axis : axes) {
    VG_CHECK(!volumes || axis.in >= axis.kernel, RuntimeError, names.op,
             ": expected an input at least as large as a window of ", times(axes, dims, &PoolAxis::kernel), ", got ",
             self.shape(), ": input image smaller than kernel size");
  }
  check_dtype(names.op, self, is_floating_point(self.dtype()) || self.dtype() == DType::Int64);
  checked_numel(names.op, with_windows(dims, self.shape(), axes));
  return average_over_windows(names, dims, self, axes, count_include_pad,
                              static_cast<double>(divisor_override.value_or(0)));
}

std::pair<Tensor, Tensor> adaptive_max_pool(int dims, const Tensor& self, const DimList& output_size, bool indices) {
  const bool volumes = dims == 3;
  const Names names{kAdaptiveMaxNames[dims - 1], volumes ? "AdaptiveMaxPool3DBackward0" : "AdaptiveMaxPool2DBackward0",
                    volumes ? "AdaptiveMaxPool3DBackwardBackward0" : "AdaptiveMaxPool2DBackwardBackward0",
                    "AdaptiveMaxPool3DBackward1", "AdaptiveMaxPool3DBackwardBackward1"};
  const Axes axes = adaptive_axes(names.op, dims, self, output_size);
  check_adaptive(names.op, self, 1);
  return max_over_windows(names, dims, self, axes, indices);
}

Tensor adaptive_avg_pool(int dims, const Tensor& self, const DimList& output_size) {
  const bool volumes = dims == 3;
  const Names names{kAdaptiveAverageNames[dims - 1],
                    volumes ? "AdaptiveAvgPool3DBackward0" : "AdaptiveAvgPool2DBackward0",
                    volumes ? "AdaptiveAvgPool3DBackwardBackward0" : "AdaptiveAvgPool2DBackwardBackward0",
                    "AdaptiveAvgPool3DBackward1", "AdaptiveAvgPool3DBackwardBackward1"};
  const Axes axes = adaptive_axes(names.op, dims, self, output_size);
  check_adaptive(names.op, self, volumes ? 1 : self.ndim() - dims);
  return average_over_windows(names, dims, self, axes, true, 0);
}

Tensor max_unpool(int dims, const Tensor& self, const Tensor& indices, const DimList& output_size) {
  const char* op = kUnpoolNames[dims - 1];
  VG_CHECK(indices.dtype() == DType::Int64, RuntimeError, op,
           ": elements in indices should be type int64 but got: ", indices.dtype());
  check_rank(op, dims, self);
  VG_CHECK(indices.shape() == self.shape(), RuntimeError, op,
           ": Expected shape of indices to be same as that of the input tensor (", self.shape(),
           ") but got indices tensor with shape: ", indices.shape());
  check_same_device(op, self, indices);
  VG_CHECK(static_cast<int>(output_size.size()) == dims, RuntimeError, op, ": expected output_size to have ", dims,
           dims == 1 ? " int" : " ints", ", got ", output_size.size());
  for (int d = 1; d < self.ndim(); ++d) {
    VG_CHECK(self.shape()[d] > 0, RuntimeError, op,
             ": Expected input to have non-zero size for non-batch dimensions, but got ", self.shape(),
             " with dimension ", d, " being empty");
  }
  check_dtype(op, self, is_floating_point(self.dtype()));
  Dims shape = self.shape(), lines = self.shape();
  for (int i = 0; i < dims; ++i) {
    VG_CHECK(output_size[static_cast<std::size_t>(i)] >= 0, RuntimeError, op,
             ": expected output_size of at least 0, got ", Dims(output_size));
    shape[shape.size() - dims + i] = output_size[static_cast<std::size_t>(i)];
    if (i > 0) lines.pop_back();
  }
  checked_numel(op, shape);
  const auto joined = [&](const Dims& of) {
    lines[lines.size() - 1] = 1;
    for (int i = 0; i < dims; ++i) lines[lines.size() - 1] *= of[of.size() - 1 - i];
    return lines;
  };
  const Tensor places = reshape(detach(indices), joined(self.shape())), values = reshape(self, places.shape());
  const Tensor empty = zeros(joined(shape), self.dtype(), self.device());
  check_index(op, places, empty.size(-1), false);
  return reshape(scatter(empty, -1, places, values), shape);
}

}  // namespace verigrad::ops
