// Elements in another order, or repeated: compositions of views, copies and selections by index.
#include "verigrad/rearrange.h"

#include "ops/changes.h"

namespace verigrad::ops {

Tensor repeat(const Tensor& self, const Dims& repeats) {
  VG_CHECK(repeats.size() >= self.ndim(), RuntimeError, "repeat: Number of dimensions of repeat dims (", repeats.size(),
           ") can not be smaller than number of dimensions of tensor (", self.ndim(), ")");
  // A dimension of its own for the copies, in front of the one that is repeated.
  const int lead = repeats.size() - self.ndim();
  Dims once, expanded, shape;
  for (int d = 0; d < repeats.size(); ++d) {
    const std::int64_t size = d < lead ? 1 : self.shape()[d - lead], times = repeats[d];
    VG_CHECK(times >= 0, RuntimeError, "repeat: Trying to create tensor with negative dimension ", times, ": ",
             repeats);
    shape.push_back(checked_mul("repeat", size, times));
    if (times != 1 && size != 1) {
      once.push_back(1);
      expanded.push_back(times);
    }
    once.push_back(size);
    expanded.push_back(size == 1 ? times : size);
  }
  checked_numel("repeat", shape);
  return reshape(clone(expand(reshape(self, once), expanded)), shape);
}

Tensor tile(const Tensor& self, const Dims& dims) {
  Dims repeats = dims;
  while (repeats.size() < self.ndim()) repeats.insert(0, 1);
  return repeat(self, repeats);
}

namespace {

/// The tensor and the dimension that repeat_interleave works on.
std::pair<Tensor, int> interleaved(const Tensor& self, std::optional<std::int64_t> dim) {
  if (!dim) return {reshape(self, {-1}), 0};
  const Tensor x = at_least_1d(self);
  return {x, wrap_dim("repeat_interleave", *dim, x.ndim())};
}

/// Index i counts[i] times, on the device of the counts.
Tensor expand_counts(const Tensor& counts_, std::optional<std::int64_t> output_size) {
  VG_CHECK(counts_.dtype() == DType::Int64 || counts_.dtype() == DType::Int32, NotImplementedError,
           "repeat_interleave: not implemented for repeats of dtype ", counts_.dtype(), ", expected int64 or int32");
  const Tensor counts = contiguous(to(counts_, DType::Int64, kHost));
  const auto* times = counts.data_as<std::int64_t>();
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < counts.numel(); ++i) {
    VG_CHECK(times[i] >= 0, RuntimeError, "repeat_interleave: repeats can not be negative, got ", times[i]);
    total = checked_add("repeat_interleave", total, times[i]);
  }
  VG_CHECK(!output_size || *output_size == total, RuntimeError,
           "repeat_interleave: allocated size does not match required size, expected output_size ", total, ", got ",
           output_size.value_or(0));
  const Tensor index = empty_tensor({total}, DType::Int64, kHost);
  auto* out = index.data_as<std::int64_t>();
  for (std::int64_t i = 0; i < counts.numel(); ++i) out = std::fill_n(out, times[i], i);
  return to(index, DType::Int64, counts_.device());
}

}  // namespace

Tensor repeat_interleave(const Tensor& self, std::int64_t repeats, std::optional<std::int64_t> dim,
                         std::optional<std::int64_t> output_size) {
  const auto [x, d] = interleaved(self, dim);
  VG_CHECK(repeats >= 0, RuntimeError, "repeat_interleave: Repeats must be non-negative, got ", repeats);
  const std::int64_t total = checked_mul("repeat_interleave", x.shape()[d], repeats);
  VG_CHECK(!output_size || *output_size == total, RuntimeError, "repeat_interleave: Invalid output_size, expected ",
           total, " but got ", output_size.value_or(0));
  Dims shape = x.shape(), expanded = x.shape();
  expanded.insert(d + 1, repeats);
  shape[d] = total;
  checked_numel("repeat_interleave", shape);
  return reshape(clone(expand(unsqueeze(x, d + 1), expanded)), shape);
}

Tensor repeat_interleave(const Tensor& self, const Tensor& repeats, std::optional<std::int64_t> dim,
                         std::optional<std::int64_t> output_size) {
  const auto [x, d] = interleaved(self, dim);
  VG_CHECK(repeats.ndim() <= 1, RuntimeError, "repeat_interleave: repeats must be 0-dim or 1-dim tensor, got shape ",
           repeats.shape());
  const std::int64_t size = x.shape()[d];
  VG_CHECK(repeats.numel() == size || repeats.ndim() == 0 || repeats.numel() == 1, RuntimeError,
           "repeat_interleave: repeats must have the same size as input along dim, but got repeats.size(0) = ",
           repeats.numel(), " and input.size(", d, ") = ", size);
  const Tensor index = expand_counts(expand(at_least_1d(repeats), {size}), output_size);
  return index_select(x, d, to(index, DType::Int64, x.device()));
}

