// Writing through indices on a CUDA device: index_add, also as an assignment, and scatter_add. Several elements may
// meet in one place, and their order is part of the result: they are sorted by place, and one thread adds those of a
// place in order, as the CPU does. An index out of range is reported, and its elements are left out.
#include "kernels/cuda/index.cuh"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/operands.cuh"
#include "kernels/cuda/sort.cuh"
#include "kernels/functors.h"

namespace verigrad::kernels::cuda {
namespace {

/// An addition to Stored<T>.
template <class T>
struct AddStored {
  __device__ Stored<T> operator()(Stored<T> a, Stored<T> b) const {
    return functors::add()(static_cast<T>(a), static_cast<T>(b));
  }
};

// ---- rows -----------------------------------------------------------------------------------------------------------

/// The key of an index is itself, or `size` if it is out of range.
template <class I>
__global__ void row_keys_kernel(const std::int64_t* index, std::int64_t count, std::int64_t size, Pairs<I> pairs,
                                Mistake mistake, Reporter report) {
  for_each_element(count, [&](std::int64_t i) {
    const std::int64_t position = index[i];
    const bool right = in_range(position, size);
    if (!right) report(mistake, position, size);
    pairs.keys[i] = static_cast<I>(right ? position : size);
    pairs.positions[i] = static_cast<I>(i);
  });
}

/// A row and a column of one of `outer` matrices, seen from sorted indices.
struct RowsShape {
  std::int64_t outer, size, inner, count;

  /// f(i, target, source, column) for each place i among the sorted indices and each column, for the calling thread:
  /// where the columns of matrix o begin in the output and in the source.
  template <class F>
  __device__ void for_each(const F& f) const {
    for_each_element(outer * count * inner, [&](std::int64_t e) {
      const Division row = divide(e, inner), item = divide(row.quotient, count);
      f(item.rest, item.quotient * size * inner + row.rest, item.quotient * count * inner + row.rest);
    });
  }
};

template <class T, class I>
__global__ void add_rows_kernel(RowsShape shape, Pairs<I> pairs, const Stored<T>* src, Stored<T>* out) {
  shape.for_each([&](std::int64_t i, std::int64_t to, std::int64_t from) {
    const auto row = static_cast<std::int64_t>(pairs.keys[i]);
    if (row == shape.size || !run_begins(pairs.keys, i)) return;
    Stored<T>& target = out[to + row * shape.inner];
    target = add_in_order(
        target, pairs.positions, i, run_end(pairs.keys, i, shape.count),
        [&](std::int64_t k) { return src[from + k * shape.inner]; }, AddStored<T>());
  });
}

template <class T, class I>
__global__ void assign_rows_kernel(RowsShape shape, Pairs<I> pairs, const T* src, T* out) {
  shape.for_each([&](std::int64_t i, std::int64_t to, std::int64_t from) {
    const auto row = static_cast<std::int64_t>(pairs.keys[i]);
    if (row == shape.size || !run_ends(pairs.keys, i, shape.count)) return;
    out[to + row * shape.inner] = src[from + static_cast<std::int64_t>(pairs.positions[i]) * shape.inner];
  });
}

template <class I>
void assign_rows(DType dtype, const IndexRows& r, const Pairs<I>& pairs) {
  const std::int64_t bytes = r.inner * itemsize(dtype), unit = widest_unit({bytes, address(r.src), address(r.out)});
  const RowsShape shape{r.outer, r.size, bytes / unit, r.count};
  dispatch_unit(unit, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(shape.outer * shape.count * shape.inner, &assign_rows_kernel<T, I>, shape, pairs,
                static_cast<const T*>(r.src), static_cast<T*>(r.out));
  });
}

template <class I>
void add_rows(DType dtype, const IndexRows& r, const Pairs<I>& pairs) {
  const RowsShape shape{r.outer, r.size, r.inner, r.count};
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(r.outer * r.count * r.inner, &add_rows_kernel<T, I>, shape, pairs, static_cast<const Stored<T>*>(r.src),
                static_cast<Stored<T>*>(r.out));
  });
}

// ---- lines of single elements ---------------------------------------------------------------------------------------

/// The lines of a scatter along its dimension: elements meet only within a line. Operands: output, index, source.
struct Lines {
  Layout<3> layout;      // where lines begin
  std::int64_t length;   // of index and source
  std::int64_t size;     // of the output
  std::int64_t step[3];  // along a line

  explicit Lines(const Gather& g, const Loop& starts) : layout(starts), length(1), size(g.size), step{0, 0, 0} {
    if (g.shape.empty()) return;
    length = g.shape[g.dim];
    step[0] = g.out_strides[g.dim];
    step[1] = g.index_strides[g.dim];
    step[2] = g.src_strides[g.dim];
  }
};

