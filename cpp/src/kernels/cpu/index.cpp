// gather, scatter_add, index_select, index_add, positions, nonzero. Indices are all checked before anything is written.
#include <cstring>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/functors.h"
#include "kernels/place.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// Walks the positions of a shape in row-major order, with the offsets of three operands.
class Walk {
 public:
  Walk(const Dims& shape, const Dims& a, const Dims& b, const Dims& c) : shape_(shape), strides_{&a, &b, &c} {}

  /// Calls f(a, b, c) for the positions [begin, end) of dimension 0 and all of the others.
  template <class F>
  void run(std::int64_t begin, std::int64_t end, F&& f) const {
    const int last = shape_.size() - 1;
    if (last < 0) return f(std::int64_t{0}, std::int64_t{0}, std::int64_t{0});
    std::int64_t position[kMaxDims] = {begin};
    std::int64_t offset[3];
    for (int o = 0; o < 3; ++o) offset[o] = begin * (*strides_[o])[0];
    const std::int64_t count = last == 0 ? end - begin : shape_[last];
    const std::int64_t sa = (*strides_[0])[last], sb = (*strides_[1])[last], sc = (*strides_[2])[last];
    for (;;) {
      const std::int64_t a = offset[0], b = offset[1], c = offset[2];
      for (std::int64_t i = 0; i < count; ++i) f(a + i * sa, b + i * sb, c + i * sc);
      int d = last - 1;
      for (; d >= 0; --d) {
        for (int o = 0; o < 3; ++o) offset[o] += (*strides_[o])[d];
        if (++position[d] < (d == 0 ? end : shape_[d])) break;
        for (int o = 0; o < 3; ++o) offset[o] -= position[d] * (*strides_[o])[d];
        position[d] = 0;
      }
      if (d < 0) return;
    }
  }

 private:
  const Dims& shape_;
  const Dims* strides_[3];
};

std::int64_t numel_of(const Dims& shape) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return n;
}

/// Chunks of dimension 0.
std::int64_t grain_of(const Dims& shape, std::int64_t numel) {
  if (shape.empty()) return 1;
  return numel < kDearSerialElements ? shape[0] : std::max<std::int64_t>(1, kDearGrainElements / (numel / shape[0]));
}

std::int64_t count_of(const Dims& shape) { return shape.empty() ? 1 : shape[0]; }

void check_indices(const Gather& g, std::int64_t grain) {
  const Walk walk(g.shape, g.index_strides, g.index_strides, g.index_strides);
  parallel_for(count_of(g.shape), grain, [&](std::int64_t begin, std::int64_t end) {
    walk.run(begin, end, [&](std::int64_t i, std::int64_t, std::int64_t) {
      const std::int64_t at = g.index[i];
      if (at < 0 || at >= g.size) raise_mistake(Mistake::position, g.op, at, g.size);
    });
  });
}

/// The strides without the indexed dimension, whose offset comes from the index.
Dims without(const Dims& strides, int dim) {
  Dims result = strides;
  if (!result.empty()) result[dim] = 0;
  return result;
}

std::int64_t stride_of(const Dims& strides, int dim) { return strides.empty() ? 0 : strides[dim]; }

void check_rows(const IndexRows& r, Mistake mistake) {
  for (std::int64_t i = 0; i < r.count; ++i) {
    const std::int64_t at = r.index[i];
    if (at < 0 || at >= r.size) [[unlikely]]
      raise_mistake(mistake, r.op, at, r.size);
  }
}

template <class T>
struct AddRow {
  VG_INLINE static void run(Stored<T>* out, const Stored<T>* in, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = functors::add()(static_cast<T>(out[i]), static_cast<T>(in[i]));
  }
};

template <class T>
void add_rows(const IndexRows& r) {
  const auto* src = static_cast<const Stored<T>*>(r.src);
  auto* out = static_cast<Stored<T>*>(r.out);
  // Threads take columns, or slices of `outer`: rows may be hit several times, and their order is part of the result.
  constexpr std::int64_t kColumns = boundary::index_add_columns;
  const std::int64_t pieces = (r.inner - 1) / kColumns + 1;
  const std::int64_t items = r.outer * pieces;
  const std::int64_t numel = r.outer * r.count * r.inner;
  const std::int64_t work = r.count * std::min(r.inner, kColumns);
  const std::int64_t grain = numel < kSerialElements ? items : std::max<std::int64_t>(1, kGrainElements / work);
  parallel_for(items, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t o = item / pieces, first = item % pieces * kColumns;
      const std::int64_t columns = std::min(kColumns, r.inner - first);
      const Stored<T>* in = src + o * r.count * r.inner + first;
      Stored<T>* target = out + o * r.size * r.inner + first;
      for (std::int64_t i = 0; i < r.count; ++i) {
        Stored<T>* row = target + r.index[i] * r.inner;
        const Stored<T>* from = in + i * r.inner;
        if (r.overwrite && columns == 1) {
          *row = *from;
        } else if (r.overwrite) {
          std::memcpy(row, from, static_cast<std::size_t>(columns) * sizeof(T));
        } else if (columns == 1) {
          *row = functors::add()(static_cast<T>(*row), static_cast<T>(*from));
        } else {
          simd_run<AddRow<T>, Stored<T>*, const Stored<T>*, std::int64_t>(row, from, columns);
        }
      }
    }
  });
}

