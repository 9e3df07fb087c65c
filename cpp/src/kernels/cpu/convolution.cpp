// Convolution: the output, and the gradient by the input, as one sweep of a kernel over a source.
//
// The gradient by the input of a convolution with stride s is s_h * s_w correlations of the output's gradient, one for
// each residue of the input's position (V. Dumoulin, F. Visin, arXiv 1603.07285, section 4, without the zeros that
// stretch the source there): each takes the taps that reach it, and with stride 1 all of them, in reverse.
#include <type_traits>

#include "kernels/cpu/convolution_source.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// dst[n][m][i][j] = bias[m] + sum over channels c and taps t of weight(m, c, t) source[n][c][...], for each group.
template <class T>
struct Sweep {
  Grid grid;
  std::int64_t groups = 1, channels = 0, results = 0;  // of the source and of dst, per group
  const T* source = nullptr;
  const T* weight = nullptr;
  std::int64_t weight_group = 0, weight_result = 0, weight_channel = 0;
  const T* bias = nullptr;
  T* dst = nullptr;
  std::int64_t dst_plane = 0, dst_row = 0, dst_column = 1;
};

/// Reduction steps between two visits to the output: the panel of a strip then fills half of a first-level cache.
constexpr std::int64_t kDepth = boundary::convolution_depth;

template <class T>
class Runner {
 public:
  explicit Runner(const Sweep<T>& s)
      : s_(s),
        kernel_(outer_kernel<T>(s.results)),
        pack_(pack_kernel<T>()),
        taps_(static_cast<std::int64_t>(s.grid.taps.size())),
        block_(std::min(s.channels, std::max<std::int64_t>(1, kDepth / taps_))),
        blocks_((s.channels + block_ - 1) / block_),
        panels_((s.results + kernel_.rows - 1) / kernel_.rows),
        chunks_(s.grid, kChunkPixels),
        scratch_(s.grid, chunks_.images(), chunks_.rows(), block_),
        dense_(s.dst_column == 1 && s.dst_row == s.grid.columns) {
    // Cycles for a strip: of the dropped columns and of results that are put in place row by row, and of copying a
    // panel.
    const double columns = static_cast<double>(s.grid.columns), depth = static_cast<double>(block_ * taps_);
    const double dropped = static_cast<double>(scratch_.pitch()) / columns - 1;
    const double runs = merged() ? 1 : 1 + static_cast<double>(kernel_.columns) / columns;
    constexpr double kDropped = boundary::convolution_dropped_cost, kPlaced = boundary::convolution_placed_cost;
    constexpr double kPacked = boundary::convolution_packed_cost;
    direct_ =
        static_cast<double>(panels_) * (kDropped * dropped * depth + (merged() ? 0 : kPlaced)) < kPacked * runs * depth;
  }

