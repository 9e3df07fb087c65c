// Matrix products. Every one ends in the device's gemm kernel.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

/// How gemm reads a matrix: in place where its rows or its columns are contiguous, else from a copy.
struct Matrix {
  Tensor tensor;  // keeps a copy alive
  bool trans = false;
  std::int64_t ld = 0;
};

Matrix as_matrix(const Tensor& x) {
  const int r = x.ndim() - 2, c = x.ndim() - 1;
  const std::int64_t rows = x.shape()[r], cols = x.shape()[c];
  const std::int64_t row_stride = x.strides()[r], col_stride = x.strides()[c];
  if ((col_stride == 1 || cols == 1) && (row_stride >= std::max<std::int64_t>(cols, 1) || rows == 1)) {
    return {x, false, std::max({rows == 1 ? cols : row_stride, cols, std::int64_t{1}})};
  }
  if ((row_stride == 1 || rows == 1) && (col_stride >= std::max<std::int64_t>(rows, 1) || cols == 1)) {
    return {x, true, std::max({cols == 1 ? rows : col_stride, rows, std::int64_t{1}})};
  }
  return {contiguous(detach(x)), false, std::max<std::int64_t>(cols, 1)};
}

/// out[b] = a[b] b[b] (+ bias). `a` and `b` have 2 dimensions, or 3 with batches equal to out's or 1.
void gemm_out(const char* op, const Tensor& out, const Tensor& a, const Tensor& b, const Tensor& bias) {
  if (out.numel() == 0) return;
  // The kernel reads bools as they are; memory may hold other bytes than 0 and 1.
  const auto plain = [](const Tensor& x) { return x.dtype() == DType::Bool ? ne(detach(x), Scalar(false)) : x; };
  const Matrix left = as_matrix(plain(a)), right = as_matrix(plain(b));
  kernels::Gemm g;
  g.batch = out.ndim() == 3 ? out.shape()[0] : 1;
  g.m = a.size(-2);
  g.k = a.size(-1);
  g.n = b.size(-1);
  g.a = left.tensor.data();
  g.b = right.tensor.data();
  g.c = out.data();
  g.trans_a = left.trans;
  g.trans_b = right.trans;
  g.lda = left.ld;
  g.ldb = right.ld;
  g.ldc = g.n;
  const auto batch_stride = [](const Tensor& x) { return x.ndim() == 3 && x.shape()[0] > 1 ? x.strides()[0] : 0; };
  g.stride_a = batch_stride(left.tensor);
  g.stride_b = batch_stride(right.tensor);
  g.stride_c = g.m * g.n;
  g.bias = bias.defined() ? bias.data() : nullptr;
  VG_KERNEL(gemm, op, out.device())(out.dtype(), g);
}

void check_operands(const char* op, const Tensor& a, const Tensor& b) {
  check_same_device(op, a, b);
  VG_CHECK(a.dtype() == b.dtype(), RuntimeError, op, ": expected both matrices to have the same dtype, got ", a.dtype(),
           " and ", b.dtype());
}

Tensor transposed(const Tensor& x) { return transpose(x, -2, -1); }

TensorList product_backward(Node& n, const Tensor& g, Tensor (*product)(const Tensor&, const Tensor&)) {
  return {n.needs(0) ? product(g, transposed(n.saved(1))) : Tensor(),
          n.needs(1) ? product(transposed(n.saved(0)), g) : Tensor()};
}

