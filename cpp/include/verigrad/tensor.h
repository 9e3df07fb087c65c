// Tensor: a counted handle to a strided view of a storage. No op logic lives here.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "verigrad/device.h"
#include "verigrad/dtype.h"
#include "verigrad/ref.h"
#include "verigrad/shape.h"

namespace verigrad {

class Tensor;
class Node;
struct AutogradMeta;

/// Counts in-place changes, so that a saved tensor can tell that it was changed.
class Version final : public RefCounted {
 public:
  explicit Version(std::uint32_t value = 0) : value_(value) {}
  std::uint32_t value() const { return value_.load(std::memory_order_relaxed); }
  void bump() { value_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> value_;
};

/// A block of one device's memory. Its version counts in-place changes through any of the tensors that share it.
class Storage final : public RefCounted {
 public:
  /// Uninitialised memory of the device's caching allocator, aligned to 64 bytes.
  Storage(std::int64_t nbytes, Device device);
  /// Foreign memory of the device; `release` runs when the last tensor goes.
  Storage(void* data, std::int64_t nbytes, Device device, std::function<void()> release);
  ~Storage() override;

  void* data() const { return data_; }
  std::int64_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  Version& version() { return version_; }

 private:
  void* data_;
  std::int64_t nbytes_;
  Device device_;
  std::function<void()> release_;
  Version version_;
};

class TensorImpl final : public RefCounted {
 public:
  TensorImpl(Ref<Storage> storage, DType dtype, const Dims& shape, const Dims& strides, std::int64_t offset,
             std::int64_t numel);
  /// The same view of the same storage, without autograd state.
  TensorImpl(const TensorImpl& other);
  ~TensorImpl() override;

  Ref<Storage> storage;
  Dims shape;
  Dims strides;
  std::int64_t offset;  // in elements
  std::int64_t numel;
  DType dtype;
  bool contiguous;
  bool inference = false;
  /// A view taken while recording was off: its base would not notice a recorded change.
  bool untracked_view = false;
  /// The version of `tensor.data`, of a tensor whose .data was replaced, and of their views; null for the storage's.
  Ref<Version> own_version;
  /// Null until the tensor takes part in autograd.
  std::unique_ptr<AutogradMeta> meta;
  /// What a binding keeps with the tensor beyond its own handle to it; freed with the tensor.
  Ref<RefCounted> companion;

 private:
  void destroy() override;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  const Dims& shape() const { return impl_->shape; }
  const Dims& strides() const { return impl_->strides; }
  int ndim() const { return impl_->shape.size(); }
  /// Size of a dimension, counted from the end where negative (checked).
  std::int64_t size(std::int64_t dim) const { return shape()[wrap_dim("size", dim, ndim())]; }
  std::int64_t numel() const { return impl_->numel; }
  std::int64_t offset() const { return impl_->offset; }
  DType dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage->device(); }
  bool is_contiguous() const { return impl_->contiguous; }

  void* data() const { return static_cast<char*>(impl_->storage->data()) + impl_->offset * itemsize(impl_->dtype); }
  template <class T>
  T* data_as() const {
    return static_cast<T*>(data());
  }
  const Ref<Storage>& storage() const { return impl_->storage; }
  std::uint32_t version() const { return version_counter().value(); }
  void bump_version() const { version_counter().bump(); }

  // Autograd state; see autograd.h for what it means.
  bool requires_grad() const;
  void set_requires_grad(bool value) const;
  bool is_leaf() const;
  Ref<Node> grad_fn() const;
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  /// tensor.data = other: takes over memory, shape and dtype; keeps the version and the history.
  void set_data(const Tensor& other) const;

 private:
  Version& version_counter() const { return impl_->own_version ? *impl_->own_version : impl_->storage->version(); }

  Ref<TensorImpl> impl_;
};

/// A new contiguous tensor with uninitialised elements.
Tensor empty_tensor(const Dims& shape, DType dtype, Device device);
/// Another tensor over the same storage, without autograd state.
Tensor alias(const Tensor& self, const Dims& shape, const Dims& strides, std::int64_t offset);
Tensor alias(const Tensor& self);

}  // namespace verigrad
