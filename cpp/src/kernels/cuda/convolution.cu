// Convolution on a CUDA device: columns of a part of the images, and matrix products with them.
//
// The columns of all images would take as much memory as the kernel has taps, so there are only as many at a time as
// stay in the second-level cache between the kernel that writes them and the product that reads them: some images, or
// some windows of one. The cut depends on sizes alone, so that a result has the same bits on each run.
//
// The columns of a kernel of one element that reads each element in turn are the images themselves. Groups of a single
// input channel have kernels of their own.
#include <algorithm>

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/depthwise.cuh"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"

namespace verigrad::kernels::cuda {
namespace {

/// Bytes of columns at a time.
constexpr std::int64_t kBytes = boundary::cuda_columns_bytes;
/// Windows of a part of an image come in multiples of this, which keeps rows aligned.
constexpr std::int64_t kWindows = boundary::cuda_columns_windows;

std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n - 1) / by + 1; }

/// `n` in equal parts of at most `most`.
std::int64_t even_part(std::int64_t n, std::int64_t most) {
  return divide_up(n, divide_up(n, std::clamp<std::int64_t>(most, 1, n)));
}

/// What one product takes at a time.
struct Extent {
  std::int64_t images, windows;
};
/// For columns of `rows` rows.
Extent extent_of(const Convolution& c, std::int64_t rows, std::int64_t size_of_element) {
  const std::int64_t windows = c.window.out_h * c.window.out_w;
  const std::int64_t most = std::max<std::int64_t>(1, kBytes / size_of_element / rows);  // windows
  if (most >= windows) return {even_part(c.batch, most / windows), windows};
  return {1, std::min(windows, divide_up(even_part(windows, most), kWindows) * kWindows)};
}

/// Part of the convolution.
struct Piece {
  std::int64_t image, images, window, windows;
};
/// f(Piece) for all, one after the other.
template <class F>
void for_pieces(const Convolution& c, const Extent& extent, const F& f) {
  const std::int64_t windows = c.window.out_h * c.window.out_w;
  for (std::int64_t n = 0; n < c.batch; n += extent.images) {
    for (std::int64_t l = 0; l < windows; l += extent.windows) {
      f(Piece{n, std::min(extent.images, c.batch - n), l, std::min(extent.windows, windows - l)});
    }
  }
}

/// Distances between images and between groups, of the three matrices.
struct Steps {
  std::int64_t a_image, a_group, b_image, b_group, c_image, c_group;
};
/// The product for each image and each group. `g` is that of the first; the larger of the two numbers is its batch.
template <class T>
void products(Gemm g, std::int64_t images, std::int64_t groups, const Steps& s) {
  const bool batch_images = images >= groups;
  g.batch = batch_images ? images : groups;
  g.stride_a = batch_images ? s.a_image : s.a_group;
  g.stride_b = batch_images ? s.b_image : s.b_group;
  g.stride_c = batch_images ? s.c_image : s.c_group;
  const std::int64_t step_a = batch_images ? s.a_group : s.a_image, step_b = batch_images ? s.b_group : s.b_image;
  const std::int64_t step_c = batch_images ? s.c_group : s.c_image;
  for (std::int64_t i = 0; i < std::min(images, groups); ++i) {
    gemm(DTypeOf<T>::value, g);
    g.a = static_cast<const T*>(g.a) + step_a;
    g.b = static_cast<const T*>(g.b) + step_b;
    g.c = static_cast<T*>(g.c) + step_c;
  }
}

