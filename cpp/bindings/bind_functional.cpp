// Products of matrices, softmax, losses.
#include <set>

#include "python.h"
#include "verigrad/nn/embedding.h"
#include "verigrad/nn/loss.h"

namespace verigrad::bindings {

void bind_functional(py::module_& m, TensorClass& cls) {
  using ops::OptDType;
  def_op(m, cls, "mm", true, &ops::mm, py::arg("mat2"));
  def_op(m, cls, "bmm", true, &ops::bmm, py::arg("mat2"));
  def_op(m, cls, "matmul", true, &ops::matmul, py::arg("other"));
  def_op(m, cls, "softmax", true, &ops::softmax, py::arg("dim"), py::arg("dtype") = py::none());
  def_op(m, cls, "log_softmax", true, &ops::log_softmax, py::arg("dim"), py::arg("dtype") = py::none());

  py::module_ f = m.def_submodule("nn_functional", "The native functions of verigrad.nn.functional.");
  def_function(
      f, "linear", true,
      [](const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
        return ops::linear(input, weight, bias.value_or(Tensor()));
      },
      py::arg("input"), py::arg("weight"), py::arg("bias") = py::none(),
      "input [*, in] times weight [out, in] transposed, plus bias [out]: [*, out].");
  def_function(
      f, "nll_loss", true,
      [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight, std::int64_t ignore_index,
         const std::string& reduction) {
        return ops::nll_loss(input, target, weight.value_or(Tensor()), ignore_index,
                             ops::parse_reduction("nll_loss", reduction));
      },
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(), py::arg("ignore_index") = -100,
      py::arg("reduction") = "mean",
      "Negative log likelihood of log-probabilities [N, C, ...] at int64 labels [N, ...].\n\n"
      "Raises IndexError for a label that is neither a class nor `ignore_index`.");
  def_function(
      f, "cross_entropy", true,
      [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight, std::int64_t ignore_index,
         const std::string& reduction, double label_smoothing) {
        return ops::cross_entropy(input, target, weight.value_or(Tensor()), ignore_index,
                                  ops::parse_reduction("cross_entropy", reduction), label_smoothing);
      },
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(), py::arg("ignore_index") = -100,
      py::arg("reduction") = "mean", py::arg("label_smoothing") = 0.0,
      "nll_loss of log_softmax of logits [N, C, ...]; the target holds int64 labels [N, ...] or probabilities of "
      "the input's shape.");
  def_function(
      f, "mse_loss", true,
      [](const Tensor& input, const Tensor& target, const std::string& reduction) {
        return ops::mse_loss(input, target, ops::parse_reduction("mse_loss", reduction));
      },
      py::arg("input"), py::arg("target"), py::arg("reduction") = "mean", "(input - target)^2, broadcast.");
  def_function(
      f, "binary_cross_entropy", true,
      [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight, const std::string& reduction) {
        return ops::binary_cross_entropy(input, target, weight.value_or(Tensor()),
                                         ops::parse_reduction("binary_cross_entropy", reduction));
      },
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(), py::arg("reduction") = "mean",
      "-target log(input) - (1 - target) log(1 - input), the logarithms not below -100.\n\n"
      "Raises RuntimeError for elements outside of [0, 1].");
  def_function(
      f, "binary_cross_entropy_with_logits", true,
      [](const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
         const std::optional<Tensor>& pos_weight, const std::string& reduction) {
        return ops::binary_cross_entropy_with_logits(
            input, target, weight.value_or(Tensor()), pos_weight.value_or(Tensor()),
            ops::parse_reduction("binary_cross_entropy_with_logits", reduction));
      },
      py::arg("input"), py::arg("target"), py::arg("weight") = py::none(), py::arg("pos_weight") = py::none(),
      py::arg("reduction") = "mean", "binary_cross_entropy of sigmoid(input), without overflow.");
  def_function(
      f, "embedding", true,
      [](const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx,
         bool scale_grad_by_freq) { return ops::embedding(weight, indices, padding_idx, scale_grad_by_freq); },
      py::arg("weight"), py::arg("indices"), py::arg("padding_idx") = py::none(), py::arg("scale_grad_by_freq") = false,
      "Rows of weight [num_embeddings, embedding_dim] at int64 or int32 indices: [*indices, embedding_dim].\n\n"
      "Raises IndexError for an index outside of [0, num_embeddings).");
  f.def(
      "check_index",
      [](const std::string& op, const Tensor& index, std::int64_t size, bool classes) {
        static std::set<std::string> names;  // a device may need one later
        ops::check_index(names.insert(op).first->c_str(), index, size, classes);
      },
      py::arg("op"), py::arg("index"), py::arg("size"), py::arg("classes") = false,
      "Raises RuntimeError for an index outside of [0, size); on a CUDA device at its next synchronisation.");
}

}  // namespace verigrad::bindings
