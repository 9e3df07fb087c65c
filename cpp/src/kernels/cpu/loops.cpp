#include "kernels/cpu/loops.h"

#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// The dimensions outside of the inner one, with strides in bytes.
struct Nest {
  int outer = 0;  // number of outer dimensions
  std::int64_t inner = 1;
  std::int64_t sizes[kMaxDims];
  std::int64_t strides[kMaxDims][kMaxOperands];
  std::int64_t inner_strides[kMaxOperands];
  int operands = 0;
};

/// Only operand 0 is written.
char* pointer(const Loop& loop, int operand) {
  return const_cast<char*>(static_cast<const char*>(loop.input(operand)));
}

Nest make_nest(const Loop& loop, const std::int64_t* sizes) {
  Nest nest;
  const int rank = loop.shape.size();
  nest.operands = loop.operands;
  nest.outer = rank > 0 ? rank - 1 : 0;
  nest.inner = rank > 0 ? loop.shape[rank - 1] : 1;
  for (int o = 0; o < loop.operands; ++o) {
    nest.inner_strides[o] = rank > 0 ? loop.strides[o][rank - 1] * sizes[o] : sizes[o];
    for (int d = 0; d < nest.outer; ++d) nest.strides[d][o] = loop.strides[o][d] * sizes[o];
  }
  for (int d = 0; d < nest.outer; ++d) nest.sizes[d] = loop.shape[d];
  return nest;
}

/// Elements [begin, end) in row-major order, one piece of an inner run at a time.
void run_range(const Nest& nest, const Loop& loop, InnerLoop inner, std::int64_t begin, std::int64_t end) {
  std::int64_t position[kMaxDims];
  char* row[kMaxOperands];
  for (int o = 0; o < nest.operands; ++o) row[o] = pointer(loop, o);
  std::int64_t rest = begin / nest.inner;
  std::int64_t first = begin % nest.inner;
  for (int d = nest.outer - 1; d >= 0; --d) {
    position[d] = rest % nest.sizes[d];
    rest /= nest.sizes[d];
    for (int o = 0; o < nest.operands; ++o) row[o] += position[d] * nest.strides[d][o];
  }
  for (std::int64_t done = begin; done < end;) {
    const std::int64_t count = std::min(nest.inner - first, end - done);
    char* data[kMaxOperands];
    for (int o = 0; o < nest.operands; ++o) data[o] = row[o] + first * nest.inner_strides[o];
    inner(data, nest.inner_strides, count);
    done += count;
    first = 0;
    for (int d = nest.outer - 1; d >= 0; --d) {
      for (int o = 0; o < nest.operands; ++o) row[o] += nest.strides[d][o];
      if (++position[d] < nest.sizes[d]) break;
      for (int o = 0; o < nest.operands; ++o) row[o] -= nest.sizes[d] * nest.strides[d][o];
      position[d] = 0;
    }
  }
}

}  // namespace

void run_loop(const Loop& loop, const std::int64_t* sizes, InnerLoop inner) {
  if (loop.shape.size() <= 1 && loop.numel < kSerialElements) {
    char* data[kMaxOperands];
    std::int64_t strides[kMaxOperands];
    for (int o = 0; o < loop.operands; ++o) {
      data[o] = pointer(loop, o);
      strides[o] = loop.shape.empty() ? sizes[o] : loop.strides[o][0] * sizes[o];
    }
    inner(data, strides, loop.numel);
    return;
  }
  const Nest nest = make_nest(loop, sizes);
  parallel_for(loop.numel, elementwise_grain(loop.numel),
               [&](std::int64_t begin, std::int64_t end) { run_range(nest, loop, inner, begin, end); });
}

}  // namespace verigrad::kernels::cpu
