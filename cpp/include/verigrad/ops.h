// Every op, grouped by family. Semantics are those of the PyTorch function of the same name; each op checks its
// arguments, computes through the device's kernel table and records its VJP. The VJP stands beside the definition in
// src/ops.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "verigrad/autograd.h"
#include "verigrad/generator.h"
#include "verigrad/tensor.h"

namespace verigrad::ops {

using DimList = std::vector<std::int64_t>;
using OptDType = std::optional<DType>;

/// A tensor, or a number of Python: it takes part in promotion as one, and travels to the kernel as one.
struct Operand {
  Tensor tensor;  // undefined where it is a number
  Scalar scalar = 0;

  Operand() = default;
  Operand(Tensor t) : tensor(std::move(t)) {}
  Operand(Scalar s) : scalar(s) {}
  Operand(int s) : scalar(s) {}
  bool is_tensor() const { return tensor.defined(); }
  /// f of what it is.
  template <class F>
  auto visit(F&& f) const {
    return is_tensor() ? f(tensor) : f(scalar);
  }
};

// Creation.
Tensor empty(const Dims& shape, DType dtype, Device device);
Tensor full(const Dims& shape, Scalar value, DType dtype, Device device);
Tensor zeros(const Dims& shape, DType dtype, Device device);
Tensor ones(const Dims& shape, DType dtype, Device device);
Tensor empty_like(const Tensor& self, OptDType dtype = {});
Tensor full_like(const Tensor& self, Scalar value, OptDType dtype = {});
Tensor zeros_like(const Tensor& self, OptDType dtype = {});
Tensor ones_like(const Tensor& self, OptDType dtype = {});
Tensor arange(Scalar start, Scalar end, Scalar step, OptDType dtype, Device device);
Tensor linspace(Scalar start, Scalar end, std::int64_t steps, OptDType dtype, Device device);
Tensor eye(std::int64_t n, std::int64_t m, OptDType dtype, Device device);

// Random numbers. A null generator is the default one.
using OptGenerator = Ref<Generator>;
Tensor rand(const Dims& shape, OptGenerator generator, DType dtype, Device device);
Tensor randn(const Dims& shape, OptGenerator generator, DType dtype, Device device);
Tensor randint(std::int64_t low, std::int64_t high, const Dims& shape, OptGenerator generator, DType dtype,
               Device device);
Tensor randperm(std::int64_t n, OptGenerator generator, DType dtype, Device device);
const Tensor& uniform_(const Tensor& self, double low, double high, OptGenerator generator);
const Tensor& normal_(const Tensor& self, double mean, double std, OptGenerator generator);

// Elementwise functions of one tensor (unary.def).
#define VG_DECLARE_UNARY(NAME, ...) \
  Tensor NAME(const Tensor& self);  \
  const Tensor& NAME##_(const Tensor& self);
#define VG_UNARY(NAME, ...) VG_DECLARE_UNARY(NAME)
#define VG_PREDICATE(NAME, ...) VG_DECLARE_UNARY(NAME)
#include "verigrad/unary.def"
#undef VG_DECLARE_UNARY

// Elementwise functions of two broadcast operands (binary.def).
#define VG_DECLARE_PAIR(NAME)                    \
  Tensor NAME(const Tensor& a, const Tensor& b); \
  const Tensor& NAME##_(const Tensor& self, const Tensor& other);
#define VG_DECLARE_BINARY(NAME)           \
  VG_DECLARE_PAIR(NAME)                   \
  Tensor NAME(const Tensor& a, Scalar b); \
  Tensor NAME(Scalar a, const Tensor& b); \
  const Tensor& NAME##_(const Tensor& self, Scalar other);
#define VG_BINARY(NAME, ...) VG_DECLARE_BINARY(NAME)
#define VG_PAIR(NAME, ...) VG_DECLARE_PAIR(NAME)
#define VG_COMPARE(NAME, ...) VG_DECLARE_BINARY(NAME)
#define VG_DISCRETE(NAME, ...) VG_DECLARE_BINARY(NAME)
#include "verigrad/binary.def"
#undef VG_DECLARE_BINARY
#undef VG_DECLARE_PAIR

// Of three (ternary.def).
/// self + weight (end - self).
Tensor lerp(const Tensor& self, const Tensor& end, const Operand& weight);
const Tensor& lerp_(const Tensor& self, const Tensor& end, const Operand& weight);
/// self + value tensor1 tensor2.
Tensor addcmul(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value = 1);
const Tensor& addcmul_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value = 1);
/// self + value tensor1 / tensor2.
Tensor addcdiv(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value = 1);
const Tensor& addcdiv_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, Scalar value = 1);
/// The dtype of an operation over these (torch.result_type).
DType result_type(std::initializer_list<const Operand*> operands);
DType result_type(const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);
Tensor masked_fill(const Tensor& self, const Tensor& mask, const Operand& value);
/// A tensor like self whose elements are all `value`, a number or a 0-d tensor.
Tensor fill(const Tensor& self, const Operand& value);
bool equal(const Tensor& a, const Tensor& b);
Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan);
bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan);

