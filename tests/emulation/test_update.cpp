// Parameter updates of CUDA, emulated, against those of the CPU: one formula, so the same bits.

#include "../cpp/update_fixture.h"
#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

template <class T>
Parameters<T> parameters(const std::vector<std::int64_t>& sizes) {
  Parameters<T> made(
      sizes, [](std::int64_t n) { return values<T>(n); },
      [](std::int64_t n) {
        std::vector<T> x = random_values<T>(n, 0, 2);
        for (std::size_t i = 0; i < x.size(); i += 11) x[i] = std::numeric_limits<T>::quiet_NaN();
        return x;
      });
  for (auto& grad : made.grad) {
    std::rotate(grad.begin(), grad.begin() + static_cast<std::ptrdiff_t>(grad.size() / 2),
                grad.end());  // not each NaN with a NaN
  }
  return made;
}

/// The same bits, whichever NaN.
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] && b[i] != b[i]) continue;
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return false;
  }
  return a.size() == b.size();
}

template <class T>
void check(const std::vector<std::int64_t>& sizes) {
  const Parameters<T> before = parameters<T>(sizes);
  for (const UpdateCase& c : update_cases()) {
    Parameters<T> ours = before, theirs = before;
    ours.step(cuda_table(), c);
    theirs.step(cpu_table(), c);
    CHECK(same(ours.all(), theirs.all()));
    CHECK(!same(ours.all(), before.all()));
    for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(same(ours.grad[i], before.grad[i]));
  }
}

}  // namespace

TEST(updates_of_all_rules) {
  check<float>({1, 255, 2048, 2049, 0, 70001, 5000, 4096});
  check<double>({1, 257, 2047, 0, 5000});
}

TEST(more_parameters_than_one_launch_takes) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t n = 0; n < 101; ++n) sizes.push_back(n % 7);
  check<float>(sizes);
}

TEST(updates_of_nothing_and_of_other_dtypes) {
  Update none;
  cuda_table().update(UpdateRule::adam, DType::Float64, none);
  const Updated empty;
  none.items = &empty;
  none.count = 1;
  cuda_table().update(UpdateRule::sgd, DType::Float32, none);
  CHECK_THROWS(cuda_table().update(UpdateRule::sgd, DType::Int32, none), RuntimeError);
}
