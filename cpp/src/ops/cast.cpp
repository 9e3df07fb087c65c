// Casts and copies.
#include "autograd/record.h"
#include "core/backend.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

Tensor to(const Tensor& self, DType dtype) {
  if (self.dtype() == dtype) return self;
  const Tensor out = empty_tensor(self.shape(), dtype, self.device());
  copy_out(out, self);
  if (!is_floating_point(dtype)) return out;
  return record("ToCopyBackward0", out, {self}, {},
                [](Node& n, const Tensor& g) -> TensorList { return {to(g, input_meta(n, 0).dtype)}; });
}

namespace {

/// The elements of `self` on another device.
Tensor moved(const Tensor& self, Device device, bool non_blocking) {
  const Tensor source = contiguous(self);
  const Tensor out = device == kHost && non_blocking ? empty_pinned("to", source.shape(), source.dtype())
                                                     : empty_tensor(source.shape(), source.dtype(), device);
  copy_memory(device, out.data(), source.device(), source.data(), out.numel() * itemsize(source.dtype()), non_blocking);
  return out;
}

}  // namespace

Tensor to(const Tensor& self, DType dtype, Device device, bool non_blocking) {
  if (self.device() == device) return to(self, dtype);
  // The host casts before, unless that would leave the page-locked memory.
  const bool cast_there = non_blocking && is_pinned(self);
  const Tensor source = detach(self);
  const Tensor out =
      cast_there ? to(moved(source, device, true), dtype) : moved(to(source, dtype), device, non_blocking);
  if (!is_floating_point(dtype)) return out;
  return record("ToCopyBackward0", out, {self}, {}, [](Node& n, const Tensor& g) -> TensorList {
    return {to(g, input_meta(n, 0).dtype, input_meta(n, 0).device)};
  });
}

Tensor empty_pinned(const char* op, const Dims& shape, DType dtype) {
  const std::int64_t numel = checked_numel(op, shape);
  return Tensor(make_ref<TensorImpl>(pinned_storage(op, checked_mul(op, numel, itemsize(dtype))), dtype, shape,
                                     contiguous_strides(shape), 0, numel));
}

Tensor pin_memory(const Tensor& self) {
  VG_CHECK(self.device() == kHost, RuntimeError, "pin_memory: expected a tensor of the CPU, got one of ", self.device(),
           "; only dense CPU tensors can be pinned");
  if (is_pinned(self)) return self;
  const Tensor out = empty_pinned("pin_memory", self.shape(), self.dtype());
  copy_out(out, self);
  return record("PinMemoryBackward0", out, {self}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

bool is_pinned(const Tensor& self) { return self.device() == kHost && verigrad::is_pinned(self.storage()->data()); }

Tensor clone(const Tensor& self) {
  const Tensor out = empty_tensor(self.shape(), self.dtype(), self.device());
  copy_out(out, self);
  return record("CloneBackward0", out, {self}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

Tensor contiguous(const Tensor& self) { return self.is_contiguous() ? self : clone(self); }

Tensor detach(const Tensor& self) { return alias(self); }

Scalar item(const Tensor& self) {
  VG_CHECK(self.numel() == 1, RuntimeError, "a Tensor with ", self.numel(), " elements cannot be converted to Scalar");
  return dispatch(self.dtype(), [&](auto tag) -> Scalar {
    using T = typename decltype(tag)::type;
    Stored<T> element;
    copy_memory(kHost, &element, self.device(), self.data(), sizeof element);
    const T value = element;
    if constexpr (std::is_same_v<T, bool>) return value;
    if constexpr (std::is_floating_point_v<T>) return static_cast<double>(value);
    return static_cast<std::int64_t>(value);
  });
}

}  // namespace verigrad::ops
