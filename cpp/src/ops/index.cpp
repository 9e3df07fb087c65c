// Whole rows by index, single elements by their number, and where elements are not zero.
#include "ops/changes.h"
#include "verigrad/indexing.h"

namespace verigrad::ops {
namespace {

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
      return {index_add_(zeros(meta.shape, meta.dtype, meta.device), d, n.saved(0), g)};
    });
  }
  return self_.ndim() == 0 ? reshape(out, {}) : out;
}

namespace {

/// The arguments of index_add and index_copy, checked.
void check_rows(const char* op, const Tensor& self, int d, const Tensor& index, const Tensor& source) {
  check_same_device(op, self, source);
  VG_CHECK(self.dtype() == source.dtype(), RuntimeError, op, "(): self (", self.dtype(), ") and source (",
           source.dtype(), ") must have the same scalar type");
  Dims expected = self.shape();
  if (!expected.empty()) expected[d] = index.numel();
  VG_CHECK(source.shape() == expected, RuntimeError, op, "(): expected source of shape ", expected, " for ",
           index.numel(), " indices into ", self.shape(), ", got ", source.shape());
}

}  // namespace

void write_rows(const char* op, bool overwrite, const Tensor& out, int d, const Tensor& index, const Tensor& source) {
  if (source.numel() == 0) return;
  const Rows rows = rows_of(source.shape(), d);
  const Tensor values = contiguous(detach(source));
  VG_KERNEL(index_add, op, out.device())
  (out.dtype(), {op, rows.outer, out.ndim() ? out.shape()[d] : 1, rows.inner, index.numel(),
                 index.data_as<std::int64_t>(), values.data(), out.data(), overwrite});
}

