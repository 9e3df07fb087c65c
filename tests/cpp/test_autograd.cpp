// Nodes, saved tensors, the engine and the one place where gradients meet.
#include <string>

#include "autograd/record.h"
#include "core/allocator.h"
#include "harness.h"
#include "testing/faults.h"
#include "verigrad/ops.h"

using namespace verigrad;

namespace {

Tensor leaf(double value) {
  const Tensor x = ops::full({}, value, DType::Float64, kHost);
  x.set_requires_grad(true);
  return x;
}
double value(const Tensor& x) { return ops::item(x).to_double(); }

/// The message of the error that `f` raises, or "" where it raises none.
template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST(engine_adds_the_gradients_of_all_paths) {
  const Tensor x = leaf(3);
  const Tensor y = ops::add(ops::mul(x, x), x);  // dy/dx = 2x + 1
  backward({y}, {}, false, false);
  CHECK(value(x.grad()) == 7);
  backward({ops::mul(x, 2.0)}, {}, false, false);
  CHECK(value(x.grad()) == 9);
}

TEST(engine_walks_a_long_chain_without_recursion) {
  const std::int64_t before = cpu_allocated_bytes();
  {
    const Tensor x = leaf(1);
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) y = ops::mul(y, 1.0);
    backward({y}, {}, false, false);
    CHECK(value(x.grad()) == 1);
    y = x;
    for (int i = 0; i < 100000; ++i) y = ops::sin(y);  // freed without a backward pass, saved tensors and all
  }
  CHECK(cpu_allocated_bytes() == before);
}

TEST(engine_names_the_node_that_returns_a_wrong_shape) {
  const Tensor x = ops::ones({2}, DType::Float64, kHost);
  x.set_requires_grad(true);
  const Tensor y = record("WrongBackward0", ops::ones({2, 2}, DType::Float64, kHost), {x}, {},
                          [](Node&, const Tensor& g) -> TensorList { return {g}; });
  const std::string text = message([&] { backward({ops::sum(y)}, {}, false, false); });
  CHECK(text.find("WrongBackward0") != std::string::npos);
  CHECK(text.find("[2, 2]") != std::string::npos && text.find("[2]") != std::string::npos);
  CHECK(!x.grad().defined());
}

TEST(engine_names_the_node_that_returns_a_wrong_dtype) {
  const Tensor x = leaf(1);
  const Tensor y = record("CastBackward0", ops::ones({}, DType::Float64, kHost), {x}, {},
                          [](Node&, const Tensor& g) -> TensorList { return {ops::to(g, DType::Float32)}; });
  CHECK(message([&] { backward({y}, {}, false, false); }).find("CastBackward0") != std::string::npos);
}

TEST(engine_refuses_a_second_pass_over_freed_tensors) {
  const Tensor x = leaf(2);
  const Tensor y = ops::exp(x);
  backward({y}, {}, true, false);
  backward({y}, {}, false, false);
  CHECK(message([&] { backward({y}, {}, false, false); }).find("a second time") != std::string::npos);
  const Tensor z = ops::neg(x);  // saves nothing, so nothing was freed
  backward({z}, {}, false, false);
  backward({z}, {}, false, false);
}

TEST(engine_runs_only_what_leads_to_the_inputs) {
  const Tensor x = leaf(2), w = leaf(5);
  const Tensor y = ops::mul(x, w);
  const TensorList g = grad({y}, {x}, {}, false, false, false);
  CHECK(value(g[0]) == 5);
  CHECK(!x.grad().defined() && !w.grad().defined());
  CHECK_THROWS(grad({ops::mul(x, 2.0)}, {w}, {}, false, false, false), Error);
  CHECK(!grad({ops::mul(x, 2.0)}, {w}, {}, false, false, true)[0].defined());
}

TEST(engine_second_order) {
  const Tensor x = leaf(3);
  const Tensor y = ops::mul(ops::mul(x, x), x);
  const Tensor first = grad({y}, {x}, {}, true, true, false)[0];
  CHECK(value(first) == 27);
  CHECK(value(grad({first}, {x}, {}, false, false, false)[0]) == 18);
}

