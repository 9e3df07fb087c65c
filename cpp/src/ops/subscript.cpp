// Python's subscripts: reading, writing, and the same with index tensors alone.
#include "autograd/record.h"
#include "kernels/boundaries.h"
#include "ops/elementwise.h"
#include "verigrad/indexing.h"

namespace verigrad::ops {
namespace {

/// The basic part of a subscript applied as views, and what index tensors remain, one slot per dimension of the view.
struct Subscript {
  Tensor view;
  TensorList tensors;
  bool advanced = false;
};

int consumed_dims(const Index& i) {
  switch (i.kind) {
    case Index::Kind::Integer:
    case Index::Kind::Slice: return 1;
    case Index::Kind::Tensor: return i.tensor.dtype() == DType::Bool ? i.tensor.ndim() : 1;
    default: return 0;
  }
}

Subscript apply_basic(const Tensor& self, const std::vector<Index>& index) {
  int consumed = 0, ellipses = 0;
  for (const Index& i : index) {
    consumed += consumed_dims(i);
    ellipses += i.kind == Index::Kind::Ellipsis;
  }
  VG_CHECK(consumed <= self.ndim(), IndexError, "too many indices for tensor of dimension ", self.ndim());
  VG_CHECK(ellipses <= 1, IndexError, "an index can only have a single ellipsis ('...')");
  Subscript out{self, {}, false};
  std::int64_t dim = 0;
  const auto pass = [&](std::int64_t count) {
    dim += count;
    out.tensors.resize(static_cast<std::size_t>(dim));
  };
  for (const Index& i : index) {
    switch (i.kind) {
      case Index::Kind::Integer: out.view = select(out.view, dim, i.integer); break;
      case Index::Kind::Slice: {
        const bool whole = !i.start && !i.stop && !i.step;
        if (!whole) out.view = slice(out.view, dim, i.start, i.stop, i.step.value_or(1));
        pass(1);
        break;
      }
      case Index::Kind::None:
        out.view = unsqueeze(out.view, dim);
        pass(1);
        break;
      case Index::Kind::Ellipsis: pass(self.ndim() - consumed); break;
      case Index::Kind::Tensor: {
        out.advanced = true;
        if (i.tensor.dtype() == DType::Bool) {
          const int n = i.tensor.ndim();
          if (n == 0) {  // True and False: a new dimension of one or no element
            out.view = unsqueeze(out.view, dim);
            out.tensors.push_back(reshape(nonzero(reshape(i.tensor, {1})), {-1}));
            ++dim;
            break;
          }
          for (int k = 0; k < n; ++k) {
            VG_CHECK(i.tensor.shape()[k] == out.view.shape()[static_cast<int>(dim) + k], IndexError,
                     "The shape of the mask ", i.tensor.shape(), " at index ", k,
                     " does not match the shape of the indexed tensor ", out.view.shape(), " at index ", dim + k);
          }
          const Tensor positions = nonzero(i.tensor);
          for (int k = 0; k < n; ++k) out.tensors.push_back(select(positions, 1, k));
          dim += n;
        } else {
          VG_CHECK(is_integral(i.tensor.dtype()) && i.tensor.dtype() != DType::UInt8, IndexError,
                   "tensors used as indices must be long, int or bool tensors, got ", i.tensor.dtype());
          out.tensors.push_back(to(i.tensor, DType::Int64));
          ++dim;
        }
        break;
      }
    }
  }
  out.tensors.resize(static_cast<std::size_t>(out.view.ndim()));
  for (Tensor& t : out.tensors) {
    if (!t.defined() || t.device() == self.device()) continue;
    VG_CHECK(t.device() == kHost, RuntimeError,
             "indices should be either on cpu or on the same device as the indexed tensor (", self.device(), "), got ",
             t.device());
    t = to(t, DType::Int64, self.device());
  }
  // A subscript always gives a new tensor object, so that in-place ops on it are seen by the graph.
  if (out.view.is_same(self)) out.view = view(self, self.shape());
  return out;
}

/// Index tensors turned into rows of a matrix: permuted so that the indexed dimensions come first, and one flat index.
struct Flattened {
  DimList order;                     // the indexed dimensions, then the others
  DimList sizes;                     // of the indexed dimensions
  Dims rest;                         // shape of the others
  Dims index_shape;                  // broadcast shape of the index tensors
  TensorList indices;                // of the indexed dimensions
  Tensor flat;                       // row numbers
  std::int64_t rows = 1, front = 0;  // `front`: where the index's dimensions stand in the result
  bool adjacent = true;              // the indexed dimensions follow each other
};

/// What the indices select, each of its numbers a step of its own, in the shape of the index.
Tensor places(const Flattened& f, const DimList& steps, Device device) {
  const Tensor at = empty_tensor(f.index_shape, DType::Int64, device);
  for (std::size_t i = 0; i < f.indices.size(); ++i) {
    positions_out("index", kernels::Mistake::subscript, at, i == 0 ? Operand(0) : at, f.indices[i], {f.sizes[i], true},
                  steps[i], static_cast<int>(f.order[i]));
  }
  return at;
}

/// Whether an index tensor can be read as it is: one that is long, where all numbers count from the first row. Not one
/// that is written to, and not one that a node would save: changing it is allowed before backward, as with a short one.
bool counts_from_first(const Tensor& index, std::int64_t size, const Tensor& view, bool record_it) {
  if (index.numel() < kernels::boundary::dear_serial_elements || record_it) return false;
  return index.storage() != view.storage() && all_within(index, size);
}

/// `record_it`: whether the flat index may be saved.
Flattened flatten_index(const Subscript& s, bool record_it) {
  Flattened f;
  bool first = true;
  int last = -1;
  for (int d = 0; d < s.view.ndim(); ++d) {
    const Tensor& t = s.tensors[static_cast<std::size_t>(d)];
    if (!t.defined()) continue;
    if (first) f.front = d;
    f.adjacent = f.adjacent && (first || last == d - 1);
    f.index_shape = first ? t.shape() : [&] {
      try {
        return broadcast_shapes("index", f.index_shape, t.shape());
      } catch (const Error&) {
        VG_THROW(IndexError, "shape mismatch: indexing tensors could not be broadcast together with shapes ",
                 f.index_shape, ", ", t.shape());
      }
    }();
    first = false;
    last = d;
    f.order.push_back(d);
    f.sizes.push_back(s.view.shape()[d]);
    f.rows = wrapping_mul(f.rows, s.view.shape()[d]);
  }
  if (!f.adjacent) f.front = 0;
  for (const std::int64_t d : f.order) f.indices.push_back(s.tensors[static_cast<std::size_t>(d)]);
  DimList steps(f.order.size(), 1);
  for (std::size_t i = steps.size() - 1; i > 0; --i) steps[i - 1] = wrapping_mul(steps[i], f.sizes[i]);
  const bool as_is = f.order.size() == 1 && counts_from_first(f.indices[0], f.sizes[0], s.view, record_it);
  f.flat = reshape(as_is ? f.indices[0] : places(f, steps, s.view.device()), {-1});
  for (int d = 0; d < s.view.ndim(); ++d) {
    if (s.tensors[static_cast<std::size_t>(d)].defined()) continue;
    f.order.push_back(d);
    f.rest.push_back(s.view.shape()[d]);
  }
  return f;
}

Dims join(const Dims& a, const Dims& b) {
  Dims out = a;
  for (std::int64_t size : b) out.push_back(size);
  return out;
}

/// [index dims, rest] to the order of the result, where the index dimensions stand at `front`.
DimList result_order(const Flattened& f) {
  DimList order;
  const std::int64_t n = f.index_shape.size();
  for (std::int64_t d = 0; d < f.front; ++d) order.push_back(n + d);
  for (std::int64_t d = 0; d < n; ++d) order.push_back(d);
  for (std::int64_t d = f.front; d < f.rest.size(); ++d) order.push_back(n + d);
  return order;
}

Tensor as_rows(const Tensor& view, const Flattened& f) {
  return reshape(permute(view, f.order), join({f.rows}, f.rest));
}

/// Where the elements that the index selects lie, counted from the first of the view; in the order [index dims, rest].
Tensor element_offsets(const Tensor& view, const Flattened& f) {
  DimList steps;
  for (const std::int64_t d : f.order) steps.push_back(view.strides()[static_cast<int>(d)]);
  Tensor at = places(f, steps, view.device());
  for (int d = 0; d < f.rest.size(); ++d) {
    const Tensor along = arange(Scalar(std::int64_t{0}), Scalar(f.rest[d]), Scalar(1), DType::Int64, view.device());
    const Tensor next = empty_tensor(join(at.shape(), {f.rest[d]}), DType::Int64, view.device());
    positions_out("index", kernels::Mistake::subscript, next, unsqueeze(at, -1), along, {f.rest[d]},
                  steps[f.indices.size() + static_cast<std::size_t>(d)]);
    at = next;
  }
  return at;
}

/// Writes what the index selects of the view where it lies, or adds to it. `shape` is that of the selection, to which
/// `source` broadcasts, and `to_rows` turns it into [index dims, rest].
void put_rows(const Tensor& view, const Flattened& f, const Dims& shape, const DimList& to_rows, const Tensor& source,
              bool accumulate) {
  const NoGradGuard guard;
  Tensor values = expand(source, shape);
  if (values.numel() == 0) return;
  const bool blocks = f.adjacent && view.is_contiguous();
  if (!blocks) values = permute(values, to_rows);
  values = source.storage() == view.storage() ? clone(values) : contiguous(values);
  kernels::IndexRows r{"index_put_", 1, 1, 1, f.flat.numel(), nullptr, values.data(), view.data(), !accumulate};
  Tensor index = f.flat;
  if (blocks) {  // [before, indexed, after] in memory
    const int first = static_cast<int>(f.front), past = first + static_cast<int>(f.sizes.size());
    for (int d = 0; d < view.ndim(); ++d) {
      (d < first ? r.outer : d < past ? r.size : r.inner) *= view.shape()[d];
    }
  } else {
    index = element_offsets(view, f);
    for (int d = 0; d < view.ndim(); ++d) r.size += (view.shape()[d] - 1) * view.strides()[d];
    r.count = index.numel();
  }
  index = contiguous(index);
  r.index = index.data_as<std::int64_t>();
  VG_KERNEL(index_add, r.op, view.device())(view.dtype(), r);
}

}  // namespace

Tensor get_item(const Tensor& self, const std::vector<Index>& index) {
  const Subscript s = apply_basic(self, index);
  if (!s.advanced) return s.view;
  const Flattened f = flatten_index(s, recording(s.view));
  const Tensor picked = index_select(as_rows(s.view, f), 0, f.flat);
  return permute(reshape(picked, join(f.index_shape, f.rest)), result_order(f));
}

namespace {

/// self[mask] = number, which needs no positions of the mask; false where the subscript is another.
bool fill_masked(const Tensor& self, const std::vector<Index>& index, Scalar number) {
  if (index.size() != 1 || index[0].kind != Index::Kind::Tensor) return false;
  Tensor mask = index[0].tensor;
  if (mask.dtype() != DType::Bool || mask.ndim() == 0 || mask.ndim() > self.ndim()) return false;
  if (mask.device() != self.device() && mask.device() != kHost) return false;
  Dims shape = self.shape();
  for (int d = 0; d < self.ndim(); ++d) {
    if (d < mask.ndim() && mask.shape()[d] != shape[d]) return false;
    if (d >= mask.ndim()) shape[d] = 1;
  }
  const bool record_it = recording(self);
  check_inplace(self, record_it);
  mask = reshape(to(mask, DType::Bool, self.device()), shape);
  if (record_it) {
    copy_(view(self, self.shape()), masked_fill(self, mask, number));
    return true;
  }
  where_out(self, mask.storage() == self.storage() ? clone(mask) : mask, number, self);
  self.bump_version();
  return true;
}

}  // namespace

namespace {

/// Assigns `source` to what the subscript selects, or adds it there.
void assign(const Subscript& s, const Tensor& source, bool accumulate) {
  const Tensor& view = s.view;
  const bool record_it = is_floating_point(view.dtype()) && recording(view, source);
  check_inplace(view, record_it);
  check_same_device("index_put_", view, source);
  const Flattened f = flatten_index(s, record_it);
  const DimList order = result_order(f);
  Dims shape;  // of what the subscript selects
  const Dims picked = join(f.index_shape, f.rest);
  DimList inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    shape.push_back(picked[static_cast<int>(order[i])]);
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  VG_CHECK(source.ndim() <= shape.size() && broadcast_shapes("index_put_", source.shape(), shape) == shape,
           RuntimeError, "shape mismatch: value tensor of shape ", source.shape(),
           " cannot be broadcast to indexing result of shape ", shape);
  if (!record_it) {
    put_rows(view, f, shape, inverse, to(detach(source), view.dtype()), accumulate);
    view.bump_version();
    return;
  }
  const Tensor rows =
      reshape(permute(expand(to(source, view.dtype()), shape), inverse), join({f.flat.numel()}, f.rest));
  const Tensor old = as_rows(view, f);
  const Tensor updated = accumulate ? index_add(old, 0, f.flat, rows) : index_copy(old, 0, f.flat, rows);
  // Back from rows to the layout of the view.
  DimList back(f.order.size());
  for (std::size_t i = 0; i < f.order.size(); ++i)
    back[static_cast<std::size_t>(f.order[i])] = static_cast<std::int64_t>(i);
  copy_(view, permute(reshape(updated, join(Dims(f.sizes), f.rest)), back));
}

}  // namespace

void set_item(const Tensor& self, const std::vector<Index>& index, const Operand& value) {
  if (!value.is_tensor()) {
    check_fits("index_put_", value.scalar, self.dtype());
    if (fill_masked(self, index, value.scalar)) return;
  }
  const Subscript s = apply_basic(self, index);
  // Leading ones of the value are dropped, as PyTorch does.
  Tensor source = value.is_tensor() ? beside(value.tensor, self) : Tensor();
  if (!s.advanced) {
    if (!source.defined()) {
      fill_(s.view, value.scalar);
      return;
    }
    while (source.ndim() > s.view.ndim() && source.shape()[0] == 1) source = select(source, 0, 0);
    copy_(s.view, source);
    return;
  }
  if (!source.defined()) source = full({}, value.scalar, self.dtype(), self.device());
  while (source.ndim() > 0 && source.shape()[0] == 1) source = select(source, 0, 0);
  assign(s, source, false);
}

namespace {

std::vector<Index> as_subscript(const TensorList& indices) {
  std::vector<Index> subscript;
  for (const Tensor& index : indices) {
    subscript.push_back({index.defined() ? Index::Kind::Tensor : Index::Kind::Slice, 0, {}, {}, {}, index});
  }
  return subscript;
}

}  // namespace

const Tensor& index_put_(const Tensor& self, const TensorList& indices, const Tensor& values, bool accumulate) {
  VG_CHECK(self.dtype() == values.dtype(), RuntimeError,
           "index_put_: Index put requires the source and destination dtypes match, got ", self.dtype(),
           " for the destination and ", values.dtype(), " for the source.");
  const Subscript s = apply_basic(self, as_subscript(indices));
  VG_CHECK(s.advanced, RuntimeError, "index_put_: expected at least one index tensor, got ", indices.size(),
           " indices without one");
  assign(s, beside(values, self), accumulate);
  return self;
}

Tensor index_put(const Tensor& self, const TensorList& indices, const Tensor& values, bool accumulate) {
  const Tensor out = clone(self);
  index_put_(out, indices, values, accumulate);
  return out;
}

}  // namespace verigrad::ops
