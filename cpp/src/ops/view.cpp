// Views: another shape over the same memory. Each VJP undoes the view.
#include "autograd/record.h"
#include "core/allocator.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

namespace {

/// VJP of every view that keeps all elements in the order of the shape.
constexpr auto reshape_back = [](Node& n, const Tensor& g) -> TensorList {
  return {reshape(g, input_meta(n, 0).shape)};
};

Tensor reshaped(const char* node, const Tensor& self, const Dims& shape, const Dims& strides) {
  return record_view(node, alias(self, shape, strides, self.offset()), self, reshape_back);
}

/// Gradient of a slice: zeros with `g` in its place. A slice is its VJP again.
Tensor slice_backward(const Tensor& g, const Dims& shape, int dim, std::int64_t start, std::int64_t step) {
  const Tensor out = zeros(shape, g.dtype(), g.device());
  if (g.numel() > 0) {
    Dims strides = out.strides();
    if (g.shape()[dim] > 1) strides[dim] *= step;
    copy_out(alias(out, g.shape(), strides, start * out.strides()[dim]), g);
  }
  return record("SliceBackwardBackward0", out, {g}, {}, [dim, start, step](Node& n, const Tensor& gg) -> TensorList {
    const std::int64_t count = input_meta(n, 0).shape[dim];
    const std::int64_t stop = count == 0 ? start : start + (count - 1) * step + 1;
    return {slice(gg, dim, start, stop, step)};
  });
}

/// The offset of the elements from position `by` of dimension d on; a tensor without elements stays where it is.
std::int64_t moved(const Tensor& self, int d, std::int64_t by) {
  return self.numel() == 0 ? self.offset() : self.offset() + by * self.strides()[d];
}

Tensor swap_dims(const Tensor& self, int a, int b) {
  Dims shape, strides;
  for (int d = 0; d < self.ndim(); ++d) {
    const int from = d == a ? b : (d == b ? a : d);
    shape.push_back(self.shape()[from]);
    strides.push_back(self.strides()[from]);
  }
  return alias(self, shape, strides, self.offset());
}

}  // namespace

Tensor view(const Tensor& self, const Dims& size) {
  const Dims shape = infer_size("view", size, self.numel());
  Dims strides;
  VG_CHECK(view_strides(self.shape(), self.strides(), shape, strides), RuntimeError, "view: size ", shape,
           " is not compatible with input tensor's size ", self.shape(), " and stride ", self.strides(),
           " (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.");
  return reshaped("ViewBackward0", self, shape, strides);
}

Tensor reshape(const Tensor& self, const Dims& size) {
  const Dims shape = infer_size("reshape", size, self.numel());
  if (shape == self.shape()) return view(self, shape);
  Dims strides;
  if (view_strides(self.shape(), self.strides(), shape, strides))
    return reshaped("ViewBackward0", self, shape, strides);
  return view(clone(self), shape);
}

Tensor flatten(const Tensor& self, std::int64_t start_dim, std::int64_t end_dim) {
  const int first = wrap_dim("flatten", start_dim, self.ndim()), last = wrap_dim("flatten", end_dim, self.ndim());
  VG_CHECK(first <= last, RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim, got ",
           start_dim, " and ", end_dim);
  if (self.ndim() == 0) return reshape(self, {1});
  if (first == last) return self;
  Dims shape, merged;
  for (int d = 0; d < self.ndim(); ++d) {
    (d < first || d > last ? shape : merged).push_back(self.shape()[d]);
    if (d == last) shape.push_back(checked_numel("flatten", merged));
  }
  return reshape(self, shape);
}

Tensor transpose(const Tensor& self, std::int64_t dim0, std::int64_t dim1) {
  const int a = wrap_dim("transpose", dim0, self.ndim()), b = wrap_dim("transpose", dim1, self.ndim());
  return record_view("TransposeBackward0", swap_dims(self, a, b), self,
                     [a, b](Node&, const Tensor& g) -> TensorList { return {transpose(g, a, b)}; });
}

Tensor t(const Tensor& self) {
  VG_CHECK(self.ndim() <= 2, RuntimeError, "t() expects a tensor with <= 2 dimensions, but self is ", self.ndim(), "D");
  if (self.ndim() < 2) return view(self, self.shape());
  return record_view("TBackward0", swap_dims(self, 0, 1), self,
                     [](Node&, const Tensor& g) -> TensorList { return {t(g)}; });
}

