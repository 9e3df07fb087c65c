// Products of vectors, matrices and batches that are composed of matmul.
#include "verigrad/contraction.h"

#include <limits>
#include <numeric>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

void check_alike(const char* op, const Tensor& a, const Tensor& b) {
  check_same_device(op, a, b);
  VG_CHECK(a.dtype() == b.dtype(), RuntimeError, op, ": expected both inputs to have the same dtype, got ", a.dtype(),
           " and ", b.dtype());
}

void refuse_bool(const char* op, const Tensor& x) {
  VG_CHECK(x.dtype() != DType::Bool, NotImplementedError, "\"", op, "\" not implemented for 'Bool'");
}

std::int64_t product_of(const Tensor& x, const DimList& dims) {
  std::int64_t count = 1;
  for (const std::int64_t d : dims) count = wrapping_mul(count, x.size(d));
  return count;
}

Tensor scaled(const Tensor& x, Scalar factor) {
  if (!is_floating_point(x.dtype())) {
    factor = x.dtype() == DType::Bool ? Scalar(factor.to<bool>()) : Scalar(factor.to<std::int64_t>());
  }
  return factor.to_double() == 1 ? x : mul(x, factor);
}

/// beta * self + alpha * product.
Tensor combine(const Tensor& self, const Tensor& product, Scalar beta, Scalar alpha) {
  const Tensor right = scaled(product, alpha);
  if (beta.to_double() != 0) return add(scaled(self, beta), right);
  if (!recording(self)) return right;
  return record("AddBackward0", alias(right), {right, self}, {}, [](Node& n, const Tensor& g) -> TensorList {
    return {g, n.needs(1) ? zeros(input_meta(n, 1).shape, g.dtype(), g.device()) : Tensor()};
  });
}

/// Raises unless `self` can be added to a product of that shape.
void check_addend(const char* op, const Tensor& self, const Dims& shape) {
  const int ahead = shape.size() - self.ndim();
  bool fits = ahead >= 0;
  for (int d = 0; fits && d < self.ndim(); ++d) fits = self.shape()[d] == 1 || self.shape()[d] == shape[ahead + d];
  VG_CHECK(fits, RuntimeError, op, ": expected an input that can be expanded to ", shape, ", got ", self.shape());
}

void check_dtypes(const char* op, const Tensor& self, const Tensor& a, const Tensor& b) {
  check_same_device(op, self, a);
  check_alike(op, a, b);
  VG_CHECK(self.dtype() == a.dtype(), RuntimeError, op, ": expected inputs of the same dtype, got ", self.dtype(),
           " and ", a.dtype());
  refuse_bool(op, self);
}

void check_batches(const char* op, const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() == 3 && b.ndim() == 3, RuntimeError, op,
           ": expected batch1 and batch2 to be 3D tensors, got shapes ", a.shape(), " and ", b.shape());
  VG_CHECK(a.shape()[0] == b.shape()[0] && a.shape()[2] == b.shape()[1], RuntimeError, op,
           ": expected batch2 of shape [", a.shape()[0], ", ", a.shape()[2], ", *], got ", b.shape());
}

}  // namespace

Tensor dot(const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() == 1 && b.ndim() == 1, RuntimeError, "dot: 1D tensors expected, but got ", a.ndim(), "D and ",
           b.ndim(), "D tensors");
  check_alike("dot", a, b);
  refuse_bool("dot", a);
  const std::int64_t n = a.numel();
  VG_CHECK(n == b.numel(), RuntimeError, "dot: inconsistent tensor size, expected tensors of equal length, got ", n,
           " and ", b.numel());
  const Tensor out = reshape(mm(reshape(detach(a), {1, n}), reshape(detach(b), {n, 1})), {});
  if (!is_floating_point(out.dtype())) return out;
  return record("DotBackward0", out, {a, b},
                {Save::input(b.requires_grad() ? a : as_input(Scalar(0))),
                 Save::input(a.requires_grad() ? b : as_input(Scalar(0)))},
                [](Node& n, const Tensor& g) -> TensorList {
                  return {n.needs(0) ? mul(g, n.saved(1)) : Tensor(), n.needs(1) ? mul(g, n.saved(0)) : Tensor()};
                });
}

Tensor mv(const Tensor& matrix, const Tensor& vector) {
  VG_CHECK(matrix.ndim() == 2 && vector.ndim() == 1, RuntimeError, "mv: expected a matrix and a vector, got shapes ",
           matrix.shape(), " and ", vector.shape());
  check_alike("mv", matrix, vector);
  refuse_bool("mv", matrix);
  VG_CHECK(matrix.shape()[1] == vector.shape()[0], RuntimeError, "mv: size mismatch, got a matrix of shape ",
           matrix.shape(), " and a vector of shape ", vector.shape());
  return squeeze(mm(matrix, unsqueeze(vector, 1)), DimList{1});
}

