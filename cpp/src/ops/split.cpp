// A tensor cut into views, and tensors put together.
#include "verigrad/split.h"

#include "autograd/record.h"
#include "core/allocator.h"
#include "ops/elementwise.h"
#include "verigrad/rearrange.h"

namespace verigrad::ops {
namespace {

void check_has_dims(const char* op, const Tensor& self) {
  VG_CHECK(self.ndim() > 0, RuntimeError, op, ": expected at least a 1-dimensional tensor, got one without dimensions");
}

/// Views of neighbouring parts that are the whole together. One node for all of them, as for unbind.
TensorList parts(const char* node, const Tensor& self, int dim, const DimList& sizes) {
  TensorList out;
  std::int64_t first = 0;
  for (const std::int64_t size : sizes) {
    out.push_back(narrow(self, dim, first, size));
    first += size;
  }
  if (is_floating_point(self.dtype())) {
    record_list(node, out, {self}, {}, [dim](Node&, const TensorList& g) -> TensorList { return {cat(g, dim)}; });
  }
  return out;
}

/// A number of parts that the machine can hold.
std::size_t checked_count(const char* op, std::int64_t count) {
  VG_CHECK(count <= physical_memory() / static_cast<std::int64_t>(sizeof(TensorImpl)), RuntimeError, op,
           ": not enough memory: you tried to make ", count, " tensors");
  return static_cast<std::size_t>(count);
}

/// The dimension that a direction stands for, and its name in messages.
struct Axis {
  const char* op;
  int dim, least;
};
Axis split_axis(Direction direction, const Tensor& self) {
  const Axis axis = direction == Direction::vertical     ? Axis{"vsplit", 0, 2}
                    : direction == Direction::horizontal ? Axis{"hsplit", self.ndim() == 1 ? 0 : 1, 1}
                                                         : Axis{"dsplit", 2, 3};
  VG_CHECK(self.ndim() >= axis.least, RuntimeError, axis.op, " requires a tensor with at least ", axis.least,
           " dimension, but got a tensor with ", self.ndim(), " dimensions!");
  return axis;
}

}  // namespace

TensorList split(const Tensor& self, std::int64_t size, std::int64_t dim) {
  check_has_dims("split", self);
  const int d = wrap_dim("split", dim, self.ndim());
  const std::int64_t length = self.shape()[d];
  VG_CHECK(size >= 0, RuntimeError, "split: expects split_size be non-negative, but got split_size=", size);
  VG_CHECK(size > 0 || length == 0, RuntimeError,
           "split: split_size can only be 0 if dimension size is 0, but got dimension size of ", length);
  const std::int64_t count = length == 0 ? 1 : (length - 1) / size + 1;
  DimList sizes(checked_count("split", count), size);
  sizes.back() = length - (count - 1) * size;
  return parts("SplitBackward0", self, d, sizes);
}

TensorList split_with_sizes(const Tensor& self, const DimList& sizes, std::int64_t dim) {
  check_has_dims("split_with_sizes", self);
  const int d = wrap_dim("split_with_sizes", dim, self.ndim());
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    VG_CHECK(size >= 0, RuntimeError, "split_with_sizes: expects split_sizes have only non-negative entries, but got ",
             size);
    sum = checked_add("split_with_sizes", sum, size);
  }
  VG_CHECK(sum == self.shape()[d], RuntimeError, "split_with_sizes: expects split_sizes to sum exactly to ",
           self.shape()[d], " (input tensor's size at dimension ", d, "), but got ", sizes.size(), " sizes of sum ",
           sum);
  return parts("SplitWithSizesBackward0", self, d, sizes);
}

TensorList chunk(const Tensor& self, std::int64_t chunks, std::int64_t dim) {
  check_has_dims("chunk", self);
  const int d = wrap_dim("chunk", dim, self.ndim());
  VG_CHECK(chunks > 0, RuntimeError, "chunk: expects `chunks` to be greater than 0, got: ", chunks);
  const std::int64_t length = self.shape()[d];
  if (length == 0) return parts("SplitWithSizesBackward0", self, d, DimList(checked_count("chunk", chunks), 0));
  return split(self, (length - 1) / chunks + 1, d);
}

TensorList tensor_split(const Tensor& self, std::int64_t sections, std::int64_t dim) {
  check_has_dims("tensor_split", self);
  const int d = wrap_dim("tensor_split", dim, self.ndim());
  VG_CHECK(sections > 0, RuntimeError, "tensor_split: number of sections must be larger than 0, got ", sections);
  const std::int64_t length = self.shape()[d];
  DimList sizes(checked_count("tensor_split", sections), length / sections);
  for (std::int64_t i = 0; i < length % sections; ++i) ++sizes[static_cast<std::size_t>(i)];
  return parts("SplitWithSizesBackward0", self, d, sizes);
}

TensorList tensor_split(const Tensor& self, const DimList& indices, std::int64_t dim) {
  check_has_dims("tensor_split", self);
  const int d = wrap_dim("tensor_split", dim, self.ndim());
  TensorList out;
  std::optional<std::int64_t> first;
  for (const std::int64_t index : indices) {
    out.push_back(slice(self, d, first, index));
    first = index;
  }
  out.push_back(slice(self, d, first, {}));
  return out;
}

