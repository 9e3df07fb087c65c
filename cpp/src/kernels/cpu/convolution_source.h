// How convolution reads its source: never through a matrix of the whole batch, but band by band.
//
// A chunk of output pixels (some rows of one image, or some whole small images) is computed together. For a block of
// channels the rows of the source that it needs are copied into a scratch with the padding written out and, for steps
// above 1, split into one plane for each residue, so that neighbours in the output are neighbours in the scratch. Every
// tap of every channel is then one offset into the scratch. im2col happens for one strip of pixels at a time, as wide
// as the tile in registers: its columns stay in the first-level cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/cpu/micro_kernel.h"
#include "kernels/cpu/workspace.h"
#include "kernels/table.h"
#include "kernels/window.h"

namespace verigrad::kernels::cpu {

/// One row and column of the kernel: which element of the source it reads for output (0, 0), and where its weights lie.
struct Tap {
  std::int64_t row = 0, column = 0;  // in the source; may be outside, where the source is zero
  std::int64_t weight = 0;           // offset of the weight from that of the channel
};

/// A grid of outputs over a source [images, channels, height, width]: output (i, j) of a tap reads source element
/// (i * step_h + tap.row, j * step_w + tap.column).
struct Grid {
  std::int64_t images = 0, rows = 0, columns = 0;
  std::int64_t height = 0, width = 0;
  std::int64_t step_h = 1, step_w = 1;
  std::vector<Tap> taps;

  std::int64_t pixels() const { return rows * columns; }
};

/// Output pixels that are computed together.
struct Chunk {
  std::int64_t first_image = 0, images = 0;
  std::int64_t first_row = 0, rows = 0;
};

/// The chunks of a grid: bands of an image of about `pixels` pixels, or several small images. The cut depends on sizes
/// alone, so that any number of threads gives the same bits.
class Chunks {
 public:
  Chunks(const Grid& grid, std::int64_t most_pixels) : grid_(grid) {
    // At least 16 chunks, so that the threads are evenly busy, unless they became too small to be worth a copy.
    constexpr std::int64_t kLeastPixels = boundary::convolution_least_pixels, kCount = boundary::convolution_chunks;
    const std::int64_t pixels =
        std::clamp(grid.images * grid.pixels() / kCount, kLeastPixels, std::max(most_pixels, kLeastPixels));
    const std::int64_t parts = std::clamp<std::int64_t>((grid.pixels() + pixels - 1) / pixels, 1, grid.rows);
    band_rows_ = (grid.rows + parts - 1) / parts;
    bands_ = (grid.rows + band_rows_ - 1) / band_rows_;
    images_ = bands_ > 1 ? 1 : std::max<std::int64_t>(1, pixels / grid.pixels());
  }

  std::int64_t count() const { return bands_ * ((grid_.images + images_ - 1) / images_); }
  Chunk operator[](std::int64_t i) const {
    Chunk c;
    c.first_image = i / bands_ * images_;
    c.images = std::min(images_, grid_.images - c.first_image);
    c.first_row = i % bands_ * band_rows_;
    c.rows = std::min(band_rows_, grid_.rows - c.first_row);
    return c;
  }
  std::int64_t images() const { return std::min(images_, grid_.images); }
  std::int64_t rows() const { return band_rows_; }

 private:
  const Grid& grid_;
  std::int64_t bands_, band_rows_, images_;
};

/// The layout of the scratch for chunks of up to `images` images and `rows` rows, and `channels` channels.
template <class T>
class Scratch {
 public:
  static constexpr std::int64_t kSlack = kPanelBytes * 4 / static_cast<std::int64_t>(sizeof(T));

  Scratch(const Grid& grid, std::int64_t images, std::int64_t rows, std::int64_t channels)
      : grid_(grid), images_(images), channels_(channels) {
    std::int64_t last_row = grid.taps[0].row, last_column = grid.taps[0].column;
    first_row_ = last_row;
    first_column_ = last_column;
    for (const Tap& tap : grid.taps) {
      first_row_ = std::min(first_row_, tap.row);
      first_column_ = std::min(first_column_, tap.column);
      last_row = std::max(last_row, tap.row);
      last_column = std::max(last_column, tap.column);
    }
    rows_ = rows + (last_row - first_row_) / grid.step_h;
    columns_ = grid.columns + (last_column - first_column_) / grid.step_w;
    // Only the residues that a tap reads get a plane. With large steps they are as many as taps, so they are looked up
    // in order.
    const auto residue = [&](const Tap& tap) {
      return Plane{(tap.row - first_row_) % grid.step_h, (tap.column - first_column_) % grid.step_w};
    };
    for (const Tap& tap : grid.taps) planes_.push_back(residue(tap));
    std::sort(planes_.begin(), planes_.end());
    planes_.erase(std::unique(planes_.begin(), planes_.end()), planes_.end());
    for (const Tap& tap : grid.taps) {
      const auto at = std::lower_bound(planes_.begin(), planes_.end(), residue(tap));
      tap_offsets_.push_back((at - planes_.begin()) * rows_ * columns_ +
                             (tap.row - first_row_) / grid.step_h * columns_ +
                             (tap.column - first_column_) / grid.step_w);
    }
    channel_ = static_cast<std::int64_t>(planes_.size()) * rows_ * columns_;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (const std::int64_t tap : tap_offsets_) offsets_.push_back(c * channel_ + tap);
    }
  }