TEST(saved_tensors_notice_a_change_in_place) {
  const Tensor x = leaf(2);
  const Tensor a = ops::mul(x, 1.0), y = ops::mul(a, a);
  ops::add_(a, ops::ones({}, DType::Float64, kHost));
  CHECK(message([&] { backward({y}, {}, false, false); }).find("modified by an inplace operation") !=
        std::string::npos);
}

TEST(in_place_on_a_leaf_is_refused_and_changes_nothing) {
  const Tensor x = leaf(2);
  CHECK_THROWS(ops::fill_(x, 7), Error);
  CHECK(value(x) == 2 && x.version() == 0);
  const NoGradGuard guard;
  ops::fill_(x, 7);
  CHECK(value(x) == 7 && x.is_leaf());
}

TEST(a_view_changed_in_place_changes_its_base_and_the_other_views) {
  const Tensor x = ops::ones({4}, DType::Float64, kHost);
  x.set_requires_grad(true);
  const Tensor base = ops::mul(x, 2.0);
  const Tensor first = ops::slice(base, 0, 0, 2), last = ops::slice(base, 0, 1, 4);
  ops::mul_(first, ops::full({}, 3, DType::Float64, kHost));
  backward({ops::sum(last)}, {}, false, false);  // element 1 through both views, 2 and 3 untouched
  const Tensor expected = ops::mul(ops::ones({4}, DType::Float64, kHost), 2.0);
  ops::fill_(ops::select(expected, 0, 0), 0);
  ops::fill_(ops::select(expected, 0, 1), 6);
  CHECK(ops::equal(x.grad(), expected));
}

TEST(hooks_replace_gradients_and_can_be_removed) {
  const Tensor x = leaf(1);
  const auto hooks = tensor_hooks(x);
  const std::uint64_t id = hooks->add([](const Tensor& g) { return ops::mul(g, 10.0); });
  backward({ops::mul(x, 2.0)}, {}, false, false);
  CHECK(value(x.grad()) == 20);
  hooks->remove(id);
  backward({ops::mul(x, 2.0)}, {}, false, false);
  CHECK(value(x.grad()) == 22);
  hooks->add([](const Tensor&) { return ops::ones({3}, DType::Float64, kHost); });
  CHECK_THROWS(backward({ops::mul(x, 2.0)}, {}, false, false), Error);
}

TEST(retained_gradients_do_not_keep_their_tensor_alive) {
  const std::int64_t before = cpu_allocated_bytes();
  {
    const Tensor x = leaf(2);
    const Tensor y = ops::mul(x, 3.0);
    retain_grad(y);
    backward({ops::mul(y, y)}, {}, false, false);
    CHECK(value(y.grad()) == 12);
  }
  CHECK(cpu_allocated_bytes() == before);
}

TEST(grad_does_not_share_memory_with_what_the_graph_saved) {
  const Tensor x = leaf(2), w = leaf(3);
  const Tensor seed = ops::ones({}, DType::Float64, kHost);
  backward({ops::add(x, w)}, {seed}, false, false);
  CHECK(x.grad().data() != w.grad().data() && x.grad().data() != seed.data());
}

TEST(planted_faults_spoil_gradients_until_cleared) {
  const Tensor x = leaf(2);
  const auto gradient = [&] { return value(grad({ops::exp(x)}, {x}, {}, false, false, false)[0]); };
  const double right = gradient();
  testing::plant_vjp_fault("sign", "ExpBackward0");
  CHECK(gradient() == -right);
  testing::plant_vjp_fault("zero", "ExpBackward0");
  CHECK(gradient() == 0);
  testing::clear_vjp_faults();
  CHECK(gradient() == right);
  CHECK_THROWS(testing::plant_vjp_fault("other", "ExpBackward0"), ValueError);
}

TEST(inference_tensors_cannot_be_saved) {
  InferenceMode::set_enabled(true);
  const Tensor frozen = ops::ones({}, DType::Float64, kHost);
  InferenceMode::set_enabled(false);
  const Tensor x = leaf(2);
  CHECK_THROWS(ops::mul(x, frozen), Error);
  CHECK(ops::mul(x, ops::clone(frozen)).requires_grad());
}
