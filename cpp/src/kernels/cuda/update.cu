// Parameter updates on a CUDA device, from the formulas that the CPU uses: one launch takes many parameters.
#include <algorithm>

#include "kernels/cuda/boundaries.h"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/update_rules.h"

namespace verigrad::kernels::cuda {
namespace {

/// Parameters of one launch, so that they and the rule fit the 4 KiB of a kernel's arguments.
constexpr int kItems = boundary::cuda_update_parameters;
/// Elements of a parameter that a block takes at once.
constexpr std::int64_t kChunk = boundary::cuda_update_chunk;

template <class T, int kStates>
struct Batch {
  int count = 0;
  std::int64_t chunks = 0;
  std::int64_t first_chunk[kItems];
  std::int64_t numel[kItems];
  T* param[kItems];
  const T* grad[kItems];
  T* states[kStates > 0 ? kStates : 1][kItems];

  void add(const Updated& item) {
    first_chunk[count] = chunks;
    numel[count] = item.numel;
    param[count] = static_cast<T*>(item.param);
    grad[count] = static_cast<const T*>(item.grad);
    for (int k = 0; k < kStates; ++k) states[k][count] = static_cast<T*>(item.states[k]);
    chunks += (item.numel + kChunk - 1) / kChunk;
    ++count;
  }
};

template <class T, class Rule>
__global__ void update_kernel(Batch<T, Rule::kStates> batch, Rule rule) {
  for (std::int64_t chunk = blockIdx.x; chunk < batch.chunks; chunk += gridDim.x) {
    int item = 0;
    while (item + 1 < batch.count && batch.first_chunk[item + 1] <= chunk) ++item;
    const std::int64_t begin = (chunk - batch.first_chunk[item]) * kChunk;
    const std::int64_t end = begin + kChunk < batch.numel[item] ? begin + kChunk : batch.numel[item];
    T* p = batch.param[item];
    const T* grad = batch.grad[item];
    for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
      if constexpr (Rule::kStates == 0) {
        rule(p[i], grad[i]);
      } else if constexpr (Rule::kStates == 1) {
        rule(p[i], grad[i], batch.states[0][item][i]);
      } else if constexpr (Rule::kStates == 2) {
        rule(p[i], grad[i], batch.states[0][item][i], batch.states[1][item][i]);
      } else {
        rule(p[i], grad[i], batch.states[0][item][i], batch.states[1][item][i], batch.states[2][item][i]);
      }
    }
  }
}

template <class T, class Rule>
void run_update(const Update& u, const Rule& rule) {
  for (std::int64_t k = 0; k < u.count;) {
    Batch<T, Rule::kStates> batch;
    for (; k < u.count && batch.count < kItems; ++k) {
      if (u.items[k].numel > 0) batch.add(u.items[k]);
    }
    if (batch.count == 0) return;
    launch(dim3(static_cast<unsigned>(std::min(kMaxBlocks, batch.chunks))), dim3(kThreads), &update_kernel<T, Rule>,
           batch, rule);
  }
}

template <class T>
void update_as(UpdateRule rule, const Update& u) {
  update_rules::with_rule<T>(rule, u.numbers, [&](const auto& formula) { run_update<T>(u, formula); });
}

}  // namespace

void update(UpdateRule rule, DType dtype, const Update& u) {
  switch (dtype) {
    case DType::Float32: return update_as<float>(rule, u);
    case DType::Float64: return update_as<double>(rule, u);
    default: refuse_dtype(dtype);
  }
}

}  // namespace verigrad::kernels::cuda