TensorList split_along(Direction direction, const Tensor& self, std::int64_t sections) {
  const Axis axis = split_axis(direction, self);
  const std::int64_t length = self.shape()[axis.dim];
  VG_CHECK(sections > 0 && length % sections == 0, RuntimeError, axis.op, ": attempted to split along dimension ",
           axis.dim, ", but the size of the dimension ", length, " is not divisible by the split_size ", sections, "!");
  return tensor_split(self, sections, axis.dim);
}

TensorList split_along(Direction direction, const Tensor& self, const DimList& indices) {
  return tensor_split(self, indices, split_axis(direction, self).dim);
}

Tensor stack_along(Direction direction, const TensorList& tensors) {
  const char* op = direction == Direction::vertical     ? "vstack"
                   : direction == Direction::horizontal ? "hstack"
                                                        : "dstack";
  VG_CHECK(!tensors.empty(), RuntimeError, op, " expects a non-empty TensorList");
  TensorList wide;
  for (const Tensor& x : tensors) wide.push_back(at_least(static_cast<int>(direction) + 1, x));
  if (direction == Direction::horizontal) return cat(wide, wide[0].ndim() == 1 ? 0 : 1);
  return cat(wide, direction == Direction::vertical ? 0 : 2);
}

Tensor column_stack(const TensorList& tensors) {
  VG_CHECK(!tensors.empty(), RuntimeError, "column_stack expects a non-empty TensorList");
  TensorList columns;
  for (const Tensor& x : tensors) columns.push_back(x.ndim() <= 1 ? reshape(x, {x.numel(), 1}) : x);
  return stack_along(Direction::horizontal, columns);
}

Tensor block_diag(const TensorList& tensors) {
  if (tensors.empty()) return empty({1, 0}, default_dtype(), default_device());
  DType dtype = tensors[0].dtype();
  std::int64_t width = 0;
  TensorList blocks;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    VG_CHECK(tensors[i].ndim() <= 2, RuntimeError, "block_diag: Input tensors must have 2 or fewer dimensions. Input ",
             i, " has ", tensors[i].ndim(), " dimensions");
    check_same_device("block_diag", tensors[0], tensors[i]);
    dtype = promote_types(dtype, tensors[i].dtype());
    blocks.push_back(at_least(2, tensors[i]));
    width = checked_add("block_diag", width, blocks.back().shape()[1]);
  }
  // Each block as wide rows, with zeros on both sides.
  TensorList rows;
  std::int64_t before = 0;
  for (const Tensor& block : blocks) {
    const std::int64_t height = block.shape()[0], own = block.shape()[1];
    const auto nothing = [&](std::int64_t columns) { return zeros({height, columns}, dtype, block.device()); };
    rows.push_back(cat({nothing(before), to(block, dtype), nothing(width - before - own)}, 1));
    before += own;
  }
  return cat(rows, 0);
}

Tensor cartesian_prod(const TensorList& tensors) {
  for (const Tensor& x : tensors) {
    VG_CHECK(x.ndim() == 1, RuntimeError, "cartesian_prod: Expect a 1D vector, but got shape ", x.shape());
  }
  if (tensors.size() == 1) return tensors[0];
  TensorList columns;
  for (const Tensor& grid : meshgrid(tensors, "ij")) columns.push_back(reshape(grid, {-1}));
  return stack(columns, 1);
}

namespace {

/// The number of ways to choose r out of n.
std::int64_t choices(std::int64_t n, std::int64_t r) {
  if (r > n) return 0;
  std::int64_t count = 1;
  for (std::int64_t i = 0; i < std::min(r, n - r); ++i) count = checked_mul("combinations", count, n - i) / (i + 1);
  return count;
}

}  // namespace

Tensor combinations(const Tensor& self, std::int64_t r, bool with_replacement) {
  VG_CHECK(self.ndim() == 1, RuntimeError, "combinations: Expect a 1D vector, but got shape ", self.shape());
  VG_CHECK(r >= 0, RuntimeError, "combinations: Expect a non-negative number, but got ", r);
  if (r == 0) return empty({0}, self.dtype(), self.device());
  const std::int64_t n = self.numel(), gap = with_replacement ? 0 : 1;
  const std::int64_t count =
      with_replacement ? choices(n == 0 ? 0 : checked_add("combinations", n - 1, r), r) : choices(n, r);
  checked_numel("combinations", {count, r});
  const Tensor index = empty_tensor({count, r}, DType::Int64, kHost);
  auto* row = index.data_as<std::int64_t>();
  DimList at(count > 0 ? static_cast<std::size_t>(r) : 0);
  for (std::size_t k = 1; k < at.size(); ++k) at[k] = at[k - 1] + gap;
  for (std::int64_t i = 0; i < count; ++i) {
    row = std::copy(at.begin(), at.end(), row);
    // The last position that can still grow does, and those after it follow at the least distance.
    auto k = static_cast<std::int64_t>(at.size()) - 1;
    while (k >= 0 && at[static_cast<std::size_t>(k)] == n - 1 - gap * (r - 1 - k)) --k;
    if (k < 0) break;
    ++at[static_cast<std::size_t>(k)];
    for (auto next = static_cast<std::size_t>(k) + 1; next < at.size(); ++next) at[next] = at[next - 1] + gap;
  }
  return reshape(index_select(self, 0, to(reshape(index, {-1}), DType::Int64, self.device())), index.shape());
}

}  // namespace verigrad::ops
