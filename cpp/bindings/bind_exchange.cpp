// Memory shared with other libraries: DLPack capsules and the buffer protocol.
//
// DLPack: https://dmlc.github.io/dlpack/latest/c_api.html and, for its use from Python,
// https://data-apis.org/array-api/latest/API_specification/generated/array_api.array.__dlpack__.html
#include <algorithm>
#include <cstring>

#include "core/backend.h"
#include "python.h"

namespace verigrad::bindings {
namespace {

// The structures of DLPack 1.0, as its C interface lays them out.
namespace dl {

enum DeviceKind : std::int32_t { kCPU = 1, kCUDA = 2, kCUDAHost = 3 };
enum Code : std::uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBool = 6 };
constexpr std::uint64_t kReadOnly = 1, kCopied = 2;  // flags

struct Where {
  std::int32_t kind;
  std::int32_t index;
};
struct Type {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};
struct Array {
  void* data;
  Where device;
  std::int32_t ndim;
  Type dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null for row-major
  std::uint64_t byte_offset;
};
struct Plain {
  Array array;
  void* context;
  void (*deleter)(Plain*);

  static constexpr const char *kName = "dltensor", *kUsed = "used_dltensor";
};
struct Versioned {
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  std::uint64_t flags;
  Array array;

  static constexpr const char *kName = "dltensor_versioned", *kUsed = "used_dltensor_versioned";
};

}  // namespace dl

dl::Type type_of(DType dtype) {
  const auto bits = static_cast<std::uint8_t>(8 * itemsize(dtype));
  if (dtype == DType::Bool) return {dl::kBool, bits, 1};
  if (dtype == DType::UInt8) return {dl::kUInt, bits, 1};
  return {is_floating_point(dtype) ? dl::kFloat : dl::kInt, bits, 1};
}

dl::Where where_is(const Tensor& tensor) {
  const Device device = tensor.device();
  return device.type == DeviceType::CUDA ? dl::Where{dl::kCUDA, device.index} : dl::Where{dl::kCPU, 0};
}

[[noreturn]] void refuse(const std::string& text) { throw py::buffer_error(text); }

/// What a capsule points to: it keeps the tensor's memory until its taker calls the deleter.
template <class Managed>
struct Exported {
  Managed managed{};
  Tensor tensor;
  Dims shape, strides;
};

template <class Managed>
py::object make_capsule(const Tensor& tensor, std::uint64_t flags) {
  auto own = std::make_unique<Exported<Managed>>();
  own->tensor = alias(tensor);
  own->shape = tensor.shape();
  own->strides = tensor.strides();
  Managed& managed = own->managed;
  managed.array = {tensor.data(),
                   where_is(tensor),
                   tensor.ndim(),
                   type_of(tensor.dtype()),
                   own->shape.begin(),
                   own->strides.begin(),
                   0};
  managed.context = own.get();
  managed.deleter = [](Managed* taken) { delete static_cast<Exported<Managed>*>(taken->context); };
  if constexpr (std::is_same_v<Managed, dl::Versioned>) {
    managed.major = 1;
    managed.flags = flags;
  }
  PyObject* capsule = PyCapsule_New(&managed, Managed::kName, [](PyObject* unused) {
    if (!PyCapsule_IsValid(unused, Managed::kName)) return;  // somebody took it, and deletes it
    auto* left = static_cast<Managed*>(PyCapsule_GetPointer(unused, Managed::kName));
    left->deleter(left);
  });
  if (!capsule) throw py::error_already_set();
  own.release();
  return py::reinterpret_steal<py::object>(capsule);
}

py::object export_tensor(const Tensor& self, const py::object& stream, const std::optional<py::tuple>& max_version,
                         const std::optional<std::pair<std::int32_t, std::int32_t>>& dl_device,
                         const std::optional<bool>& copy) {
  if (self.requires_grad()) refuse("Can't export tensors that require gradient, use tensor.detach()");
  if (!stream.is_none() && !PyLong_CheckExact(stream.ptr())) VG_THROW(TypeError, "stream must be ``int`` or ``none``");
  Tensor tensor = self;
  if (dl_device) {
    const dl::Where here = where_is(self);
    if (*dl_device != std::pair(here.kind, here.index)) {
      VG_CHECK(!copy || *copy, ValueError, "__dlpack__: expected copy=None or copy=True for a tensor on ",
               self.device(), " that is to go to another device, got copy=False");
      if (dl_device->first != dl::kCPU) refuse("__dlpack__: expected dl_device to be the tensor's device or the CPU");
      tensor = ops::to(self, self.dtype(), kHost);
    }
  }
  const bool copied = !tensor.is_same(self) || copy.value_or(false);
  if (copied && tensor.is_same(self)) tensor = ops::clone(self);
  // -1 asks for no waiting. A taker's stream may start where ours still has work, so that is waited for.
  if (tensor.device() != kHost && !(PyLong_CheckExact(stream.ptr()) && PyLong_AsLongLong(stream.ptr()) == -1)) {
    backend(tensor.device()).synchronize(tensor.device().index);
  }
  const bool versioned = max_version && max_version->size() > 0 && (*max_version)[0].cast<int>() >= 1;
  return versioned ? make_capsule<dl::Versioned>(tensor, copied ? dl::kCopied : 0) : make_capsule<dl::Plain>(tensor, 0);
}

void copy_strided(char* to, const char* from, const Dims& shape, const Dims& strides, int dim, std::int64_t item) {
  if (dim == shape.size()) {
    std::memcpy(to, from, static_cast<std::size_t>(item));
    return;
  }
  std::int64_t inner = item;
  for (int d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  for (std::int64_t i = 0; i < shape[dim]; ++i) {
    copy_strided(to + i * inner, from + i * strides[dim] * item, shape, strides, dim + 1, item);
  }
}

DType dtype_of(const dl::Type& type) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const dl::Type known = type_of(static_cast<DType>(i));
    if (type.code == known.code && type.bits == known.bits && type.lanes == 1) return static_cast<DType>(i);
  }
  refuse(detail::concat("from_dlpack: expected bool, uint8, int32, int64, float32 or float64, got DLPack's type code ",
                        static_cast<int>(type.code), " of ", static_cast<int>(type.bits), " bits and ", type.lanes,
                        " lanes"));
}