Tensor permute(const Tensor& self, const DimList& dims) {
  VG_CHECK(static_cast<int>(dims.size()) == self.ndim(), RuntimeError,
           "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
           "ordering of dimensions i.e. input.dim() = ",
           self.ndim(), " is not equal to len(dims) = ", dims.size());
  Dims shape, strides;
  DimList inverse(dims.size(), -1);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const int d = wrap_dim("permute", dims[i], self.ndim());
    VG_CHECK(inverse[static_cast<std::size_t>(d)] < 0, RuntimeError, "permute(): duplicate dims are not allowed, got ",
             Dims(dims));
    inverse[static_cast<std::size_t>(d)] = static_cast<std::int64_t>(i);
    shape.push_back(self.shape()[d]);
    strides.push_back(self.strides()[d]);
  }
  return record_view("PermuteBackward0", alias(self, shape, strides, self.offset()), self,
                     [inverse](Node&, const Tensor& g) -> TensorList { return {permute(g, inverse)}; });
}

Tensor unsqueeze(const Tensor& self, std::int64_t dim) {
  const int d = wrap_dim("unsqueeze", dim, self.ndim() + 1);
  Dims shape, strides;
  for (int i = 0; i <= self.ndim(); ++i) {
    const bool inside = i < self.ndim();
    if (i == d) {
      shape.push_back(1);
      strides.push_back(inside ? wrapping_mul(self.shape()[i], self.strides()[i]) : 1);
    }
    if (inside) {
      shape.push_back(self.shape()[i]);
      strides.push_back(self.strides()[i]);
    }
  }
  return record_view("UnsqueezeBackward0", alias(self, shape, strides, self.offset()), self, reshape_back);
}

Tensor squeeze(const Tensor& self, const std::optional<DimList>& dims) {
  std::vector<bool> drop(static_cast<std::size_t>(std::max(self.ndim(), 1)), !dims.has_value());
  if (dims) {
    for (std::int64_t dim : *dims) {
      const auto d = static_cast<std::size_t>(wrap_dim("squeeze", dim, self.ndim()));
      VG_CHECK(!drop[d] || dims->size() == 1, RuntimeError, "squeeze: dim ", dim,
               " appears multiple times in the list of dims");
      drop[d] = true;
    }
  }
  Dims shape, strides;
  for (int d = 0; d < self.ndim(); ++d) {
    if (drop[static_cast<std::size_t>(d)] && self.shape()[d] == 1) continue;
    shape.push_back(self.shape()[d]);
    strides.push_back(self.strides()[d]);
  }
  const char* node = !dims ? "SqueezeBackward0" : (dims->size() == 1 ? "SqueezeBackward1" : "SqueezeBackward2");
  return record_view(node, alias(self, shape, strides, self.offset()), self, reshape_back);
}

Tensor expand(const Tensor& self, const Dims& size) {
  VG_CHECK(size.size() >= self.ndim(), RuntimeError, "expand(", self.shape(), ", size=", size,
           "): the number of sizes provided (", size.size(),
           ") must be greater or equal to the number of dimensions in the tensor (", self.ndim(), ")");
  Dims shape = size;
  const int lead = size.size() - self.ndim();
  for (int i = 0; i < size.size(); ++i) {
    const std::int64_t have = i < lead ? 1 : self.shape()[i - lead];
    if (size[i] == -1) {
      VG_CHECK(i >= lead, RuntimeError, "expand(", self.shape(), ", size=", size,
               "): The expanded size of the tensor (-1) isn't "
               "allowed in a leading, non-existing dimension ",
               i);
      shape[i] = have;
    }
    VG_CHECK(shape[i] == have || (have == 1 && shape[i] >= 0), RuntimeError, "The expanded size of the tensor (",
             shape[i], ") must match the existing size (", have, ") at non-singleton dimension ", i,
             ".  Target sizes: ", size, ".  Tensor sizes: ", self.shape());
  }
  Dims strides(shape.size(), 0);
  for (int i = lead; i < shape.size(); ++i) {
    if (self.shape()[i - lead] == shape[i]) strides[i] = self.strides()[i - lead];
  }
  return record_view("ExpandBackward0", alias(self, shape, strides, self.offset()), self,
                     [](Node& n, const Tensor& g) -> TensorList { return {sum_to_shape(g, input_meta(n, 0).shape)}; });
}

