// Losses.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

Reduction parse_reduction(const char* op, const std::string& text) {
  if (text == "none") return Reduction::None;
  if (text == "mean") return Reduction::Mean;
  if (text == "sum") return Reduction::Sum;
  VG_THROW(ValueError, op, ": expected reduction 'none', 'mean' or 'sum', got '", text,
           "': it is not a valid value for reduction");
}

namespace {

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Mean ? mean(losses) : sum(losses);
}

void check_weight(const char* op, const Tensor& weight, const Tensor& input, std::int64_t classes) {
  if (!weight.defined()) return;
  VG_CHECK(weight.ndim() == 1 && weight.shape()[0] == classes, RuntimeError, op,
           ": weight tensor should be defined either for all ", classes,
           " classes or no classes but got weight tensor of shape: ", weight.shape());
  VG_CHECK(weight.dtype() == input.dtype(), RuntimeError, op, ": expected weight of dtype ", input.dtype(), ", got ",
           weight.dtype());
}

/// The checked pieces of a loss over class indices.
struct Labels {
  int class_dim = 0;
  std::int64_t classes = 0;
  Tensor index;    // as the input with a class dimension of 1; ignored labels are 0
  Tensor ignored;  // where the label is ignored, of the same shape; undefined where it is known that none is
  Tensor weights;  // of each label, 0 where ignored; undefined where every weight is 1
};

Labels prepare(const char* op, const Tensor& input, const Tensor& target_, const Tensor& weight,
               std::int64_t ignore_index) {
  const Tensor target = target_.dtype() == DType::UInt8 ? to(target_, DType::Int64) : target_;
  VG_CHECK(is_floating_point(input.dtype()), NotImplementedError, op, ": expected a floating-point input, got ",
           input.dtype());
  VG_CHECK(input.ndim() >= 1, ValueError, op, ": Expected 1 or more dimensions, got 0");
  VG_CHECK(target.dtype() == DType::Int64, RuntimeError, op,
           ": expected target labels of dtype int64 (scalar type Long), got ", target.dtype());
  check_same_device(op, input, target);
  Labels labels;
  labels.class_dim = input.ndim() == 1 ? 0 : 1;
  labels.classes = input.shape()[labels.class_dim];
  Dims expected = input.shape();
  expected.erase(labels.class_dim);
  const bool same_batch = input.ndim() == 1 ? target.ndim() != 1 || target.numel() == 1
                                            : target.ndim() > 0 && input.shape()[0] == target.shape()[0];
  VG_CHECK(same_batch, ValueError, op, ": Expected input batch_size to match target batch_size, got input ",
           input.shape(), " and target ", target.shape());
  VG_CHECK(target.shape() == expected, RuntimeError, op, ": expected target of shape ", expected, " for input ",
           input.shape(), ", got ", target.shape());
  check_weight(op, weight, input, labels.classes);
  VG_CHECK(labels.classes > 0 || target.numel() == 0, RuntimeError, op, ": expected at least one class, got input ",
           input.shape(), " and target ", target.shape());
  // The host looks whether all labels are classes, which is the rule.
  const bool host = target.device() == kHost;
  const bool all_classes = all_within(target, labels.classes);
  Tensor index = target, ignored;
  bool any_ignored = false;
  // ignore_index may itself be a class; its samples count for nothing all the same.
  if (!all_classes || (ignore_index >= 0 && ignore_index < labels.classes)) {
    index = empty_like(target);
    positions_out(op, kernels::Mistake::label, index, 0, target, {labels.classes, false, true, ignore_index});
    ignored = eq(target, Scalar(ignore_index));
    any_ignored = !host || item(any(ignored)).to<bool>();
  }
  labels.index = unsqueeze(index, labels.class_dim);
  if (weight.defined()) {
    labels.weights = reshape(index_select(detach(weight), 0, reshape(index, {-1})), labels.index.shape());
  }
  if (any_ignored) {
    labels.ignored = unsqueeze(ignored, labels.class_dim);
    const Tensor kept = to(logical_not(labels.ignored), input.dtype());
    labels.weights = labels.weights.defined() ? mul(labels.weights, kept) : kept;
  }
  return labels;
}

/// The values with 0 where the label is ignored, whatever stands there.
Tensor without_ignored(const Tensor& values, const Tensor& ignored) {
  return ignored.defined() ? where(ignored, 0, values) : values;
}

/// -w input[label]; the gradient is -w g at the label and zero elsewhere.
Tensor picked(const Tensor& input, const Labels& labels) {
  const Tensor values = neg(gather(input, labels.class_dim, labels.index));
  return without_ignored(labels.weights.defined() ? mul(values, labels.weights) : values, labels.ignored);
}

/// The mean is over the weights of the labels.
Tensor finish(const Tensor& losses, const Labels& labels, Reduction reduction) {
  if (reduction == Reduction::None) return squeeze(losses, DimList{labels.class_dim});
  if (reduction == Reduction::Sum) return sum(losses);
  return labels.weights.defined() ? div(sum(losses), sum(labels.weights)) : mean(losses);
}

/// The gradient of the loss by -log p[label], from the incoming one; it has a class dimension of 1 or none.
Tensor gradient_of_losses(const Tensor& g, const Tensor& weights, const Tensor& ignored, std::int64_t count, int dim,
                          Reduction reduction) {
  Tensor scale = reduction == Reduction::None ? unsqueeze(g, dim) : g;
  if (reduction == Reduction::Mean)
    scale = weights.defined() ? div(g, sum(weights)) : div(g, static_cast<double>(count));
  return without_ignored(weights.defined() ? mul(scale, weights) : scale, ignored);
}

