// Sorted rows, and places in them, of CUDA, emulated, against the CPU's.

#include <algorithm>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

template <class T>
void check_rows(std::int64_t outer, std::int64_t size, std::int64_t count, bool descending) {
  const std::vector<Cell<T>> x = values<T>(outer * size);
  std::vector<std::int64_t> ours(static_cast<std::size_t>(outer * count)), theirs = ours;
  CHECK(agree<T>(outer * count, [&](const KernelTable& table, void* out) {
    Sort s;
    s.outer = outer;
    s.size = size;
    s.count = count;
    s.descending = descending;
    s.in = x.data();
    s.out = out;
    s.index = (&table == &cpu_table() ? theirs : ours).data();
    table.sort(DTypeOf<T>::value, s);
  }));
  CHECK(ours == theirs);
}

template <class T>
void check_all_rows() {
  for (const bool descending : {false, true}) {
    for (const std::int64_t size : {1, 2, 64, 65, 300}) {
      check_rows<T>(1, size, size, descending);
      check_rows<T>(7, size, size, descending);
      check_rows<T>(3, size, (size + 2) / 3, descending);
    }
    check_rows<T>(303, 5, 5, descending);
    check_rows<T>(303, 5, 1, descending);
  }
}

TEST(rows_are_sorted) {
  check_rows<float>(1, 5003, 5003, false);
  check_all_rows<float>();
  check_all_rows<double>();
  check_all_rows<std::int64_t>();
  check_all_rows<std::int32_t>();
  check_all_rows<std::uint8_t>();
  check_all_rows<bool>();
}

template <class T>
void check_search(std::int64_t outer, std::int64_t size, std::int64_t count, bool sorter) {
  std::vector<Cell<T>> rows = random_values<Cell<T>>(outer * size, 0, 50);
  std::vector<std::int64_t> places(rows.size());
  for (std::int64_t row = 0; row < outer; ++row) {
    const auto first = static_cast<std::ptrdiff_t>(row * size);
    for (std::int64_t i = 0; i < size; ++i) places[static_cast<std::size_t>(first + i)] = i;
    std::sort(places.begin() + first, places.begin() + first + size, [&](std::int64_t a, std::int64_t b) {
      return rows[static_cast<std::size_t>(first + a)] < rows[static_cast<std::size_t>(first + b)];
    });
    if (!sorter) std::sort(rows.begin() + first, rows.begin() + first + size);
  }
  const std::vector<Cell<T>> wanted = values<T>(outer * count);
  for (const bool right : {false, true}) {
    CHECK(agree<std::int64_t>(outer * count, [&](const KernelTable& table, void* out) {
      Search s;
      s.outer = outer;
      s.size = size;
      s.count = count;
      s.right = right;
      s.sorted = rows.data();
      s.sorter = sorter ? places.data() : nullptr;
      s.values = wanted.data();
      s.out = static_cast<std::int64_t*>(out);
      table.search(DTypeOf<T>::value, s);
    }));
  }
}

TEST(values_are_placed) {
  for (const bool sorter : {false, true}) {
    for (const std::int64_t size : {1, 2, 255, 256, 257}) {
      check_search<float>(1, size, 1000, sorter);
      check_search<double>(5, size, 67, sorter);
      check_search<std::int64_t>(3, size, 257, sorter);
      check_search<std::uint8_t>(1, size, 300, sorter);
    }
  }
}

}  // namespace
