// Einstein's convention, as products of batches of matrices.
#include <algorithm>
#include <array>

#include "ops/elementwise.h"
#include "verigrad/contraction.h"
#include "verigrad/diagonal.h"

namespace verigrad::ops {
namespace {

constexpr int kLetters = 52;

char letter(int subscript) { return static_cast<char>(subscript < 26 ? 'A' + subscript : 'a' + subscript - 26); }

/// Where each subscript, and each dimension that an ellipsis stands for, has its place.
struct Plan {
  std::vector<Subscripts> inputs;  // with the ellipsis as subscripts from kLetters on
  Subscripts output, order;        // order: those of the output, then those that are summed
  std::vector<std::int64_t> sizes;
  std::vector<int> last_operand;
};

void check_subscripts(const Subscripts& subscripts, const char* where, std::size_t number) {
  bool ellipsis = false;
  for (const int s : subscripts) {
    VG_CHECK(s == kEllipsis || (s >= 0 && s < kLetters), ValueError,
             "einsum: expected subscripts in the range [0, 52), got ", s);
    VG_CHECK(s != kEllipsis || !ellipsis, RuntimeError, "einsum: expected one ellipsis at most for ", where, " ",
             number, ", got another");
    ellipsis = ellipsis || s == kEllipsis;
  }
}

Plan make_plan(const std::vector<Subscripts>& inputs, const std::optional<Subscripts>& output,
               const TensorList& operands) {
  VG_CHECK(!operands.empty(), ValueError, "einsum: expected at least one operand, got none");
  VG_CHECK(inputs.size() <= operands.size(), RuntimeError,
           "einsum: fewer operands were provided than specified in the equation, got ", operands.size(), " for ",
           inputs.size());
  VG_CHECK(inputs.size() >= operands.size(), RuntimeError,
           "einsum: more operands were provided than specified in the equation, got ", operands.size(), " for ",
           inputs.size());
  Plan plan;
  int widest = 0;  // the dimensions of the longest ellipsis; shorter ones are aligned at its end
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_subscripts(inputs[i], "operand", i);
    const bool ellipsis = std::find(inputs[i].begin(), inputs[i].end(), kEllipsis) != inputs[i].end();
    const int named = static_cast<int>(inputs[i].size()) - (ellipsis ? 1 : 0), ndim = operands[i].ndim();
    VG_CHECK(ellipsis ? named <= ndim : named == ndim, RuntimeError,
             "einsum: the number of subscripts in the equation (", named, ") ",
             ellipsis ? "is more than" : "does not match", " the number of dimensions (", ndim, ") for operand ", i,
             ellipsis ? "" : " and no ellipsis was given");
    if (ellipsis) widest = std::max(widest, ndim - named);
  }
  const auto count = static_cast<std::size_t>(kLetters + widest);
  plan.sizes.assign(count, 1);
  plan.last_operand.assign(count, -1);
  std::vector<int> uses(count, 0);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Subscripts all;
    for (const int s : inputs[i]) {
      if (s != kEllipsis) {
        all.push_back(s);
        continue;
      }
      const int covered = operands[i].ndim() - static_cast<int>(inputs[i].size()) + 1;
      for (int d = widest - covered; d < widest; ++d) all.push_back(kLetters + d);
    }
    for (std::size_t d = 0; d < all.size(); ++d) {
      const auto s = static_cast<std::size_t>(all[d]);
      const std::int64_t size = operands[i].shape()[static_cast<int>(d)];
      const auto before = std::find(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(d), all[d]);
      if (before != all.begin() + static_cast<std::ptrdiff_t>(d)) {
        const std::int64_t other = operands[i].shape()[static_cast<int>(before - all.begin())];
        VG_CHECK(size == other, RuntimeError, "einsum: subscript ", letter(all[d]), " is repeated for operand ", i,
                 " but the sizes don't match, ", size, " != ", other);
      }
      VG_CHECK(size == plan.sizes[s] || size == 1 || plan.sizes[s] == 1, RuntimeError, "einsum: subscript ",
               all[d] < kLetters ? std::string(1, letter(all[d])) : "...", " has size ", size, " for operand ", i,
               " which does not broadcast with previously seen size ", plan.sizes[s]);
      if (plan.sizes[s] == 1) plan.sizes[s] = size;
      plan.last_operand[s] = static_cast<int>(i);
      ++uses[s];
    }
    plan.inputs.push_back(std::move(all));
  }
  const auto push_ellipsis = [&] {
    for (int d = 0; d < widest; ++d) plan.output.push_back(kLetters + d);
  };
  if (output) {
    check_subscripts(*output, "output", 0);
    for (const int s : *output) {
      if (s == kEllipsis) {
        push_ellipsis();
        continue;
      }
      VG_CHECK(uses[static_cast<std::size_t>(s)] > 0, RuntimeError, "einsum: output subscript ", letter(s),
               " does not appear in the equation for any input operand");
      VG_CHECK(std::find(plan.output.begin(), plan.output.end(), s) == plan.output.end(), RuntimeError,
               "einsum: output subscript ", letter(s), " appears more than once in the output");
      plan.output.push_back(s);
    }
  } else {
    push_ellipsis();
    for (int s = 0; s < kLetters; ++s) {
      if (uses[static_cast<std::size_t>(s)] == 1) plan.output.push_back(s);
    }
  }
  plan.order = plan.output;
  for (int s = 0; s < static_cast<int>(count); ++s) {
    const bool used = uses[static_cast<std::size_t>(s)] > 0;
    if (used && std::find(plan.output.begin(), plan.output.end(), s) == plan.output.end()) plan.order.push_back(s);
  }
  return plan;
}

