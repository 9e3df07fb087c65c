// Parameter updates. Their formulas are checked by the records of the rules; here: threads, levels and cuts.

#include "update_fixture.h"

using namespace kernel_test;

namespace {

template <class T>
Parameters<T> parameters(const std::vector<std::int64_t>& sizes) {
  return Parameters<T>(
      sizes, [](std::int64_t n) { return random_values<T>(n); },
      [](std::int64_t n) { return random_values<T>(n, 0.01, 2); });
}

template <class T>
void check_settings(const std::vector<std::int64_t>& sizes) {
  const Parameters<T> before = parameters<T>(sizes);
  for (const UpdateCase& c : update_cases()) {
    std::vector<T> result;
    CHECK(settings_agree(result, [&] {
      Parameters<T> now = before;
      now.step(cpu_table(), c);
      return now.all();
    }));
    CHECK(!same_bits(result, before.all()));
  }
}

}  // namespace

TEST(updates_have_the_same_bits_at_all_levels_and_thread_counts) {
  check_settings<float>({1, 1000, 0, 300001, 17});  // several chunks, whatever the elements are
  check_settings<double>({1, 1000, 0, 3001, 17});
}

TEST(many_parameters_are_updated_like_each_alone) {
  const std::vector<std::int64_t> sizes = {5, 300000, 0, 1, 70000};
  for (const UpdateCase& c : update_cases()) {
    Parameters<float> together = parameters<float>(sizes);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      Parameters<float> alone = parameters<float>({});
      alone.param = {together.param[i]};
      alone.grad = {together.grad[i]};
      for (int k = 0; k < verigrad::kernels::kMaxUpdateStates; ++k) alone.states[k] = {together.states[k][i]};
      Parameters<float> all = together;
      alone.step(cpu_table(), c);
      all.step(cpu_table(), c);
      CHECK(same_bits(alone.param[0], all.param[i]));
      for (int k = 0; k < verigrad::kernels::kMaxUpdateStates; ++k) {
        CHECK(same_bits(alone.states[k][0], all.states[k][i]));
      }
    }
  }
}

TEST(updates_of_nothing_and_of_other_dtypes) {
  verigrad::kernels::Update none;
  cpu_table().update(verigrad::UpdateRule::adam, verigrad::DType::Float32, none);
  CHECK_THROWS(cpu_table().update(verigrad::UpdateRule::adam, verigrad::DType::Int32, none), verigrad::RuntimeError);
}
