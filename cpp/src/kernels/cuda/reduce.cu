// sum, prod, max, min, all, any on a CUDA device, computed in the types that the CPU computes in.
#include <type_traits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/reduce_engine.cuh"
#include "kernels/reduce_ops.h"

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

/// Floats in either float type, everything else in int64.
template <class Op>
void accumulate(DType in, DType out, const Reduction& reduction) {
  dispatch(in, [&]<class In>(TypeTag<In>) {
    if constexpr (std::is_floating_point_v<In>) {
      if (out == DType::Float32) return run<Op, float, In>(reduction);
      if (out == DType::Float64) return run<Op, double, In>(reduction);
    } else {
      if (out == DType::Int64) return run<Op, std::int64_t, Stored<In>>(reduction);
    }
    VG_THROW(RuntimeError, current_op(), ": no cuda implementation from dtype ", name(in), " to ", name(out));
  });
}

template <class Op>
void extremum(ReduceOp which, DType in, const Reduction& reduction) {
  if (reduction.index) return extremum_with_index(which, in, reduction);
  dispatch(in, [&]<class T>(TypeTag<T>) { run<Op, T, Stored<T>>(reduction); });
}

template <class Op>
void logical(DType in, const Reduction& reduction) {
  dispatch(in, [&]<class T>(TypeTag<T>) { run<Op, Truth, Stored<T>>(reduction); });
}

}  // namespace

void reduce(ReduceOp op, DType in, DType out, const Reduction& reduction) {
  switch (op) {
    case ReduceOp::sum: return accumulate<SumOf>(in, out, reduction);
    case ReduceOp::prod: return accumulate<ProductOf>(in, out, reduction);
    case ReduceOp::max: return extremum<MaxOf>(op, in, reduction);
    case ReduceOp::min: return extremum<MinOf>(op, in, reduction);
    case ReduceOp::all: return logical<AllOf>(in, reduction);
    case ReduceOp::any: return logical<AnyOf>(in, reduction);
  }
}

}  // namespace verigrad::kernels::cuda