namespace {

Tensor update_rows(const char* op, bool overwrite, const Tensor& self, int d, const Tensor& index,
                   const Tensor& source) {
  check_rows(op, self, d, index, source);
  const Tensor out = clone(detach(self));
  write_rows(op, overwrite, out, d, index, source);
  return out;
}

template <class Result>
const Tensor& change_rows(const char* op, bool overwrite, const Tensor& self, std::int64_t dim, const Tensor& index_,
                          const Tensor& source, Result result) {
  return change_in_place(
      self, recording(self, source),
      [&] {
        const int d = wrap_dim(op, dim, self.ndim());
        check_same_device(op, self, index_);
        const Tensor index = apart_from(self, index_vector(op, index_)), values = apart_from(self, detach(source));
        check_rows(op, self, d, index, values);
        change_contiguous(self, [&](const Tensor& out) { write_rows(op, overwrite, out, d, index, values); });
      },
      result);
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

bool all_within(const Tensor& index, std::int64_t size) {
  if (index.numel() == 0) return true;
  return index.device() == kHost && item(amin(index)).to<std::int64_t>() >= 0 &&
         item(amax(index)).to<std::int64_t>() < size;
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

TensorList nonzero_tuple(const Tensor& self) {
  const Tensor x = at_least_1d(detach(self)), positions = nonzero(x);
  TensorList columns;
  for (int d = 0; d < x.ndim(); ++d) columns.push_back(select(positions, 1, d));
  return columns;
}

const Tensor& index_add_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return change_rows("index_add", false, self, dim, index, source, [&] { return index_add(self, dim, index, source); });
}

const Tensor& index_copy_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return change_rows("index_copy", true, self, dim, index, source,
                     [&] { return index_copy(self, dim, index, source); });
}

namespace {

/// The index of index_fill, counted from the first row.
Tensor filled_rows(const Tensor& self, int d, const Tensor& index) {
  check_same_device("index_fill", self, index);
  VG_CHECK(index.dtype() == DType::Int64, IndexError, "index_fill_(): Expected dtype int64 for index, got ",
           index.dtype());
  VG_CHECK(index.ndim() <= 1, RuntimeError, "index_fill: Index has to be a vector/scalar, got shape ", index.shape());
  const Tensor at = empty_tensor({index.numel()}, DType::Int64, index.device());
  positions_out("index_fill", kernels::Mistake::subscript, at, 0, at_least_1d(index),
                {self.ndim() ? self.shape()[d] : 1, true}, 1, d);
  return at;
}

/// The value in the shape of the rows that it fills.
Tensor filling(const Tensor& self, int d, std::int64_t count, const Operand& value) {
  const Operand stored = fill_value("index_fill_", value, self.dtype());
  Dims shape = self.shape();
  if (!shape.empty()) shape[d] = count;
  if (!stored.is_tensor()) return expand(full({}, stored.scalar, self.dtype(), self.device()), shape);
  return expand(to(stored.tensor, self.dtype(), self.device()), shape);
}

/// The numbers of take and put, counted from the first element.
Tensor element_numbers(const char* op, const Tensor& self, const Tensor& index) {
  check_same_device(op, self, index);
  VG_CHECK(index.dtype() == DType::Int64, RuntimeError, op, "(): Expected a long tensor for index, but got ",
           index.dtype());
  const Tensor at = empty_tensor({index.numel()}, DType::Int64, index.device());
  positions_out(op, kernels::Mistake::subscript, at, 0, reshape(index, {-1}), {self.numel(), true});
  return at;
}

Tensor put_source(const Tensor& self, const Tensor& index, const Tensor& source) {
  VG_CHECK(source.numel() == index.numel(), IndexError,
           "put_(): Expected source and index to have the same number of elements, but got source.numel() = ",
           source.numel(), ", index.numel() = ", index.numel());
  VG_CHECK(self.dtype() == source.dtype(), RuntimeError,
           "put_(): self and source expected to have the same dtype, but got self.dtype = ", self.dtype(),
           " and source.dtype = ", source.dtype());
  return reshape(source, {-1});
}

}  // namespace

Tensor index_fill(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& value) {
  const int d = wrap_dim("index_fill", dim, self.ndim());
  const Tensor source = filling(self, d, self.ndim() ? index.numel() : 1, value);
  const Tensor rows = filled_rows(self, d, index);
  return index_copy(self, d, rows, source);
}

const Tensor& index_fill_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& value) {
  const bool record_it = recording(self) || (value.is_tensor() && recording(value.tensor));
  return change_in_place(
      self, record_it,
      [&] {
        const int d = wrap_dim("index_fill", dim, self.ndim());
        const Tensor source = filling(self, d, self.ndim() ? index.numel() : 1, value);
        const Tensor rows = filled_rows(self, d, index), values = apart_from(self, detach(source));
        change_contiguous(self, [&](const Tensor& out) { write_rows("index_fill", true, out, d, rows, values); });
      },
      [&] { return index_fill(self, dim, index, value); });
}

Tensor take(const Tensor& self, const Tensor& index) {
  VG_CHECK(self.numel() > 0 || index.numel() == 0, IndexError, "take(): tried to take from an empty tensor");
  const Tensor at = element_numbers("take", self, index);
  return reshape(select_rows("take", reshape(self, {-1}), 0, at), index.shape());
}

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  const Tensor values = put_source(self, index, source), at = element_numbers("put_", self, index);
  const Tensor flat = reshape(self, {-1});
  return reshape(accumulate ? index_add(flat, 0, at, values) : index_copy(flat, 0, at, values), self.shape());
}

const Tensor& put_(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  return change_in_place(
      self, recording(self, source),
      [&] {
        const Tensor values = apart_from(self, detach(put_source(self, index, source)));
        const Tensor at = element_numbers("put_", self, index);
        check_same_device("put_", self, values);
        change_contiguous(
            self, [&](const Tensor& out) { write_rows("put_", !accumulate, reshape(out, {-1}), 0, at, values); });
      },
      [&] { return put(self, index, source, accumulate); });
}

}  // namespace verigrad::ops
