#include "kernels/cpu/cblas.h"

#include <atomic>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace verigrad::kernels::cpu {

namespace {

#ifdef VG_CBLAS_PREFIX
// Our threads share the tiles of a product; OpenBLAS must not start its own.
[[maybe_unused]] const bool g_limited = (VG_BLAS(openblas_set_num_threads)(1), true);
#endif

std::atomic<int> g_calls{0};  // threads in a call
std::atomic<int> g_forks{0};  // threads that fork or wait to

#if defined(__unix__) || defined(__APPLE__)
[[maybe_unused]] const int g_registered = pthread_atfork(
    [] {
      // Sequentially consistent with BlasCall: either a call sees the fork, or the fork sees the call.
      g_forks.fetch_add(1);
      while (g_calls.load() != 0) std::this_thread::yield();
    },
    [] { g_forks.fetch_sub(1); },
    [] {
      // The other threads, which may have been about to enter or to fork, do not exist here.
      g_calls.store(0);
      g_forks.store(0);
    });
#endif

}  // namespace

BlasCall::BlasCall() {
  for (;;) {
    g_calls.fetch_add(1);
    if (g_forks.load() == 0) return;
    g_calls.fetch_sub(1);
    while (g_forks.load() != 0) std::this_thread::yield();
  }
}

BlasCall::~BlasCall() { g_calls.fetch_sub(1); }

}  // namespace verigrad::kernels::cpu