// Casts and copies.
Tensor to(const Tensor& self, DType dtype);
/// Also moves between devices, as every transfer does; a copy only where something changes. With `non_blocking` it may
/// return before a copy from page-locked memory is done, or one to the host, which then goes to page-locked memory.
Tensor to(const Tensor& self, DType dtype, Device device, bool non_blocking = false);
/// An uninitialised tensor of the host in page-locked memory. Raises RuntimeError that names `op` without a device.
Tensor empty_pinned(const char* op, const Dims& shape, DType dtype);
/// The tensor in page-locked memory, itself where it is there. Raises RuntimeError for one that is not the host's.
Tensor pin_memory(const Tensor& self);
bool is_pinned(const Tensor& self);
Tensor clone(const Tensor& self);
Tensor contiguous(const Tensor& self);
Tensor detach(const Tensor& self);
/// The single element; raises RuntimeError where there is not exactly one.
Scalar item(const Tensor& self);

// In place. Each raises on a leaf that requires a gradient (while recording) and on overlapping memory.
/// `non_blocking` as in `to`.
const Tensor& copy_(const Tensor& self, const Tensor& source, bool non_blocking = false);
const Tensor& fill_(const Tensor& self, Scalar value);

// Views.
Tensor view(const Tensor& self, const Dims& shape);
Tensor reshape(const Tensor& self, const Dims& shape);
Tensor flatten(const Tensor& self, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Tensor transpose(const Tensor& self, std::int64_t dim0, std::int64_t dim1);
Tensor permute(const Tensor& self, const DimList& dims);
Tensor t(const Tensor& self);
Tensor unsqueeze(const Tensor& self, std::int64_t dim);
/// Drops the dimensions of size 1 among `dims` (all of them where not given).
Tensor squeeze(const Tensor& self, const std::optional<DimList>& dims = {});
Tensor expand(const Tensor& self, const Dims& shape);
Tensor select(const Tensor& self, std::int64_t dim, std::int64_t index);
/// self[start:stop:step] along `dim`, with Python's clipping; step must be positive.
Tensor slice(const Tensor& self, std::int64_t dim, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
             std::int64_t step = 1);
Tensor narrow(const Tensor& self, std::int64_t dim, std::int64_t start, std::int64_t length);
TensorList unbind(const Tensor& self, std::int64_t dim = 0);

// Joining.
Tensor cat(const TensorList& tensors, std::int64_t dim = 0);
Tensor stack(const TensorList& tensors, std::int64_t dim = 0);

// Indexing.
Tensor gather(const Tensor& self, std::int64_t dim, const Tensor& index);
Tensor scatter_add(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src);
Tensor index_select(const Tensor& self, std::int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source);
/// As index_add, but rows are replaced; of equal indices the last wins.
Tensor index_copy(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source);
/// Indices of the elements that are not zero, one row each.
Tensor nonzero(const Tensor& self);

/// One entry of a subscript.
struct Index {
  enum class Kind { Integer, Slice, None, Ellipsis, Tensor } kind = Kind::None;
  std::int64_t integer = 0;
  std::optional<std::int64_t> start, stop, step;
  verigrad::Tensor tensor;
};
Tensor get_item(const Tensor& self, const std::vector<Index>& index);
void set_item(const Tensor& self, const std::vector<Index>& index, const Operand& value);
/// Raises for an index outside of [0, size); a device that cannot raise now does so at its next synchronisation, with
/// the name `op`, which must live as long. The error is RuntimeError, "<op>: target out of range" for `classes`.
void check_index(const char* op, const Tensor& index, std::int64_t size, bool classes);

// Reductions. An empty `dims` reduces over all dimensions.
Tensor sum(const Tensor& self, const DimList& dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor mean(const Tensor& self, const DimList& dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor amax(const Tensor& self, const DimList& dims = {}, bool keepdim = false);
Tensor amin(const Tensor& self, const DimList& dims = {}, bool keepdim = false);
Tensor max(const Tensor& self);
Tensor min(const Tensor& self);
std::pair<Tensor, Tensor> max(const Tensor& self, std::int64_t dim, bool keepdim = false);
std::pair<Tensor, Tensor> min(const Tensor& self, std::int64_t dim, bool keepdim = false);
Tensor prod(const Tensor& self, std::optional<std::int64_t> dim = {}, bool keepdim = false, OptDType dtype = {});
Tensor argmax(const Tensor& self, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& self, std::optional<std::int64_t> dim = {}, bool keepdim = false);
Tensor all(const Tensor& self, const DimList& dims = {}, bool keepdim = false);
Tensor any(const Tensor& self, const DimList& dims = {}, bool keepdim = false);

// Linear algebra.
Tensor mm(const Tensor& a, const Tensor& b);
Tensor bmm(const Tensor& a, const Tensor& b);
Tensor matmul(const Tensor& a, const Tensor& b);
/// input [*, in] times weight [out, in] transposed, plus bias [out] (may be undefined).
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias);

// Softmax and losses.
Tensor softmax(const Tensor& self, std::int64_t dim, OptDType dtype = {});
Tensor log_softmax(const Tensor& self, std::int64_t dim, OptDType dtype = {});
enum class Reduction { None, Mean, Sum };
Reduction parse_reduction(const char* op, const std::string& text);
Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                Reduction reduction);
Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                     Reduction reduction, double label_smoothing);
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction);

}  // namespace verigrad::ops
