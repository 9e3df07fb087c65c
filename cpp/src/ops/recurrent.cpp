// Recurrent layers: a product for the input of all steps, a kernel that goes through time, and products for the
// gradients by the weights. While recording, the backward pass differentiates the same layer composed of public ops.
#include "verigrad/nn/recurrent.h"

#include <algorithm>

#include "autograd/record.h"
#include "kernels/recurrent_steps.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

using kernels::RecurrentCell;
constexpr const char* kOp = "recurrent_layer";

/// What a call is about, apart from tensors.
struct Plan {
  RecurrentCell cell = RecurrentCell::lstm;
  bool reverse = false;
  DimList sizes;
  std::int64_t batch = 0, rows = 0, hidden = 0, out = 0;

  std::int64_t gates() const { return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1; }
  std::int64_t kept() const { return cell == RecurrentCell::lstm || cell == RecurrentCell::gru ? 4 : 1; }
  std::vector<kernels::recurrent::Step> steps() const {
    return kernels::recurrent::steps_of(sizes.data(), static_cast<std::int64_t>(sizes.size()), rows, reverse);
  }
};

/// The differentiable inputs, in the order of the node's edges.
enum Input { kInput, kH, kC, kInputWeight, kHiddenWeight, kInputBias, kHiddenBias, kProjection, kInputs };
/// What the node saves behind them.
enum Kept { kGates = kInputs, kCells, kRaw, kPrevious };

const void* data_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }
void* memory_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }
Tensor dense(const Tensor& t) { return t.defined() ? contiguous(detach(t)) : Tensor(); }

kernels::Recurrent arguments(const Plan& plan) {
  kernels::Recurrent r;
  r.cell = plan.cell;
  r.reverse = plan.reverse;
  r.steps = static_cast<std::int64_t>(plan.sizes.size());
  r.batch = plan.batch;
  r.rows = plan.rows;
  r.hidden = plan.hidden;
  r.out = plan.out;
  r.sizes = plan.sizes.data();
  return r;
}

/// The input's share of the gates, in rows that have room for what the kernel keeps.
Tensor input_share(const Plan& plan, const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const std::int64_t units = plan.hidden;
  const Tensor gates = empty_tensor({plan.rows, plan.kept() * units}, input.dtype(), input.device());
  kernels::Gemm g;
  g.m = plan.rows;
  g.n = plan.gates() * units;
  g.k = input.shape()[1];
  g.a = input.data();
  g.b = weight.data();
  g.c = gates.data();
  g.trans_b = true;
  g.lda = g.ldb = g.k;
  g.ldc = plan.kept() * units;
  g.bias = data_or_null(bias);
  VG_KERNEL(gemm, kOp, input.device())(input.dtype(), g);
  return gates;
}

/// The gradients through the kernel, `g` being those of output, h and c.
TensorList fused_backward(const Plan& plan, Node& n, const TensorList& g) {
  const Tensor input = dense(n.saved(kInput)), hidden_weight = dense(n.saved(kHiddenWeight));
  const Tensor projection = dense(n.saved(kProjection)), first_c = dense(n.saved(kC)), grad_y = contiguous(g[0]);
  const Tensor gates = n.saved(kGates), cells = n.saved(kCells), previous = n.saved(kPrevious);
  const auto empty = [&](std::int64_t columns) {
    return empty_tensor({plan.rows, columns}, input.dtype(), input.device());
  };
  const Tensor h = clone(g[1]), c = cells.defined() ? clone(g[2]) : Tensor();
  const Tensor by_input = empty(plan.gates() * plan.hidden);
  const Tensor by_hidden = plan.cell == RecurrentCell::gru ? empty(plan.gates() * plan.hidden) : by_input;
  const Tensor grad_out = projection.defined() ? empty(plan.out) : Tensor();
  kernels::Recurrent r = arguments(plan);
  r.weight = hidden_weight.data();
  r.projection = data_or_null(projection);
  r.gates = gates.data();
  r.cells = memory_or_null(cells);
  r.h = h.data();
  r.c = memory_or_null(c);
  r.first_c = data_or_null(first_c);
  r.grad_y = grad_y.data();
  r.grad_input = by_input.data();
  r.grad_hidden = plan.cell == RecurrentCell::gru ? by_hidden.data() : nullptr;
  r.grad_out = memory_or_null(grad_out);
  r.previous = previous.data();
  VG_KERNEL(recurrent, kOp, input.device())(kernels::RecurrentOp::backward, input.dtype(), r);

  TensorList grads(kInputs);
  if (n.needs(kInput)) grads[kInput] = mm(by_input, n.saved(kInputWeight));
  if (n.needs(kH)) grads[kH] = h;
  if (n.needs(kC)) grads[kC] = c;
  if (n.needs(kInputWeight)) grads[kInputWeight] = mm(t(by_input), input);
  if (n.needs(kHiddenWeight)) grads[kHiddenWeight] = mm(t(by_hidden), previous);
  if (n.needs(kInputBias)) grads[kInputBias] = sum(by_input, {0});
  if (n.needs(kHiddenBias)) {
    const bool known = plan.cell != RecurrentCell::gru && n.needs(kInputBias);
    grads[kHiddenBias] = known ? grads[kInputBias] : sum(by_hidden, {0});
  }
  if (n.needs(kProjection)) grads[kProjection] = mm(t(grad_out), n.saved(kRaw));
  return grads;
}

