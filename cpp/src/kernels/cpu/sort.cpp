// Sorting rows, and places in sorted rows. Elements are compared by their keys, and of equal ones by their positions.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/workspace.h"
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

/// Sorts by the digits of the keys, from the lowest on; `other` is as long. `varying`: the bits in which keys differ.
/// The result is where the answer says. Each chunk of a long row has counts of its own: threads put its entries behind
/// the equal ones of the chunks before, so that the order is that of one thread.
template <class K, class P>
Keyed<K, P>* sort_by_digits(Keyed<K, P>* rows, Keyed<K, P>* other, std::int64_t n, K varying) {
  constexpr int kBits = std::numeric_limits<std::uint8_t>::digits, kPlaces = sizeof(K);
  constexpr std::size_t kDigits = std::size_t{1} << kBits;
  constexpr std::int64_t kChunk = boundary::sort_chunk;
  using Counts = std::array<std::int64_t, kDigits>;
  const std::int64_t chunks = (n - 1) / kChunk + 1;
  const Workspace<Counts> counts(chunks);
  for (int place = 0; place < kPlaces; ++place) {
    const auto digit = [place](K key) {
      return static_cast<std::size_t>(static_cast<std::uint64_t>(key) >> place * kBits & (kDigits - 1));
    };
    if (digit(varying) == 0) continue;  // all have the same one
    parallel_for(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      Counts& own = counts.get()[begin / kChunk];
      own.fill(0);
      for (std::int64_t i = begin; i < end; ++i) ++own[digit(rows[i].key)];
    });
    std::int64_t before = 0;
    for (std::size_t d = 0; d < kDigits; ++d) {
      for (std::int64_t c = 0; c < chunks; ++c) before += std::exchange(counts.get()[c][d], before);
    }
    parallel_for(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      Counts& starts = counts.get()[begin / kChunk];
      for (std::int64_t i = begin; i < end; ++i) other[starts[digit(rows[i].key)]++] = rows[i];
    });
    std::swap(rows, other);
  }
  return rows;
}

/// The bounds of the keys of a row.
template <class T>
struct KeyBounds {
  VG_INLINE static void run(const Stored<T>* x, std::int64_t n, bool descending, SortKey<T>* low, SortKey<T>* high) {
    SortKey<T> least = std::numeric_limits<SortKey<T>>::max(), most = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const SortKey<T> key = sort_key<T>(x[i], descending);
      least = key < least ? key : least;
      most = key > most ? key : most;
    }
    *low = least;
    *high = most;
  }
};

/// Sorts a whole row by its keys less `low`, whose bits in `varying` differ.
template <class T, class K, class P>
void sort_row(const Stored<T>* x, const Sort& s, SortKey<T> low, K varying, T* out, std::int64_t* index) {
  using Entry = Keyed<K, P>;
  const Workspace<Entry> memory(2 * s.size);
  Entry* entries = memory.get();
  parallel_for(s.size, boundary::sort_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      entries[i] = {static_cast<P>(i), static_cast<K>(sort_key<T>(x[i], s.descending) - low)};
    }
  });
  entries = sort_by_digits(entries, entries + s.size, s.size, varying);
  parallel_for(s.count, boundary::sort_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto from = static_cast<std::int64_t>(entries[i].position);
      const auto key = static_cast<SortKey<T>>(static_cast<SortKey<T>>(entries[i].key) + low);
      // To look for each element where it was would take longer than the rest.
      out[i] = key_tells_all<T>(key, s.descending) ? element_of_key<T>(key, s.descending) : static_cast<T>(x[from]);
      index[i] = from;
    }
  });
}

/// All ones up to the highest one of x.
template <class K>
K filled(K x) {
  return x == 0 ? K(0) : static_cast<K>(std::numeric_limits<K>::max() >> std::countl_zero(x));
}

template <class T, class P>
void sort_row(const Stored<T>* x, const Sort& s, T* out, std::int64_t* index) {
  using K = SortKey<T>;
  K low = 0, high = 0;
  simd_run<KeyBounds<T>, const Stored<T>*, std::int64_t, bool, K*, K*>(x, s.size, s.descending, &low, &high);
  const K range = static_cast<K>(high - low);
  if constexpr (sizeof(K) > sizeof(std::uint32_t)) {
    // Keys of 64 bits that lie near enough to one another are moved as 32.
    if (range <= std::numeric_limits<std::uint32_t>::max()) {
      return sort_row<T, std::uint32_t, P>(x, s, low, filled(static_cast<std::uint32_t>(range)), out, index);
    }
  }
  sort_row<T, K, P>(x, s, low, filled(range), out, index);
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

/// The first elements of the rows [begin, end).
template <class T, class P>
void least_of_rows(const Sort& s, std::int64_t begin, std::int64_t end) {
  using Entry = Keyed<SortKey<T>, P>;
  const std::int64_t room = std::max(2 * s.count, boundary::sort_room);
  const Workspace<Entry> entries(std::min(s.size, room) + boundary::sort_block);
  for (std::int64_t row = begin; row < end; ++row) {
    const Stored<T>* x = static_cast<const Stored<T>*>(s.in) + row * s.size;
    least<T>(x, s, entries.get(), room);
    for (std::int64_t i = 0; i < s.count; ++i) {
      const auto from = static_cast<std::int64_t>(entries.get()[i].position);
      static_cast<T*>(s.out)[row * s.count + i] = x[from];
      s.index[row * s.count + i] = from;
    }
  }
}

template <class T, class P>
void run(const Sort& s) {
  const bool few = s.count <= std::max(boundary::sort_few, s.size / boundary::sort_share);
  // Threads share a long row, and else take rows.
  const bool shared = !few && s.size > boundary::sort_chunk;
  const bool serial = shared || s.outer * s.size < kDearSerialElements;
  const std::int64_t grain = serial ? s.outer : std::max<std::int64_t>(1, kDearGrainElements / s.size);
  parallel_for(s.outer, grain, [&](std::int64_t begin, std::int64_t end) {
    if (few) return least_of_rows<T, P>(s, begin, end);
    for (std::int64_t row = begin; row < end; ++row) {
      sort_row<T, P>(static_cast<const Stored<T>*>(s.in) + row * s.size, s, static_cast<T*>(s.out) + row * s.count,
                     s.index + row * s.count);
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