Tensor record_product(const char* node, const Tensor& out, const Tensor& a, const Tensor& b,
                      Tensor (*product)(const Tensor&, const Tensor&)) {
  if (!recording(a, b) || !is_floating_point(out.dtype())) return out;
  static const Tensor none;
  return record(node, out, {a, b},
                {Save::input(b.requires_grad() ? a : none), Save::input(a.requires_grad() ? b : none)},
                [product](Node& n, const Tensor& g) { return product_backward(n, g, product); });
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() == 2 && b.ndim() == 2, RuntimeError, "mm: expected two matrices, got shapes ", a.shape(), " and ",
           b.shape());
  check_operands("mm", a, b);
  VG_CHECK(a.shape()[1] == b.shape()[0], RuntimeError, "mm: mat1 and mat2 shapes cannot be multiplied (", a.shape()[0],
           "x", a.shape()[1], " and ", b.shape()[0], "x", b.shape()[1], ")");
  const Tensor out = empty_tensor({a.shape()[0], b.shape()[1]}, a.dtype(), a.device());
  gemm_out("mm", out, a, b, {});
  return record_product("MmBackward0", out, a, b, mm);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() == 3 && b.ndim() == 3, RuntimeError, "bmm: batch1 and batch2 must be 3D tensors, got shapes ",
           a.shape(), " and ", b.shape());
  check_operands("bmm", a, b);
  VG_CHECK(a.shape()[0] == b.shape()[0] && a.shape()[2] == b.shape()[1], RuntimeError,
           "bmm: Expected size for first two dimensions of batch2 tensor to be: [", a.shape()[0], ", ", a.shape()[2],
           "] but got: [", b.shape()[0], ", ", b.shape()[1], "].");
  const Tensor out = empty_tensor({a.shape()[0], a.shape()[1], b.shape()[2]}, a.dtype(), a.device());
  gemm_out("bmm", out, a, b, {});
  return record_product("BmmBackward0", out, a, b, bmm);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  VG_CHECK(a.ndim() > 0 && b.ndim() > 0, RuntimeError,
           "matmul: both arguments to matmul need to be at least 1D, but they are ", a.ndim(), "D and ", b.ndim(), "D");
  if (a.ndim() == 2 && b.ndim() == 2) return mm(a, b);
  if (a.ndim() == 1 || b.ndim() == 1) {
    VG_CHECK(a.size(-1) == b.size(b.ndim() == 1 ? 0 : -2), RuntimeError, "matmul: size mismatch, got shapes ",
             a.shape(), " and ", b.shape());
    if (a.ndim() == 1 && b.ndim() == 1) return squeeze(mm(unsqueeze(a, 0), unsqueeze(b, 1)));
    if (a.ndim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), DimList{-2});
    return squeeze(matmul(a, unsqueeze(b, 1)), DimList{-1});
  }
  check_operands("matmul", a, b);
  VG_CHECK(a.size(-1) == b.size(-2), RuntimeError, "matmul: mat1 and mat2 shapes cannot be multiplied, got ", a.shape(),
           " and ", b.shape());
  if (b.ndim() == 2) {  // the batch dimensions of `a` are rows
    Dims shape = a.shape();
    shape.back() = b.shape()[1];
    std::int64_t rows = 1;
    for (int d = 0; d + 1 < a.ndim(); ++d) rows = wrapping_mul(rows, a.shape()[d]);
    return reshape(mm(reshape(a, {rows, a.size(-1)}), b), shape);
  }
  const auto batch_of = [](const Tensor& x) {
    Dims d = x.shape();
    d.pop_back();
    d.pop_back();
    return d;
  };
  const Dims batch = broadcast_shapes("matmul", batch_of(a), batch_of(b));
  const std::int64_t count = checked_numel("matmul", batch);
  const auto batched = [&](const Tensor& x) {
    Dims shape = batch;
    shape.push_back(x.size(-2));
    shape.push_back(x.size(-1));
    return reshape(expand(x, shape), {count, x.size(-2), x.size(-1)});
  };
  Dims shape = batch;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  return reshape(bmm(batched(a), batched(b)), shape);
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  VG_CHECK(weight.ndim() == 2, RuntimeError, "linear: expected weight of shape [out_features, in_features], got ",
           weight.shape());
  VG_CHECK(input.ndim() >= 1, RuntimeError, "linear: expected input of shape [*, in_features], got ", input.shape());
  check_operands("linear", input, weight);
  VG_CHECK(input.size(-1) == weight.shape()[1], RuntimeError, "linear: expected input of shape [*, ", weight.shape()[1],
           "] for weight ", weight.shape(), ", got ", input.shape(), ": mat1 and mat2 shapes cannot be multiplied");
  if (bias.defined()) {
    check_operands("linear", input, bias);
    VG_CHECK(bias.ndim() == 1 && bias.shape()[0] == weight.shape()[0], RuntimeError, "linear: expected bias of shape [",
             weight.shape()[0], "], got ", bias.shape());
  }
  if (input.ndim() != 2) {
    Dims shape = input.shape();
    shape.back() = weight.shape()[0];
    const std::int64_t features = input.size(-1);
    std::int64_t rows = 1;
    for (int d = 0; d + 1 < input.ndim(); ++d) rows *= input.shape()[d];
    return reshape(linear(reshape(input, {rows, features}), weight, bias), shape);
  }
  const Tensor out = empty_tensor({input.shape()[0], weight.shape()[0]}, input.dtype(), input.device());
  const Tensor row = bias.defined() ? contiguous(detach(bias)) : bias;
  {
    const Tensor w = alias(weight, {weight.shape()[1], weight.shape()[0]}, {weight.strides()[1], weight.strides()[0]},
                           weight.offset());
    gemm_out("linear", out, input, w, row);
  }
  if (!is_floating_point(out.dtype())) return out;
  return record(bias.defined() ? "AddmmBackward0" : "MmBackward0", out, {input, weight, bias},
                {Save::input(input), Save::input(weight)}, [](Node& n, const Tensor& g) -> TensorList {
                  return {n.needs(0) ? mm(g, n.saved(1)) : Tensor(),
                          n.needs(1) ? mm(transposed(g), n.saved(0)) : Tensor(), n.needs(2) ? sum(g, {0}) : Tensor()};
                });
}

}  // namespace verigrad::ops