/// Zeros where there is no `in`.
template <class T>
__global__ void copy_kernel(Layout<2> layout, T* out, const T* in) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[2];
    layout.offsets(i, at);
    out[at[0]] = in ? in[at[1]] : T(0);
  });
}
/// All images of a result as the bias of their channels; 0 where it is null.
template <class T>
void fill(std::int64_t images, std::int64_t channels, std::int64_t plane, const void* bias, void* out) {
  const Dims strides[2] = {{channels * plane, plane, 1}, {0, 1, 0}};
  const std::int64_t numel = images * channels * plane;
  launch_over(numel, &copy_kernel<T>, Layout<2>({images, channels, plane}, strides, numel), static_cast<T*>(out),
              static_cast<const T*>(bias));
}
/// out[channel][image] = in[image][channel], planes of contiguous elements.
template <class T>
void swap(std::int64_t images, std::int64_t channels, std::int64_t plane, const T* in, T* out) {
  const Dims strides[2] = {{images * plane, plane, 1}, {plane, channels * plane, 1}};
  const std::int64_t numel = images * channels * plane;
  launch_over(numel, &copy_kernel<T>, Layout<2>({channels, images, plane}, strides, numel), out, in);
}

template <class T>
class Runner {
 public:
  explicit Runner(const Convolution& c)
      : c_(c),
        channels_(c.in_channels / c.groups),
        results_(c.out_channels / c.groups),
        taps_(c.window.kernel_h * c.window.kernel_w),
        rows_(channels_ * taps_),
        windows_(c.window.out_h * c.window.out_w),
        plane_(c.window.in_h * c.window.in_w),
        x_(static_cast<T*>(c.x)),
        w_(static_cast<T*>(c.w)),
        y_(static_cast<T*>(c.y)) {
    const Window& w = c.window;
    plain_ = taps_ == 1 && w.stride_h == 1 && w.stride_w == 1 && w.pad_h == 0 && w.pad_w == 0 && w.in_h == w.out_h &&
             w.in_w == w.out_w;
  }

  /// Y = W columns for each image and group.
  void output() {
    // A bias is one number for each row of Y, which a product with a row as bias has not: Y begins with it.
    if (c_.bias) fill<T>(c_.batch, c_.out_channels, windows_, c_.bias, y_);
    Gemm g;
    g.m = results_;
    g.k = g.lda = rows_;
    g.ldc = windows_;
    g.accumulate = c_.bias != nullptr;
    if (plain_) {
      g.n = g.ldb = windows_;
      g.a = w_;
      g.b = x_;
      g.c = y_;
      return products<T>(g, c_.batch, c_.groups, steps(windows_, windows_));
    }
    const Extent extent = extent_of(c_, c_.groups * rows_, sizeof(T));
    const Scratch<T> columns(extent.images * c_.groups * rows_ * extent.windows);
    for_pieces(c_, extent, [&](const Piece& p) {
      unfold_part(part_of(p), static_cast<const T*>(x_ + p.image * c_.in_channels * plane_), columns.get());
      g.n = g.ldb = p.windows;
      g.a = w_;
      g.b = columns.get();
      g.c = y_ + p.image * c_.out_channels * windows_ + p.window;
      products<T>(g, p.images, c_.groups, steps(p.windows, windows_));
    });
  }

  /// Columns = W' Y for each image and group, folded into X.
  void input() {
    Gemm g;
    g.m = rows_;
    g.k = results_;
    g.a = w_;
    g.trans_a = true;
    g.lda = rows_;
    g.ldb = windows_;
    // As in `output`, with the columns in C's place and Y in B's.
    const auto swapped = [](const Steps& s) {
      return Steps{s.a_image, s.a_group, s.c_image, s.c_group, s.b_image, s.b_group};
    };
    if (plain_) {
      if (c_.bias) fill<T>(c_.batch, c_.in_channels, plane_, c_.bias, x_);
      g.n = g.ldc = windows_;
      g.b = y_;
      g.c = x_;
      g.accumulate = c_.bias != nullptr;
      return products<T>(g, c_.batch, c_.groups, swapped(steps(windows_, windows_)));
    }
    const Extent extent = extent_of(c_, c_.groups * rows_, sizeof(T));
    const Scratch<T> columns(extent.images * c_.groups * rows_ * extent.windows);
    for_pieces(c_, extent, [&](const Piece& p) {
      g.n = g.ldc = p.windows;
      g.b = y_ + p.image * c_.out_channels * windows_ + p.window;
      g.c = columns.get();
      products<T>(g, p.images, c_.groups, swapped(steps(p.windows, windows_)));
      fold_part(part_of(p), static_cast<const T*>(columns.get()), x_ + p.image * c_.in_channels * plane_,
                static_cast<const T*>(c_.bias), p.window > 0);
    });
  }

