// The contract of a device: a table of typed slots.
//
// A kernel loops over memory. It knows pointers, shapes and strides (in elements) and no tensor, graph or Python. The
// ops layer has checked and allocated everything before it calls one; where a kernel must look at values to find a
// caller's mistake (an index out of range), the CPU's does so before it writes; a CUDA kernel leaves out the element,
// and the next synchronisation raises. A device that lacks a kernel leaves the slot null, and the ops layer raises
// "<op>: no <device> implementation".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/mistakes.h"
#include "kernels/pool_axis.h"
#include "verigrad/device.h"
#include "verigrad/dtype.h"
#include "verigrad/shape.h"
#include "verigrad/update.h"

namespace verigrad::kernels {

enum class UnaryOp : std::int8_t {
#define VG_UNARY(NAME, ...) NAME,
#define VG_PREDICATE(NAME, ...) NAME,
#include "verigrad/unary.def"
};

enum class BinaryOp : std::int8_t {
#define VG_BINARY(NAME, ...) NAME,
#define VG_COMPARE(NAME, ...) NAME,
#define VG_DISCRETE(NAME, ...) NAME,
#include "verigrad/binary.def"
};

enum class TernaryOp : std::int8_t {
#define VG_TERNARY(NAME, ...) NAME,
#include "verigrad/ternary.def"
};

/// The dtypes of a row of unary.def, binary.def or ternary.def.
enum class Kind : std::int8_t {
  Any,
  Numeric,   // every dtype but bool
  Signed,    // the same; for bool PyTorch raises another type of error
  Float,     // floating point; the ops promote integers and bool to the default dtype
  Floating,  // floating point, without promotion
  Bits,      // integers and bool
  Integral,  // integers
};
constexpr bool has(Kind kind, DType dtype) {
  switch (kind) {
    case Kind::Any: return true;
    case Kind::Numeric:
    case Kind::Signed: return dtype != DType::Bool;
    case Kind::Bits: return !is_floating_point(dtype);
    case Kind::Integral: return is_integral(dtype);
    default: return is_floating_point(dtype);
  }
}
/// As `dispatch`, for the dtypes of a kind.
template <Kind kKind, class F>
void dispatch_kind(const char* op, DType dtype, F&& f) {
  dispatch(dtype, [&](auto tag) {
    if constexpr (has(kKind, DTypeOf<typename decltype(tag)::type>::value)) {
      f(tag);
    } else {
      VG_THROW(RuntimeError, op, ": no kernel for dtype ", name(dtype));
    }
  });
}

enum class ActivationOp : std::int8_t {
#define VG_ACTIVATION(NAME, ...) NAME,
#include "verigrad/activation.def"
};

enum class ReduceOp : std::int8_t { sum, prod, max, min, all, any };
enum class ArgReduceOp : std::int8_t { argmax, argmin };
enum class SoftmaxOp : std::int8_t { softmax, log_softmax };
enum class RandomOp : std::int8_t { uniform, normal, integers, keep };
/// Which of the three arrays of a convolution is computed from the other two.
enum class ConvolutionOp : std::int8_t { output, input, weight };
enum class ColumnsOp : std::int8_t { unfold, fold };
enum class PoolOp : std::int8_t { max, max_backward, max_gather, average, average_backward };
enum class NormalizeOp : std::int8_t { forward, backward };
enum class ScanOp : std::int8_t { sum, prod, max, min, log_sum, recurrence };
/// The cells of recurrent layers; formulas in recurrent_cells.h.
enum class RecurrentCell : std::int8_t { rnn_tanh, rnn_relu, lstm, gru };
enum class RecurrentOp : std::int8_t { forward, backward };
enum class AttentionOp : std::int8_t { forward, backward };

inline constexpr int kMaxOperands = 5;

/// An elementwise loop. Operand 0 is the output. Dimensions are already coalesced: neighbours that every operand can
/// walk as one are one. Strides are 0 where an operand is broadcast. `shape` may be empty (one element); no size is 0.
///
/// An input may be a number that travels in the loop itself: its data is null, its strides are 0.
struct Loop {
  Dims shape;
  int operands = 0;
  void* data[kMaxOperands] = {};
  Dims strides[kMaxOperands];
  std::int64_t numel = 0;
  alignas(double) std::byte numbers[kMaxOperands][sizeof(double)] = {};

