#include "autograd/anomaly.h"

#include "verigrad/ops.h"

namespace verigrad {
namespace {

std::atomic<bool> anomaly_enabled{false};
std::atomic<bool> nan_checked{true};
AnomalyMode::Host host{};
thread_local const Node* running = nullptr;

class Running {
 public:
  explicit Running(const Node& node) : before_(running) { running = &node; }
  ~Running() { running = before_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  const Node* before_;
};

void report(const Node& node) {
  if (!host.warn) return;
  const std::string trace = node.trace(), name = node.name();
  host.warn("Error detected in " + name +
            (trace.empty() ? ". No forward pass information available. Enable detect anomaly during forward pass for "
                             "more information."
                           : ". Traceback of forward call that caused the error:\n" + trace));
}

/// The innermost call of a stack as Python writes it: "File ..., line ..., in ...: code".
std::string last_call(const std::string& trace) {
  const std::string own = trace.substr(0, trace.find("\nPrevious calculation"));
  const std::size_t start = own.rfind("  File \"");
  if (start == std::string::npos) return {};
  std::string text = own.substr(start + 2);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t line = text.find("\n    ");
  if (line != std::string::npos) text.replace(line, 5, ": ");
  return " It was recorded at " + text;
}

}  // namespace

bool AnomalyMode::enabled() { return anomaly_enabled.load(std::memory_order_relaxed); }
bool AnomalyMode::check_nan() { return nan_checked.load(std::memory_order_relaxed); }
void AnomalyMode::set(bool enabled, bool check_nan) {
  anomaly_enabled = enabled;
  nan_checked = check_nan;
}
void AnomalyMode::set_host(Host given) { host = given; }

std::string recorded_stack() {
  std::string text = host.stack ? host.stack() : std::string();
  const std::string before = running ? running->trace() : std::string();
  if (!before.empty()) {
    text += std::string("\nPrevious calculation was induced by ") + running->name() +
            ". Traceback of forward call that induced the previous calculation:\n" + before;
  }
  return text;
}

TensorList watched(Node& node, const std::function<TensorList()>& apply) {
  const Running scope(node);
  TensorList results;
  try {
    results = apply();
  } catch (...) {
    report(node);
    throw;
  }
  if (!AnomalyMode::check_nan()) return results;
  const NoGradGuard guard;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].defined() || !is_floating_point(results[i].dtype())) continue;
    if (!ops::item(ops::any(ops::isnan(results[i]))).to<bool>()) continue;
    report(node);
    throw RuntimeError("Function '" + std::string(node.name()) + "' returned nan values in its " + std::to_string(i) +
                       "th output." + last_call(node.trace()));
  }
  return results;
}

}  // namespace verigrad
