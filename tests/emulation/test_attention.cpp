// Attention of CUDA, emulated, against the CPU's: sums of either have another order.

#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

struct Case {
  std::int64_t outer, inner, queries, keys, width, value_width;
  int mask = 0;  // 1: bool, 2: numbers, 3: numbers of a column each
  bool causal = false;
  double dropout = 0;
  int wanted = 15;  // gradients: query, key, value, scores

  std::int64_t elements() const { return outer * inner; }
};

/// Around the tiles of either device; batches for which the grid strides.
const Case kCases[] = {
    {1, 1, 1, 1, 1, 1},
    {2, 3, 15, 17, 4, 5},
    {1, 2, 16, 64, 32, 32, 1},
    {2, 1, 17, 65, 33, 31, 2},
    {1, 2, 33, 63, 31, 70, 3, false, 0.25},
    {2, 1, 64, 64, 8, 8, 0, true},
    {1, 1, 130, 70, 5, 6, 0, true, 0.5},
    {1, 2, 70, 130, 65, 3, 0, true, 0, 7},
    {3, 1, 20, 200, 5, 6, 1, false, 0.5, 1},
    {3, 1, 20, 200, 5, 6, 1, false, 0, 2},
    {1, 3, 140, 20, 5, 6, 2, false, 0.3, 4},
    {1, 3, 20, 140, 5, 6, 2, false, 0, 8},
    {5, 7, 9, 9, 3, 3, 1, false, 0.1},
};

template <class T>
struct Data {
  std::vector<T> q, k, v, grad, mask;
  std::vector<std::uint8_t> hides;
  std::vector<T> out, lse, grad_q, grad_k, grad_v, grad_scores;

  explicit Data(const Case& c)
      : q(random_values<T>(c.elements() * c.queries * c.width, -2, 2)),
        k(random_values<T>(c.outer * c.keys * c.width, -2, 2)),
        v(random_values<T>(c.elements() * c.keys * c.value_width)),
        grad(random_values<T>(c.elements() * c.queries * c.value_width)),
        mask(random_values<T>(c.queries * c.keys)),
        hides(random_values<std::uint8_t>(c.queries * c.keys, 0, 3)),
        out(grad.size(), T(7)),
        lse(static_cast<std::size_t>(c.elements() * c.queries), T(7)),
        grad_q(q.size(), T(7)),
        grad_k(static_cast<std::size_t>(c.elements() * c.keys * c.width), T(7)),
        grad_v(v.size(), T(7)),
        grad_scores(static_cast<std::size_t>(c.elements() * c.queries * c.keys), T(7)) {
    for (std::int64_t j = 0; j < c.keys; ++j) hides[static_cast<std::size_t>(j)] = 0;  // a query without a key
    for (std::size_t i = 3; i < mask.size(); i += 11) mask[i] = -std::numeric_limits<T>::infinity();
  }
};

template <class T>
AttentionMatrix rows(std::vector<T>& x, const Case& c, std::int64_t count, std::int64_t columns) {
  return {x.data(), {c.inner * count * columns, count * columns}, columns, 1};
}

/// Keys are shared by the inner dimension of the batch; results lie one inner dimension beside the other.
template <class T>
Attention arguments(Data<T>& d, const Case& c) {
  Attention a;
  a.batch = {c.outer, c.inner};
  a.queries = c.queries;
  a.keys = c.keys;
  a.width = c.width;
  a.value_width = c.value_width;
  a.scale = 0.4;
  a.causal = c.causal;
  a.mask_is_bool = c.mask == 1;
  a.dropout = c.dropout;
  a.kept = 1 / (1 - c.dropout);
  a.seed = 5;
  a.counter = 3;
  a.q = rows(d.q, c, c.queries, c.width);
  a.k = {d.k.data(), {c.keys * c.width, 0}, c.width, 1};
  a.v = rows(d.v, c, c.keys, c.value_width);
  if (c.mask == 1) a.mask = {d.hides.data(), {0, 0}, c.keys, 1};
  if (c.mask == 2) a.mask = {d.mask.data(), {0, 0}, c.keys, 1};
  if (c.mask == 3) a.mask = {d.mask.data(), {0, 0}, 1, 0};
  const std::int64_t line = c.inner * c.value_width;
  a.out = {d.out.data(), {c.queries * line, c.value_width}, line, 1};
  a.lse = d.lse.data();
  return a;
}

template <class T>
void run(const KernelTable& table, Data<T>& d, const Case& c) {
  Attention a = arguments(d, c);
  table.attention(AttentionOp::forward, DTypeOf<T>::value, a);
  a.grad = a.out;
  a.grad.data = d.grad.data();
  if (c.wanted & 1) a.grad_q = rows(d.grad_q, c, c.queries, c.width);
  if (c.wanted & 2) a.grad_k = rows(d.grad_k, c, c.keys, c.width);
  if (c.wanted & 4) a.grad_v = rows(d.grad_v, c, c.keys, c.value_width);
  if (c.wanted & 8) a.grad_scores = rows(d.grad_scores, c, c.queries, c.keys);
  table.attention(AttentionOp::backward, DTypeOf<T>::value, a);
}

template <class T>
bool near(const std::vector<T>& a, const std::vector<T>& b) {
  const double bound = 200 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    if (!(std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) <=
          bound * (1 + std::fabs(static_cast<double>(b[i]))))) {
      return false;
    }
  }
  return true;
}

template <class T>
void check(const Case& c) {
  Data<T> ours(c), theirs(ours), again(ours);
  run(cuda_table(), ours, c);
  run(cuda_table(), again, c);
  run(cpu_table(), theirs, c);
  CHECK(near(ours.out, theirs.out));
  CHECK(near(ours.lse, theirs.lse));
  CHECK(near(ours.grad_q, theirs.grad_q));
  CHECK(near(ours.grad_k, theirs.grad_k));
  CHECK(near(ours.grad_v, theirs.grad_v));
  CHECK(near(ours.grad_scores, theirs.grad_scores));
  CHECK(same_bits(ours.out, again.out) && same_bits(ours.grad_q, again.grad_q));
  CHECK(same_bits(ours.grad_k, again.grad_k) && same_bits(ours.grad_v, again.grad_v));
}

TEST(attention) {
  for (const Case& c : kCases) {
    check<float>(c);
    check<double>(c);
    if (!verigrad_test::failures().empty()) {
      return verigrad_test::fail("attention", static_cast<int>(c.queries), "keys " + std::to_string(c.keys));
    }
  }
}

TEST(attention_refuses_integers) {
  Data<float> d(kCases[1]);
  const Attention a = arguments(d, kCases[1]);
  CHECK_THROWS(cuda_table().attention(AttentionOp::forward, DType::Int32, a), RuntimeError);
}

}  // namespace
