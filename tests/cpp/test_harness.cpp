// The harness tested with itself: a check that cannot fail would make every other case worthless.

#include <stdexcept>
#include <string>

#include "harness.h"

namespace {

/// Failures that `body` records, taken out of the list of the running case.
template <typename Body>
std::vector<std::string> recorded(Body body) {
  auto& failures = verigrad_test::failures();
  const auto before = failures;
  failures.clear();
  try {
    body();
  } catch (const verigrad_test::StopCase&) {
    failures.push_back("stopped");
  }
  auto result = failures;
  failures = before;
  return result;
}

void throw_range() { throw std::out_of_range("index 7"); }

}  // namespace

TEST(harness_passes_what_holds) {
  CHECK(recorded([] { CHECK(1 + 1 == 2); }).empty());
  CHECK(recorded([] { CHECK_EQ(std::string("a"), "a"); }).empty());
  CHECK(recorded([] { CHECK_NEAR(1.0, 1.0 + 1e-9, 1e-8); }).empty());
  CHECK(recorded([] { CHECK_THROWS(throw_range(), std::out_of_range); }).empty());
  CHECK(recorded([] { CHECK_THROWS_WITH(throw_range(), std::logic_error, "index 7"); }).empty());
}

TEST(harness_records_each_kind_of_failure) {
  const auto wrong = recorded([] { CHECK(1 + 1 == 3); });
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].find("test_harness.cpp:") != std::string::npos);
  CHECK(wrong[0].find("1 + 1 == 3") != std::string::npos);

  const auto unequal = recorded([] { CHECK_EQ(2 + 2, 5); });
  REQUIRE(unequal.size() == 1);
  CHECK(unequal[0].find("expected 2 + 2 == 5, got 4") != std::string::npos);

  const double nan = 0.0 / static_cast<double>(recorded([] {}).size());
  CHECK_EQ(recorded([nan] { CHECK_NEAR(nan, nan, 1.0); }).size(), 1U);
  CHECK_EQ(recorded([] { CHECK_NEAR(1.0, 1.1, 0.01); }).size(), 1U);

  CHECK_EQ(recorded([] { CHECK_THROWS(throw_range(), std::runtime_error); }).size(), 1U);
  CHECK_EQ(recorded([] { CHECK_THROWS(static_cast<void>(0), std::exception); }).size(), 1U);
  CHECK_EQ(recorded([] { CHECK_THROWS_WITH(throw_range(), std::out_of_range, "index 8"); }).size(), 1U);
}

TEST(harness_require_ends_the_case) {
  bool reached = false;
  const auto result = recorded([&] {
    REQUIRE(!true);
    reached = true;
  });
  REQUIRE(result.size() == 2);
  CHECK_EQ(result[1], "stopped");
  CHECK(!reached);
}
