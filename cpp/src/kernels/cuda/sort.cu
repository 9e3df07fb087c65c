// Sorting rows on a CUDA device, and places in sorted rows. All rows are sorted at once by the keys of their elements,
// and then, keeping that order, by their numbers.
#include "kernels/cuda/sort.cuh"

#include "kernels/cuda/index.cuh"
#include "kernels/cuda/kernels.cuh"
#include "kernels/sort_keys.h"

namespace verigrad::kernels::cuda {
namespace {

template <class T, class I>
__global__ void sort_keys_kernel(std::int64_t numel, const Stored<T>* in, bool descending, Pairs<I> pairs) {
  for_each_element(numel, [&](std::int64_t i) {
    pairs.keys[i] = static_cast<I>(sort_key<T>(static_cast<T>(in[i]), descending));
    pairs.positions[i] = static_cast<I>(i);
  });
}

template <class I>
__global__ void row_numbers_kernel(std::int64_t numel, std::int64_t size, const I* positions, Pairs<I> pairs) {
  for_each_element(numel, [&](std::int64_t i) {
    pairs.keys[i] = static_cast<I>(divide(static_cast<std::int64_t>(positions[i]), size).quotient);
    pairs.positions[i] = positions[i];
  });
}

template <class T, class I>
__global__ void sorted_rows_kernel(std::int64_t outer, std::int64_t size, std::int64_t count, const I* positions,
                                   const Stored<T>* in, T* out, std::int64_t* index) {
  for_each_element(outer * count, [&](std::int64_t i) {
    const Division row = divide(i, count);
    const std::int64_t first = row.quotient * size;
    const auto from = static_cast<std::int64_t>(positions[first + row.rest]);
    out[i] = static_cast<T>(in[from]);
    index[i] = from - first;
  });
}

template <class T>
__global__ void search_kernel(Search s) {
  const auto* sorted = static_cast<const Stored<T>*>(s.sorted);
  const auto* values = static_cast<const Stored<T>*>(s.values);
  for_each_element(s.outer * s.count, [&](std::int64_t i) {
    const std::int64_t row = divide(i, s.count).quotient * s.size;
    const std::int64_t* sorter = s.sorter ? s.sorter + row : nullptr;
    s.out[i] = find_place<T>(sorted + row, sorter, s.size, static_cast<T>(values[i]), s.right);
  });
}

}  // namespace

void sort(DType dtype, const Sort& s) {
  const std::int64_t numel = s.outer * s.size;
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr std::uint64_t kGreatest = std::numeric_limits<SortKey<T>>::max();
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    dispatch_pair_type(numel, static_cast<std::int64_t>(std::min(kGreatest, kMost)), [&](auto pair_tag) {
      using I = typename decltype(pair_tag)::type;
      const auto write = [&](const Pairs<I>& pairs) {
        launch_over(s.outer * s.count, &sorted_rows_kernel<T, I>, s.outer, s.size, s.count, pairs.positions,
                    static_cast<const Stored<T>*>(s.in), static_cast<T*>(s.out), s.index);
      };
      Sorter<I> elements(numel);
      launch_over(numel, &sort_keys_kernel<T, I>, numel, static_cast<const Stored<T>*>(s.in), s.descending,
                  elements.pairs());
      elements.sort(kGreatest);
      if (s.outer == 1) return write(elements.pairs());
      Sorter<I> rows(numel);
      launch_over(numel, &row_numbers_kernel<I>, numel, s.size, elements.pairs().positions, rows.pairs());
      rows.sort(static_cast<std::uint64_t>(s.outer - 1));
      write(rows.pairs());
    });
  });
}

void search(DType dtype, const Search& s) {
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(s.outer * s.count, &search_kernel<T>, s);
  });
}

}  // namespace verigrad::kernels::cuda