Tensor repeat_interleave(const Tensor& repeats, std::optional<std::int64_t> output_size) {
  VG_CHECK(repeats.ndim() == 1, RuntimeError, "repeat_interleave: repeats must be 1-dim tensor, got shape ",
           repeats.shape());
  return to(expand_counts(repeats, output_size), repeats.dtype());
}

Tensor flip(const Tensor& self, const DimList& dims) {
  std::vector<bool> turned(static_cast<std::size_t>(std::max(self.ndim(), 1)));
  for (const std::int64_t dim : dims) {
    const auto d = static_cast<std::size_t>(wrap_dim("flip", dim, self.ndim()));
    VG_CHECK(!turned[d], RuntimeError, "flip: dim ", dim, " appears multiple times in the list of dims");
    turned[d] = true;
  }
  const Tensor out = empty_tensor(self.shape(), self.dtype(), self.device());
  if (self.numel() > 0) {
    // Read from the far end of each dimension in steps back, which no tensor but this one has.
    Dims strides = self.strides();
    std::int64_t offset = self.offset();
    for (int d = 0; d < self.ndim(); ++d) {
      if (!turned[static_cast<std::size_t>(d)]) continue;
      offset += (self.shape()[d] - 1) * strides[d];
      strides[d] = -strides[d];
    }
    copy_out(out, alias(self, self.shape(), strides, offset));
  }
  if (!is_floating_point(self.dtype())) return out;
  return record("FlipBackward0", out, {self}, {},
                [dims](Node&, const Tensor& g) -> TensorList { return {flip(g, dims)}; });
}

Tensor fliplr(const Tensor& self) {
  VG_CHECK(self.ndim() >= 2, RuntimeError, "fliplr: Input must be >= 2-d, got ", self.ndim(), "-d");
  return flip(self, {1});
}

Tensor flipud(const Tensor& self) {
  VG_CHECK(self.ndim() >= 1, RuntimeError, "flipud: Input must be >= 1-d, got ", self.ndim(), "-d");
  return flip(self, {0});
}

namespace {

/// `shift` modulo the size, from 0 on.
std::int64_t wrapped(std::int64_t shift, std::int64_t size) {
  const std::int64_t rest = size == 0 ? 0 : shift % size;
  return rest < 0 ? rest + size : rest;
}

}  // namespace

Tensor roll(const Tensor& self, const DimList& shifts, const DimList& dims) {
  VG_CHECK(!shifts.empty(), RuntimeError, "roll: `shifts` required");
  if (dims.empty() && shifts.size() == 1) {
    return reshape(roll(reshape(self, {-1}), shifts, {0}), self.shape());
  }
  VG_CHECK(shifts.size() == dims.size(), RuntimeError,
           "roll: shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  Tensor out = self;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    VG_CHECK(self.ndim() > 0, IndexError, "roll: Dimension specified as ", dims[i], " but tensor has no dimensions");
    const int d = wrap_dim("roll", dims[i], self.ndim());
    const std::int64_t size = self.shape()[d], cut = size - wrapped(shifts[i], size);
    out = cat({narrow(out, d, cut, size - cut), narrow(out, d, 0, cut)}, d);
  }
  return out;
}

Tensor rot90(const Tensor& self, std::int64_t k, const DimList& dims) {
  VG_CHECK(dims.size() == 2, RuntimeError, "rot90: expected total rotation dims == 2, but got dims = ", dims.size());
  VG_CHECK(self.ndim() >= 2, RuntimeError, "rot90: expected total dims >= 2, but got total dims = ", self.ndim());
  const int a = wrap_dim("rot90", dims[0], self.ndim()), b = wrap_dim("rot90", dims[1], self.ndim());
  VG_CHECK(a != b, RuntimeError, "rot90: expected rotation dims to be different, but got dim0 = ", dims[0],
           " and dim1 = ", dims[1]);
  switch (wrapped(k, 4)) {
    case 1: return transpose(flip(self, {b}), a, b);
    case 2: return flip(self, {a, b});
    case 3: return transpose(flip(self, {a}), a, b);
    default: return clone(self);
  }
}

