// Creation functions and random numbers.
#include "core/backend.h"
#include "number_arg.h"
#include "python.h"

namespace verigrad::bindings {
namespace {

using ops::OptDType;

Device place(const DeviceArg& device) { return device.or_default(); }
Device place(const DeviceArg& device, const Tensor& input) { return device.device.value_or(input.device()); }

/// What a new tensor is like: `input`, on another device where that is asked for.
Tensor model(const Tensor& input, const DeviceArg& device) {
  const Device target = place(device, input);
  return target == input.device() ? input : ops::empty(input.shape(), input.dtype(), target);
}

using OptBool = std::optional<bool>;

py::arg_v pin_argument() { return py::arg("pin_memory").noconvert() = false; }

/// What make() gives, in page-locked memory and with a gradient where that is asked for.
template <class Make>
Tensor make_as(const char* op, Device device, bool requires_grad, OptBool pin_memory, Make make) {
  const bool pinned = pin_memory.value_or(false);
  if (pinned) {  // refused before random numbers are drawn
    VG_CHECK(device == kHost, RuntimeError, op, ": expected the CPU for pin_memory=True, got ", device,
             "; only dense CPU tensors can be pinned");
    check_can_pin(op);
  }
  Tensor out = make();
  if (pinned) out = ops::pin_memory(out);
  if (requires_grad) out.set_requires_grad(true);
  return out;
}

Dims size_argument(const char* op, const py::args& args, const py::object& size) {
  if (size.is_none()) return parse_size(op, args);
  VG_CHECK(args.empty(), TypeError, op, ": got sizes twice, by position and as size=");
  return parse_dims(op, size);
}

/// f(*size, dtype=, device=, requires_grad=, pin_memory=)
template <class F>
void def_sized(py::module_& m, const char* op, F make, const char* doc) {
  def_function(
      m, op, false,
      [op, make](const py::args& args, const py::object& size, OptDType dtype, const DeviceArg& device,
                 bool requires_grad, OptBool pin_memory) {
        return make_as(op, place(device), requires_grad, pin_memory, [&] {
          const Dims shape = size_argument(op, args, size);
          const DType type = dtype.value_or(default_dtype());
          if (pin_memory.value_or(false) && make == &ops::empty) return ops::empty_pinned(op, shape, type);
          return make(shape, type, place(device));
        });
      },
      py::arg("size") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(), doc);
}

/// f(*size, generator=, dtype=, device=, requires_grad=, pin_memory=)
template <class F>
void def_random(py::module_& m, const char* op, F make, const char* doc) {
  def_function(
      m, op, false,
      [op, make](const py::args& args, const py::object& size, const Ref<Generator>& generator, OptDType dtype,
                 const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return make_as(op, place(device), requires_grad, pin_memory, [&] {
          return make(size_argument(op, args, size), generator, dtype.value_or(default_dtype()), place(device));
        });
      },
      py::arg("size") = py::none(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(), doc);
}

/// f(input, dtype=, device=, requires_grad=, pin_memory=)
template <class F>
void def_like(py::module_& m, const char* op, F make, const char* doc) {
  def_function(
      m, op, false,
      [op, make](const Tensor& input, OptDType dtype, const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return make_as(op, place(device, input), requires_grad, pin_memory,
                       [&] { return make(model(input, device), dtype); });
      },
      py::arg("input"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(), doc);
}

Tensor full(const Dims& size, Scalar value, OptDType dtype, const DeviceArg& device) {
  return ops::full(size, value, dtype.value_or(value.dtype(default_dtype())), place(device));
}

/// A method that makes a tensor like the object in dtype and device, unless others are given: new_*(*size, dtype=, ...)
template <class F>
void def_new_sized(TensorClass& cls, const char* op, F make, const char* doc) {
  def_method(
      cls, op, false,
      [op, make](const Tensor& self, const py::args& args, const py::object& size, OptDType dtype,
                 const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        VG_CHECK(!args.empty() || !size.is_none(), TypeError, op,
                 "() missing 1 required positional argument: \"size\"");
        return make_as(op, place(device, self), requires_grad, pin_memory, [&] {
          return make(size_argument(op, args, size), dtype.value_or(self.dtype()), place(device, self));
        });
      },
      py::arg("size") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(), doc);
}

void bind_new_like(TensorClass& cls) {
  def_new_sized(cls, "new_empty", &ops::empty, "Uninitialised elements, of the dtype and on the device of the tensor.");
  def_new_sized(cls, "new_zeros", &ops::zeros, "Zeros, of the dtype and on the device of the tensor.");
  def_new_sized(cls, "new_ones", &ops::ones, "Ones, of the dtype and on the device of the tensor.");
  def_method(
      cls, "new_full", false,
      [](const Tensor& self, const Dims& size, NumberArg value, OptDType dtype, const DeviceArg& device,
         bool requires_grad, OptBool pin_memory) {
        return make_as("new_full", place(device, self), requires_grad, pin_memory,
                       [&] { return ops::full(size, value, dtype.value_or(self.dtype()), place(device, self)); });
      },
      py::arg("size"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "Every element `fill_value`, of the dtype and on the device of the tensor.");
  def_method(
      cls, "new_tensor", false,
      [](const Tensor& self, const py::object& data, OptDType dtype, const DeviceArg& device, bool requires_grad,
         OptBool pin_memory) {
        const Device target = place(device, self);
        return make_as("new_tensor", target, requires_grad, pin_memory,
                       [&] { return tensor_from_data(data, dtype.value_or(self.dtype()), target); });
      },
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(),
      "A copy of `data`, of the dtype and on the device of the tensor; see verigrad.tensor.");
}

}  // namespace

void bind_create(py::module_& m) {
  TensorClass cls = py::reinterpret_borrow<TensorClass>(m.attr("Tensor"));
  bind_new_like(cls);
  def_function(
      m, "tensor", false,
      [](const py::object& data, OptDType dtype, const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return make_as("tensor", place(device), requires_grad, pin_memory,
                       [&] { return tensor_from_data(data, dtype, place(device)); });
      },
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(),
      "A new tensor with a copy of `data`: nested lists or tuples of numbers, an array, a number or a tensor.\n\n"
      "The dtype is `dtype`, or what the data promotes to (bool, int64, or the default dtype for floats; arrays keep "
      "theirs). Raises ValueError for ragged lists, TypeError for strings and for arrays of another dtype.");
  def_function(
      m, "as_tensor", false,
      [](const py::object& data, OptDType dtype, const DeviceArg& device) {
        if (is_tensor(data.ptr())) {
          const Tensor shared = unwrap(data.ptr());
          return ops::to(shared, dtype.value_or(shared.dtype()), device.device.value_or(shared.device()));
        }
        if (is_ndarray(data.ptr())) {
          const Tensor shared = tensor_from_numpy(data);
          return ops::to(shared, dtype.value_or(shared.dtype()), place(device));
        }
        return tensor_from_data(data, dtype, place(device));
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      "As `tensor`, but shares the memory of tensors and writable arrays that have the dtype already. Of a read-only "
      "array the memory is copied, with a UserWarning.");
  def_function(
      m, "from_numpy", false, &tensor_from_numpy, py::arg("ndarray"),
      "A tensor over the memory of a numpy array of a supported dtype, with non-negative strides. Of a read-only "
      "array it is a copy, with a UserWarning: every tensor can be written to.\n\n"
      "Raises TypeError for another dtype, ValueError for reversed or misaligned arrays.");

  def_sized(m, "empty", &ops::empty, "Uninitialised elements.");
  def_sized(m, "zeros", &ops::zeros, "Zeros.");
  def_sized(m, "ones", &ops::ones, "Ones.");
  def_function(
      m, "full", false,
      [](const Dims& size, NumberArg value, OptDType dtype, const DeviceArg& device, bool requires_grad,
         OptBool pin_memory) {
        return make_as("full", place(device), requires_grad, pin_memory,
                       [&] { return full(size, value, dtype, device); });
      },
      py::arg("size"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "Every element `fill_value`, whose type gives the dtype unless one is given.");
  def_like(m, "empty_like", &ops::empty_like, "Uninitialised, with the shape and dtype of `input`.");
  def_like(m, "zeros_like", &ops::zeros_like, "Zeros, with the shape and dtype of `input`.");
  def_like(m, "ones_like", &ops::ones_like, "Ones, with the shape and dtype of `input`.");
  def_function(
      m, "full_like", false,
      [](const Tensor& input, NumberArg value, OptDType dtype, const DeviceArg& device, bool requires_grad,
         OptBool pin_memory) {
        return make_as("full_like", place(device, input), requires_grad, pin_memory,
                       [&] { return ops::full_like(model(input, device), value, dtype); });
      },
      py::arg("input"), py::arg("fill_value"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument());

  m.def(
      "arange",
      [](NumberArg end, OptDType dtype, const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return make_as("arange", place(device), requires_grad, pin_memory,
                       [&] { return ops::arange(Scalar(std::int64_t{0}), end, Scalar(1), dtype, place(device)); });
      },
      py::arg("end"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, pin_argument(),
      "Numbers from `start` (0) up to, without, `end` in steps of `step` (1).");
  def_function(
      m, "arange", false,
      [](NumberArg start, NumberArg end, NumberArg step, OptDType dtype, const DeviceArg& device, bool requires_grad,
         OptBool pin_memory) {
        return make_as("arange", place(device), requires_grad, pin_memory,
                       [&] { return ops::arange(start, end, step, dtype, place(device)); });
      },
      py::arg("start"), py::arg("end"), py::arg("step") = Scalar(1), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument());
  def_function(
      m, "linspace", false,
      [](NumberArg start, NumberArg end, std::int64_t steps, OptDType dtype, const DeviceArg& device,
         bool requires_grad, OptBool pin_memory) {
        return make_as("linspace", place(device), requires_grad, pin_memory,
                       [&] { return ops::linspace(start, end, steps, dtype, place(device)); });
      },
      py::arg("start"), py::arg("end"), py::arg("steps"), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "`steps` numbers from `start` to `end`, both included, at equal distances.");
  def_function(
      m, "eye", false,
      [](std::int64_t n, std::optional<std::int64_t> cols, OptDType dtype, const DeviceArg& device, bool requires_grad,
         OptBool pin_memory) {
        return make_as("eye", place(device), requires_grad, pin_memory,
                       [&] { return ops::eye(n, cols.value_or(n), dtype, place(device)); });
      },
      py::arg("n"), py::arg("m") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "Ones on the diagonal, zeros elsewhere.");

  def_random(m, "rand", &ops::rand, "Uniform in [0, 1).");
  def_random(m, "randn", &ops::randn, "Normal with mean 0 and standard deviation 1.");
  const auto randint = [](std::int64_t low, std::int64_t high, const Dims& size, const Ref<Generator>& generator,
                          OptDType dtype, const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
    return make_as("randint", place(device), requires_grad, pin_memory, [&] {
      return ops::randint(low, high, size, generator, dtype.value_or(DType::Int64), place(device));
    });
  };
  m.def(
      "randint",
      [randint](std::int64_t high, const Dims& size, const Ref<Generator>& generator, OptDType dtype,
                const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return randint(0, high, size, generator, dtype, device, requires_grad, pin_memory);
      },
      py::arg("high"), py::arg("size"), py::kw_only(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
      py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "Whole numbers from `low` (0) up to, without, `high`.");
  def_function(m, "randint", false, randint, py::arg("low"), py::arg("high"), py::arg("size"), py::kw_only(),
               py::arg("generator") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
               py::arg("requires_grad") = false, pin_argument());
  def_function(
      m, "randperm", false,
      [](std::int64_t n, const Ref<Generator>& generator, DType dtype, const DeviceArg& device, OptBool pin_memory) {
        return make_as("randperm", place(device), false, pin_memory,
                       [&] { return ops::randperm(n, generator, dtype, place(device)); });
      },
      py::arg("n"), py::kw_only(), py::arg("generator") = py::none(), py::arg("dtype") = DType::Int64,
      py::arg("device") = py::none(), pin_argument(), "The numbers 0 to n-1 in random order.");
  const auto rand_like = [&m](const char* op, auto make) {
    def_function(
        m, op, false,
        [op, make](const Tensor& input, const Ref<Generator>& generator, OptDType dtype, const DeviceArg& device,
                   bool requires_grad, OptBool pin_memory) {
          return make_as(op, place(device, input), requires_grad, pin_memory, [&] {
            return make(input.shape(), generator, dtype.value_or(input.dtype()), place(device, input));
          });
        },
        py::arg("input"), py::kw_only(), py::arg("generator") = py::none(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument());
  };
  rand_like("rand_like", &ops::rand);
  rand_like("randn_like", &ops::randn);
  const auto randint_like = [](const Tensor& input, std::int64_t low, std::int64_t high,
                               const Ref<Generator>& generator, OptDType dtype, const DeviceArg& device,
                               bool requires_grad, OptBool pin_memory) {
    return make_as("randint_like", place(device, input), requires_grad, pin_memory, [&] {
      return ops::randint(low, high, input.shape(), generator, dtype.value_or(input.dtype()), place(device, input));
    });
  };
  m.def(
      "randint_like",
      [randint_like](const Tensor& input, std::int64_t high, const Ref<Generator>& generator, OptDType dtype,
                     const DeviceArg& device, bool requires_grad, OptBool pin_memory) {
        return randint_like(input, 0, high, generator, dtype, device, requires_grad, pin_memory);
      },
      py::arg("input"), py::arg("high"), py::kw_only(), py::arg("generator") = py::none(),
      py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false, pin_argument(),
      "Whole numbers with low <= n < high, of the shape and dtype of `input`; low is 0 by default.");
  def_function(m, "randint_like", false, randint_like, py::arg("input"), py::arg("low"), py::arg("high"), py::kw_only(),
               py::arg("generator") = py::none(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
               py::arg("requires_grad") = false, pin_argument());
}

}  // namespace verigrad::bindings
