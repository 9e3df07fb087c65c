// argmax and argmin, and max and min with positions, on a CUDA device. The first of equal values wins, and the first
// NaN wins over all.
#include <limits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/reduce_engine.cuh"
#include "kernels/reduce_dispatch.h"

namespace verigrad::kernels::cuda {

void extremum_with_index(ReduceOp op, DType dtype, const Reduction& reduction);

namespace {

template <class Better, class T>
struct Extremum {
  using Value = Best<T>;
  const Stored<T>* in;
  T* values;  // null if not wanted
  std::int64_t* index;

  __device__ Value identity() const {
    return {Better::Reduce::template identity<T>, std::numeric_limits<std::int64_t>::max()};
  }
  /// Threads come to their elements in no order, so that of equals the lower position is taken.
  __device__ Value operator()(const Value& a, const Value& b) const {
    const Better better;
    if (better(b.value, a.value)) return b;
    if (better(a.value, b.value)) return a;
    return b.index < a.index ? b : a;
  }
  __device__ Value gather(std::int64_t, const Elements& elements) const {
    return fold(*this, identity(), elements.count,
                [&](std::int64_t i) { return Value{static_cast<T>(in[elements.offset(i)]), elements.position(i)}; });
  }
  __device__ void store(std::int64_t, std::int64_t at, const Value& value) const {
    if (values) values[at] = value.value;
    index[at] = value.index;
  }
};

template <class Better, class T>
void run(const Reduction& reduction) {
  const Extremum<Better, T> extremum{static_cast<const Stored<T>*>(reduction.in), static_cast<T*>(reduction.out),
                                     reduction.index};
  run_reduction(extremum, Spread(make_plan(reduction, true)));
}

}  // namespace

void extremum_with_index(ReduceOp op, DType dtype, const Reduction& reduction) {
  dispatch_extremum(op, dtype, [&]<class Better, class T>(Sought<Better, T>) { run<Better, T>(reduction); });
}

void arg_reduce(ArgReduceOp op, DType in, const Reduction& reduction) {
  extremum_with_index(extremum_of(op), in, positions_of(reduction));
}

}  // namespace verigrad::kernels::cuda
