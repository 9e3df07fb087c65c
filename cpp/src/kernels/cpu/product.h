// Products of floating-point matrices that fit into caches, by tiles of registers.
#pragma once

#include <cstdint>

namespace verigrad::kernels::cpu {

/// c = op(a) op(b) by rows: op(a) [m, k], op(b) [k, n], c [m, n]; ld*: between rows as they are stored.
template <class T>
struct Product {
  std::int64_t m, n, k;
  const T* a;
  const T* b;
  T* c;
  std::int64_t lda, ldb, ldc;
  bool trans_a, trans_b;
  bool accumulate;  // added to what c holds
  const T* bias;    // [n], added to every row if not null
};

/// False, and nothing is done, where BLAS is better: for matrices that are large, for vectors and for few columns, and
/// for processors without fused multiply-add.
template <class T>
bool tiled_product(const Product<T>& product);

/// Columns `first` to `first + count` of op(b) [depth, n] as a panel [depth, width], with zeros behind them; `ldb`
/// between rows as they are stored.
template <class T>
void pack_panel(bool trans, const T* b, std::int64_t ldb, std::int64_t depth, std::int64_t first, std::int64_t count,
                std::int64_t width, T* panel);

}  // namespace verigrad::kernels::cpu
