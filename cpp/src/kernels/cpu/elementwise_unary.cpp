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

[[noreturn]] void no_kernel(const char* op, DType dtype) {
  VG_THROW(RuntimeError, op, ": no cpu implementation for dtype ", name(dtype));
}

template <class Op>
void Any(const char*, DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { launch<Op, T, T>(loop); });
}

template <class Op>
void Numeric(const char* op, DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      no_kernel(op, dtype);
    } else {
      launch<Op, T, T>(loop);
    }
  });
}

template <class Op>
void Float(const char* op, DType dtype, const Loop& loop) {
  dispatch_floating(op, dtype, [&]<class T>(TypeTag<T>) { launch<Op, T, T>(loop); });
}

template <class Op>
void Predicate(DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { launch<Op, T, bool>(loop); });
}

}  // namespace

void unary(UnaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_UNARY(NAME, NODE, KIND, ...) \
  case UnaryOp::NAME: return KIND<functors::NAME>(#NAME, dtype, loop);
#define VG_PREDICATE(NAME) \
  case UnaryOp::NAME: return Predicate<functors::NAME>(dtype, loop);
#include "verigrad/unary.def"
  }
}

}  // namespace verigrad::kernels::cpu
