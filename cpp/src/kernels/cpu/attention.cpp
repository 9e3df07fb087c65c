// Attention in blocks of queries and keys, with a running softmax (T. Dao et al., "FlashAttention", arXiv 2205.14135,
// algorithm 1; T. Dao, "FlashAttention-2", arXiv 2307.08691, algorithms 1 and 2). Nothing has the size of all scores
// but the gradient by the mask.
//
// A task of the result is a block of queries. A task of the gradient is an element of the batch, or, where these are
// few, a share of its keys; the shares' gradients by the queries are then added in order. All cuts follow from the
// sizes alone, so any number of threads gives the same bits.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cblas.h"
#include "kernels/cpu/convolution_source.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reduce_loops.h"
#include "kernels/functors.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

constexpr std::int64_t kQueries = boundary::attention_queries, kKeys = boundary::attention_keys;

template <class T>
constexpr T kHidden = -std::numeric_limits<T>::infinity();

/// A matrix of one element of the batch.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t row = 0;
  T* at(std::int64_t i) const { return data + i * row; }
};

/// c = op(a) op(b), or c += that.
template <class T>
void product(bool trans_a, bool trans_b, std::int64_t m, std::int64_t n, std::int64_t k, Rows<const T> a,
             Rows<const T> b, Rows<T> c, bool add) {
  cblas_gemm(trans_a, trans_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), a.data,
             static_cast<int>(a.row), b.data, static_cast<int>(b.row), add ? T(1) : T(0), c.data,
             static_cast<int>(c.row));
}

/// The part of a mask that belongs to a block: rows and columns from `data` on.
struct MaskBlock {
  const void* data = nullptr;
  std::int64_t row = 0, column = 0;
  bool is_bool = false;
};

/// Products of queries and keys become scores. `visible`: keys that the first row sees, each further row one more.
template <class T>
struct FinishScores {
  VG_INLINE static void run(T* s, std::int64_t rows, std::int64_t columns, T scale, MaskBlock mask,
                            std::int64_t visible) {
    for (std::int64_t i = 0; i < rows; ++i, s += kKeys) {
      for (std::int64_t j = 0; j < columns; ++j) s[j] *= scale;
      if (mask.data && mask.is_bool) {
        hide(s, columns, static_cast<const Stored<bool>*>(mask.data) + i * mask.row, mask.column);
      } else if (mask.data) {
        add(s, columns, static_cast<const T*>(mask.data) + i * mask.row, mask.column);
      }
      for (std::int64_t j = visible + i; j < columns; ++j) s[j] = kHidden<T>;
    }
  }

 private:
  VG_INLINE static void hide(T* s, std::int64_t n, const Stored<bool>* mask, std::int64_t step) {
    for (std::int64_t j = 0; j < n; ++j) s[j] = mask[j * step] ? s[j] : kHidden<T>;
  }
  VG_INLINE static void add(T* s, std::int64_t n, const T* mask, std::int64_t step) {
    if (step == 1) {
      for (std::int64_t j = 0; j < n; ++j) s[j] += mask[j];
    } else {
      for (std::int64_t j = 0; j < n; ++j) s[j] += mask[j * step];
    }
  }
};

/// Scores become powers of e under the greatest score so far; `factor` is what the earlier ones have to be multiplied
/// by.
template <class T>
struct RunningSoftmax {
  VG_INLINE static void run(T* s, std::int64_t rows, std::int64_t columns, T* top, T* sum, T* factor) {
    const functors::exp exp;
    for (std::int64_t i = 0; i < rows; ++i, s += kKeys) {
      const T most = MaxOf()(top[i], reduce_run<MaxOf, T>(s, columns));
      const T base = most == kHidden<T> ? T(0) : most;
      factor[i] = exp(top[i] - base);
      for (std::int64_t j = 0; j < columns; ++j) s[j] = exp(s[j] - base);
      sum[i] = sum[i] * factor[i] + reduce_run<SumOf, T>(s, columns);
      top[i] = most;
    }
  }
};

/// out[i] *= factor[i].
template <class T>
struct ScaleRows {
  VG_INLINE static void run(T* out, std::int64_t row, std::int64_t rows, std::int64_t columns, const T* factor) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) out[i * row + j] *= factor[i];
    }
  }
};

/// out[i] /= sum[i], 0 for a row without keys; the log of the sum.
template <class T>
struct FinishRows {
  VG_INLINE static void run(T* out, std::int64_t row, std::int64_t rows, std::int64_t columns, T* lse, const T* top,
                            const T* sum) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const bool none = sum[i] == T(0);
      lse[i] = none ? std::numeric_limits<T>::infinity() : top[i] + functors::log()(sum[i]);
      for (std::int64_t j = 0; j < columns; ++j) out[i * row + j] = none ? T(0) : out[i * row + j] / sum[i];
    }
  }
};

