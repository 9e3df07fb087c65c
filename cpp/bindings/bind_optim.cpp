// Optimizer steps.
#include "python.h"
#include "verigrad/optim.h"

namespace verigrad::bindings {
namespace {

/// The options of a rule by their names. Raises TypeError for a name that no rule has.
UpdateOptions parse_options(const py::dict& given) {
  UpdateOptions options;
  for (const auto& [key, value] : given) {
    const std::string_view name = py::cast<std::string_view>(key);
#define VG_UPDATE_OPTION(NAME)                           \
  if (name == #NAME) {                                   \
    options.NAME = PyFloat_AsDouble(value.ptr());        \
    if (PyErr_Occurred()) throw py::error_already_set(); \
    continue;                                            \
  }
#define VG_UPDATE_FLAG(NAME)                        \
  if (name == #NAME) {                              \
    const int truth = PyObject_IsTrue(value.ptr()); \
    if (truth < 0) throw py::error_already_set();   \
    options.NAME = truth > 0;                       \
    continue;                                       \
  }
#include "verigrad/update.def"
    VG_THROW(TypeError, "update: expected the name of an option, got '", name, "'");
  }
  return options;
}

using Lists = std::vector<std::vector<std::optional<Tensor>>>;

std::vector<TensorList> with_undefined(const Lists& lists) {
  std::vector<TensorList> made;
  for (const auto& list : lists) {
    made.emplace_back();
    for (const auto& tensor : list) made.back().push_back(tensor.value_or(Tensor()));
  }
  return made;
}

void run(UpdateRule rule, const TensorList& params, const TensorList& grads, std::vector<TensorList>& states,
         const std::vector<TensorList>& kept, const UpdateOptions& options) {
  const py::gil_scoped_release release;
  const Uninterrupted whole;
  optim::update(rule, params, grads, states, kept, options);
}

/// What a parameter's state holds under a name; made from `first` where it is not there yet, undefined for None.
class States {
 public:
  explicit States(const py::dict& firsts) {
    for (const auto& [key, first] : firsts) names_.emplace_back(key.ptr(), first.ptr());
    lists.resize(names_.size());
  }

  template <class Make>
  void gather(PyObject* state, const Make& make) {
    for (std::size_t k = 0; k < names_.size(); ++k) {
      const auto [key, first] = names_[k];
      PyObject* found = PyDict_GetItemWithError(state, key);
      if (!found && PyErr_Occurred()) throw py::error_already_set();
      if (found && found != Py_None) {
        VG_CHECK(is_tensor(found), TypeError, "optimizer: expected the state '", py::cast<std::string>(key),
                 "' to be a Tensor, got ", Py_TYPE(found)->tp_name);
        lists[k].push_back(unwrap(found));
      } else if (first == Py_None) {
        lists[k].emplace_back();
        lacking_.push_back({state, k, lists[k].size() - 1});
      } else {
        lists[k].push_back(make(PyFloat_AsDouble(first)));
        store(state, key, lists[k].back());
      }
    }
  }
  /// Stores what the step has made.
  void finish() const {
    for (const auto& [state, k, i] : lacking_) store(state, names_[k].first, lists[k][i]);
  }

  std::vector<TensorList> lists;

 private:
  struct Lacking {
    PyObject* state;
    std::size_t k, i;
  };
  static void store(PyObject* state, PyObject* key, const Tensor& tensor) {
    if (PyDict_SetItem(state, key, wrap(tensor).ptr()) != 0) throw py::error_already_set();
  }

  std::vector<std::pair<PyObject*, PyObject*>> names_;
  std::vector<Lacking> lacking_;
};

void step(const char* rule, const py::list& params, const py::dict& state, const py::dict& kept_firsts,
          const py::dict& state_firsts, const py::dict& options) {
  TensorList updated, grads;
  States kept(kept_firsts), states(state_firsts);
  const bool keeps_nothing = kept.lists.empty() && states.lists.empty();
  std::vector<py::object> owners;  // the dicts that are read
  for (const py::handle object : params) {
    Tensor param = unwrap(object.ptr());
    Tensor grad = param.grad();
    if (!grad.defined()) continue;
    updated.push_back(param);
    grads.push_back(std::move(grad));
    if (keeps_nothing) continue;
    py::object own = py::reinterpret_steal<py::object>(PyObject_GetItem(state.ptr(), object.ptr()));
    if (!own) throw py::error_already_set();
    VG_CHECK(PyDict_Check(own.ptr()), TypeError, rule, ": expected the state of a parameter to be a dict, got ",
             Py_TYPE(own.ptr())->tp_name);
    kept.gather(own.ptr(), [](double first) { return ops::full({}, Scalar(first), default_dtype(), kHost); });
    states.gather(own.ptr(),
                  [&](double first) { return ops::full(param.shape(), Scalar(first), param.dtype(), param.device()); });
    owners.push_back(std::move(own));
  }
  if (updated.empty()) return;
  run(optim::parse_rule(rule), updated, grads, states.lists, kept.lists, parse_options(options));
  states.finish();
}

}  // namespace

void bind_optim(py::module_& m) {
  py::module_ o = m.def_submodule("_optim", "One call updates all tensors of a parameter group.");
  o.def(
      "update",
      [](const char* rule, const TensorList& params, const TensorList& grads, const Lists& states,
         const std::vector<TensorList>& kept, const py::kwargs& options) {
        std::vector<TensorList> lists = with_undefined(states);
        run(optim::parse_rule(rule), params, grads, lists, kept, parse_options(options));
        return lists;
      },
      py::arg("rule"), py::arg("params"), py::arg("grads"), py::arg("states"), py::arg("kept"));
  o.def("step", &step, py::arg("rule"), py::arg("params"), py::arg("state"), py::arg("kept"), py::arg("states"),
        py::arg("options"));
}

}  // namespace verigrad::bindings
