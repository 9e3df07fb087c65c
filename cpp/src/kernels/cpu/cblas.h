// The few functions of CBLAS that we call, declared here so that the build needs no header. VG_CBLAS_PREFIX is set by
// the build for scipy-openblas32 (scipy_); without it the functions have their standard names.
#pragma once

#ifdef VG_CBLAS_PREFIX
#define VG_BLAS_PASTE2(PREFIX, NAME) PREFIX##NAME
#define VG_BLAS_PASTE(PREFIX, NAME) VG_BLAS_PASTE2(PREFIX, NAME)
#define VG_BLAS(NAME) VG_BLAS_PASTE(VG_CBLAS_PREFIX, NAME)
#else
#define VG_BLAS(NAME) NAME
#endif

extern "C" {
void VG_BLAS(cblas_sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a,
                          int lda, const float* b, int ldb, float beta, float* c, int ldc);
void VG_BLAS(cblas_dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const double* a,
                          int lda, const double* b, int ldb, double beta, double* c, int ldc);
void VG_BLAS(cblas_sgemv)(int order, int trans, int m, int n, float alpha, const float* a, int lda, const float* x,
                          int incx, float beta, float* y, int incy);
void VG_BLAS(cblas_dgemv)(int order, int trans, int m, int n, double alpha, const double* a, int lda, const double* x,
                          int incx, double beta, double* y, int incy);
#ifdef VG_CBLAS_PREFIX
void VG_BLAS(openblas_set_num_threads)(int threads);
#endif
}

namespace verigrad::kernels::cpu {

/// Lives around a call of CBLAS. OpenBLAS guards its buffers with a mutex; what another thread holds while the process
/// forks stays locked in the child for good. A fork therefore waits until no thread is in a call, and new calls wait
/// for the fork.
class BlasCall {
 public:
  BlasCall();
  ~BlasCall();
  BlasCall(const BlasCall&) = delete;
  BlasCall& operator=(const BlasCall&) = delete;
};

inline constexpr int kRowMajor = 101;
constexpr int transposed(bool trans) { return trans ? 112 : 111; }

inline void cblas_gemm(bool ta, bool tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
                       float beta, float* c, int ldc) {
  const BlasCall call;
  VG_BLAS(cblas_sgemm)(kRowMajor, transposed(ta), transposed(tb), m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}
inline void cblas_gemm(bool ta, bool tb, int m, int n, int k, const double* a, int lda, const double* b, int ldb,
                       double beta, double* c, int ldc) {
  const BlasCall call;
  VG_BLAS(cblas_dgemm)(kRowMajor, transposed(ta), transposed(tb), m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}
/// y += op(A) * x, where A is stored as m rows of n.
inline void cblas_gemv(bool trans, int m, int n, const float* a, int lda, const float* x, int incx, float* y,
                       int incy) {
  const BlasCall call;
  VG_BLAS(cblas_sgemv)(kRowMajor, transposed(trans), m, n, 1.0f, a, lda, x, incx, 1.0f, y, incy);
}
inline void cblas_gemv(bool trans, int m, int n, const double* a, int lda, const double* x, int incx, double* y,
                       int incy) {
  const BlasCall call;
  VG_BLAS(cblas_dgemv)(kRowMajor, transposed(trans), m, n, 1.0, a, lda, x, incx, 1.0, y, incy);
}

}  // namespace verigrad::kernels::cpu
