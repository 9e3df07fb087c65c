// Elementwise functions of one tensor, generated from verigrad/unary.def.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

using kernels::Kind;
enum class Saves { Nothing, Input, Output };

template <class Spec>
Tensor unary(const Tensor& self) {
  const DType dtype = computed_in(Spec::kind, self.dtype());
  check_kind(Spec::name, Spec::kind, dtype);
  const Tensor x = to(self, dtype);
  Tensor out = empty_tensor(x.shape(), dtype, x.device());
  unary_out(Spec::op, Spec::name, out, x);
  if (!recording(x)) return out;
  const auto vjp = [](Node& n, const Tensor& g) -> TensorList {
    if constexpr (Spec::saves == Saves::Nothing) {
      return {Spec::vjp(g, g, g)};
    } else {
      const Tensor saved = n.saved(0);
      return {Spec::vjp(g, saved, saved)};
    }
  };
  if constexpr (Spec::saves == Saves::Nothing) return record(Spec::node, out, {x}, {}, vjp);
  if constexpr (Spec::saves == Saves::Input) return record(Spec::node, out, {x}, {Save::input(x)}, vjp);
  return record(Spec::node, out, {x}, {Save::output(out)}, vjp);
}

/// self = f(self), in place.
template <class Spec>
const Tensor& unary_inplace(const Tensor& self) {
  const bool record_it = recording(self);
  check_inplace(self, record_it);
  VG_CHECK(Spec::kind != Kind::Float || is_floating_point(self.dtype()), RuntimeError, Spec::name, "_: result type ",
           default_dtype(), " can't be cast to the desired output type ", self.dtype());
  if (!record_it) {
    check_kind(Spec::name, Spec::kind, self.dtype());
    unary_out(Spec::op, Spec::name, self, self);
    self.bump_version();
    return self;
  }
  // A VJP that reads the input needs its old value.
  const Tensor result = unary<Spec>(Spec::saves == Saves::Input ? clone(self) : self);
  copy_out(self, result);
  finish_inplace(self, result);
  return self;
}

Tensor predicate(kernels::UnaryOp op, const char* name, const Tensor& self) {
  Tensor out = empty_tensor(self.shape(), DType::Bool, self.device());
  unary_out(op, name, out, self);
  return out;
}

const Tensor& predicate_inplace(kernels::UnaryOp op, const char* name, const char* node, const Tensor& self) {
  const bool cut_off = recording(self);  // the old value's gradient is zero
  check_inplace(self, cut_off);
  copy_out(self, predicate(op, name, self));
  finish_overwrite(node, self, cut_off);
  return self;
}

#define VG_UNARY(NAME, NODE, KIND, SAVES, VJP)                                            \
  struct Spec_##NAME {                                                                    \
    static constexpr auto op = kernels::UnaryOp::NAME;                                    \
    static constexpr const char* name = #NAME;                                            \
    static constexpr const char* node = NODE;                                             \
    static constexpr Kind kind = Kind::KIND;                                              \
    static constexpr Saves saves = Saves::SAVES;                                          \
    static Tensor vjp([[maybe_unused]] const Tensor& g, [[maybe_unused]] const Tensor& x, \
                      [[maybe_unused]] const Tensor& y) {                                 \
      return VJP;                                                                         \
    }                                                                                     \
  };
#include "verigrad/unary.def"

}  // namespace

#define VG_UNARY(NAME, ...)                                            \
  Tensor NAME(const Tensor& self) { return unary<Spec_##NAME>(self); } \
  const Tensor& NAME##_(const Tensor& self) { return unary_inplace<Spec_##NAME>(self); }
#define VG_PREDICATE(NAME, NODE)                                                             \
  Tensor NAME(const Tensor& self) { return predicate(kernels::UnaryOp::NAME, #NAME, self); } \
  const Tensor& NAME##_(const Tensor& self) { return predicate_inplace(kernels::UnaryOp::NAME, #NAME, NODE, self); }
#include "verigrad/unary.def"

}  // namespace verigrad::ops
