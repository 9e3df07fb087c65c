#include "out.h"

#include <cstring>
#include <map>
#include <sstream>
#include <unordered_map>

namespace verigrad::bindings {
namespace {

/// Functions other than elementwise ones; those of linalg and of modules in Python by their whole names.
constexpr std::pair<OutRule, const char*> kNames[] = {
    {OutRule::Cast,
     "addr cholesky diff kron linalg.cond linalg.matrix_rank linalg.pinv logsumexp max min "
     "mean nanmean normal outer ger pinverse std tensordot var"},
    {OutRule::Same,
     "addbmm addmm addmv all amax amin aminmax any argmax argmin argsort baddbmm bmm bucketize chain_matmul cross "
     "cummax "
     "cummin diag dot gather histc index_add index_copy index_select inner inverse isin kthvalue linalg.cholesky "
     "linalg.cross "
     "linalg.det linalg.eigh linalg.eigvalsh linalg.inv linalg.lstsq linalg.matmul linalg.matrix_norm "
     "linalg.matrix_power linalg.multi_dot linalg.norm linalg.qr linalg.slogdet linalg.solve "
     "linalg.solve_triangular linalg.svd linalg.svdvals linalg.vecdot linalg.vector_norm log_softmax masked_select "
     "matmul matrix_power median mm msort multinomial mv nanmedian nanquantile nonzero norm qr quantile "
     "scatter scatter_add scatter_reduce searchsorted slogdet softmax sort svd take take_along_dim topk tril triu "
     "vdot where slice_scatter"},
    {OutRule::Joined, "cat column_stack dstack hstack stack vstack"},
    {OutRule::Accumulate, "cumprod cumsum nansum prod sum"},
    {OutRule::Any, "bernoulli"},
    {OutRule::Create, "arange empty eye full linspace logspace ones rand randint randn randperm zeros"},
};

std::map<std::string, OutRule>& rules() {
  static std::map<std::string, OutRule> all = [] {
    std::map<std::string, OutRule> made;
    for (const auto& [rule, names] : kNames) {
      std::istringstream words(names);
      for (std::string name; words >> name;) made[name] = rule;
    }
    return made;
  }();
  return all;
}

struct OutFunction {
  std::string name;
  OutRule rule;
  PyObject* function;   // its module keeps it
  bool differentiable;  // whether inputs that require a gradient are refused
};
/// By the first argument of the C function.
std::unordered_map<PyObject*, OutFunction>& functions() {
  static std::unordered_map<PyObject*, OutFunction> all;
  return all;
}
FastFunction plain_call = nullptr;

/// Raises RuntimeError for a tensor that requires a gradient while graphs are recorded, also in a list.
void check_no_gradient(const std::string& op, py::handle input) {
  if (PyTuple_Check(input.ptr()) || PyList_Check(input.ptr())) {
    for (const py::handle item : input) check_no_gradient(op, item);
  } else if (is_tensor(input.ptr())) {
    VG_CHECK(!unwrap(input.ptr()).requires_grad(), RuntimeError, op,
             "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
             "requires grad.");
  }
}

std::vector<Tensor> tensors_of(const std::string& op, py::handle out) {
  if (is_tensor(out.ptr())) return {unwrap(out.ptr())};
  const bool several = PyTuple_Check(out.ptr()) || PyList_Check(out.ptr());
  VG_CHECK(several, TypeError, op, "(): argument 'out' must be Tensor, not ", Py_TYPE(out.ptr())->tp_name);
  std::vector<Tensor> tensors;
  for (const py::handle item : out) {
    VG_CHECK(is_tensor(item.ptr()), TypeError, op, "(): argument 'out' must be tuple of Tensors, but found element of ",
             "type ", Py_TYPE(item.ptr())->tp_name, " at pos ", tensors.size());
    tensors.push_back(unwrap(item.ptr()));
  }
  return tensors;
}

/// Gives a function the dtype, and the device, of the tensor for its result.
void adopt(const std::string& op, OutRule rule, const Tensor& out, const py::dict& named) {
  const auto given = [&](const char* name) { return named.contains(name) && !named[name].is_none(); };
  if (given("dtype")) {
    VG_CHECK(named["dtype"].cast<DType>() == out.dtype(), RuntimeError, op, ": dtype ", named["dtype"].cast<DType>(),
             " does not match dtype of out parameter (", out.dtype(), ")");
  } else {
    named["dtype"] = dtype_object(out.dtype());
  }
  if (rule != OutRule::Create) return;
  if (given("device")) {
    const Device device = named["device"].cast<DeviceArg>().or_default();
    VG_CHECK(device == out.device(), RuntimeError, op, ": device ", device, " does not match device of out parameter (",
             out.device(), ")");
  } else {
    named["device"] = py::cast(out.device());
  }
}

void check_fit(const std::string& op, OutRule rule, const Tensor& out, const Tensor& result) {
  if (rule == OutRule::Same) {
    VG_CHECK(result.dtype() == out.dtype(), RuntimeError, op, ": Expected out tensor to have dtype ", result.dtype(),
             ", but got ", out.dtype(), " instead");
  } else if (rule == OutRule::Joined) {
    VG_CHECK(can_cast(result.dtype(), out.dtype()), TypeError, op,
             ": input types can't be cast to the desired output type ", out.dtype());
  } else if (rule != OutRule::Any) {
    VG_CHECK(can_cast(result.dtype(), out.dtype()), RuntimeError, op, ": result type ", result.dtype(),
             " can't be cast to the desired output type ", out.dtype());
  }
  VG_CHECK(out.device() == result.device(), RuntimeError, op, ": expected out on ", result.device(), ", got ",
           out.device());
  if (out.shape() == result.shape()) {
    VG_CHECK(out.is_contiguous() || !may_overlap(out.shape(), out.strides()), RuntimeError, op,
             ": unsupported operation: more than one element of the written-to tensor refers to a single memory "
             "location. Please clone() the tensor before performing the operation.");
  } else if (out.numel() != 0) {
    std::ostringstream text;
    text << op << ": An output with one or more elements was resized since it had shape " << out.shape()
         << ", which does not match the required output shape " << result.shape()
         << ". Outputs should have the right shape, or no elements.";
    if (PyErr_WarnEx(PyExc_UserWarning, text.str().c_str(), 1) != 0) throw py::error_already_set();
  }
}

void write(const Tensor& out, const Tensor& result) {
  if (out.shape() != result.shape()) out.set_data(ops::empty(result.shape(), out.dtype(), out.device()));
  ops::copy_(out, result);
}

/// The tensors of the caller, in the form of the result.
py::object packed(const py::object& result, const py::tuple& outs) {
  if (PyTuple_CheckExact(result.ptr()) || PyList_CheckExact(result.ptr())) return outs;
  const py::object type = py::type::of(result);
  return py::hasattr(type, "_make") ? type.attr("_make")(outs) : type(outs);
}

/// Whether an op has a gradient; what is not registered may have one.
bool is_differentiable(const std::string& name) {
  for (const OpInfo& op : registry()) {
    if (op.name == name) return op.differentiable;
  }
  return true;
}

/// The function of (*args, **named) with its result in `out`. `named` is this call's own.
py::object call_into(const OutFunction& entry, py::handle out, const py::tuple& args, const py::dict& named) {
  const std::string& op = entry.name;
  OutRule rule = entry.rule;
  const py::handle function = entry.function;
  if (out.is_none()) return function(*args, **named);
  const std::vector<Tensor> outs = tensors_of(op, out);
  if (entry.differentiable && GradMode::enabled()) {
    for (const py::handle input : args) check_no_gradient(op, input);
    for (const auto& [name, input] : named) check_no_gradient(op, input);
    check_no_gradient(op, out);
  }
  if (rule == OutRule::Accumulate || rule == OutRule::Create) {
    VG_CHECK(is_tensor(out.ptr()), TypeError, op, "(): argument 'out' must be Tensor, not ",
             Py_TYPE(out.ptr())->tp_name);
    adopt(op, rule, outs[0], named);
  }
  const NoGradGuard guard;
  const py::object result = function(*args, **named);
  const bool one = is_tensor(result.ptr());
  VG_CHECK(one == is_tensor(out.ptr()), TypeError, op, "(): argument 'out' must be ",
           one ? "Tensor" : "tuple of Tensors", ", not ", Py_TYPE(out.ptr())->tp_name);
  const std::vector<Tensor> results = tensors_of(op, result);
  VG_CHECK(results.size() == outs.size(), TypeError, op, "(): argument 'out' must be tuple of ", results.size(),
           " Tensors, got ", outs.size());
  if (!one) rule = OutRule::Same;  // so have it max and min, which give one tensor or two
  for (std::size_t i = 0; i < outs.size(); ++i) check_fit(op, rule, outs[i], results[i]);
  const Uninterrupted whole;
  for (std::size_t i = 0; i < outs.size(); ++i) write(outs[i], results[i]);
  if (one) {
    if (results[0].requires_grad()) outs[0].set_requires_grad(true);  // requires_grad=True of creation
    return py::reinterpret_borrow<py::object>(out);
  }
  return packed(result, py::tuple(py::reinterpret_borrow<py::object>(out)));
}

bool is_out(PyObject* name) { return PyUnicode_CompareWithASCIIString(name, "out") == 0; }

PyObject* call_with_out(PyObject* self, PyObject* const* values, Py_ssize_t count, PyObject* names) {
  Py_ssize_t at = names ? PyTuple_GET_SIZE(names) : 0;
  while (--at >= 0 && !is_out(PyTuple_GET_ITEM(names, at))) {
  }
  if (at < 0) return plain_call(self, values, count, names);
  try {
    const OutFunction& entry = functions().at(self);
    py::tuple args(count);
    for (Py_ssize_t i = 0; i < count; ++i) args[i] = py::reinterpret_borrow<py::object>(values[i]);
    py::dict named;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
      if (i != at) named[PyTuple_GET_ITEM(names, i)] = py::handle(values[count + i]);
    }
    return call_into(entry, values[count + at], args, named).release().ptr();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

/// The parameter in each signature of a docstring.
std::string with_parameter(const std::string& doc, const std::string& name) {
  std::istringstream lines(doc);
  std::string result;
  for (std::string line; std::getline(lines, line); result += line + '\n') {
    const std::size_t start = line.find(name + '('), arrow = line.find(") -> ");
    if (start > 4 || arrow == std::string::npos) continue;  // a number and a point may stand before it
    const bool one = line.compare(arrow, std::string::npos, ") -> Tensor") == 0;
    const bool keywords = line.find("*, ") < arrow || line.find("*args") < arrow;
    line.insert(arrow, std::string(keywords ? ", out: " : ", *, out: ") + (one ? "Tensor" : "tuple[Tensor, ...]") +
                           " | None = None");
  }
  return result;
}

void give_out(const py::module_& m, const std::string& prefix) {
  for (const auto& [key, value] : m.attr("__dict__").cast<py::dict>()) {
    if (!PyCFunction_Check(value.ptr())) continue;
    auto* function = reinterpret_cast<PyCFunctionObject*>(value.ptr());
    const std::string name = function->m_ml->ml_name;  // an alias has that of the function
    const auto found = rules().find(prefix + name);
    if (found == rules().end()) continue;
    OutFunction entry{prefix + name, found->second, value.ptr(), is_differentiable(name)};
    if (!functions().emplace(function->m_self, std::move(entry)).second) continue;
    function->m_ml->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_with_out));
    if (!function->m_ml->ml_doc) continue;
    const std::string doc = with_parameter(function->m_ml->ml_doc, name);
    std::free(const_cast<char*>(function->m_ml->ml_doc));  // pybind11 has it from strdup, and frees it
    function->m_ml->ml_doc = strdup(doc.c_str());
  }
}

}  // namespace

void takes_out(const char* name) { rules().emplace(name, OutRule::Cast); }

void bind_out(py::module_& m, FastFunction entry) {
  plain_call = entry;
  give_out(m, "");
  give_out(m.attr("_special").cast<py::module_>(), "");
  give_out(m.attr("linalg").cast<py::module_>(), "linalg.");
  m.def(
      "_call_into",
      [](const std::string& op, const py::object& function, const py::object& out, const py::tuple& args,
         const py::dict& named) { return call_into({op, rules().at(op), function.ptr(), true}, out, args, named); },
      py::arg("op"), py::arg("function"), py::arg("out"), py::arg("args"), py::arg("named"),
      "function(*args, **named) with its result in the tensors of `out`, by the rule of dtypes that `op` has.");
}

}  // namespace verigrad::bindings