/// p -= 1 at the labels, p *= scale.
void subtract_and_scale(const Tensor& p, const Tensor& index, int dim, const Tensor& scale) {
  if (p.numel() == 0) return;
  const Tensor step = full(index.shape(), Scalar(-1.0), p.dtype(), p.device());
  kernels::Gather at;
  at.op = "cross_entropy";
  at.shape = index.shape();
  at.dim = dim;
  at.size = p.shape()[dim];
  at.index = index.data_as<std::int64_t>();
  at.index_strides = index.strides();
  at.src = step.data();
  at.src_strides = step.strides();
  at.out = p.data();
  at.out_strides = p.strides();
  VG_KERNEL(scatter_add, "cross_entropy", p.device())(p.dtype(), at);
  binary_out(kernels::BinaryOp::mul, p, p, scale);
}

const char* node_name(const Tensor& input) { return input.ndim() > 2 ? "NllLoss2DBackward0" : "NllLossBackward0"; }

/// nll_loss of log_softmax as one node. The gradient is (softmax - 1 at the label) times that of the losses (C. M.
/// Bishop, Pattern Recognition and Machine Learning, eq. 4.109).
Tensor label_cross_entropy(const Tensor& input, const Labels& labels, Reduction reduction) {
  Tensor out;
  {
    const NoGradGuard guard;
    out = finish(picked(log_softmax(input, labels.class_dim), labels), labels, reduction);
  }
  return record(
      node_name(input), out, {input},
      {Save::input(input), Save::input(labels.index), Save::input(labels.weights), Save::input(labels.ignored)},
      [dim = labels.class_dim, reduction](Node& n, const Tensor& g) -> TensorList {
        const Tensor index = n.saved(1);
        const Tensor scale = gradient_of_losses(g, n.saved(2), n.saved(3), index.numel(), dim, reduction);
        const Tensor p = softmax(n.saved(0), dim);
        if (GradMode::enabled()) {
          const Tensor step = full(index.shape(), Scalar(-1.0), p.dtype(), p.device());
          return {mul(scatter_add(p, dim, index, step), scale)};
        }
        subtract_and_scale(p, index, dim, scale);
        return {p};
      });
}

/// A composed loss carries the name that PyTorch gives its node.
Tensor named(const char* node, const Tensor& value) {
  return record(node, alias(value), {value}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

Tensor probability_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction reduction,
                                 double label_smoothing) {
  const int dim = input.ndim() == 1 ? 0 : 1;
  const std::int64_t classes = input.shape()[dim];
  check_weight("cross_entropy", weight, input, classes);
  const Tensor smooth = label_smoothing > 0
                            ? add(mul(target, 1 - label_smoothing), label_smoothing / static_cast<double>(classes))
                            : target;
  Tensor terms = mul(log_softmax(input, dim), smooth);
  if (weight.defined()) {
    Dims shape(input.ndim(), 1);
    shape[dim] = classes;
    terms = mul(terms, reshape(weight, shape));
  }
  const Tensor losses = neg(sum(terms, {dim}));
  if (reduction != Reduction::Mean) return reduced(losses, reduction);
  const double batch = static_cast<double>(input.numel()) / static_cast<double>(std::max<std::int64_t>(classes, 1));
  return div(sum(losses), batch);
}

}  // namespace

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                Reduction reduction) {
  const Labels labels = prepare("nll_loss", input, target, weight, ignore_index);
  return named(node_name(input), finish(picked(input, labels), labels, reduction));
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, std::int64_t ignore_index,
                     Reduction reduction, double label_smoothing) {
  VG_CHECK(label_smoothing >= 0 && label_smoothing <= 1, RuntimeError,
           "cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: ", label_smoothing);
  VG_CHECK(input.ndim() >= 1, ValueError, "cross_entropy: Expected 1 or more dimensions, got 0");
  check_same_device("cross_entropy", input, target);
  if (input.shape() == target.shape() && input.ndim() > 0 && is_floating_point(target.dtype())) {
    return probability_cross_entropy(input, target, weight, reduction, label_smoothing);
  }
  const Labels labels = prepare("cross_entropy", input, target, weight, ignore_index);
  if (label_smoothing == 0) return label_cross_entropy(input, labels, reduction);
  const Tensor log_p = log_softmax(input, labels.class_dim);
  const Tensor hard = picked(log_p, labels);
  // Smoothing mixes in the mean over classes of -w log p (Szegedy et al., arXiv 1512.00567, section 7).
  Tensor all = log_p;
  if (weight.defined()) {
    Dims shape(input.ndim(), 1);
    shape[labels.class_dim] = labels.classes;
    all = mul(log_p, reshape(weight, shape));
  }
  const Tensor spread = without_ignored(neg(sum(all, {labels.class_dim}, true)), labels.ignored);
  return add(mul(finish(hard, labels, reduction), 1 - label_smoothing),
             mul(finish(spread, labels, reduction), label_smoothing / static_cast<double>(labels.classes)));
}

Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction) {
  check_same_device("mse_loss", input, target);
  const DType dtype = result_type(input, target);
  VG_CHECK(is_floating_point(dtype), RuntimeError, "mse_loss: expected floating-point tensors, got ", input.dtype(),
           " and ", target.dtype());
  const Tensor difference = sub(to(input, dtype), to(target, dtype));
  return named("MseLossBackward0", reduced(mul(difference, difference), reduction));
}

}  // namespace verigrad::ops