  void run() {
    const Workspace<T> weights(s_.groups * panels_ * kernel_.rows * s_.channels * taps_);
    const Workspace<T> starts(s_.groups * panels_ * kernel_.rows);
    pack_weights(weights.get(), starts.get());
    const std::int64_t count = s_.groups * chunks_.count();
    const double work = static_cast<double>(s_.grid.images * s_.grid.pixels()) *
                        static_cast<double>(s_.groups * s_.results * s_.channels * taps_);
    parallel_for(count, work < static_cast<double>(boundary::convolution_serial_work) ? count : 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   const Workspace<T> scratch(scratch_.size());
                   const Workspace<T> panel(block_ * taps_ * kernel_.columns + Scratch<T>::kSlack);
                   const Workspace<T> tile(kernel_.rows * kernel_.columns);
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t group = i / chunks_.count();
                     const std::int64_t rows = panels_ * kernel_.rows;
                     sweep(group, chunks_[i % chunks_.count()], weights.get() + group * rows * s_.channels * taps_,
                           starts.get() + group * rows, scratch.get(), panel.get(), tile.get());
                   }
                 });
  }

 private:
  /// weights: [group][block][panel][channel of the block][tap][row of the panel]; rows past the end are 0.
  void pack_weights(T* out, T* starts) const {
    const std::int64_t rows = kernel_.rows;
    const std::int64_t all = s_.groups * blocks_ * panels_;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainElements / (block_ * taps_ * rows));
    parallel_for(all, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t panel = i % panels_, block = i / panels_ % blocks_, group = i / panels_ / blocks_;
        const std::int64_t first = block * block_, channels = std::min(block_, s_.channels - first);
        T* to = out + (group * s_.channels * panels_ + first * panels_ + panel * channels) * taps_ * rows;
        const T* from = s_.weight + group * s_.weight_group + first * s_.weight_channel;
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t m = panel * rows + r;
          const T* row = from + m * s_.weight_result;
          T* column = to + r;
          for (std::int64_t c = 0; c < channels; ++c) {
            for (const Tap& tap : s_.grid.taps) {
              *column = m < s_.results ? row[c * s_.weight_channel + tap.weight] : T(0);
              column += rows;
            }
          }
        }
      }
    });
    for (std::int64_t group = 0; group < s_.groups; ++group) {
      for (std::int64_t m = 0; m < panels_ * rows; ++m) {
        starts[group * panels_ * rows + m] = s_.bias && m < s_.results ? s_.bias[group * s_.results + m] : T(0);
      }
    }
  }

  void sweep(std::int64_t group, const Chunk& chunk, const T* weights, const T* starts, T* scratch, T* panel,
             T* tile) const {
    const Grid& g = s_.grid;
    const std::int64_t plane = g.height * g.width, image = s_.groups * s_.channels * plane;
    for (std::int64_t block = 0; block < blocks_; ++block) {
      const std::int64_t first = block * block_, channels = std::min(block_, s_.channels - first);
      scratch_.fill(scratch, s_.source + chunk.first_image * image + (group * s_.channels + first) * plane, image,
                    chunk, channels);
      Block b{group, channels * taps_, weights + first * panels_ * taps_ * kernel_.rows, block == 0 ? starts : nullptr,
              scratch};
      if (direct_) {
        sweep_direct(b, chunk, tile);
      } else {
        sweep_packed(b, chunk, panel, tile);
      }
    }
  }

  /// Whether rows follow each other without a gap in the scratch and in dst.
  bool merged() const { return dense_ && scratch_.pitch() == s_.grid.columns; }

  /// One block of channels.
  struct Block {
    std::int64_t group, depth;
    const T* weights;
    const T* starts;  // null unless it is the first
    const T* scratch;
  };

  /// Neighbouring pixels of a strip that are neighbours in dst.
  struct Segment {
    std::int64_t to, from, count;
  };

  /// Strips of pixels alone, gathered from the scratch into a panel that all rows of weights use.
  void sweep_packed(const Block& b, const Chunk& chunk, T* panel, T* tile) const {
    std::array<Segment, kMostColumns> segments;
    for_strips(s_.grid, scratch_, chunk, kernel_.columns,
               [&](std::int64_t pixel, std::int64_t count, const Run* runs, std::int64_t used) {
                 pack_(b.scratch, scratch_.offsets(), b.depth, runs, used, panel, kernel_.columns);
                 const std::int64_t size = chunk.rows * s_.grid.columns;  // of an image's part
                 std::size_t n = 0;
                 for (std::int64_t j = 0; j < count;) {
                   // Rows are neighbours in dst as well, unless it has steps.
                   const std::int64_t within = dense_ ? size : s_.grid.columns;
                   const std::int64_t length = std::min(count - j, within - (pixel + j) % within);
                   segments[n++] = {address(b.group, chunk, pixel + j), j, length};
                   j += length;
                 }
                 multiply(b, segments.data(), n, tile, [&](const T* a, T* c, std::int64_t ldc, const T* start) {
                   kernel_.run(b.depth, a, panel, c, ldc, start);
                 });
               });
  }

  /// Strips of the scratch as it is, with the columns between two rows, whose results are dropped: cheaper where few
  /// rows of weights would use a panel.
  void sweep_direct(const Block& b, const Chunk& chunk, T* tile) const {
    std::array<Segment, kMostColumns> segments;
    const std::int64_t size = chunk.rows * s_.grid.columns;
    const std::int64_t pitch = merged() ? size : scratch_.pitch(), columns = merged() ? size : s_.grid.columns;
    const std::int64_t rows = merged() ? 1 : chunk.rows;
    // Nothing behind the last pixel: a strip that starts there would read past the scratch where the kernel is wide.
    const std::int64_t end = (rows - 1) * pitch + columns;
    for (std::int64_t image = 0; image < chunk.images; ++image) {
      for (std::int64_t t = 0; t < end; t += kernel_.columns) {
        std::size_t n = 0;
        std::int64_t row = t / pitch, column = t % pitch;
        for (std::int64_t j = 0; j < kernel_.columns && row < rows; j += pitch - column, column = 0, ++row) {
          if (column >= columns) continue;
          const std::int64_t length = std::min(columns - column, kernel_.columns - j);
          segments[n++] = {address(b.group, chunk, image * size + row * columns + column), j, length};
        }
        const T* source = b.scratch + scratch_.position(image, 0, 0) + t;
        multiply(b, segments.data(), n, tile, [&](const T* a, T* c, std::int64_t ldc, const T* start) {
          kernel_.run_at(b.depth, a, source, scratch_.offsets(), c, ldc, start);
        });
      }
    }
  }

  /// All rows of weights times one strip; run(weights, c, ldc, start) computes a tile.
  template <class F>
  void multiply(const Block& b, const Segment* segments, std::size_t count, T* tile, const F& run) const {
    static constexpr T kZeros[kMostRows] = {};
    const bool whole = count == 1 && segments[0].count == kernel_.columns && s_.dst_column == 1;
    for (std::int64_t p = 0; p < panels_; ++p) {
      const T* a = b.weights + p * b.depth * kernel_.rows;
      const T* start = b.starts ? b.starts + p * kernel_.rows : nullptr;
      const std::int64_t m = p * kernel_.rows, rows = std::min(kernel_.rows, s_.results - m);
      T* to = s_.dst + m * s_.dst_plane;
      if (whole && rows == kernel_.rows) {
        run(a, to + segments[0].to, s_.dst_plane, start);
        continue;
      }
      run(a, tile, kernel_.columns, start ? start : kZeros);
      for (std::int64_t r = 0; r < rows; ++r, to += s_.dst_plane) {
        for (std::size_t i = 0; i < count; ++i) {
          put(to + segments[i].to, tile + r * kernel_.columns + segments[i].from, segments[i].count, start != nullptr);
        }
      }
    }
  }

  void put(T* to, const T* from, std::int64_t count, bool first) const {
    const std::int64_t step = s_.dst_column;
    if (step == 1) {
      if (first) {
        for (std::int64_t j = 0; j < count; ++j) to[j] = from[j];
      } else {
        for (std::int64_t j = 0; j < count; ++j) to[j] += from[j];
      }
    } else {
      for (std::int64_t j = 0; j < count; ++j) to[j * step] = first ? from[j] : to[j * step] + from[j];
    }
  }

  /// Where pixel number `pixel` of the chunk lies in the first plane of the group, counted from dst.
  std::int64_t address(std::int64_t group, const Chunk& chunk, std::int64_t pixel) const {
    const std::int64_t size = chunk.rows * s_.grid.columns;
    const std::int64_t image = chunk.first_image + pixel / size, rest = pixel % size;
    return (image * s_.groups + group) * s_.results * s_.dst_plane +
           (chunk.first_row + rest / s_.grid.columns) * s_.dst_row + rest % s_.grid.columns * s_.dst_column;
  }

  const Sweep<T>& s_;
  OuterKernel<T> kernel_;
  PackKernel<T> pack_;
  std::int64_t taps_, block_, blocks_, panels_;
  Chunks chunks_;
  Scratch<T> scratch_;
  bool dense_, direct_ = false;
};

