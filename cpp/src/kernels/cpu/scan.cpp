// Running sums, products and extremes along one dimension. A line is one task, so that its order is always the same.
#include "kernels/scans.h"

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// Blocks of neighbouring lines; f(offset of the block's first element, its lines).
template <class F>
void for_each_block(const Scan& s, const F& f) {
  const std::int64_t wide = std::min(s.inner, boundary::scan_columns), per_row = (s.inner - 1) / wide + 1;
  const std::int64_t numel = s.outer * s.size * s.inner, work = s.size * wide;
  const std::int64_t blocks = s.outer * per_row;
  const std::int64_t grain = numel < kSerialElements ? blocks : std::max<std::int64_t>(1, kGrainElements / work);
  parallel_for(blocks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t column = b % per_row * wide;
      f(b / per_row * s.size * s.inner + column, std::min(wide, s.inner - column));
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
  for_each_block(s, [&](std::int64_t offset, std::int64_t lines) {
    std::int64_t at = offset + first;
    if (s.inner == 1) {
      State one = Formula::template nothing<T>();
      for (std::int64_t i = 0; i < s.size; ++i, at += step) {
        one = Formula::join(one, Formula::load(in, factor, at));
        out[at] = static_cast<T>(Formula::result(one));
      }
      return;
    }
    State carried[boundary::scan_columns];
    for (std::int64_t j = 0; j < lines; ++j) carried[j] = Formula::template nothing<T>();
    for (std::int64_t i = 0; i < s.size; ++i, at += step) {
      for (std::int64_t j = 0; j < lines; ++j) {
        carried[j] = Formula::join(carried[j], Formula::load(in, factor, at + j));
        out[at + j] = static_cast<T>(Formula::result(carried[j]));
      }
    }
  });
}

template <bool kGreatest, class T>
void run_extremum(const Scan& s) {
  const auto* in = static_cast<const Stored<T>*>(s.in);
  T* out = static_cast<T*>(s.out);
  for_each_block(s, [&](std::int64_t offset, std::int64_t lines) {
    if (s.inner == 1) {
      std::int64_t at = 0;
      T best = in[offset];
      for (std::int64_t i = 0; i < s.size; ++i) {
        const T x = in[offset + i];
        const bool take = supersedes<kGreatest, T>(x, best);
        at = take ? i : at;
        best = take ? x : best;
        out[offset + i] = best;
        s.index[offset + i] = at;
      }
      return;
    }
    std::int64_t place[boundary::scan_columns] = {};
    for (std::int64_t i = 0; i < s.size; ++i) {
      const std::int64_t at = offset + i * s.inner;
      for (std::int64_t j = 0; j < lines; ++j) {
        const T x = in[at + j], best = i == 0 ? x : out[at - s.inner + j];
        const bool take = supersedes<kGreatest, T>(x, best);
        place[j] = take ? i : place[j];
        out[at + j] = take ? x : best;
        s.index[at + j] = place[j];
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
