// cuBLAS: the library is no part of the build, and opened when the first product of floats is asked for.
#pragma once

#include "kernels/cuda/runtime.cuh"
#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// The functions of cuBLAS that are used, declared as its header does; an enumeration is an int.
struct Blas {
  struct Handle;
  using Status = int;

  template <class T, class I>
  using Gemm = Status (*)(Handle*, int trans_a, int trans_b, I m, I n, I k, const T* alpha, const T* a, I lda,
                          const T* b, I ldb, const T* beta, T* c, I ldc);
  template <class T, class I>
  using Batched = Status (*)(Handle*, int trans_a, int trans_b, I m, I n, I k, const T* alpha, const T* a, I lda,
                             long long stride_a, const T* b, I ldb, long long stride_b, const T* beta, T* c, I ldc,
                             long long stride_c, I batch);
  /// The products of one dtype whose sizes have type I.
  template <class T, class I>
  struct Products {
    Gemm<T, I> gemm = nullptr;
    Batched<T, I> batched = nullptr;
  };

  Status (*create)(Handle**) = nullptr;
  Status (*version)(Handle*, int*) = nullptr;
  Status (*set_stream)(Handle*, cudaStream_t) = nullptr;
  Status (*set_workspace)(Handle*, void*, std::size_t) = nullptr;
  Status (*set_math_mode)(Handle*, int) = nullptr;
  Products<float, int> float32;
  Products<double, int> float64;
  // Null where the library is older than 12.
  Products<float, std::int64_t> float32_wide;
  Products<double, std::int64_t> float64_wide;

  template <class T, class I>
  Products<T, I>& products() {
    if constexpr (std::is_same_v<I, int>) {
      if constexpr (std::is_same_v<T, float>) {
        return float32;
      } else {
        return float64;
      }
    } else {
      if constexpr (std::is_same_v<T, float>) {
        return float32_wide;
      } else {
        return float64_wide;
      }
    }
  }
};

/// Opens the library. Raises RuntimeError where there is none, or one that lacks a function.
Blas open_blas();

/// C = op(A) op(B) (+ C if `g.accumulate`) for each matrix of the batch; the bias is not looked at, k is not 0. False,
/// and nothing done, where cuBLAS cannot express the sizes.
///
/// The result has the same bits on each run with one version of the library on one kind of device: that is promised
/// where the work on each stream has a workspace of its own, as it has here, and for pointers of equal alignment.
template <class T>
bool blas_product(const Gemm& g);

}  // namespace verigrad::kernels::cuda
