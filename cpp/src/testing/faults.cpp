// Wrong kernels.
#include "testing/faults.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <type_traits>

#include "core/backend.h"
#include "kernels/boundaries.h"
#include "kernels/cuda/boundaries.h"
#include "kernels/table.h"
#include "verigrad/error.h"

namespace verigrad::testing {
namespace {

using namespace kernels;

enum class Kind : std::size_t { none, first, last, tail, middle, lane, chunk, block, twice };
const std::vector<std::string> kKernelKinds = {"none", "first", "last",  "tail",  "middle",
                                               "lane", "chunk", "block", "double"};

Device planted_device = kHost;  // where faults are

/// How many elements the kinds are about.
struct Units {
  std::int64_t vector, lanes, block;
};
Units units_of(DType dtype) {
  if (planted_device == kHost) return {boundary::vector_bytes_avx512 / itemsize(dtype), 8, 16};
  return {boundary::cuda_threads, boundary::cuda_warp, boundary::cuda_threads};
}
/// Elements of which each thread of the largest grid has one.
constexpr std::int64_t kGridElements = boundary::cuda_grid_blocks * boundary::cuda_threads;

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
  /// Where element k is, row by row, in bytes.
  std::int64_t offset(std::int64_t k) const {
    std::int64_t offset = 0;
    for (int d = shape.size() - 1; d >= 0; --d) {
      offset += k % shape[d] * strides[d];
      k /= shape[d];
    }
    return offset * itemsize(dtype);
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
#define VG_PREDICATE(NAME, ...) case UnaryOp::NAME:
#include "verigrad/unary.def"
    return true;
    default: return false;
  }
}

constexpr bool is_comparison(BinaryOp op) {
  switch (op) {
#define VG_COMPARE(NAME, ...) case BinaryOp::NAME:
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
Written written(TernaryOp, DType dtype, const Loop& loop, Scalar) {
  return written(dtype, loop);
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
  std::vector<char> mask(static_cast<std::size_t>(product(z.shape)));
  copy_memory(kHost, mask.data(), planted_device, z.mask, product(z.shape));
  const auto count = static_cast<std::int64_t>(mask.size()) - std::count(mask.begin(), mask.end(), 0);
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

template <bool kAdds>
Written written(ScanOp, DType dtype, const Scan& s) {
  Written w;
  w.add(dtype, s.out, s.outer * s.size * s.inner);
  w.add(DType::Int64, s.index, s.outer * s.size * s.inner);
  w.cut = s.outer * s.size * s.inner >= boundary::serial_elements && s.outer * s.inner > 1;
  w.counts = s.index == nullptr;
  return w;
}
template <bool kAdds>
Written written(DType dtype, const Sort& s) {
  Written w;
  w.add(dtype, s.out, s.outer * s.count);
  w.add(DType::Int64, s.index, s.outer * s.count);
  w.cut = s.outer * s.size >= boundary::dear_serial_elements && s.outer > 1;
  return w;
}
template <bool kAdds>
Written written(DType, const Search& s) {
  Written w;
  w.add(DType::Int64, s.out, s.outer * s.count);
  w.cut = s.outer * s.count >= boundary::dear_serial_elements;
  w.counts = true;
  return w;
}
template <bool kAdds>
Written written(RecurrentOp op, DType dtype, const Recurrent& r) {
  Written w;
  const std::int64_t gates = r.cell == RecurrentCell::lstm ? 4 : r.cell == RecurrentCell::gru ? 3 : 1;
  if (op == RecurrentOp::forward) {
    w.add(dtype, r.y, r.rows * r.out);
  } else {
    w.add(dtype, r.grad_input, r.rows * gates * r.hidden);
    w.add(dtype, r.grad_hidden, r.rows * gates * r.hidden);
  }
  w.add(dtype, r.h, r.batch * r.out);
  w.add(dtype, r.c, r.batch * r.hidden);
  w.cut = r.rows * gates * r.hidden * r.out >= boundary::recurrent_serial_work;
  return w;
}
template <bool kAdds>
Written written(AttentionOp op, DType dtype, const Attention& a) {
  Written w;
  const auto add = [&](const AttentionMatrix& matrix, std::int64_t rows, std::int64_t columns) {
    if (!matrix.data) return;
    Dims shape = a.batch, strides = matrix.batch;
    for (const std::int64_t size : {rows, columns}) shape.push_back(size);
    for (const std::int64_t stride : {matrix.row, matrix.column}) strides.push_back(stride);
    w.outputs.push_back({dtype, matrix.data, shape, strides});
  };
  const std::int64_t batch = product(a.batch);
  if (op == AttentionOp::forward) {
    add(a.out, a.queries, a.value_width);
    w.add(dtype, a.lse, batch * a.queries);
  } else {
    add(a.grad_q, a.queries, a.width);
    add(a.grad_k, a.keys, a.width);
    add(a.grad_v, a.keys, a.value_width);
    add(a.grad_scores, a.queries, a.keys);
  }
  w.cut = batch * a.queries * a.keys * (a.width + a.value_width) >= boundary::attention_serial_work;
  return w;
}

/// The elements [first, stop) in steps that a kind spoils; none if the output is too small for it.
struct Places {
  std::int64_t first = 0, stop = 0, step = 1;
};
Places places_of(Kind kind, const Output& out, bool cut) {
  const std::int64_t n = out.numel();
  const Units units = units_of(out.dtype);
  const std::int64_t whole = n / units.vector * units.vector, middle = n / 2 / units.block * units.block;
  switch (kind) {
    case Kind::none: return {};
    case Kind::first: return {0, std::min<std::int64_t>(n, 1)};
    case Kind::last: return n < 2 ? Places{} : Places{n - 1, n};
    case Kind::tail: return n <= units.vector || whole == n ? Places{} : Places{whole, whole + 1};
    case Kind::middle: return n < 3 ? Places{} : Places{n / 2, n / 2 + 1};
    case Kind::lane: return n < 2 * units.lanes ? Places{} : Places{units.lanes / 2 + 1, n, units.lanes};
    case Kind::chunk:
      if (planted_device != kHost) return n <= kGridElements ? Places{} : Places{kGridElements, n};
      return !cut ? Places{} : Places{n / 2, n};
    case Kind::block:
    case Kind::twice: return n < 3 * units.block ? Places{} : Places{middle, middle + units.block};
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

/// Elements of an output, copied to the host.
class Elements {
 public:
  Elements(const Output& out, const Places& places) : out_(out) {
    if (places.first >= places.stop) return;
    begin_ = std::numeric_limits<std::int64_t>::max();
    std::int64_t end = std::numeric_limits<std::int64_t>::min();
    for (std::int64_t k = places.first; k < places.stop; k += places.step) {
      begin_ = std::min(begin_, out.offset(k));
      end = std::max(end, out.offset(k) + itemsize(out.dtype));
    }
    bytes_.resize(static_cast<std::size_t>(end - begin_));
    copy_memory(kHost, bytes_.data(), planted_device, where(), size());
  }
  char* at(std::int64_t k) { return bytes_.data() + (out_.offset(k) - begin_); }
  void write_back() const { copy_memory(planted_device, where(), kHost, bytes_.data(), size()); }

 private:
  void* where() const { return static_cast<char*>(out_.data) + begin_; }
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }

  const Output& out_;
  std::int64_t begin_ = 0;
  std::vector<char> bytes_;  // all from the first one's to the last one's
};

/// One call: what it writes, before and after.
class Call {
 public:
  Call(Planted& planted, Written written) : planted_(planted), written_(std::move(written)) {
    if (planted_device != kHost) {
      const auto strides = [](const Output& out) { return out.numel() > kGridElements; };
      written_.cut = std::any_of(written_.outputs.begin(), written_.outputs.end(), strides);
    }
    if (planted_.kind != Kind::block || !written_.adds || !planted_.active()) return;
    for (const Output& out : written_.outputs) before_.emplace_back(out, places(out));
  }

  void finish() {
    bool changed = false;
    for (std::size_t i = 0; i < written_.outputs.size(); ++i) {
      const Output& out = written_.outputs[i];
      planted_.calls.largest = std::max(planted_.calls.largest, out.numel());
      const Places chosen = planted_.active() ? places(out) : Places{};
      Elements elements(out, chosen);
      bool changed_here = false;
      for (std::int64_t k = chosen.first; k < chosen.stop; k += chosen.step) {
        dispatch(out.dtype, [&]<class T>(TypeTag<T>) {
          T old{}, value;
          char* at = elements.at(k);
          if (!before_.empty()) std::memcpy(&old, before_[i].at(k), sizeof old);
          std::memcpy(&value, at, sizeof value);
          const T wrong = spoiled(planted_.kind, value, old, written_);
          changed_here = changed_here || std::memcmp(&wrong, at, sizeof wrong) != 0;
          std::memcpy(at, &wrong, sizeof wrong);
        });
      }
      if (changed_here) elements.write_back();
      changed = changed || changed_here;
    }
    ++planted_.calls.calls;
    planted_.calls.cut += written_.cut ? 1 : 0;
    planted_.calls.spoiled += changed ? 1 : 0;
  }

 private:
  Places places(const Output& out) const { return places_of(planted_.kind, out, written_.cut); }

  Planted& planted_;
  Written written_;
  std::vector<Elements> before_;
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

std::vector<std::string> kernel_slots() {
  return {
#define VG_SLOT(NAME, PARAMS) #NAME,
      VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  };
}

std::vector<std::string> kernel_fault_kinds() { return kKernelKinds; }

void plant_kernel_fault(const std::string& slot, const std::string& kind, bool once, Device device) {
  const auto chosen = static_cast<Kind>(kind_of("plant_kernel_fault", kKernelKinds, kind));
  VG_CHECK(planted_kernels.empty() || device == planted_device, ValueError, "plant_kernel_fault: expected device ",
           planted_device, ", which has faults, got ", device);
  KernelTable& kernels = table(device, "plant_kernel_fault");
  planted_device = device;
#define VG_SLOT(NAME, PARAMS)                                                     \
  if (slot == #NAME) {                                                            \
    Planted& planted = planted_kernels[slot];                                     \
    planted = {chosen, once, {slot}};                                             \
    planted_in<&KernelTable::NAME> = &planted;                                    \
    if (!original.NAME) original.NAME = kernels.NAME;                             \
    kernels.NAME = &Faulty<&KernelTable::NAME, decltype(KernelTable::NAME)>::run; \
    return;                                                                       \
  }
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
  VG_THROW(ValueError, "plant_kernel_fault: expected the name of a kernel slot, got '", slot, "'");
}

void clear_kernel_faults() {
  if (planted_kernels.empty()) return;
  KernelTable& kernels = table(planted_device, "clear_faults");
#define VG_SLOT(NAME, PARAMS) \
  if (original.NAME) kernels.NAME = original.NAME;
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