Tensor select(const Tensor& self, std::int64_t dim, std::int64_t index) {
  VG_CHECK(self.ndim() > 0, IndexError, "select() cannot be applied to a 0-dim tensor.");
  const int d = wrap_dim("select", dim, self.ndim());
  const std::int64_t size = self.shape()[d];
  VG_CHECK(index >= -size && index < size, IndexError, "index ", index, " is out of bounds for dimension ", d,
           " with size ", size);
  const std::int64_t at = index < 0 ? index + size : index;
  Dims shape = self.shape(), strides = self.strides();
  const std::int64_t offset = moved(self, d, at);
  shape.erase(d);
  strides.erase(d);
  return record_view("SelectBackward0", alias(self, shape, strides, offset), self,
                     [d, at](Node& n, const Tensor& g) -> TensorList {
                       return {slice_backward(unsqueeze(g, d), input_meta(n, 0).shape, d, at, 1)};
                     });
}

Tensor slice(const Tensor& self, std::int64_t dim, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
             std::int64_t step) {
  VG_CHECK(self.ndim() > 0, RuntimeError, "slice() cannot be applied to a 0-dim tensor.");
  VG_CHECK(step > 0, ValueError, "slice step must be greater than zero, got ", step);
  const int d = wrap_dim("slice", dim, self.ndim());
  const std::int64_t size = self.shape()[d];
  const auto clip = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  const std::int64_t first = clip(start.value_or(0)), last = std::max(first, clip(stop.value_or(size)));
  Dims shape = self.shape(), strides = self.strides();
  const std::int64_t count = last == first ? 0 : (last - first - 1) / step + 1;
  const std::int64_t offset = count > 0 ? moved(self, d, first) : self.offset();
  shape[d] = count;
  if (count > 1) strides[d] = wrapping_mul(strides[d], step);
  return record_view("SliceBackward0", alias(self, shape, strides, offset), self,
                     [d, first, step](Node& n, const Tensor& g) -> TensorList {
                       return {slice_backward(g, input_meta(n, 0).shape, d, first, step)};
                     });
}

Tensor narrow(const Tensor& self, std::int64_t dim, std::int64_t start, std::int64_t length) {
  VG_CHECK(self.ndim() > 0, RuntimeError, "narrow() cannot be applied to a 0-dim tensor.");
  const int d = wrap_dim("narrow", dim, self.ndim());
  const std::int64_t size = self.shape()[d];
  VG_CHECK(length >= 0, RuntimeError, "narrow(): length must be non-negative.");
  VG_CHECK(start >= -size && start <= size, IndexError, "narrow: start out of range (expected to be in range of [",
           -size, ", ", size, "], but got ", start, ")");
  const std::int64_t first = start < 0 ? start + size : start;
  VG_CHECK(length <= size - first, RuntimeError, "start (", first, ") + length (", length, ") exceeds dimension size (",
           size, ").");
  return slice(self, d, first, first + length);
}

TensorList unbind(const Tensor& self, std::int64_t dim) {
  VG_CHECK(self.ndim() > 0, IndexError, "unbind: Dimension specified as ", dim, " but tensor has no dimensions");
  const int d = wrap_dim("unbind", dim, self.ndim());
  const std::int64_t count = self.shape()[d];
  // An expanded dimension may have any size; refused here, not when the machine's memory is full.
  VG_CHECK(count <= physical_memory() / static_cast<std::int64_t>(sizeof(TensorImpl)), RuntimeError,
           "unbind: not enough memory: you tried to make ", count, " tensors");
  TensorList out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(select(self, d, i));
  // One node for all of them; each stays a view that can be taken again on its own.
  if (!out.empty() && is_floating_point(self.dtype())) {
    record_list("UnbindBackward0", out, {self}, {},
                [d](Node&, const TensorList& g) -> TensorList { return {stack(g, d)}; });
  }
  return out;
}

// Joining.

