#include "kernels/reduce_plan.h"

#include <algorithm>
#include <numeric>

namespace verigrad::kernels {
namespace {

Axes normalise(const Dims& sizes, const Dims& in, const Dims& out, bool sort) {
  int order[kMaxDims];
  int count = 0;
  for (int d = 0; d < sizes.size(); ++d) {
    if (sizes[d] != 1) order[count++] = d;
  }
  if (sort) std::stable_sort(order, order + count, [&](int a, int b) { return in[a] > in[b]; });
  Axes axes;
  for (int i = 0; i < count; ++i) {
    const int d = order[i];
    const std::int64_t out_stride = out.empty() ? 0 : out[d];
    if (!axes.sizes.empty() && axes.in.back() == in[d] * sizes[d] &&
        (out.empty() || axes.out.back() == out_stride * sizes[d])) {
      axes.sizes.back() *= sizes[d];
      axes.in.back() = in[d];
      axes.out.back() = out_stride;
    } else {
      axes.sizes.push_back(sizes[d]);
      axes.in.push_back(in[d]);
      axes.out.push_back(out_stride);
    }
  }
  return axes;
}

}  // namespace

ReducePlan make_plan(const Reduction& reduction, bool ordered) {
  ReducePlan plan;
  plan.kept = normalise(reduction.kept, reduction.in_kept_strides, reduction.out_strides, true);
  plan.reduced = normalise(reduction.reduced, reduction.in_reduced_strides, Dims(), !ordered);
  plan.kept_numel = plan.kept.numel();
  plan.reduced_numel = plan.reduced.numel();
  if (!plan.kept.sizes.empty()) {
    plan.kept_inner = plan.kept.sizes.back();
    plan.kept_stride = plan.kept.in.back();
  }
  if (!plan.reduced.sizes.empty()) {
    plan.reduced_inner = plan.reduced.sizes.back();
    plan.reduced_stride = plan.reduced.in.back();
  }
  return plan;
}

}  // namespace verigrad::kernels
