// Normalisation, backward. With xhat = (x - mean) rstd and h = g weight, over the n elements of a channel:
//   dx = (h - average(h) - xhat average(h xhat)) rstd,  dweight = sum(g xhat),  dbias = sum(g)
// (S. Ioffe, C. Szegedy, arXiv 1502.03167, section 3). The mean is stored in the elements' dtype; what that rounds away
// comes back as the average of x - mean, from the same pass.
#include <algorithm>
#include <memory>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/normalize_columns.h"
#include "kernels/normalization.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {

void normalize_backward(DType dtype, const Normalize& n);

namespace {

/// Sums of g and g xhat for every channel and affine pair, [channels * span] each; null where not wanted.
struct Shares {
  double* weight = nullptr;
  double* bias = nullptr;
};

using normalization::Channel;
using normalization::ChannelSums;
using normalization::rest_of;
using normalization::weight_of;

/// Adds the sums over a run of one channel and one weight; g, g (x - mean), x - mean.
template <class T>
VG_INLINE void add_run(LaneSums<3>& sums, const T* g, const T* x, std::int64_t n, double mean) {
  sums.add(
      n,
      [g, x, mean](std::int64_t i, LaneSums<3>::Four* out) __attribute__((always_inline)) {
        load_four(g + i, out[0]);
        load_four(x + i, out[2]);
        out[2] -= mean;
        out[1] = out[0] * out[2];
      },
      [g, x, mean](std::int64_t i, double* out) __attribute__((always_inline)) {
        out[0] = static_cast<double>(g[i]);
        out[2] = static_cast<double>(x[i]) - mean;
        out[1] = out[0] * out[2];
      });
}

/// Channels [begin, end), each on its own; runs of `inner / span` elements share a weight.
template <class T>
struct BackwardChannels {
  VG_INLINE static void run(const Normalize* n, Shares shares, std::int64_t begin, std::int64_t end) {
    const std::int64_t stride = n->channels * n->inner, length = n->inner / n->span;
    const bool sums_wanted = !n->given || shares.weight || shares.bias;
    for (std::int64_t c = begin; c < end; ++c) {
      const Channel<T> channel(n, c);
      const T* g = static_cast<const T*>(n->g) + c * n->inner;
      const T* x = static_cast<const T*>(n->x) + c * n->inner;
      const std::int64_t first = c % n->period * n->span;
      Total h, hx, d;
      for (std::int64_t k = 0; sums_wanted && k < n->span; ++k) {
        LaneSums<3> sums;
        for (std::int64_t o = 0; o < n->outer; ++o) {
          const std::int64_t at = o * stride + k * length;
          add_run(sums, g + at, x + at, length, static_cast<double>(channel.mean));
        }
        const double weight = weight_of<T>(n, first + k);
        const double plain = sums.value(0), product = sums.value(1);
        h.add(plain * weight);
        hx.add(product * weight);
        d.add(sums.value(2));
        if (shares.bias) shares.bias[c * n->span + k] = plain;
        if (shares.weight) shares.weight[c * n->span + k] = product;
      }
      const ChannelSums total{h.value(), hx.value(), d.value()};
      const double rest = rest_of(n, total);
      for (std::int64_t k = 0; shares.weight && k < n->span; ++k) {
        double& product = shares.weight[c * n->span + k];
        product = (product - rest * shares.bias[c * n->span + k]) * channel.rstd;
      }
      if (!n->grad_x) continue;
      const normalization::Backward<T> f = channel.element(n, total, rest);
      T* out = static_cast<T*>(n->grad_x) + c * n->inner;
      for (std::int64_t o = 0; o < n->outer; ++o) {
        for (std::int64_t k = 0; k < n->span; ++k) {
          const std::int64_t at = o * stride + k * length;
          const T weight = static_cast<T>(weight_of<T>(n, first + k));
#pragma GCC ivdep
          for (std::int64_t i = 0; i < length; ++i) out[at + i] = f(g[at + i] * weight, x[at + i]);
        }
      }
    }
  }
};

/// Channels [begin, end) with few neighbouring elements, at most kColumns together; span is 1.
template <class T>
struct BackwardColumns {
  VG_INLINE static void run(const Normalize* n, Shares shares, std::int64_t begin, std::int64_t end) {
    const std::int64_t stride = n->channels * n->inner, inner = n->inner, width = (end - begin) * inner;
    const T* g = static_cast<const T*>(n->g) + begin * inner;
    const T* x = static_cast<const T*>(n->x) + begin * inner;
    T mean[kColumns], rest[kColumns], average[kColumns], slope[kColumns], scale[kColumns], weight[kColumns];
    for (std::int64_t j = 0; j < width; ++j) mean[j] = Channel<T>(n, begin + j / inner).mean;
    ColumnSums<3> sums;
    if (!n->given || shares.weight || shares.bias) {
      for (std::int64_t o = 0; o < n->outer; ++o) {
        const T* p = g + o * stride;
        const T* q = x + o * stride;
        for (std::int64_t j = 0; j < width; ++j) {
          const double h = static_cast<double>(p[j]), d = static_cast<double>(q[j]) - static_cast<double>(mean[j]);
          sums.part[0][j] += h;
          sums.part[1][j] += h * d;
          sums.part[2][j] += d;
        }
        sums.row_done();
      }
    }
    for (std::int64_t c = begin; c < end; ++c) {
      const Channel<T> channel(n, c);
      const std::int64_t from = (c - begin) * inner, to = from + inner;
      const double plain = sums.value(0, from, to), product = sums.value(1, from, to);
      const double factor = weight_of<T>(n, c % n->period);
      const ChannelSums total{plain * factor, product * factor, sums.value(2, from, to)};
      const double left = rest_of(n, total);
      if (shares.bias) shares.bias[c] = plain;
      if (shares.weight) shares.weight[c] = (product - left * plain) * channel.rstd;
      const normalization::Backward<T> f = channel.element(n, total, left);
      for (std::int64_t j = from; j < to; ++j) {
        rest[j] = f.rest;
        average[j] = f.average;
        slope[j] = f.slope;
        scale[j] = f.rstd;
        weight[j] = static_cast<T>(factor);
      }
    }
    if (!n->grad_x) return;
    T* out = static_cast<T*>(n->grad_x) + begin * inner;
    for (std::int64_t o = 0; o < n->outer; ++o) {
      const T* p = g + o * stride;
      const T* q = x + o * stride;
      T* r = out + o * stride;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < width; ++j) {
        const normalization::Backward<T> f{mean[j], rest[j], average[j], slope[j], scale[j]};
        r[j] = f(p[j] * weight[j], q[j]);
      }
    }
  }
};

