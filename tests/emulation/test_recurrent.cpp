// Recurrent layers of CUDA, emulated, against the CPU's.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

std::int64_t gates_of(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1;
}
std::int64_t kept_of(RecurrentCell cell) { return cell == RecurrentCell::lstm || cell == RecurrentCell::gru ? 4 : 1; }

/// A layer's arrays, and its two passes on a device.
template <class T>
struct Layer {
  Recurrent r;
  std::vector<std::int64_t> sizes;
  std::vector<T> weight, bias, projection, gates, cells, raw, y, h, c, first_h, first_c;
  std::vector<T> grad_y, grad_input, grad_hidden, grad_out, previous;

  Layer(RecurrentCell cell, std::vector<std::int64_t> steps, std::int64_t hidden, std::int64_t projected, bool biased,
        bool reverse)
      : sizes(std::move(steps)) {
    const std::int64_t rows = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    const std::int64_t out = projected > 0 ? projected : hidden, batch = sizes[0], columns = gates_of(cell) * hidden;
    const bool lstm = cell == RecurrentCell::lstm;
    r.cell = cell;
    r.reverse = reverse;
    r.steps = static_cast<std::int64_t>(sizes.size());
    r.batch = batch;
    r.rows = rows;
    r.hidden = hidden;
    r.out = out;
    const auto draw = [](std::int64_t n) { return random_values<T>(n, -0.5, 0.5); };
    weight = draw(columns * out);
    bias = draw(biased ? columns : 0);
    projection = draw(projected * hidden);
    gates = draw(rows * kept_of(cell) * hidden);
    cells = draw(lstm ? rows * hidden : 0);
    raw = draw(projected > 0 ? rows * hidden : 0);
    y = draw(rows * out);
    first_h = draw(batch * out);
    first_c = draw(lstm ? batch * hidden : 0);
    grad_y = draw(rows * out);
    grad_input = draw(rows * columns);
    grad_hidden = draw(cell == RecurrentCell::gru ? rows * columns : 0);
    grad_out = draw(projected > 0 ? rows * out : 0);
    previous = draw(rows * out);
  }

  /// Both passes; every array that they leave behind, one after the other.
  std::vector<T> run(const KernelTable& table) {
    const auto data = [](std::vector<T>& v) { return v.empty() ? nullptr : v.data(); };
    std::vector<T> state_h = first_h, state_c = first_c, all;
    r.sizes = sizes.data();
    r.weight = data(weight);
    r.bias = data(bias);
    r.projection = data(projection);
    r.gates = data(gates);
    r.cells = data(cells);
    r.raw = data(raw);
    r.y = data(y);
    r.previous = data(previous);
    r.h = data(state_h);
    r.c = data(state_c);
    table.recurrent(RecurrentOp::forward, DTypeOf<T>::value, r);
    const auto keep = [&](const std::vector<T>& v) { all.insert(all.end(), v.begin(), v.end()); };
    for (const auto* v : {&gates, &cells, &raw, &previous, &y, &state_h, &state_c}) keep(*v);
    r.first_c = data(first_c);
    r.grad_y = data(grad_y);
    r.grad_input = data(grad_input);
    r.grad_hidden = data(grad_hidden);
    r.grad_out = data(grad_out);
    table.recurrent(RecurrentOp::backward, DTypeOf<T>::value, r);
    for (const auto* v : {&grad_input, &grad_hidden, &grad_out, &state_h, &state_c}) keep(*v);
    return all;
  }
};

/// Products are summed in another order.
template <class T>
void check(const Layer<T>& layer) {
  Layer<T> on_cuda = layer, again = layer, on_cpu = layer;
  const std::vector<T> ours = on_cuda.run(cuda_table()), theirs = on_cpu.run(cpu_table());
  CHECK(same_bits(ours, again.run(cuda_table())));
  CHECK_EQ(ours.size(), theirs.size());
  const double bound = 2000 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK_NEAR(ours[i], theirs[i], bound);
}

TEST(recurrent_layers) {
  for (const RecurrentCell cell :
       {RecurrentCell::rnn_tanh, RecurrentCell::rnn_relu, RecurrentCell::lstm, RecurrentCell::gru}) {
    for (const bool reverse : {false, true}) {
      for (const bool biased : {false, true}) {
        check(Layer<float>(cell, {5, 5, 3, 3, 1}, 7, 0, biased, reverse));
        check(Layer<double>(cell, {3, 3, 3}, 5, 0, biased, reverse));
        check(Layer<double>(cell, {1}, 1, 0, biased, reverse));
      }
    }
  }
}

TEST(recurrent_layers_with_a_projection) {
  for (const bool reverse : {false, true}) {
    check(Layer<float>(RecurrentCell::lstm, {4, 4, 2, 1}, 7, 3, true, reverse));
    check(Layer<double>(RecurrentCell::lstm, {19, 4, 2}, 9, 8, false, reverse));
  }
}

TEST(recurrent_layers_of_more_units_than_one_grid_takes) {
  // 64 blocks of 256 units.
  check(Layer<float>(RecurrentCell::gru, {129, 129, 7}, 131, 0, true, false));
  check(Layer<float>(RecurrentCell::lstm, {129, 129, 7}, 131, 129, true, true));
}

TEST(recurrent_layers_of_other_dtypes_are_refused) {
  Recurrent r;
  CHECK_THROWS_WITH(cuda_table().recurrent(RecurrentOp::forward, DType::Int32, r), RuntimeError,
                    "expected a floating-point dtype, got int32");
}

}  // namespace