  /// Makes an operand without data a number.
  void set_number(int operand, DType dtype, Scalar value) {
    dispatch(dtype, [&](auto tag) {
      const typename decltype(tag)::type v = value.to<typename decltype(tag)::type>();
      std::memcpy(numbers[operand], &v, sizeof v);
    });
  }
  bool is_number(int operand) const { return data[operand] == nullptr; }
  template <class T>
  T number_as(int operand) const {
    T v;
    std::memcpy(&v, numbers[operand], sizeof v);
    return v;
  }
  /// Where an input begins, also a number.
  const void* input(int operand) const { return is_number(operand) ? numbers[operand] : data[operand]; }
};

/// A reduction: for each index of `kept`, over all indices of `reduced`. `out` has one element per kept index. Both
/// lists are coalesced; no size is 0 (the ops layer fills identities itself), `reduced` may be empty (a copy).
struct Reduction {
  Dims kept;
  Dims in_kept_strides;
  Dims out_strides;
  Dims reduced;
  Dims in_reduced_strides;
  const void* in = nullptr;
  void* out = nullptr;
  /// argmax and argmin: positions in the reduced index space, counted row by row; null if not wanted by `reduce`.
  std::int64_t* index = nullptr;
};

/// C[b] = op(A[b]) * op(B[b]) (+ C[b] if accumulate) (+ bias row), row major; `trans` reads the stored matrix
/// transposed. lda is the distance between stored rows. Batch strides in elements, 0 where broadcast. No size of batch,
/// m, n is 0; k may be 0 (the product is then zero).
struct Gemm {
  std::int64_t batch = 1, m = 0, n = 0, k = 0;
  const void* a = nullptr;
  const void* b = nullptr;
  void* c = nullptr;
  bool trans_a = false, trans_b = false;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
  std::int64_t stride_a = 0, stride_b = 0, stride_c = 0;
  bool accumulate = false;
  const void* bias = nullptr;  // n contiguous elements added to every row, or null
};

/// Contiguous tensors seen as [outer, size, inner]; the op runs along `size` (> 0).
struct Softmax {
  std::int64_t outer = 0, size = 0, inner = 0;
  const void* in = nullptr;
  void* out = nullptr;
};

/// gather:      out[i][j][k]  = src[i][index[i][j][k]][k]
/// scatter_add: out[i][index[i][j][k]][k] += src[i][j][k], in index order, so the result has the same bits always.
/// General strides over `shape` (the index's shape); `dim` is the indexed one, `size` that dimension of the side that
/// is addressed through the index. Out-of-range indices raise RuntimeError naming `op`: of scatter_add before anything
/// is written, of gather, whose output is a new tensor, at the latest with the elements that they are for.
struct Gather {
  const char* op = "";
  Dims shape;
  int dim = 0;
  std::int64_t size = 0;
  const std::int64_t* index = nullptr;
  Dims index_strides;
  const void* src = nullptr;
  Dims src_strides;
  void* out = nullptr;
  Dims out_strides;
};

/// Contiguous tensors seen as [outer, size, inner] and an index of `count` numbers in [0, size):
/// index_select: out[o][i] = src[o][index[i]];  index_add: out[o][index[i]] += src[o][i] in the order of i.
struct IndexRows {
  const char* op = "";
  std::int64_t outer = 0, size = 0, inner = 0, count = 0;
  const std::int64_t* index = nullptr;
  const void* src = nullptr;
  void* out = nullptr;
  bool overwrite = false;  // index_add assigns instead; of equal indices the last one wins
};

/// The indices 0 to size - 1, and with `from_end` also -size to -1; an index that equals `ignored` stands for 0.
struct IndexRange {
  std::int64_t size = 0;
  bool from_end = false, ignores = false;
  std::int64_t ignored = 0;
};

/// out = before + place of index * step, all int64. Operands of the loop: out, before, index. An index out of range is
/// a `mistake` of `op`; on a device that only reports it, out is then -1, and so it is where `before` is negative.
struct Positions {
  const char* op = "";
  Mistake mistake = Mistake::position;
  int dim = 0;  // that the error names
  IndexRange range;
  std::int64_t step = 1;
  Loop loop;
};

/// out: one row of `shape.size()` indices for every true element of a contiguous mask, in row-major order.
struct Nonzero {
  Dims shape;
  const bool* mask = nullptr;
  std::int64_t* out = nullptr;
};

/// Contiguous output of `numel` elements. Element i of the stream is a pure function of (seed, counter, i), so that any
/// number of threads gives the same numbers. uniform: from low to high; normal: mean low, deviation high; integers:
/// low <= n < high (as int64 in `int_low`, `int_high`); keep: 0 with probability low, else high.
struct Random {
  std::uint64_t seed = 0;
  std::uint64_t counter = 0;  // in Philox blocks of four 32-bit words
  std::int64_t numel = 0;
  double low = 0, high = 1;
  std::int64_t int_low = 0, int_high = 0;
  void* out = nullptr;
};

/// out[i] = start + i * step, computed in double (int64 for integral dtypes) and cast once.
struct Range {
  std::int64_t numel = 0;
  Scalar start = 0, step = 1;
  void* out = nullptr;
  std::int64_t first = 0;  // steps from start of element 0
};

inline constexpr int kMaxUpdateStates = 3;

/// A parameter and what belongs to it: contiguous arrays of numel elements. Null: not there.
struct Updated {
  std::int64_t numel = 0;
  void* param = nullptr;
  const void* grad = nullptr;
  void* states[kMaxUpdateStates] = {};
};

/// What an update rule reads: the options, and what parameters keep in numbers, as it is in this step.
struct UpdateNumbers : UpdateOptions {
  double step = 0;          // this is the first: 1
  double mu_product = 1;    // of NAdam, this step's factor included
  double eta = 0, mu = 1;   // of ASGD
  bool first_step = false;  // of SGD: the momentum buffer has no value yet and becomes the gradient

