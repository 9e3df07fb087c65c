// Which rules update parameters, and the numbers that they read.
#pragma once

#include <cstdint>

namespace verigrad {

enum class UpdateRule : std::int8_t {
#define VG_UPDATE(NAME) NAME,
#include "verigrad/update.def"
};

/// The options of an optimizer; a rule reads those that belong to it.
struct UpdateOptions {
#define VG_UPDATE_OPTION(NAME) double NAME = 0;
#define VG_UPDATE_FLAG(NAME) bool NAME = false;
#include "verigrad/update.def"

  bool operator==(const UpdateOptions&) const = default;
};

}  // namespace verigrad
