// Matrix products on a CUDA device: of floats by cuBLAS, of integers, and what cuBLAS cannot express, by a tiled
// kernel.
//
// cuBLAS adds no bias. The row is put into C first, and the product is added to it: C is then only written, while a
// kernel after the product would wait for it and read and write C once more.
#include <type_traits>

#include "kernels/cuda/blas.cuh"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/shared.cuh"
#include "kernels/functors.h"

namespace verigrad::kernels::cuda {
namespace {

// ---- what C holds before the product ------------------------------------------------------------------------------

template <class T>
__global__ void start_kernel(Layout<2> layout, T* c, const T* bias, bool accumulate) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[2];
    layout.offsets(i, at);
    const T value = bias ? bias[at[1]] : T(0);
    c[at[0]] = accumulate ? c[at[0]] + value : value;
  });
}

/// C = bias or 0, or C + bias.
template <class T>
void start(const Gemm& g) {
  const bool dense = g.batch == 1 || g.stride_c == g.m * g.ldc;  // rows of all matrices at one distance
  const Dims strides[2] = {dense ? Dims{g.ldc, 1} : Dims{g.stride_c, g.ldc, 1}, dense ? Dims{0, 1} : Dims{0, 0, 1}};
  const std::int64_t numel = g.batch * g.m * g.n;
  launch_over(numel, &start_kernel<T>,
              Layout<2>(dense ? Dims{g.batch * g.m, g.n} : Dims{g.batch, g.m, g.n}, strides, numel),
              static_cast<T*>(g.c), static_cast<const T*>(g.bias), g.accumulate);
}

// ---- the tiled product --------------------------------------------------------------------------------------------

/// A block computes a tile of kTile x kTile results, kDepth products at a time; a thread has kResults x kResults of
/// them, kSide apart, so that neighbours read and write neighbours.
constexpr int kTile = boundary::cuda_gemm_tile, kDepth = boundary::cuda_gemm_depth, kSide = boundary::cuda_gemm_side;
constexpr int kResults = kTile / kSide;
constexpr int kPitch = kTile + 1;  // a column of the tile lies in all banks
static_assert(kSide * kSide == kThreads);
/// Blocks of the grid, some for each processor of any device; each takes every so many tiles.
constexpr std::int64_t kTileBlocks = boundary::cuda_gemm_blocks;

/// Where a matrix, as it enters the product, has its elements.
struct Matrix {
  std::int64_t row, column, batch;
};

template <class T>
struct Tiled {
  std::int64_t m, n, k;
  const Stored<T>* a;
  const Stored<T>* b;
  Stored<T>* c;
  Matrix in_a, in_b, in_c;
  const Stored<T>* bias;
  bool accumulate;
  std::int64_t column_tiles, tiles_of_matrix, tiles;
};

/// What sums are made in: the type, but a byte's sum needs no masks at each step.
template <class T>
using Sum = std::conditional_t<std::is_same_v<T, std::uint8_t>, std::uint32_t, T>;

