// sum, prod, max, min, all, any.
//
// Every result is a tree over ranges of its elements: a range is halved until a leaf is short enough for one loop.
// Large reductions to few elements are split into fixed chunks, whose results are combined in order. All bounds depend
// on the shape alone.
#include <memory>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reduce_loops.h"
#include "kernels/reduce_dispatch.h"
#include "kernels/reduce_plan.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {

// In arg_reduce.cpp.
void extremum_with_index(ReduceOp op, DType dtype, const Reduction& reduction);

namespace {

constexpr std::int64_t kBlock = boundary::reduction_block;             // results that are computed together
constexpr std::int64_t kLeafRows = boundary::reduction_leaf_rows;      // when columns are reduced
constexpr std::int64_t kLeafSegments = boundary::reduction_leaf_runs;  // innermost runs that one call takes
constexpr std::int64_t kManyItems = boundary::many_items;

std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

template <class Op, class Acc, class In>
class Reducer {
 public:
  Reducer(const ReducePlan& plan, const In* in) : plan_(plan), in_(in) {
    columns_ = plan.kept_stride == 1 && plan.kept_inner > 1 && plan.reduced_stride != 1;
  }

  template <class Out>
  void run(Out* out) const {
    // An item is a block of results; a column block does not cross the innermost kept dimension.
    const std::int64_t width = columns_ ? std::min(plan_.kept_inner, kBlock) : rows_per_item();
    const std::int64_t per_line = columns_ ? (plan_.kept_inner - 1) / width + 1 : 0;
    const std::int64_t items =
        columns_ ? plan_.kept_numel / plan_.kept_inner * per_line : (plan_.kept_numel - 1) / width + 1;
    const std::int64_t total = plan_.kept_numel * plan_.reduced_numel;
    const auto bounds = [&](std::int64_t item) {
      if (!columns_) return Range{item * width, std::min(plan_.kept_numel, (item + 1) * width)};
      const std::int64_t line = item / per_line * plan_.kept_inner, first = item % per_line * width;
      return Range{line + first, line + std::min(plan_.kept_inner, first + width)};
    };
    if (total < kSerialElements || items >= kManyItems) {
      const std::int64_t work = width * plan_.reduced_numel;
      const std::int64_t grain = total < kSerialElements ? items : std::max<std::int64_t>(1, kGrainElements / work);
      parallel_for(items, grain, [&](std::int64_t begin, std::int64_t end) {
        Acc acc[kBlock];
        for (std::int64_t item = begin; item < end; ++item) {
          const Range kept = bounds(item);
          reduce(acc, kept, 0, plan_.reduced_numel);
          store(out, acc, kept);
        }
      });
      return;
    }
    // Few results of many elements each: chunks of the reduced index space.
    const std::int64_t step =
        columns_ ? round_up(std::max<std::int64_t>(1, kGrainElements / width), boundary::reduction_row_group)
                 : kGrainElements;
    const std::int64_t chunks = (plan_.reduced_numel - 1) / step + 1;
    const std::unique_ptr<Acc[]> partial(new Acc[static_cast<std::size_t>(items * chunks * width)]);
    parallel_for(items * chunks, std::max<std::int64_t>(1, kGrainElements / (step * width)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t first = i % chunks * step;
                     reduce(partial.get() + i * width, bounds(i / chunks), first,
                            std::min(plan_.reduced_numel, first + step));
                   }
                 });
    for (std::int64_t item = 0; item < items; ++item) {
      const Range kept = bounds(item);
      Acc* sums = partial.get() + item * chunks * width;
      // Neighbours first, so that this too is a tree.
      for (std::int64_t distance = 1; distance < chunks; distance *= 2) {
        for (std::int64_t c = 0; c + distance < chunks; c += 2 * distance) {
          simd_run<CombineLoop<Op, Acc>, Acc*, const Acc*, std::int64_t>(
              sums + c * width, sums + (c + distance) * width, kept.end - kept.begin);
        }
      }
      store(out, sums, kept);
    }
  }

 private:
  struct Range {
    std::int64_t begin, end;
  };

  std::int64_t rows_per_item() const {
    // Few enough that long rows are split among threads, and many enough to amortise a call.
    return std::clamp<std::int64_t>(kGrainElements / plan_.reduced_numel, 1, kBlock);
  }

  /// acc[i] = the reduction of the elements [begin, end) of the reduced index space for kept index `kept.begin + i`.
  void reduce(Acc* acc, Range kept, std::int64_t begin, std::int64_t end) const {
    if (columns_) {
      const In* p = in_ + plan_.kept.offset(plan_.kept.in, kept.begin);
      column_tree(acc, p, kept.end - kept.begin, begin, end);
      return;
    }
    const bool whole = begin == 0 && end == plan_.reduced_numel && plan_.reduced.sizes.size() <= 1;
    for (std::int64_t k = kept.begin; k < kept.end;) {
      const In* p = in_ + plan_.kept.offset(plan_.kept.in, k);
      if (whole && plan_.reduced_stride == 1 && end <= kRun) {
        const std::int64_t rows = std::min(kept.end - k, plan_.kept_inner - k % plan_.kept_inner);
        simd_run<ReduceRows<Op, Acc, In>>(acc + (k - kept.begin), p, rows, plan_.kept_stride, end);
        k += rows;
      } else {
        acc[k - kept.begin] = element_tree(p, begin, end);
        ++k;
      }
    }
  }