template <class T>
void select_elements(const IndexRows& r, std::int64_t grain) {
  const auto* src = static_cast<const Stored<T>*>(r.src);
  auto* out = static_cast<Stored<T>*>(r.out);
  parallel_for(r.outer * r.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = src[i / r.count * r.size + r.index[i % r.count]];
  });
}

}  // namespace

void gather(DType dtype, const Gather& g) {
  const std::int64_t numel = numel_of(g.shape);
  if (numel == 0) return;
  const std::int64_t grain = grain_of(g.shape, numel);
  check_indices(g, grain);
  const Dims src_strides = without(g.src_strides, g.dim);
  const std::int64_t step = stride_of(g.src_strides, g.dim);
  const Walk walk(g.shape, g.index_strides, src_strides, g.out_strides);
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    const auto* src = static_cast<const Stored<T>*>(g.src);
    auto* out = static_cast<Stored<T>*>(g.out);
    parallel_for(count_of(g.shape), grain, [&](std::int64_t begin, std::int64_t end) {
      walk.run(begin, end, [&, index = g.index](std::int64_t i, std::int64_t s, std::int64_t o) {
        out[o] = src[s + index[i] * step];
      });
    });
  });
}

void scatter_add(DType dtype, const Gather& g) {
  const std::int64_t numel = numel_of(g.shape);
  if (numel == 0) return;
  const std::int64_t grain = grain_of(g.shape, numel);
  check_indices(g, grain);
  const Dims out_strides = without(g.out_strides, g.dim);
  const std::int64_t step = stride_of(g.out_strides, g.dim);
  const Walk walk(g.shape, g.index_strides, g.src_strides, out_strides);
  // Along the indexed dimension several sources may meet in one place: their order is kept by one thread.
  const std::int64_t count = count_of(g.shape);
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    const auto* src = static_cast<const Stored<T>*>(g.src);
    auto* out = static_cast<Stored<T>*>(g.out);
    parallel_for(count, g.dim == 0 ? count : grain, [&](std::int64_t begin, std::int64_t end) {
      walk.run(begin, end, [&, index = g.index](std::int64_t i, std::int64_t s, std::int64_t o) {
        Stored<T>& target = out[o + index[i] * step];
        target = functors::add()(static_cast<T>(target), static_cast<T>(src[s]));
      });
    });
  });
}

void index_select(DType dtype, const IndexRows& r) {
  check_rows(r, Mistake::row);
  if (r.outer * r.count * r.inner == 0) return;
  const std::int64_t rows = r.outer * r.count;
  const std::int64_t row_bytes = r.inner * itemsize(dtype);
  const std::int64_t grain =
      rows * r.inner < kDearSerialElements ? rows : std::max<std::int64_t>(1, kDearGrainElements / r.inner);
  if (r.inner == 1) {
    dispatch(dtype, [&]<class T>(TypeTag<T>) { select_elements<T>(r, grain); });
    return;
  }
  const char* src = static_cast<const char*>(r.src);
  char* out = static_cast<char*>(r.out);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t from = i / r.count * r.size + r.index[i % r.count];
      std::memcpy(out + i * row_bytes, src + from * row_bytes, static_cast<std::size_t>(row_bytes));
    }
  });
}

void index_add(DType dtype, const IndexRows& r) {
  check_rows(r, r.overwrite ? Mistake::row : Mistake::position);
  if (r.outer * r.count * r.inner == 0) return;
  dispatch(dtype, [&]<class T>(TypeTag<T>) { add_rows<T>(r); });
}

void positions(const Positions& p) {
  const Loop& loop = p.loop;
  auto* out = static_cast<std::int64_t*>(loop.data[0]);
  const auto* before = static_cast<const std::int64_t*>(loop.input(1));
  const auto* index = static_cast<const std::int64_t*>(loop.input(2));
  const Walk walk(loop.shape, loop.strides[0], loop.strides[1], loop.strides[2]);
  parallel_for(count_of(loop.shape), grain_of(loop.shape, loop.numel), [&](std::int64_t begin, std::int64_t end) {
    walk.run(begin, end, [&](std::int64_t o, std::int64_t b, std::int64_t i) {
      const std::int64_t at = place(p.range, index[i]);
      if (at < 0) [[unlikely]]
        raise_mistake(p.mistake, p.op, index[i], p.range.size, p.dim);
      out[o] = before[b] + at * p.step;
    });
  });
}

void nonzero(const Nonzero& z) {
  const int rank = z.shape.size();
  const std::int64_t numel = numel_of(z.shape);
  const unsigned char* mask = reinterpret_cast<const unsigned char*>(z.mask);
  std::int64_t* out = z.out;
  for (std::int64_t i = 0; i < numel; ++i) {
    if (mask[i] == 0) {
      // Eight false ones at a time.
      std::uint64_t next;
      constexpr std::int64_t kSkip = boundary::nonzero_skip;
      static_assert(kSkip == sizeof next);
      while (i + 1 + kSkip <= numel && (std::memcpy(&next, mask + i + 1, kSkip), next == 0)) i += kSkip;
      continue;
    }
    std::int64_t rest = i;
    for (int d = rank - 1; d >= 0; --d) {
      out[d] = rest % z.shape[d];
      rest /= z.shape[d];
    }
    out += rank;
  }
}

}  // namespace verigrad::kernels::cpu
