// Random numbers: blocks of Philox words, many at once, so that both the generator and the formulas are vector code.
#include <algorithm>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/random_numbers.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using random_numbers::Integers;
using random_numbers::Keep;
using random_numbers::Normal;
using random_numbers::Uniform;

constexpr std::int64_t kBatch = boundary::random_batch;  // blocks generated together
constexpr std::int64_t kWords = boundary::random_words;

/// The words of `kBatch` blocks, word by word.
struct Words {
  std::uint32_t word[kWords * kBatch];

  VG_INLINE void generate(std::uint64_t seed, std::uint64_t counter) {
    for (std::int64_t b = 0; b < kBatch; ++b) {
      const PhiloxBlock block = philox(seed, counter + static_cast<std::uint64_t>(b));
      for (int w = 0; w < kWords; ++w) word[w * kBatch + b] = block.word[w];
    }
  }
};

/// A batch of blocks of floating-point numbers: by words, for the formulas, and then in the order of the elements.
template <class T, class Numbers>
struct FloatBlocks {
  static constexpr std::int64_t kPerBlock = Numbers::kPerBlock;

  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, Numbers numbers) {
    Words words;
    words.generate(seed, counter);
    T values[kBatch * kPerBlock];
    for (int w = 0; w < kPerBlock; w += Numbers::kAtOnce) {
      for (std::int64_t b = 0; b < kBatch; ++b) {
        if constexpr (Numbers::kAtOnce == 2) {
          numbers.pair(words.word + b, kBatch, w, values[w * kBatch + b], values[(w + 1) * kBatch + b]);
        } else {
          values[w * kBatch + b] = numbers.at(words.word + b, kBatch, w);
        }
      }
    }
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < kPerBlock; ++w) out[b * kPerBlock + w] = values[w * kBatch + b];
    }
  }
};

/// A batch of blocks of numbers whose formula is short, at once in the order of the elements.
template <class T, class Numbers>
struct PlainBlocks {
  static constexpr std::int64_t kPerBlock = Numbers::kPerBlock;

  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, Numbers numbers) {
    Words words;
    words.generate(seed, counter);
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < kPerBlock; ++w) out[b * kPerBlock + w] = numbers.at(words.word + b, kBatch, w);
    }
  }
};

/// Batches of blocks over the output; the last one goes through a buffer.
template <template <class, class> class Blocks_, class Numbers, class T>
void generate(const Random& r) {
  using Blocks = Blocks_<T, Numbers>;
  const Numbers numbers(r);
  constexpr std::int64_t kElements = kBatch * Blocks::kPerBlock;
  T* out = static_cast<T*>(r.out);
  const std::int64_t batches = (r.numel - 1) / kElements + 1;
  const std::int64_t grain = r.numel < kDearSerialElements ? batches : kDearGrainElements / kElements;
  parallel_for(batches, grain, [&](std::int64_t begin, std::int64_t end) {
    const auto run = simd_select<Blocks, T*, std::uint64_t, std::uint64_t, Numbers>();
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t counter = r.counter + static_cast<std::uint64_t>(i * kBatch);
      const std::int64_t rest = r.numel - i * kElements;
      if (rest >= kElements) {
        run(out + i * kElements, r.seed, counter, numbers);
      } else {
        T buffer[kElements];
        run(buffer, r.seed, counter, numbers);
        std::copy_n(buffer, rest, out + i * kElements);
      }
    }
  });
}

}  // namespace

void random(RandomOp op, DType dtype, const Random& r) {
  if (r.numel == 0) return;
  switch (op) {
    case RandomOp::integers:
      return dispatch(dtype, [&]<class T>(TypeTag<T>) { generate<PlainBlocks, Integers<T>, T>(r); });
    case RandomOp::keep:
      return dispatch_floating("dropout", dtype, [&]<class T>(TypeTag<T>) { generate<PlainBlocks, Keep<T>, T>(r); });
    case RandomOp::uniform:
      return dispatch_floating("uniform_", dtype,
                               [&]<class T>(TypeTag<T>) { generate<FloatBlocks, Uniform<T>, T>(r); });
    case RandomOp::normal:
      return dispatch_floating("normal_", dtype, [&]<class T>(TypeTag<T>) { generate<FloatBlocks, Normal<T>, T>(r); });
  }
}

}  // namespace verigrad::kernels::cpu