/// The operand with a dimension for each subscript of `order`, of size 1 for those that it lacks.
Tensor arrange(Tensor x, Subscripts subscripts, const Subscripts& order) {
  for (std::size_t d = 0; d < subscripts.size();) {
    const auto first = subscripts.begin() + static_cast<std::ptrdiff_t>(d);
    const auto again = std::find(first + 1, subscripts.end(), *first);
    if (again == subscripts.end()) {
      ++d;
      continue;
    }
    x = diagonal(x, 0, static_cast<std::int64_t>(d), again - subscripts.begin());
    const int s = *first;
    subscripts.erase(again);
    subscripts.erase(subscripts.begin() + static_cast<std::ptrdiff_t>(d));
    subscripts.push_back(s);
  }
  DimList moved;
  for (const int s : order) {
    const auto found = std::find(subscripts.begin(), subscripts.end(), s);
    if (found != subscripts.end()) moved.push_back(found - subscripts.begin());
  }
  x = permute(x, moved);
  for (std::size_t d = 0; d < order.size(); ++d) {
    if (std::find(subscripts.begin(), subscripts.end(), order[d]) == subscripts.end()) {
      x = unsqueeze(x, static_cast<std::int64_t>(d));
    }
  }
  return x;
}

/// The product of two arranged operands, summed over some dimensions, which stay with size 1.
Tensor multiply(const Tensor& a, const Tensor& b, const std::vector<bool>& summed) {
  // Each dimension by who has it: both and the result, one of them and the result, both and the sum.
  enum Group { Batch, Left, Right, Depth };
  std::array<DimList, 4> groups;
  DimList only_a, only_b;
  for (int d = 0; d < a.ndim(); ++d) {
    const bool in_a = a.shape()[d] != 1, in_b = b.shape()[d] != 1;
    if (!summed[static_cast<std::size_t>(d)]) {
      groups[in_a && in_b ? Batch : (in_a ? Left : Right)].push_back(d);
    } else {
      groups[Depth].push_back(d);
      if (in_a && !in_b) only_a.push_back(d);
      if (in_b && !in_a) only_b.push_back(d);
    }
  }
  const Tensor x = only_a.empty() ? a : sum(a, only_a, true);
  const Tensor y = only_b.empty() ? b : sum(b, only_b, true);
  std::int64_t depth = 1;
  for (const std::int64_t d : groups[Depth]) depth *= x.size(d);
  if (groups[Depth].empty() || depth == 1) return mul(x, y);
  check_same_device("einsum", x, y);
  // The sum of integers is one of int64.
  const DType dtype = promote_types(x.dtype(), y.dtype());
  VG_CHECK(x.dtype() == y.dtype() || is_integral(dtype), RuntimeError,
           "einsum: expected operands of the same dtype, got ", x.dtype(), " and ", y.dtype());
  VG_CHECK(dtype != DType::Bool, NotImplementedError, "\"einsum\" not implemented for 'Bool'");

  const auto flat = [&](const Tensor& t, std::initializer_list<Group> order, std::initializer_list<Group> ones) {
    DimList dims;
    Dims shape;
    for (const Group group : order) {
      std::int64_t size = 1;
      for (const std::int64_t d : groups[group]) {
        dims.push_back(d);
        size = wrapping_mul(size, t.size(d));
      }
      shape.push_back(size);
    }
    for (const Group group : ones) dims.insert(dims.end(), groups[group].begin(), groups[group].end());
    return reshape(permute(t, dims), shape);
  };
  const Tensor product =
      bmm(flat(to(x, dtype), {Batch, Left, Depth}, {Right}), flat(to(y, dtype), {Batch, Depth, Right}, {Left}));
  Dims shape;
  DimList from(static_cast<std::size_t>(a.ndim()));
  int place = 0;
  for (const Group group : {Batch, Left, Right, Depth}) {
    for (const std::int64_t d : groups[group]) {
      shape.push_back(group == Depth ? 1 : (group == Right ? y.size(d) : x.size(d)));
      from[static_cast<std::size_t>(d)] = place++;
    }
  }
  return permute(reshape(product, shape), from);
}

