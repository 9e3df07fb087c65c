#include "verigrad/tensor.h"

#include "core/allocator.h"
#include "core/backend.h"
#include "verigrad/autograd.h"

namespace verigrad {

Storage::Storage(std::int64_t nbytes, Device device) : data_(nullptr), nbytes_(nbytes), device_(device) {
  data_ = device == kHost ? cpu_allocate(nbytes) : backend(device).allocate(device.index, nbytes);
}

Storage::Storage(void* data, std::int64_t nbytes, Device device, std::function<void()> release)
    : data_(data), nbytes_(nbytes), device_(device), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) {
    release_();
  } else if (device_ == kHost) {
    cpu_free(data_, nbytes_);
  } else {
    free_memory(device_, data_);
  }
}

TensorImpl::TensorImpl(Ref<Storage> storage_, DType dtype_, const Dims& shape_, const Dims& strides_,
                       std::int64_t offset_, std::int64_t numel_)
    : storage(std::move(storage_)),
      shape(shape_),
      strides(strides_),
      offset(offset_),
      numel(numel_),
      dtype(dtype_),
      contiguous(verigrad::is_contiguous(shape_, strides_)),
      inference(InferenceMode::enabled()) {}

TensorImpl::TensorImpl(const TensorImpl& other)
    : storage(other.storage),
      shape(other.shape),
      strides(other.strides),
      offset(other.offset),
      numel(other.numel),
      dtype(other.dtype),
      contiguous(other.contiguous),
      inference(InferenceMode::enabled()),
      own_version(other.own_version) {}

TensorImpl::~TensorImpl() = default;

// Only through its autograd state can a tensor hold others: x.grad.grad and so on, or a graph.
void TensorImpl::destroy() {
  if (meta) {
    destroy_in_turn();
  } else {
    delete this;
  }
}

Tensor empty_tensor(const Dims& shape, DType dtype, Device device) {
  const std::int64_t numel = checked_numel("empty", shape);
  return Tensor(make_ref<TensorImpl>(make_ref<Storage>(numel * itemsize(dtype), device), dtype, shape,
                                     contiguous_strides(shape), 0, numel));
}

Tensor alias(const Tensor& self, const Dims& shape, const Dims& strides, std::int64_t offset) {
  Tensor out(make_ref<TensorImpl>(self.storage(), self.dtype(), shape, strides, offset, checked_numel("view", shape)));
  out.impl()->own_version = self.impl()->own_version;
  return out;
}

Tensor alias(const Tensor& self) { return Tensor(make_ref<TensorImpl>(*self.impl())); }

}  // namespace verigrad