template <class T>
__global__ void tiled_kernel(Tiled<T> p) {
  VG_SHARED(Stored<T>, a_tile, kDepth * kPitch);
  VG_SHARED(Stored<T>, b_tile, kDepth * kPitch);
  const int thread = static_cast<int>(threadIdx.x), tx = thread % kSide, ty = thread / kSide;
  for (std::int64_t tile = blockIdx.x; tile < p.tiles; tile += gridDim.x) {
    const std::int64_t batch = tile / p.tiles_of_matrix, in_matrix = tile % p.tiles_of_matrix;
    const std::int64_t first_row = in_matrix / p.column_tiles * kTile,
                       first_column = in_matrix % p.column_tiles * kTile;
    const Stored<T>* a = p.a + batch * p.in_a.batch;
    const Stored<T>* b = p.b + batch * p.in_b.batch;
    Stored<T>* c = p.c + batch * p.in_c.batch;
    Sum<T> sums[kResults][kResults];
    for (int r = 0; r < kResults; ++r) {
      for (int s = 0; s < kResults; ++s) {
        const std::int64_t i = first_row + ty + r * kSide, j = first_column + tx + s * kSide;
        Sum<T> value = 0;
        if (i < p.m && j < p.n) {
          if (p.accumulate) value = c[i * p.in_c.row + j];
          if (p.bias) value = functors::add()(value, Sum<T>(p.bias[j]));
        }
        sums[r][s] = value;
      }
    }
    for (std::int64_t depth = 0; depth < p.k; depth += kDepth) {
      // Neighbouring threads read along the rows of what is stored.
      for (int e = thread; e < kTile * kDepth; e += kThreads) {
        const int i = p.in_a.row == 1 ? e % kTile : e / kDepth, d = p.in_a.row == 1 ? e / kTile : e % kDepth;
        const bool inside = first_row + i < p.m && depth + d < p.k;
        a_tile[d * kPitch + i] =
            inside ? a[(first_row + i) * p.in_a.row + (depth + d) * p.in_a.column] : Stored<T>(T(0));
      }
      for (int e = thread; e < kTile * kDepth; e += kThreads) {
        const int j = p.in_b.column == 1 ? e % kTile : e / kDepth, d = p.in_b.column == 1 ? e / kTile : e % kDepth;
        const bool inside = first_column + j < p.n && depth + d < p.k;
        b_tile[d * kPitch + j] =
            inside ? b[(depth + d) * p.in_b.row + (first_column + j) * p.in_b.column] : Stored<T>(T(0));
      }
      __syncthreads();
      for (int d = 0; d < kDepth; ++d) {
        Sum<T> left[kResults], right[kResults];
        for (int r = 0; r < kResults; ++r) {
          left[r] = a_tile[d * kPitch + ty + r * kSide];
          right[r] = b_tile[d * kPitch + tx + r * kSide];
        }
        for (int r = 0; r < kResults; ++r) {
          for (int s = 0; s < kResults; ++s) {
            sums[r][s] = functors::add()(sums[r][s], functors::mul()(left[r], right[s]));
          }
        }
      }
      __syncthreads();
    }
    for (int r = 0; r < kResults; ++r) {
      for (int s = 0; s < kResults; ++s) {
        const std::int64_t i = first_row + ty + r * kSide, j = first_column + tx + s * kSide;
        if (i < p.m && j < p.n) c[i * p.in_c.row + j] = static_cast<T>(sums[r][s]);
      }
    }
  }
}

template <class T>
void tiled(const Gemm& g) {
  const auto tiles = [](std::int64_t n) { return (n + kTile - 1) / kTile; };
  Tiled<T> p;
  p.m = g.m;
  p.n = g.n;
  p.k = g.k;
  p.a = static_cast<const Stored<T>*>(g.a);
  p.b = static_cast<const Stored<T>*>(g.b);
  p.c = static_cast<Stored<T>*>(g.c);
  p.in_a = {g.trans_a ? 1 : g.lda, g.trans_a ? g.lda : 1, g.stride_a};
  p.in_b = {g.trans_b ? 1 : g.ldb, g.trans_b ? g.ldb : 1, g.stride_b};
  p.in_c = {g.ldc, 1, g.stride_c};
  p.bias = static_cast<const Stored<T>*>(g.bias);
  p.accumulate = g.accumulate;
  p.column_tiles = tiles(g.n);
  p.tiles_of_matrix = tiles(g.m) * p.column_tiles;
  p.tiles = g.batch * p.tiles_of_matrix;
  launch(dim3(static_cast<unsigned>(std::min(p.tiles, kTileBlocks))), dim3(kThreads), &tiled_kernel<T>, p);
}

template <class T>
void run(const Gemm& g) {
  if constexpr (std::is_floating_point_v<T>) {
    Gemm rest = g;
    if (g.bias || (g.k == 0 && !g.accumulate)) {
      start<T>(g);
      rest.bias = nullptr;
      rest.accumulate = true;
    }
    if (g.k == 0 || blas_product<T>(rest)) return;
    tiled<T>(rest);
  } else {
    tiled<T>(g);
  }
}

}  // namespace

void gemm(DType dtype, const Gemm& g) {
  dispatch(dtype, [&](auto tag) { run<typename decltype(tag)::type>(g); });
}

}  // namespace verigrad::kernels::cuda
