// Activations: one loop for the functions, one for their gradients; the formulas are in kernels/activations.h.
#include "kernels/activations.h"

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"

namespace verigrad::kernels::cpu {
namespace {

using activations::Numbers;

/// out[i] = f(x[i]); the last operand points at the numbers.
template <class Op, class T>
struct ValueLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    const Numbers<T> k = *reinterpret_cast<const Numbers<T>*>(data[2]);
    if (strides[0] == sizeof(T) && strides[1] == sizeof(T)) {
      T* out = reinterpret_cast<T*>(data[0]);
      const T* x = reinterpret_cast<const T*>(data[1]);
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = Op::value(x[i], k);
      return;
    }
    char* out = data[0];
    const char* x = data[1];
    const std::int64_t step_out = strides[0], step_x = strides[1];
    for (std::int64_t i = 0; i < n; ++i) {
      *reinterpret_cast<T*>(out + i * step_out) = Op::value(*reinterpret_cast<const T*>(x + i * step_x), k);
    }
  }
};

/// out[i] = g[i] f'(x[i]).
template <class Op, class T>
struct SlopeLoop {
  VG_INLINE static T one(T g, T x, const Numbers<T>& k) { return activations::gradient<Op>(g, x, k); }
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    const Numbers<T> k = *reinterpret_cast<const Numbers<T>*>(data[3]);
    if (strides[0] == sizeof(T) && strides[2] == sizeof(T)) {
      T* out = reinterpret_cast<T*>(data[0]);
      const T* g = reinterpret_cast<const T*>(data[1]);
      const T* x = reinterpret_cast<const T*>(data[2]);
      if (strides[1] == sizeof(T)) {
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = one(g[i], x[i], k);
        return;
      }
      if (strides[1] == 0) {
        const T same = *g;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = one(same, x[i], k);
        return;
      }
    }
    char* out = data[0];
    const char* g = data[1];
    const char* x = data[2];
    const std::int64_t step_out = strides[0], step_g = strides[1], step_x = strides[2];
    for (std::int64_t i = 0; i < n; ++i) {
      *reinterpret_cast<T*>(out + i * step_out) =
          one(*reinterpret_cast<const T*>(g + i * step_g), *reinterpret_cast<const T*>(x + i * step_x), k);
    }
  }
};

template <class Op, class T>
void launch(const Activation& a) {
  Numbers<T> numbers{static_cast<T>(a.a), static_cast<T>(a.b), static_cast<T>(a.c)};
  Loop loop = a.loop;
  const int last = loop.operands++;
  loop.data[last] = &numbers;
  for (int d = 0; d < loop.shape.size(); ++d) loop.strides[last].push_back(0);
  std::int64_t sizes[kMaxOperands] = {sizeof(T), sizeof(T), sizeof(T), sizeof(T)};
  run_loop(loop, sizes, a.backward ? inner_loop<SlopeLoop<Op, T>>() : inner_loop<ValueLoop<Op, T>>());
}

}  // namespace

void activation(ActivationOp op, DType dtype, const Activation& a) {
  switch (op) {
#define VG_ACTIVATION(NAME, ...) \
  case ActivationOp::NAME:       \
    return dispatch_floating(#NAME, dtype, [&]<class T>(TypeTag<T>) { launch<activations::NAME, T>(a); });
#include "verigrad/activation.def"
  }
}

}  // namespace verigrad::kernels::cpu
