#include "verigrad/generator.h"

#include <mutex>
#include <random>
#include <vector>

namespace verigrad {

void Generator::manual_seed(std::uint64_t seed) { set_state({seed, 0}); }

std::uint64_t Generator::seed() {
  std::random_device entropy;
  // 53 bits, so that the number survives a trip through a double.
  const std::uint64_t seed = ((std::uint64_t{entropy()} << 32) | entropy()) & ((std::uint64_t{1} << 53) - 1);
  manual_seed(seed);
  return seed;
}

std::uint64_t Generator::initial_seed() const { return state().seed; }

Generator::State Generator::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Generator::set_state(State state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

Generator::State Generator::reserve(std::uint64_t blocks) {
  const std::lock_guard lock(mutex_);
  const State before = state_;
  state_.counter += blocks;
  return before;
}

namespace {
/// One for each index that a device may have: they need no device.
const std::vector<Ref<Generator>>& cuda_generators() {
  static const std::vector<Ref<Generator>> made = [] {
    std::vector<Ref<Generator>> generators;
    for (int i = 0; i <= INT8_MAX; ++i) {
      generators.push_back(make_ref<Generator>(Device{DeviceType::CUDA, static_cast<std::int8_t>(i)}));
    }
    return generators;
  }();
  return made;
}
}  // namespace

const Ref<Generator>& default_generator(Device device) {
  static const Ref<Generator> host = make_ref<Generator>(kHost);
  if (device == kHost) return host;
  return cuda_generators()[static_cast<std::size_t>(device.index)];
}

void seed_devices(std::uint64_t seed) {
  for (const Ref<Generator>& generator : cuda_generators()) generator->manual_seed(seed);
}

}  // namespace verigrad