Tensor movedim(const Tensor& self, const DimList& source, const DimList& destination) {
  VG_CHECK(source.size() == destination.size(), RuntimeError, "movedim: Invalid source or destination dims: source (",
           Dims(source), " dims) should contain the same number of dims as destination (", Dims(destination), " dims)");
  DimList order(static_cast<std::size_t>(self.ndim()), -1);
  std::vector<bool> taken(order.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    const int from = wrap_dim("movedim", source[i], self.ndim()), to = wrap_dim("movedim", destination[i], self.ndim());
    if (self.ndim() == 0) continue;
    VG_CHECK(!taken[static_cast<std::size_t>(from)], RuntimeError, "movedim: repeated dim in `source` (", Dims(source),
             ")");
    VG_CHECK(order[static_cast<std::size_t>(to)] < 0, RuntimeError, "movedim: repeated dim in `destination` (",
             Dims(destination), ")");
    taken[static_cast<std::size_t>(from)] = true;
    order[static_cast<std::size_t>(to)] = from;
  }
  // The others fill the places that are left, in their order.
  std::size_t next = 0;
  for (std::int64_t& from : order) {
    if (from >= 0) continue;
    while (taken[next]) ++next;
    from = static_cast<std::int64_t>(next++);
  }
  return permute(self, order);
}

Tensor unflatten(const Tensor& self, std::int64_t dim, const Dims& sizes) {
  const int d = wrap_dim("unflatten", dim, self.ndim());
  VG_CHECK(sizes.size() > 0, RuntimeError, "unflatten: sizes must be non-empty");
  VG_CHECK(self.ndim() > 0, RuntimeError, "unflatten: expected a tensor with dimensions, got one without");
  std::int64_t known = 1;
  int free = 0;
  for (const std::int64_t size : sizes) {
    free += size == -1;
    VG_CHECK(size >= -1, RuntimeError, "unflatten: expected sizes of at least 0, or -1 once, got ", sizes);
    if (size != -1) known = checked_mul("unflatten", known, size);
  }
  const std::int64_t size = self.shape()[d];
  VG_CHECK(free <= 1, RuntimeError, "unflatten: only one dimension can be inferred, got sizes ", sizes);
  VG_CHECK(free == 0 ? known == size : known != 0 && size % known == 0, RuntimeError, "unflatten: Provided sizes ",
           sizes, " don't multiply up to the size of dim ", d, " (", size, ") in the input tensor");
  Dims shape;
  for (int i = 0; i < self.ndim(); ++i) {
    if (i != d) {
      shape.push_back(self.shape()[i]);
    } else {
      for (const std::int64_t part : sizes) shape.push_back(part == -1 ? size / known : part);
    }
  }
  return view(self, shape);
}

Tensor ravel(const Tensor& self) { return reshape(contiguous(self), {-1}); }

Tensor adjoint(const Tensor& self) {
  VG_CHECK(self.ndim() != 1, RuntimeError,
           "tensor.adjoint() is only supported on matrices or batches of matrices. Got 1-D tensor.");
  return self.ndim() == 0 ? view(self, {}) : transpose(self, -2, -1);
}

TensorList broadcast_tensors(const TensorList& tensors) {
  Dims shape;
  for (const Tensor& x : tensors) shape = broadcast_shapes("broadcast_tensors", shape, x.shape());
  TensorList out;
  for (const Tensor& x : tensors) out.push_back(expand(x, shape));
  return out;
}

Tensor at_least(int ndim, const Tensor& self) {
  if (self.ndim() >= ndim) return self;
  if (self.ndim() == 0) return reshape(self, Dims(ndim, 1));
  // A row for two dimensions; for three the middle one of a vector, the first two of a matrix.
  const Tensor row = self.ndim() == 1 ? unsqueeze(self, 0) : self;
  return ndim == 3 ? unsqueeze(row, 2) : row;
}

TensorList meshgrid(const TensorList& tensors, const std::string& indexing) {
  VG_CHECK(!tensors.empty(), RuntimeError, "meshgrid expects a non-empty TensorList");
  VG_CHECK(indexing == "ij" || indexing == "xy", RuntimeError,
           "meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  Dims shape;
  for (const Tensor& x : tensors) {
    VG_CHECK(x.ndim() <= 1, RuntimeError, "meshgrid: Expected 0D or 1D tensor in the tensor list but got shape ",
             x.shape());
    VG_CHECK(x.dtype() == tensors[0].dtype(), RuntimeError, "meshgrid expects all tensors to have the same dtype, got ",
             tensors[0].dtype(), " and ", x.dtype());
    check_same_device("meshgrid", tensors[0], x);
    shape.push_back(x.numel());
  }
  const bool swapped = indexing == "xy" && tensors.size() >= 2;
  TensorList out;
  for (int i = 0; i < shape.size(); ++i) {
    Dims along(shape.size(), 1);
    along[i] = shape[i];
    const Tensor grid = expand(view(reshape(tensors[static_cast<std::size_t>(i)], {-1}), along), shape);
    out.push_back(swapped ? transpose(grid, 0, 1) : grid);
  }
  return out;
}

}  // namespace verigrad::ops