/// x[j] times the factor of the element `position` + j.
template <class T>
struct Drop {
  VG_INLINE static void run(T* x, std::int64_t n, AttentionDropout<T> dropout, std::int64_t position) {
    constexpr std::int64_t kWords = boundary::random_words, kBlocks = kKeys / kWords + 1;
    std::uint32_t words[kWords * kBlocks];
    const std::int64_t first = position / kWords, skipped = position % kWords;
    const std::int64_t blocks = (skipped + n - 1) / kWords + 1;
    for (std::int64_t b = 0; b < blocks; ++b) {
      const PhiloxBlock block = philox(dropout.seed, dropout.counter + static_cast<std::uint64_t>(first + b));
      for (int w = 0; w < kWords; ++w) words[b * kWords + w] = block.word[w];
    }
    for (std::int64_t j = 0; j < n; ++j) x[j] *= dropout.keep.at(words, 1, skipped + j);
  }
};

/// Scores become the softmax again, by the log of the sums.
template <class T>
struct Powers {
  VG_INLINE static void run(T* s, std::int64_t rows, std::int64_t columns, const T* lse) {
    const functors::exp exp;
    for (std::int64_t i = 0; i < rows; ++i, s += kKeys) {
      for (std::int64_t j = 0; j < columns; ++j) s[j] = exp(s[j] - lse[i]);
    }
  }
};

/// The gradient by the scores, from that by the softmax: p (d - sum of p d), the sum being that of grad out.
template <class T>
struct ScoreGradient {
  VG_INLINE static void run(T* d, const T* p, std::int64_t rows, std::int64_t columns, const T* delta) {
    for (std::int64_t i = 0; i < rows; ++i, d += kKeys, p += kKeys) {
      for (std::int64_t j = 0; j < columns; ++j) d[j] = p[j] * (d[j] - delta[i]);
    }
  }
};

/// delta[i] = sum of a[i] b[i].
template <class T>
struct RowProducts {
  VG_INLINE static void run(T* delta, const T* a, std::int64_t row_a, const T* b, std::int64_t row_b, std::int64_t rows,
                            std::int64_t columns) {
    constexpr std::int64_t kLanes = boundary::vector_bytes_avx512 / std::int64_t{sizeof(T)};
    for (std::int64_t i = 0; i < rows; ++i, a += row_a, b += row_b) {
      T lanes[kLanes] = {};
      std::int64_t j = 0;
      for (; j + kLanes <= columns; j += kLanes) {
        for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] += a[j + l] * b[j + l];
      }
      for (std::int64_t l = 0; j < columns; ++j, ++l) lanes[l] += a[j] * b[j];
      for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
        for (std::int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
      }
      delta[i] = lanes[0];
    }
  }
};

/// What belongs to one element of the batch.
template <class T>
struct Element {
  Rows<const T> q, k, v, grad;
  Rows<T> out, grad_q, grad_k, grad_v, grad_scores;
  MaskBlock mask;
  T* lse = nullptr;
  std::int64_t position = 0;  // of its first score

  Element(const Attention& a, std::int64_t number) : position(number * a.queries * a.keys) {
    lse = static_cast<T*>(a.lse) + number * a.queries;
    q = rows<const T>(a, a.q, number);
    k = rows<const T>(a, a.k, number);
    v = rows<const T>(a, a.v, number);
    grad = rows<const T>(a, a.grad, number);
    out = rows<T>(a, a.out, number);
    grad_q = rows<T>(a, a.grad_q, number);
    grad_k = rows<T>(a, a.grad_k, number);
    grad_v = rows<T>(a, a.grad_v, number);
    grad_scores = rows<T>(a, a.grad_scores, number);
    if (a.mask.data) {
      const std::int64_t size = a.mask_is_bool ? 1 : std::int64_t{sizeof(T)};
      mask = {static_cast<const char*>(a.mask.data) + offset(a, a.mask, number) * size, a.mask.row, a.mask.column,
              a.mask_is_bool};
    }
  }

  MaskBlock mask_from(std::int64_t query, std::int64_t key) const {
    MaskBlock block = mask;
    if (!mask.data) return block;
    const std::int64_t size = mask.is_bool ? 1 : std::int64_t{sizeof(T)};
    block.data = static_cast<const char*>(mask.data) + (query * mask.row + key * mask.column) * size;
    return block;
  }

 private:
  static std::int64_t offset(const Attention& a, const AttentionMatrix& m, std::int64_t number) {
    std::int64_t sum = 0;
    for (int d = a.batch.size() - 1; d >= 0; --d) {
      sum += number % a.batch[d] * m.batch[d];
      number /= a.batch[d];
    }
    return sum;
  }
  template <class U>
  static Rows<U> rows(const Attention& a, const AttentionMatrix& m, std::int64_t number) {
    if (!m.data) return {};
    return {static_cast<U*>(m.data) + offset(a, m, number), m.row};
  }
};

