#include "cublas.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "cuda_runtime.h"
#include "memory.h"

namespace verigrad::emulation {
namespace {

constexpr int kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kExecutionFailed = 13;

/// As strict as the library: a product needs a stream and a workspace that was set after it.
struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  int math_mode = -1;
};

int create(Handle** handle) {
  *handle = new Handle;
  return kSuccess;
}
int version(Handle*, int* number) {
  *number = 130000;
  return kSuccess;
}
int set_stream(Handle* handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;
  return kSuccess;
}
int set_workspace(Handle* handle, void* memory, std::size_t bytes) {
  if (catch_up(handle->stream) != cudaSuccess) return kInvalidValue;
  const DeviceMemoryOpen open;
  if (reinterpret_cast<std::uintptr_t>(memory) % 256 != 0) return kInvalidValue;
  std::memset(memory, 0xFF, std::min<std::size_t>(bytes, 64));
  handle->workspace = memory;
  return kSuccess;
}
int set_math_mode(Handle* handle, int mode) {
  handle->math_mode = mode;
  return kSuccess;
}

/// Column-major: element (i, j) of op(A) is a[i + j lda], or a[j + i lda] transposed. A sum is made in double and
/// rounded once.
template <class T>
int product(Handle* handle, const BlasCall& call, const T* a, const T* b, T* c) {
  BlasState& state = blas_state();
  ++state.calls;
  state.last = call;
  state.last.math_mode = handle ? handle->math_mode : -1;
  state.last_handle = handle;
  if (state.status != 0) return std::exchange(state.status, 0);
  if (!handle || !handle->workspace || handle->math_mode < 0) return kNotInitialized;
  const std::int64_t rows_a = call.trans_a ? call.k : call.m, rows_b = call.trans_b ? call.n : call.k;
  const auto least = [](std::int64_t rows) { return std::max<std::int64_t>(1, rows); };
  if (call.m < 0 || call.n < 0 || call.k < 0 || call.batch < 0 || call.lda < least(rows_a) ||
      call.ldb < least(rows_b) || call.ldc < least(call.m)) {
    return kInvalidValue;
  }
  if (catch_up(handle->stream) != cudaSuccess) return kExecutionFailed;
  const DeviceMemoryOpen open;
  const std::int64_t a_row = call.trans_a ? call.lda : 1, a_column = call.trans_a ? 1 : call.lda;
  const std::int64_t b_row = call.trans_b ? call.ldb : 1, b_column = call.trans_b ? 1 : call.ldb;
  for (std::int64_t q = 0; q < call.batch; ++q, a += call.stride_a, b += call.stride_b, c += call.stride_c) {
    std::vector<double> columns(static_cast<std::size_t>(call.m * call.k));  // of A, so that the sums run side by side
    for (std::int64_t p = 0; p < call.k; ++p) {
      double* column = columns.data() + p * call.m;
      for (std::int64_t i = 0; i < call.m; ++i) column[i] = static_cast<double>(a[i * a_row + p * a_column]);
    }
    std::vector<double> sums(static_cast<std::size_t>(call.m));
    for (std::int64_t j = 0; j < call.n; ++j) {
      std::fill(sums.begin(), sums.end(), 0.0);
      double* sum = sums.data();
      for (std::int64_t p = 0; p < call.k; ++p) {
        const double* column = columns.data() + p * call.m;
        const double factor = static_cast<double>(b[p * b_row + j * b_column]);
        for (std::int64_t i = 0; i < call.m; ++i) sum[i] += column[i] * factor;
      }
      for (std::int64_t i = 0; i < call.m; ++i) {
        T& out = c[i + j * call.ldc];
        // With beta = 0 C is not read: it may be anything.
        out = static_cast<T>(call.alpha * sum[i] + (call.beta == 0 ? 0 : call.beta * static_cast<double>(out)));
      }
    }
  }
  return kSuccess;
}

constexpr char kSgemm[] = "cublasSgemm_v2", kDgemm[] = "cublasDgemm_v2";
constexpr char kSgemm64[] = "cublasSgemm_v2_64", kDgemm64[] = "cublasDgemm_v2_64";
constexpr char kSbatched[] = "cublasSgemmStridedBatched", kDbatched[] = "cublasDgemmStridedBatched";
constexpr char kSbatched64[] = "cublasSgemmStridedBatched_64", kDbatched64[] = "cublasDgemmStridedBatched_64";

template <const char* kName, class T, class I>
int gemm(Handle* handle, int trans_a, int trans_b, I m, I n, I k, const T* alpha, const T* a, I lda, const T* b, I ldb,
         const T* beta, T* c, I ldc) {
  return product<T>(handle, {kName, trans_a, trans_b, m, n, k, lda, ldb, ldc, 0, 0, 0, 1, *alpha, *beta}, a, b, c);
}
template <const char* kName, class T, class I>
int batched(Handle* handle, int trans_a, int trans_b, I m, I n, I k, const T* alpha, const T* a, I lda,
            long long stride_a, const T* b, I ldb, long long stride_b, const T* beta, T* c, I ldc, long long stride_c,
            I batch) {
  return product<T>(
      handle, {kName, trans_a, trans_b, m, n, k, lda, ldb, ldc, stride_a, stride_b, stride_c, batch, *alpha, *beta}, a,
      b, c);
}

template <class F>
void* address(F* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

BlasState& blas_state() {
  static thread_local BlasState state;
  return state;
}

void* open_library(const char* file) {
  BlasState& state = blas_state();
  if (!state.missing.empty() && std::string_view(file).find(state.missing) != std::string_view::npos) return nullptr;
  state.opened = file;
  return &state;
}

void* library_symbol(void*, const char* name) {
  const BlasState& state = blas_state();
  const std::string_view wanted = name;
  if (!state.missing.empty() && wanted.find(state.missing) != std::string_view::npos) return nullptr;
  const struct {
    const char* name;
    void* address;
  } symbols[] = {{"cublasCreate_v2", address(&create)},
                 {"cublasGetVersion_v2", address(&version)},
                 {"cublasSetStream_v2", address(&set_stream)},
                 {"cublasSetWorkspace_v2", address(&set_workspace)},
                 {"cublasSetMathMode", address(&set_math_mode)},
                 {kSgemm, address(&gemm<kSgemm, float, int>)},
                 {kDgemm, address(&gemm<kDgemm, double, int>)},
                 {kSbatched, address(&batched<kSbatched, float, int>)},
                 {kDbatched, address(&batched<kDbatched, double, int>)},
                 {kSgemm64, address(&gemm<kSgemm64, float, std::int64_t>)},
                 {kDgemm64, address(&gemm<kDgemm64, double, std::int64_t>)},
                 {kSbatched64, address(&batched<kSbatched64, float, std::int64_t>)},
                 {kDbatched64, address(&batched<kDbatched64, double, std::int64_t>)}};
  for (const auto& symbol : symbols) {
    if (wanted == symbol.name) return symbol.address;
  }
  return nullptr;
}

}  // namespace verigrad::emulation
