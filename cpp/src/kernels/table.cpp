// The devices' tables, and planted kernel faults.
#include "kernels/table.h"

#include "kernels/faults.h"

namespace verigrad::kernels {

KernelTable& table(Device device) {
  // Explicit registration: static constructors in a library may be dropped by the linker.
  static KernelTable cpu = [] {
    KernelTable t;
    register_cpu_kernels(t);
    return t;
  }();
  if (device.type == DeviceType::CPU) [[likely]]
    return cpu;
  VG_THROW(RuntimeError, "device ", device, ": this build of verigrad has no CUDA support");
}

namespace {

KernelTable original;

void corrupt_value(DType dtype, void* data) {
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* value = static_cast<T*>(data);
    if constexpr (std::is_same_v<T, bool>) {
      *value = !*value;
    } else if constexpr (std::is_floating_point_v<T>) {
      *value = static_cast<T>(*value * T(1.001) + T(1e-3));
    } else {
      *value = static_cast<T>(*value ^ 1);
    }
  });
}

constexpr bool is_predicate(UnaryOp op) {
  switch (op) {
#define VG_PREDICATE(NAME) case UnaryOp::NAME:
#include "verigrad/unary.def"
    return true;
    default: return false;
  }
}

constexpr bool is_comparison(BinaryOp op) {
  switch (op) {
#define VG_COMPARE(NAME) case BinaryOp::NAME:
#include "verigrad/binary.def"
    return true;
    default: return false;
  }
}

void corrupt(UnaryOp op, DType dtype, const Loop& loop) {
  corrupt_value(is_predicate(op) ? DType::Bool : dtype, loop.data[0]);
}
void corrupt(BinaryOp op, DType dtype, const Loop& loop) {
  corrupt_value(is_comparison(op) ? DType::Bool : dtype, loop.data[0]);
}
void corrupt(DType dtype, const Loop& loop) { corrupt_value(dtype, loop.data[0]); }
void corrupt(DType out, DType, const Loop& loop) { corrupt_value(out, loop.data[0]); }
void corrupt(DType dtype, const Loop& loop, Scalar) { corrupt_value(dtype, loop.data[0]); }
void corrupt(ReduceOp, DType, DType out, const Reduction& r) { corrupt_value(out, r.out); }
void corrupt(ArgReduceOp, DType, const Reduction& r) { corrupt_value(DType::Int64, r.out); }
void corrupt(DType dtype, const Gemm& g) { corrupt_value(dtype, g.c); }
void corrupt(SoftmaxOp, DType dtype, const Softmax& s) { corrupt_value(dtype, s.out); }
void corrupt(DType dtype, const Gather& g) { corrupt_value(dtype, g.out); }
void corrupt(DType dtype, const IndexRows& i) { corrupt_value(dtype, i.out); }
void corrupt(const Nonzero& n) { corrupt_value(DType::Int64, n.out); }
void corrupt(RandomOp, DType dtype, const Random& r) { corrupt_value(dtype, r.out); }
void corrupt(DType dtype, const Range& r) { corrupt_value(dtype, r.out); }
void corrupt(DType dtype, const Sgd& s) { corrupt_value(dtype, s.param); }
void corrupt(DType dtype, const Adam& a) { corrupt_value(dtype, a.param); }
void corrupt(ActivationOp, DType dtype, const Activation& a) { corrupt_value(dtype, a.loop.data[0]); }
void corrupt(ConvolutionOp op, DType dtype, const Convolution& c) {
  corrupt_value(dtype, op == ConvolutionOp::output ? c.y : op == ConvolutionOp::input ? c.x : c.w);
}
void corrupt(ColumnsOp, DType dtype, const Columns& c) { corrupt_value(dtype, c.out); }
void corrupt(PoolOp, DType dtype, const Pool& p) { corrupt_value(dtype, p.out); }
void corrupt(NormalizeOp op, DType dtype, const Normalize& n) {
  if (op == NormalizeOp::forward) return corrupt_value(dtype, n.y);
  for (void* out : {n.grad_x, n.grad_weight, n.grad_bias}) {
    if (out) corrupt_value(dtype, out);
  }
}
void corrupt(DType dtype, const Warp& w) { corrupt_value(dtype, w.out); }

template <auto Slot, class F>
struct Faulty;
template <auto Slot, class... P>
struct Faulty<Slot, void (*)(P...)> {
  static void run(P... args) {
    (original.*Slot)(args...);
    corrupt(args...);
  }
};

}  // namespace

std::vector<std::string> slot_names() {
  return {
#define VG_SLOT(NAME, PARAMS) #NAME,
      VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  };
}

void plant_kernel_fault(const std::string& slot) {
  KernelTable& cpu = table(Device{});
#define VG_SLOT(NAME, PARAMS)                                                 \
  if (slot == #NAME) {                                                        \
    if (!original.NAME) original.NAME = cpu.NAME;                             \
    cpu.NAME = &Faulty<&KernelTable::NAME, decltype(KernelTable::NAME)>::run; \
    return;                                                                   \
  }
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  VG_THROW(ValueError, "plant_kernel_fault: expected the name of a kernel slot, got '", slot, "'");
}

void clear_kernel_faults() {
  KernelTable& cpu = table(Device{});
#define VG_SLOT(NAME, PARAMS) \
  if (original.NAME) cpu.NAME = original.NAME;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  original = {};
}

}  // namespace verigrad::kernels
