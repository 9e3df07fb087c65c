// Selection by index tensors, and Python's subscripts.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

/// 0-d tensors are indexed as if they had one dimension.
Tensor at_least_1d(const Tensor& x) { return x.ndim() == 0 ? reshape(x, {1}) : x; }

kernels::Gather make_gather(const char* op, const Tensor& index, int dim, const Tensor& src, const Tensor& out,
                            const Tensor& addressed) {
  kernels::Gather g;
  g.op = op;
  g.shape = index.shape();
  g.dim = dim;
  g.size = addressed.shape()[dim];
  g.index = index.data_as<std::int64_t>();
  g.index_strides = index.strides();
  g.src = src.data();
  g.src_strides = src.strides();
  g.out = out.data();
  g.out_strides = out.strides();
  return g;
}

void check_index_shape(const char* op, const Tensor& index, const Tensor& self, int dim, bool every_dim) {
  VG_CHECK(index.ndim() == self.ndim(), RuntimeError, op,
           ": Index tensor must have the same number of dimensions as self tensor, got index ", index.shape(), " and ",
           self.shape());
  for (int d = 0; d < self.ndim(); ++d) {
    VG_CHECK((!every_dim && d == dim) || index.shape()[d] <= self.shape()[d], RuntimeError, op,
             ": Size does not match at "
             "dimension ",
             d, " expected index ", index.shape(), " to be no larger than self ", self.shape(),
             " apart from "
             "dimension ",
             dim);
  }
}

struct Rows {
  std::int64_t outer = 1, inner = 1;
};
Rows rows_of(const Dims& shape, int dim) {
  Rows r;
  for (int d = 0; d < dim; ++d) r.outer = wrapping_mul(r.outer, shape[d]);
  for (int d = dim + 1; d < shape.size(); ++d) r.inner = wrapping_mul(r.inner, shape[d]);
  return r;
}

Tensor index_vector(const char* op, const Tensor& index) {
  VG_CHECK(index.ndim() <= 1, IndexError, op, "(): Index is supposed to be a vector, got shape ", index.shape());
  return contiguous(as_index(op, at_least_1d(index)));
}

}  // namespace

Tensor gather(const Tensor& self_, std::int64_t dim, const Tensor& index_) {
  const int d = wrap_dim("gather", dim, self_.ndim());
  check_same_device("gather", self_, index_);
  VG_CHECK(index_.dtype() == DType::Int64, RuntimeError, "gather(): Expected dtype int64 for index, got ",
           index_.dtype());
  const Tensor self = at_least_1d(self_), index = at_least_1d(index_);
  if (index.numel() > 0) check_index_shape("gather", index, self, d, false);
  const Tensor out = empty_tensor(index.shape(), self.dtype(), self.device());
  if (out.numel() > 0)
    VG_KERNEL(gather, "gather", self.device())(self.dtype(), make_gather("gather", index, d, self, out, self));
  if (is_floating_point(self.dtype())) {
    record("GatherBackward0", out, {self}, {Save::input(index)}, [d](Node& n, const Tensor& g) -> TensorList {
      const GradMeta& meta = input_meta(n, 0);
      return {scatter_add(zeros(meta.shape, meta.dtype, meta.device), d, n.saved(0), g)};
    });
  }
  return index_.ndim() == 0 ? reshape(out, {}) : out;
}

Tensor scatter_add(const Tensor& self, std::int64_t dim, const Tensor& index_, const Tensor& src_) {
  const int d = wrap_dim("scatter_add", dim, self.ndim());
  check_same_device("scatter_add", self, index_);
  check_same_device("scatter_add", self, src_);
  VG_CHECK(index_.dtype() == DType::Int64, RuntimeError, "scatter_add(): Expected dtype int64 for index, got ",
           index_.dtype());
  VG_CHECK(self.dtype() == src_.dtype(), RuntimeError,
           "scatter_add(): Expected self.dtype to be equal to src.dtype, got ", self.dtype(), " and ", src_.dtype());
  const Tensor out = clone(detach(self));
  const Tensor index = at_least_1d(index_), src = at_least_1d(src_), target = at_least_1d(out);
  if (index.numel() > 0) {
    check_index_shape("scatter_add", index, target, d, false);
    check_index_shape("scatter_add", index, src, d, true);
    VG_KERNEL(scatter_add, "scatter_add", self.device())
    (self.dtype(), make_gather("scatter_add", index, d, src, target, target));
  }
  if (!is_floating_point(self.dtype())) return out;
  return record("ScatterAddBackward0", out, {self, src}, {Save::input(index)},
                [d](Node& n, const Tensor& g) -> TensorList {
                  Tensor grad_src;
                  if (n.needs(1)) {
                    const Tensor index = n.saved(0), picked = gather(at_least_1d(g), d, index);
                    const Dims& shape = input_meta(n, 1).shape;
                    grad_src = picked;
                    // What the index does not reach of src has no effect.
                    for (int k = 0; k < shape.size(); ++k) {
                      const std::int64_t missing = shape[k] - grad_src.shape()[k];
                      if (missing == 0) continue;
                      Dims pad = grad_src.shape();
                      pad[k] = missing;
                      grad_src = cat({grad_src, zeros(pad, g.dtype(), g.device())}, k);
                    }
                  }
                  return {g, grad_src};
                });
}

