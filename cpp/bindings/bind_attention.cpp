// Attention.
#include "python.h"
#include "verigrad/nn/attention.h"

namespace verigrad::bindings {

void bind_attention(py::module_& m, TensorClass&) {
  py::module_ f = m.attr("nn_functional").cast<py::module_>();
  def_function(
      f, "scaled_dot_product_attention", true,
      [](const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& attn_mask,
         double dropout_p, bool is_causal, std::optional<double> scale, bool enable_gqa) {
        return ops::scaled_dot_product_attention(query, key, value, attn_mask.value_or(Tensor()), dropout_p, is_causal,
                                                 scale, enable_gqa);
      },
      py::arg("query"), py::arg("key"), py::arg("value"), py::arg("attn_mask") = py::none(), py::arg("dropout_p") = 0.0,
      py::arg("is_causal") = false, py::kw_only(), py::arg("scale") = py::none(), py::arg("enable_gqa") = false,
      "softmax(scale * query key^T + mask) value, the softmax over the keys (Vaswani et al., arXiv 1706.03762, eq. 1), "
      "blocked as in Dao et al., arXiv 2205.14135 and Dao, arXiv 2307.08691: memory grows with the lengths, not with "
      "their product.\n\n"
      "query [..., L, E], key [..., S, E], value [..., S, Ev], of one floating-point dtype; leading dimensions are "
      "broadcast. The result is [..., L, Ev].\n"
      "attn_mask: broadcast to [..., L, S]; bool, True for the keys that take part, or a floating-point tensor that is "
      "added to the scores and may have a gradient, which does have L * S elements. A query without a key gives 0.\n"
      "dropout_p: probability with which an element of the softmax becomes 0, others are divided by 1 - dropout_p; "
      "default 0. There is no `training`: it is always applied.\n"
      "is_causal: query i sees the keys 0 to i; not together with a mask. scale: default 1 / sqrt(E). enable_gqa: "
      "dimension -3 of key and value divides that of query, and so many neighbouring heads of query share theirs.\n\n"
      "Raises RuntimeError for dtypes, shapes or probabilities that do not fit and for a mask beside is_causal.");
}

}  // namespace verigrad::bindings
