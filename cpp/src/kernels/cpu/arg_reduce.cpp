// argmax and argmin, and max and min with positions. The first of equal values wins, and the first NaN wins over all.
#include <type_traits>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reduce_loops.h"
#include "kernels/reduce_dispatch.h"
#include "kernels/reduce_plan.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// Position of the first element equal to `value` (NaN: the first NaN), which is among them.
template <class T>
struct FindFirst {
  VG_INLINE static void run(const Stored<T>* p, std::int64_t n, T value, std::int64_t* position) {
    constexpr std::int64_t kStep = boundary::extremum_step;
    std::int64_t i = 0;
    for (; i + kStep <= n; i += kStep) {
      std::uint8_t found = 0;
      for (std::int64_t j = 0; j < kStep; ++j) found |= static_cast<std::uint8_t>(same(p[i + j], value));
      if (found != 0) break;
    }
    while (i < n - 1 && !same(p[i], value)) ++i;
    *position = i;
  }
  VG_INLINE static bool same(T x, T value) { return (x == value) | ((x != x) & (value != value)); }
};

/// A contiguous run: the extreme value by a vector loop, then its place.
template <class Better, class T>
struct ExtremumRun {
  VG_INLINE static void run(const Stored<T>* p, std::int64_t n, Best<T>* best) {
    best->value = reduce_run<typename Better::Reduce, T>(p, n);
    FindFirst<T>::run(p, n, best->value, &best->index);
  }
};

/// Many columns at once, row by row.
template <class Better, class T>
struct ExtremumColumns {
  VG_INLINE static void run(const Stored<T>* p, std::int64_t columns, std::int64_t rows, std::int64_t stride, T* value,
                            std::int64_t* index) {
    const Better better;
    for (std::int64_t j = 0; j < columns; ++j) {
      value[j] = p[j];
      index[j] = 0;
    }
    for (std::int64_t r = 1; r < rows; ++r) {
      const Stored<T>* row = p + r * stride;
      for (std::int64_t j = 0; j < columns; ++j) {
        const T x = row[j];
        const bool take = better(x, value[j]);
        value[j] = take ? x : value[j];
        index[j] = take ? r : index[j];
      }
    }
  }
};

/// Elements [begin, end) of the reduced index space.
template <class Better, class T>
Best<T> scan(const ReducePlan& plan, const Stored<T>* p, std::int64_t begin, std::int64_t end) {
  const Better better;
  const std::int64_t inner = plan.reduced_inner, stride = plan.reduced_stride;
  Best<T> best{p[plan.reduced.offset(plan.reduced.in, begin)], begin};
  for (std::int64_t i = begin; i < end;) {
    const std::int64_t count = std::min(end - i, inner - i % inner);
    const Stored<T>* q = p + plan.reduced.offset(plan.reduced.in, i);
    if (stride == 1 && count >= boundary::extremum_run) {
      Best<T> candidate;
      simd_run<ExtremumRun<Better, T>>(q, count, &candidate);
      if (better(candidate.value, best.value)) best = {candidate.value, i + candidate.index};
    } else {
      for (std::int64_t j = 0; j < count; ++j) {
        const T x = q[j * stride];
        if (better(x, best.value)) best = {x, i + j};
      }
    }
    i += count;
  }
  return best;
}

template <class Better, class T>
void run(const Reduction& reduction) {
  const ReducePlan plan = make_plan(reduction, true);
  const auto* in = static_cast<const Stored<T>*>(reduction.in);
  T* values = static_cast<T*>(reduction.out);
  const std::int64_t total = plan.kept_numel * plan.reduced_numel;
  const auto store = [&](std::int64_t k, T value, std::int64_t index) {
    const std::int64_t at = plan.kept.offset(plan.kept.out, k);
    if (values) values[at] = value;
    reduction.index[at] = index;
  };
  if (plan.kept_stride == 1 && plan.kept_inner > 1 && plan.reduced.sizes.size() == 1 && plan.reduced_stride != 1) {
    constexpr std::int64_t kBlock = boundary::extremum_block;
    const std::int64_t per_line = (plan.kept_inner - 1) / kBlock + 1;
    const std::int64_t items = plan.kept_numel / plan.kept_inner * per_line;
    const std::int64_t work = std::min(plan.kept_inner, kBlock) * plan.reduced_numel;
    const std::int64_t grain = total < kSerialElements ? items : std::max<std::int64_t>(1, kGrainElements / work);
    parallel_for(items, grain, [&](std::int64_t begin, std::int64_t end) {
      T value[kBlock];
      std::int64_t index[kBlock];
      for (std::int64_t item = begin; item < end; ++item) {
        const std::int64_t first = item % per_line * kBlock;
        const std::int64_t k = item / per_line * plan.kept_inner + first;
        const std::int64_t columns = std::min(plan.kept_inner - first, kBlock);
        const Stored<T>* p = in + plan.kept.offset(plan.kept.in, k);
        simd_run<ExtremumColumns<Better, T>>(p, columns, plan.reduced_inner, plan.reduced_stride, +value, +index);
        for (std::int64_t j = 0; j < columns; ++j) store(k + j, value[j], index[j]);
      }
    });
    return;
  }
  if (total < kSerialElements || plan.kept_numel >= boundary::many_items) {
    const std::int64_t grain =
        total < kSerialElements ? plan.kept_numel : std::max<std::int64_t>(1, kGrainElements / plan.reduced_numel);
    parallel_for(plan.kept_numel, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const Best<T> best =
            scan<Better, T>(plan, in + plan.kept.offset(plan.kept.in, k), std::int64_t{0}, plan.reduced_numel);
        store(k, best.value, best.index);
      }
    });
    return;
  }
  const std::int64_t chunks = (plan.reduced_numel - 1) / kGrainElements + 1;
  std::vector<Best<T>> partial(static_cast<std::size_t>(plan.kept_numel * chunks));
  parallel_for(plan.kept_numel * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % chunks * kGrainElements;
      partial[static_cast<std::size_t>(i)] =
          scan<Better, T>(plan, in + plan.kept.offset(plan.kept.in, i / chunks), first,
                          std::min(plan.reduced_numel, first + kGrainElements));
    }
  });
  for (std::int64_t k = 0; k < plan.kept_numel; ++k) {
    const Best<T>* candidates = partial.data() + k * chunks;
    Best<T> best = candidates[0];
    for (std::int64_t c = 1; c < chunks; ++c) {
      if (Better()(candidates[c].value, best.value)) best = candidates[c];
    }
    store(k, best.value, best.index);
  }
}

}  // namespace

void extremum_with_index(ReduceOp op, DType dtype, const Reduction& reduction) {
  dispatch_extremum(op, dtype, [&]<class Better, class T>(Sought<Better, T>) { run<Better, T>(reduction); });
}

void arg_reduce(ArgReduceOp op, DType in, const Reduction& reduction) {
  extremum_with_index(extremum_of(op), in, positions_of(reduction));
}

}  // namespace verigrad::kernels::cpu
