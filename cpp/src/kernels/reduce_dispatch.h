// Which combination and which types a reduction is made of. A device gives the kernels, as functions of types.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/reduce_ops.h"
#include "kernels/table.h"

namespace verigrad::kernels {

/// The types of a reduction: how two values are combined, in which type, and that of the elements in memory.
template <class Op_, class Acc_, class In_>
struct Folded {
  using Op = Op_;
  using Acc = Acc_;
  using In = In_;
};
/// The types of a search for an extreme value with its position.
template <class Better_, class T_>
struct Sought {
  using Better = Better_;
  using T = T_;
};

/// run(Folded<...>{}) for a reduction without positions; `device` is for the error that there are none for the types.
template <class Run>
void dispatch_reduce(const char* device, ReduceOp op, DType in, DType out, const Run& run) {
  // Floats in either float type, everything else in int64.
  const auto accumulate = [&]<class Op>(const char* what, Op) {
    dispatch(in, [&]<class In>(TypeTag<In>) {
      if constexpr (std::is_floating_point_v<In>) {
        if (out == DType::Float32) return run(Folded<Op, float, In>{});
        if (out == DType::Float64) return run(Folded<Op, double, In>{});
      } else {
        if (out == DType::Int64) return run(Folded<Op, std::int64_t, Stored<In>>{});
      }
      VG_THROW(RuntimeError, what, ": no ", device, " implementation from dtype ", name(in), " to ", name(out));
    });
  };
  const auto extremum = [&]<class Op>(Op) {
    dispatch(in, [&]<class T>(TypeTag<T>) { run(Folded<Op, T, Stored<T>>{}); });
  };
  const auto logical = [&]<class Op>(Op) {
    dispatch(in, [&]<class T>(TypeTag<T>) { run(Folded<Op, Truth, Stored<T>>{}); });
  };
  switch (op) {
    case ReduceOp::sum: return accumulate("sum", SumOf{});
    case ReduceOp::prod: return accumulate("prod", ProductOf{});
    case ReduceOp::max: return extremum(MaxOf{});
    case ReduceOp::min: return extremum(MinOf{});
    case ReduceOp::all: return logical(AllOf{});
    case ReduceOp::any: return logical(AnyOf{});
  }
}

/// run(Sought<...>{}) for the largest (`max`) or smallest elements.
template <class Run>
void dispatch_extremum(ReduceOp op, DType dtype, const Run& run) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    if (op == ReduceOp::max) {
      run(Sought<Greater, T>{});
    } else {
      run(Sought<Less, T>{});
    }
  });
}

/// The reduction by which argmax and argmin are found: positions alone, in what their caller gave as output.
inline Reduction positions_of(const Reduction& reduction) {
  Reduction positions = reduction;
  positions.out = nullptr;
  if (!positions.index) positions.index = static_cast<std::int64_t*>(reduction.out);
  return positions;
}
inline ReduceOp extremum_of(ArgReduceOp op) { return op == ArgReduceOp::argmax ? ReduceOp::max : ReduceOp::min; }

}  // namespace verigrad::kernels
