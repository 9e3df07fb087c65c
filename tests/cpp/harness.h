// A unit-test harness in one header: TEST registers a case, CHECK and its relatives record failures and go on, a
// REQUIRE ends the case. The runner is in main.cpp; test_cpp.py runs each case as one pytest case.
#pragma once

#include <cstddef>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace verigrad_test {

struct Case {
  std::string name;
  void (*body)();
  const char* file;
  int line;
};

/// All cases of the program, in the order in which they were registered.
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

/// Failures recorded by the running case.
inline std::vector<std::string>& failures() {
  static std::vector<std::string> messages;
  return messages;
}

/// Thrown by REQUIRE to leave a case whose next statements would make no sense.
struct StopCase {};

struct Registration {
  Registration(const char* name, void (*body)(), const char* file, int line) {
    cases().push_back({name, body, file, line});
  }
};

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

/// `value` as text where it can be printed, else a placeholder.
template <typename T>
std::string show(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (std::is_same_v<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (Printable<T>) {
    out << value;
  } else {
    out << "<" << sizeof(T) << " bytes>";
  }
  return out.str();
}

inline void fail(const char* file, int line, const std::string& message) {
  failures().push_back(std::string(file) + ":" + std::to_string(line) + ": " + message);
}

/// Whether `actual` and `expected` differ by at most `tolerance`. NaN is near nothing.
inline bool near(double actual, double expected, double tolerance) {
  const double difference = actual > expected ? actual - expected : expected - actual;
  return actual == expected || difference <= tolerance;
}

template <typename Expected, typename Body>
void check_throws(const char* file, int line, const char* code, const char* type, const std::string& part,
                  Body&& body) {
  static_assert(std::is_base_of_v<std::exception, Expected>);
  try {
    std::forward<Body>(body)();
  } catch (const std::exception& error) {
    bool expected = true;  // any exception is an std::exception
    if constexpr (!std::is_same_v<Expected, std::exception>) {
      expected = dynamic_cast<const Expected*>(&error) != nullptr;
    }
    if (!expected) {
      fail(file, line, std::string(code) + ": expected " + type + ", got another exception: " + error.what());
    } else if (std::string(error.what()).find(part) == std::string::npos) {
      fail(file, line, std::string(code) + ": expected a message with '" + part + "', got '" + error.what() + "'");
    }
    return;
  }
  fail(file, line, std::string(code) + ": expected " + type + ", got no exception");
}

}  // namespace verigrad_test

#define VERIGRAD_TEST_JOIN2(a, b) a##b
#define VERIGRAD_TEST_JOIN(a, b) VERIGRAD_TEST_JOIN2(a, b)

/// Defines and registers a case: `TEST(broadcast_of_scalars) { ... }`.
#define TEST(name)                                                                                                 \
  static void test_##name();                                                                                       \
  static const ::verigrad_test::Registration VERIGRAD_TEST_JOIN(registration_, name)(#name, test_##name, __FILE__, \
                                                                                     __LINE__);                    \
  static void test_##name()

/// Records a failure unless the condition holds.
#define CHECK(...)                                                                            \
  do {                                                                                        \
    if (!(__VA_ARGS__)) ::verigrad_test::fail(__FILE__, __LINE__, "not true: " #__VA_ARGS__); \
  } while (false)

/// As CHECK, and ends the case on failure.
#define REQUIRE(...)                                                        \
  do {                                                                      \
    if (!(__VA_ARGS__)) {                                                   \
      ::verigrad_test::fail(__FILE__, __LINE__, "not true: " #__VA_ARGS__); \
      throw ::verigrad_test::StopCase{};                                    \
    }                                                                       \
  } while (false)

/// Records both values unless they are equal.
#define CHECK_EQ(actual, expected)                                                                      \
  do {                                                                                                  \
    const auto& verigrad_a = (actual);                                                                  \
    const auto& verigrad_e = (expected);                                                                \
    if (!(verigrad_a == verigrad_e))                                                                    \
      ::verigrad_test::fail(__FILE__, __LINE__,                                                         \
                            "expected " #actual " == " + ::verigrad_test::show(verigrad_e) + ", got " + \
                                ::verigrad_test::show(verigrad_a));                                     \
  } while (false)

/// Records both values unless they differ by at most `tolerance` (absolute).
#define CHECK_NEAR(actual, expected, tolerance)                                                           \
  do {                                                                                                    \
    const double verigrad_a = static_cast<double>(actual);                                                \
    const double verigrad_e = static_cast<double>(expected);                                              \
    if (!::verigrad_test::near(verigrad_a, verigrad_e, tolerance))                                        \
      ::verigrad_test::fail(__FILE__, __LINE__,                                                           \
                            "expected " #actual " near " + ::verigrad_test::show(verigrad_e) + ", got " + \
                                ::verigrad_test::show(verigrad_a));                                       \
  } while (false)

/// Records a failure unless `code` throws `type`.
#define CHECK_THROWS(code, type) CHECK_THROWS_WITH(code, type, "")

/// Records a failure unless `code` throws `type` with a message that contains `part`.
#define CHECK_THROWS_WITH(code, type, part) \
  ::verigrad_test::check_throws<type>(__FILE__, __LINE__, #code, #type, part, [&] { static_cast<void>(code); })