Tensor index_select(const Tensor& self, std::int64_t dim, const Tensor& index) {
  const int d = wrap_dim("index_select", dim, self.ndim());
  check_same_device("index_select", self, index);
  return select_rows("index_select", self, d, index);
}

Tensor select_rows(const char* op, const Tensor& self_, int d, const Tensor& index_) {
  const Tensor index = index_vector(op, index_);
  const Tensor self = at_least_1d(self_);
  Dims shape = self.shape();
  shape[d] = index.numel();
  const Tensor out = empty_tensor(shape, self.dtype(), self.device());
  if (index.numel() > 0) {
    const Rows rows = rows_of(self.shape(), d);
    const Tensor source = contiguous(detach(self));
    VG_KERNEL(index_select, op, self.device())
    (self.dtype(), {op, rows.outer, self.shape()[d], rows.inner, index.numel(), index.data_as<std::int64_t>(),
                    source.data(), out.data()});
  }
  if (is_floating_point(self.dtype())) {
    record("IndexSelectBackward0", out, {self}, {Save::input(index)}, [d](Node& n, const Tensor& g) -> TensorList {
      const GradMeta& meta = input_meta(n, 0);
      return {index_add(zeros(meta.shape, meta.dtype, meta.device), d, n.saved(0), g)};
    });
  }
  return self_.ndim() == 0 ? reshape(out, {}) : out;
}

namespace {

/// index_add and index_copy: `out` starts as self and its rows are added to or replaced.
Tensor update_rows(const char* op, bool overwrite, const Tensor& self, int d, const Tensor& index,
                   const Tensor& source) {
  check_same_device(op, self, source);
  VG_CHECK(self.dtype() == source.dtype(), RuntimeError, op, "(): self (", self.dtype(), ") and source (",
           source.dtype(), ") must have the same scalar type");
  Dims expected = self.shape();
  if (!expected.empty()) expected[d] = index.numel();
  VG_CHECK(source.shape() == expected, RuntimeError, op, "(): expected source of shape ", expected, " for ",
           index.numel(), " indices into ", self.shape(), ", got ", source.shape());
  const Tensor out = clone(detach(self));
  if (source.numel() > 0) {
    const Rows rows = rows_of(expected, d);
    const Tensor values = contiguous(detach(source));
    VG_KERNEL(index_add, op, self.device())
    (self.dtype(), {op, rows.outer, self.ndim() ? self.shape()[d] : 1, rows.inner, index.numel(),
                    index.data_as<std::int64_t>(), values.data(), out.data(), overwrite});
  }
  return out;
}

}  // namespace

Tensor index_add(const Tensor& self, std::int64_t dim, const Tensor& index_, const Tensor& source) {
  const int d = wrap_dim("index_add", dim, self.ndim());
  check_same_device("index_add", self, index_);
  const Tensor index = index_vector("index_add", index_);
  const Tensor out = update_rows("index_add", false, self, d, index, source);
  if (!is_floating_point(self.dtype())) return out;
  return record("IndexAddBackward0", out, {self, source}, {Save::input(index)},
                [d](Node& n, const Tensor& g) -> TensorList {
                  return {g, n.needs(1) ? reshape(index_select(g, d, n.saved(0)), input_meta(n, 1).shape) : Tensor()};
                });
}

Tensor index_copy(const Tensor& self, std::int64_t dim, const Tensor& index_, const Tensor& source) {
  const int d = wrap_dim("index_copy", dim, self.ndim());
  check_same_device("index_copy", self, index_);
  const Tensor index = index_vector("index_copy", index_);
  const Tensor out = update_rows("index_copy", true, self, d, index, source);
  if (!is_floating_point(self.dtype())) return out;
  return record("IndexCopyBackward0", out, {self, source}, {Save::input(index)},
                [d](Node& n, const Tensor& g) -> TensorList {
                  const Tensor index = n.saved(0);
                  Tensor grad_self, grad_source;
                  const GradMeta source_meta = n.needs(1) ? input_meta(n, 1) : GradMeta(g);
                  if (n.needs(0)) {
                    Dims shape = g.shape();
                    if (!shape.empty()) shape[d] = index.numel();
                    grad_self = index_copy(g, d, index, zeros(shape, g.dtype(), g.device()));
                  }
                  if (n.needs(1)) {
                    // Of equal indices only the last had an effect: number the writers, let them write, and see who is
                    // read back.
                    const Tensor writers =
                        arange(Scalar(std::int64_t{0}), Scalar(index.numel()), Scalar(1), DType::Int64, g.device());
                    const Tensor slots = zeros({g.ndim() ? g.shape()[d] : 1}, DType::Int64, g.device());
                    const Tensor wins = eq(index_select(index_copy(slots, 0, index, writers), 0, index), writers);
                    Dims shape(source_meta.shape.size(), 1);
                    if (!shape.empty()) shape[d] = index.numel();
                    const Tensor picked = reshape(index_select(g, d, index), source_meta.shape);
                    grad_source = where(reshape(wins, shape), picked, zeros_like(picked));
                  }
                  return {grad_self, grad_source};
                });
}

