// Convolutions, as three maps that are each other's gradients.
//
// y = conv(x, w) is linear in x and in w. With T(x, w, g) = sum over y of g * conv(x, w), each of the three maps below
// is the gradient of T by its missing argument, so the VJPs of each are the other two, to any order:
//   output(x, w) = dT/dg,   input(g, w) = dT/dx (a transposed convolution),   weight(g, x) = dT/dw.
// The slot is two-dimensional. Each map in three dimensions is a sum, over the taps along depth, of the same map of the
// frames that the tap reads, so one more copy of the input and of the result is all the memory that it takes.
#include <array>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/nn/convolution.h"

namespace verigrad::ops {
namespace {

using kernels::Convolution;
using kernels::ConvolutionOp;

/// How the kernel moves along depth.
struct Depth {
  std::int64_t in = 1, out = 1, kernel = 1, stride = 1, pad = 0, dilation = 1;
};

/// What a convolution is apart from its tensors' values.
struct Geometry {
  std::int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  kernels::Window window;
  std::optional<Depth> depth;  // of volumes

  Dims x() const { return shape(batch, in_channels, depth ? depth->in : 0, window.in_h, window.in_w); }
  Dims w() const {
    return shape(out_channels, in_channels / groups, depth ? depth->kernel : 0, window.kernel_h, window.kernel_w);
  }
  Dims y() const { return shape(batch, out_channels, depth ? depth->out : 0, window.out_h, window.out_w); }

