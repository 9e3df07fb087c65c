// Exceptions and the one macro that raises them.
//
// Every message reads "<op>: expected <what>, got <value>". The classes carry the Python exception type that PyTorch
// uses for the same mistake; cpp/bindings/errors.cpp maps them.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace verigrad {

/// Base of all errors of the library; a Python RuntimeError.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class IndexError : public Error {
 public:
  using Error::Error;
};
class TypeError : public Error {
 public:
  using Error::Error;
};
class ValueError : public Error {
 public:
  using Error::Error;
};
class NotImplementedError : public Error {
 public:
  using Error::Error;
};
using RuntimeError = Error;

namespace detail {
/// Leaves out the middle of a long text, between characters of UTF-8: a message may quote what a caller passed.
[[gnu::cold]] inline std::string shortened(std::string text, std::size_t most = 2000) {
  if (text.size() <= most) return text;
  const auto boundary = [&](std::size_t at) {
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    return at;
  };
  return text.substr(0, boundary(most - most / 4)) + " ... " + text.substr(boundary(text.size() - most / 4));
}

template <class... Args>
[[gnu::cold]] std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return shortened(out.str());
}
}  // namespace detail

}  // namespace verigrad

#define VG_THROW(TYPE, ...) throw ::verigrad::TYPE(::verigrad::detail::concat(__VA_ARGS__))
#define VG_CHECK(COND, TYPE, ...)  \
  do {                             \
    if (!(COND)) [[unlikely]]      \
      VG_THROW(TYPE, __VA_ARGS__); \
  } while (false)
