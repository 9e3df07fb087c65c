#include "testing/faults.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <type_traits>

#include "autograd/node_filter.h"
#include "kernels/boundaries.h"
#include "kernels/table.h"
#include "verigrad/autograd.h"
#include "verigrad/ops.h"

namespace verigrad::testing {
namespace {

// Wrong gradients.

const std::vector<std::string> kVjpKinds = {"scale", "zero", "sign", "double", "last", "middle", "half", "broadcast"};

/// The number of a kind, by which it is looked up no further.
std::size_t kind_of(const char* op, const std::vector<std::string>& kinds, const std::string& kind) {
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == kind) return i;
  }
  std::string all;
  for (std::size_t i = 0; i < kinds.size(); ++i) all += (i == 0 ? "" : i + 1 < kinds.size() ? ", " : " or ") + kinds[i];
  VG_THROW(ValueError, op, ": expected kind ", all, ", got ", kind);
}

/// A tensor of the shape and dtype of `like` whose element k, row by row, is f(k).
template <class F>
Tensor numbers(const Tensor& like, const F& f) {
  const Tensor made = ops::zeros(like.shape(), like.dtype(), kHost);
  dispatch(made.dtype(), [&]<class T>(TypeTag<T>) {
    T* out = static_cast<T*>(made.data());
    for (std::int64_t k = 0; k < made.numel(); ++k) out[k] = static_cast<T>(f(k));
  });
  return ops::to(made, made.dtype(), like.device());
}

Tensor spoil(const Tensor& grad, const std::string& kind) {
  const std::int64_t n = grad.numel();
  if (kind == "scale") return ops::mul(grad, Scalar(1.001));
  if (kind == "zero") return ops::zeros_like(grad);
  if (kind == "sign") return ops::neg(grad);
  if (kind == "double") return ops::mul(grad, Scalar(2.0));
  const std::int64_t one = kind == "last" ? n - 1 : n / 2;
  return ops::mul(grad, numbers(grad, [&](std::int64_t k) {
                    if (kind == "half") return k < (n + 1) / 2 ? 1.0 : 0.0;
                    return k == one ? 1.01 : 1.0;
                  }));
}

/// Whether `shape` was broadcast to `wide`.
bool is_broadcast(const Dims& shape, const Dims& wide) {
  const int lead = wide.size() - shape.size();
  if (lead < 0 || shape == wide) return false;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] != 1 && shape[d] != wide[lead + d]) return false;
  }
  return true;
}

/// The gradient that keeps one slice of each dimension along which `shape` was broadcast. VJPs are linear, so this is
/// what a VJP makes of a sum that is missing.
Tensor one_slice(const Tensor& grad, const Dims& shape) {
  const Dims& wide = grad.shape();
  const int lead = wide.size() - shape.size();
  return ops::mul(grad, numbers(grad, [&](std::int64_t k) {
                    for (int d = wide.size() - 1; d >= 0; --d) {
                      if ((d < lead || shape[d - lead] != wide[d]) && k % wide[d] != 0) return 0.0;
                      k /= wide[d];
                    }
                    return 1.0;
                  }));
}

class Faults final : public NodeFilter {
 public:
  void plant(const std::string& kind, const std::string& node_name) {
    kind_of("plant_vjp_fault", kVjpKinds, kind);
    const std::lock_guard lock(mutex_);
    kinds_[node_name] = kind;
    node_filter = this;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    node_filter = nullptr;
    kinds_.clear();
  }

  TensorList apply(Node& node, TensorList&& grads) override {
    const std::string kind = planted(node);
    if (kind.empty()) return node.apply(std::move(grads));
    if (kind == "broadcast") return without_sums(node, std::move(grads));
    TensorList results = node.apply(std::move(grads));
    for (Tensor& grad : results) {
      if (grad.defined() && grad.numel() > 0) grad = spoil(grad, kind);
    }
    return results;
  }

