// Stands in for cuBLAS: the functions that blas.cu takes from the library, as a plain product, and how it opens it.
#pragma once

#include <cstdint>
#include <string>

namespace verigrad::emulation {

/// What dlopen and dlsym are on a machine with a device.
void* open_library(const char* file);
void* library_symbol(void* library, const char* name);

/// The last product that the calling thread asked for, as it was passed: by columns.
struct BlasCall {
  std::string function;
  int trans_a = 0, trans_b = 0;
  std::int64_t m = 0, n = 0, k = 0, lda = 0, ldb = 0, ldc = 0;
  long long stride_a = 0, stride_b = 0, stride_c = 0;
  std::int64_t batch = 1;
  double alpha = 0, beta = 0;
  int math_mode = -1;
};

/// For tests, of the calling thread.
struct BlasState {
  int calls = 0;
  BlasCall last;
  int status = 0;       // what the next product returns instead of doing anything, unless 0
  std::string missing;  // open_library knows no file, or library_symbol no such name, that contains it
  std::string opened;   // the file that open_library last opened
  void* last_handle = nullptr;
};
BlasState& blas_state();

}  // namespace verigrad::emulation
