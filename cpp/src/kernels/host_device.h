// One set of formulas for g++ and nvcc.
#pragma once

#if defined(__CUDACC__)
#define VG_HD __host__ __device__ __attribute__((always_inline))
#else
#define VG_HD __attribute__((always_inline))
#endif
