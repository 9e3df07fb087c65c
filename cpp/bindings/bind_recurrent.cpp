// Recurrent layers.
#include "python.h"
#include "verigrad/nn/recurrent.h"

namespace verigrad::bindings {

void bind_recurrent(py::module_& m) {
  using OptTensor = std::optional<Tensor>;
  auto f = m.attr("nn_functional").cast<py::module_>();
  def_function(
      f, "recurrent_layer", true,
      [](const Tensor& input, const ops::DimList& batch_sizes, const Tensor& h, const OptTensor& c,
         const Tensor& weight_ih, const Tensor& weight_hh, const OptTensor& bias_ih, const OptTensor& bias_hh,
         const OptTensor& weight_hr, const std::string& mode, bool reverse) {
        const auto given = [](const OptTensor& t) { return t.value_or(Tensor()); };
        const ops::RecurrentWeights weights{weight_ih, weight_hh, given(bias_ih), given(bias_hh), given(weight_hr)};
        return ops::recurrent_layer(input, batch_sizes, h, given(c), weights, mode, reverse);
      },
      py::arg("input"), py::arg("batch_sizes"), py::arg("h"), py::arg("c"), py::arg("weight_ih"), py::arg("weight_hh"),
      py::arg("bias_ih") = py::none(), py::arg("bias_hh") = py::none(), py::arg("weight_hr") = py::none(),
      py::arg("mode") = "LSTM", py::arg("reverse") = false,
      "One layer of a recurrent network in one direction: [output, last h] or, of an LSTM, [output, last h, last "
      "c].\n\n"
      "input [rows, I] holds one step after the other; step t has the first batch_sizes[t] sequences, a number that "
      "never grows. With G gates of H units and R outputs, H without a projection: h [batch, R], c [batch, H] of an "
      "LSTM and else None, weight_ih [G H, I], weight_hh [G H, R], biases [G H], both or none, weight_hr [R, H] of an "
      "LSTM; output [rows, R]. mode: 'RNN_TANH', 'RNN_RELU' (G = 1), 'LSTM' (4, in the order i, f, g, o) or 'GRU' (3: "
      "r, z, n), with PyTorch's formulas. `reverse` begins with the last step. All of one floating-point dtype.\n\n"
      "Raises ValueError for another mode, RuntimeError for sizes, dtypes or devices that do not fit.");
}

}  // namespace verigrad::bindings
