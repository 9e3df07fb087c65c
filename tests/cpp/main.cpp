// Runner of the C++ tests. Without arguments it runs every case; with names it runs those; with --list it prints the
// names, one a line. The exit code is the number of failed cases, at most 100.

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "harness.h"

#if defined(__SANITIZE_THREAD__)
// The child of a fork knows its parent's threads, and never joins them.
extern "C" const char* __tsan_default_options() { return "report_thread_leaks=0"; }
#endif

namespace {

/// Runs one case and prints its failures. Returns whether it passed.
bool run(const verigrad_test::Case& test) {
  auto& failures = verigrad_test::failures();
  failures.clear();
  try {
    test.body();
  } catch (const verigrad_test::StopCase&) {
  } catch (const std::exception& error) {
    verigrad_test::fail(test.file, test.line, std::string("uncaught exception: ") + error.what());
  }
  for (const std::string& message : failures) std::cout << message << '\n';
  std::cout << (failures.empty() ? "ok   " : "FAIL ") << test.name << std::endl;
  return failures.empty();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> names(argv + 1, argv + argc);
  const auto& cases = verigrad_test::cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (cases[i].name == cases[j].name) {
        std::cout << cases[i].file << ":" << cases[i].line << ": a second case named " << cases[i].name << '\n';
        return 100;
      }
    }
  }
  if (names.size() == 1 && names[0] == "--list") {
    for (const auto& test : cases) std::cout << test.name << '\n';
    return 0;
  }
  for (const std::string& name : names) {
    if (std::none_of(cases.begin(), cases.end(), [&](const auto& test) { return test.name == name; })) {
      std::cout << "no case named " << name << '\n';
      return 100;
    }
  }
  int failed = 0;
  for (const auto& test : cases) {
    if (names.empty() || std::find(names.begin(), names.end(), test.name) != names.end()) failed += !run(test);
  }
  return std::min(failed, 100);
}
