// unfold, fold and convolutions of CUDA, emulated, against those of the CPU.

#include <cmath>

#include "cuda_fixture.h"
#include "guarded.h"

using namespace cuda_test;

namespace {

/// Small whole numbers: all sums are exact, so any order of summation gives the same bits.
template <class T>
std::vector<T> whole_numbers(std::int64_t n) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (auto& v : x) v = static_cast<T>(random_int(-4, 4));
  return x;
}

void set_axis(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad, std::int64_t dilation,
              std::int64_t* const (&axis)[6]) {
  const std::int64_t values[] = {in, 0, kernel, stride, pad, dilation};
  for (int i = 0; i < 6; ++i) *axis[i] = values[i];
  // As many windows as fit with the same padding behind, or what is there behind a first one.
  *axis[1] = std::max<std::int64_t>(0, in + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
}
void set_rows(Window& w, std::int64_t in, std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0,
              std::int64_t dilation = 1) {
  set_axis(in, kernel, stride, pad, dilation, {&w.in_h, &w.out_h, &w.kernel_h, &w.stride_h, &w.pad_h, &w.dilation_h});
}
void set_columns(Window& w, std::int64_t in, std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0,
                 std::int64_t dilation = 1) {
  set_axis(in, kernel, stride, pad, dilation, {&w.in_w, &w.out_w, &w.kernel_w, &w.stride_w, &w.pad_w, &w.dilation_w});
}

/// Axes with steps, gaps, zeros before, skipped elements, and fewer or more windows than are full.
Window random_window(std::int64_t most) {
  Window w;
  set_rows(w, random_int(1, most), random_int(1, 3), random_int(1, 3), random_int(-2, 2), random_int(1, 2));
  set_columns(w, random_int(1, most), random_int(1, 4), random_int(1, 3), random_int(-2, 3), random_int(1, 3));
  w.out_h = std::max<std::int64_t>(1, w.out_h + random_int(-1, 1));
  w.out_w = std::max<std::int64_t>(1, w.out_w + random_int(-1, 1));
  return w;
}

std::string text_of(const Window& w) {
  std::ostringstream out;
  out << "in " << w.in_h << "x" << w.in_w << " out " << w.out_h << "x" << w.out_w << " kernel " << w.kernel_h << "x"
      << w.kernel_w << " stride " << w.stride_h << "," << w.stride_w << " pad " << w.pad_h << "," << w.pad_w
      << " dilation " << w.dilation_h << "," << w.dilation_w;
  return out.str();
}

// ---- columns ------------------------------------------------------------------------------------------------------

/// Copies, and sums in the CPU's order: the same bits for all values, but for which NaN it is.
template <class T>
void check_columns(const Window& w, std::int64_t planes) {
  Columns c;
  c.planes = planes;
  c.window = w;
  const std::int64_t image = planes * w.in_h * w.in_w, columns = planes * w.kernel_h * w.kernel_w * w.out_h * w.out_w;
  for (const ColumnsOp op : {ColumnsOp::unfold, ColumnsOp::fold}) {
    const bool unfold = op == ColumnsOp::unfold;
    const std::vector<T> in = values<T>(unfold ? image : columns);
    std::vector<T> theirs(static_cast<std::size_t>(unfold ? columns : image), T(3));
    const Guard side = random_int(0, 1) == 0 ? Guard::before : Guard::after;
    const Guarded<T> source(in, side), ours(theirs, side);
    c.in = in.data();
    c.out = theirs.data();
    cpu_table().columns(op, DTypeOf<T>::value, c);
    c.in = source.data();
    c.out = ours.data();
    cuda_table().columns(op, DTypeOf<T>::value, c);
    const std::vector<T> made = ours.values();
    bool same = true;
    for (std::size_t i = 0; i < made.size(); ++i) {
      const bool numbers = made[i] == made[i] || theirs[i] == theirs[i];
      same = same && (!numbers || std::memcmp(&made[i], &theirs[i], sizeof(T)) == 0);
    }
    if (!same) verigrad_test::fail(op == ColumnsOp::unfold ? "unfold" : "fold", static_cast<int>(planes), text_of(w));
  }
}

TEST(columns_slot) {
  for (int i = 0; i < 150; ++i) {
    check_columns<float>(random_window(9), random_int(1, 5));
    check_columns<double>(random_window(9), random_int(1, 5));
  }
  // Around a block of threads.
  for (const std::int64_t n : kSizes) {
    Window w;
    set_columns(w, n, 2);
    check_columns<float>(w, 1);
  }
}

TEST(columns_slot_with_distances_that_need_64_bits) {
  // 2^32 is 0 in 32 bits: what lies outside of the image would be inside.
  constexpr std::int64_t kFar = std::int64_t{1} << 32;
  for (int kind = 0; kind < 6; ++kind) {
    Window w;
    set_rows(w, 3, 2, 1, 1);
    set_columns(w, 5, 2, 1, 1);
    (kind == 0   ? w.stride_h
     : kind == 1 ? w.stride_w
     : kind == 2 ? w.pad_h
     : kind == 3 ? w.pad_w
     : kind == 4 ? w.dilation_h
                 : w.dilation_w) = kind == 2 ? -kFar : kFar;
    check_columns<float>(w, 3);
    check_columns<double>(w, 2);
  }
}

TEST(columns_slot_refuses_integers) {
  Columns c;
  CHECK_THROWS_WITH(cuda_table().columns(ColumnsOp::fold, DType::Int32, c), RuntimeError,
                    "expected a floating-point dtype, got int32");
  CHECK_THROWS_WITH(cuda_table().convolution(ConvolutionOp::output, DType::Bool, Convolution()), RuntimeError,
                    "expected a floating-point dtype, got bool");
}

// ---- convolution --------------------------------------------------------------------------------------------------

struct Shape {
  std::int64_t batch, in_channels, out_channels, groups;
};

template <class T>
struct Problem {
  Convolution c;
  std::vector<T> x, w, y, in_bias, out_bias;

  Problem(const Shape& s, const Window& window) {
    c.batch = s.batch;
    c.in_channels = s.in_channels;
    c.out_channels = s.out_channels;
    c.groups = s.groups;
    c.window = window;
    x = whole_numbers<T>(s.batch * s.in_channels * window.in_h * window.in_w);
    w = whole_numbers<T>(s.out_channels * (s.in_channels / s.groups) * window.kernel_h * window.kernel_w);
    y = whole_numbers<T>(s.batch * s.out_channels * window.out_h * window.out_w);
    in_bias = whole_numbers<T>(s.in_channels);
    out_bias = whole_numbers<T>(s.out_channels);
  }

  std::vector<T>& result(ConvolutionOp op) {
    return op == ConvolutionOp::output ? y : op == ConvolutionOp::input ? x : w;
  }
  /// What the table's slot writes over memory that is not a number; operands end, or begin, where memory ends.
  std::vector<T> run(const KernelTable& table, ConvolutionOp op, bool bias) {
    const std::vector<T> old(result(op).size(), std::numeric_limits<T>::quiet_NaN());
    const Guard side = random_int(0, 1) == 0 ? Guard::before : Guard::after;
    const Guarded<T> xs(x, side), ws(w, side), ys(y, side), out(old, side);
    const Guarded<T> row(op == ConvolutionOp::output ? out_bias : in_bias, side);
    c.x = (op == ConvolutionOp::input ? out : xs).data();
    c.w = (op == ConvolutionOp::weight ? out : ws).data();
    c.y = (op == ConvolutionOp::output ? out : ys).data();
    c.bias = bias && op != ConvolutionOp::weight ? row.data() : nullptr;
    table.convolution(op, DTypeOf<T>::value, c);
    return out.values();
  }
};

constexpr ConvolutionOp kOps[] = {ConvolutionOp::output, ConvolutionOp::input, ConvolutionOp::weight};

template <class T>
bool check_convolution(const Shape& s, const Window& window) {
  Problem<T> p(s, window);
  for (const ConvolutionOp op : kOps) {
    for (const bool bias : {false, true}) {
      if (bias && op == ConvolutionOp::weight) continue;
      const std::vector<T> ours = p.run(cuda_table(), op, bias), theirs = p.run(cpu_table(), op, bias);
      // By value: a sum of zeros may be -0.
      if (ours == theirs) continue;
      std::ostringstream out;
      out << "batch " << s.batch << " channels " << s.in_channels << " -> " << s.out_channels << " groups " << s.groups
          << (bias ? " with bias " : " ") << text_of(window);
      verigrad_test::fail("convolution", static_cast<int>(op), out.str());
      return false;
    }
  }
  return true;
}

TEST(convolutions_of_all_kinds) {
  for (int i = 0; i < 250; ++i) {
    const std::int64_t groups = random_int(1, 3);
    const Shape s{random_int(1, 5), groups * random_int(1, 3), groups * random_int(1, 3), groups};
    if (!check_convolution<float>(s, random_window(9)) || !check_convolution<double>(s, random_window(9))) break;
  }
}

/// Columns that are cut into parts: kBytes of convolution.cu hold 4096 floats.
TEST(convolutions_in_parts) {
  Window w;
  set_rows(w, 30, 3, 1, 1);
  set_columns(w, 30, 3, 1, 1);
  check_convolution<float>({2, 3, 2, 1}, w);  // 27 rows of 900 windows
  check_convolution<double>({1, 4, 4, 2}, w);
  w.stride_h = w.stride_w = 2;
  w.out_h = w.out_w = 15;
  check_convolution<float>({3, 3, 5, 1}, w);  // of 225 windows
  // One row, cut within it.
  Window row;
  set_columns(row, 1500, 5, 1, 2, 3);
  check_convolution<float>({2, 2, 3, 1}, row);
  check_convolution<double>({1, 2, 2, 1}, row);
  set_columns(row, 1500, 5, 7, -3, 3);
  check_convolution<float>({2, 20, 1, 1}, row);
  // Three parts, of which the second ends with the first window of a row.
  Window ragged;
  set_rows(ragged, 9, 3);
  set_columns(ragged, 23, 3);
  check_convolution<float>({1, 15, 2, 1}, ragged);
  // More rows of columns than windows fit.
  Window deep;
  set_rows(deep, 9, 5, 1, 2);
  set_columns(deep, 9, 5, 1, 2);
  check_convolution<float>({2, 200, 2, 1}, deep);
  // Just as many images as fit, one more and one less: 16 rows of 16 windows.
  Window small;
  set_rows(small, 5, 2);
  set_columns(small, 5, 2);
  for (const std::int64_t batch : {15, 16, 17, 33}) check_convolution<float>({batch, 4, 3, 1}, small);
  for (const std::int64_t batch : {7, 8, 9}) check_convolution<double>({batch, 4, 6, 2}, small);
  // More groups than images, and the reverse.
  check_convolution<float>({2, 12, 6, 6}, small);
  check_convolution<float>({9, 4, 2, 2}, small);
}

TEST(convolutions_of_single_elements) {
  for (const Shape& s : {Shape{1, 5, 7, 1}, Shape{3, 5, 7, 1}, Shape{1, 6, 4, 2}, Shape{5, 6, 9, 3}, Shape{3, 1, 1, 1},
                         Shape{40, 8, 4, 1}}) {
    Window w;
    set_rows(w, 6, 1);
    set_columns(w, 11, 1);
    check_convolution<float>(s, w);
    check_convolution<double>(s, w);
    // Not the image itself, though each of these has as many windows as elements, or a part of them.
    for (int kind = 0; kind < 8; ++kind) {
      Window other = w;
      if (kind == 0) other.stride_w = 2;
      if (kind == 1) other.stride_h = 2;
      if (kind == 2) other.pad_h = 1;
      if (kind == 3) other.pad_w = -1;
      if (kind == 4) other.out_h = 5;
      if (kind == 5) other.out_w = 12;
      if (kind == 6) std::swap(other.out_h, other.out_w);
      if (kind == 7) other.kernel_w = 2;
      check_convolution<float>(s, other);
    }
  }
}

TEST(depthwise_convolutions) {
  for (int i = 0; i < 60; ++i) {
    const std::int64_t groups = random_int(2, 5);
    const Shape s{random_int(1, 4), groups, groups * random_int(1, 3), groups};
    if (!check_convolution<float>(s, random_window(9)) || !check_convolution<double>(s, random_window(9))) break;
  }
  // Shares of the pixels: around the least of a warp, and the most.
  for (const std::int64_t n : {15, 16, 17, 128, 129}) {
    Window w;
    set_rows(w, n, 1);
    set_columns(w, 64, 2, 1, -1);
    w.out_w = 64;
    check_convolution<float>({2, 2, 2, 2}, w);
  }
  Window large;
  set_rows(large, 300, 2);
  set_columns(large, 250, 1);
  check_convolution<float>({1, 2, 2, 2}, large);
}

TEST(convolutions_with_distances_that_need_64_bits) {
  for (const bool rows : {true, false}) {
    Window w;
    set_rows(w, 3, 2, 1, 1);
    set_columns(w, 5, 2, 1, 1);
    (rows ? w.stride_h : w.stride_w) = std::int64_t{1} << 32;
    check_convolution<float>({2, 3, 6, 3}, w);
    check_convolution<double>({2, 3, 6, 1}, w);
  }
}

TEST(more_depthwise_weights_than_warps) {
  Window w;
  set_columns(w, 64, 64, 1, 32);
  w.out_w = 1;
  check_convolution<float>({1, 257, 257, 257}, w);  // 2048 blocks have 16384
}

/// Sums of numbers with rounding: within what both can have made.
template <class T>
void check_rounding(const Shape& s, const Window& w, double products) {
  Problem<T> p(s, w);
  for (std::vector<T>* part : {&p.x, &p.w, &p.y, &p.in_bias, &p.out_bias}) {
    *part = random_values<T>(static_cast<std::int64_t>(part->size()));
  }
  for (const ConvolutionOp op : kOps) {
    const std::vector<T> ours = p.run(cuda_table(), op, true), theirs = p.run(cpu_table(), op, true);
    // At most `products` products below 16, and each sum of them is rounded.
    const double bound =
        2 * products * (16 * products + 4) * static_cast<double>(std::numeric_limits<T>::epsilon() / 2);
    double worst = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])));
    }
    CHECK(worst <= bound);
    CHECK(same_bits(ours, p.run(cuda_table(), op, true)));
  }
}
TEST(convolutions_with_rounding_have_the_same_bits_again) {
  Window w;
  set_rows(w, 12, 3, 1, 1);
  set_columns(w, 12, 3, 2, 1);
  for (const Shape& s : {Shape{3, 6, 4, 1}, Shape{3, 6, 4, 2}, Shape{3, 4, 8, 4}}) {
    check_rounding<float>(s, w, 3 * 72);
    check_rounding<double>(s, w, 3 * 72);
  }
}

