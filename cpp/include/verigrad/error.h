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
template <class... Args>
[[gnu::cold]] std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}
}  // namespace detail

}  // namespace verigrad

#define VG_THROW(TYPE, ...) throw ::verigrad::TYPE(::verigrad::detail::concat(__VA_ARGS__))
#define VG_CHECK(COND, TYPE, ...)  \
  do {                             \
    if (!(COND)) [[unlikely]]      \
      VG_THROW(TYPE, __VA_ARGS__); \
  } while (false)
