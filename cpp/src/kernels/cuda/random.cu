// Random numbers on a CUDA device, from the formulas that the CPU uses.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/random_numbers.h"

namespace verigrad::kernels::cuda {
namespace {

/// Numbers that go to memory in one piece, of at most 16 bytes.
template <class T, int kCount>
struct alignas(std::min<std::size_t>(boundary::cuda_unit_bytes, kCount * sizeof(T))) Pack {
  T values[kCount];
};

/// One Philox block for each step of a thread. `packs`: `out` is aligned for packs.
template <class Numbers, class T>
__global__ void random_kernel(std::int64_t numel, T* out, bool packs, std::uint64_t seed, std::uint64_t counter,
                              Numbers numbers) {
  constexpr int kPerBlock = Numbers::kPerBlock;
  for_each_element((numel - 1) / kPerBlock + 1, [&](std::int64_t block) {
    const PhiloxBlock words = philox(seed, counter + static_cast<std::uint64_t>(block));
    Pack<T, kPerBlock> made;
    for (int w = 0; w < kPerBlock; w += Numbers::kAtOnce) {
      if constexpr (Numbers::kAtOnce == 2) {
        numbers.pair(words.word, 1, w, made.values[w], made.values[w + 1]);
      } else {
        made.values[w] = numbers.at(words.word, 1, w);
      }
    }
    const std::int64_t first = block * kPerBlock;
    if (packs && first + kPerBlock <= numel) {
      *reinterpret_cast<Pack<T, kPerBlock>*>(out + first) = made;
    } else {
      for (int w = 0; w < kPerBlock && first + w < numel; ++w) out[first + w] = made.values[w];
    }
  });
}

template <class Numbers, class T>
void generate(const Random& r) {
  T* out = static_cast<T*>(r.out);
  const bool packs = reinterpret_cast<std::uintptr_t>(out) % alignof(Pack<T, Numbers::kPerBlock>) == 0;
  launch_over((r.numel - 1) / Numbers::kPerBlock + 1, &random_kernel<Numbers, T>, r.numel, out, packs, r.seed,
              r.counter, Numbers(r));
}

template <template <class> class Numbers>
void generate_floating(DType dtype, const Random& r) {
  switch (dtype) {
    case DType::Float32: return generate<Numbers<float>, float>(r);
    case DType::Float64: return generate<Numbers<double>, double>(r);
    default: refuse_dtype(dtype);
  }
}

}  // namespace

void random(RandomOp op, DType dtype, const Random& r) {
  if (r.numel == 0) return;
  switch (op) {
    case RandomOp::uniform: return generate_floating<random_numbers::Uniform>(dtype, r);
    case RandomOp::normal: return generate_floating<random_numbers::Normal>(dtype, r);
    case RandomOp::keep: return generate_floating<random_numbers::Keep>(dtype, r);
    case RandomOp::integers:
      return dispatch(dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        generate<random_numbers::Integers<T>, T>(r);
      });
  }
}

}  // namespace verigrad::kernels::cuda