 private:
  Dims shape(std::int64_t a, std::int64_t b, std::int64_t d, std::int64_t h, std::int64_t w) const {
    return depth ? Dims{a, b, d, h, w} : Dims{a, b, h, w};
  }
};

/// The frames that a tap along depth multiplies: `count` of the result from `out` on, and as many of the input from
/// `in` on, `stride` apart.
struct Frames {
  std::int64_t in = 0, out = 0, count = 0;
};
Frames frames_of(const Depth& d, std::int64_t tap) {
  const std::int64_t offset = tap * d.dilation - d.pad;
  Frames f;
  if (offset >= d.in) return f;
  f.out = offset < 0 ? (-offset + d.stride - 1) / d.stride : 0;
  f.in = f.out * d.stride + offset;
  if (f.in < d.in) f.count = std::max<std::int64_t>(0, std::min(d.out - f.out, (d.in - 1 - f.in) / d.stride + 1));
  return f;
}

void run_volumes(const char* op, ConvolutionOp kind, const Geometry& geometry, const Tensor& x, const Tensor& w,
                 const Tensor& y, const Tensor& bias);

/// Fills `out`, which is the array that `kind` names, from the other two.
void run(const char* op, ConvolutionOp kind, const Geometry& geometry, const Tensor& x, const Tensor& w,
         const Tensor& y, const Tensor& bias) {
  const Tensor& out = kind == ConvolutionOp::output ? y : kind == ConvolutionOp::input ? x : w;
  if (out.numel() == 0) return;
  // An empty batch, or a transposed convolution whose padding leaves nothing.
  if (x.numel() == 0 || y.numel() == 0) return fill_out(out, 0);
  if (geometry.depth) return run_volumes(op, kind, geometry, x, w, y, bias);
  // The kernel wants contiguous memory; copies live until it is done.
  const auto plain = [&](const Tensor& t) { return t.is_same(out) || !t.defined() ? t : contiguous(detach(t)); };
  const Tensor xs = plain(x), ws = plain(w), ys = plain(y), bs = plain(bias);
  Convolution c;
  c.batch = geometry.batch;
  c.in_channels = geometry.in_channels;
  c.out_channels = geometry.out_channels;
  c.groups = geometry.groups;
  c.window = geometry.window;
  c.x = xs.data();
  c.w = ws.data();
  c.y = ys.data();
  c.bias = bs.defined() ? bs.data() : nullptr;
  VG_KERNEL(convolution, op, out.device())(kind, out.dtype(), c);
}

/// `run` for volumes.
void run_volumes(const char* op, ConvolutionOp kind, const Geometry& geometry, const Tensor& x, const Tensor& w,
                 const Tensor& y, const Tensor& bias) {
  const NoGradGuard guard;
  const Depth& depth = *geometry.depth;
  Geometry flat = geometry;
  flat.depth.reset();
  // [batch, depth, channels, rows, columns], of which a tap takes some frames.
  const auto turned = [](const Tensor& t) { return permute(detach(t), {0, 2, 1, 3, 4}); };
  const auto images = [](const Tensor& t) {
    return reshape(t, {t.shape()[0] * t.shape()[1], t.shape()[2], t.shape()[3], t.shape()[4]});
  };
  const auto of_input = [&](const Tensor& t, const Frames& f) {
    return slice(t, 1, f.in, f.in + (f.count - 1) * depth.stride + 1, depth.stride);
  };
  const auto of_result = [](const Tensor& t, const Frames& f) { return narrow(t, 1, f.out, f.count); };
  const auto tap_of = [&](std::int64_t tap) { return select(detach(w), 2, tap); };

  if (kind == ConvolutionOp::weight) {
    for (std::int64_t tap = 0; tap < depth.kernel; ++tap) {
      const Frames f = frames_of(depth, tap);
      flat.batch = geometry.batch * f.count;
      const Tensor part = empty_tensor(flat.w(), w.dtype(), w.device());
      if (f.count == 0) {
        fill_out(part, 0);
      } else {
        run(op, kind, flat, images(of_input(turned(x), f)), part, images(of_result(turned(y), f)), {});
      }
      copy_out(tap_of(tap), part);
    }
    return;
  }
  const bool forward = kind == ConvolutionOp::output;
  const Tensor &out = forward ? y : x, source = turned(forward ? x : y);
  const Tensor sum = empty_tensor(turned(out).shape(), out.dtype(), out.device());
  // A tap that reaches every frame of the result goes first and writes where the others add.
  const auto reaches_all = [&](std::int64_t tap) { return frames_of(depth, tap).count == sum.shape()[1]; };
  std::int64_t first = 0;
  while (first < depth.kernel && !reaches_all(first)) ++first;
  if (first == depth.kernel) {
    if (bias.defined()) {
      copy_out(sum, expand(reshape(detach(bias), {1, 1, bias.numel(), 1, 1}), sum.shape()));
    } else {
      fill_out(sum, 0);
    }
  }
  const auto run_tap = [&](std::int64_t tap, const Tensor& result, const Tensor& added) {
    const Frames f = frames_of(depth, tap);
    flat.batch = geometry.batch * f.count;
    const Tensor given = images(forward ? of_input(source, f) : of_result(source, f));
    run(op, kind, flat, forward ? given : result, tap_of(tap), forward ? result : given, added);
  };
  if (first < depth.kernel) run_tap(first, images(sum), bias);
  for (std::int64_t tap = 0; tap < depth.kernel; ++tap) {
    const Frames f = frames_of(depth, tap);
    if (tap == first || f.count == 0) continue;
    const Tensor place = forward ? of_result(sum, f) : of_input(sum, f);
    const Tensor part = empty_tensor(place.shape(), sum.dtype(), sum.device());
    run_tap(tap, images(part), {});
    binary_out(kernels::BinaryOp::add, place, place, part);
  }
  copy_out(turned(out), sum);
}

Tensor output_of(const Tensor& x, const Tensor& w, const Tensor& bias, const Geometry& geometry);
Tensor input_of(const Tensor& g, const Tensor& w, const Tensor& bias, const Geometry& geometry);
Tensor weight_of(const Tensor& g, const Tensor& x, const Geometry& geometry);

Tensor channel_sums(const Tensor& g) { return g.ndim() == 5 ? sum(g, {0, 2, 3, 4}) : sum(g, {0, 2, 3}); }

Tensor output_of(const Tensor& x, const Tensor& w, const Tensor& bias, const Geometry& geometry) {
  const Tensor y = empty_tensor(geometry.y(), x.dtype(), x.device());
  run("convolution", ConvolutionOp::output, geometry, x, w, y, bias);
  if (!GradMode::enabled()) return y;
  const Tensor none;
  return record("ConvolutionBackward0", y, {x, w, bias},
                {Save::input(w.requires_grad() ? x : none), Save::input(x.requires_grad() ? w : none)},
                [geometry](Node& n, const Tensor& grad) -> TensorList {
                  const Tensor g = contiguous(grad);
                  return {n.needs(0) ? input_of(g, n.saved(1), {}, geometry) : Tensor(),
                          n.needs(1) ? weight_of(g, n.saved(0), geometry) : Tensor(),
                          n.needs(2) ? channel_sums(g) : Tensor()};
                });
}

Tensor input_of(const Tensor& y, const Tensor& w, const Tensor& bias, const Geometry& geometry) {
  const Tensor x = empty_tensor(geometry.x(), y.dtype(), y.device());
  run("convolution", ConvolutionOp::input, geometry, x, w, y, bias);
  if (!GradMode::enabled()) return x;
  const Tensor none;
  return record("ConvolutionBackward0", x, {y, w, bias},
                {Save::input(w.requires_grad() ? y : none), Save::input(y.requires_grad() ? w : none)},
                [geometry](Node& n, const Tensor& grad) -> TensorList {
                  const Tensor g = contiguous(grad);
                  return {n.needs(0) ? output_of(g, n.saved(1), {}, geometry) : Tensor(),
                          n.needs(1) ? weight_of(n.saved(0), g, geometry) : Tensor(),
                          n.needs(2) ? channel_sums(g) : Tensor()};
                });
}

Tensor weight_of(const Tensor& y, const Tensor& x, const Geometry& geometry) {
  const Tensor w = empty_tensor(geometry.w(), x.dtype(), x.device());
  run("convolution", ConvolutionOp::weight, geometry, x, w, y, {});
  if (!GradMode::enabled()) return w;
  const Tensor none;
  return record("ConvolutionWeightBackward0", w, {y, x},
                {Save::input(x.requires_grad() ? y : none), Save::input(y.requires_grad() ? x : none)},
                [geometry](Node& n, const Tensor& grad) -> TensorList {
                  const Tensor g = contiguous(grad);
                  return {n.needs(0) ? output_of(n.saved(1), g, {}, geometry) : Tensor(),
                          n.needs(1) ? input_of(n.saved(0), g, {}, geometry) : Tensor()};
                });
}

// ---- arguments ----------------------------------------------------------------------------------------------------

/// Depth, rows and columns; convolutions of fewer dimensions have one of the first ones.
using Triple = std::array<std::int64_t, 3>;

/// An argument for `spatial` dimensions. `least` is the smallest value allowed, `single` that of dimensions which are
/// not there.
Triple triple_of(const char* op, const char* name, const DimList& values, int spatial, std::int64_t least,
                 std::int64_t single) {
  VG_CHECK(values.size() == 1 || values.size() == static_cast<std::size_t>(spatial), RuntimeError, op, ": expected ",
           name, " to be a single integer value or a list of ", spatial,
           " values to match the convolution dimensions, but got ", name, "=", Dims(values));
  for (const std::int64_t v : values) {
    VG_CHECK(v >= least, RuntimeError, op, ": ", least > 0 ? "non-positive " : "negative ", name,
             " is not supported, got ", name, "=", Dims(values));
    // Sums and products of two such numbers cannot overflow.
    VG_CHECK(v <= std::int64_t{1} << 30, RuntimeError, op, ": expected ", name, " of at most 2^30, got ", name, "=",
             Dims(values));
  }
  Triple result{single, single, single};
  for (int i = 0; i < spatial; ++i) {
    result[static_cast<std::size_t>(3 - spatial + i)] =
        values.size() == 1 ? values[0] : values[static_cast<std::size_t>(i)];
  }
  return result;
}

/// Checks what both directions share and fills channels and kernel. `in` and `out` are the weight's sizes that face the
/// input and the result.
void check_tensors(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias, int spatial,
                   bool transposed, std::int64_t groups) {
  VG_CHECK(groups > 0, RuntimeError, op, ": non-positive groups is not supported, got groups=", groups);
  VG_CHECK(weight.ndim() == spatial + 2, RuntimeError, op, ": expected weight with ", spatial + 2,
           " dimensions, got weight of size ", weight.shape());
  VG_CHECK(input.ndim() == spatial + 1 || input.ndim() == spatial + 2, RuntimeError, op, ": Expected ", spatial + 1,
           "D (unbatched) or ", spatial + 2, "D (batched) input to ", op, ", but got input of size: ", input.shape());
  check_same_device(op, input, weight);
  VG_CHECK(is_floating_point(input.dtype()), NotImplementedError, op, ": expected a floating-point input, got ",
           input.dtype());
  VG_CHECK(input.dtype() == weight.dtype(), RuntimeError, op, ": Input type (", input.dtype(), ") and weight type (",
           weight.dtype(), ") should be the same");
  for (int d = 0; d < weight.ndim(); ++d) {
    VG_CHECK(weight.shape()[d] > 0, RuntimeError, op, ": Given groups=", groups,
             ", expected weight to be at least 1 at dimension ", d, ", but got weight of size ", weight.shape(),
             " instead");
  }
  VG_CHECK(weight.shape()[0] % groups == 0, RuntimeError, op, ": Given groups=", groups,
           ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size ", weight.shape(),
           " instead");
  const std::int64_t channels = input.size(-spatial - 1);
  const std::int64_t expected = transposed ? weight.shape()[0] : weight.shape()[1] * groups;
  VG_CHECK(channels == expected, RuntimeError, op, ": Given ",
           transposed ? "transposed=1" : "groups=", transposed ? "" : std::to_string(groups), ", weight of size ",
           weight.shape(), ", expected input", input.shape(), " to have ", expected, " channels, but got ", channels,
           " channels instead");
  for (int d = input.ndim() - spatial; d < input.ndim(); ++d) {
    VG_CHECK(input.shape()[d] > 0, RuntimeError, op,
             ": Only zero batch inputs are supported, but got input shape: ", input.shape());
  }
  if (!bias.defined()) return;
  const std::int64_t results = transposed ? weight.shape()[1] * groups : weight.shape()[0];
  VG_CHECK(bias.ndim() == 1 && bias.shape()[0] == results, RuntimeError, op, ": Given ",
           transposed ? "transposed=1, " : "", "weight of size ", weight.shape(),
           ", expected bias to be 1-dimensional with ", results, " elements, but got bias of size ", bias.shape(),
           " instead");
  VG_CHECK(bias.dtype() == input.dtype(), RuntimeError, op, ": Input type (", input.dtype(), ") and bias type (",
           bias.dtype(), ") should be the same");
  check_same_device(op, input, bias);
}

/// input, weight as images with rows and columns, and back.
Tensor as_images(const Tensor& input, int spatial) {
  const Tensor batched = input.ndim() == spatial + 1 ? unsqueeze(input, 0) : input;
  return spatial == 1 ? unsqueeze(batched, 2) : batched;
}
Tensor as_kernel(const Tensor& weight, int spatial) { return spatial == 1 ? unsqueeze(weight, 2) : weight; }
Tensor like_input(const Tensor& images, const Tensor& input, int spatial) {
  const Tensor batched = spatial == 1 ? squeeze(images, DimList{2}) : images;
  return input.ndim() == spatial + 1 ? squeeze(batched, DimList{0}) : batched;
}

/// Depth, rows and columns of images or volumes.
Triple spatial_of(const Tensor& t) {
  const Dims& shape = t.shape();
  if (t.ndim() == 5) return {shape[2], shape[3], shape[4]};
  return {1, shape[2], shape[3]};
}

std::string sizes(const Triple& size, int spatial) {
  std::string text;
  for (int i = 3 - spatial; i < 3; ++i) {
    text += text.empty() ? "(" : " x ";
    text += std::to_string(size[static_cast<std::size_t>(i)]);
  }
  return text + ")";
}

/// `in` and `out`: sizes of what the convolution, not its transpose, reads and writes.
Geometry geometry_of(const Tensor& w, std::int64_t batch, std::int64_t groups, const Triple& in, const Triple& out,
                     const Triple& stride, const Triple& pad, const Triple& dilation) {
  Geometry g;
  g.batch = batch;
  g.in_channels = w.shape()[1] * groups;
  g.out_channels = w.shape()[0];
  g.groups = groups;
  const Triple kernel = spatial_of(w);
  g.window = {in[1],     in[2],     out[1], out[2], kernel[1],   kernel[2],
              stride[1], stride[2], pad[1], pad[2], dilation[1], dilation[2]};
  if (w.ndim() == 5) g.depth = {in[0], out[0], kernel[0], stride[0], pad[0], dilation[0]};
  return g;
}

/// Zeros before and after.
struct Padding {
  Triple before, after;
};

/// Elements from the first to the last that a row or column of the kernel reads. The kernel's size is that of a tensor,
/// which may be an expanded one.
std::int64_t extent_of(const char* op, std::int64_t kernel, std::int64_t dilation) {
  return checked_add(op, checked_mul(op, dilation, kernel - 1), 1);
}

Padding padding_of(const char* op, const ConvolutionOptions& options, int spatial, const Triple& kernel,
                   const Triple& stride, const Triple& dilation) {
  if (const auto* list = std::get_if<DimList>(&options.padding)) {
    const Triple both = triple_of(op, "padding", *list, spatial, 0, 0);
    return {both, both};
  }
  const std::string& text = std::get<std::string>(options.padding);
  if (text == "valid") return {{0, 0, 0}, {0, 0, 0}};
  VG_CHECK(text == "same", RuntimeError, op, ": Invalid padding string: '", text,
           "', expected 'same', 'valid' or numbers");
  VG_CHECK(stride == (Triple{1, 1, 1}), RuntimeError, op,
           ": padding='same' is not supported for strided convolutions, got stride=", Dims(options.stride));
  Padding p;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::int64_t total = extent_of(op, kernel[i], dilation[i]) - 1;
    p.before[i] = total / 2;
    p.after[i] = total - total / 2;
  }
  return p;
}

Tensor convolve(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                const ConvolutionOptions& options, int spatial) {
  check_tensors(op, input, weight, bias, spatial, false, options.groups);
  const Triple stride = triple_of(op, "stride", options.stride, spatial, 1, 1);
  const Triple dilation = triple_of(op, "dilation", options.dilation, spatial, 1, 1);
  const Tensor w = as_kernel(weight, spatial), x = as_images(input, spatial);
  const Triple kernel = spatial_of(w), in = spatial_of(x);
  const Padding pad = padding_of(op, options, spatial, kernel, stride, dilation);
  Triple out, padded, extent;
  bool fits = true;
  for (std::size_t i = 0; i < 3; ++i) {
    padded[i] = checked_add(op, checked_add(op, in[i], pad.before[i]), pad.after[i]);
    extent[i] = extent_of(op, kernel[i], dilation[i]);
    fits = fits && padded[i] >= extent[i];
    out[i] = (padded[i] - extent[i]) / stride[i] + 1;  // relationship 14 of arXiv 1603.07285
  }
  VG_CHECK(fits, RuntimeError, op, ": Calculated padded input size per channel: ", sizes(padded, spatial),
           ". Kernel size: ", sizes(extent, spatial),
           ". Kernel size can't be greater than actual input size, got input ", input.shape(), " and weight ",
           weight.shape());
  const Geometry g = geometry_of(w, x.shape()[0], options.groups, in, out, stride, pad.before, dilation);
  checked_numel(op, {g.batch, g.in_channels, padded[0], padded[1], padded[2]});
  checked_numel(op, g.y());
  return like_input(output_of(x, w, bias, g), input, spatial);
}

Tensor convolve_transposed(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                           const ConvolutionOptions& options, int spatial) {
  check_tensors(op, input, weight, bias, spatial, true, options.groups);
  const Triple stride = triple_of(op, "stride", options.stride, spatial, 1, 1);
  const Triple dilation = triple_of(op, "dilation", options.dilation, spatial, 1, 1);
  const Triple extra = triple_of(op, "output_padding", options.output_padding, spatial, 0, 0);
  const auto* list = std::get_if<DimList>(&options.padding);
  VG_CHECK(list, RuntimeError, op, ": expected padding to be numbers, got '", std::get<std::string>(options.padding),
           "'");
  const Triple pad = triple_of(op, "padding", *list, spatial, 0, 0);
  for (std::size_t i = 0; i < 3; ++i) {
    VG_CHECK(extra[i] < stride[i] || extra[i] < dilation[i], RuntimeError, op,
             ": output padding must be smaller than either stride or dilation, but got output_padding=",
             Dims(options.output_padding), ", stride=", Dims(options.stride), ", dilation=", Dims(options.dilation));
  }
  const Tensor w = as_kernel(weight, spatial), y = as_images(input, spatial);
  const Triple kernel = spatial_of(w), out = spatial_of(y);
  Triple size;
  bool large_enough = true;
  for (std::size_t i = 0; i < 3; ++i) {
    std::int64_t stretched = 0;
    VG_CHECK(!__builtin_mul_overflow(out[i] - 1, stride[i], &stretched) && stretched < std::int64_t{1} << 60,
             RuntimeError, op, ": the size of the result is too large, got input ", input.shape(),
             " and stride=", Dims(options.stride));
    // Relationship 14, solved.
    size[i] = checked_add(op, stretched - 2 * pad[i] + extra[i], extent_of(op, kernel[i], dilation[i]));
    large_enough = large_enough && size[i] >= 0;
  }
  VG_CHECK(large_enough, RuntimeError, op, ": Given input size per channel: ", sizes(out, spatial),
           ". Calculated output size per channel: ", sizes(size, spatial), ". Output size is too small");
  const Geometry g = geometry_of(w, y.shape()[0], options.groups, size, out, stride, pad, dilation);
  checked_numel(op, g.x());
  return like_input(input_of(y, w, bias, g), input, spatial);
}

}  // namespace

Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options) {
  return convolve("conv1d", input, weight, bias, options, 1);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options) {
  return convolve("conv2d", input, weight, bias, options, 2);
}

Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options) {
  return convolve_transposed("conv_transpose1d", input, weight, bias, options, 1);
}

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options) {
  return convolve_transposed("conv_transpose2d", input, weight, bias, options, 2);
}

Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options) {
  return convolve("conv3d", input, weight, bias, options, 3);
}

Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options) {
  return convolve_transposed("conv_transpose3d", input, weight, bias, options, 3);
}

}  // namespace verigrad::ops
