// gather, scatter_add, index_select, index_add, positions, nonzero. Indices are checked before anything is written: all
// of them, or those of a run of elements where the output is a new tensor.
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

  /// Calls f(a, b, c, count) for the positions [begin, end) of dimension 0 and all of the others, in runs along the
  /// last dimension.
  template <class F>
  void run(std::int64_t begin, std::int64_t end, F&& f) const {
    const int last = shape_.size() - 1;
    if (last < 0) return f(std::int64_t{0}, std::int64_t{0}, std::int64_t{0}, std::int64_t{1});
    std::int64_t position[kMaxDims] = {begin};
    std::int64_t offset[3];
    for (int o = 0; o < 3; ++o) offset[o] = begin * (*strides_[o])[0];
    const std::int64_t count = last == 0 ? end - begin : shape_[last];
    for (;;) {
      f(offset[0], offset[1], offset[2], count);
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

  /// From element to element of a run.
  std::int64_t step(int operand) const { return shape_.empty() ? 1 : strides_[operand]->back(); }

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

/// Whether an index lies outside of [0, size).
struct AnyOutside {
  VG_INLINE static void run(const std::int64_t* index, std::int64_t step, std::int64_t n, std::int64_t size,
                            bool* any) {
    std::uint64_t outside = 0;
    const auto look = [&](std::int64_t at) {
      outside |= static_cast<std::uint64_t>(static_cast<std::uint64_t>(at) >= static_cast<std::uint64_t>(size));
    };
    if (step == 1) {
      for (std::int64_t i = 0; i < n; ++i) look(index[i]);
    } else {
      for (std::int64_t i = 0; i < n; ++i) look(index[i * step]);
    }
    *any = outside != 0;
  }
};

/// Raises the error of the first index outside of [0, size), if there is one.
void check_run(const std::int64_t* index, std::int64_t step, std::int64_t n, std::int64_t size, Mistake mistake,
               const char* op) {
  bool any = false;
  simd_run<AnyOutside, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, bool*>(index, step, n, size,
                                                                                             &any);
  if (!any) [[likely]]
    return;
  while (*index >= 0 && *index < size) index += step;
  raise_mistake(mistake, op, *index, size);
}

void check_indices(const Gather& g, std::int64_t grain) {
  const Walk walk(g.shape, g.index_strides, g.index_strides, g.index_strides);
  parallel_for(count_of(g.shape), grain, [&](std::int64_t begin, std::int64_t end) {
    walk.run(begin, end, [&](std::int64_t i, std::int64_t, std::int64_t, std::int64_t n) {
      check_run(g.index + i, walk.step(0), n, g.size, Mistake::position, g.op);
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
  parallel_for(r.count, elementwise_grain(r.count), [&](std::int64_t begin, std::int64_t end) {
    check_run(r.index + begin, 1, end - begin, r.size, mistake, r.op);
  });
}

template <class T>
struct AddRow {
  VG_INLINE static void run(Stored<T>* out, const Stored<T>* in, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = functors::add()(static_cast<T>(out[i]), static_cast<T>(in[i]));
  }
};

/// The places of those of n indices, at most a block of them, that lie within `length` from `low` on.
struct Within {
  VG_INLINE static std::int64_t run(const std::int64_t* index, std::int64_t n, std::int64_t low, std::int64_t length,
                                    std::int64_t* places) {
    std::int64_t found = 0;
    // Without a branch, which would be guessed wrong half the time.
    for (std::int64_t i = 0; i < n; ++i) {
      places[found] = i;
      found +=
          static_cast<std::int64_t>(static_cast<std::uint64_t>(index[i] - low) < static_cast<std::uint64_t>(length));
    }
    return found;
  }
};

/// Rows of one element: those with an index within `length` from `low` on.
template <class T>
void add_elements(const IndexRows& r, std::int64_t o, std::int64_t low, std::int64_t length) {
  constexpr std::int64_t kBlock = boundary::index_block;
  Stored<T>* out = static_cast<Stored<T>*>(r.out) + o * r.size;
  const bool all = length == r.size;
  std::int64_t places[kBlock];
  for (std::int64_t begin = 0; begin < r.count; begin += kBlock) {
    const Stored<T>* src = static_cast<const Stored<T>*>(r.src) + o * r.count + begin;
    const std::int64_t* index = r.index + begin;
    const std::int64_t n = std::min(kBlock, r.count - begin);
    const auto put = [&](std::int64_t i) {
      Stored<T>& target = out[index[i]];
      target = r.overwrite ? src[i] : Stored<T>(functors::add()(static_cast<T>(target), static_cast<T>(src[i])));
    };
    if (all) {
      for (std::int64_t i = 0; i < n; ++i) put(i);
      continue;
    }
    const std::int64_t found = Within::run(index, n, low, length, places);
    for (std::int64_t k = 0; k < found; ++k) put(places[k]);
  }
}

/// Rows of one element. The order of those that meet is part of the result: each thread goes through all indices, and
/// takes those into its part of the output.
template <class T>
void add_elements(const IndexRows& r) {
  const bool serial = r.outer * r.count < kDearSerialElements || in_parallel_region();
  const bool whole = serial || r.outer >= boundary::many_items;
  const std::int64_t length = whole ? r.size : (r.size - 1) / get_num_threads() + 1;
  const std::int64_t parts = (r.size - 1) / length + 1, items = r.outer * parts;
  parallel_for(items, serial ? items : std::max<std::int64_t>(1, kDearGrainElements / r.count),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t item = begin; item < end; ++item) {
                   const std::int64_t low = item % parts * length;
                   add_elements<T>(r, item / parts, low, std::min(length, r.size - low));
                 }
               });
}

template <class T>
void add_rows(const IndexRows& r) {
  if (r.inner == 1) return add_elements<T>(r);
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
        if (r.overwrite) {
          std::memcpy(row, from, static_cast<std::size_t>(columns) * sizeof(T));
        } else {
          simd_run<AddRow<T>, Stored<T>*, const Stored<T>*, std::int64_t>(row, from, columns);
        }
      }
    }
  });
}

