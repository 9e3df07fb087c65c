#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/functors.h"

namespace verigrad::kernels::cpu {
namespace {

template <class Op, class In, class Out>
void launch(const Loop& loop) {
  const std::int64_t sizes[] = {sizeof(Out), sizeof(In)};
  run_loop(loop, sizes, inner_loop<UnaryLoop<Op, In, Out>>());
}

template <class Op, Kind kKind>
void same(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&]<class T>(TypeTag<T>) { launch<Op, T, T>(loop); });
}

template <class Op>
void predicate(DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { launch<Op, T, bool>(loop); });
}

}  // namespace

void unary(UnaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_UNARY(NAME, NODE, KIND, ...) \
  case UnaryOp::NAME: return same<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_PREDICATE(NAME, ...) \
  case UnaryOp::NAME: return predicate<functors::NAME>(dtype, loop);
#include "verigrad/unary.def"
  }
}

}  // namespace verigrad::kernels::cpu
