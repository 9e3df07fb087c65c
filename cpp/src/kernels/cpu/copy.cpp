// Copies between any two dtypes and layouts; fill; where.
#include <cstring>
#include <type_traits>

#include "kernels/casts.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

void copy_bytes(char* out, const char* in, std::int64_t bytes) {
  if (out == in) return;
  const std::int64_t grain = bytes < boundary::serial_bytes ? bytes : boundary::grain_bytes;
  parallel_for(bytes, grain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(out + begin, in + begin, static_cast<std::size_t>(end - begin));
  });
}

/// out[i][j] = in[j][i] in square blocks, so that both sides are read and written by whole cache lines.
template <class T>
struct TransposeRows {
  static constexpr std::int64_t kBlock = boundary::transpose_block;
  VG_INLINE static void run(T* out, const T* in, std::int64_t stride_out, std::int64_t stride_in, std::int64_t begin,
                            std::int64_t end, std::int64_t columns) {
    for (std::int64_t i = begin; i < end; i += kBlock) {
      const std::int64_t rows = end - i < kBlock ? end - i : kBlock;
      std::int64_t j = 0;
      if (rows == kBlock) {
        for (; j + kBlock <= columns; j += kBlock) {
          T block[kBlock][kBlock];
          for (std::int64_t c = 0; c < kBlock; ++c) {
            for (std::int64_t r = 0; r < kBlock; ++r) block[c][r] = in[(j + c) * stride_in + i + r];
          }
          for (std::int64_t r = 0; r < kBlock; ++r) {
            for (std::int64_t c = 0; c < kBlock; ++c) out[(i + r) * stride_out + j + c] = block[c][r];
          }
        }
      }
      for (; j < columns; ++j) {
        for (std::int64_t r = 0; r < rows; ++r) out[(i + r) * stride_out + j] = in[j * stride_in + i + r];
      }
    }
  }
};

/// True and done if the last two dimensions are a transposed matrix: the output runs along the last, the input along
/// the one before.
template <class T>
bool transpose(const Loop& loop) {
  const int rank = loop.shape.size();
  if (rank < 2) return false;
  const int row = rank - 2, column = rank - 1;
  const Dims &out_strides = loop.strides[0], &in_strides = loop.strides[1];
  if (out_strides[column] != 1 || in_strides[row] != 1 || in_strides[column] == 1) return false;
  if (loop.shape[row] < boundary::transpose_least || loop.shape[column] < boundary::transpose_least) return false;
  const std::int64_t rows = loop.shape[row], columns = loop.shape[column];
  const std::int64_t matrices = loop.numel / (rows * columns);
  const auto matrix = [&](std::int64_t m, std::int64_t begin, std::int64_t end) {
    T* out = static_cast<T*>(loop.data[0]);
    const T* in = static_cast<const T*>(loop.data[1]);
    for (int d = rank - 3; d >= 0; --d) {
      out += m % loop.shape[d] * out_strides[d];
      in += m % loop.shape[d] * in_strides[d];
      m /= loop.shape[d];
    }
    simd_run<TransposeRows<T>>(out, in, out_strides[row], in_strides[column], begin, end, columns);
  };
  if (matrices == 1) {
    constexpr std::int64_t kBlock = TransposeRows<T>::kBlock;
    const std::int64_t strip = (std::max<std::int64_t>(1, kGrainElements / columns) + kBlock - 1) / kBlock * kBlock;
    parallel_for(rows, loop.numel < kSerialElements ? rows : strip,
                 [&](std::int64_t begin, std::int64_t end) { matrix(0, begin, end); });
  } else {
    const std::int64_t grain = std::max<std::int64_t>(1, elementwise_grain(loop.numel) / (rows * columns));
    parallel_for(matrices, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t m = begin; m < end; ++m) matrix(m, 0, rows);
    });
  }
  return true;
}

/// A run of elements, also one that is read backward, or a single element.
template <class T>
struct CopyLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    constexpr std::int64_t kUnit = sizeof(T);
    T* out = reinterpret_cast<T*>(data[0]);
    const T* in = reinterpret_cast<const T*>(data[1]);
    if (strides[0] == kUnit && strides[1] == -kUnit) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = in[-i];
    } else if (strides[0] == kUnit && strides[1] == 0) {
      const T value = *in;
      for (std::int64_t i = 0; i < n; ++i) out[i] = value;
    } else {
      UnaryLoop<Identity, T, T>::run(data, strides, n);
    }
  }
};