  std::int64_t size() const { return images_ * channels_ * channel_ + kSlack; }
  /// Offset of tap t of channel c at position c * taps + t.
  const std::int64_t* offsets() const { return offsets_.data(); }
  /// Where output (row, column) of an image of the chunk reads tap 0, but for the tap's own offset.
  std::int64_t position(std::int64_t image, std::int64_t row, std::int64_t column) const {
    return image * channels_ * channel_ + row * columns_ + column;
  }
  /// Distance of neighbouring rows.
  std::int64_t pitch() const { return columns_; }
  /// Pixels that follow each other in the scratch from this column on.
  std::int64_t run(std::int64_t column, std::int64_t rows_left) const {
    return columns_ == grid_.columns ? rows_left * columns_ - column : grid_.columns - column;
  }

  /// Fills the scratch with `channels` channels of the source, which starts at `source` for the first image.
  void fill(T* to, const T* source, std::int64_t image_stride, const Chunk& chunk, std::int64_t channels) const {
    const std::int64_t top = chunk.first_row * grid_.step_h + first_row_;
    for (std::int64_t n = 0; n < chunk.images; ++n) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const T* plane = source + n * image_stride + c * grid_.height * grid_.width;
        T* out = to + (n * channels_ + c) * channel_;
        for (const Plane& p : planes_) {
          for (std::int64_t r = 0; r < rows_; ++r, out += columns_) {
            fill_row(out, plane, top + p[0] + r * grid_.step_h, first_column_ + p[1]);
          }
        }
      }
    }
    std::fill_n(to + chunk.images * channels_ * channel_, kSlack, T(0));
  }

 private:
  using Plane = std::array<std::int64_t, 2>;

  void fill_row(T* out, const T* plane, std::int64_t row, std::int64_t left) const {
    if (row < 0 || row >= grid_.height) {
      std::fill_n(out, columns_, T(0));
      return;
    }
    const std::int64_t step = grid_.step_w;
    const T* in = plane + row * grid_.width;
    const std::int64_t begin = std::clamp<std::int64_t>(left < 0 ? (-left + step - 1) / step : 0, 0, columns_);
    const std::int64_t past = grid_.width - left;  // columns of the source from `left` on
    const std::int64_t end = std::clamp<std::int64_t>(past > 0 ? (past + step - 1) / step : 0, begin, columns_);
    for (std::int64_t j = 0; j < begin; ++j) out[j] = T(0);
    if (step == 1) {
      if (end > begin) std::memcpy(out + begin, in + left + begin, static_cast<std::size_t>(end - begin) * sizeof(T));
    } else {
      for (std::int64_t j = begin; j < end; ++j) out[j] = in[left + j * step];
    }
    for (std::int64_t j = end; j < columns_; ++j) out[j] = T(0);
  }

  const Grid& grid_;
  std::int64_t images_, channels_;
  std::int64_t first_row_ = 0, first_column_ = 0, rows_ = 0, columns_ = 0, channel_ = 0;
  std::vector<Plane> planes_;
  std::vector<std::int64_t> tap_offsets_, offsets_;
};

/// Walks the pixels of a chunk in order and splits them into strips of at most `width` pixels; calls
/// f(first pixel, count, runs, number of runs).
template <class T, class F>
void for_strips(const Grid& grid, const Scratch<T>& scratch, const Chunk& chunk, std::int64_t width, const F& f) {
  std::array<Run, kMostColumns> runs;
  std::int64_t pixel = 0, image = 0, row = 0, column = 0;
  const std::int64_t total = chunk.images * chunk.rows * grid.columns;
  while (pixel < total) {
    const std::int64_t count = std::min(width, total - pixel);
    std::int64_t used = 0, done = 0;
    while (done < count) {
      const std::int64_t length = std::min(count - done, scratch.run(column, chunk.rows - row));
      runs[static_cast<std::size_t>(used++)] = {scratch.position(image, row, column), done, length};
      done += length;
      column += length;
      row += column / grid.columns;
      column %= grid.columns;
      if (row == chunk.rows) {
        row = 0;
        ++image;
      }
    }
    f(pixel, count, runs.data(), used);
    pixel += count;
  }
}

/// A chunk's pixels, and the scratch of a channel block, that stay in the second-level cache.
inline constexpr std::int64_t kChunkPixels = boundary::convolution_chunk_pixels;

/// The grid of the outputs over x.
inline Grid grid_of(const Convolution& c) {
  const Window& w = c.window;
  Grid grid{c.batch, w.out_h, w.out_w, w.in_h, w.in_w, w.stride_h, w.stride_w, {}};
  for (std::int64_t r = 0; r < w.kernel_h; ++r) {
    for (std::int64_t s = 0; s < w.kernel_w; ++s) {
      grid.taps.push_back({rows_of(w).element(0, r), columns_of(w).element(0, s), r * w.kernel_w + s});
    }
  }
  return grid;
}

template <class T>
void convolution_weight(const Convolution& c);

}  // namespace verigrad::kernels::cpu
