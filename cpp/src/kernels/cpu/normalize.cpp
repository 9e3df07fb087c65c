// Normalisation, forward; normalize_backward.cpp has the gradients.
//
// A channel is read once or twice for its statistics and once more for the result, while it is still in the cache.
#include <algorithm>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/normalize_columns.h"
#include "kernels/normalization.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {

// In normalize_backward.cpp.
void normalize_backward(DType dtype, const Normalize& n);

namespace {

using normalization::given_statistics;
using normalization::Statistics;
using normalization::store_statistics;

template <class T>
VG_INLINE void write_run(T* y, const T* x, std::int64_t n, normalization::Forward<T> f) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

/// A row with an affine pair for each element.
template <class T>
VG_INLINE void write_each(T* y, const T* x, std::int64_t n, normalization::ForwardEach<T> f, const T* weight,
                          const T* bias) {
  if (weight && bias) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i], weight[i], bias[i]);
  } else if (weight) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = f.standard(x[i]) * weight[i];
  } else if (bias) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = f.standard(x[i]) + bias[i];
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) y[i] = f.standard(x[i]);
  }
}

/// One plane: the elements of a channel that lie side by side.
template <class T>
VG_INLINE void write_plane(const Normalize* n, std::int64_t plane, std::int64_t c, const Statistics<T>& s) {
  const T* x = static_cast<const T*>(n->x) + plane * n->inner;
  T* y = static_cast<T*>(n->y) + plane * n->inner;
  const std::int64_t first = c % n->period * n->span, run = n->inner / n->span;
  if (run == 1 && n->span > 1) {
    const T* weight = n->weight ? static_cast<const T*>(n->weight) + first : nullptr;
    const T* bias = n->bias ? static_cast<const T*>(n->bias) + first : nullptr;
    write_each(y, x, n->inner, normalization::ForwardEach<T>{s.mean, s.rest, static_cast<T>(s.rstd)}, weight, bias);
    return;
  }
  for (std::int64_t k = 0; k < n->span; ++k) {
    write_run(y + k * run, x + k * run, run, s.element(n, first + k));
  }
}

/// Channels [begin, end), each on its own.
template <class T, bool kCentered>
struct ForwardChannels {
  VG_INLINE static void run(const Normalize* n, std::int64_t begin, std::int64_t end) {
    const std::int64_t stride = n->channels * n->inner;
    for (std::int64_t c = begin; c < end; ++c) {
      const T* x = static_cast<const T*>(n->x) + c * n->inner;
      const Moments m = moments_of<T, kCentered>(x, n->outer, stride, n->inner);
      const Statistics<T> s = store_statistics<T>(n, c, m);
      for (std::int64_t o = 0; o < n->outer; ++o) write_plane(n, o * n->channels + c, c, s);
    }
  }
};

/// Planes [begin, end) with statistics of the caller.
template <class T>
struct ForwardGiven {
  VG_INLINE static void run(const Normalize* n, std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      const std::int64_t c = plane % n->channels;
      write_plane(n, plane, c, given_statistics<T>(n, c));
    }
  }
};

/// Channels [begin, end) with few neighbouring elements, at most kColumns together; span is 1.
template <class T, bool kCentered>
struct ForwardColumns {
  VG_INLINE static void run(const Normalize* n, std::int64_t begin, std::int64_t end) {
    const std::int64_t stride = n->channels * n->inner, count = end - begin, width = count * n->inner;
    const T* x = static_cast<const T*>(n->x) + begin * n->inner;
    T* y = static_cast<T*>(n->y) + begin * n->inner;
    Moments moments[kColumns];
    if (!n->given) column_moments<T, kCentered>(moments, x, n->outer, stride, count, n->inner);
    T mean[kColumns], rest[kColumns], scale[kColumns], shift[kColumns];
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t c = begin + i;
      const Statistics<T> s = n->given ? given_statistics<T>(n, c) : store_statistics<T>(n, c, moments[i]);
      const normalization::Forward<T> f = s.element(n, c % n->period);
      for (std::int64_t j = i * n->inner; j < (i + 1) * n->inner; ++j) {
        mean[j] = f.mean;
        rest[j] = f.rest;
        scale[j] = f.scale;
        shift[j] = f.shift;
      }
    }
    for (std::int64_t o = 0; o < n->outer; ++o) {
      const T* p = x + o * stride;
      T* q = y + o * stride;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < width; ++j) {
        q[j] = normalization::Forward<T>{mean[j], rest[j], scale[j], shift[j]}(p[j]);
      }
    }
  }
};

template <class T, bool kCentered>
void forward(const Normalize& n) {
  const Normalize* p = &n;
  const std::int64_t numel = n.outer * n.channels * n.inner;
  // Reading twice or thrice makes an element dearer than a plain loop's.
  const bool serial = numel < kDearSerialElements;
  const auto grain = [&](std::int64_t items) {
    return serial ? items : std::max<std::int64_t>(1, kDearGrainElements / std::max<std::int64_t>(1, numel / items));
  };
  if (n.inner <= kFewInner && n.span == 1 && n.outer > 1) {
    const std::int64_t width = std::max<std::int64_t>(1, kColumns / n.inner);
    const std::int64_t items = (n.channels - 1) / width + 1;
    parallel_for(items, grain(items), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        simd_run<ForwardColumns<T, kCentered>>(p, i * width, std::min(n.channels, (i + 1) * width));
      }
    });
  } else if (n.given) {
    const std::int64_t planes = n.outer * n.channels;
    parallel_for(planes, grain(planes),
                 [&](std::int64_t begin, std::int64_t end) { simd_run<ForwardGiven<T>>(p, begin, end); });
  } else {
    parallel_for(n.channels, grain(n.channels),
                 [&](std::int64_t begin, std::int64_t end) { simd_run<ForwardChannels<T, kCentered>>(p, begin, end); });
  }
}

}  // namespace

void normalize(NormalizeOp op, DType dtype, const Normalize& n) {
  if (op == NormalizeOp::backward) return normalize_backward(dtype, n);
  dispatch_floating("normalize", dtype, [&]<class T>(TypeTag<T>) {
    if (n.centered) {
      forward<T, true>(n);
    } else {
      forward<T, false>(n);
    }
  });
}

}  // namespace verigrad::kernels::cpu