Device device_of(const dl::Where& where) {
  if (where.kind == dl::kCPU || where.kind == dl::kCUDAHost) return kHost;
  if (where.kind != dl::kCUDA || where.index < 0 || where.index > 127) {
    refuse(detail::concat("from_dlpack: expected memory of the CPU or of CUDA, got DLPack's device ", where.kind, ":",
                          where.index));
  }
  const Device device{DeviceType::CUDA, static_cast<std::int8_t>(where.index)};
  backend(device);  // raises where there is none
  return device;
}

template <class Managed>
Tensor take(PyObject* capsule, const std::optional<bool>& copy) {
  auto* const managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::kName));
  if (!managed) throw py::error_already_set();
  std::uint64_t flags = 0;
  if constexpr (std::is_same_v<Managed, dl::Versioned>) {
    if (managed->major != 1) {
      refuse(detail::concat("from_dlpack: expected DLPack of version 1, got ", managed->major, ".", managed->minor));
    }
    flags = managed->flags;
  }
  const dl::Array& array = managed->array;
  const DType dtype = dtype_of(array.dtype);
  const Device device = device_of(array.device);
  const std::int64_t item = itemsize(dtype);
  if (array.ndim < 0 || (array.ndim > 0 && !array.shape)) refuse("from_dlpack: expected a shape, got none");
  Dims shape, strides;
  for (std::int32_t d = 0; d < array.ndim; ++d) {
    if (array.shape[d] < 0) refuse(detail::concat("from_dlpack: expected sizes of 0 or more, got ", array.shape[d]));
    shape.push_back(array.shape[d]);
  }
  const std::int64_t numel = checked_numel("from_dlpack", shape);
  strides = contiguous_strides(shape);
  std::int64_t extent = numel == 0 ? 0 : 1;
  bool reversed = false;
  for (int d = 0; d < shape.size() && numel > 0; ++d) {
    if (array.strides && shape[d] > 1) strides[d] = array.strides[d];
    reversed = reversed || strides[d] < 0;
    extent += (shape[d] - 1) * strides[d];
  }
  char* const data = static_cast<char*>(array.data) + array.byte_offset;
  const bool misaligned = reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(item) != 0;
  const char* const reason = flags & dl::kReadOnly ? "read-only memory, which a tensor must not share"
                             : reversed            ? "negative strides"
                             : misaligned          ? "memory that is not aligned to the element size"
                                                   : nullptr;
  if (reason && copy && !*copy) {
    refuse(
        detail::concat("from_dlpack: expected what a tensor can share, got ", reason, "; pass copy=None to copy it"));
  }
  const bool copies = reason || (copy.value_or(false) && !(flags & dl::kCopied));
  if (copies && device != kHost && (reversed || misaligned)) {
    refuse(detail::concat("from_dlpack: expected what a tensor can share, got ", reason));
  }
  const auto release = [managed] {
    if (!managed->deleter || !Py_IsInitialized()) return;
    const py::gil_scoped_acquire gil;
    managed->deleter(managed);
  };
  Tensor out;
  if (copies && device == kHost) {
    out = ops::empty(shape, dtype, kHost);
    if (numel > 0) copy_strided(static_cast<char*>(out.data()), data, shape, strides, 0, item);
    PyCapsule_SetName(capsule, Managed::kUsed);
    release();
    return out;
  }
  // From here on the storage calls the deleter, whatever happens.
  auto storage = make_ref<Storage>(data, extent * item, device, release);
  PyCapsule_SetName(capsule, Managed::kUsed);
  out = Tensor(make_ref<TensorImpl>(std::move(storage), dtype, shape, strides, 0, numel));
  return copies ? ops::clone(out) : out;
}