/// A thread for each line.
template <class T>
__global__ void add_lines_kernel(Lines lines, Stored<T>* out, const std::int64_t* index, const Stored<T>* src,
                                 Reporter report) {
  for_each_element(lines.layout.numel, [&](std::int64_t line) {
    std::int64_t at[3];
    lines.layout.offsets(line, at);
    for (std::int64_t k = 0; k < lines.length; ++k) {
      const std::int64_t position = index[at[1] + k * lines.step[1]];
      if (!in_range(position, lines.size)) {
        report(Mistake::position, position, lines.size);
        continue;
      }
      Stored<T>& target = out[at[0] + position * lines.step[0]];
      target = AddStored<T>()(target, src[at[2] + k * lines.step[2]]);
    }
  });
}

/// The key of an element is the number of its place, counted line by line; one past the last if it has none.
template <class I>
__global__ void line_keys_kernel(Lines lines, const std::int64_t* index, Pairs<I> pairs, Reporter report) {
  for_each_element(lines.layout.numel * lines.length, [&](std::int64_t i) {
    const Division line = divide(i, lines.length);
    std::int64_t at[3];
    lines.layout.offsets(line.quotient, at);
    const std::int64_t position = index[at[1] + line.rest * lines.step[1]];
    const bool right = in_range(position, lines.size);
    if (!right) report(Mistake::position, position, lines.size);
    pairs.keys[i] = static_cast<I>(right ? line.quotient * lines.size + position : lines.layout.numel * lines.size);
    pairs.positions[i] = static_cast<I>(i);
  });
}

template <class T, class I>
__global__ void add_elements_kernel(Lines lines, Pairs<I> pairs, Stored<T>* out, const Stored<T>* src) {
  const std::int64_t count = lines.layout.numel * lines.length;
  for_each_element(count, [&](std::int64_t i) {
    const auto key = static_cast<std::int64_t>(pairs.keys[i]);
    if (key == lines.layout.numel * lines.size || !run_begins(pairs.keys, i)) return;
    const Division place = divide(key, lines.size);
    std::int64_t at[3];
    lines.layout.offsets(place.quotient, at);
    const std::int64_t first = place.quotient * lines.length;
    Stored<T>& target = out[at[0] + place.rest * lines.step[0]];
    target = add_in_order(
        target, pairs.positions, i, run_end(pairs.keys, i, count),
        [&](std::int64_t k) { return src[at[2] + (k - first) * lines.step[2]]; }, AddStored<T>());
  });
}

}  // namespace

void index_add(DType dtype, const IndexRows& r) {
  const Mistake mistake = r.overwrite ? Mistake::row : Mistake::position;
  if (r.outer * r.count * r.inner == 0) return check_rows(r, mistake);
  dispatch_pair_type(r.count, r.size, [&](auto tag) {
    using I = typename decltype(tag)::type;
    Sorter<I> sorter(r.count);
    launch_over(r.count, &row_keys_kernel<I>, r.index, r.count, r.size, sorter.pairs(), mistake, reporter());
    sorter.sort(static_cast<std::uint64_t>(r.size));
    r.overwrite ? assign_rows(dtype, r, sorter.pairs()) : add_rows(dtype, r, sorter.pairs());
  });
}

void scatter_add(DType dtype, const Gather& g) {
  Loop starts = loop_of(g);
  if (!g.shape.empty()) {
    starts.shape.erase(g.dim);
    for (int o = 0; o < starts.operands; ++o) starts.strides[o].erase(g.dim);
  }
  starts.numel = 1;
  for (const std::int64_t n : starts.shape) starts.numel *= n;
  const Lines lines(g, in_memory_order(starts));
  const std::int64_t count = starts.numel * lines.length;
  if (count == 0) return;
  if (lines.length <= kShortLine || starts.numel >= kManyLines) {
    dispatch(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      launch_over(starts.numel, &add_lines_kernel<T>, lines, static_cast<Stored<T>*>(g.out), g.index,
                  static_cast<const Stored<T>*>(g.src), reporter());
    });
    return;
  }
  const std::int64_t places = starts.numel * g.size;
  dispatch_pair_type(count, places, [&](auto pair_tag) {
    using I = typename decltype(pair_tag)::type;
    Sorter<I> sorter(count);
    launch_over(count, &line_keys_kernel<I>, lines, g.index, sorter.pairs(), reporter());
    sorter.sort(static_cast<std::uint64_t>(places));
    dispatch(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      launch_over(count, &add_elements_kernel<T, I>, lines, sorter.pairs(), static_cast<Stored<T>*>(g.out),
                  static_cast<const Stored<T>*>(g.src));
    });
  });
}

}  // namespace verigrad::kernels::cuda