  /// One piece of an innermost run.
  Acc segment(const In* p, std::int64_t n) const {
    if (plan_.reduced_stride != 1) return reduce_strided_run<Op, Acc>(p, n, plan_.reduced_stride);
    Acc result;
    simd_run<ReduceRows<Op, Acc, In>, Acc*, const In*, std::int64_t, std::int64_t, std::int64_t>(&result, p, 1, 0, n);
    return result;
  }

  Acc element_tree(const In* p, std::int64_t begin, std::int64_t end) const {
    const Op op;
    const std::int64_t n = end - begin, inner = plan_.reduced_inner;
    if (n > kRun && n > inner) {
      const std::int64_t middle = begin + round_up(n / 2, inner <= kRun ? inner : kStep);
      if (middle < end) return op(element_tree(p, begin, middle), element_tree(p, middle, end));
    } else if (n > kRun) {
      const std::int64_t middle = begin + round_up(n / 2, kStep);
      return op(element_tree(p, begin, middle), element_tree(p, middle, end));
    }
    Acc result = Op::template identity<Acc>;
    for (std::int64_t i = begin; i < end;) {
      const In* q = p + plan_.reduced.offset(plan_.reduced.in, i);
      const std::int64_t rows = whole_rows(i, end);
      if (rows > 1) {
        Acc sums[kLeafSegments];
        simd_run<ReduceRows<Op, Acc, In>>(+sums, q, rows, plan_.reduced.in[plan_.reduced.in.size() - 2], inner);
        for (std::int64_t r = 0; r < rows; ++r) result = op(result, sums[r]);
        i += rows * inner;
        continue;
      }
      const std::int64_t count = std::min(end - i, inner - i % inner);
      result = op(result, segment(q, count));
      i += count;
    }
    return result;
  }

  /// How many innermost runs from position i on lie evenly spaced, contiguous each and before `end`.
  std::int64_t whole_rows(std::int64_t i, std::int64_t end) const {
    const Dims& sizes = plan_.reduced.sizes;
    const std::int64_t inner = plan_.reduced_inner;
    if (sizes.size() < 2 || plan_.reduced_stride != 1 || i % inner != 0) return 0;
    const std::int64_t next = sizes[sizes.size() - 2];
    return std::min({(end - i) / inner, next - i / inner % next, kLeafSegments});
  }

  void column_tree(Acc* acc, const In* p, std::int64_t columns, std::int64_t begin, std::int64_t end) const {
    const std::int64_t n = end - begin;
    if (n > kLeafRows) {
      const std::int64_t middle = begin + round_up(n / 2, boundary::reduction_row_group);
      Acc right[kBlock];
      column_tree(acc, p, columns, begin, middle);
      column_tree(right, p, columns, middle, end);
      simd_run<CombineLoop<Op, Acc>, Acc*, const Acc*, std::int64_t>(acc, right, columns);
      return;
    }
    const std::int64_t inner = plan_.reduced_inner;
    Acc next[kBlock];
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t rows = std::min(end - i, inner - i % inner);
      const In* q = p + plan_.reduced.offset(plan_.reduced.in, i);
      Acc* target = i == begin ? acc : next;
      simd_run<ReduceColumns<Op, Acc, In>>(target, q, columns, rows, plan_.reduced_stride);
      if (i != begin) simd_run<CombineLoop<Op, Acc>, Acc*, const Acc*, std::int64_t>(acc, next, columns);
      i += rows;
    }
  }

  template <class Out>
  void store(Out* out, const Acc* acc, Range kept) const {
    const std::int64_t n = kept.end - kept.begin;
    const Axes& axes = plan_.kept;
    if (axes.sizes.size() <= 1) {
      const std::int64_t stride = axes.sizes.empty() ? 1 : axes.out[0];
      for (std::int64_t i = 0; i < n; ++i) out[(kept.begin + i) * stride] = static_cast<Out>(acc[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i) out[axes.offset(axes.out, kept.begin + i)] = static_cast<Out>(acc[i]);
    }
  }

  const ReducePlan& plan_;
  const In* in_;
  bool columns_;
};

template <class Op, class Acc, class In>
void run(const Reduction& reduction) {
  if (reduction.kept.empty() && reduction.reduced.size() == 1 && reduction.in_reduced_strides[0] == 1 &&
      reduction.reduced[0] <= kRun) {
    // A short vector, where making a plan would take longer than the work; same order of operations.
    simd_run<ReduceRows<Op, Acc, In>, Acc*, const In*, std::int64_t, std::int64_t, std::int64_t>(
        static_cast<Acc*>(reduction.out), static_cast<const In*>(reduction.in), 1, 0, reduction.reduced[0]);
    return;
  }
  const ReducePlan plan = make_plan(reduction, false);
  Reducer<Op, Acc, In>(plan, static_cast<const In*>(reduction.in)).run(static_cast<Acc*>(reduction.out));
}

}  // namespace

void reduce(ReduceOp op, DType in, DType out, const Reduction& reduction) {
  if (reduction.index) return extremum_with_index(op, in, reduction);
  dispatch_reduce("cpu", op, in, out,
                  [&]<class Op, class Acc, class In>(Folded<Op, Acc, In>) { run<Op, Acc, In>(reduction); });
}

}  // namespace verigrad::kernels::cpu