 private:
  std::string planted(const Node& node) {
    const std::lock_guard lock(mutex_);
    const auto found = kinds_.find(node.name());
    return found == kinds_.end() ? std::string() : found->second;
  }

  static TensorList without_sums(Node& node, TensorList&& grads) {
    if (grads.size() != 1 || grads[0].numel() == 0) return node.apply(std::move(grads));
    TensorList results = node.apply(TensorList(grads));
    for (std::size_t i = 0; i < results.size() && i < node.edges.size(); ++i) {
      const Edge& edge = node.edges[i];
      if (!edge.valid() || !results[i].defined()) continue;
      const Dims& shape = edge.node->outputs[static_cast<std::size_t>(edge.output_nr)].shape;
      if (is_broadcast(shape, grads[0].shape())) results[i] = node.apply({one_slice(grads[0], shape)})[i];
    }
    return results;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> kinds_;  // by the node's name
};

Faults& faults() {
  static Faults instance;
  return instance;
}

// Wrong kernels.

using namespace kernels;

enum class Kind : std::size_t { none, first, last, tail, middle, lane, chunk, block, twice };
const std::vector<std::string> kKernelKinds = {"none", "first", "last",  "tail",  "middle",
                                               "lane", "chunk", "block", "double"};
constexpr std::int64_t kBlock = 16, kLanes = 8;

/// Memory that a kernel writes; strides in elements.
struct Output {
  DType dtype;
  void* data;
  Dims shape;
  Dims strides;

  std::int64_t numel() const {
    std::int64_t n = 1;
    for (const std::int64_t size : shape) n *= size;
    return n;
  }
  /// Element k, row by row.
  char* at(std::int64_t k) const {
    std::int64_t offset = 0;
    for (int d = shape.size() - 1; d >= 0; --d) {
      offset += k % shape[d] * strides[d];
      k /= shape[d];
    }
    return static_cast<char*>(data) + offset * itemsize(dtype);
  }
};

/// What one call writes. `adds`: it adds to what is there. `cut`: its work is shared between threads. `counts`: its
/// integers are sums, by which memory is allocated; those of other kernels are positions in memory.
struct Written {
  std::vector<Output> outputs;
  bool adds = false;
  bool cut = false;
  bool counts = false;

  void add(DType dtype, void* data, std::int64_t n) {
    if (data) outputs.push_back({dtype, data, Dims{n}, Dims{1}});
  }
};

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

std::int64_t product(const Dims& sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) n *= size;
  return n;
}