/// The state after one step, from both shares of the gates.
std::pair<Tensor, Tensor> next_state(RecurrentCell cell, const Tensor& x, const Tensor& a, const Tensor& h,
                                     const Tensor& c) {
  const std::int64_t gates = cell == RecurrentCell::lstm  ? 4
                             : cell == RecurrentCell::gru ? 3
                                                          : 1,
                     units = x.shape()[1] / gates;
  const auto gate = [units](const Tensor& share, std::int64_t k) { return narrow(share, 1, k * units, units); };
  if (cell == RecurrentCell::gru) {
    const Tensor r = sigmoid(add(gate(x, 0), gate(a, 0))), z = sigmoid(add(gate(x, 1), gate(a, 1)));
    const Tensor n = tanh(add(gate(x, 2), mul(r, gate(a, 2))));
    return {add(n, mul(z, sub(h, n))), Tensor()};
  }
  const Tensor s = add(x, a);
  if (cell == RecurrentCell::rnn_tanh) return {tanh(s), Tensor()};
  if (cell == RecurrentCell::rnn_relu) return {relu(s), Tensor()};
  const Tensor kept = mul(sigmoid(gate(s, 1)), c), added = mul(sigmoid(gate(s, 0)), tanh(gate(s, 2)));
  const Tensor next = add(kept, added);
  return {mul(sigmoid(gate(s, 3)), tanh(next)), next};
}

/// The rows of `next`, and the others of `state`.
Tensor with_first(const Tensor& state, const Tensor& next) {
  const std::int64_t rows = next.shape()[0], all = state.shape()[0];
  return rows == all ? next : cat({next, narrow(state, 0, rows, all - rows)}, 0);
}

/// The layer with public ops.
TensorList composed(const Plan& plan, const TensorList& in) {
  const Tensor share = linear(in[kInput], in[kInputWeight], in[kInputBias]);
  Tensor h = in[kH], c = in[kC];
  TensorList outputs;
  for (const kernels::recurrent::Step& step : plan.steps()) {
    const Tensor before = narrow(h, 0, 0, step.size), memory = c.defined() ? narrow(c, 0, 0, step.size) : c;
    auto [next_h, next_c] = next_state(plan.cell, narrow(share, 0, step.row, step.size),
                                       linear(before, in[kHiddenWeight], in[kHiddenBias]), before, memory);
    if (in[kProjection].defined()) next_h = linear(next_h, in[kProjection], Tensor());
    outputs.push_back(next_h);
    h = with_first(h, next_h);
    if (c.defined()) c = with_first(c, next_c);
  }
  if (plan.reverse) std::reverse(outputs.begin(), outputs.end());
  TensorList results{cat(outputs, 0), h};
  if (c.defined()) results.push_back(c);
  return results;
}

