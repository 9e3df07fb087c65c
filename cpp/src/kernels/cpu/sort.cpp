// Sorting rows, and places in sorted rows. Elements are compared by their keys, and of equal ones by their positions.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/sort_keys.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

template <class K, class P>
struct Keyed {
  K key;
  P position;
  bool operator<(const Keyed& other) const {
    return key < other.key || (key == other.key && position < other.position);
  }
};

/// Sorts by the digits of the keys, from the lowest on; `other` is as long. The result is where the answer says.
template <class K, class P>
Keyed<K, P>* sort_by_digits(Keyed<K, P>* rows, Keyed<K, P>* other, std::int64_t n) {
  constexpr int kBits = std::numeric_limits<std::uint8_t>::digits, kPlaces = sizeof(K);
  constexpr std::size_t kDigits = std::size_t{1} << kBits;
  const auto digit = [](K key, int place) {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(key) >> place * kBits & (kDigits - 1));
  };
  std::array<std::array<std::int64_t, kDigits>, kPlaces> counts{};
  for (std::int64_t i = 0; i < n; ++i) {
    for (int p = 0; p < kPlaces; ++p) ++counts[static_cast<std::size_t>(p)][digit(rows[i].key, p)];
  }
  for (int p = 0; p < kPlaces; ++p) {
    auto& starts = counts[static_cast<std::size_t>(p)];
    if (starts[digit(rows[0].key, p)] == n) continue;  // all have the same digit
    std::int64_t before = 0;
    for (auto& start : starts) before += std::exchange(start, before);
    for (std::int64_t i = 0; i < n; ++i) other[starts[digit(rows[i].key, p)]++] = rows[i];
    std::swap(rows, other);
  }
  return rows;
}

/// The `count` least of `size` entries, sorted. What may be among them is gathered in `room` places; whenever these are
/// full, all but the least go.
template <class E, class Get>
void least(E* entries, std::int64_t room, std::int64_t count, std::int64_t size, const Get& entry) {
  std::int64_t held = 0;
  bool bounded = false;
  E bound{};  // entries after this one are too late
  for (std::int64_t i = 0; i < size; ++i) {
    const E now = entry(i);
    if (bounded && bound < now) continue;
    entries[held++] = now;
    if (held < room) continue;
    std::nth_element(entries, entries + count - 1, entries + held);
    held = count;
    bound = entries[count - 1];
    bounded = true;
  }
  if (held > count) std::nth_element(entries, entries + count - 1, entries + held);
  std::sort(entries, entries + count);
}

template <class T, class P>
void run(const Sort& s) {
  using Entry = Keyed<SortKey<T>, P>;
  const auto* in = static_cast<const Stored<T>*>(s.in);
  T* out = static_cast<T*>(s.out);
  const std::int64_t numel = s.outer * s.size;
  const std::int64_t grain =
      numel < kDearSerialElements ? s.outer : std::max<std::int64_t>(1, kDearGrainElements / s.size);
  parallel_for(s.outer, grain, [&](std::int64_t begin, std::int64_t end) {
    const bool few = s.count <= boundary::sort_few;
    const std::int64_t room = few ? std::min(s.size, 2 * boundary::sort_few) : 2 * s.size;
    const std::unique_ptr<Entry[]> memory(new Entry[static_cast<std::size_t>(room)]);
    for (std::int64_t row = begin; row < end; ++row) {
      const Stored<T>* x = in + row * s.size;
      Entry* entries = memory.get();
      const auto entry = [&](std::int64_t i) { return Entry{sort_key<T>(x[i], s.descending), static_cast<P>(i)}; };
      if (few) {
        least(entries, room, s.count, s.size, entry);
      } else {
        for (std::int64_t i = 0; i < s.size; ++i) entries[i] = entry(i);
        entries = sort_by_digits(entries, entries + s.size, s.size);
      }
      for (std::int64_t i = 0; i < s.count; ++i) {
        const auto from = static_cast<std::int64_t>(entries[i].position);
        out[row * s.count + i] = x[from];
        s.index[row * s.count + i] = from;
      }
    }
  });
}

}  // namespace

void sort(DType dtype, const Sort& s) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    const bool narrow = s.size <= std::numeric_limits<std::uint32_t>::max();
    narrow ? run<T, std::uint32_t>(s) : run<T, std::int64_t>(s);
  });
}

void search(DType dtype, const Search& s) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    const auto* sorted = static_cast<const Stored<T>*>(s.sorted);
    const auto* values = static_cast<const Stored<T>*>(s.values);
    const std::int64_t numel = s.outer * s.count;
    parallel_for(numel, numel < kDearSerialElements ? numel : kDearGrainElements,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t row = i / s.count * s.size;
                     const std::int64_t* sorter = s.sorter ? s.sorter + row : nullptr;
                     s.out[i] = find_place<T>(sorted + row, sorter, s.size, values[i], s.right);
                   }
                 });
  });
}

}  // namespace verigrad::kernels::cpu