/// Elements that no tap reaches.
template <class T>
void fill_with_bias(const Sweep<T>& s) {
  for (std::int64_t n = 0; n < s.grid.images; ++n) {
    for (std::int64_t m = 0; m < s.groups * s.results; ++m) {
      T* plane = s.dst + (n * s.groups * s.results + m) * s.dst_plane;
      const T value = s.bias ? s.bias[m] : T(0);
      for (std::int64_t i = 0; i < s.grid.rows; ++i) {
        for (std::int64_t j = 0; j < s.grid.columns; ++j) plane[i * s.dst_row + j * s.dst_column] = value;
      }
    }
  }
}

template <class T>
void run(const Sweep<T>& s) {
  if (s.grid.images == 0 || s.grid.pixels() == 0) return;
  if (s.grid.taps.empty()) return fill_with_bias(s);
  Runner<T>(s).run();
}

template <class T>
void output(const Convolution& c) {
  const std::int64_t taps = c.window.kernel_h * c.window.kernel_w;
  Sweep<T> s;
  s.grid = grid_of(c);
  s.groups = c.groups;
  s.channels = c.in_channels / c.groups;
  s.results = c.out_channels / c.groups;
  s.source = static_cast<const T*>(c.x);
  s.weight = static_cast<const T*>(c.w);
  s.weight_channel = taps;
  s.weight_result = s.channels * taps;
  s.weight_group = s.results * s.weight_result;
  s.bias = static_cast<const T*>(c.bias);
  s.dst = static_cast<T*>(c.y);
  s.dst_plane = c.window.out_h * c.window.out_w;
  s.dst_row = c.window.out_w;
  run(s);
}