/// The gradients with a graph of their own. Views stand for the inputs, so that each has its own gradient where one
/// tensor is given twice.
TensorList composed_backward(const Plan& plan, Node& n, const TensorList& g) {
  TensorList inputs(kInputs), wanted;
  std::vector<std::size_t> places;
  for (int i = 0; i < kInputs; ++i) {
    const std::size_t k = static_cast<std::size_t>(i);
    inputs[k] = n.saved(i);
    if (!n.needs(i)) continue;
    inputs[k] = view(inputs[k], inputs[k].shape());
    wanted.push_back(inputs[k]);
    places.push_back(k);
  }
  TensorList roots, incoming;
  const TensorList results = composed(plan, inputs);
  for (std::size_t k = 0; k < results.size(); ++k) {
    if (!results[k].requires_grad()) continue;
    roots.push_back(results[k]);
    incoming.push_back(g[k]);
  }
  const TensorList found = grad(roots, wanted, incoming, true, true, true);
  TensorList grads(kInputs);
  for (std::size_t k = 0; k < places.size(); ++k) grads[places[k]] = found[k];
  return grads;
}

// ---- arguments ----------------------------------------------------------------------------------------------------

RecurrentCell parse_cell(const std::string& mode) {
  if (mode == "RNN_TANH") return RecurrentCell::rnn_tanh;
  if (mode == "RNN_RELU") return RecurrentCell::rnn_relu;
  if (mode == "LSTM") return RecurrentCell::lstm;
  if (mode == "GRU") return RecurrentCell::gru;
  VG_THROW(ValueError, kOp, ": expected mode 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU', got '", mode, "'");
}

void check_tensor(const char* name, const Tensor& t, const Dims& shape, const Tensor& input) {
  check_same_device(kOp, t, input);
  VG_CHECK(t.dtype() == input.dtype(), RuntimeError, kOp, ": expected ", name, " of the input's dtype ", input.dtype(),
           ", got ", t.dtype());
  VG_CHECK(t.shape() == shape, RuntimeError, kOp, ": expected ", name, " of shape ", shape, ", got ", t.shape());
}

void check_given(const char* name, const Tensor& t, bool wanted, const char* when) {
  VG_CHECK(t.defined() == wanted, RuntimeError, kOp, ": expected ", wanted ? "" : "no ", name, " ", when, ", got ",
           wanted ? "None" : "one");
}

Plan make_plan(const Tensor& input, const DimList& sizes, const Tensor& h, const Tensor& c, const RecurrentWeights& w,
               const std::string& mode, bool reverse) {
  Plan plan;
  plan.cell = parse_cell(mode);
  plan.reverse = reverse;
  plan.sizes = sizes;
  VG_CHECK(is_floating_point(input.dtype()), RuntimeError, kOp, ": expected a floating-point input, got ",
           input.dtype());
  VG_CHECK(input.ndim() == 2, RuntimeError, kOp, ": expected input of shape [rows, features], got ", input.shape());
  VG_CHECK(!sizes.empty(), RuntimeError, kOp, ": expected at least one step in batch_sizes, got none");
  for (std::size_t t = 0; t < sizes.size(); ++t) {
    VG_CHECK(sizes[t] >= 0 && (t == 0 || sizes[t] <= sizes[t - 1]), RuntimeError, kOp,
             ": expected batch_sizes that are not negative and never grow, got ", sizes[t], " in step ", t);
    plan.rows = checked_add(kOp, plan.rows, sizes[t]);
  }
  plan.batch = sizes[0];
  VG_CHECK(plan.rows == input.shape()[0], RuntimeError, kOp, ": expected as many rows of input as batch_sizes sum to, ",
           plan.rows, ", got ", input.shape()[0]);
  const bool lstm = plan.cell == RecurrentCell::lstm;
  VG_CHECK(w.hidden.ndim() == 2 && w.hidden.shape()[0] > 0 && w.hidden.shape()[0] % plan.gates() == 0 &&
               w.hidden.shape()[1] > 0,
           RuntimeError, kOp, ": expected weight_hh of shape [", plan.gates(), " * hidden, out], got ",
           w.hidden.shape());
  plan.hidden = w.hidden.shape()[0] / plan.gates();
  plan.out = w.projection.defined() ? w.hidden.shape()[1] : plan.hidden;
  check_given("c", c, lstm, lstm ? "for an LSTM" : "but for an LSTM");
  VG_CHECK(!w.projection.defined() || lstm, RuntimeError, kOp, ": expected no weight_hr but for an LSTM, got one");
  VG_CHECK(w.input_bias.defined() == w.hidden_bias.defined(), RuntimeError, kOp,
           ": expected both biases or none, got one");
  const std::int64_t columns = plan.gates() * plan.hidden;
  check_tensor("weight_ih", w.input, {columns, input.shape()[1]}, input);
  check_tensor("weight_hh", w.hidden, {columns, plan.out}, input);
  check_tensor("h", h, {plan.batch, plan.out}, input);
  if (lstm) check_tensor("c", c, {plan.batch, plan.hidden}, input);
  if (w.input_bias.defined()) {
    check_tensor("bias_ih", w.input_bias, {columns}, input);
    check_tensor("bias_hh", w.hidden_bias, {columns}, input);
  }
  if (w.projection.defined()) check_tensor("weight_hr", w.projection, {plan.out, plan.hidden}, input);
  return plan;
}

}  // namespace

