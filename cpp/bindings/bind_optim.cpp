// Optimizer steps.
#include "python.h"
#include "verigrad/optim.h"

namespace verigrad::bindings {

void bind_optim(py::module_& m) {
  py::module_ o = m.def_submodule("_optim", "One call updates all tensors of a parameter group.");
  o.def(
      "sgd",
      [](const TensorList& params, const TensorList& grads, const std::vector<std::optional<Tensor>>& buffers,
         double lr, double momentum, double dampening, double weight_decay, bool nesterov, bool maximize) {
        TensorList list;
        for (const auto& b : buffers) list.push_back(b.value_or(Tensor()));
        {
          const py::gil_scoped_release release;
          const Uninterrupted whole;
          optim::sgd(params, grads, list, {lr, momentum, dampening, weight_decay, nesterov, maximize});
        }
        return list;
      },
      py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"), py::kw_only(), py::arg("lr"),
      py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"), py::arg("maximize"));
  o.def(
      "adam",
      [](const TensorList& params, const TensorList& grads, const TensorList& exp_avgs, const TensorList& exp_avg_sqs,
         const TensorList& max_exp_avg_sqs, const TensorList& steps, double lr, double beta1, double beta2, double eps,
         double weight_decay, bool decoupled_weight_decay, bool amsgrad, bool maximize) {
        const py::gil_scoped_release release;
        const Uninterrupted whole;
        optim::adam(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps,
                    {lr, beta1, beta2, eps, weight_decay, decoupled_weight_decay, amsgrad, maximize});
      },
      py::arg("params"), py::arg("grads"), py::arg("exp_avgs"), py::arg("exp_avg_sqs"), py::arg("max_exp_avg_sqs"),
      py::arg("steps"), py::kw_only(), py::arg("lr"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"),
      py::arg("weight_decay"), py::arg("decoupled_weight_decay"), py::arg("amsgrad"), py::arg("maximize"));
}

}  // namespace verigrad::bindings