TEST(convolutions_with_nan_and_infinity) {
  Window w;
  set_rows(w, 7, 3, 2, 1);
  set_columns(w, 7, 3, 1, 1);
  for (const Shape& s : {Shape{2, 4, 4, 1}, Shape{2, 4, 4, 4}}) {
    for (const ConvolutionOp op : kOps) {
      Problem<float> p(s, w);
      p.x[60] = p.y[40] = std::numeric_limits<float>::quiet_NaN();
      p.x[100] = p.y[90] = std::numeric_limits<float>::infinity();
      // A weight that meets zeros around the image. The gradient by the input has only windows that are there, so its
      // weight is in the middle.
      p.w[op == ConvolutionOp::input ? 4 : 0] = std::numeric_limits<float>::quiet_NaN();
      const std::vector<float> ours = p.run(cuda_table(), op, false), theirs = p.run(cpu_table(), op, false);
      int numbers = 0;
      for (std::size_t i = 0; i < ours.size(); ++i) {
        CHECK(ours[i] == theirs[i] || (std::isnan(ours[i]) && std::isnan(theirs[i])));
        numbers += std::isfinite(ours[i]);
      }
      CHECK(numbers > 0);
    }
  }
}

TEST(the_gradient_of_an_empty_batch_is_zero) {
  Window w;
  set_rows(w, 5, 3);
  set_columns(w, 5, 3);
  for (const std::int64_t groups : {1, 2, 4}) {
    Problem<double> p({0, 4, 4, groups}, w);
    for (const double v : p.run(cuda_table(), ConvolutionOp::weight, false)) CHECK_EQ(v, 0.0);
  }
}

}  // namespace
