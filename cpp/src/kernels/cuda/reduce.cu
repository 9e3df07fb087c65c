// sum, prod, max, min, all, any on a CUDA device, computed in the types that the CPU computes in.
#include <type_traits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/reduce_engine.cuh"
#include "kernels/reduce_dispatch.h"

namespace verigrad::kernels::cuda {

// In arg_reduce.cu.
void extremum_with_index(ReduceOp op, DType dtype, const Reduction& reduction);

namespace {

template <class Op, class Acc, class In>
struct Folding {
  using Value = Acc;
  const In* in;
  Acc* out;

  __device__ Acc identity() const { return Op::template identity<Acc>; }
  __device__ Acc operator()(Acc a, Acc b) const { return Op()(a, b); }
  __device__ Acc gather(std::int64_t, const Elements& elements) const {
    const auto get = [&](std::int64_t i) { return load<Acc>(in[elements.offset(i)]); };
    if constexpr (std::is_same_v<Op, SumOf> && std::is_floating_point_v<Acc>) {
      return fold_tree(*this, identity(), elements.count, get);
    } else {
      return fold(*this, identity(), elements.count, get);
    }
  }
  __device__ void store(std::int64_t, std::int64_t at, Acc value) const { out[at] = value; }
};

template <class Op, class Acc, class In>
void run(const Reduction& reduction) {
  const Folding<Op, Acc, In> folding{static_cast<const In*>(reduction.in), static_cast<Acc*>(reduction.out)};
  run_reduction(folding, Spread(make_plan(reduction, false)));
}

}  // namespace

void reduce(ReduceOp op, DType in, DType out, const Reduction& reduction) {
  if (reduction.index) return extremum_with_index(op, in, reduction);
  dispatch_reduce("cuda", op, in, out,
                  [&]<class Op, class Acc, class In>(Folded<Op, Acc, In>) { run<Op, Acc, In>(reduction); });
}

}  // namespace verigrad::kernels::cuda