/// Of one dimension: the taps that reach positions `residue`, `residue` + stride, ..., and which output they read for
/// the first of these.
struct Reach {
  std::int64_t tap, from;
};
std::vector<Reach> reaching(std::int64_t residue, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                            std::int64_t dilation) {
  std::vector<Reach> found;
  for (std::int64_t r = 0; r < kernel; ++r) {
    const std::int64_t distance = residue + pad - r * dilation;
    if (distance % stride == 0) found.push_back({r, distance / stride});
  }
  return found;
}

template <class T>
void input(const Convolution& c) {
  const Window& w = c.window;
  const std::int64_t taps = w.kernel_h * w.kernel_w;
  Sweep<T> s;
  s.groups = c.groups;
  s.channels = c.out_channels / c.groups;
  s.results = c.in_channels / c.groups;
  s.source = static_cast<const T*>(c.y);
  s.weight = static_cast<const T*>(c.w);
  s.weight_result = taps;
  s.weight_channel = s.results * taps;
  s.weight_group = s.channels * s.weight_channel;
  s.bias = static_cast<const T*>(c.bias);
  s.dst_plane = w.in_h * w.in_w;
  s.dst_row = w.stride_h * w.in_w;
  s.dst_column = w.stride_w;
  for (std::int64_t i = 0; i < std::min(w.stride_h, w.in_h); ++i) {
    const auto rows = reaching(i, w.kernel_h, w.stride_h, w.pad_h, w.dilation_h);
    for (std::int64_t j = 0; j < std::min(w.stride_w, w.in_w); ++j) {
      s.grid = Grid{
          c.batch, (w.in_h - 1 - i) / w.stride_h + 1, (w.in_w - 1 - j) / w.stride_w + 1, w.out_h, w.out_w, 1, 1, {}};
      for (const Reach& r : rows) {
        for (const Reach& q : reaching(j, w.kernel_w, w.stride_w, w.pad_w, w.dilation_w)) {
          s.grid.taps.push_back({r.from, q.from, r.tap * w.kernel_w + q.tap});
        }
      }
      s.dst = static_cast<T*>(c.x) + i * w.in_w + j;
      run(s);
    }
  }
}

}  // namespace

void convolution(ConvolutionOp op, DType dtype, const Convolution& c) {
  dispatch_floating("convolution", dtype, [&]<class T>(TypeTag<T>) {
    switch (op) {
      case ConvolutionOp::output: return output<T>(c);
      case ConvolutionOp::input: return input<T>(c);
      case ConvolutionOp::weight: return convolution_weight<T>(c);
    }
  });
}

}  // namespace verigrad::kernels::cpu
