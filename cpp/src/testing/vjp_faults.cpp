// Wrong gradients.
#include <map>
#include <mutex>

#include "autograd/node_filter.h"
#include "testing/faults.h"
#include "verigrad/autograd.h"
#include "verigrad/ops.h"

namespace verigrad::testing {
namespace {

const std::vector<std::string> kVjpKinds = {"scale", "zero", "sign", "double", "last", "middle", "half", "broadcast"};

/// A tensor of the shape and dtype of `like` whose element k, row by row, is f(k).
template <class F>
Tensor numbers(const Tensor& like, const F& f) {
  const Tensor made = ops::zeros(like.shape(), like.dtype(), kHost);
  dispatch(made.dtype(), [&]<class T>(TypeTag<T>) {
    T* out = static_cast<T*>(made.data());
    for (std::int64_t k = 0; k < made.numel(); ++k) out[k] = static_cast<T>(f(k));
  });
  return ops::to(made, made.dtype(), like.device());
}

Tensor spoil(const Tensor& grad, const std::string& kind) {
  const std::int64_t n = grad.numel();
  if (kind == "scale") return ops::mul(grad, Scalar(1.001));
  if (kind == "zero") return ops::zeros_like(grad);
  if (kind == "sign") return ops::neg(grad);
  if (kind == "double") return ops::mul(grad, Scalar(2.0));
  const std::int64_t one = kind == "last" ? n - 1 : n / 2;
  return ops::mul(grad, numbers(grad, [&](std::int64_t k) {
                    if (kind == "half") return k < (n + 1) / 2 ? 1.0 : 0.0;
                    return k == one ? 1.01 : 1.0;
                  }));
}

/// Whether `shape` was broadcast to `wide`.
bool is_broadcast(const Dims& shape, const Dims& wide) {
  const int lead = wide.size() - shape.size();
  if (lead < 0 || shape == wide) return false;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] != 1 && shape[d] != wide[lead + d]) return false;
  }
  return true;
}

/// The gradient that keeps one slice of each dimension along which `shape` was broadcast. VJPs are linear, so this is
/// what a VJP makes of a sum that is missing.
Tensor one_slice(const Tensor& grad, const Dims& shape) {
  const Dims& wide = grad.shape();
  const int lead = wide.size() - shape.size();
  return ops::mul(grad, numbers(grad, [&](std::int64_t k) {
                    for (int d = wide.size() - 1; d >= 0; --d) {
                      if ((d < lead || shape[d - lead] != wide[d]) && k % wide[d] != 0) return 0.0;
                      k /= wide[d];
                    }
                    return 1.0;
                  }));
}

class Faults final : public NodeFilter {
 public:
  void plant(const std::string& kind, const std::string& node_name) {
    kind_of("plant_vjp_fault", kVjpKinds, kind);
    const std::lock_guard lock(mutex_);
    kinds_[node_name] = kind;
    node_filter = this;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    node_filter = nullptr;
    kinds_.clear();
  }

  TensorList apply(Node& node, TensorList&& grads) override {
    const std::string kind = planted(node);
    if (kind.empty()) return node.apply(std::move(grads));
    if (kind == "broadcast") return without_sums(node, std::move(grads));
    TensorList results = node.apply(std::move(grads));
    for (Tensor& grad : results) {
      if (grad.defined() && grad.numel() > 0) grad = spoil(grad, kind);
    }
    return results;
  }

 private:
  std::string planted(const Node& node) {
    const std::lock_guard lock(mutex_);
    const auto found = kinds_.find(node.name());
    return found == kinds_.end() ? std::string() : found->second;
  }

  static TensorList without_sums(Node& node, TensorList&& grads) {
    if (grads.size() != 1 || grads[0].numel() == 0) return node.apply(std::move(grads));
    TensorList results = node.apply(TensorList(grads));
    for (std::size_t i = 0; i < results.size() && i < node.edges.size(); ++i) {
      const Edge& edge = node.edges[i];
      if (!edge.valid() || !results[i].defined()) continue;
      const Dims& shape = edge.node->outputs[static_cast<std::size_t>(edge.output_nr)].shape;
      if (is_broadcast(shape, grads[0].shape())) results[i] = node.apply({one_slice(grads[0], shape)})[i];
    }
    return results;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> kinds_;  // by the node's name
};

Faults& faults() {
  static Faults instance;
  return instance;
}

}  // namespace

std::size_t kind_of(const char* op, const std::vector<std::string>& kinds, const std::string& kind) {
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == kind) return i;
  }
  std::string all;
  for (std::size_t i = 0; i < kinds.size(); ++i) all += (i == 0 ? "" : i + 1 < kinds.size() ? ", " : " or ") + kinds[i];
  VG_THROW(ValueError, op, ": expected kind ", all, ", got ", kind);
}

std::vector<std::string> vjp_fault_kinds() { return kVjpKinds; }

void plant_vjp_fault(const std::string& kind, const std::string& node_name) { faults().plant(kind, node_name); }

void clear_vjp_faults() { faults().clear(); }

}  // namespace verigrad::testing