/// out[i] = before + place of index[i] * step, where an index below 0 counts from `wrap`; whether one is outside.
struct PlaceRun {
  VG_INLINE static void run(std::int64_t* out, std::int64_t before, const std::int64_t* index, std::int64_t n,
                            std::int64_t size, std::int64_t wrap, std::int64_t step, bool* any) {
    std::uint64_t outside = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t at =
          static_cast<std::uint64_t>(index[i]) + static_cast<std::uint64_t>(index[i] < 0 ? wrap : 0);
      outside |= static_cast<std::uint64_t>(at >= static_cast<std::uint64_t>(size));
      out[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(before) + at * static_cast<std::uint64_t>(step));
    }
    *any = outside != 0;
  }
};

/// A contiguous run of positions without an index that is ignored; false if one is out of range.
bool places_run(const Positions& p, std::int64_t before, const std::int64_t* index, std::int64_t n, std::int64_t* out) {
  bool outside = false;
  simd_run<PlaceRun, std::int64_t*, std::int64_t, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t,
           std::int64_t, bool*>(out, before, index, n, p.range.size, p.range.from_end ? p.range.size : 0, p.step,
                                &outside);
  return !outside;
}

/// Calls f(row of the output, row of the source) for the rows [begin, end) of what is selected.
template <class F>
void for_each_row(const IndexRows& r, std::int64_t begin, std::int64_t end, const F& f) {
  std::int64_t i = begin % r.count, before = begin / r.count * r.size;
  for (std::int64_t row = begin; row < end; ++row) {
    f(row, before + r.index[i]);
    if (++i < r.count) continue;
    i = 0;
    before += r.size;
  }
}

/// out[i] = src[i][index[i]], each with a step of its own for i; `step` is that of the index.
template <class T>
struct GatherRun {
  VG_INLINE static void run(Stored<T>* __restrict out, std::int64_t out_step, const Stored<T>* __restrict src,
                            std::int64_t src_step, const std::int64_t* __restrict index, std::int64_t index_step,
                            std::int64_t n, std::int64_t step) {
    if (out_step == 1 && src_step == 0 && index_step == 1 && step == 1) {
      constexpr std::int64_t kStep = boundary::gather_step;
      std::int64_t i = 0;
      for (; i + kStep <= n; i += kStep) {
        for (std::int64_t k = 0; k < kStep; ++k) out[i + k] = src[index[i + k]];
      }
      for (; i < n; ++i) out[i] = src[index[i]];
    } else {
      for (std::int64_t i = 0; i < n; ++i) out[i * out_step] = src[i * src_step + index[i * index_step] * step];
    }
  }
};