std::int64_t count_of(const Dims& sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes) n *= size;
  return n;
}

std::int64_t parts(std::int64_t n, std::int64_t size) { return (n - 1) / size + 1; }

template <class T>
Rows<const T> from(Rows<const T> m, std::int64_t row) {
  return {m.at(row), m.row};
}
template <class T>
Rows<T> from(Rows<T> m, std::int64_t row) {
  return {m.at(row), m.row};
}

template <class T>
class Kernel {
 public:
  explicit Kernel(const Attention& a)
      : a_(a), dropout_(a), scale_(static_cast<T>(a.scale)), elements_(count_of(a.batch)) {}

  void forward() const {
    const std::int64_t blocks = parts(a_.queries, kQueries);
    parallel_for(elements_ * blocks, grain(elements_ * blocks), [&](std::int64_t begin, std::int64_t end) {
      const Workspace<T> scores(kQueries * kKeys);
      for (std::int64_t i = begin; i < end; ++i) {
        forward_block(Element<T>(a_, i / blocks), i % blocks * kQueries, scores.get());
      }
    });
  }

  void backward() const {
    const std::int64_t blocks = parts(a_.keys, kKeys);
    const std::int64_t shares = std::clamp<std::int64_t>(boundary::attention_shares / elements_, 1, blocks);
    const std::int64_t partial = a_.grad_q.data ? a_.queries * a_.width : 0;
    const Workspace<T> partials(elements_ * (shares - 1) * partial);
    parallel_for(elements_ * shares, grain(elements_ * shares), [&](std::int64_t begin, std::int64_t end) {
      const Workspace<T> scores(2 * kQueries * kKeys);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t share = i % shares;
        Element<T> e(a_, i / shares);
        if (share > 0 && partial > 0) {
          e.grad_q = {partials.get() + (i / shares * (shares - 1) + share - 1) * partial, a_.width};
        }
        const std::int64_t first = share * blocks / shares * kKeys;
        backward_keys(e, first, std::min(a_.keys, (share + 1) * blocks / shares * kKeys), scores.get());
      }
    });
    if (shares > 1 && partial > 0) add_shares(partials.get(), shares);
  }

 private:
  /// For so many equal tasks.
  std::int64_t grain(std::int64_t tasks) const {
    const double work = static_cast<double>(elements_) * static_cast<double>(a_.queries) *
                        static_cast<double>(a_.keys) * static_cast<double>(a_.width + a_.value_width);
    if (work < boundary::attention_serial_work) return tasks;
    return std::max<std::int64_t>(
        1, static_cast<std::int64_t>(boundary::attention_task_work * static_cast<double>(tasks) / work));
  }

  /// The keys that some of these queries see.
  std::int64_t last_key(std::int64_t query, std::int64_t rows, std::int64_t end) const {
    return a_.causal ? std::min(end, query + rows) : end;
  }

  void scores(const Element<T>& e, std::int64_t query, std::int64_t rows, std::int64_t key, std::int64_t columns,
              T* s) const {
    product<T>(false, true, rows, columns, a_.width, from(e.q, query), from(e.k, key), {s, kKeys}, false);
    const std::int64_t visible = a_.causal ? query - key + 1 : columns;
    simd_run<FinishScores<T>>(s, rows, columns, scale_, e.mask_from(query, key), visible);
  }

  void drop(const Element<T>& e, std::int64_t query, std::int64_t rows, std::int64_t key, std::int64_t columns,
            T* x) const {
    if (a_.dropout == 0) return;
    for (std::int64_t i = 0; i < rows; ++i) {
      simd_run<Drop<T>>(x + i * kKeys, columns, dropout_, e.position + (query + i) * a_.keys + key);
    }
  }

  void forward_block(const Element<T>& e, std::int64_t query, T* s) const {
    const std::int64_t rows = std::min(kQueries, a_.queries - query), end = last_key(query, rows, a_.keys);
    const Rows<T> out = from(e.out, query);
    T top[kQueries], sum[kQueries], factor[kQueries];
    std::fill_n(top, rows, kHidden<T>);
    std::fill_n(sum, rows, T(0));
    for (std::int64_t key = 0; key < end; key += kKeys) {
      const std::int64_t columns = std::min(kKeys, end - key);
      scores(e, query, rows, key, columns, s);
      simd_run<RunningSoftmax<T>>(s, rows, columns, top, sum, factor);
      drop(e, query, rows, key, columns, s);
      if (key > 0) simd_run<ScaleRows<T>>(out.data, out.row, rows, a_.value_width, factor);
      product<T>(false, false, rows, a_.value_width, columns, {s, kKeys}, from(e.v, key), out, key > 0);
    }
    simd_run<FinishRows<T>>(out.data, out.row, rows, a_.value_width, e.lse + query, top, sum);
  }

  static void clear(Rows<T> m, std::int64_t first, std::int64_t rows, std::int64_t columns) {
    for (std::int64_t i = 0; m.data && i < rows; ++i) std::fill_n(m.at(first + i), columns, T(0));
  }

  /// The gradients through the keys from `first` to `end`.
  void backward_keys(const Element<T>& e, std::int64_t first, std::int64_t end, T* p) const {
    clear(e.grad_q, 0, a_.queries, a_.width);
    clear(e.grad_k, first, end - first, a_.width);
    clear(e.grad_v, first, end - first, a_.value_width);
    for (std::int64_t query = 0; query < a_.queries; query += kQueries) {
      const std::int64_t rows = std::min(kQueries, a_.queries - query), seen = last_key(query, rows, end);
      T delta[kQueries];
      simd_run<RowProducts<T>>(delta, static_cast<const T*>(e.grad.at(query)), e.grad.row,
                               static_cast<const T*>(e.out.at(query)), e.out.row, rows, a_.value_width);
      for (std::int64_t key = first; key < seen; key += kKeys) {
        backward_block(e, query, rows, key, std::min(kKeys, seen - key), delta, p);
      }
      const std::int64_t hidden = std::max(first, seen);
      for (std::int64_t i = 0; e.grad_scores.data && i < rows; ++i) {
        std::fill(e.grad_scores.at(query + i) + hidden, e.grad_scores.at(query + i) + std::max(hidden, end), T(0));
      }
    }
  }

  void backward_block(const Element<T>& e, std::int64_t query, std::int64_t rows, std::int64_t key,
                      std::int64_t columns, const T* delta, T* p) const {
    T* d = p + kQueries * kKeys;
    const Rows<const T> grad = from(e.grad, query);
    scores(e, query, rows, key, columns, p);
    simd_run<Powers<T>>(p, rows, columns, static_cast<const T*>(e.lse + query));
    if (e.grad_v.data) {
      const T* dropped = p;
      if (a_.dropout > 0) {
        for (std::int64_t i = 0; i < rows; ++i) std::copy_n(p + i * kKeys, columns, d + i * kKeys);
        drop(e, query, rows, key, columns, d);
        dropped = d;
      }
      product<T>(true, false, columns, a_.value_width, rows, {dropped, kKeys}, grad, from(e.grad_v, key), true);
    }
    if (!e.grad_q.data && !e.grad_k.data && !e.grad_scores.data) return;
    product<T>(false, true, rows, columns, a_.value_width, grad, from(e.v, key), {d, kKeys}, false);
    drop(e, query, rows, key, columns, d);
    simd_run<ScoreGradient<T>>(d, static_cast<const T*>(p), rows, columns, delta);
    for (std::int64_t i = 0; e.grad_scores.data && i < rows; ++i) {
      std::copy_n(d + i * kKeys, columns, e.grad_scores.at(query + i) + key);
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) d[i * kKeys + j] *= scale_;
    }
    if (e.grad_q.data) {
      product<T>(false, false, rows, a_.width, columns, {d, kKeys}, from(e.k, key), from(e.grad_q, query), true);
    }
    if (e.grad_k.data) {
      product<T>(true, false, columns, a_.width, rows, {d, kKeys}, from(e.q, query), from(e.grad_k, key), true);
    }
  }

  void add_shares(const T* partials, std::int64_t shares) const {
    const std::int64_t partial = a_.queries * a_.width;
    const std::int64_t lines = elements_ * a_.queries;
    parallel_for(lines, std::max<std::int64_t>(1, kGrainElements / a_.width / shares),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t number = i / a_.queries, query = i % a_.queries;
                     T* to = Element<T>(a_, number).grad_q.at(query);
                     for (std::int64_t share = 1; share < shares; ++share) {
                       const T* of = partials + (number * (shares - 1) + share - 1) * partial + query * a_.width;
                       for (std::int64_t j = 0; j < a_.width; ++j) to[j] += of[j];
                     }
                   }
                 });
  }

  const Attention& a_;
  AttentionDropout<T> dropout_;
  T scale_;
  std::int64_t elements_;
};

}  // namespace

void attention(AttentionOp op, DType dtype, const Attention& a) {
  dispatch_floating("scaled_dot_product_attention", dtype, [&]<class T>(TypeTag<T>) {
    if (op == AttentionOp::forward) {
      Kernel<T>(a).forward();
    } else {
      Kernel<T>(a).backward();
    }
  });
}

}  // namespace verigrad::kernels::cpu
