// Attention on a CUDA device, in tiles of queries and keys with a running softmax; see kernels/cpu/attention.cpp.
//
// A block has a tile of kRows queries, of which each thread has every kLanes-th score and result column of one; it goes
// through the keys kColumns at a time. The gradients by key and value have a kernel of their own, whose tiles are keys
// and which goes through the queries, so that no two blocks add to one element.
#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/cuda/kernels.cuh"
#include "kernels/functors.h"
#include "kernels/reduce_ops.h"

namespace verigrad::kernels::cuda {
namespace {

constexpr int kRows = boundary::cuda_attention_rows, kColumns = boundary::cuda_attention_columns;
constexpr int kDepth = boundary::cuda_attention_depth;
constexpr int kLanes = kThreads / kRows;                 // threads of a row
constexpr int kScores = kColumns / kLanes;               // of a thread, kLanes apart
constexpr int kPitch = kDepth + 1, kRow = kColumns + 1;  // neighbouring rows lie in other banks
constexpr std::int64_t kBlocks = boundary::cuda_attention_blocks;
static_assert(kLanes * kRows == kThreads && kScores * kLanes == kColumns && kLanes <= kWarpLanes);

/// A matrix of one element of the batch.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t row = 0;
  __device__ T* at(std::int64_t i) const { return data + i * row; }
};

/// The matrices of a call, in the order of their offsets.
enum Operand { kQ, kK, kV, kMask, kOut, kGrad, kGradQ, kGradK, kGradV, kGradScores, kOperands };

template <class T>
struct Call {
  Layout<kOperands> batch;
  std::int64_t queries, keys, width, value_width, row_tiles, tiles;
  T scale;
  bool causal, mask_is_bool, drops;
  AttentionDropout<T> dropout;
  void* data[kOperands];
  std::int64_t row[kOperands], column_of_mask;
  T* lse;
  T* delta;  // sum of grad out, of each query

  Call(const Attention& a, const Dims* strides, std::int64_t elements, std::int64_t rows, T* delta_)
      : batch(a.batch, strides, elements),
        queries(a.queries),
        keys(a.keys),
        width(a.width),
        value_width(a.value_width),
        row_tiles((rows - 1) / kRows + 1),
        tiles(row_tiles * elements),
        scale(static_cast<T>(a.scale)),
        causal(a.causal),
        mask_is_bool(a.mask_is_bool),
        drops(a.dropout > 0),
        dropout(a),
        column_of_mask(a.mask.column),
        lse(static_cast<T*>(a.lse)),
        delta(delta_) {
    int i = 0;
    for (const AttentionMatrix* m :
         {&a.q, &a.k, &a.v, &a.mask, &a.out, &a.grad, &a.grad_q, &a.grad_k, &a.grad_v, &a.grad_scores}) {
      data[i] = m->data;
      row[i] = m->row;
      ++i;
    }
  }
};

/// One element of the batch.
template <class T>
struct Element {
  const Call<T>& c;
  std::int64_t number;
  std::int64_t at[kOperands];

  __device__ Element(const Call<T>& call, std::int64_t number_) : c(call), number(number_) {
    c.batch.offsets(number, at);
  }
  template <class U = T>
  __device__ Rows<U> rows(Operand which) const {
    return {static_cast<U*>(c.data[which]) + at[which], c.row[which]};
  }
  /// The score of a pair from the product of its rows.
  __device__ T score(T product, std::int64_t query, std::int64_t key) const {
    constexpr T kHidden = -std::numeric_limits<T>::infinity();
    if (query >= c.queries || key >= c.keys || (c.causal && key > query)) return kHidden;
    const T scaled = product * c.scale;
    if (!c.data[kMask]) return scaled;
    const std::int64_t place = at[kMask] + query * c.row[kMask] + key * c.column_of_mask;
    if (c.mask_is_bool) return static_cast<const Stored<bool>*>(c.data[kMask])[place] ? scaled : kHidden;
    return scaled + static_cast<const T*>(c.data[kMask])[place];
  }
  __device__ T factor(std::int64_t query, std::int64_t key) const {
    if (!c.drops || query >= c.queries || key >= c.keys) return T(1);
    return c.dropout.at((number * c.queries + query) * c.keys + key);
  }
};

__device__ inline int row_of_thread() { return static_cast<int>(threadIdx.x) / kLanes; }
__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x) % kLanes; }