  /// W = Y columns' for each group, summed over the images: they are laid side by side, so that one product has long
  /// sums.
  void weight() {
    // Y is copied along with the columns, unless it is one image's, whose rows are as they should be.
    const Extent extent = extent_of(c_, c_.groups * rows_ + c_.out_channels, sizeof(T));
    const std::int64_t most = extent.images * extent.windows;
    const bool in_place = plain_ && c_.batch == 1;
    const Scratch<T> columns(in_place ? 1 : c_.groups * rows_ * most);
    const Scratch<T> gradients(extent.images == 1 ? 1 : c_.out_channels * most);
    Gemm g;
    g.batch = c_.groups;
    g.m = results_;
    g.n = g.ldc = rows_;
    g.trans_b = true;
    g.c = w_;
    g.stride_c = results_ * rows_;
    if (in_place) {
      g.a = y_;
      g.b = x_;
      g.k = g.lda = g.ldb = windows_;
      g.stride_a = results_ * windows_;
      g.stride_b = rows_ * windows_;
      return gemm(DTypeOf<T>::value, g);
    }
    for_pieces(c_, extent, [&](const Piece& p) {
      g.k = g.ldb = p.images * p.windows;
      ColumnsPart part = part_of(p);
      part.image = p.windows;
      part.row = g.k;
      unfold_part(part, static_cast<const T*>(x_ + p.image * c_.in_channels * plane_), columns.get());
      g.b = columns.get();
      g.stride_b = rows_ * g.k;
      const T* y = y_ + p.image * c_.out_channels * windows_;
      if (p.images == 1) {
        g.a = y + p.window;
        g.lda = windows_;
      } else {
        swap(p.images, c_.out_channels, windows_, y, gradients.get());
        g.a = gradients.get();
        g.lda = g.k;
      }
      g.stride_a = results_ * g.lda;
      gemm(DTypeOf<T>::value, g);
      g.accumulate = true;
    });
  }

 private:
  /// Columns of a piece, image by image.
  ColumnsPart part_of(const Piece& p) const {
    ColumnsPart part;
    part.window = c_.window;
    part.images = p.images;
    part.channels = c_.in_channels;
    part.first = p.window;
    part.count = part.row = p.windows;
    part.image = c_.groups * rows_ * p.windows;
    return part;
  }
  /// W, columns with rows of `columns` windows, and Y with rows of `y`.
  Steps steps(std::int64_t columns, std::int64_t y) const {
    return {0, results_ * rows_, c_.groups * rows_ * columns, rows_ * columns, c_.out_channels * y, results_ * y};
  }

  const Convolution& c_;
  std::int64_t channels_, results_, taps_;
  std::int64_t rows_;  // of the columns of a group
  std::int64_t windows_, plane_;
  T* x_;
  T* w_;
  T* y_;
  bool plain_;  // columns are the images
};

template <class T>
void run(ConvolutionOp op, const Convolution& c) {
  if (c.batch == 0) {
    return fill<T>(1, c.out_channels, c.in_channels / c.groups * c.window.kernel_h * c.window.kernel_w, nullptr, c.w);
  }
  if (c.groups > 1 && c.groups == c.in_channels) return depthwise<T>(op, c);
  Runner<T> runner(c);
  switch (op) {
    case ConvolutionOp::output: return runner.output();
    case ConvolutionOp::input: return runner.input();
    case ConvolutionOp::weight: return runner.weight();
  }
}

}  // namespace

void convolution(ConvolutionOp op, DType dtype, const Convolution& c) {
  dispatch_floating(current_op(), dtype, [&](auto tag) { run<typename decltype(tag)::type>(op, c); });
}

}  // namespace verigrad::kernels::cuda
