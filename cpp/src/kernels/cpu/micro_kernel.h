// The innermost tiles of products, convolution and recurrent layers, kept in registers.
//
// Three forms, so that no operand has to be transposed:
//   outer: c[i][j] = start + sum over p of a[p][i] b[p][j], panels packed by p, vectors along j;
//   panel: c[i][j] = start + sum over p of a[i][p] b[p][j], a with any strides, b packed by p, vectors along j;
//   dot:   c[i][j] += sum over l of a[i][l] b[j][l], vectors along l.
// They use fused multiply-add where the processor has it, so their last bits depend on the instruction set, as those of
// BLAS do. They never depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/boundaries.h"

namespace verigrad::kernels::cpu {

/// Bytes to which panels are aligned, and which may be read and written past the end of a panel's rows.
inline constexpr std::int64_t kPanelBytes = boundary::panel_bytes;
/// Rows and columns that no outer tile exceeds.
inline constexpr std::int64_t kMostRows = std::max(boundary::outer_wide_avx512_rows, boundary::outer_tall_avx512_rows);
inline constexpr std::int64_t kMostColumns =
    std::max(boundary::outer_wide_avx512_columns, boundary::outer_tall_avx512_columns) * boundary::vector_bytes_avx512 /
    std::int64_t{sizeof(float)};

template <class T>
struct OuterKernel {
  std::int64_t rows = 0, columns = 0;
  /// a [depth, rows], b [depth, columns], c with `ldc` between rows. c = start[row] + sum, or c += sum if `start` is
  /// null.
  void (*run)(std::int64_t depth, const T* a, const T* b, T* c, std::int64_t ldc, const T* start) = nullptr;
  /// The same with row p of b at b + offset[p].
  void (*run_at)(std::int64_t depth, const T* a, const T* b, const std::int64_t* offset, T* c, std::int64_t ldc,
                 const T* start) = nullptr;
};

/// The kernel that wastes least on a matrix of so many rows.
template <class T>
OuterKernel<T> outer_kernel(std::int64_t rows);

template <class T>
struct DotKernel {
  std::int64_t rows = 0, columns = 0;
  /// `length` is a multiple of kPanelBytes / sizeof(T).
  void (*run)(std::int64_t length, const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T* c,
              std::int64_t ldc) = nullptr;
};

template <class T>
DotKernel<T> dot_kernel(std::int64_t rows);

template <class T>
struct PanelKernel {
  std::int64_t rows = 0, columns = 0;
  /// a[i][p] at i row + p step, b [depth, columns], c with `ldc` between rows. The sum starts with 0, or with
  /// bias[columns] if that is not null, and is added to c if `add`.
  void (*run)(std::int64_t depth, const T* a, std::int64_t row, std::int64_t step, const T* b, T* c, std::int64_t ldc,
              const T* bias, bool add) = nullptr;
};

/// For the steps of a recurrent layer.
template <class T>
PanelKernel<T> step_kernel();

/// The widest tile of products for so many columns, and of that width the highest for so many rows; both at least 1.
/// One without `run` where there is none for the processor.
template <class T>
PanelKernel<T> product_kernel(std::int64_t rows, std::int64_t columns);

/// to[p][j] = from[j][p] for `rows` values of p and `columns` of j; `distance` between rows of `from`, `pitch` of `to`.
template <class T>
using TransposeKernel = void (*)(const T* from, std::int64_t distance, std::int64_t rows, std::int64_t columns, T* to,
                                 std::int64_t pitch);
template <class T>
TransposeKernel<T> transpose_kernel();

/// Copies runs of pixels: for every tap k and run r, run[r].count elements from source + offset[k] + run[r].from to
/// panel + k * pitch + run[r].to. The runs of a tap follow each other in `to`. Whole vectors are copied: what is too
/// much is overwritten by the next run or the next tap, or belongs to no pixel.
struct Run {
  std::int64_t from, to, count;
};
template <class T>
using PackKernel = void (*)(const T* source, const std::int64_t* offset, std::int64_t taps, const Run* runs,
                            std::int64_t count, T* panel, std::int64_t pitch);
template <class T>
PackKernel<T> pack_kernel();

}  // namespace verigrad::kernels::cpu
