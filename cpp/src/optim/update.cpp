// One call updates the tensors of a parameter group: those that share their numbers go to one kernel.
#include <algorithm>
#include <cmath>

#include "autograd/record.h"
#include "kernels/update_rules.h"
#include "ops/elementwise.h"
#include "verigrad/optim.h"

namespace verigrad::optim {
namespace {

using kernels::Updated;
using kernels::UpdateNumbers;

const char* name(UpdateRule rule) {
  switch (rule) {
#define VG_UPDATE(NAME) \
  case UpdateRule::NAME: return #NAME;
#include "verigrad/update.def"
  }
  return "update";
}

/// How many numbers a parameter keeps.
std::size_t kept_of(UpdateRule rule) {
  switch (rule) {
    case UpdateRule::sgd: return 0;
    case UpdateRule::nadam: return 2;
    case UpdateRule::asgd: return 3;
    default: return 1;
  }
}

/// Raises unless `others` has a tensor for each parameter that looks like it.
void check_like(const char* op, const TensorList& params, const TensorList& others, const char* what, bool may_lack) {
  VG_CHECK(params.size() == others.size(), ValueError, op, ": expected one of ", what, " for each of ", params.size(),
           " parameters, got ", others.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (may_lack && !others[i].defined()) continue;
    VG_CHECK(others[i].defined(), RuntimeError, op, ": expected ", what, " for parameter ", i, ", got None");
    VG_CHECK(others[i].shape() == params[i].shape() && others[i].dtype() == params[i].dtype() &&
                 others[i].device() == params[i].device(),
             RuntimeError, op, ": expected ", what, " of shape ", params[i].shape(), ", dtype ", params[i].dtype(),
             " and device ", params[i].device(), " for parameter ", i, ", got ", others[i].shape(), ", ",
             others[i].dtype(), " and ", others[i].device());
  }
}

void check(const char* op, UpdateRule rule, const TensorList& params, const TensorList& grads,
           const std::vector<TensorList>& states, const std::vector<TensorList>& kept, int state_count) {
  check_like(op, params, grads, "grads", false);
  VG_CHECK(states.size() == static_cast<std::size_t>(state_count), ValueError, op, ": expected ", state_count,
           " lists of state, got ", states.size());
  for (const TensorList& state : states) check_like(op, params, state, "states", rule == UpdateRule::sgd);
  VG_CHECK(kept.size() == kept_of(rule), ValueError, op, ": expected ", kept_of(rule), " lists of numbers, got ",
           kept.size());
  for (const TensorList& numbers : kept) {
    VG_CHECK(numbers.size() == params.size(), ValueError, op, ": expected one of steps for each of ", params.size(),
             " parameters, got ", numbers.size());
    for (const Tensor& number : numbers) {
      VG_CHECK(number.defined() && number.numel() == 1 && is_floating_point(number.dtype()), RuntimeError, op,
               ": expected steps of one floating-point element");
    }
  }
  for (const Tensor& p : params) {
    VG_CHECK(is_floating_point(p.dtype()), RuntimeError, op, ": expected floating-point parameters, got ", p.dtype());
    check_inplace(p, false);
  }
}

double get(const Tensor& number) { return ops::item(number).to_double(); }

/// What parameters keep as numbers, written when all else is done.
class Kept {
 public:
  explicit Kept(const std::vector<TensorList>& lists) : lists_(lists) {}

  /// The numbers of parameter i in this step.
  UpdateNumbers advance(UpdateRule rule, std::size_t i, const UpdateOptions& options) {
    UpdateNumbers n;
    static_cast<UpdateOptions&>(n) = options;
    if (lists_.empty()) return n;
    n.step = next(0, i, get(lists_[0][i]) + 1);
    if (rule == UpdateRule::nadam)
      n.mu_product = next(1, i, times(lists_[1][i], kernels::update_rules::nadam_mu(n, n.step)));
    if (rule == UpdateRule::asgd) {
      n.eta = get(lists_[1][i]);
      n.mu = get(lists_[2][i]);
      next(1, i, n.lr / std::pow(1 + n.lambd * n.lr * n.step, n.alpha));
      next(2, i, 1 / std::max(1.0, n.step - n.t0));
    }
    return n;
  }

