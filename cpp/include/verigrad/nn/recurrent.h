// Recurrent layers.
#pragma once

#include <string>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// Of a cell with G gates of H units: input [G H, I], hidden [G H, R], biases [G H] (both or none), projection [R, H]
/// of an LSTM or undefined, where R is H.
struct RecurrentWeights {
  Tensor input, hidden, input_bias, hidden_bias, projection;
};

/// One layer in one direction over several sequences. `input` [rows, I] holds one step after the other: step t has the
/// first batch_sizes[t] sequences, a number that never grows. `h` [batch, R] and, of an LSTM, `c` [batch, H] are the
/// first state. Mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU". With `reverse` the last step comes first.
/// The output [rows, R], the last h of each sequence and, of an LSTM, the last c.
TensorList recurrent_layer(const Tensor& input, const DimList& batch_sizes, const Tensor& h, const Tensor& c,
                           const RecurrentWeights& weights, const std::string& mode, bool reverse);

}  // namespace verigrad::ops
