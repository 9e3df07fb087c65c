// Linked into the copy of the core that scripts/mutation/reach.py builds with -fsanitize-coverage=trace-pc: which
// places of the code have run since the table was cleared. A place is the return address of the call that the compiler
// puts into every basic block, relative to where the library was loaded.
#include <cstdint>

extern "C" {

[[gnu::visibility("default")]] unsigned char verigrad_trace[1 << 26];
extern const char __ehdr_start[]
    __attribute__((visibility("hidden")));  // the linker's name of the library's first byte

[[gnu::visibility("default"), gnu::no_sanitize_coverage]] void __sanitizer_cov_trace_pc() {
  const auto place =
      reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)) - reinterpret_cast<std::uintptr_t>(__ehdr_start);
  if (place < sizeof verigrad_trace && !verigrad_trace[place]) verigrad_trace[place] = 1;
}
}