/// Rows [begin, end) with a weight for each element. `recent` holds the sums of the last kRecent rows in the elements'
/// type, `shares` those of all rows before; both are [period * span].
template <class T>
struct BackwardRows {
  static constexpr std::int64_t kRecent = boundary::normalize_recent_rows;

  VG_INLINE static void run(const Normalize* n, Shares shares, T* recent_weight, T* recent_bias, std::int64_t begin,
                            std::int64_t end) {
    const std::int64_t size = n->inner, pairs = n->period * n->span;
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t first = row % n->period * n->span;
      const T* g = static_cast<const T*>(n->g) + row * size;
      const T* x = static_cast<const T*>(n->x) + row * size;
      const T* weight = n->weight ? static_cast<const T*>(n->weight) + first : nullptr;
      const Channel<T> channel(n, row);
      ChannelSums total;
      if (!n->given) total = sum(g, x, weight, size, static_cast<double>(channel.mean));
      const double rest = rest_of(n, total);
      const normalization::Backward<T> f = channel.element(n, total, rest);
      T* out = n->grad_x ? static_cast<T*>(n->grad_x) + row * size : nullptr;
      T* share_weight = shares.weight ? recent_weight + first : nullptr;
      T* share_bias = shares.bias ? recent_bias + first : nullptr;
      if (out && weight && share_weight && share_bias) {
        write_all(out, share_weight, share_bias, g, x, weight, size, f);
      } else {
        if (out) write(out, g, x, weight, size, f);
        if (share_weight || share_bias) add_shares(share_weight, share_bias, g, x, size, f);
      }
      if ((row - begin) % kRecent == kRecent - 1 || row + 1 == end) {
        if (shares.weight) move(shares.weight, recent_weight, pairs);
        if (shares.bias) move(shares.bias, recent_bias, pairs);
      }
    }
  }

 private:
  VG_INLINE static ChannelSums sum(const T* g, const T* x, const T* weight, std::int64_t n, double mean) {
    using Four = LaneSums<3>::Four;
    LaneSums<3> sums;
    if (!weight) {
      add_run(sums, g, x, n, mean);
    } else {
      sums.add(
          n,
          [g, x, weight, mean](std::int64_t i, Four* out) __attribute__((always_inline)) {
            load_products(g + i, weight + i, out[0]);
            load_four(x + i, out[2]);
            out[2] -= mean;
            out[1] = out[0] * out[2];
          },
          [g, x, weight, mean](std::int64_t i, double* out) __attribute__((always_inline)) {
            out[0] = static_cast<double>(g[i] * weight[i]);
            out[2] = static_cast<double>(x[i]) - mean;
            out[1] = out[0] * out[2];
          });
    }
    return {sums.value(0), sums.value(1), sums.value(2)};
  }

  VG_INLINE static void write(T* out, const T* g, const T* x, const T* weight, std::int64_t n,
                              normalization::Backward<T> f) {
    if (weight) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = f(g[i] * weight[i], x[i]);
    } else {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = f(g[i], x[i]);
    }
  }

  VG_INLINE static void add_shares(T* share_weight, T* share_bias, const T* g, const T* x, std::int64_t n,
                                   normalization::Backward<T> f) {
    if (share_weight) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) share_weight[i] += g[i] * f.standard(x[i]);
    }
    if (share_bias) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) share_bias[i] += g[i];
    }
  }

  /// Both of the above, reading the row once.
  VG_INLINE static void write_all(T* out, T* share_weight, T* share_bias, const T* g, const T* x, const T* weight,
                                  std::int64_t n, normalization::Backward<T> f) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      out[i] = f(g[i] * weight[i], x[i]);
      share_weight[i] += g[i] * f.standard(x[i]);
      share_bias[i] += g[i];
    }
  }

  VG_INLINE static void move(double* to, T* from, std::int64_t n) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      to[i] += static_cast<double>(from[i]);
      from[i] = T(0);
    }
  }
};

