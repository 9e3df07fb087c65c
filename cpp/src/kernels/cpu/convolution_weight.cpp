// The gradient of a convolution by its weight: inner products over all pixels of the batch.
//
// The work is cut into tap blocks and, for small weights, into shares of the batch, each with a partial sum of its own;
// these are added in the order of the shares.
#include "kernels/cpu/convolution_source.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// Taps of a block and pixels of a chunk: their columns fill about half of a second-level cache.
constexpr std::int64_t kBlockTaps = boundary::weight_block_taps;
constexpr std::int64_t kPixels = boundary::weight_chunk_pixels;
/// Tasks that are wanted, and elements that all partial sums together may have.
constexpr std::int64_t kTasks = boundary::weight_tasks;
constexpr std::int64_t kPartialElements = boundary::weight_partial_elements;

template <class T>
class Gradient {
 public:
  explicit Gradient(const Convolution& c)
      : c_(c),
        grid_(grid_of(c)),
        channels_(c.in_channels / c.groups),
        results_(c.out_channels / c.groups),
        taps_(static_cast<std::int64_t>(grid_.taps.size())),
        kernel_(dot_kernel<T>(results_)),
        pack_(pack_kernel<T>()),
        block_(std::min(channels_, std::max<std::int64_t>(1, kBlockTaps / taps_))),
        blocks_((channels_ + block_ - 1) / block_),
        chunks_(grid_, kPixels),
        scratch_(grid_, chunks_.images(), chunks_.rows(), block_) {
    const std::int64_t weights = c.groups * round_up(results_, kernel_.rows) * channels_ * taps_;
    shares_ = std::clamp<std::int64_t>(kPartialElements / weights, 1, std::min(kTasks, chunks_.count()));
    parts_ = std::clamp<std::int64_t>(kTasks / (shares_ * c.groups), 1, blocks_);
    pixels_ = round_up(chunks_.images() * chunks_.rows() * grid_.columns, kLine);
  }