Written written(DType dtype, const Loop& loop) {
  Written w;
  w.outputs.push_back({dtype, loop.data[0], loop.shape, loop.strides[0]});
  w.cut = loop.numel >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(UnaryOp op, DType dtype, const Loop& loop) {
  return written(is_predicate(op) ? DType::Bool : dtype, loop);
}
template <bool kAdds>
Written written(BinaryOp op, DType dtype, const Loop& loop) {
  return written(is_comparison(op) ? DType::Bool : dtype, loop);
}
template <bool kAdds>
Written written(DType dtype, const Loop& loop) {
  return written(dtype, loop);
}
template <bool kAdds>
Written written(DType out, DType in, const Loop& loop) {
  Written w = written(out, loop);
  const bool plain = out == in && loop.shape.size() <= 1;
  w.cut = plain ? loop.numel * itemsize(out) >= boundary::serial_bytes : w.cut;
  return w;
}
Written written(DType dtype, const Reduction& r) {
  Written w;
  if (r.out) w.outputs.push_back({dtype, r.out, r.kept, r.out_strides});
  if (r.index) w.outputs.push_back({DType::Int64, r.index, r.kept, r.out_strides});
  w.cut = product(r.kept) * product(r.reduced) >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(ReduceOp, DType, DType out, const Reduction& r) {
  Written w = written(out, r);
  w.counts = true;
  return w;
}
template <bool kAdds>
Written written(ArgReduceOp, DType, const Reduction& r) {
  return written(DType::Int64, r);
}
template <bool kAdds>
Written written(DType dtype, const Gemm& g) {
  Written w;
  w.outputs.push_back({dtype, g.c, Dims{g.batch, g.m, g.n}, Dims{g.stride_c, g.ldc, 1}});
  w.adds = g.accumulate;
  w.cut = g.batch * g.m * g.n * g.k > boundary::gemm_serial_work;
  return w;
}
template <bool kAdds>
Written written(SoftmaxOp, DType dtype, const Softmax& s) {
  Written w;
  w.add(dtype, s.out, s.outer * s.size * s.inner);
  w.cut = s.outer * s.size * s.inner >= boundary::dear_serial_elements;
  return w;
}
template <bool kAdds>
Written written(DType dtype, const Gather& g) {
  Written w;
  Dims shape = g.shape;
  if (kAdds && !shape.empty()) shape[g.dim] = g.size;
  w.outputs.push_back({dtype, g.out, shape, g.out_strides});
  w.adds = kAdds;
  w.cut = product(g.shape) >= boundary::dear_serial_elements && !(kAdds && g.dim == 0);
  return w;
}
template <bool kAdds>
Written written(DType dtype, const IndexRows& r) {
  Written w;
  w.add(dtype, r.out, r.outer * (kAdds ? r.size : r.count) * r.inner);
  w.adds = kAdds;
  w.cut = r.outer * r.count * r.inner >= (kAdds ? boundary::serial_elements : boundary::dear_serial_elements);
  return w;
}
template <bool kAdds>
Written written(const Positions& p) {
  Written w = written(DType::Int64, p.loop);
  w.cut = p.loop.numel >= boundary::dear_serial_elements;
  return w;
}
template <bool kAdds>
Written written(const Nonzero& z) {
  Written w;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < product(z.shape); ++i) count += z.mask[i] ? 1 : 0;
  w.add(DType::Int64, z.out, count * z.shape.size());
  return w;
}
template <bool kAdds>
Written written(RandomOp, DType dtype, const Random& r) {
  Written w;
  w.add(dtype, r.out, r.numel);
  w.cut = r.numel >= boundary::dear_serial_elements;
  return w;
}
template <bool kAdds>
Written written(DType dtype, const Range& r) {
  Written w;
  w.add(dtype, r.out, r.numel);
  w.cut = r.numel >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(UpdateRule, DType dtype, const Update& u) {
  Written w;
  std::int64_t numel = 0;
  for (std::int64_t k = 0; k < u.count; ++k) {
    w.add(dtype, u.items[k].param, u.items[k].numel);
    numel += u.items[k].numel;
  }
  w.adds = true;
  w.cut = numel >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(ActivationOp, DType dtype, const Activation& a) {
  return written(dtype, a.loop);
}
template <bool kAdds>
Written written(ConvolutionOp op, DType dtype, const Convolution& c) {
  Written w;
  const Window& v = c.window;
  const std::int64_t weights = c.out_channels * (c.in_channels / c.groups) * v.kernel_h * v.kernel_w;
  if (op == ConvolutionOp::output) w.add(dtype, c.y, c.batch * c.out_channels * v.out_h * v.out_w);
  if (op == ConvolutionOp::input) w.add(dtype, c.x, c.batch * c.in_channels * v.in_h * v.in_w);
  if (op == ConvolutionOp::weight) w.add(dtype, c.w, weights);
  w.cut = c.batch * v.out_h * v.out_w * weights >= boundary::convolution_serial_work;
  return w;
}
template <bool kAdds>
Written written(ColumnsOp op, DType dtype, const Columns& c) {
  Written w;
  const Window& v = c.window;
  const std::int64_t all = c.planes * v.kernel_h * v.kernel_w * v.out_h * v.out_w;
  w.add(dtype, c.out, op == ColumnsOp::unfold ? all : c.planes * v.in_h * v.in_w);
  w.cut = all >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(PoolOp op, DType dtype, const Pool& p) {
  Written w;
  const std::int64_t small = p.planes * p.h.out * p.w.out, large = p.planes * p.h.in * p.w.in;
  w.add(dtype, p.out, op == PoolOp::max_backward || op == PoolOp::average_backward ? large : small);
  // Not the positions: the gradient's kernel writes to them as they are.
  w.cut = small + large >= boundary::serial_elements;
  return w;
}
template <bool kAdds>
Written written(NormalizeOp op, DType dtype, const Normalize& n) {
  Written w;
  const std::int64_t numel = n.outer * n.channels * n.inner;
  if (op == NormalizeOp::forward) {
    w.add(dtype, n.y, numel);
  } else {
    w.add(dtype, n.grad_x, numel);
    w.add(dtype, n.grad_weight, n.period * n.span);
    w.add(dtype, n.grad_bias, n.period * n.span);
  }
  w.cut = numel >= boundary::dear_serial_elements;
  return w;
}
template <bool kAdds>
Written written(DType dtype, const Warp& p) {
  Written w;
  w.add(dtype, p.out, p.batch * p.channels * p.out_h * p.out_w);
  w.cut = boundary::warp_cost * p.batch * p.channels * p.out_h * p.out_w >= boundary::serial_elements;
  return w;
}

/// The elements [first, stop) in steps that a kind spoils; none if the output is too small for it.
struct Places {
  std::int64_t first = 0, stop = 0, step = 1;
};
Places places_of(Kind kind, const Output& out, bool cut) {
  const std::int64_t n = out.numel();
  const std::int64_t lanes = boundary::vector_bytes_avx512 / itemsize(out.dtype), whole = n / lanes * lanes;
  const std::int64_t middle = n / 2 / kBlock * kBlock;
  switch (kind) {
    case Kind::none: return {};
    case Kind::first: return {0, std::min<std::int64_t>(n, 1)};
    case Kind::last: return n < 2 ? Places{} : Places{n - 1, n};
    case Kind::tail: return n <= lanes || whole == n ? Places{} : Places{whole, whole + 1};
    case Kind::middle: return n < 3 ? Places{} : Places{n / 2, n / 2 + 1};
    case Kind::lane: return n < 2 * kLanes ? Places{} : Places{kLanes / 2 + 1, n, kLanes};
    case Kind::chunk: return !cut ? Places{} : Places{n / 2, n};
    case Kind::block:
    case Kind::twice: return n < 3 * kBlock ? Places{} : Places{middle, middle + kBlock};
  }
  return {};
}

/// Wrong integers stay within the memory that the right ones describe.
template <class T>
T spoiled(Kind kind, T value, T before, const Written& written) {
  if (kind == Kind::block && written.adds) return before;
  if constexpr (std::is_same_v<T, bool>) {
    return !value;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (kind == Kind::block) return std::numeric_limits<T>::quiet_NaN();
    if (kind == Kind::twice) return value + value;
    // Away from zero, so that wrong elements of a sum do not cancel.
    return static_cast<T>(value * T(1.001) + std::copysign(T(1e-3), value));
  } else {
    if (written.counts) return static_cast<T>(kind == Kind::twice ? value + value : value + T(1));
    return static_cast<T>(value > T(0) ? value - T(1) : value < T(0) ? value + T(1) : value);
  }
}

/// The state of a slot with a fault.
struct Planted {
  Kind kind = Kind::none;
  bool once = false;
  KernelCalls calls;

  bool active() const { return !once || calls.spoiled == 0; }
};

/// One call: what it writes, before and after.
class Call {
 public:
  Call(Planted& planted, Written written) : planted_(planted), written_(std::move(written)) {
    if (planted_.kind != Kind::block || !written_.adds || !planted_.active()) return;
    for (const Output& out : written_.outputs) {
      const Places places = places_of(planted_.kind, out, written_.cut);
      for (std::int64_t k = places.first; k < places.stop; k += places.step) {
        const char* at = out.at(k);
        before_.insert(before_.end(), at, at + itemsize(out.dtype));
      }
    }
  }

  void finish() {
    const char* before = before_.data();
    bool changed = false;
    for (const Output& out : written_.outputs) {
      planted_.calls.largest = std::max(planted_.calls.largest, out.numel());
      const Places places = planted_.active() ? places_of(planted_.kind, out, written_.cut) : Places{};
      for (std::int64_t k = places.first; k < places.stop; k += places.step) {
        dispatch(out.dtype, [&]<class T>(TypeTag<T>) {
          T old{}, value;
          char* at = out.at(k);
          if (!before_.empty()) {
            std::memcpy(&old, before, sizeof old);
            before += sizeof old;
          }
          std::memcpy(&value, at, sizeof value);
          const T wrong = spoiled(planted_.kind, value, old, written_);
          changed = changed || std::memcmp(&wrong, at, sizeof wrong) != 0;
          std::memcpy(at, &wrong, sizeof wrong);
        });
      }
    }
    ++planted_.calls.calls;
    planted_.calls.cut += written_.cut ? 1 : 0;
    planted_.calls.spoiled += changed ? 1 : 0;
  }

 private:
  Planted& planted_;
  Written written_;
  std::vector<char> before_;
};

KernelTable original;  // the slots in which a fault is planted
std::map<std::string, Planted> planted_kernels;

template <auto Slot>
Planted* planted_in = nullptr;

template <auto A, auto B>
constexpr bool same = std::is_same_v<std::integral_constant<decltype(A), A>, std::integral_constant<decltype(B), B>>;

template <auto Slot, class F>
struct Faulty;
template <auto Slot, class... P>
struct Faulty<Slot, void (*)(P...)> {
  static void run(P... args) {
    constexpr bool kAdds = same<Slot, &KernelTable::index_add> || same<Slot, &KernelTable::scatter_add>;
    Call call(*planted_in<Slot>, written<kAdds>(args...));
    (original.*Slot)(args...);
    call.finish();
  }
};

}  // namespace

std::vector<std::string> vjp_fault_kinds() { return kVjpKinds; }

void plant_vjp_fault(const std::string& kind, const std::string& node_name) { faults().plant(kind, node_name); }

void clear_vjp_faults() { faults().clear(); }

std::vector<std::string> kernel_slots() {
  return {
#define VG_SLOT(NAME, PARAMS) #NAME,
      VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  };
}

std::vector<std::string> kernel_fault_kinds() { return kKernelKinds; }

void plant_kernel_fault(const std::string& slot, const std::string& kind, bool once) {
  const auto chosen = static_cast<Kind>(kind_of("plant_kernel_fault", kKernelKinds, kind));
  KernelTable& cpu = table(kHost, "plant");
#define VG_SLOT(NAME, PARAMS)                                                 \
  if (slot == #NAME) {                                                        \
    Planted& planted = planted_kernels[slot];                                 \
    planted = {chosen, once, {slot}};                                         \
    planted_in<&KernelTable::NAME> = &planted;                                \
    if (!original.NAME) original.NAME = cpu.NAME;                             \
    cpu.NAME = &Faulty<&KernelTable::NAME, decltype(KernelTable::NAME)>::run; \
    return;                                                                   \
  }
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  VG_THROW(ValueError, "plant_kernel_fault: expected the name of a kernel slot, got '", slot, "'");
}

void clear_kernel_faults() {
  KernelTable& cpu = table(kHost, "plant");
#define VG_SLOT(NAME, PARAMS) \
  if (original.NAME) cpu.NAME = original.NAME;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  original = {};
  planted_kernels.clear();
}

std::vector<KernelCalls> kernel_calls() {
  std::vector<KernelCalls> found;
  for (const auto& [slot, planted] : planted_kernels) found.push_back(planted.calls);
  return found;
}

}  // namespace verigrad::testing
