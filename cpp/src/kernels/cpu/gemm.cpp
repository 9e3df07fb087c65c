// Matrix products. Floats go to tiles of registers (product.h) or, where those are too large for caches, to CBLAS, one
// thread per call; integers have a plain blocked loop.
//
// A large product is cut into tiles of the output. The cut depends on the shape alone and is made with one thread as
// well, so that any number of threads gives the same bits. For BLAS the tile starts as the bias (or zero), and the
// product is added.
#include <algorithm>
#include <climits>
#include <memory>
#include <type_traits>

#include "kernels/cpu/cblas.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/product.h"
#include "kernels/functors.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// Multiply-adds below which a product is one tile (4 MFLOP), and what a tile should have at least.
constexpr double kSerialWork = boundary::gemm_serial_work;
constexpr double kTileWork = boundary::gemm_tile_work;

struct Tiling {
  std::int64_t rows, columns;  // of a tile
  std::int64_t row_tiles, column_tiles;
  std::int64_t tiles() const { return row_tiles * column_tiles; }
};

std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n - 1) / by + 1; }

/// Nearly equal parts, each a multiple of `unit` except the last.
std::int64_t part_size(std::int64_t n, std::int64_t parts, std::int64_t unit) {
  return std::min(n, divide_up(divide_up(n, parts), unit) * unit);
}

Tiling make_tiling(const Gemm& g) {
  const double work = static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  Tiling t{g.m, g.n, 1, 1};
  if (work > kSerialWork) {
    // The longer side is halved: square tiles read the least memory for their work. Sixteen tiles of 128 or more are
    // wanted; beyond that tiles stay at 256, below which packing costs BLAS a tenth.
    const double most = std::min(static_cast<double>(boundary::gemm_most_tiles), work / kTileWork);
    for (double tiles = 2; tiles <= most; tiles *= 2) {
      const std::int64_t longest = std::max(t.rows, t.columns);
      if (longest <
          (tiles <= boundary::gemm_few_tiles ? boundary::gemm_few_tiles_side : boundary::gemm_many_tiles_side)) {
        break;
      }
      if (t.rows >= t.columns) {
        t.rows = part_size(g.m, divide_up(g.m, t.rows) * 2, boundary::gemm_tile_unit);
      } else {
        t.columns = part_size(g.n, divide_up(g.n, t.columns) * 2, boundary::gemm_tile_unit);
      }
    }
  }
  // CBLAS takes int.
  t.rows = std::min<std::int64_t>(t.rows, 1 << 30);
  t.columns = std::min<std::int64_t>(t.columns, 1 << 30);
  t.row_tiles = divide_up(g.m, t.rows);
  t.column_tiles = divide_up(g.n, t.columns);
  return t;
}

/// c = bias or 0, unless the product is added to what is there.
template <class T>
void start_tile(const Product<T>& t) {
  for (std::int64_t i = 0; i < t.m; ++i) {
    T* row = t.c + i * t.ldc;
    if (t.accumulate) {
      if (!t.bias) return;
      for (std::int64_t j = 0; j < t.n; ++j) row[j] = functors::add()(row[j], t.bias[j]);
    } else if (t.bias) {
      std::copy_n(t.bias, t.n, row);
    } else {
      std::fill_n(row, t.n, T(0));
    }
  }
}

/// row[j] += x * b[j]
template <class T>
struct AddScaledRow {
  VG_INLINE static void run(T* row, const T* b, T x, std::int64_t n) {
    for (std::int64_t j = 0; j < n; ++j) row[j] = functors::add()(row[j], functors::mul()(x, b[j]));
  }
};

/// The plain product, for types and strides that CBLAS does not take: a block of B is gathered by rows, then each row
/// of A goes over it.
template <class T>
void plain_product(const Product<T>& t) {
  constexpr std::int64_t kRows = boundary::gemm_plain_rows, kColumns = boundary::gemm_plain_columns;
  const std::unique_ptr<T[]> block(new T[kRows * kColumns]);
  const std::int64_t a_row = t.trans_a ? 1 : t.lda, a_column = t.trans_a ? t.lda : 1;
  const std::int64_t b_row = t.trans_b ? 1 : t.ldb, b_column = t.trans_b ? t.ldb : 1;
  for (std::int64_t j = 0; j < t.n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, t.n - j);
    for (std::int64_t p = 0; p < t.k; p += kRows) {
      const std::int64_t rows = std::min(kRows, t.k - p);
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          block[static_cast<std::size_t>(r * kColumns + c)] = t.b[(p + r) * b_row + (j + c) * b_column];
        }
      }
      for (std::int64_t i = 0; i < t.m; ++i) {
        for (std::int64_t r = 0; r < rows; ++r) {
          simd_run<AddScaledRow<T>, T*, const T*, T, std::int64_t>(t.c + i * t.ldc + j, block.get() + r * kColumns,
                                                                   t.a[i * a_row + (p + r) * a_column], columns);
        }
      }
    }
  }
}