/// Asks for a row of the source of which n elements will be read in an order that no processor foresees, where all of
/// its cache lines will be needed, most likely, and the first cache has room for it.
template <class T>
void prefetch_row(const T* row, std::int64_t size, std::int64_t n) {
  constexpr std::int64_t kLine = 64 / sizeof(T), kRoom = 32 * 1024 / sizeof(T);
  if (size > kRoom || size > 4 * n) return;
  for (std::int64_t i = 0; i < size; i += kLine) __builtin_prefetch(row + i);
}

}  // namespace

void gather(DType dtype, const Gather& g) {
  const std::int64_t numel = numel_of(g.shape);
  if (numel == 0) return;
  const Dims src_strides = without(g.src_strides, g.dim);
  const std::int64_t step = stride_of(g.src_strides, g.dim);
  const Walk walk(g.shape, g.index_strides, src_strides, g.out_strides);
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    const auto* src = static_cast<const Stored<T>*>(g.src);
    auto* out = static_cast<Stored<T>*>(g.out);
    const auto run = simd_select<GatherRun<T>, Stored<T>*, std::int64_t, const Stored<T>*, std::int64_t,
                                 const std::int64_t*, std::int64_t, std::int64_t, std::int64_t>();
    const bool near = step == 1 && walk.step(1) == 0;
    parallel_for(count_of(g.shape), grain_of(g.shape, numel), [&](std::int64_t begin, std::int64_t end) {
      walk.run(begin, end, [&](std::int64_t i, std::int64_t s, std::int64_t o, std::int64_t n) {
        if (near) prefetch_row(src + s, g.size, n);
        check_run(g.index + i, walk.step(0), n, g.size, Mistake::position, g.op);
        run(out + o, walk.step(2), src + s, walk.step(1), g.index + i, walk.step(0), n, step);
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
    const std::int64_t index_step = walk.step(0), src_step = walk.step(1), out_step = walk.step(2);
    parallel_for(count, g.dim == 0 ? count : grain, [&](std::int64_t begin, std::int64_t end) {
      walk.run(begin, end, [&, index = g.index](std::int64_t i, std::int64_t s, std::int64_t o, std::int64_t n) {
        for (std::int64_t j = 0; j < n; ++j) {
          Stored<T>& target = out[o + j * out_step + index[i + j * index_step] * step];
          target = functors::add()(static_cast<T>(target), static_cast<T>(src[s + j * src_step]));
        }
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
    return dispatch(dtype, [&]<class T>(TypeTag<T>) {
      const auto* from = static_cast<const Stored<T>*>(r.src);
      auto* to = static_cast<Stored<T>*>(r.out);
      parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
        for_each_row(r, begin, end, [&](std::int64_t row, std::int64_t selected) { to[row] = from[selected]; });
      });
    });
  }
  const char* src = static_cast<const char*>(r.src);
  char* out = static_cast<char*>(r.out);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for_each_row(r, begin, end, [&](std::int64_t row, std::int64_t selected) {
      std::memcpy(out + row * row_bytes, src + selected * row_bytes, static_cast<std::size_t>(row_bytes));
    });
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
  const bool plain = walk.step(0) == 1 && walk.step(1) == 0 && walk.step(2) == 1 && !p.range.ignores;
  parallel_for(count_of(loop.shape), grain_of(loop.shape, loop.numel), [&](std::int64_t begin, std::int64_t end) {
    walk.run(begin, end, [&](std::int64_t o, std::int64_t b, std::int64_t i, std::int64_t n) {
      if (plain && places_run(p, before[b], index + i, n, out + o)) return;
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t from = index[i + j * walk.step(2)], at = place(p.range, from);
        if (at < 0) [[unlikely]]
          raise_mistake(p.mistake, p.op, from, p.range.size, p.dim);
        out[o + j * walk.step(0)] = before[b + j * walk.step(1)] + at * p.step;
      }
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