  bool operator==(const UpdateNumbers&) const = default;
};

/// One step of an optimizer over parameters that share their numbers; formulas in update_rules.h.
struct Update {
  const Updated* items = nullptr;
  std::int64_t count = 0;
  UpdateNumbers numbers;
};

/// An activation with up to three numbers. Operands: out, x; or, as gradient by x times the incoming one: out, g, x.
struct Activation {
  Loop loop;
  bool backward = false;
  double a = 0, b = 0, c = 0;
};

/// How a window moves over an image; sizes and steps in elements. `pad` counts the zeros before the first element and
/// may be negative, which skips elements; those after the last one follow from the sizes.
struct Window {
  std::int64_t in_h = 1, in_w = 1, out_h = 1, out_w = 1;
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
};

/// y[n][k][p][q] = sum x[n][c][p * stride_h - pad_h + r * dilation_h][q * ...] w[k][c][r][s], c over the group of k,
/// and the two linear maps that belong to it. Contiguous: x [batch, in_channels, in_h, in_w], w [out_channels,
/// in_channels / groups, kernel_h, kernel_w], y [batch, out_channels, out_h, out_w]. The array that the op names is
/// written, the others are read. No size is 0, except for the batch in `weight`, whose result is then 0. `bias`, for
/// `output` and `input`: one element per channel of the result, or null.
struct Convolution {
  std::int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window window;
  void* x = nullptr;
  void* w = nullptr;
  void* y = nullptr;
  const void* bias = nullptr;
};

/// Contiguous image [planes, in_h, in_w] and columns [planes * kernel_h * kernel_w, out_h * out_w]; unfold copies, fold
/// adds what belongs to the same element. Planes of one image are neighbours: planes = batch * channels.
struct Columns {
  std::int64_t planes = 0;
  Window window;
  const void* in = nullptr;
  void* out = nullptr;
};

/// Contiguous planes [h.in, w.in]; window (i, j) covers the rows of window i of `h` and the columns of window j of `w`,
/// and at least one element. max writes the greatest element and its position in the plane (the first one of equals; a
/// NaN wins), max_backward adds gradients [planes, h.out, w.out] into zeros at those positions, max_gather reads a
/// plane there. average divides by `divisor` or, where that is 0, by the number of elements; average_backward is its
/// transpose.
struct Pool {
  std::int64_t planes = 0;
  PoolAxis h, w;
  bool count_include_pad = true;
  double divisor = 0;
  const void* in = nullptr;
  void* out = nullptr;
  std::int64_t* index = nullptr;  // written by max, read by max_backward and max_gather
};

/// Normalisation of contiguous x [outer, channels, inner] over outer and inner:
///   y = (x - mean[channel]) rstd[channel] weight[k] + bias[k],  rstd = 1 / sqrt(variance + eps),
/// with the biased variance; without `centered` mean is 0 and the variance the mean square. k, the number of the affine
/// pair, is (channel % period) * span + i / (inner / span) for the element i of the inner dimension. `given`: mean and
/// rstd are read, else they are written.
///   backward: from g, x, mean, rstd and weight the gradients by x (also through mean and rstd unless `given`), weight
/// and bias; each is written only where its pointer is not null. Statistics have the dtype of x.
struct Normalize {
  std::int64_t outer = 1, channels = 0, inner = 0;
  std::int64_t period = 1, span = 1;
  bool centered = true, given = false;
  double eps = 0;
  const void* x = nullptr;
  const void* weight = nullptr;  // period * span elements, or null for 1
  const void* bias = nullptr;    // the same, or null for 0
  void* mean = nullptr;          // null if not centered
  void* rstd = nullptr;
  void* variance = nullptr;  // forward, unless `given`: the biased variance; null if not wanted
  void* y = nullptr;
  const void* g = nullptr;
  void* grad_x = nullptr;
  void* grad_weight = nullptr;
  void* grad_bias = nullptr;
};

/// out[n][c][i][j] = image n, channel c at row m3 j + m4 i + m5 and column m0 j + m1 i + m2 of its own matrix m;
/// contiguous [batch, channels, height, width]. Bilinear or nearest; `fill` outside.
struct Warp {
  std::int64_t batch = 0, channels = 0, in_h = 0, in_w = 0, out_h = 0, out_w = 0;
  const double* matrix = nullptr;  // [batch, 6], in the device's memory like the images
  bool bilinear = true;
  double fill = 0;
  const void* in = nullptr;
  void* out = nullptr;
};

/// Contiguous tensors seen as [outer, size, inner], none of them 0: along `size` the sum or product of all elements up
/// to each (from each on, where `reverse`), or the greatest or least, with its place in `index` (see scans.h). Sums and
/// products are of int64, float32 or float64; the logarithm of the sum of exponentials, and the recurrence
/// out[i] = in[i] + factor[i] out[i - 1], of float32 or float64.
struct Scan {
  std::int64_t outer = 0, size = 0, inner = 0;
  bool reverse = false;
  const void* in = nullptr;
  const void* factor = nullptr;  // read by the recurrence
  void* out = nullptr;
  std::int64_t* index = nullptr;  // written by max and min
};

/// The first `count` elements of each sorted row of a contiguous [outer, size], and where they stood; of equal ones the
/// first comes first. No size is 0. Order: see sort_keys.h.
struct Sort {
  std::int64_t outer = 0, size = 0, count = 0;
  bool descending = false;
  const void* in = nullptr;
  void* out = nullptr;
  std::int64_t* index = nullptr;
};

/// Contiguous values [outer, count] and their places (find_place in sort_keys.h) in the rows of a contiguous
/// [outer, size], each in ascending order, or brought into it by the positions in `sorter`.
struct Search {
  std::int64_t outer = 0, size = 0, count = 0;
  bool right = false;
  const void* sorted = nullptr;
  const std::int64_t* sorter = nullptr;
  const void* values = nullptr;
  std::int64_t* out = nullptr;
};

/// One direction of a recurrent layer over `batch` sequences. Arrays of `rows` hold one step after the other; step t
/// has the first sizes[t] sequences, a number that never grows, and with `reverse` the last step is the first to be
/// computed. A cell has G gates, each of `hidden` units H, and keeps S numbers of a unit for the backward pass; R is
/// `out`, which is H without a projection. Contiguous; no size is 0.
///   forward: `gates` holds the input's share of the gates, [rows, S H] with the rest of each row unused, and is
/// overwritten by what is kept; `h` and `c` hold the first state, then the last.
///   backward: `h` and `c` hold the gradient by the last state, then that by the first.
struct Recurrent {
  RecurrentCell cell = RecurrentCell::lstm;
  bool reverse = false;
  std::int64_t steps = 0, batch = 0, rows = 0, hidden = 0, out = 0;
  const std::int64_t* sizes = nullptr;  // [steps], in the host's memory
  const void* weight = nullptr;         // [G H, R]
  const void* bias = nullptr;           // [G H], or null for 0; the forward pass adds it to the hidden share
  const void* projection = nullptr;     // [R, H], or null
  void* gates = nullptr;                // [rows, S H]
  void* cells = nullptr;                // [rows, H]: c after each step, of a cell that has one
  void* previous = nullptr;             // [rows, R]: h before each step; forward, null if not wanted
  void* h = nullptr;                    // [batch, R]
  void* c = nullptr;                    // [batch, H], of a cell that has one
  // forward
  void* raw = nullptr;  // [rows, H]: the output before the projection, where there is one
  void* y = nullptr;    // [rows, R]: h after each step
  // backward
  const void* first_c = nullptr;  // [batch, H]
  const void* grad_y = nullptr;   // [rows, R]
  void* grad_input = nullptr;     // [rows, G H]: by the input's share
  void* grad_hidden = nullptr;    // [rows, G H]: by the hidden share, of gru, where it is another
  void* grad_out = nullptr;       // [rows, R]: by h after each step, where there is a projection
};

/// Matrices of one batch of attention: null where there is none. Strides in elements, of the dimensions of the batch
/// (0 where it is broadcast) and of the rows; `column` is 1 but for a mask.
struct AttentionMatrix {
  void* data = nullptr;
  Dims batch;
  std::int64_t row = 0, column = 1;
};

/// For each index of `batch`: out = D(softmax(S)) v with S = scale q k^T + mask, over the keys. The mask is bool
/// (false: the score is minus infinity) or has the dtype of the others; `causal`: query i sees the keys up to i. A row
/// without a key is 0. D sets elements to 0 with probability `dropout` and multiplies others by `kept`, by the random
/// numbers of a `keep` over [batch, queries, keys]. q [queries, width], k [keys, width], v [keys, value_width]. `lse`,
/// contiguous [batch, queries]: written by forward, log of the sum of exp(S), infinity for a row without a key.
///   backward: from all these and `grad`, the gradient by out, those by q, k, v and S, each where it is not null and
/// overwritten; they are not broadcast. No size is 0.
struct Attention {
  Dims batch;
  std::int64_t queries = 0, keys = 0, width = 0, value_width = 0;
  double scale = 1;
  bool causal = false, mask_is_bool = false;
  double dropout = 0, kept = 1;
  std::uint64_t seed = 0, counter = 0;
  AttentionMatrix q, k, v, mask, out;
  void* lse = nullptr;
  AttentionMatrix grad, grad_q, grad_k, grad_v, grad_scores;
};

// clang-format off
// The slots: VG_SLOT(name, parameters). One list, so that the table, its names and the planted faults stay in step.
#define VG_KERNEL_SLOTS(VG_SLOT)                                             \
  VG_SLOT(unary,        (UnaryOp, DType, const Loop&))                       \
  VG_SLOT(binary,       (BinaryOp, DType, const Loop&))                      \
  VG_SLOT(ternary,      (TernaryOp, DType, const Loop&, Scalar value))       \
  VG_SLOT(where,        (DType, const Loop&))                                \
  VG_SLOT(copy,         (DType out, DType in, const Loop&))                  \
  VG_SLOT(fill,         (DType, const Loop&))                                \
  VG_SLOT(reduce,       (ReduceOp, DType in, DType out, const Reduction&))   \
  VG_SLOT(arg_reduce,   (ArgReduceOp, DType in, const Reduction&))           \
  VG_SLOT(gemm,         (DType, const Gemm&))                                \
  VG_SLOT(softmax,      (SoftmaxOp, DType, const Softmax&))                  \
  VG_SLOT(gather,       (DType, const Gather&))                              \
  VG_SLOT(scatter_add,  (DType, const Gather&))                              \
  VG_SLOT(index_select, (DType, const IndexRows&))                           \
  VG_SLOT(index_add,    (DType, const IndexRows&))                           \
  VG_SLOT(positions,    (const Positions&))                                  \
  VG_SLOT(nonzero,      (const Nonzero&))                                    \
  VG_SLOT(random,       (RandomOp, DType, const Random&))                    \
  VG_SLOT(range,        (DType, const Range&))                               \
  VG_SLOT(update,       (UpdateRule, DType, const Update&))                  \
  VG_SLOT(activation,   (ActivationOp, DType, const Activation&))            \
  VG_SLOT(convolution,  (ConvolutionOp, DType, const Convolution&))          \
  VG_SLOT(columns,      (ColumnsOp, DType, const Columns&))                  \
  VG_SLOT(pool,         (PoolOp, DType, const Pool&))                        \
  VG_SLOT(normalize,    (NormalizeOp, DType, const Normalize&))              \
  VG_SLOT(warp,         (DType, const Warp&))                                \
  VG_SLOT(scan,         (ScanOp, DType, const Scan&))                        \
  VG_SLOT(sort,         (DType, const Sort&))                                \
  VG_SLOT(search,       (DType, const Search&))                              \
  VG_SLOT(recurrent,    (RecurrentOp, DType, const Recurrent&))                   \
  VG_SLOT(attention,    (AttentionOp, DType, const Attention&))
// clang-format on

struct KernelTable {
#define VG_SLOT(NAME, PARAMS) void(*NAME) PARAMS = nullptr;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
};

/// The device's table, for a kernel that the calling thread runs next as part of `op`. Raises RuntimeError for a device
/// that is not there.
KernelTable& table(Device device, const char* op);

/// Fills the slots that the CPU implements. Called once, by `table`.
void register_cpu_kernels(KernelTable& table);

}  // namespace verigrad::kernels
