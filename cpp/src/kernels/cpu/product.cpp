// The right factor is packed into panels as wide as a tile (OpenBLAS packs both factors, and fills the output before);
// the left one is read where it is, each element once per panel. How a product is cut depends on its shape alone.
#include "kernels/cpu/product.h"

#include <algorithm>

#include "kernels/boundaries.h"
#include "kernels/cpu/micro_kernel.h"
#include "kernels/cpu/workspace.h"

namespace verigrad::kernels::cpu {
namespace {

constexpr std::int64_t kDepth = boundary::gemm_depth;

/// Columns from `first` on, for one kernel.
template <class T>
struct Columns {
  std::int64_t first = 0, count = 0;
  PanelKernel<T> kernel;  // of whole tiles
};

template <class T>
Columns<T> columns_from(const Product<T>& g, std::int64_t first) {
  Columns<T> c{first, 0, product_kernel<T>(g.m, g.n - first)};
  c.count = std::min(c.kernel.columns, g.n - first);
  return c;
}

/// One kernel's share of rows: whole columns go to the output, others by way of `edge`.
template <class T>
void run_tile(const Product<T>& g, const Columns<T>& c, const PanelKernel<T>& kernel, std::int64_t row, std::int64_t p,
              std::int64_t depth, const T* panel, const T* bias, T* edge) {
  const T* a = g.a + (g.trans_a ? p * g.lda + row : row * g.lda + p);
  const std::int64_t down = g.trans_a ? 1 : g.lda, along = g.trans_a ? g.lda : 1;
  T* to = g.c + row * g.ldc + c.first;
  const bool add = g.accumulate || p > 0;
  if (c.count == kernel.columns) return kernel.run(depth, a, down, along, panel, to, g.ldc, bias, add);
  if (add) {
    for (std::int64_t i = 0; i < kernel.rows; ++i) std::copy_n(to + i * g.ldc, c.count, edge + i * kernel.columns);
  }
  kernel.run(depth, a, down, along, panel, edge, kernel.columns, bias, add);
  for (std::int64_t i = 0; i < kernel.rows; ++i) std::copy_n(edge + i * kernel.columns, c.count, to + i * g.ldc);
}

}  // namespace

template <class T>
void pack_panel(bool trans, const T* b, std::int64_t ldb, std::int64_t depth, std::int64_t first, std::int64_t count,
                std::int64_t width, T* panel) {
  if (trans) {
    transpose_kernel<T>()(b + first * ldb, ldb, depth, count, panel, width);
  } else {
    for (std::int64_t p = 0; p < depth; ++p) std::copy_n(b + p * ldb + first, count, panel + p * width);
  }
  if (count == width) return;
  for (std::int64_t p = 0; p < depth; ++p) std::fill(panel + p * width + count, panel + (p + 1) * width, T(0));
}

template <class T>
bool tiled_product(const Product<T>& g) {
  const std::int64_t bytes = static_cast<std::int64_t>(sizeof(T));
  if (g.m < 2 || g.n < 2 || g.k < 1) return false;
  if (g.k > boundary::gemm_blas_bytes / bytes / (g.m + g.n)) return false;
  Columns<T> c = columns_from(g, 0);
  if (!c.kernel.run || c.count * 5 < c.kernel.columns * 4) return false;
  const std::int64_t width = c.kernel.columns, most_rows = product_kernel<T>(g.m, 1).rows;
  const Workspace<T> memory((std::min(g.k, kDepth) + most_rows + 1) * width);
  T* panel = memory.get();
  T* edge = panel + std::min(g.k, kDepth) * width;
  T* padded = edge + most_rows * width;
  for (std::int64_t p = 0; p < g.k; p += kDepth) {
    const std::int64_t depth = std::min(kDepth, g.k - p);
    for (c = columns_from(g, 0);; c = columns_from(g, c.first + c.count)) {
      pack_panel(g.trans_b, g.b + (g.trans_b ? p : p * g.ldb), g.ldb, depth, c.first, c.count, c.kernel.columns, panel);
      const T* bias = p == 0 && g.bias ? g.bias + c.first : nullptr;
      if (bias && c.count < c.kernel.columns) {
        std::copy_n(bias, c.count, padded);
        bias = padded;
      }
      std::int64_t row = 0;
      for (; row + c.kernel.rows <= g.m; row += c.kernel.rows) {
        run_tile(g, c, c.kernel, row, p, depth, panel, bias, edge);
      }
      if (row < g.m) run_tile(g, c, product_kernel<T>(g.m - row, c.count), row, p, depth, panel, bias, edge);
      if (c.first + c.count == g.n) break;
    }
  }
  return true;
}

template void pack_panel(bool, const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         float*);
template void pack_panel(bool, const double*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         double*);
template bool tiled_product(const Product<float>&);
template bool tiled_product(const Product<double>&);

}  // namespace verigrad::kernels::cpu