Tensor outer(const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() == 1 && b.ndim() == 1, RuntimeError, "outer: expected 1-D arguments, got ", a.ndim(), "-D and ",
           b.ndim(), "-D");
  return mul(unsqueeze(a, 1), unsqueeze(b, 0));
}

Tensor inner(const Tensor& a, const Tensor& b) {
  if (a.ndim() == 0 || b.ndim() == 0) return mul(a, b);
  VG_CHECK(a.size(-1) == b.size(-1), RuntimeError,
           "inner: the last dimension must match on both input tensors but got shapes ", a.shape(), " and ", b.shape());
  check_alike("inner", a, b);
  refuse_bool("inner", a);
  return tensordot(a, b, {-1}, {-1});
}

Tensor vecdot(const Tensor& a, const Tensor& b, std::int64_t dim) {
  VG_CHECK(is_floating_point(a.dtype()), RuntimeError, "linalg.vecdot: Expected a floating point tensor as input, got ",
           a.dtype());
  check_alike("linalg.vecdot", a, b);
  const Dims shape = broadcast_shapes("linalg.vecdot", a.shape(), b.shape());
  return sum(mul(a, b), {wrap_dim("linalg.vecdot", dim, shape.size())});
}

Tensor kron(const Tensor& a, const Tensor& b) {
  const int rank = std::max(a.ndim(), b.ndim());
  Dims left, right, shape;
  for (int d = 0; d < rank; ++d) {
    const auto size = [&](const Tensor& x) { return d < rank - x.ndim() ? 1 : x.shape()[d - rank + x.ndim()]; };
    for (const std::int64_t n : {size(a), std::int64_t{1}}) left.push_back(n);
    for (const std::int64_t n : {std::int64_t{1}, size(b)}) right.push_back(n);
    shape.push_back(checked_mul("kron", size(a), size(b)));
  }
  return reshape(mul(reshape(a, left), reshape(b, right)), shape);
}

Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  VG_CHECK(a.ndim() == 2 && b.ndim() == 2, RuntimeError, "addmm: expected two matrices, got shapes ", a.shape(),
           " and ", b.shape());
  check_dtypes("addmm", self, a, b);
  VG_CHECK(a.shape()[1] == b.shape()[0], RuntimeError, "addmm: mat1 and mat2 shapes cannot be multiplied (",
           a.shape()[0], "x", a.shape()[1], " and ", b.shape()[0], "x", b.shape()[1], ")");
  check_addend("addmm", self, {a.shape()[0], b.shape()[1]});
  return combine(self, mm(a, b), beta, alpha);
}

Tensor addmv(const Tensor& self, const Tensor& matrix, const Tensor& vector, Scalar beta, Scalar alpha) {
  VG_CHECK(matrix.ndim() == 2 && vector.ndim() == 1, RuntimeError,
           "addmv: vector + matrix @ vector expected, got shapes ", self.shape(), ", ", matrix.shape(), ", ",
           vector.shape());
  check_dtypes("addmv", self, matrix, vector);
  VG_CHECK(matrix.shape()[1] == vector.shape()[0], RuntimeError, "addmv: size mismatch, got shapes ", self.shape(),
           ", ", matrix.shape(), ", ", vector.shape());
  check_addend("addmv", self, {matrix.shape()[0]});
  return combine(self, mv(matrix, vector), beta, alpha);
}

Tensor baddbmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_batches("baddbmm", a, b);
  check_dtypes("baddbmm", self, a, b);
  check_addend("baddbmm", self, {a.shape()[0], a.shape()[1], b.shape()[2]});
  return combine(self, bmm(a, b), beta, alpha);
}

Tensor addbmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  check_batches("addbmm", a, b);
  check_dtypes("addbmm", self, a, b);
  const std::int64_t rows = a.shape()[1], columns = b.shape()[2];
  check_addend("addbmm", self, {rows, columns});
  // The sum over the batch is part of the sum of one product.
  const std::int64_t depth = product_of(a, {0, 2});
  const Tensor wide = reshape(transpose(a, 0, 1), {rows, depth}), tall = reshape(b, {depth, columns});
  return combine(self, mm(wide, tall), beta, alpha);
}

