// Copies between any two dtypes and layouts, fill and where, on a CUDA device.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/casts.h"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operands.cuh"
#include "kernels/cuda/shared.cuh"

namespace verigrad::kernels::cuda {
namespace {

// ---- runs of bytes --------------------------------------------------------------------------------------------------

/// A run of bytes: `head` and `tail` single ones around units of 16.
struct Run {
  std::int64_t head, units, tail;
  std::int64_t steps;  // that a grid takes, each with at most one of each kind

  Run(const void* begin, std::int64_t bytes) {
    constexpr std::int64_t kUnit = sizeof(Wide);
    head = std::min(bytes, -address(begin) & (kUnit - 1));
    units = (bytes - head) / kUnit;
    tail = (bytes - head) % kUnit;
    steps = std::max(units, std::max(head, tail));
  }
  __device__ std::int64_t tail_begin() const { return head + units * static_cast<std::int64_t>(sizeof(Wide)); }
};

/// Both sides lie alike to units of 16.
__global__ void copy_run_kernel(Run run, std::uint8_t* out, const std::uint8_t* in) {
  Wide* units = reinterpret_cast<Wide*>(out + run.head);
  const Wide* in_units = reinterpret_cast<const Wide*>(in + run.head);
  for_each_element(run.steps, [&](std::int64_t i) {
    if (i < run.units) units[i] = in_units[i];
    if (i < run.head) out[i] = in[i];
    if (i < run.tail) out[run.tail_begin() + i] = in[run.tail_begin() + i];
  });
}

/// An element, over and over. Head, units and tail each begin with one.
struct Pattern {
  std::uint8_t bytes[sizeof(Wide)];
};

__global__ void fill_run_kernel(Run run, std::uint8_t* out, Wide unit, Pattern pattern) {
  Wide* units = reinterpret_cast<Wide*>(out + run.head);
  for_each_element(run.steps, [&](std::int64_t i) {
    if (i < run.units) units[i] = unit;
    if (i < run.head) out[i] = pattern.bytes[i];
    if (i < run.tail) out[run.tail_begin() + i] = pattern.bytes[i];
  });
}

// ---- any layout -----------------------------------------------------------------------------------------------------

template <class Op, class From, class To>
__global__ void copy_kernel(Layout<2> layout, To* out, const Stored<From>* in) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[2];
    layout.offsets(i, at);
    out[at[0]] = Op()(static_cast<From>(in[at[1]]));
  });
}

/// The side of a tile that passes through shared memory, and the rows of it that a block moves at once.
constexpr int kTile = boundary::cuda_transpose_tile;
constexpr int kTileRows = boundary::cuda_transpose_rows;
/// Sizes from which tiles pay.
constexpr std::int64_t kTransposeLeast = boundary::cuda_transpose_least;

/// Blocks along each dimension of a grid, which strides over more.
constexpr std::int64_t kMostTiles = boundary::cuda_transpose_blocks;

/// Transposed matrices: the output's neighbours lie along `columns`, the input's along `rows`.
struct Transposition {
  Layout<2> matrices;
  std::int64_t rows, columns;
  std::int64_t out_row, out_column, in_row, in_column;
};

template <class Op, class From, class To>
__global__ void transpose_kernel(Transposition t, To* out, const Stored<From>* in) {
  VG_SHARED(Stored<From>, tile, kTile * (kTile + 1));  // one more: no two rows of a column in one bank
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  for (std::int64_t m = blockIdx.z; m < t.matrices.numel; m += gridDim.z) {
    std::int64_t at[2];
    t.matrices.offsets(m, at);
    for (std::int64_t first_row = std::int64_t{blockIdx.y} * kTile; first_row < t.rows;
         first_row += std::int64_t{gridDim.y} * kTile) {
      for (std::int64_t first_column = std::int64_t{blockIdx.x} * kTile; first_column < t.columns;
           first_column += std::int64_t{gridDim.x} * kTile) {
        for (int k = y; k < kTile; k += kTileRows) {
          const std::int64_t row = first_row + x, column = first_column + k;
          if (row < t.rows && column < t.columns) {
            tile[k * (kTile + 1) + x] = in[at[1] + row * t.in_row + column * t.in_column];
          }
        }
        __syncthreads();
        for (int k = y; k < kTile; k += kTileRows) {
          const std::int64_t row = first_row + k, column = first_column + x;
          if (row < t.rows && column < t.columns) {
            out[at[0] + row * t.out_row + column * t.out_column] = Op()(static_cast<From>(tile[x * (kTile + 1) + k]));
          }
        }
        __syncthreads();
      }
    }
  }
}