void positions_out(const char* op, kernels::Mistake mistake, const Tensor& out, const Operand& before,
                   const Tensor& index, const kernels::IndexRange& range, std::int64_t step, int dim) {
  kernels::Positions p{op, mistake, dim, range, step, {}};
  if (!make_loop(p.loop, out, {before.is_tensor() ? &before.tensor : nullptr, &index})) return;
  if (!before.is_tensor()) p.loop.set_number(1, DType::Int64, before.scalar);
  VG_KERNEL(positions, op, out.device())(p);
}

void check_index(const char* op, const Tensor& index, std::int64_t size, bool classes) {
  const Tensor i = as_index(op, index);
  positions_out(op, classes ? kernels::Mistake::class_target : kernels::Mistake::position, empty_like(i), 0, i, {size});
}

Tensor nonzero(const Tensor& self) {
  const Tensor mask = contiguous(self.dtype() == DType::Bool ? detach(self) : ne(detach(self), 0.0));
  const std::int64_t count = item(sum(mask)).to<std::int64_t>();
  const Tensor out = empty_tensor({count, self.ndim()}, DType::Int64, self.device());
  if (count == 0 || self.ndim() == 0) return out;
  const kernels::Nonzero args{mask.shape(), mask.data_as<bool>(), out.data_as<std::int64_t>()};
  VG_KERNEL(nonzero, "nonzero", self.device())(args);
  return out;
}

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

Flattened flatten_index(const Subscript& s) {
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
  f.flat = reshape(places(f, steps, s.view.device()), {-1});
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

/// Writes what the index selects of the view where it lies. `shape` is that of the selection, to which `source`
/// broadcasts, and `to_rows` turns it into [index dims, rest].
void put(const Tensor& view, const Flattened& f, const Dims& shape, const DimList& to_rows, const Tensor& source) {
  const NoGradGuard guard;
  Tensor values = expand(source, shape);
  if (values.numel() == 0) return;
  const bool blocks = f.adjacent && view.is_contiguous();
  if (!blocks) values = permute(values, to_rows);
  values = source.storage() == view.storage() ? clone(values) : contiguous(values);
  kernels::IndexRows r{"index_put_", 1, 1, 1, f.flat.numel(), nullptr, values.data(), view.data(), true};
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
  const Flattened f = flatten_index(s);
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
  const bool record_it =
      is_floating_point(self.dtype()) && (source.defined() ? recording(s.view, value.tensor) : recording(s.view));
  check_inplace(s.view, record_it);
  if (source.defined()) check_same_device("index_put_", self, source);
  const Flattened f = flatten_index(s);
  const DimList order = result_order(f);
  Dims shape;  // of what the subscript selects
  const Dims picked = join(f.index_shape, f.rest);
  DimList inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    shape.push_back(picked[static_cast<int>(order[i])]);
    inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  if (!source.defined()) source = full(shape, value.scalar, self.dtype(), self.device());
  while (source.ndim() > shape.size() && source.shape()[0] == 1) source = select(source, 0, 0);
  VG_CHECK(broadcast_shapes("index_put_", source.shape(), shape) == shape, RuntimeError,
           "shape mismatch: value tensor of shape ", value.tensor.shape(),
           " cannot be broadcast to indexing result of shape ", shape);
  if (!record_it) {
    put(s.view, f, shape, inverse, to(detach(source), self.dtype()));
    s.view.bump_version();
    return;
  }
  const Tensor rows =
      reshape(permute(expand(to(source, self.dtype()), shape), inverse), join({f.flat.numel()}, f.rest));
  const Tensor updated = index_copy(as_rows(s.view, f), 0, f.flat, rows);
  // Back from rows to the layout of the view.
  DimList back(f.order.size());
  for (std::size_t i = 0; i < f.order.size(); ++i)
    back[static_cast<std::size_t>(f.order[i])] = static_cast<std::int64_t>(i);
  copy_(s.view, permute(reshape(updated, join(Dims(f.sizes), f.rest)), back));
}

}  // namespace verigrad::ops