Tensor addr(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  VG_CHECK(a.ndim() == 1 && b.ndim() == 1, RuntimeError, "addr: expected 1-D arguments vec1 and vec2, got ", a.ndim(),
           "-D and ", b.ndim(), "-D");
  const DType dtype = result_type(a, b);
  VG_CHECK(is_floating_point(promote_types(dtype, self.dtype())) ||
               (!beta.is_floating_point() && !alpha.is_floating_point()),
           RuntimeError, "addr: For integral input tensors, expected beta and alpha to be integers, got ",
           beta.to_double(), " and ", alpha.to_double());
  check_same_device("addr", self, a);
  check_addend("addr", self, {a.numel(), b.numel()});
  // A fraction is a factor of the sum's dtype, not of the integers'.
  const bool widen = !is_floating_point(dtype) && is_floating_point(self.dtype());
  const Tensor product = widen ? to(outer(a, b), self.dtype()) : outer(a, b);
  return combine(self, product, beta, alpha);
}

Tensor tensordot(const Tensor& a, const Tensor& b, const DimList& dims_a, const DimList& dims_b) {
  VG_CHECK(dims_a.size() == dims_b.size(), RuntimeError,
           "tensordot: both dimension lists should have same length, got ", Dims(dims_a), " and ", Dims(dims_b));
  check_alike("tensordot", a, b);
  Tensor left = a, right = b;
  const auto wrapped = [](const Tensor& x, const DimList& dims) {
    DimList found;
    for (const std::int64_t dim : dims) {
      const std::int64_t d = wrap_dim("tensordot", dim, x.ndim());
      VG_CHECK(std::find(found.begin(), found.end(), d) == found.end(), RuntimeError, "tensordot: dim ", d,
               " appears multiple times in the list of dims");
      found.push_back(d);
    }
    return found;
  };
  const DimList in_a = wrapped(a, dims_a), in_b = wrapped(b, dims_b);
  for (std::size_t i = 0; i < in_a.size(); ++i) {
    const std::int64_t n = a.size(in_a[i]), m = b.size(in_b[i]);
    VG_CHECK(n == m || n == 1 || m == 1, RuntimeError,
             "tensordot: contracted dimensions need to match, but first has size ", n, " in dim ", in_a[i],
             " and second has size ", m, " in dim ", in_b[i]);
    // A dimension of one element meets each of the other's.
    if (m == 1 && n != 1) left = sum(left, {in_a[i]}, true, a.dtype());
    if (n == 1 && m != 1) right = sum(right, {in_b[i]}, true, a.dtype());
  }
  const auto rest = [](const Tensor& x, const DimList& dims) {
    DimList found;
    for (std::int64_t d = 0; d < x.ndim(); ++d) {
      if (std::find(dims.begin(), dims.end(), d) == dims.end()) found.push_back(d);
    }
    return found;
  };
  DimList order_a = rest(a, in_a), order_b = rest(b, in_b);
  const std::int64_t rows = product_of(left, order_a), depth = product_of(left, in_a),
                     columns = product_of(right, order_b);
  Dims shape;
  for (const std::int64_t d : order_a) shape.push_back(a.size(d));
  for (const std::int64_t d : order_b) shape.push_back(b.size(d));
  checked_numel("tensordot", shape);
  order_a.insert(order_a.end(), in_a.begin(), in_a.end());
  order_b.insert(order_b.begin(), in_b.begin(), in_b.end());
  const Tensor wide = reshape(permute(left, order_a), {rows, depth});
  const Tensor tall = reshape(permute(right, order_b), {depth, columns});
  return reshape(mm(wide, tall), shape);
}

Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t count) {
  VG_CHECK(count >= 0, RuntimeError, "tensordot: expected dims >= 0, got ", count);
  VG_CHECK(count <= a.ndim() && count <= b.ndim(), RuntimeError, "tensordot: expected dims of at most ",
           std::min(a.ndim(), b.ndim()), ", the dimensions of both inputs, got ", count);
  DimList last(static_cast<std::size_t>(count)), first(static_cast<std::size_t>(count));
  std::iota(last.begin(), last.end(), a.ndim() - count);
  std::iota(first.begin(), first.end(), 0);
  return tensordot(a, b, last, first);
}