  void run() {
    const std::int64_t rows = round_up(results_, kernel_.rows), columns = round_up(block_ * taps_, kernel_.columns);
    const std::int64_t part = rows * columns;
    const Workspace<T> sums(c_.groups * blocks_ * shares_ * part);
    parallel_for(c_.groups * parts_ * shares_, 1, [&](std::int64_t begin, std::int64_t end) {
      const Workspace<T> scratch(scratch_.size());
      const Workspace<T> right(columns * pixels_ + Scratch<T>::kSlack);
      const Workspace<T> left(rows * pixels_);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t share = i % shares_, from = i / shares_ % parts_, group = i / shares_ / parts_;
        const std::int64_t first_block = from * blocks_ / parts_, last_block = (from + 1) * blocks_ / parts_;
        const auto sum = [&](std::int64_t block) {
          return sums.get() + ((group * blocks_ + block) * shares_ + share) * part;
        };
        for (std::int64_t block = first_block; block < last_block; ++block) std::fill_n(sum(block), part, T(0));
        const std::int64_t first = share * chunks_.count() / shares_, last = (share + 1) * chunks_.count() / shares_;
        for (std::int64_t number = first; number < last; ++number) {
          const Chunk chunk = chunks_[number];
          const std::int64_t length = round_up(chunk.images * chunk.rows * grid_.columns, kLine);
          gather_gradient(group, chunk, left.get(), length);
          for (std::int64_t block = first_block; block < last_block; ++block) {
            add(group, block, chunk, length, scratch.get(), left.get(), right.get(), sum(block), columns);
          }
        }
      }
    });
    collect(sums.get(), part, columns);
  }

 private:
  static constexpr std::int64_t kLine = kPanelBytes / static_cast<std::int64_t>(sizeof(T));
  static std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

  void add(std::int64_t group, std::int64_t block, const Chunk& chunk, std::int64_t length, T* scratch, const T* left,
           T* right, T* sum, std::int64_t columns) const {
    const std::int64_t plane = grid_.height * grid_.width, image = c_.in_channels * plane;
    const std::int64_t first = block * block_, channels = std::min(block_, channels_ - first);
    scratch_.fill(scratch,
                  static_cast<const T*>(c_.x) + chunk.first_image * image + (group * channels_ + first) * plane, image,
                  chunk, channels);
    gather_source(chunk, scratch, right, channels * taps_, length);
    const std::int64_t rows = round_up(results_, kernel_.rows);
    for (std::int64_t m = 0; m < rows; m += kernel_.rows) {
      for (std::int64_t k = 0; k < channels * taps_; k += kernel_.columns) {
        kernel_.run(length, left + m * length, length, right + k * length, length, sum + m * columns + k, columns);
      }
    }
  }

  /// right[tap] = the pixels that it reads; zero past the end, as the taps that fill up the last tile are.
  void gather_source(const Chunk& chunk, const T* scratch, T* right, std::int64_t taps, std::int64_t length) const {
    std::vector<Run> runs;
    std::int64_t pixels = 0;
    for (std::int64_t n = 0; n < chunk.images; ++n) {
      for (std::int64_t row = 0; row < chunk.rows;) {
        const std::int64_t count = scratch_.run(0, chunk.rows - row);
        runs.push_back({scratch_.position(n, row, 0), pixels, count});
        pixels += count;
        row += count / grid_.columns;
      }
    }
    const std::int64_t padded = round_up(taps, kernel_.columns);
    for (std::int64_t k = 0; k < padded; ++k) {
      T* to = right + k * length;
      if (k < taps) {
        pack_(scratch, scratch_.offsets() + k, 1, runs.data(), static_cast<std::int64_t>(runs.size()), to, length);
      }
      std::fill(k < taps ? to + pixels : to, to + length, T(0));
    }
  }

  /// left[m] = the gradient's pixels; zero past the end.
  void gather_gradient(std::int64_t group, const Chunk& chunk, T* left, std::int64_t length) const {
    const std::int64_t plane = grid_.pixels(), count = chunk.rows * grid_.columns;
    for (std::int64_t m = 0; m < round_up(results_, kernel_.rows); ++m) {
      T* to = left + m * length;
      if (m < results_) {
        const T* from = static_cast<const T*>(c_.y) +
                        (chunk.first_image * c_.out_channels + group * results_ + m) * plane +
                        chunk.first_row * grid_.columns;
        for (std::int64_t n = 0; n < chunk.images; ++n, to += count)
          copy(to, from + n * c_.out_channels * plane, count);
      }
      std::fill(to, left + (m + 1) * length, T(0));
    }
  }

  static void copy(T* to, const T* from, std::int64_t count) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  }

  void collect(const T* sums, std::int64_t part, std::int64_t columns) const {
    T* w = static_cast<T*>(c_.w);
    const std::int64_t row_size = channels_ * taps_;
    parallel_for(c_.groups * results_, std::max<std::int64_t>(1, kGrainElements / row_size / shares_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t group = i / results_, m = i % results_;
                     for (std::int64_t block = 0; block < blocks_; ++block) {
                       const std::int64_t first = block * block_ * taps_;
                       const std::int64_t count = std::min(block_ * taps_, row_size - first);
                       T* to = w + i * row_size + first;
                       const T* from = sums + (group * blocks_ + block) * shares_ * part + m * columns;
                       for (std::int64_t k = 0; k < count; ++k) to[k] = from[k];
                       for (std::int64_t share = 1; share < shares_; ++share) {
                         for (std::int64_t k = 0; k < count; ++k) to[k] += from[share * part + k];
                       }
                     }
                   }
                 });
  }

  const Convolution& c_;
  Grid grid_;
  std::int64_t channels_, results_, taps_;
  DotKernel<T> kernel_;
  PackKernel<T> pack_;
  std::int64_t block_, blocks_, shares_ = 1, parts_ = 1, pixels_ = 0;
  Chunks chunks_;
  Scratch<T> scratch_;
};

}  // namespace

template <class T>
void convolution_weight(const Convolution& c) {
  if (c.batch == 0) {
    std::fill_n(static_cast<T*>(c.w),
                c.out_channels * (c.in_channels / c.groups) * c.window.kernel_h * c.window.kernel_w, T(0));
    return;
  }
  Gradient<T>(c).run();
}

template void convolution_weight<float>(const Convolution&);
template void convolution_weight<double>(const Convolution&);

}  // namespace verigrad::kernels::cpu