/// to[i] += from[i]
struct AddPart {
  VG_INLINE static void run(double* to, const double* from, std::int64_t n) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) to[i] += from[i];
  }
};

/// out[k] = the sum over p of parts[p * pairs + k], neighbours first; `parts` is used up.
template <class T>
void add_parts(void* out, double* parts, std::int64_t count, std::int64_t pairs) {
  if (!out) return;
  for (std::int64_t distance = 1; distance < count; distance *= 2) {
    for (std::int64_t p = 0; p + distance < count; p += 2 * distance) {
      simd_run<AddPart, double*, const double*, std::int64_t>(parts + p * pairs, parts + (p + distance) * pairs, pairs);
    }
  }
  for (std::int64_t k = 0; k < pairs; ++k) static_cast<T*>(out)[k] = static_cast<T>(parts[k]);
}

template <class T>
void rows(const Normalize& n, bool serial) {
  const Normalize* p = &n;
  const std::int64_t pairs = n.period * n.span, size = n.inner;
  const bool shared = n.grad_weight || n.grad_bias;
  // A chunk has partial sums of its own; they stay small next to its rows.
  std::int64_t chunk = std::max<std::int64_t>(
      {1, boundary::normalize_rows_grain / size, (n.channels - 1) / boundary::normalize_rows_chunks + 1});
  if (shared) chunk = std::max(chunk, boundary::normalize_share_rows * pairs / size);
  if (serial) chunk = n.channels;
  const std::int64_t chunks = (n.channels - 1) / chunk + 1;
  const std::size_t total = static_cast<std::size_t>(shared ? chunks * pairs : 0);
  const std::unique_ptr<double[]> weight(new double[n.grad_weight ? total : 0]());
  const std::unique_ptr<double[]> bias(new double[n.grad_bias ? total : 0]());
  parallel_for(chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<T[]> recent(new T[static_cast<std::size_t>(shared ? 2 * pairs : 0)]());
    for (std::int64_t i = begin; i < end; ++i) {
      const Shares shares{n.grad_weight ? weight.get() + i * pairs : nullptr,
                          n.grad_bias ? bias.get() + i * pairs : nullptr};
      simd_run<BackwardRows<T>>(p, shares, recent.get(), recent.get() + (shared ? pairs : 0), i * chunk,
                                std::min(n.channels, (i + 1) * chunk));
    }
  });
  add_parts<T>(n.grad_weight, weight.get(), chunks, pairs);
  add_parts<T>(n.grad_bias, bias.get(), chunks, pairs);
}

template <class T>
void backward(const Normalize& n) {
  const Normalize* p = &n;
  const std::int64_t numel = n.outer * n.channels * n.inner;
  const bool serial = numel < kDearSerialElements;
  if (n.span > 1 && n.inner == n.span) return rows<T>(n, serial);
  const std::int64_t pairs = n.period * n.span;
  // The weight's share is corrected by the bias's.
  const std::size_t count = static_cast<std::size_t>(n.channels * n.span);
  const bool shared = n.grad_weight || n.grad_bias;
  const std::unique_ptr<double[]> weight(new double[n.grad_weight ? count : 0]);
  const std::unique_ptr<double[]> bias(new double[shared ? count : 0]);
  const Shares shares{n.grad_weight ? weight.get() : nullptr, shared ? bias.get() : nullptr};
  const auto grain = [&](std::int64_t items) {
    return serial ? items : std::max<std::int64_t>(1, kDearGrainElements / std::max<std::int64_t>(1, numel / items));
  };
  if (n.inner <= kFewInner && n.span == 1 && n.outer > 1) {
    const std::int64_t width = std::max<std::int64_t>(1, kColumns / n.inner);
    const std::int64_t items = (n.channels - 1) / width + 1;
    parallel_for(items, grain(items), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        simd_run<BackwardColumns<T>>(p, shares, i * width, std::min(n.channels, (i + 1) * width));
      }
    });
  } else {
    parallel_for(n.channels, grain(n.channels),
                 [&](std::int64_t begin, std::int64_t end) { simd_run<BackwardChannels<T>>(p, shares, begin, end); });
  }
  add_parts<T>(n.grad_weight, weight.get(), n.channels / n.period, pairs);
  add_parts<T>(n.grad_bias, bias.get(), n.channels / n.period, pairs);
}

}  // namespace

void normalize_backward(DType dtype, const Normalize& n) {
  dispatch_floating("normalize", dtype, [&]<class T>(TypeTag<T>) { backward<T>(n); });
}

}  // namespace verigrad::kernels::cpu