/// The subscripts of a part of an equation.
Subscripts parse(const std::string& equation, std::size_t begin, std::size_t end, const char* where,
                 std::size_t number) {
  Subscripts found;
  for (std::size_t i = begin; i < end; ++i) {
    const char c = equation[i];
    if (c == ' ') continue;
    if (c == '.') {
      VG_CHECK(i + 2 < end && equation[i + 1] == '.' && equation[i + 2] == '.', RuntimeError, "einsum: found '.' for ",
               where, " ", number, " that is not part of any ellipsis");
      found.push_back(kEllipsis);
      i += 2;
      continue;
    }
    const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
    VG_CHECK(upper || lower, RuntimeError, "einsum: invalid subscript given at index ", i,
             " in the equation string, subscripts must be in [a-zA-Z]");
    found.push_back(upper ? c - 'A' : c - 'a' + 26);
  }
  return found;
}

}  // namespace

Tensor einsum(const std::vector<Subscripts>& inputs, const std::optional<Subscripts>& output,
              const TensorList& operands) {
  const Plan plan = make_plan(inputs, output, operands);
  const auto kept = plan.output.size();
  Tensor out = arrange(operands[0], plan.inputs[0], plan.order);
  const auto last = [&](std::size_t d) { return plan.last_operand[static_cast<std::size_t>(plan.order[d])]; };
  DimList alone;  // dimensions that end with the first operand
  for (std::size_t d = kept; d < plan.order.size(); ++d) {
    if (last(d) == 0) alone.push_back(static_cast<std::int64_t>(d));
  }
  if (!alone.empty()) out = sum(out, alone, true);
  for (std::size_t i = 1; i < operands.size(); ++i) {
    std::vector<bool> summed(plan.order.size(), false);
    for (std::size_t d = kept; d < plan.order.size(); ++d) summed[d] = last(d) == static_cast<int>(i);
    out = multiply(out, arrange(operands[i], plan.inputs[i], plan.order), summed);
  }
  if (kept == plan.order.size()) return out;
  Dims shape;
  for (std::size_t d = 0; d < kept; ++d) shape.push_back(out.size(static_cast<std::int64_t>(d)));
  return reshape(out, shape);
}

Tensor einsum(const std::string& equation, const TensorList& operands) {
  const std::size_t arrow = equation.find("->");
  const std::size_t end = arrow == std::string::npos ? equation.size() : arrow;
  std::vector<Subscripts> inputs;
  for (std::size_t begin = 0; begin <= end;) {
    const std::size_t comma = std::min(equation.find(',', begin), end);
    inputs.push_back(parse(equation, begin, comma, "operand", inputs.size()));
    begin = comma + 1;
  }
  std::optional<Subscripts> output;
  if (arrow != std::string::npos) output = parse(equation, arrow + 2, equation.size(), "output", 0);
  return einsum(inputs, output, operands);
}

}  // namespace verigrad::ops
