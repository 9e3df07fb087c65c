// Moments, norms and other reductions that are composed of sums.
#include "reductions.h"
#include "verigrad/statistics.h"

namespace verigrad::bindings {
namespace {

/// PyTorch's three forms of var and its relatives, and numpy's names.
template <class F>
void def_moment(py::module_& m, TensorClass* cls, const char* name, F f, const char* doc) {
  using Correction = std::optional<Scalar>;
  const auto corrected = [f](const Tensor& x, const DimArg& dim, const Correction& correction, bool keepdim) {
    return f(x, dim.list(), correction ? correction->to_double() : 1.0, keepdim);
  };
  const auto along = [f](const Tensor& x, const DimArg& dim, bool unbiased, bool keepdim) {
    return f(x, dim.list(), unbiased ? 1.0 : 0.0, keepdim);
  };
  const auto whole = [f](const Tensor& x, bool unbiased) { return f(x, {}, unbiased ? 1.0 : 0.0, false); };
  const auto def = [&](auto function, const auto&... extra) {
    m.def(name, function, py::arg("input"), extra...);
    if (cls) cls->def(name, function, extra...);
  };
  const auto correction = py::arg("correction") = py::none();
  const auto unbiased = py::arg("unbiased").noconvert();
  def(corrected, py::arg("dim") = py::none(), py::kw_only(), correction, py::arg("keepdim") = false, doc);
  def(along, py::arg("dim"), unbiased, py::arg("keepdim") = false);
  def(whole, unbiased);
  def(corrected, py::arg("axis"), py::kw_only(), correction, py::arg("keepdims") = false);
  register_op(name, true);
}

ops::DistanceMode parse_mode(const std::string& mode) {
  if (mode == "use_mm_for_euclid_dist_if_necessary") return ops::DistanceMode::ProductIfLarge;
  if (mode == "use_mm_for_euclid_dist") return ops::DistanceMode::Product;
  VG_CHECK(mode == "donot_use_mm_for_euclid_dist", ValueError, "cdist: ", mode,
           " is not a valid value for compute_mode");
  return ops::DistanceMode::Difference;
}

}  // namespace

void bind_statistics(py::module_& m, TensorClass& cls) {
  using ops::NormOrder;
  using ops::OptDType;
  using OptOrder = std::optional<NormOrder>;
  ops::singular_values = [](const Tensor& matrices) {
    return unwrap(py::module_::import("verigrad.linalg").attr("svdvals")(wrap(matrices)).ptr());
  };
  const auto dtype = py::arg("dtype") = py::none();

  def_moment(m, &cls, "var", &ops::variance,
             "Squared distances to the mean over the number of elements less `correction` (1 by default, 0 if not "
             "`unbiased`).\n\nRaises RuntimeError for integers.");
  def_moment(m, &cls, "std", &ops::deviation, "The root of var.");
  def_moment(m, nullptr, "var_mean", &ops::variance_mean, "var and mean.");
  def_moment(m, nullptr, "std_mean", &ops::deviation_mean, "std and mean.");
  def_op(
      m, cls, "cov", true,
      [](const Tensor& x, double correction, const std::optional<Tensor>& fweights,
         const std::optional<Tensor>& aweights) {
        return ops::cov(x, correction, fweights.value_or(Tensor()), aweights.value_or(Tensor()));
      },
      py::kw_only(), py::arg("correction") = 1, py::arg("fweights") = py::none(), py::arg("aweights") = py::none(),
      "Covariances [variables, variables] of [variables, observations]; `fweights`: how often each observation "
      "counts, `aweights`: how much.");
  def_op(m, cls, "corrcoef", true, &ops::corrcoef,
         "Pearson's correlation coefficients [variables, variables] of [variables, observations].");

  const auto logsumexp = [](const Tensor& x, const DimArg& dim, bool keepdim) {
    VG_CHECK(dim.dims, TypeError, "logsumexp: expected dim to be an int or a tuple of ints, got None");
    return ops::logsumexp(x, *dim.dims, keepdim);
  };
  def_op(m, cls, "logsumexp", true, logsumexp, py::arg("dim"), py::arg("keepdim") = false,
         "The logarithm of the sum of exponentials, without overflow.");
  def_overload(m, cls, "logsumexp", logsumexp, py::arg("axis"), py::arg("keepdims") = false);
  def_op(
      m, cls, "count_nonzero", false,
      [](const Tensor& x, const DimArg& dim) { return ops::count_nonzero(x, dim.list()); },
      py::arg("dim") = py::none());
  py::module_ types = m.def_submodule("return_types");
  PyTypeObject* type = make_result_type(types, "verigrad.return_types.aminmax", {"min", "max"});
  def_op(
      m, cls, "aminmax", true,
      [type](const Tensor& x, std::optional<std::int64_t> dim, bool keepdim) {
        return named_pair(type, ops::aminmax(x, dim, keepdim));
      },
      py::kw_only(), py::arg("dim") = py::none(), py::arg("keepdim") = false);
  def_reduction(
      m, cls, "nansum", true,
      [](const Tensor& x, const DimArg& dim, bool keepdim, OptDType d) {
        return ops::nansum(x, dim.list(), keepdim, d);
      },
      py::kw_only(), dtype);
  def_reduction(
      m, cls, "nanmean", true,
      [](const Tensor& x, const DimArg& dim, bool keepdim, OptDType d) {
        return ops::nanmean(x, dim.list(), keepdim, d);
      },
      py::kw_only(), dtype);
  def_op(m, cls, "trace", true, &ops::trace);

  const auto norm = [](const Tensor& x, const OptOrder& p, const DimArg& dim, bool keepdim, OptDType d) {
    return ops::norm(x, p, dim.dims, keepdim, d);
  };
  const auto p = py::arg("p") = "fro", dims = py::arg("dim") = py::none(), keepdim = py::arg("keepdim") = false;
  m.def("norm", norm, py::arg("input"), p, dims, keepdim, py::kw_only(), dtype,
        "The vector norm of order `p` over `dim`, or over all elements; 2 for \"fro\" and None. The nuclear norm of "
        "matrices "
        "for \"nuc\".");
  def_method(cls, "norm", true, norm, p, dims, keepdim, dtype);
  def_op(m, cls, "dist", true, &ops::dist, py::arg("other"), py::arg("p") = 2.0, "The p-norm of input - other.");
  def_function(
      m, "cdist", true,
      [](const Tensor& a, const Tensor& b, double p, const std::string& mode) {
        return ops::cdist(a, b, p, parse_mode(mode));
      },
      py::arg("x1"), py::arg("x2"), py::arg("p") = 2.0, py::arg("compute_mode") = "use_mm_for_euclid_dist_if_necessary",
      "p-norms of the differences of the rows of x1 [*, P, M] and x2 [*, R, M]: [*, P, R].");

  py::module_ linalg = m.def_submodule("linalg", "The native functions of verigrad.linalg.");
  const auto def_linalg = [&](const char* name, const char* recorded, auto f, const auto&... extra) {
    linalg.def(name, f, extra...);
    register_op(recorded, true);
  };
  def_linalg(
      "norm", "linalg_norm",
      [](const Tensor& x, const OptOrder& ord, const DimArg& dim, bool keepdim, OptDType d) {
        return ops::linalg_norm(x, ord, dim.dims, keepdim, d);
      },
      py::arg("A"), py::arg("ord") = py::none(), py::arg("dim") = py::none(), py::arg("keepdim") = false, py::kw_only(),
      dtype,
      "The norm of a vector, or of matrices where `ord` is given and `dim` has two entries or `A` two dimensions.");
  def_linalg(
      "vector_norm", "linalg_vector_norm",
      [](const Tensor& x, double ord, const DimArg& dim, bool keepdim, OptDType d) {
        return ops::vector_norm(x, ord, dim.list(), keepdim, d);
      },
      py::arg("x"), py::arg("ord") = 2.0, py::arg("dim") = py::none(), py::arg("keepdim") = false, py::kw_only(), dtype,
      "sum(abs(x)^ord)^(1/ord) over `dim`, or over all elements; the greatest and least magnitude for inf and -inf, "
      "the number of elements that are not 0 for 0.");
  def_linalg(
      "matrix_norm", "linalg_matrix_norm",
      [](const Tensor& x, const NormOrder& ord, const ops::DimList& dim, bool keepdim, OptDType d) {
        return ops::matrix_norm(x, ord, dim, keepdim, d);
      },
      py::arg("A"), py::arg("ord") = "fro", py::arg("dim") = py::make_tuple(-2, -1), py::arg("keepdim") = false,
      py::kw_only(), dtype,
      "\"fro\", or the greatest (1, inf) or least (-1, -inf) sum of magnitudes of a column or row, or of "
      "the singular values the sum (\"nuc\"), the greatest (2) or the least (-2).\n\n"
      "Raises NotImplementedError for CUDA tensors where singular values are needed.");
}

}  // namespace verigrad::bindings
