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

Tensor to(const Tensor& self, DType dtype, Device device) {
  if (self.device() == device) return to(self, dtype);
  const Tensor source = contiguous(to(detach(self), dtype));
  const Tensor out = empty_tensor(self.shape(), dtype, device);
  copy_memory(device, out.data(), source.device(), source.data(), out.numel() * itemsize(dtype));
  if (!is_floating_point(dtype)) return out;
  return record("ToCopyBackward0", out, {self}, {}, [](Node& n, const Tensor& g) -> TensorList {
    return {to(g, input_meta(n, 0).dtype, input_meta(n, 0).device)};
  });
}

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