/// A leading dimension for CBLAS, which wants at least the row length also where there is a single row.
bool leading(std::int64_t rows, std::int64_t columns, std::int64_t ld, int& out) {
  const std::int64_t least = std::max<std::int64_t>(1, columns);
  const std::int64_t value = rows > 1 ? ld : std::max(least, std::min<std::int64_t>(ld, INT_MAX));
  if (value < least || value > INT_MAX) return false;
  out = static_cast<int>(value);
  return true;
}

/// False where CBLAS cannot express the strides.
template <class T>
bool blas_product(const Product<T>& t) {
  constexpr std::int64_t kMaxK = 1 << 30;
  const std::int64_t k = std::min(t.k, kMaxK);
  int lda, ldb, ldc;
  if (!leading(t.trans_a ? k : t.m, t.trans_a ? t.m : k, t.lda, lda)) return false;
  if (!leading(t.trans_b ? t.n : k, t.trans_b ? k : t.n, t.ldb, ldb)) return false;
  if (!leading(t.m, t.n, t.ldc, ldc)) return false;
  const int m = static_cast<int>(t.m), n = static_cast<int>(t.n);
  for (std::int64_t p = 0; p < t.k; p += kMaxK) {
    const int depth = static_cast<int>(std::min(kMaxK, t.k - p));
    const T* a = t.a + (t.trans_a ? p * t.lda : p);
    const T* b = t.b + (t.trans_b ? p : p * t.ldb);
    if (n == 1) {
      const int step = t.trans_b ? 1 : ldb;
      cblas_gemv(t.trans_a, t.trans_a ? depth : m, t.trans_a ? m : depth, a, lda, b, step, t.c, ldc);
    } else if (m == 1) {
      const int step = t.trans_a ? lda : 1;
      cblas_gemv(!t.trans_b, t.trans_b ? n : depth, t.trans_b ? depth : n, b, ldb, a, step, t.c, 1);
    } else {
      cblas_gemm(t.trans_a, t.trans_b, m, n, depth, a, lda, b, ldb, T(1), t.c, ldc);
    }
  }
  return true;
}

template <class T>
void run_tile(const Product<T>& t) {
  if constexpr (std::is_floating_point_v<T>) {
    if (tiled_product(t)) return;
  }
  start_tile(t);
  if constexpr (std::is_floating_point_v<T>) {
    if (blas_product(t)) return;
  }
  plain_product(t);
}

template <class T>
void run(const Gemm& g) {
  const Tiling tiling = make_tiling(g);
  const std::int64_t count = g.batch * tiling.tiles();
  const double work =
      static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(std::max<std::int64_t>(g.k, 1));
  const double tile_work = work / static_cast<double>(tiling.tiles());
  std::int64_t grain = count;
  if (work * static_cast<double>(g.batch) > kSerialWork) {
    grain = std::max<std::int64_t>(1, static_cast<std::int64_t>(kTileWork / 2 / tile_work));
  }
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t batch = i / tiling.tiles(), tile = i % tiling.tiles();
      const std::int64_t row = tile / tiling.column_tiles * tiling.rows;
      const std::int64_t column = tile % tiling.column_tiles * tiling.columns;
      Product<T> t;
      t.m = std::min(tiling.rows, g.m - row);
      t.n = std::min(tiling.columns, g.n - column);
      t.k = g.k;
      t.a = static_cast<const T*>(g.a) + batch * g.stride_a + (g.trans_a ? row : row * g.lda);
      t.b = static_cast<const T*>(g.b) + batch * g.stride_b + (g.trans_b ? column * g.ldb : column);
      t.c = static_cast<T*>(g.c) + batch * g.stride_c + row * g.ldc + column;
      t.lda = g.lda;
      t.ldb = g.ldb;
      t.ldc = g.ldc;
      t.trans_a = g.trans_a;
      t.trans_b = g.trans_b;
      t.accumulate = g.accumulate;
      t.bias = g.bias ? static_cast<const T*>(g.bias) + column : nullptr;
      run_tile(t);
    }
  });
}

}  // namespace

void gemm(DType dtype, const Gemm& g) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { run<T>(g); });
}

}  // namespace verigrad::kernels::cpu
