#include "verigrad/generator.h"

#include <mutex>
#include <random>

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

const Ref<Generator>& default_generator() {
  static const Ref<Generator> generator = make_ref<Generator>();
  return generator;
}

}  // namespace verigrad