TensorList recurrent_layer(const Tensor& input, const DimList& batch_sizes, const Tensor& h, const Tensor& c,
                           const RecurrentWeights& w, const std::string& mode, bool reverse) {
  Plan plan = make_plan(input, batch_sizes, h, c, w, mode, reverse);
  const auto empty = [&](std::int64_t columns) {
    return empty_tensor({plan.rows, columns}, input.dtype(), input.device());
  };
  const Tensor y = empty(plan.out), last_h = clone(detach(h)), last_c = c.defined() ? clone(detach(c)) : Tensor();
  Tensor gates, cells, raw, previous;
  const TensorList inputs{input, h, c, w.input, w.hidden, w.input_bias, w.hidden_bias, w.projection};
  if (plan.rows > 0) {
    // Steps that no sequence has are at the end.
    while (plan.sizes.back() == 0) plan.sizes.pop_back();
    const Tensor hidden_weight = dense(w.hidden), hidden_bias = dense(w.hidden_bias), projection = dense(w.projection);
    gates = input_share(plan, dense(input), dense(w.input), dense(w.input_bias));
    if (c.defined()) cells = empty(plan.hidden);
    if (projection.defined()) raw = empty(plan.hidden);
    if (recording(inputs)) previous = empty(plan.out);
    kernels::Recurrent r = arguments(plan);
    r.weight = hidden_weight.data();
    r.bias = data_or_null(hidden_bias);
    r.projection = data_or_null(projection);
    r.gates = gates.data();
    r.cells = memory_or_null(cells);
    r.raw = memory_or_null(raw);
    r.previous = memory_or_null(previous);
    r.y = y.data();
    r.h = last_h.data();
    r.c = memory_or_null(last_c);
    VG_KERNEL(recurrent, kOp, input.device())(kernels::RecurrentOp::forward, input.dtype(), r);
  }
  TensorList outputs{y, last_h};
  if (c.defined()) outputs.push_back(last_c);
  record_list("RecurrentLayerBackward0", outputs, inputs,
              {Save::input(input), Save::input(h), Save::input(c), Save::input(w.input), Save::input(w.hidden),
               Save::input(w.input_bias), Save::input(w.hidden_bias), Save::input(w.projection), Save::input(gates),
               Save::input(cells), Save::input(raw), Save::input(previous)},
              [plan](Node& n, const TensorList& g) -> TensorList {
                if (plan.rows > 0)
                  return GradMode::enabled() ? composed_backward(plan, n, g) : fused_backward(plan, n, g);
                TensorList grads(kInputs);
                for (int i = 0; i < kInputs; ++i) {
                  if (n.needs(i)) {
                    grads[static_cast<std::size_t>(i)] = zeros(input_meta(n, i).shape, g[0].dtype(), g[0].device());
                  }
                }
                return grads;
              });
  return outputs;
}

}  // namespace verigrad::ops
