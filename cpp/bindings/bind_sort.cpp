// Scans, sorting, counting.
#include "out.h"
#include "reductions.h"
#include "verigrad/sorting.h"

namespace verigrad::bindings {
namespace {

using OptDim = std::optional<std::int64_t>;
using OptTensor = std::optional<Tensor>;

template <bool kIgnoreNan>
Tensor quantile(const Tensor& x, const Operand& q, OptDim dim, bool keepdim, const std::string& interpolation) {
  return ops::quantile(x, q, dim, keepdim, interpolation, kIgnoreNan);
}

/// The values alone, or a tuple with what was asked for.
py::object unique(const Tensor& x, bool sorted, bool return_inverse, bool return_counts, OptDim dim) {
  const ops::Unique found = ops::unique(x, dim, sorted);
  if (!return_inverse && !return_counts) return wrap(found.values);
  py::list parts;
  parts.append(wrap(found.values));
  if (return_inverse) parts.append(wrap(found.inverse));
  if (return_counts) parts.append(wrap(found.counts));
  return py::tuple(parts);
}

Tensor searchsorted(const Tensor& sorted, const Operand& values, bool out_int32, bool right,
                    const std::optional<std::string>& side, const OptTensor& sorter) {
  constexpr const char* op = "searchsorted";
  VG_CHECK(!side || *side == "left" || *side == "right", RuntimeError, op,
           ": side can only be 'left' or 'right' but got ", *side);
  VG_CHECK(!side || !right || *side == "right", RuntimeError, op,
           ": side and right can't be set to opposites, got side of ", *side, " while right was True");
  return ops::searchsorted(op, sorted, values, right || (side && *side == "right"), sorter.value_or(Tensor()),
                           out_int32);
}

}  // namespace

void bind_sort(py::module_& m, TensorClass& cls) {
  using ops::OptDType;
  py::module_ types = m.def_submodule("return_types");
  const auto pair_type = [&](const char* name) { return make_result_type(types, name, {"values", "indices"}); };
  const auto dtype = py::arg("dtype") = py::none();

  def_op(m, cls, "cumsum", true, &ops::cumsum, py::arg("dim"), py::kw_only(), dtype,
         "Sums of each element and those before it along `dim`; integers as int64.");
  def_overload(m, cls, "cumsum", &ops::cumsum, py::arg("axis"), py::kw_only(), dtype);
  def_op(m, cls, "cumprod", true, &ops::cumprod, py::arg("dim"), py::kw_only(), dtype,
         "Products of each element and those before it along `dim`; integers as int64.");
  def_overload(m, cls, "cumprod", &ops::cumprod, py::arg("axis"), py::kw_only(), dtype);
  const auto cumsum_ = [](const py::object& self, std::int64_t dim, OptDType dtype) {
    ops::cumsum_(unwrap(self.ptr()), dim, dtype);
    return self;
  };
  def_inplace(cls, "cumsum_", true, cumsum_, py::arg("dim"), py::kw_only(), dtype);
  cls.def("cumsum_", cumsum_, py::call_guard<Uninterrupted>(), py::arg("axis"), py::kw_only(), dtype);
  const auto cumprod_ = [](const py::object& self, std::int64_t dim, OptDType dtype) {
    ops::cumprod_(unwrap(self.ptr()), dim, dtype);
    return self;
  };
  def_inplace(cls, "cumprod_", true, cumprod_, py::arg("dim"), py::kw_only(), dtype);
  cls.def("cumprod_", cumprod_, py::call_guard<Uninterrupted>(), py::arg("axis"), py::kw_only(), dtype);
  def_op_out(m, cls, "logcumsumexp", true, &ops::logcumsumexp, py::arg("dim"),
             "The logarithm of the sum of the exponentials of each element and those before it along `dim`, without "
             "overflow.\n\nRaises NotImplementedError unless the dtype is a floating-point one.");
  def_overload(m, cls, "logcumsumexp", &ops::logcumsumexp, py::arg("axis"));
  const auto def_running = [&](const char* name, PyTypeObject* type, auto f) {
    const auto along = [type, f](const Tensor& x, std::int64_t dim) { return named_pair(type, f(x, dim)); };
    def_op(m, cls, name, true, along, py::arg("dim"));
    def_overload(m, cls, name, along, py::arg("axis"));
  };
  def_running("cummax", pair_type("verigrad.return_types.cummax"), &ops::cummax);
  def_running("cummin", pair_type("verigrad.return_types.cummin"), &ops::cummin);

  PyTypeObject* sorted = pair_type("verigrad.return_types.sort");
  const auto sort = [sorted](const Tensor& x, std::int64_t dim, bool descending) {
    return named_pair(sorted, ops::sort(x, dim, descending));
  };
  // The sort is stable whether that is asked for or not.
  const auto sort_stable = [sort](const Tensor& x, const std::optional<bool>&, std::int64_t dim, bool descending) {
    return sort(x, dim, descending);
  };
  const auto dim = py::arg("dim") = -1;
  const auto descending = py::arg("descending") = false, keepdim = py::arg("keepdim") = false;
  const auto stable = py::arg("stable").noconvert();
  def_op(m, cls, "sort", true, sort, dim, descending,
         "Sorted values along `dim` and where they stood. Equal elements keep their order; NaN is the greatest.");
  def_overload(m, cls, "sort", sort_stable, py::kw_only(), stable, dim, descending);
  const auto argsort = [](const Tensor& x, std::int64_t dim, bool descending, bool) {
    return ops::argsort(x, dim, descending);
  };
  def_op(m, cls, "argsort", false, argsort, dim, descending, py::arg("stable") = false);
  def_op(m, cls, "msort", true, [](const Tensor& x) { return ops::sort(x, 0).first; });
  PyTypeObject* top = pair_type("verigrad.return_types.topk");
  def_op(
      m, cls, "topk", true,
      [top](const Tensor& x, std::int64_t k, std::int64_t dim, bool largest, bool) {
        return named_pair(top, ops::topk(x, k, dim, largest));
      },
      py::arg("k"), dim, py::arg("largest") = true, py::arg("sorted") = true,
      "The k greatest elements along `dim`, or the least, and where they stood; always in order.");
  PyTypeObject* kth = pair_type("verigrad.return_types.kthvalue");
  def_op(
      m, cls, "kthvalue", true,
      [kth](const Tensor& x, std::int64_t k, std::int64_t dim, bool keep) {
        return named_pair(kth, ops::kthvalue(x, k, dim, keep));
      },
      py::arg("k"), dim, keepdim, "The k-th least element along `dim`, from 1 on, and where it stood.");
  const auto def_median = [&](const char* name, PyTypeObject* type, bool ignore_nan, const char* doc) {
    const auto along = [type, ignore_nan](const Tensor& x, std::int64_t dim, bool keep) {
      return named_pair(type, ops::median(x, dim, keep, ignore_nan));
    };
    def_op(m, cls, name, true, [ignore_nan](const Tensor& x) { return ops::median(x, ignore_nan); }, doc);
    def_overload(m, cls, name, along, py::arg("dim"), keepdim);
    def_overload(m, cls, name, along, py::arg("axis"), py::arg("keepdims") = false);
  };
  def_median("median", pair_type("verigrad.return_types.median"), false,
             "The lower of the two elements in the middle; NaN where there is one.");
  def_median("nanmedian", pair_type("verigrad.return_types.nanmedian"), true, "The median of what is not NaN.");
  const auto interpolation = py::arg("interpolation") = "linear", no_dim = py::arg("dim") = py::none();
  def_op(
      m, cls, "quantile", true, &quantile<false>, py::arg("q"), no_dim, keepdim, py::kw_only(), interpolation,
      "The elements below which the fractions `q` lie, of a line along `dim` or of all; NaN where there is one.\n\n"
      "Between two elements by `interpolation`: linear, lower, higher, midpoint, or nearest (the even place of two).");
  def_op(m, cls, "nanquantile", true, &quantile<true>, py::arg("q"), no_dim, keepdim, py::kw_only(), interpolation,
         "The quantiles of what is not NaN.");

  def_op(
      m, cls, "unique", false,
      [](const Tensor& x, bool, bool inverse, bool counts, OptDim d) { return unique(x, true, inverse, counts, d); },
      py::arg("sorted") = true, py::arg("return_inverse") = false, py::arg("return_counts") = false, no_dim,
      "The distinct elements, or slices along `dim`, in order; which of them each one is, and how often each occurs.");
  def_op(
      m, cls, "unique_consecutive", false,
      [](const Tensor& x, bool inverse, bool counts, OptDim d) { return unique(x, false, inverse, counts, d); },
      py::arg("return_inverse") = false, py::arg("return_counts") = false, no_dim,
      "The first of each run of equal elements, or slices along `dim`.");
  def_op(
      m, cls, "bincount", false,
      [](const Tensor& x, const OptTensor& weights, std::int64_t minlength) {
        return ops::bincount(x, weights.value_or(Tensor()), minlength);
      },
      py::arg("weights") = py::none(), py::arg("minlength") = 0,
      "How often each number from 0 on occurs, or the sum of its weights.");
  def_op(m, cls, "histc", false, &ops::histc, py::arg("bins") = 100, py::arg("min") = 0.0, py::arg("max") = 0.0,
         "Counts in `bins` bins from `min` to `max`, by default from the least to the greatest element.");
  def_function(
      m, "searchsorted", false, &searchsorted, py::arg("sorted_sequence"), py::arg("input"), py::kw_only(),
      py::arg("out_int32") = false, py::arg("right") = false, py::arg("side") = py::none(),
      py::arg("sorter") = py::none(),
      "How many elements of a row of `sorted_sequence` are less than each value, or not greater to the right.");
  def_function(
      m, "bucketize", false,
      [](const Operand& x, const Tensor& boundaries, bool out_int32, bool right) {
        VG_CHECK(boundaries.ndim() == 1, RuntimeError, "bucketize: boundaries tensor must be 1 dimension, got ",
                 boundaries.ndim());
        return ops::searchsorted("bucketize", boundaries, x, right, {}, out_int32);
      },
      py::arg("input"), py::arg("boundaries"), py::kw_only(), py::arg("out_int32") = false, py::arg("right") = false,
      "searchsorted with the boundaries second.");
}

}  // namespace verigrad::bindings