/// sums[s] = inner product of the thread's row of a and row lane + s * kLanes of b; rows past the end count as 0.
template <class T>
__device__ void products(T (&sums)[kScores], Rows<const T> a, std::int64_t rows, Rows<const T> b, std::int64_t columns,
                         std::int64_t depth) {
  VG_SHARED(T, a_tile, kRows * kPitch);
  VG_SHARED(T, b_tile, kColumns * kPitch);
  const int thread = static_cast<int>(threadIdx.x), row = row_of_thread(), lane = lane_of_thread();
  for (int s = 0; s < kScores; ++s) sums[s] = 0;
  for (std::int64_t first = 0; first < depth; first += kDepth) {
    for (int e = thread; e < kRows * kDepth; e += kThreads) {
      const int i = e / kDepth, d = e % kDepth;
      a_tile[i * kPitch + d] = i < rows && first + d < depth ? a.at(i)[first + d] : T(0);
    }
    for (int e = thread; e < kColumns * kDepth; e += kThreads) {
      const int j = e / kDepth, d = e % kDepth;
      b_tile[j * kPitch + d] = j < columns && first + d < depth ? b.at(j)[first + d] : T(0);
    }
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      const T left = a_tile[row * kPitch + d];
      for (int s = 0; s < kScores; ++s) sums[s] = sums[s] + left * b_tile[(lane + s * kLanes) * kPitch + d];
    }
    __syncthreads();
  }
}

template <class T>
__device__ Rows<const T> from(Rows<const T> m, std::int64_t row) {
  return {m.at(row), m.row};
}

/// The thread's part of out += weights b, out being kept times what it was; `weights` [kRows, kColumns] is shared.
template <class T, class Weights>
__device__ void add_product(T* out, T kept, Weights& weights, Rows<const T> b, std::int64_t depth,
                            std::int64_t columns) {
  const int row = row_of_thread();
  for (std::int64_t j = lane_of_thread(); j < columns; j += kLanes) {
    T sum = out[j] * kept;
    for (std::int64_t d = 0; d < depth; ++d) sum = sum + weights[row * kRow + static_cast<int>(d)] * b.at(d)[j];
    out[j] = sum;
  }
}

__device__ inline std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

template <class T>
__global__ void forward_kernel(Call<T> c) {
  VG_SHARED(T, weights, kRows * kRow);
  const functors::exp exp;
  const Groups groups{kLanes, false};
  constexpr T kHidden = -std::numeric_limits<T>::infinity();
  const int row = row_of_thread(), lane = lane_of_thread();
  for (std::int64_t tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
    const Element<T> e(c, tile / c.row_tiles);
    const std::int64_t first = tile % c.row_tiles * kRows, query = first + row;
    const std::int64_t rows = smaller(kRows, c.queries - first);
    const std::int64_t end = c.causal ? smaller(c.keys, first + rows) : c.keys;
    const Rows<const T> q = from(e.template rows<const T>(kQ), first), k = e.template rows<const T>(kK);
    const Rows<const T> v = e.template rows<const T>(kV);
    const bool mine = row < rows;
    T* out = e.rows(kOut).at(query);
    T top = kHidden, sum = 0;
    for (std::int64_t j = lane; mine && j < c.value_width; j += kLanes) out[j] = 0;
    for (std::int64_t key = 0; key < end; key += kColumns) {
      const std::int64_t columns = smaller(kColumns, end - key);
      T scores[kScores];
      products(scores, q, rows, from(k, key), columns, c.width);
      T most = top;
      for (int s = 0; s < kScores; ++s) {
        const int j = lane + s * kLanes;
        scores[s] = j < columns ? e.score(scores[s], query, key + j) : kHidden;
        most = MaxOf()(most, scores[s]);
      }
      most = reduce_groups(groups, MaxOf(), most);
      const T base = most == kHidden ? T(0) : most, kept = exp(top - base);
      T added = 0;
      for (int s = 0; s < kScores; ++s) {
        const int j = lane + s * kLanes;
        const T power = exp(scores[s] - base);
        added = added + power;
        weights[row * kRow + j] = j < columns ? power * e.factor(query, key + j) : T(0);
      }
      sum = sum * kept + reduce_groups(groups, SumOf(), added);
      top = most;
      __syncthreads();
      if (mine) add_product(out, kept, weights, from(v, key), columns, c.value_width);
      __syncthreads();
    }
    if (!mine) continue;
    const bool none = sum == T(0);
    for (std::int64_t j = lane; j < c.value_width; j += kLanes) out[j] = none ? T(0) : out[j] / sum;
    if (lane == 0) {
      c.lse[e.number * c.queries + query] = none ? std::numeric_limits<T>::infinity() : top + functors::log()(sum);
    }
  }
}