Tensor cat(const TensorList& tensors, std::int64_t dim) {
  VG_CHECK(!tensors.empty(), ValueError, "cat: expected a non-empty list of Tensors");
  // A 1-d tensor without elements joins anything, as in PyTorch.
  const auto skipped = [](const Tensor& x) { return x.ndim() == 1 && x.numel() == 0; };
  const Tensor* model = &tensors[0];
  DType dtype = tensors[0].dtype();
  for (const Tensor& x : tensors) {
    VG_CHECK(x.ndim() > 0, RuntimeError, "zero-dimensional tensor cannot be concatenated");
    check_same_device("cat", tensors[0], x);
    dtype = promote_types(dtype, x.dtype());
    if (skipped(*model)) model = &x;
  }
  const int d = wrap_dim("cat", dim, model->ndim());
  Dims shape = model->shape();
  shape[d] = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    if (skipped(x)) continue;
    VG_CHECK(x.ndim() == model->ndim(), RuntimeError, "Tensors must have same number of dimensions: got ",
             model->ndim(), " and ", x.ndim());
    for (int k = 0; k < x.ndim(); ++k) {
      VG_CHECK(k == d || x.shape()[k] == shape[k], RuntimeError, "Sizes of tensors must match except in dimension ", d,
               ". Expected size ", shape[k], " but got size ", x.shape()[k], " for tensor number ", i, " in the list.");
    }
    shape[d] = checked_add("cat", shape[d], x.shape()[d]);
  }
  const Tensor out = empty_tensor(shape, dtype, model->device());
  std::int64_t at = 0;
  for (const Tensor& x : tensors) {
    if (x.numel() == 0) continue;
    copy_out(alias(out, x.shape(), out.strides(), at * out.strides()[d]), x);
    at += x.shape()[d];
  }
  if (is_floating_point(dtype)) {
    DimList sizes;  // along the joined dimension, -1 for what was skipped
    for (const Tensor& x : tensors) sizes.push_back(skipped(x) ? -1 : x.shape()[d]);
    record_list("CatBackward0", {out}, tensors, {}, [d, sizes](Node& n, const TensorList& g) {
      TensorList grads(sizes.size());
      std::int64_t first = 0;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (const int k = static_cast<int>(i); n.needs(k)) {
          const GradMeta& meta = input_meta(n, k);
          grads[i] = sizes[i] < 0 ? zeros(meta.shape, meta.dtype, meta.device)
                                  : to(narrow(g[0], d, first, sizes[i]), meta.dtype);
        }
        first += std::max<std::int64_t>(sizes[i], 0);
      }
      return grads;
    });
  }
  return out;
}

Tensor stack(const TensorList& tensors, std::int64_t dim) {
  VG_CHECK(!tensors.empty(), RuntimeError, "stack expects a non-empty TensorList");
  const int d = wrap_dim("stack", dim, tensors[0].ndim() + 1);
  DType dtype = tensors[0].dtype();
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    VG_CHECK(tensors[i].shape() == tensors[0].shape(), RuntimeError,
             "stack expects each tensor to be equal size, but got ", tensors[0].shape(), " at entry 0 and ",
             tensors[i].shape(), " at entry ", i);
    check_same_device("stack", tensors[0], tensors[i]);
    dtype = promote_types(dtype, tensors[i].dtype());
  }
  Dims shape = tensors[0].shape();
  shape.insert(d, static_cast<std::int64_t>(tensors.size()));
  const Tensor out = empty_tensor(shape, dtype, tensors[0].device());
  Dims strides = out.strides();
  const std::int64_t step = strides[d];
  strides.erase(d);
  for (std::size_t i = 0; out.numel() > 0 && i < tensors.size(); ++i) {
    copy_out(alias(out, tensors[i].shape(), strides, static_cast<std::int64_t>(i) * step), tensors[i]);
  }
  if (is_floating_point(dtype)) {
    record_list("StackBackward0", {out}, tensors, {}, [d](Node& n, const TensorList& g) {
      TensorList grads;
      for (int i = 0; i < static_cast<int>(n.edges.size()); ++i) {
        grads.push_back(n.needs(i) ? to(select(g[0], d, i), input_meta(n, i).dtype) : Tensor());
      }
      return grads;
    });
  }
  return out;
}

}  // namespace verigrad::ops
