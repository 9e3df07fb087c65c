#include "kernels/cuda/blas.cuh"

#include <array>
#include <limits>
#include <mutex>
#include <string>
#include <type_traits>
#include <vector>

#if defined(__CUDACC__)
#include <dlfcn.h>
#else
#include "cublas.h"
#endif

#include "core/backend.h"

namespace verigrad::kernels::cuda {
namespace {

// ---- the library --------------------------------------------------------------------------------------------------

#if defined(__CUDACC__)
/// The system's library, or that of the package nvidia-cublas beside ours, whose folder depends on the version.
void* open(const char* file) {
  if (void* found = dlopen(file, RTLD_NOW | RTLD_LOCAL)) return found;
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&open), &here) == 0 || !here.dli_fname) return nullptr;
  std::string folder = here.dli_fname;
  folder = folder.substr(0, folder.rfind('/') + 1) + "../nvidia/";
  for (const char* part : {"cu13/lib/", "cublas/lib/"}) {
    if (void* found = dlopen((folder + part + file).c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
  }
  return nullptr;
}
void* symbol(void* library, const char* name) { return dlsym(library, name); }
/// The version of the run-time library that this was compiled for comes first.
constexpr std::array<const char*, 3> kFiles = CUDART_VERSION >= 13000
                                                  ? std::array{"libcublas.so.13", "libcublas.so.12", "libcublas.so"}
                                                  : std::array{"libcublas.so.12", "libcublas.so.13", "libcublas.so"};
#else
void* open(const char* file) { return emulation::open_library(file); }
void* symbol(void* library, const char* name) { return emulation::library_symbol(library, name); }
constexpr std::array kFiles{"libcublas.so.13", "libcublas.so.12", "libcublas.so"};
#endif

template <class F>
void take(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(symbol(library, name));
}

template <class F>
void need(void* library, const char* name, F& function) {
  take(library, name, function);
  VG_CHECK(function, RuntimeError, current_op(), ": expected cuBLAS 12 or 13, got a library without ", name);
}

Blas& blas() {
  static Blas opened = open_blas();  // tried again by the next product where it raises
  return opened;
}

// ---- statuses -----------------------------------------------------------------------------------------------------

constexpr int kSuccess = 0;

const char* status_name(Blas::Status status) {
  switch (status) {
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "unknown status";
  }
}

void check_blas(Blas::Status status, Blas::Handle* handle) {
  if (status == kSuccess) return;
  int version = 0;
  if (handle) blas().version(handle, &version);
  VG_THROW(RuntimeError, current_op(), ": cuBLAS error: ", status_name(status), " (", status, "), version ", version);
}

// ---- handles ------------------------------------------------------------------------------------------------------

/// Handles that no thread has, for each device. A handle is made once and never destroyed: at the end of the process
/// CUDA may be gone before us, and threads that come and go would make one each.
struct Pool {
  std::mutex mutex;
  std::vector<Blas::Handle*> free[kMaxDevices];
};
Pool& pool() {
  static Pool* of_process = new Pool;
  return *of_process;
}

/// The handles of a thread, which no other one uses: a handle has a stream and a workspace.
struct ThreadHandles {
  Blas::Handle* of_device[kMaxDevices] = {};
  ~ThreadHandles() {
    const std::lock_guard lock(pool().mutex);
    for (int device = 0; device < kMaxDevices; ++device) {
      if (of_device[device]) pool().free[device].push_back(of_device[device]);
    }
  }
};
thread_local ThreadHandles handles;

Blas::Handle* new_handle() {
  Blas::Handle* made = nullptr;
  check_blas(blas().create(&made), nullptr);
  return made;
}

Blas::Handle* handle_of_thread() {
  const int device = current_device();
  Blas::Handle*& mine = handles.of_device[device];
  if (mine) return mine;
  {
    const std::lock_guard lock(pool().mutex);
    std::vector<Blas::Handle*>& free = pool().free[device];
    if (!free.empty()) {
      mine = free.back();
      free.pop_back();
    }
  }
  if (!mine) mine = new_handle();
  return mine;
}

/// Bytes of workspace: what cuBLAS takes by itself on the newest devices, which need most.
#if defined(__CUDACC__)
constexpr std::int64_t kWorkspace = std::int64_t{32} << 20;
#else
constexpr std::int64_t kWorkspace = 1024;  // which nobody uses
#endif

// ---- products -----------------------------------------------------------------------------------------------------

/// The leading dimension of a row-major matrix; cuBLAS wants the row's length also where a single row has no next one.
/// 0: rows overlap, which it refuses.
std::int64_t leading(std::int64_t rows, std::int64_t columns, std::int64_t ld) {
  if (rows <= 1) return columns;
  return ld >= columns ? ld : 0;
}

template <class T, class I>
void multiply(const Blas::Products<T, I>& products, const Gemm& g, std::int64_t lda, std::int64_t ldb,
              std::int64_t ldc) {
  Blas::Handle* handle = handle_of_thread();
  // Memory of the stream, back in the cache when this has been launched.
  const Scratch<unsigned char> workspace(kWorkspace);
  check_blas(blas().set_stream(handle, current_stream()), handle);
  // The default mode multiplies float32 as float32, on every device: TF32 must be asked for.
  constexpr int kDefaultMath = 0, kTF32Math = 3;
  check_blas(blas().set_math_mode(handle, tf32_products() ? kTF32Math : kDefaultMath), handle);
  check_blas(blas().set_workspace(handle, workspace.get(), static_cast<std::size_t>(kWorkspace)), handle);
  const auto size = [](std::int64_t n) { return static_cast<I>(n); };
  const T alpha = 1, beta = g.accumulate ? T(1) : T(0);
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  // cuBLAS counts by columns, so it sees all matrices transposed: C' = B' A'.
  const int trans_a = g.trans_a ? 1 : 0, trans_b = g.trans_b ? 1 : 0;
  if (g.batch == 1) {
    check_blas(products.gemm(handle, trans_b, trans_a, size(g.n), size(g.m), size(g.k), &alpha, b, size(ldb), a,
                             size(lda), &beta, c, size(ldc)),
               handle);
  } else {
    check_blas(products.batched(handle, trans_b, trans_a, size(g.n), size(g.m), size(g.k), &alpha, b, size(ldb),
                                g.stride_b, a, size(lda), g.stride_a, &beta, c, size(ldc), g.stride_c, size(g.batch)),
               handle);
  }
}

}  // namespace