/// delta of each query, a group of threads for each.
template <class T>
__global__ void delta_kernel(Call<T> c) {
  const Groups groups{kLanes, false};
  const int row = row_of_thread(), lane = lane_of_thread();
  for (std::int64_t tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
    const Element<T> e(c, tile / c.row_tiles);
    const std::int64_t query = tile % c.row_tiles * kRows + row;
    const bool mine = query < c.queries;
    T sum = 0;
    if (mine) {
      const T* grad = e.rows(kGrad).at(query);
      const T* out = e.rows(kOut).at(query);
      for (std::int64_t j = lane; j < c.value_width; j += kLanes) sum = sum + grad[j] * out[j];
    }
    sum = reduce_groups(groups, SumOf(), sum);
    if (mine && lane == 0) c.delta[e.number * c.queries + query] = sum;
  }
}

/// The softmax and the gradient by the score of one pair, from the products q k and grad v. `dropped`: the softmax
/// after dropout.
template <class T>
struct Pair {
  T dropped, by_score;

  __device__ Pair(const Element<T>& e, T product, T by_weight, std::int64_t query, std::int64_t key) {
    const Call<T>& c = e.c;
    const bool inside = query < c.queries && key < c.keys;
    const std::int64_t row = e.number * c.queries + query;
    const T p = inside ? functors::exp()(e.score(product, query, key) - c.lse[row]) : T(0);
    const T factor = e.factor(query, key);
    dropped = p * factor;
    by_score = inside ? p * (by_weight * factor - c.delta[row]) : T(0);
  }
};

/// The gradients by query and score.
template <class T>
__global__ void query_kernel(Call<T> c) {
  VG_SHARED(T, weights, kRows * kRow);
  const int row = row_of_thread(), lane = lane_of_thread();
  for (std::int64_t tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
    const Element<T> e(c, tile / c.row_tiles);
    const std::int64_t first = tile % c.row_tiles * kRows, query = first + row;
    const std::int64_t rows = smaller(kRows, c.queries - first);
    const bool mine = row < rows;
    const Rows<const T> q = from(e.template rows<const T>(kQ), first), k = e.template rows<const T>(kK);
    const Rows<const T> grad = from(e.template rows<const T>(kGrad), first), v = e.template rows<const T>(kV);
    T* out = c.data[kGradQ] ? e.rows(kGradQ).at(query) : nullptr;
    T* by_scores = c.data[kGradScores] ? e.rows(kGradScores).at(query) : nullptr;
    for (std::int64_t j = lane; out && mine && j < c.width; j += kLanes) out[j] = 0;
    // Scores that nobody sees have a gradient too: 0.
    const std::int64_t end = c.causal && !by_scores ? smaller(c.keys, first + rows) : c.keys;
    for (std::int64_t key = 0; key < end; key += kColumns) {
      const std::int64_t columns = smaller(kColumns, end - key);
      T scores[kScores], by_weights[kScores];
      products(scores, q, rows, from(k, key), columns, c.width);
      products(by_weights, grad, rows, from(v, key), columns, c.value_width);
      for (int s = 0; s < kScores; ++s) {
        const int j = lane + s * kLanes;
        const bool inside = mine && j < columns;
        const T by_score = inside ? Pair<T>(e, scores[s], by_weights[s], query, key + j).by_score : T(0);
        if (inside && by_scores) by_scores[key + j] = by_score;
        weights[row * kRow + j] = by_score * c.scale;
      }
      __syncthreads();
      if (mine && out) add_product(out, T(1), weights, from(k, key), columns, c.width);
      __syncthreads();
    }
  }
}