/// True and done if the input's neighbours lie along another dimension than the output's, which is the last one.
template <class Op, class From, class To>
bool transpose(const Loop& loop) {
  const int rank = loop.shape.size();
  if (rank < 2) return false;
  const Dims &out = loop.strides[0], &in = loop.strides[1];
  const int column = rank - 1;
  int row = -1;
  for (int d = 0; d < column; ++d) {
    if (in[d] > 0 && in[d] < in[column] && (row < 0 || in[d] < in[row])) row = d;
  }
  if (row < 0 || loop.shape[row] < kTransposeLeast || loop.shape[column] < kTransposeLeast) return false;
  Dims shape = loop.shape, strides[2] = {out, in};
  for (Dims* dims : {&shape, &strides[0], &strides[1]}) {
    dims->erase(column);
    dims->erase(row);
  }
  const std::int64_t rows = loop.shape[row], columns = loop.shape[column];
  const Transposition t{Layout<2>(shape, strides, loop.numel / (rows * columns)),
                        rows,
                        columns,
                        out[row],
                        out[column],
                        in[row],
                        in[column]};
  const auto blocks = [](std::int64_t n) { return static_cast<unsigned>(std::min(n, kMostTiles)); };
  launch(dim3(blocks((columns + kTile - 1) / kTile), blocks((rows + kTile - 1) / kTile), blocks(t.matrices.numel)),
         dim3(kTile, kTileRows), &transpose_kernel<Op, From, To>, t, static_cast<To*>(loop.data[0]),
         static_cast<const Stored<From>*>(loop.data[1]));
  return true;
}

template <class Op, class From, class To>
void copy_any(const Loop& loop) {
  launch_over(loop.numel, &copy_kernel<Op, From, To>, Layout<2>(loop), static_cast<To*>(loop.data[0]),
              static_cast<const Stored<From>*>(loop.data[1]));
}

bool is_run(const Loop& loop, int operand) {
  return loop.shape.empty() || (loop.shape.size() == 1 && loop.strides[operand][0] == 1);
}

/// Where neighbours of both sides lie side by side, the loop over the widest units that fit; else the loop itself.
/// `width`: that of an element, and then of a unit.
Loop widened(const Loop& loop, std::int64_t& width) {
  const int last = loop.shape.size() - 1;
  if (last < 0 || loop.strides[0][last] != 1 || loop.strides[1][last] != 1) return loop;
  std::int64_t unit = widest_unit({address(loop.data[0]), address(loop.data[1]), loop.shape[last] * width});
  for (int d = 0; d < last; ++d) unit = widest_unit({unit, loop.strides[0][d] * width, loop.strides[1][d] * width});
  Loop wide = loop;
  const std::int64_t elements = unit / width;
  wide.shape[last] /= elements;
  wide.numel /= elements;
  for (int o = 0; o < 2; ++o) {
    for (int d = 0; d < last; ++d) wide.strides[o][d] /= elements;
  }
  width = unit;
  return wide;
}

void copy_same(std::int64_t width, const Loop& loop) {
  if (is_run(loop, 0) && is_run(loop, 1)) {
    if (loop.data[0] == loop.data[1]) return;
    if (((address(loop.data[0]) ^ address(loop.data[1])) & (sizeof(Wide) - 1)) == 0) {
      const Run run(loop.data[0], loop.numel * width);
      return launch_over(run.steps, &copy_run_kernel, run, static_cast<std::uint8_t*>(loop.data[0]),
                         static_cast<const std::uint8_t*>(loop.data[1]));
    }
  }
  const Loop wide = widened(loop, width);
  dispatch_unit(width, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, Wide>) {
      if (transpose<Identity, T, T>(wide)) return;
    }
    copy_any<Identity, T, T>(wide);
  });
}

template <class T>
__global__ void fill_kernel(Layout<1> layout, T* out, T value) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[1];
    layout.offsets(i, at);
    out[at[0]] = value;
  });
}

template <class T>
__global__ void where_kernel(Layout<4> layout, T* out, Input<BoolByte> condition, Input<T> a, Input<T> b) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[4];
    layout.offsets(i, at);
    out[at[0]] = condition[at[1]] ? a[at[2]] : b[at[3]];
  });
}

}  // namespace

void copy(DType out, DType in, const Loop& given) {
  const Loop loop = in_memory_order(given);
  if (out == in) return copy_same(itemsize(out), loop);
  dispatch(out, [&](auto to) {
    using To = typename decltype(to)::type;
    dispatch(in, [&](auto from) {
      using From = typename decltype(from)::type;
      if constexpr (!std::is_same_v<To, From>) {
        if (!transpose<Cast<To>, From, To>(loop)) copy_any<Cast<To>, From, To>(loop);
      }
    });
  });
}

void fill(DType dtype, const Loop& given) {
  const Loop loop = in_memory_order(given);
  dispatch_width(itemsize(dtype), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T number = loop.number_as<T>(1);
    if (!is_run(loop, 0)) {
      return launch_over(loop.numel, &fill_kernel<T>, Layout<1>(loop), static_cast<T*>(loop.data[0]), number);
    }
    Pattern pattern;
    for (std::size_t at = 0; at < sizeof pattern; at += sizeof number) {
      std::memcpy(pattern.bytes + at, &number, sizeof number);
    }
    Wide unit;
    std::memcpy(&unit, &pattern, sizeof unit);
    const Run run(loop.data[0], loop.numel * static_cast<std::int64_t>(sizeof number));
    launch_over(run.steps, &fill_run_kernel, run, static_cast<std::uint8_t*>(loop.data[0]), unit, pattern);
  });
}

void where(DType dtype, const Loop& given) {
  const Loop loop = in_memory_order(given);
  dispatch_width(itemsize(dtype), [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(loop.numel, &where_kernel<T>, Layout<4>(loop), static_cast<T*>(loop.data[0]), Input<BoolByte>(loop, 1),
                Input<T>(loop, 2), Input<T>(loop, 3));
  });
}

}  // namespace verigrad::kernels::cuda