  void write() const {
    for (const auto& [tensor, value] : next_) ops::fill_(*tensor, Scalar(value));
  }

 private:
  /// The value as its tensor will hold it.
  double next(std::size_t list, std::size_t i, double value) {
    const Tensor& tensor = lists_[list][i];
    next_.emplace_back(&tensor, value);
    return tensor.dtype() == DType::Float32 ? static_cast<double>(static_cast<float>(value)) : value;
  }
  static double times(const Tensor& tensor, double factor) {
    if (tensor.dtype() != DType::Float32) return get(tensor) * factor;
    return static_cast<double>(static_cast<float>(get(tensor)) * static_cast<float>(factor));
  }

  const std::vector<TensorList>& lists_;
  std::vector<std::pair<const Tensor*, double>> next_;
};

/// Parameters that go to one kernel, and the copies of those that are not contiguous.
class Batch {
 public:
  Batch(DType dtype, Device device, const UpdateNumbers& numbers) : dtype_(dtype), device_(device), numbers_(numbers) {}

  bool takes(const Tensor& param, const UpdateNumbers& numbers) const {
    return param.dtype() == dtype_ && param.device() == device_ && numbers == numbers_;
  }

  void add(const Tensor& param, const Tensor& grad, const std::vector<TensorList>& states, std::size_t i) {
    Updated item;
    item.numel = param.numel();
    item.param = writable(param);
    item.grad = readable(grad);
    for (std::size_t k = 0; k < states.size(); ++k) item.states[k] = writable(states[k][i]);
    items_.push_back(item);
  }

  void run(UpdateRule rule) const {
    const kernels::Update update{items_.data(), static_cast<std::int64_t>(items_.size()), numbers_};
    VG_KERNEL(update, name(rule), device_)(rule, dtype_, update);
    for (const auto& [tensor, copy] : copies_) ops::copy_out(tensor, copy);
  }

 private:
  void* writable(const Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor.data();
    copies_.emplace_back(tensor, ops::clone(tensor));
    return copies_.back().second.data();
  }
  const void* readable(const Tensor& tensor) {
    if (tensor.is_contiguous()) return tensor.data();
    read_.push_back(ops::contiguous(tensor));
    return read_.back().data();
  }

  DType dtype_;
  Device device_;
  UpdateNumbers numbers_;
  std::vector<Updated> items_;
  std::vector<std::pair<Tensor, Tensor>> copies_;
  TensorList read_;
};

}  // namespace

UpdateRule parse_rule(const char* text) {
  const std::string_view wanted = text;
#define VG_UPDATE(NAME) \
  if (wanted == #NAME) return UpdateRule::NAME;
#include "verigrad/update.def"
  VG_THROW(ValueError, "update: expected the name of a rule, got '", wanted, "'");
}

void update(UpdateRule rule, const TensorList& params, const TensorList& grads, std::vector<TensorList>& states,
            const std::vector<TensorList>& kept, const UpdateOptions& options) {
  const NoGradGuard guard;
  UpdateNumbers first;
  static_cast<UpdateOptions&>(first) = options;
  check(name(rule), rule, params, grads, states, kept, kernels::update_rules::states_of(rule, first));
  Kept numbers(kept);
  std::vector<Batch> batches;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& param = params[i];
    UpdateNumbers now = numbers.advance(rule, i, options);
    if (rule == UpdateRule::sgd && !states.empty() && !states[0][i].defined()) {
      states[0][i] = ops::empty(param.shape(), param.dtype(), param.device());
      now.first_step = true;
    }
    if (param.numel() == 0) continue;
    if (batches.empty() || !batches.back().takes(param, now)) batches.emplace_back(param.dtype(), param.device(), now);
    batches.back().add(param, grads[i], states, i);
  }
  for (const Batch& batch : batches) batch.run(rule);
  numbers.write();
  for (const Tensor& param : params) param.bump_version();
  for (const TensorList& state : states) {
    for (const Tensor& tensor : state) tensor.bump_version();
  }
}

}  // namespace verigrad::optim