/// The gradients by key and value.
template <class T>
__global__ void key_kernel(Call<T> c) {
  VG_SHARED(T, dropped, kRows * kRow);
  VG_SHARED(T, weights, kRows * kRow);
  const int row = row_of_thread(), lane = lane_of_thread();
  for (std::int64_t tile = blockIdx.x; tile < c.tiles; tile += gridDim.x) {
    const Element<T> e(c, tile / c.row_tiles);
    const std::int64_t first = tile % c.row_tiles * kRows, key = first + row;
    const std::int64_t rows = smaller(kRows, c.keys - first);
    const bool mine = row < rows;
    const Rows<const T> q = e.template rows<const T>(kQ), k = from(e.template rows<const T>(kK), first);
    const Rows<const T> grad = e.template rows<const T>(kGrad), v = from(e.template rows<const T>(kV), first);
    T* by_k = c.data[kGradK] ? e.rows(kGradK).at(key) : nullptr;
    T* by_v = c.data[kGradV] ? e.rows(kGradV).at(key) : nullptr;
    for (std::int64_t j = lane; by_k && mine && j < c.width; j += kLanes) by_k[j] = 0;
    for (std::int64_t j = lane; by_v && mine && j < c.value_width; j += kLanes) by_v[j] = 0;
    // The first of the queries that see one of these keys.
    for (std::int64_t query = c.causal ? first / kColumns * kColumns : 0; query < c.queries; query += kColumns) {
      const std::int64_t columns = smaller(kColumns, c.queries - query);
      T scores[kScores], by_weights[kScores];
      products(scores, k, rows, from(q, query), columns, c.width);
      products(by_weights, v, rows, from(grad, query), columns, c.value_width);
      for (int s = 0; s < kScores; ++s) {
        const int j = lane + s * kLanes;
        const bool inside = mine && j < columns;
        const Pair<T> pair(e, scores[s], by_weights[s], inside ? query + j : c.queries, key);
        dropped[row * kRow + j] = inside ? pair.dropped : T(0);
        weights[row * kRow + j] = pair.by_score * c.scale;
      }
      __syncthreads();
      if (mine && by_v) add_product(by_v, T(1), dropped, from(grad, query), columns, c.value_width);
      if (mine && by_k) add_product(by_k, T(1), weights, from(q, query), columns, c.width);
      __syncthreads();
    }
  }
}

template <class T>
void start(void (*kernel)(Call<T>), const Call<T>& call) {
  launch(dim3(static_cast<unsigned>(std::min(kBlocks, call.tiles))), dim3(kThreads), kernel, call);
}

template <class T>
void run(AttentionOp op, const Attention& a) {
  Dims strides[kOperands];
  int i = 0;
  for (const AttentionMatrix* m :
       {&a.q, &a.k, &a.v, &a.mask, &a.out, &a.grad, &a.grad_q, &a.grad_k, &a.grad_v, &a.grad_scores}) {
    strides[i++] = m->data ? m->batch : Dims(a.batch.size(), 0);
  }
  std::int64_t elements = 1;
  for (const std::int64_t size : a.batch) elements *= size;
  if (op == AttentionOp::forward) return start(&forward_kernel<T>, Call<T>(a, strides, elements, a.queries, nullptr));
  const Scratch<T> delta(elements * a.queries);
  const Call<T> by_query(a, strides, elements, a.queries, delta.get());
  start(&delta_kernel<T>, by_query);
  if (a.grad_q.data || a.grad_scores.data) start(&query_kernel<T>, by_query);
  if (a.grad_k.data || a.grad_v.data) start(&key_kernel<T>, Call<T>(a, strides, elements, a.keys, delta.get()));
}

}  // namespace

void attention(AttentionOp op, DType dtype, const Attention& a) {
  switch (dtype) {
    case DType::Float32: return run<float>(op, a);
    case DType::Float64: return run<double>(op, a);
    default: refuse_dtype(dtype);
  }
}

}  // namespace verigrad::kernels::cuda