Tensor multi_dot(const char* op, const TensorList& matrices) {
  const std::size_t n = matrices.size();
  VG_CHECK(n >= 2, RuntimeError, op, ": expected at least 2 tensors, got ", n);
  TensorList parts = matrices;
  const bool row = parts[0].ndim() == 1, column = parts[n - 1].ndim() == 1;
  if (row) parts[0] = unsqueeze(parts[0], 0);
  if (column) parts[n - 1] = unsqueeze(parts[n - 1], 1);
  for (std::size_t i = 0; i < n; ++i) {
    VG_CHECK(parts[i].ndim() == 2, RuntimeError, op, ": expected tensor ", i, " to be 2D",
             i == 0 || i == n - 1 ? " or 1D" : "", ", got ", matrices[i].ndim(), "D");
    if (i == 0) continue;
    check_alike(op, parts[i - 1], parts[i]);
    VG_CHECK(parts[i - 1].shape()[1] == parts[i].shape()[0], RuntimeError, op, ": tensors ", i - 1, " and ", i,
             " with shapes ", matrices[i - 1].shape(), " and ", matrices[i].shape(), " cannot be multiplied");
  }
  // cost[i][j]: the fewest multiplications for parts i to j, in doubles, which do not overflow; at[i][j]: where they
  // are split.
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  std::vector<std::vector<std::size_t>> at(n, std::vector<std::size_t>(n, 0));
  for (std::size_t length = 1; length < n; ++length) {
    for (std::size_t i = 0; i + length < n; ++i) {
      const std::size_t j = i + length;
      cost[i][j] = std::numeric_limits<double>::infinity();
      for (std::size_t k = i; k < j; ++k) {
        const double joined = static_cast<double>(parts[i].shape()[0]) * static_cast<double>(parts[k].shape()[1]) *
                              static_cast<double>(parts[j].shape()[1]);
        const double total = cost[i][k] + cost[k + 1][j] + joined;
        if (total < cost[i][j]) {
          cost[i][j] = total;
          at[i][j] = k;
        }
      }
    }
  }
  const auto multiply = [&](const auto& self, std::size_t i, std::size_t j) -> Tensor {
    return i == j ? parts[i] : mm(self(self, i, at[i][j]), self(self, at[i][j] + 1, j));
  };
  const Tensor out = multiply(multiply, 0, n - 1);
  Dims shape;
  if (!row) shape.push_back(out.shape()[0]);
  if (!column) shape.push_back(out.shape()[1]);
  return row || column ? reshape(out, shape) : out;
}

Tensor matrix_power(const Tensor& self, std::int64_t n) {
  constexpr const char* op = "linalg.matrix_power";
  VG_CHECK(self.ndim() >= 2, RuntimeError, op, ": The input tensor A must have at least 2 dimensions, got ",
           self.ndim());
  VG_CHECK(self.size(-1) == self.size(-2), RuntimeError, op, ": A must be batches of square matrices, got shape ",
           self.shape());
  VG_CHECK(n >= 0, NotImplementedError, op, ": expected n >= 0, since a negative power needs an inverse, got ", n);
  if (n == 0) {
    const Tensor one = expand(eye(self.size(-1), self.size(-1), self.dtype(), self.device()), self.shape());
    if (!is_floating_point(self.dtype())) return clone(one);
    return record("LinalgMatrixPowerBackward0", clone(one), {self}, {}, [](Node& n, const Tensor& g) -> TensorList {
      return {zeros(input_meta(n, 0).shape, g.dtype(), g.device())};
    });
  }
  Tensor out, square = self;
  for (std::int64_t rest = n; rest > 0; rest /= 2) {
    if (rest % 2 == 1) out = out.defined() ? matmul(out, square) : square;
    if (rest > 1) square = matmul(square, square);
  }
  return n == 1 ? clone(self) : out;
}

Tensor linalg_cross(const Tensor& a, const Tensor& b, std::int64_t dim) {
  constexpr const char* op = "linalg.cross";
  VG_CHECK(a.ndim() == b.ndim(), RuntimeError, op, ": inputs must have the same number of dimensions, got ", a.ndim(),
           " and ", b.ndim());
  const int d = wrap_dim(op, dim, a.ndim());
  VG_CHECK(a.ndim() > 0 && a.shape()[d] == 3 && b.shape()[d] == 3, RuntimeError, op, ": inputs dimension ", d,
           " must have length 3, got shapes ", a.shape(), " and ", b.shape());
  check_alike(op, a, b);
  broadcast_shapes(op, a.shape(), b.shape());
  const auto rolled = [d](const Tensor& x, std::int64_t by) {
    return cat({narrow(x, d, by, 3 - by), narrow(x, d, 0, by)}, d);
  };
  return sub(mul(rolled(a, 1), rolled(b, 2)), mul(rolled(a, 2), rolled(b, 1)));
}

Tensor cross(const Tensor& a, const Tensor& b, std::optional<std::int64_t> dim) {
  if (dim) return linalg_cross(a, b, *dim);
  int first = 0;
  while (first < a.ndim() && a.shape()[first] != 3) ++first;
  VG_CHECK(first < a.ndim(), RuntimeError, "cross: no dimension of size 3 in input, got shape ", a.shape());
  return linalg_cross(a, b, first);
}

}  // namespace verigrad::ops
