// The library's random number generator.
#pragma once

#include <cstdint>

#include "verigrad/device.h"
#include "verigrad/lock.h"
#include "verigrad/ref.h"

namespace verigrad {

/// A position in a Philox stream: (seed, counter). Equal positions give equal numbers on every device and for any
/// number of threads; every random op moves the counter on by what it consumes.
class Generator final : public RefCounted {
 public:
  static constexpr std::uint64_t kDefaultSeed = 67280421310721;  // PyTorch's default_rng_seed_val

  struct State {
    std::uint64_t seed = kDefaultSeed;
    std::uint64_t counter = 0;
  };

  explicit Generator(Device device) : device_(device) {}
  Device device() const { return device_; }

  void manual_seed(std::uint64_t seed);
  /// Seeds from the operating system's entropy and returns the seed.
  std::uint64_t seed();
  std::uint64_t initial_seed() const;
  State state() const;
  void set_state(State state);
  /// Takes `blocks` blocks of four 32-bit words: the state before, the counter moved on.
  State reserve(std::uint64_t blocks);

 private:
  mutable Lock mutex_;
  State state_;
  Device device_;
};

/// What random ops on the device use without another generator.
const Ref<Generator>& default_generator(Device device);
/// Seeds those of all devices but the host.
void seed_devices(std::uint64_t seed);

}  // namespace verigrad