bool is_contiguous_run(const Loop& loop) {
  return loop.shape.size() == 0 || (loop.shape.size() == 1 && loop.strides[0][0] == 1 && loop.strides[1][0] == 1);
}

template <class T>
struct FillLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    const T value = *reinterpret_cast<const T*>(data[1]);
    if (strides[0] == sizeof(T)) {
      T* out = reinterpret_cast<T*>(data[0]);
      for (std::int64_t i = 0; i < n; ++i) out[i] = value;
    } else {
      for (std::int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(data[0] + i * strides[0]) = value;
    }
  }
};

/// Operands: output, condition (bool), the value where it is true, the value where it is false.
template <class T>
struct WhereLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    constexpr std::int64_t kUnit = sizeof(T);
    if (strides[0] == kUnit && strides[1] == 1) {
      T* out = reinterpret_cast<T*>(data[0]);
      const std::uint8_t* condition = reinterpret_cast<const std::uint8_t*>(data[1]);
      const T* a = reinterpret_cast<const T*>(data[2]);
      const T* b = reinterpret_cast<const T*>(data[3]);
      if (strides[2] == kUnit && strides[3] == kUnit) {
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) {
          const T x = a[i], y = b[i];
          out[i] = condition[i] != 0 ? x : y;
        }
        return;
      }
      if (strides[2] == 0 && strides[3] == kUnit) {
        const T x = *a;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) {
          const T y = b[i];
          out[i] = condition[i] != 0 ? x : y;
        }
        return;
      }
      if (strides[2] == kUnit && strides[3] == 0) {
        const T y = *b;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) {
          const T x = a[i];
          out[i] = condition[i] != 0 ? x : y;
        }
        return;
      }
      if (strides[2] == 0 && strides[3] == 0) {
        const T x = *a, y = *b;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = condition[i] != 0 ? x : y;
        return;
      }
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const bool first = *(data[1] + i * strides[1]) != 0;
      *reinterpret_cast<T*>(data[0] + i * strides[0]) = first ? *reinterpret_cast<const T*>(data[2] + i * strides[2])
                                                              : *reinterpret_cast<const T*>(data[3] + i * strides[3]);
    }
  }
};

}  // namespace

void copy(DType out, DType in, const Loop& loop) {
  if (out != in) {
    dispatch(out, [&]<class To>(TypeTag<To>) {
      dispatch(in, [&]<class From>(TypeTag<From>) {
        if constexpr (!std::is_same_v<To, From>) {
          const std::int64_t sizes[] = {sizeof(To), sizeof(From)};
          run_loop(loop, sizes, inner_loop<UnaryLoop<Cast<To>, From, To>>());
        }
      });
    });
    return;
  }
  const std::int64_t bytes = itemsize(out);
  if (is_contiguous_run(loop)) {
    copy_bytes(static_cast<char*>(loop.data[0]), static_cast<const char*>(loop.data[1]), loop.numel * bytes);
    return;
  }
  dispatch_width(bytes, [&]<class T>(TypeTag<T>) {
    if (transpose<T>(loop)) return;
    const std::int64_t sizes[] = {sizeof(T), sizeof(T)};
    run_loop(loop, sizes, inner_loop<CopyLoop<T>>());
  });
}

void fill(DType dtype, const Loop& loop) {
  const std::int64_t bytes = itemsize(dtype);
  const std::int64_t sizes[] = {bytes, bytes};
  dispatch_width(bytes, [&]<class T>(TypeTag<T>) { run_loop(loop, sizes, inner_loop<FillLoop<T>>()); });
}

void where(DType dtype, const Loop& loop) {
  const std::int64_t bytes = itemsize(dtype);
  const std::int64_t sizes[] = {bytes, 1, bytes, bytes};
  dispatch_width(bytes, [&]<class T>(TypeTag<T>) { run_loop(loop, sizes, inner_loop<WhereLoop<T>>()); });
}

}  // namespace verigrad::kernels::cpu
