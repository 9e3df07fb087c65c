#include "ops/elementwise.h"

#include "autograd/record.h"

namespace verigrad::ops {

using kernels::Loop;

bool make_loop(Loop& loop, const Tensor& out, std::initializer_list<const Tensor*> inputs) {
  if (out.numel() == 0) return false;
  loop.operands = 1 + static_cast<int>(inputs.size());
  loop.numel = out.numel();
  loop.data[0] = out.data();
  bool flat = out.is_contiguous();
  int i = 1;
  for (const Tensor* in : inputs) {
    loop.data[i++] = in ? in->data() : nullptr;
    if (!in) continue;
    flat = flat && (in->numel() == 1 || (in->is_contiguous() && in->shape() == out.shape()));
  }
  if (flat) {
    loop.shape = Dims{out.numel()};
    loop.strides[0] = Dims{1};
    i = 1;
    for (const Tensor* in : inputs) loop.strides[i++] = Dims{!in || in->numel() == 1 ? 0 : 1};
    return true;
  }
  Dims strides[kernels::kMaxOperands];
  strides[0] = out.strides();
  i = 1;
  for (const Tensor* in : inputs) {
    strides[i++] = in ? broadcast_strides(in->shape(), in->strides(), out.shape()) : Dims(out.ndim(), 0);
  }
  // Coalesce: leave out sizes of 1 and merge each dimension into the one before where all operands allow it.
  loop.shape = {};
  for (int k = 0; k < loop.operands; ++k) loop.strides[k] = {};
  for (int d = 0; d < out.ndim(); ++d) {
    const std::int64_t size = out.shape()[d];
    if (size == 1) continue;
    bool merge = !loop.shape.empty();
    for (int k = 0; merge && k < loop.operands; ++k) merge = loop.strides[k].back() == size * strides[k][d];
    if (merge) {
      loop.shape.back() *= size;
      for (int k = 0; k < loop.operands; ++k) loop.strides[k].back() = strides[k][d];
    } else {
      loop.shape.push_back(size);
      for (int k = 0; k < loop.operands; ++k) loop.strides[k].push_back(strides[k][d]);
    }
  }
  return true;
}

void unary_out(kernels::UnaryOp op, const char* name, const Tensor& out, const Tensor& x) {
  Loop loop;
  if (make_loop(loop, out, {&x})) VG_KERNEL(unary, name, x.device())(op, x.dtype(), loop);
}

void binary_out(kernels::BinaryOp op, const Tensor& out, const Tensor& a, const Tensor& b) {
  Loop loop;
  if (make_loop(loop, out, {&a, &b})) VG_KERNEL(binary, "binary", a.device())(op, a.dtype(), loop);
}

void binary_out(kernels::BinaryOp op, const Tensor& out, const Tensor& a, Scalar b) {
  Loop loop;
  if (!make_loop(loop, out, {&a, nullptr})) return;
  loop.set_number(2, a.dtype(), b);
  VG_KERNEL(binary, "binary", a.device())(op, a.dtype(), loop);
}

void binary_out(kernels::BinaryOp op, const Tensor& out, Scalar a, const Tensor& b) {
  Loop loop;
  if (!make_loop(loop, out, {nullptr, &b})) return;
  loop.set_number(1, b.dtype(), a);
  VG_KERNEL(binary, "binary", b.device())(op, b.dtype(), loop);
}

void ternary_out(kernels::TernaryOp op, const char* name, const Tensor& out, const Tensor& a, const Tensor& b,
                 const Operand& c, Scalar value) {
  Loop loop;
  if (!make_loop(loop, out, {&a, &b, c.is_tensor() ? &c.tensor : nullptr})) return;
  if (!c.is_tensor()) loop.set_number(3, out.dtype(), c.scalar);
  VG_KERNEL(ternary, name, out.device())(op, out.dtype(), loop, value);
}

void copy_out(const Tensor& out, const Tensor& in) {
  Loop loop;
  if (make_loop(loop, out, {&in})) VG_KERNEL(copy, "copy", out.device())(out.dtype(), in.dtype(), loop);
}

void fill_out(const Tensor& out, Scalar value) {
  Loop loop;
  if (!make_loop(loop, out, {nullptr})) return;
  loop.set_number(1, out.dtype(), value);
  VG_KERNEL(fill, "fill", out.device())(out.dtype(), loop);
}

void where_out(const Tensor& out, const Tensor& condition, const Operand& a, const Operand& b) {
  Loop loop;
  const auto pointer = [](const Operand& x) { return x.is_tensor() ? &x.tensor : nullptr; };
  if (!make_loop(loop, out, {&condition, pointer(a), pointer(b)})) return;
  if (!a.is_tensor()) loop.set_number(2, out.dtype(), a.scalar);
  if (!b.is_tensor()) loop.set_number(3, out.dtype(), b.scalar);
  VG_KERNEL(where, "where", out.device())(out.dtype(), loop);
}

void refuse_kind(const char* op, kernels::Kind kind, DType dtype) {
  using kernels::Kind;
  VG_CHECK(kind != Kind::Signed, RuntimeError, op, ": expected a numeric dtype, got ", dtype);
  const char* expected = kind == Kind::Numeric    ? "a numeric"
                         : kind == Kind::Bits     ? "an integer or bool"
                         : kind == Kind::Integral ? "an integer"
                                                  : "a floating-point";
  VG_THROW(NotImplementedError, op, ": expected ", expected, " dtype, got ", dtype);
}

void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  VG_CHECK(a.device() == b.device(), RuntimeError, op, ": Expected all tensors to be on the same device, but found ",
           a.device(), " and ", b.device());
}

Tensor beside(const Tensor& x, const Tensor& other) {
  return x.ndim() == 0 && x.device() == kHost ? to(x, x.dtype(), other.device()) : x;
}

Operand to_stored(const char* op, const Operand& x, DType dtype) {
  if (x.is_tensor()) return to(x.tensor, dtype);
  check_fits(op, x.scalar, dtype);
  return x;
}

Tensor as_index(const char* op, const Tensor& index) {
  VG_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, RuntimeError, op,
           ": expected an index of dtype int64 or int32, got ", index.dtype());
  return to(index, DType::Int64);
}

}  // namespace verigrad::ops
