// Creation and random numbers.
#include <cmath>

#include "ops/elementwise.h"

namespace verigrad::ops {

Tensor empty(const Dims& shape, DType dtype, Device device) { return empty_tensor(shape, dtype, device); }

Tensor full(const Dims& shape, Scalar value, DType dtype, Device device) {
  check_fits("full", value, dtype);
  const Tensor out = empty_tensor(shape, dtype, device);
  fill_out(out, value);
  return out;
}

Tensor zeros(const Dims& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor ones(const Dims& shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }

Tensor empty_like(const Tensor& self, OptDType dtype) {
  return empty_tensor(self.shape(), dtype.value_or(self.dtype()), self.device());
}
Tensor full_like(const Tensor& self, Scalar value, OptDType dtype) {
  return full(self.shape(), value, dtype.value_or(self.dtype()), self.device());
}
Tensor zeros_like(const Tensor& self, OptDType dtype) { return full_like(self, 0, dtype); }
Tensor ones_like(const Tensor& self, OptDType dtype) { return full_like(self, 1, dtype); }

namespace {

void range_out(const char* op, const Tensor& out, Scalar start, Scalar step, std::int64_t first = 0) {
  if (out.numel() == 0) return;
  VG_KERNEL(range, op, out.device())(out.dtype(), {out.numel(), start, step, out.data(), first});
}

/// The integer that a bound of an integer range stands for.
Scalar truncated(const char* op, Scalar value) {
  check_fits(op, value, DType::Int64);
  return value.to<std::int64_t>();
}

}  // namespace

Tensor arange(Scalar start, Scalar end, Scalar step, OptDType dtype, Device device) {
  bool floating = start.is_floating_point() || end.is_floating_point() || step.is_floating_point();
  const DType result = dtype.value_or(floating ? default_dtype() : DType::Int64);
  VG_CHECK(result != DType::Bool, NotImplementedError, "arange: expected a numeric dtype, got bool");
  const double a = start.to_double(), b = end.to_double(), s = step.to_double();
  VG_CHECK(s != 0.0, RuntimeError, "arange: step must be nonzero");
  VG_CHECK(std::isfinite(a) && std::isfinite(b) && !std::isnan(s), RuntimeError, "arange: unsupported range: ", a,
           " -> ", b);
  VG_CHECK((s > 0 && b >= a) || (s < 0 && b <= a), RuntimeError,
           "arange: upper bound and lower bound inconsistent with step sign, got ", a, " -> ", b, " by ", s);
  double count = std::ceil((b - a) / s);
  if (!is_floating_point(result)) {
    // Whole numbers from a whole start by whole steps. Their count is that of the bounds as given, except for int64,
    // which truncates these first: PyTorch's rule.
    start = truncated("arange", start);
    step = truncated("arange", step);
    if (result == DType::Int64) {
      end = truncated("arange", end);
      floating = false;
      VG_CHECK(step.to<std::int64_t>() != 0, ValueError, "arange: step must be nonzero, got ", s, " for int64");
    }
  }
  if (!floating) {  // exact where doubles are not
    const std::int64_t i = start.to<std::int64_t>(), j = end.to<std::int64_t>(), k = step.to<std::int64_t>();
    const __int128 span = static_cast<__int128>(j) - i;
    count = static_cast<double>((span + k - (k > 0 ? 1 : -1)) / k);
  }
  VG_CHECK(count < 9e18, RuntimeError, "arange: invalid size, possible overflow: ", a, " -> ", b, " by ", s);
  const Tensor out = empty_tensor({static_cast<std::int64_t>(count)}, result, device);
  range_out("arange", out, start, step);
  return out;
}

Tensor linspace(Scalar start, Scalar end, std::int64_t steps, OptDType dtype, Device device) {
  VG_CHECK(steps >= 0, RuntimeError, "linspace: number of steps must be non-negative, got ", steps);
  const DType result = dtype.value_or(default_dtype());
  VG_CHECK(result != DType::Bool || steps <= 1, NotImplementedError, "linspace: expected a numeric dtype, got bool");
  const Tensor out = empty_tensor({steps}, result, device);
  if (steps == 0) return out;
  check_fits("linspace", start, result);
  if (steps == 1) {
    fill_out(out, start);
    return out;
  }
  check_fits("linspace", end, result);
  if (!is_floating_point(result)) {
    // Distances of the whole numbers that the bounds are in the dtype, each truncated.
    const auto whole = [result](Scalar bound) {
      return dispatch(result, [&](auto tag) { return static_cast<double>(bound.to<typename decltype(tag)::type>()); });
    };
    copy_out(out, linspace(whole(start), whole(end), steps, DType::Float64, device));
    return out;
  }
  const double a = start.to_double(), b = end.to_double();
  const double step = (b - a) / static_cast<double>(steps - 1);
  // From both ends towards the middle, so that the last number is `end` itself.
  const std::int64_t half = steps / 2;
  range_out("linspace", slice(out, 0, 0, half), a, step);
  range_out("linspace", slice(out, 0, half, steps), b, step, half - (steps - 1));
  return out;
}

Tensor eye(std::int64_t n, std::int64_t m, OptDType dtype, Device device) {
  VG_CHECK(n >= 0 && m >= 0, RuntimeError, "eye: expected sizes of at least 0, got n=", n, " m=", m);
  const Tensor out = zeros({n, m}, dtype.value_or(default_dtype()), device);
  const std::int64_t k = std::min(n, m);
  if (k > 0) fill_out(alias(out, {k}, {m + 1}, 0), 1);
  return out;
}

// Random numbers.

namespace {

/// Philox blocks that `numel` numbers of the dtype take: float32 takes one word each, everything else two.
std::uint64_t blocks_for(std::int64_t numel, DType dtype) {
  const std::int64_t per_block = dtype == DType::Float32 ? 4 : 2;
  return static_cast<std::uint64_t>((numel + per_block - 1) / per_block);
}

}  // namespace

namespace {

/// Fills a tensor, from the stream of a device that it may not be on.
void draw(kernels::RandomOp op, const char* name, const Tensor& out, Device device, double low, double high,
          std::int64_t int_low, std::int64_t int_high, const OptGenerator& generator) {
  if (out.numel() == 0) return;
  Generator& source = generator ? *generator : *default_generator(device);
  VG_CHECK(source.device() == device, RuntimeError, name, ": Expected a '", device,
           "' device type for generator but found '", source.device(), "'");
  const Generator::State at =
      source.reserve(blocks_for(out.numel(), op == kernels::RandomOp::keep ? DType::Float32 : out.dtype()));
  VG_KERNEL(random, name, out.device())
  (op, out.dtype(), {at.seed, at.counter, out.numel(), low, high, int_low, int_high, out.data()});
}

}  // namespace

void random_out(kernels::RandomOp op, const char* name, const Tensor& out, double low, double high,
                std::int64_t int_low, std::int64_t int_high, const OptGenerator& generator) {
  draw(op, name, out, out.device(), low, high, int_low, int_high, generator);
}

namespace {
Tensor floating(const char* op, const Dims& shape, DType dtype, Device device) {
  VG_CHECK(is_floating_point(dtype), NotImplementedError, op, ": expected a floating-point dtype, got ", dtype);
  return empty_tensor(shape, dtype, device);
}
}  // namespace

Tensor rand(const Dims& shape, OptGenerator generator, DType dtype, Device device) {
  const Tensor out = floating("rand", shape, dtype, device);
  random_out(kernels::RandomOp::uniform, "rand", out, 0, 1, 0, 0, generator);
  return out;
}

Tensor randn(const Dims& shape, OptGenerator generator, DType dtype, Device device) {
  const Tensor out = floating("randn", shape, dtype, device);
  random_out(kernels::RandomOp::normal, "randn", out, 0, 1, 0, 0, generator);
  return out;
}

Tensor randint(std::int64_t low, std::int64_t high, const Dims& shape, OptGenerator generator, DType dtype,
               Device device) {
  VG_CHECK(low < high, RuntimeError, "randint: random_ expects 'from' to be less than 'to', but got from=", low,
           " >= to=", high);
  const auto fits = [&](std::int64_t lo, std::int64_t hi) { return low >= lo && high - 1 <= hi; };
  bool ok = true;
  if (dtype == DType::Bool) ok = fits(0, 1);
  if (dtype == DType::UInt8) ok = fits(0, 255);
  if (dtype == DType::Int32) ok = fits(INT32_MIN, INT32_MAX);
  if (dtype == DType::Float32) ok = fits(-(std::int64_t{1} << 24), std::int64_t{1} << 24);
  if (dtype == DType::Float64) ok = fits(-(std::int64_t{1} << 53), std::int64_t{1} << 53);
  VG_CHECK(ok, RuntimeError, "randint: from=", low, " to=", high, " is out of bounds for ", dtype);
  const Tensor numbers = empty_tensor(shape, DType::Int64, device);
  random_out(kernels::RandomOp::integers, "randint", numbers, 0, 0, low, high, generator);
  return to(numbers, dtype);
}

Tensor randperm(std::int64_t n, OptGenerator generator, DType dtype, Device device) {
  VG_CHECK(n >= 0, RuntimeError, "randperm: n must be non-negative, got ", n);
  VG_CHECK(dtype != DType::Bool, NotImplementedError, "randperm: expected a numeric dtype, got bool");
  const std::int64_t exact = std::int64_t{1} << (dtype == DType::Float32 ? 24 : 53);  // all integers up to it
  VG_CHECK(n == 0 || (is_floating_point(dtype) ? n - 1 <= exact : fits(n - 1, dtype)), RuntimeError,
           "randperm: n - 1 = ", n - 1, " cannot be converted to type ", dtype, " without overflow");
  const Tensor order = arange(Scalar(std::int64_t{0}), Scalar(n), Scalar(1), DType::Int64, kHost);
  if (n > 1) {
    // Fisher and Yates' shuffle (Knuth, TAOCP vol. 2, 3.4.2, algorithm P) with 63 random bits a step. One after the
    // other: the host does it, with the numbers of the device's stream.
    const Tensor draws = empty_tensor({n}, DType::Int64, kHost);
    draw(kernels::RandomOp::integers, "randperm", draws, device, 0, 0, 0, INT64_MAX, generator);
    auto* p = order.data_as<std::int64_t>();
    const auto* r = draws.data_as<std::int64_t>();
    for (std::int64_t i = n - 1; i > 0; --i) std::swap(p[i], p[r[i] % (i + 1)]);
  }
  return to(order, dtype, device);
}

}  // namespace verigrad::ops
