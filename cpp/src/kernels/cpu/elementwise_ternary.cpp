#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/functors.h"

namespace verigrad::kernels::cpu {
namespace {

/// out[i] = Op()(a[i], b[i], c[i], v); the last operand points at v.
template <class Op, class T>
struct TernaryLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    constexpr std::int64_t kUnit = sizeof(T);
    const T v = *reinterpret_cast<const T*>(data[4]);
    if (strides[0] == kUnit && strides[1] == kUnit && strides[2] == kUnit) {
      T* out = reinterpret_cast<T*>(data[0]);
      const T* a = reinterpret_cast<const T*>(data[1]);
      const T* b = reinterpret_cast<const T*>(data[2]);
      const T* c = reinterpret_cast<const T*>(data[3]);
      if (strides[3] == kUnit) {
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(a[i], b[i], c[i], v);
        return;
      }
      if (strides[3] == 0) {
        const T scalar = *c;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(a[i], b[i], scalar, v);
        return;
      }
    }
    const auto at = [&](int operand, std::int64_t i) {
      return *reinterpret_cast<const T*>(data[operand] + i * strides[operand]);
    };
    for (std::int64_t i = 0; i < n; ++i) {
      *reinterpret_cast<T*>(data[0] + i * strides[0]) = Op()(at(1, i), at(2, i), at(3, i), v);
    }
  }
};

template <class Op, Kind kKind>
void same(const char* op, DType dtype, const Loop& given, Scalar value) {
  dispatch_kind<kKind>(op, dtype, [&]<class T>(TypeTag<T>) {
    T v = value.to<T>();
    Loop loop = given;
    loop.data[loop.operands] = &v;
    loop.strides[loop.operands++] = Dims(loop.shape.size(), 0);
    const std::int64_t sizes[] = {sizeof(T), sizeof(T), sizeof(T), sizeof(T), sizeof(T)};
    run_loop(loop, sizes, inner_loop<TernaryLoop<Op, T>>());
  });
}

}  // namespace

void ternary(TernaryOp op, DType dtype, const Loop& loop, Scalar value) {
  switch (op) {
#define VG_TERNARY(NAME, NODE, KIND, ...) \
  case TernaryOp::NAME: return same<functors::NAME, Kind::KIND>(#NAME, dtype, loop, value);
#include "verigrad/ternary.def"
  }
}

}  // namespace verigrad::kernels::cpu