Blas open_blas() {
  void* library = nullptr;
  for (const char* file : kFiles) {
    if (!library) library = open(file);  // kept for the life of the process
  }
  VG_CHECK(library, RuntimeError, current_op(), ": expected cuBLAS for products on a CUDA device, got none of ",
           kFiles[0], ", ", kFiles[1], " and ", kFiles[2], " (install it, or name its folder in LD_LIBRARY_PATH)");
  Blas b;
  need(library, "cublasCreate_v2", b.create);
  need(library, "cublasGetVersion_v2", b.version);
  need(library, "cublasSetStream_v2", b.set_stream);
  need(library, "cublasSetWorkspace_v2", b.set_workspace);
  need(library, "cublasSetMathMode", b.set_math_mode);
  need(library, "cublasSgemm_v2", b.float32.gemm);
  need(library, "cublasDgemm_v2", b.float64.gemm);
  need(library, "cublasSgemmStridedBatched", b.float32.batched);
  need(library, "cublasDgemmStridedBatched", b.float64.batched);
  take(library, "cublasSgemm_v2_64", b.float32_wide.gemm);
  take(library, "cublasDgemm_v2_64", b.float64_wide.gemm);
  take(library, "cublasSgemmStridedBatched_64", b.float32_wide.batched);
  take(library, "cublasDgemmStridedBatched_64", b.float64_wide.batched);
  return b;
}

template <class T>
bool blas_product(const Gemm& g) {
  const std::int64_t lda = leading(g.trans_a ? g.k : g.m, g.trans_a ? g.m : g.k, g.lda);
  const std::int64_t ldb = leading(g.trans_b ? g.n : g.k, g.trans_b ? g.k : g.n, g.ldb);
  const std::int64_t ldc = leading(g.m, g.n, g.ldc);
  if (lda == 0 || ldb == 0 || ldc == 0) return false;
  bool narrow = true;
  for (const std::int64_t n : {g.m, g.n, g.k, lda, ldb, ldc, g.batch}) {
    narrow = narrow && n <= std::numeric_limits<int>::max();
  }
  if (narrow) {
    multiply(blas().products<T, int>(), g, lda, ldb, ldc);
    return true;
  }
  const auto& wide = blas().products<T, std::int64_t>();
  if (!wide.gemm || !wide.batched) return false;
  multiply(wide, g, lda, ldb, ldc);
  return true;
}

template bool blas_product<float>(const Gemm& g);
template bool blas_product<double>(const Gemm& g);

}  // namespace verigrad::kernels::cuda
