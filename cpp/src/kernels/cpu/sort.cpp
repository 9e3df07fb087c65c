// Sorting rows, and places in sorted rows. Elements are compared by their keys, and of equal ones by their positions.
#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <utility>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/sort_keys.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// The position stands first, so that on little-endian processors both are compared as one number where they fit.
template <class K, class P>
struct Keyed {
  P position;
  K key;
  bool operator<(const Keyed& other) const {
    if constexpr (sizeof(K) + sizeof(P) <= sizeof(std::uint64_t)) {
      return number() < other.number();
    } else {
      return key < other.key || (key == other.key && position < other.position);
    }
  }

 private:
  std::uint64_t number() const {
    return static_cast<std::uint64_t>(key) << std::numeric_limits<P>::digits | static_cast<std::uint64_t>(position);
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

/// Whether x, which stands later in its row than `bound`, may come before it: where one of the two is NaN, it may.
template <class T>
VG_INLINE bool may_precede(T x, T bound, bool descending) {
  return descending ? !(x <= bound) : !(x >= bound);
}

/// Which of n elements, at most a block of them, may precede the bound: their places, and how many they are.
template <class T>
struct MayPrecede {
  VG_INLINE static void run(const Stored<T>* x, std::int64_t n, T bound, bool descending, std::int64_t* places,
                            std::int64_t* count) {
    unsigned any = 0;
    for (std::int64_t i = 0; i < n; ++i) any |= static_cast<unsigned>(may_precede<T>(x[i], bound, descending));
    std::int64_t found = 0;
    // Without a branch, which would be guessed wrong too often.
    for (std::int64_t i = 0; any != 0 && i < n; ++i) {
      places[found] = i;
      found += static_cast<std::int64_t>(may_precede<T>(x[i], bound, descending));
    }
    *count = found;
  }
};

/// The `count` least entries of a row, sorted. What may be among them is gathered; whenever that is `room` entries or
/// more, all but the least go, and only what may precede the last of them is looked at from then on.
template <class T, class E>
void least(const Stored<T>* x, const Sort& s, E* entries, std::int64_t room) {
  using P = decltype(E::position);
  const auto find = simd_select<MayPrecede<T>, const Stored<T>*, std::int64_t, T, bool, std::int64_t*, std::int64_t*>();
  std::int64_t held = 0, places[boundary::sort_block];
  std::iota(places, places + boundary::sort_block, std::int64_t{0});
  bool bounded = false;
  T bound{};  // the last of those that are kept
  for (std::int64_t begin = 0; begin < s.size; begin += boundary::sort_block) {
    std::int64_t found = std::min(s.size - begin, boundary::sort_block);
    if (bounded) find(x + begin, found, bound, s.descending, places, &found);
    for (std::int64_t i = 0; i < found; ++i) {
      const std::int64_t at = begin + places[i];
      entries[held++] = {static_cast<P>(at), sort_key<T>(x[at], s.descending)};
    }
    if (held < room) continue;
    std::nth_element(entries, entries + s.count - 1, entries + held);
    held = s.count;
    bound = x[entries[s.count - 1].position];
    bounded = true;
  }
  if (held > s.count) std::nth_element(entries, entries + s.count - 1, entries + held);
  std::sort(entries, entries + s.count);
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
    const bool few = s.count <= std::max(boundary::sort_few, s.size / boundary::sort_share);
    const std::int64_t room = std::max(2 * s.count, boundary::sort_room);
    const std::int64_t length = few ? std::min(s.size, room) + boundary::sort_block : 2 * s.size;
    const std::unique_ptr<Entry[]> memory(new Entry[static_cast<std::size_t>(length)]);
    for (std::int64_t row = begin; row < end; ++row) {
      const Stored<T>* x = in + row * s.size;
      Entry* entries = memory.get();
      if (few) {
        least<T>(x, s, entries, room);
      } else {
        for (std::int64_t i = 0; i < s.size; ++i) entries[i] = {static_cast<P>(i), sort_key<T>(x[i], s.descending)};
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
