// Reductions.
#include "reductions.h"

namespace verigrad::bindings {
namespace {

template <auto full, auto by_dim>
void def_extremum(py::module_& m, TensorClass& cls, const char* name, PyTypeObject* type,
                  Tensor (*elementwise)(const Tensor&, const Tensor&)) {
  const auto along = [type](const Tensor& x, std::int64_t dim, bool keepdim) {
    return named_pair(type, by_dim(x, dim, keepdim));
  };
  def_op(m, cls, name, true, full);
  def_overload(m, cls, name, along, py::arg("dim"), py::arg("keepdim") = false);
  def_overload(m, cls, name, along, py::arg("axis"), py::arg("keepdims") = false);
  def_overload(m, cls, name, elementwise, py::arg("other"));
}

}  // namespace

void bind_reduce(py::module_& m, TensorClass& cls) {
  using ops::OptDType;
  const auto dtype = py::arg("dtype") = py::none();
  def_reduction(
      m, cls, "sum", true,
      [](const Tensor& x, const DimArg& dim, bool keepdim, OptDType d) { return ops::sum(x, dim.list(), keepdim, d); },
      py::kw_only(), dtype);
  def_reduction(
      m, cls, "mean", true,
      [](const Tensor& x, const DimArg& dim, bool keepdim, OptDType d) { return ops::mean(x, dim.list(), keepdim, d); },
      py::kw_only(), dtype);
  def_reduction(m, cls, "amax", true,
                [](const Tensor& x, const DimArg& dim, bool keepdim) { return ops::amax(x, dim.list(), keepdim); });
  def_reduction(m, cls, "amin", true,
                [](const Tensor& x, const DimArg& dim, bool keepdim) { return ops::amin(x, dim.list(), keepdim); });
  def_reduction(m, cls, "all", false,
                [](const Tensor& x, const DimArg& dim, bool keepdim) { return ops::all(x, dim.list(), keepdim); });
  def_reduction(m, cls, "any", false,
                [](const Tensor& x, const DimArg& dim, bool keepdim) { return ops::any(x, dim.list(), keepdim); });
  using OptDim = std::optional<std::int64_t>;
  def_reduction(
      m, cls, "prod", true,
      [](const Tensor& x, OptDim dim, bool keepdim, OptDType d) { return ops::prod(x, dim, keepdim, d); },
      py::kw_only(), dtype);
  def_reduction(m, cls, "argmax", false, &ops::argmax);
  def_reduction(m, cls, "argmin", false, &ops::argmin);

  py::module_ types = m.def_submodule("return_types", "Named results of ops that return several tensors.");
  PyTypeObject* max_type = make_result_type(types, "verigrad.return_types.max", {"values", "indices"});
  PyTypeObject* min_type = make_result_type(types, "verigrad.return_types.min", {"values", "indices"});
  using Full = Tensor (*)(const Tensor&);
  using ByDim = std::pair<Tensor, Tensor> (*)(const Tensor&, std::int64_t, bool);
  def_extremum<static_cast<Full>(&ops::max), static_cast<ByDim>(&ops::max)>(m, cls, "max", max_type,
                                                                            static_cast<TensorTensor>(&ops::maximum));
  def_extremum<static_cast<Full>(&ops::min), static_cast<ByDim>(&ops::min)>(m, cls, "min", min_type,
                                                                            static_cast<TensorTensor>(&ops::minimum));
}

}  // namespace verigrad::bindings
