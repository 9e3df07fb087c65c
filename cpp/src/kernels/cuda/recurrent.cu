// Recurrent layers on a CUDA device: for each step a product for the hidden share of the gates, and a kernel with a
// thread for each unit of each sequence.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/recurrent_cells.h"
#include "kernels/recurrent_steps.h"

namespace verigrad::kernels::cuda {
namespace {

using namespace recurrent;

/// c [m, n] (+)= a [m, k] op(b), contiguous.
template <class T>
void product(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b, bool trans_b, T* c,
             bool accumulate) {
  Gemm g;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a;
  g.b = b;
  g.c = c;
  g.trans_b = trans_b;
  g.lda = k;
  g.ldb = trans_b ? k : n;
  g.ldc = n;
  g.accumulate = accumulate;
  gemm(DTypeOf<T>::value, g);
}

/// The rows of one step.
template <class T>
struct Forward {
  std::int64_t rows, units, gates;
  T* kept;
  const T* product;
  const T* bias;
  T* h;  // before and after the step, or after it the output before the projection
  T* c;
  T* y;  // null where a projection follows
  T* cells;
};
template <class C, class T>
__global__ void forward_kernel(Forward<T> f) {
  for_each_element(f.rows * f.units, [&](std::int64_t e) {
    const std::int64_t row = e / f.units, u = e % f.units;
    T none = 0;
    C::forward(Gates<T>{f.kept + row * C::kKept * f.units + u, f.units},
               HiddenShare<T>{f.product + row * f.gates + u, f.bias + u, f.units}, f.h[e], C::kMemory ? f.c[e] : none);
    if (f.y) f.y[e] = f.h[e];
    if (C::kMemory) f.cells[e] = f.c[e];
  });
}

/// Adds the gradient of a step's output. `grad_out`: a copy of the sum, or null.
template <class T>
__global__ void arrival_kernel(T* dh, const T* grad_y, T* grad_out, std::int64_t n) {
  for_each_element(n, [&](std::int64_t e) {
    dh[e] += grad_y[e];
    if (grad_out) grad_out[e] = dh[e];
  });
}

template <class T>
struct Backward {
  std::int64_t rows, units, carried;
  const T* kept;
  const T* by_h;  // the gradient by the output before a projection
  T* dh;
  T* dc;
  const T* previous;
  const T* before_c;
  const T* first_c;
  const T* cells;
  T* dx;
  T* da;
};
template <class C, class T>
__global__ void backward_kernel(Backward<T> b) {
  for_each_element(b.rows * b.units, [&](std::int64_t e) {
    const std::int64_t row = e / b.units, u = e % b.units;
    T none = 0;
    const T c = !C::kMemory ? T(0) : row < b.carried ? b.before_c[e] : b.first_c[e];
    const T past = C::backward(Gates<const T>{b.kept + row * C::kKept * b.units + u, b.units}, b.by_h[e],
                               C::kMemory ? b.dc[e] : none, C::kDirect ? b.previous[e] : T(0), c,
                               C::kMemory ? b.cells[e] : T(0), Gates<T>{b.dx + row * C::kGates * b.units + u, b.units},
                               Gates<T>{b.da + row * C::kGates * b.units + u, b.units});
    if (C::kDirect) b.dh[e] = past;
  });
}

template <class T>
__global__ void fill_kernel(T* out, std::int64_t n) {
  for_each_element(n, [&](std::int64_t i) { out[i] = T(0); });
}
template <class T>
__global__ void copy_kernel(T* out, const T* in, std::int64_t n) {
  for_each_element(n, [&](std::int64_t i) { out[i] = in[i]; });
}

/// from + offset, of a pointer that may be null.
template <class T>
T* at(T* from, std::int64_t offset) {
  return from ? from + offset : nullptr;
}

template <class C, class T>
void forward(const Recurrent& r) {
  const std::int64_t units = r.hidden, columns = C::kGates * units, out = r.out;
  const Scratch<T> share(r.batch * columns), no_bias(columns);
  const T* bias = static_cast<const T*>(r.bias);
  if (!bias) {
    launch_over(columns, &fill_kernel<T>, no_bias.get(), columns);
    bias = no_bias.get();
  }
  T* h = static_cast<T*>(r.h);
  T* c = static_cast<T*>(r.c);
  for (const Step& step : steps_of(r.sizes, r.steps, r.rows, r.reverse)) {
    if (r.previous) {
      launch_over(step.size * out, &copy_kernel<T>, static_cast<T*>(r.previous) + step.row * out,
                  static_cast<const T*>(h), step.size * out);
    }
    product(step.size, columns, out, h, static_cast<const T*>(r.weight), true, share.get(), false);
    T* raw = at(static_cast<T*>(r.raw), step.row * units);
    T* y = static_cast<T*>(r.y) + step.row * out;
    const Forward<T> part{step.size,         units,
                          columns,           static_cast<T*>(r.gates) + step.row * C::kKept * units,
                          share.get(),       bias,
                          raw ? raw : h,     c,
                          raw ? nullptr : y, at(static_cast<T*>(r.cells), step.row * units)};
    launch_over(step.size * units, &forward_kernel<C, T>, part);
    if (raw) {
      product(step.size, out, units, raw, static_cast<const T*>(r.projection), true, y, false);
      launch_over(step.size * out, &copy_kernel<T>, h, static_cast<const T*>(y), step.size * out);
    }
  }
}

template <class C, class T>
void backward(const Recurrent& r) {
  const std::int64_t units = r.hidden, columns = C::kGates * units, out = r.out;
  const Scratch<T> by_raw(r.projection ? r.batch * units : 1);
  const std::vector<Step> steps = steps_of(r.sizes, r.steps, r.rows, r.reverse);
  T* dh = static_cast<T*>(r.h);
  T* dc = static_cast<T*>(r.c);
  const T* cells = static_cast<const T*>(r.cells);
  const T* first_c = static_cast<const T*>(r.first_c);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    launch_over(step->size * out, &arrival_kernel<T>, dh, static_cast<const T*>(r.grad_y) + step->row * out,
                at(static_cast<T*>(r.grad_out), step->row * out), step->size * out);
    if (r.projection) {
      product(step->size, units, out, static_cast<const T*>(dh), static_cast<const T*>(r.projection), false,
              by_raw.get(), false);
    }
    T* dx = static_cast<T*>(r.grad_input) + step->row * columns;
    T* da = r.grad_hidden ? static_cast<T*>(r.grad_hidden) + step->row * columns : dx;
    const Backward<T> part{step->size,
                           units,
                           step->carried,
                           static_cast<const T*>(r.gates) + step->row * C::kKept * units,
                           r.projection ? by_raw.get() : dh,
                           dh,
                           dc,
                           static_cast<const T*>(r.previous) + step->row * out,
                           at(cells, step->before * units),
                           first_c,
                           at(cells, step->row * units),
                           dx,
                           da};
    launch_over(step->size * units, &backward_kernel<C, T>, part);
    product(step->size, out, columns, static_cast<const T*>(da), static_cast<const T*>(r.weight), false, dh,
            C::kDirect);
  }
}

}  // namespace

void recurrent(RecurrentOp op, DType dtype, const Recurrent& r) {
  dispatch_floating(current_op(), dtype, [&]<class T>(TypeTag<T>) {
    with_cell(r.cell, [&]<class C>(C) { op == RecurrentOp::forward ? forward<C, T>(r) : backward<C, T>(r); });
  });
}

}  // namespace verigrad::kernels::cuda
