// The order of elements as that of whole numbers, and places in sorted rows, for every device.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/host_device.h"
#include "verigrad/dtype.h"

namespace verigrad::kernels {

template <class T>
using SortKey = std::conditional_t<sizeof(T) == sizeof(std::uint64_t), std::uint64_t,
                                   std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint32_t>>;

/// A whole number that is smaller exactly where x is. NaN is the greatest, and zeros are equal. `descending`: the
/// reverse.
template <class T>
VG_HD inline SortKey<T> sort_key(T x, bool descending) {
  using K = SortKey<T>;
  constexpr K kSign = static_cast<K>(K(1) << std::numeric_limits<std::make_signed_t<K>>::digits);
  K key = 0;
  if constexpr (std::is_floating_point_v<T>) {
    if (x != x) {
      key = std::numeric_limits<K>::max();
    } else {
      const T plain = x == T(0) ? T(0) : x;
      std::memcpy(&key, &plain, sizeof key);
      // All bits of negative numbers change, and the sign of others; as a branch this would be guessed wrong half the
      // time.
      key = static_cast<K>(key ^ ((K(0) - (key >> std::numeric_limits<std::make_signed_t<K>>::digits)) | kSign));
    }
  } else if constexpr (std::is_signed_v<T>) {
    key = static_cast<K>(static_cast<K>(x) ^ kSign);
  } else {
    key = static_cast<K>(x);
  }
  return descending ? static_cast<K>(~key) : key;
}

/// Whether a key tells every bit of its element: that of a zero has no sign, and one stands for all NaN.
template <class T>
VG_HD inline bool key_tells_all(SortKey<T> key, bool descending) {
  if constexpr (std::is_floating_point_v<T>) {
    return (key != sort_key<T>(T(0), descending)) &
           (key != sort_key<T>(std::numeric_limits<T>::quiet_NaN(), descending));
  } else {
    return true;
  }
}

/// The element of such a key.
template <class T>
VG_HD inline T element_of_key(SortKey<T> key, bool descending) {
  using K = SortKey<T>;
  constexpr K kSign = static_cast<K>(K(1) << std::numeric_limits<std::make_signed_t<K>>::digits);
  const K plain = descending ? static_cast<K>(~key) : key;
  if constexpr (std::is_floating_point_v<T>) {
    const K bits = (plain & kSign) != 0 ? static_cast<K>(plain ^ kSign) : static_cast<K>(~plain);
    T x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(plain ^ kSign);
  } else {
    return static_cast<T>(plain);
  }
}

/// How many of `size` sorted elements are less than the value, or, to the `right`, not greater. NaN is never less.
/// `sorter`, if there is one: where each of them stands.
template <class T>
VG_HD inline std::int64_t find_place(const Stored<T>* sorted, const std::int64_t* sorter, std::int64_t size, T value,
                                     bool right) {
  std::int64_t begin = 0, end = size;
  while (begin < end) {
    const std::int64_t middle = begin + (end - begin) / 2;
    const T element = sorted[sorter ? sorter[middle] : middle];
    const bool before = right ? !(element > value) : !(element >= value);
    begin = before ? middle + 1 : begin;
    end = before ? end : middle;
  }
  return begin;
}

}  // namespace verigrad::kernels
