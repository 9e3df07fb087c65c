// Running sums, products and extremes along one dimension. A line is one task, so that its order is always the same.
#include "kernels/scans.h"

#include <type_traits>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using One = std::integral_constant<std::int64_t, 1>;
using Rows = std::integral_constant<std::int64_t, boundary::scan_rows>;

/// Calls f(offset of the first element, lines, distance between them) for groups of lines: neighbouring columns, or,
/// where the scan runs along the last dimension, rows.
template <class F>
void for_each_group(const Scan& s, const F& f) {
  const std::int64_t numel = s.outer * s.size * s.inner;
  if (s.inner == 1) {
    const std::int64_t grain = numel < kSerialElements ? s.outer : std::max<std::int64_t>(1, kGrainElements / s.size);
    return parallel_for(s.outer, grain, [&](std::int64_t begin, std::int64_t end) {
      std::int64_t row = begin;
      for (; row + Rows::value <= end; row += Rows::value) f(row * s.size, Rows{}, s.size);
      for (; row < end; ++row) f(row * s.size, One{}, s.size);
    });
  }
  const std::int64_t wide = std::min(s.inner, boundary::scan_columns), per_row = (s.inner - 1) / wide + 1;
  const std::int64_t work = s.size * wide, blocks = s.outer * per_row;
  const std::int64_t grain = numel < kSerialElements ? blocks : std::max<std::int64_t>(1, kGrainElements / work);
  parallel_for(blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t column = b % per_row * wide;
      f(b / per_row * s.size * s.inner + column, std::min(wide, s.inner - column), One{});
    }
  });
}

template <class Formula, class T>
void run(const Scan& s) {
  using State = typename Formula::template State<T>;
  const T* in = static_cast<const T*>(s.in);
  const T* factor = static_cast<const T*>(s.factor);
  T* out = static_cast<T*>(s.out);
  const std::int64_t step = s.reverse ? -s.inner : s.inner, first = s.reverse ? (s.size - 1) * s.inner : 0;
  for_each_group(s, [&](std::int64_t offset, auto lines, auto apart) {
    State carried[boundary::scan_columns];
    for (std::int64_t j = 0; j < lines; ++j) carried[j] = Formula::template nothing<T>();
    std::int64_t at = offset + first;
    for (std::int64_t i = 0; i < s.size; ++i, at += step) {
      for (std::int64_t j = 0; j < lines; ++j) {
        carried[j] = Formula::join(carried[j], Formula::load(in, factor, at + j * apart));
        out[at + j * apart] = static_cast<T>(Formula::result(carried[j]));
      }
    }
  });
}

template <bool kGreatest, class T>
void run_extremum(const Scan& s) {
  const auto* in = static_cast<const Stored<T>*>(s.in);
  T* out = static_cast<T*>(s.out);
  for_each_group(s, [&](std::int64_t offset, auto lines, auto apart) {
    std::int64_t place[boundary::scan_columns];
    T best[boundary::scan_columns];
    for (std::int64_t j = 0; j < lines; ++j) {
      place[j] = 0;
      best[j] = in[offset + j * apart];
    }
    std::int64_t at = offset;
    for (std::int64_t i = 0; i < s.size; ++i, at += s.inner) {
      for (std::int64_t j = 0; j < lines; ++j) {
        const T x = in[at + j * apart];
        const bool take = supersedes<kGreatest, T>(x, best[j]);
        place[j] = take ? i : place[j];
        best[j] = take ? x : best[j];
        out[at + j * apart] = best[j];
        s.index[at + j * apart] = place[j];
      }
    }
  });
}

}  // namespace

void scan(ScanOp op, DType dtype, const Scan& s) {
  if (op == ScanOp::max || op == ScanOp::min) {
    return dispatch(
        dtype, [&]<class T>(TypeTag<T>) { op == ScanOp::max ? run_extremum<true, T>(s) : run_extremum<false, T>(s); });
  }
  if (op == ScanOp::log_sum || op == ScanOp::recurrence) {
    return dispatch_floating("scan", dtype, [&]<class T>(TypeTag<T>) {
      op == ScanOp::log_sum ? run<RunningLogSum, T>(s) : run<RunningRecurrence, T>(s);
    });
  }
  const auto all = [&]<class T>(TypeTag<T>) { op == ScanOp::sum ? run<RunningSum, T>(s) : run<RunningProduct, T>(s); };
  dtype == DType::Int64 ? all(TypeTag<std::int64_t>{}) : dispatch_floating("scan", dtype, all);
}

}  // namespace verigrad::kernels::cpu
