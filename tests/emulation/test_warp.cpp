// Warped images of CUDA, emulated, against those of the CPU: one formula, so the same bits.

#include <algorithm>

#include "core/backend.h"
#include "cuda_fixture.h"
#include "verigrad/nn/warp.h"

using namespace cuda_test;

namespace {

struct Sizes {
  std::int64_t batch, channels, in_h, in_w, out_h, out_w;
};
const std::vector<Sizes> kImages = {{1, 1, 1, 1, 1, 1},   {1, 1, 5, 7, 1, 255},   {2, 3, 9, 8, 16, 16},
                                    {1, 2, 3, 4, 1, 257}, {3, 1, 12, 13, 20, 30}, {2, 4, 20, 15, 9, 7}};

/// Of each image: as it is, turned and sheared, far outside, half a pixel aside, what is no number.
std::vector<double> matrices(std::int64_t batch, std::int64_t kind) {
  std::vector<double> m = random_values<double>(6 * batch, -1.5, 1.5);
  for (std::size_t n = 0; n < m.size(); n += 6) {
    double* one = m.data() + n;
    one[2] *= 3;
    one[5] *= 3;
    switch (kind) {
      case 0: std::copy_n(std::vector<double>{1, 0, 0, 0, 1, 0}.data(), 6, one); break;
      case 1: std::copy_n(std::vector<double>{1, 0, 0.5, 0, 1, -0.5}.data(), 6, one); break;
      case 2: one[2] = 1e300; break;
      case 3: one[4] = std::numeric_limits<double>::quiet_NaN(); break;
      default: break;
    }
  }
  return m;
}

template <class T>
void check_warp() {
  for (const Sizes& s : kImages) {
    for (std::int64_t kind = 0; kind < 8; ++kind) {
      const std::vector<double> m = matrices(s.batch, kind);
      const std::vector<T> x = values<T>(s.batch * s.channels * s.in_h * s.in_w);
      for (const bool bilinear : {false, true}) {
        Warp w{s.batch, s.channels, s.in_h, s.in_w, s.out_h, s.out_w, m.data(), bilinear, 3.5, x.data(), nullptr};
        CHECK(agree<T>(s.batch * s.channels * s.out_h * s.out_w, [&](const KernelTable& t, T* y) {
          w.out = y;
          t.warp(DTypeOf<T>::value, w);
        }));
      }
    }
  }
}

}  // namespace

TEST(warp_slots) {
  check_warp<float>();
  check_warp<double>();
  check_warp<std::uint8_t>();
}

TEST(warp_of_a_grid_that_strides) {
  const std::int64_t n = std::int64_t{65535} * 256 + 300;
  const std::vector<double> m = {1e-4, 0, 0.25, 0, 1, 0};
  const std::vector<std::uint8_t> x = random_values<std::uint8_t>(2 * 2000, 0, 250);
  Warp w{1, 1, 2, 2000, 1, n, m.data(), false, 3, x.data(), nullptr};
  CHECK(agree<std::uint8_t>(n, [&](const KernelTable& t, std::uint8_t* y) {
    w.out = y;
    t.warp(DType::UInt8, w);
  }));
}

TEST(warp_nothing_and_other_dtypes) {
  Warp w;
  cuda_table().warp(DType::Float32, w);
  w.batch = w.channels = w.in_h = w.in_w = w.out_h = w.out_w = 1;
  CHECK_THROWS(cuda_table().warp(DType::Int64, w), RuntimeError);
}

TEST(affine_image_takes_its_matrix_from_either_memory) {
  const Device cuda{DeviceType::CUDA, 0}, other{DeviceType::CUDA, 1};
  const std::vector<float> x = random_values<float>(2 * 3 * 6 * 5);
  const std::vector<double> m = random_values<double>(2 * 6, -1, 1);
  const auto tensor = [](const void* data, const Dims& shape, DType dtype, Device device) {
    const Tensor t = empty_tensor(shape, dtype, device);
    copy_memory(device, t.data(), kHost, data, t.numel() * itemsize(dtype));
    return t;
  };
  const auto result = [&](Device of_image, Device of_matrix) {
    const Tensor y = ops::affine_image(tensor(x.data(), {2, 3, 6, 5}, DType::Float32, of_image),
                                       tensor(m.data(), {2, 6}, DType::Float64, of_matrix), {7, 4}, "bilinear", 0.5);
    std::vector<float> on_host(static_cast<std::size_t>(y.numel()));
    CHECK(y.device() == of_image);
    copy_memory(kHost, on_host.data(), y.device(), y.data(), y.numel() * 4);
    return on_host;
  };
  const std::vector<float> expected = result(kHost, kHost);
  CHECK(same_bits(result(cuda, kHost), expected));
  CHECK(same_bits(result(cuda, cuda), expected));
  CHECK_THROWS_WITH(result(cuda, other), RuntimeError, "affine_image: Expected all tensors to be on the same device");
  CHECK_THROWS(result(kHost, cuda), RuntimeError);
}