Tensor from_capsule(const py::object& capsule, const std::optional<bool>& copy) {
  PyObject* const object = capsule.ptr();
  VG_CHECK(PyCapsule_CheckExact(object), TypeError,
           "from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got ", Py_TYPE(object)->tp_name);
  if (PyCapsule_IsValid(object, dl::Versioned::kName)) return take<dl::Versioned>(object, copy);
  VG_CHECK(
      PyCapsule_IsValid(object, dl::Plain::kName), RuntimeError,
      "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, so you might "
      "have already constructed a tensor from it once.");
  return take<dl::Plain>(object, copy);
}

// The buffer protocol: memoryview(tensor).

struct Exposed {
  Tensor tensor;  // its storage, whatever becomes of .data
  std::vector<Py_ssize_t> shape, strides;
};

constexpr const char* kFormats[kDTypeCount] = {"?", "B", "i", "l", "f", "d"};
static_assert(sizeof(long) == 8 && sizeof(int) == 4);

void fill_view(PyObject* self, Py_buffer* view, int flags) {
  const Tensor tensor = unwrap(self);
  if (tensor.requires_grad()) refuse("Can't export tensors that require gradient, use tensor.detach()");
  if (tensor.device() != kHost) {
    refuse(detail::concat("memoryview: expected a tensor on the CPU, got one on ", tensor.device()));
  }
  auto own = std::make_unique<Exposed>();
  own->tensor = alias(tensor);
  const std::int64_t item = itemsize(tensor.dtype());
  for (int d = 0; d < tensor.ndim(); ++d) {
    own->shape.push_back(tensor.shape()[d]);
    own->strides.push_back(tensor.strides()[d] * item);
  }
  view->buf = tensor.data();
  view->len = tensor.numel() * item;
  view->itemsize = item;
  view->readonly = 0;
  view->ndim = tensor.ndim();
  view->format = const_cast<char*>(kFormats[static_cast<int>(tensor.dtype())]);
  view->shape = own->shape.data();
  view->strides = own->strides.data();
  view->suboffsets = nullptr;
  const auto asked = [flags](int what) { return (flags & what) == what; };
  const char order = asked(PyBUF_ANY_CONTIGUOUS) ? 'A' : asked(PyBUF_F_CONTIGUOUS) ? 'F' : 'C';
  const bool any =
      asked(PyBUF_STRIDES) && !asked(PyBUF_ANY_CONTIGUOUS) && !asked(PyBUF_F_CONTIGUOUS) && !asked(PyBUF_C_CONTIGUOUS);
  if (!any && !PyBuffer_IsContiguous(view, order)) {
    refuse("memoryview: expected a contiguous tensor for a reader that takes no strides; call contiguous()");
  }
  if (!asked(PyBUF_FORMAT)) view->format = nullptr;
  if (!asked(PyBUF_ND)) view->shape = nullptr;
  if (!asked(PyBUF_STRIDES)) view->strides = nullptr;
  Py_INCREF(self);
  view->obj = self;
  view->internal = own.release();
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  try {
    fill_view(self, view, flags);
    return 0;
  } catch (...) {
    view->obj = nullptr;
    set_python_error();
    return -1;
  }
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Exposed*>(view->internal); }

}  // namespace

void bind_buffer(PyHeapTypeObject* type) {
  type->as_buffer = {get_buffer, release_buffer};
  type->ht_type.tp_as_buffer = &type->as_buffer;
}

void bind_exchange(py::module_& m, TensorClass& cls) {
  cls.def("__dlpack__", &export_tensor, py::kw_only(), py::arg("stream") = py::none(),
          py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(), py::arg("copy") = py::none(),
          "A DLPack capsule over the tensor's memory, for another library's from_dlpack.\n\n"
          "`max_version` of (1, 0) or more gives a versioned one; `copy` True gives memory of its own; `dl_device` is "
          "the\n"
          "tensor's device or the CPU, (1, 0). On CUDA the device is waited for, unless `stream` is -1. Raises\n"
          "BufferError for a tensor that requires a gradient.")
      .def(
          "__dlpack_device__",
          [](const Tensor& t) {
            const dl::Where where = where_is(t);
            return py::make_tuple(where.kind, where.index);
          },
          "DLPack's kind of device, 1 for the CPU and 2 for CUDA, and its number.");
  m.def("_from_capsule", &from_capsule, py::arg("capsule"), py::arg("copy") = py::none());
}

}  // namespace verigrad::bindings
