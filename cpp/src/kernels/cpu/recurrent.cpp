// Recurrent layers. A task takes some sequences through all steps, so that threads wait for one another nowhere. The
// weight is packed once; the products of a step then read it as it lies, with a register tile whose sums have the same
// order in every row: a result does not depend on how sequences are shared out.
#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/micro_kernel.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/workspace.h"
#include "kernels/recurrent_cells.h"
#include "kernels/recurrent_steps.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using namespace recurrent;

std::int64_t divide_up(std::int64_t n, std::int64_t by) { return (n - 1) / by + 1; }

/// from + offset, of a pointer that may be null.
template <class T>
VG_INLINE T* at(T* from, std::int64_t offset) {
  return from ? from + offset : nullptr;
}

template <class T>
void copy_rows(T* to, const T* from, std::int64_t count) {
  std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
}

/// A matrix [depth, columns] as the right operand of a product in each step: cut into panels as wide as a tile, the
/// last one filled up with zeros; or as it is, where there are too few steps.
template <class T>
class Weight {
 public:
  /// Element (p, j) is from[p * row + j * column], where row or column is 1.
  Weight(bool packed, std::int64_t depth, std::int64_t columns, const T* from, std::int64_t row, std::int64_t column)
      : tile_(step_kernel<T>()),
        packed_(packed),
        depth_(depth),
        columns_(columns),
        panels_(packed ? divide_up(columns, tile_.columns) : 0),
        from_(from),
        trans_(row == 1 && column != 1),
        distance_(trans_ ? column : row),
        memory_(panels_ * depth * tile_.columns) {
    for (std::int64_t k = 0; k < panels_; ++k) {
      const std::int64_t first = k * tile_.columns, inside = std::min(tile_.columns, columns - first);
      pack_panel(trans_, from, distance_, depth, first, inside, tile_.columns,
                 memory_.get() + k * depth * tile_.columns);
    }
  }
  /// The length of a row of a product.
  std::int64_t pitch() const { return packed_ ? panels_ * tile_.columns : columns_; }

  /// to [rows, pitch] = left [rows, depth] * this; `to` has room for whole tiles of rows. `rest`: for one tile of left.
  void multiply(const T* left, std::int64_t rows, T* rest, T* to) const {
    if (!packed_) return multiply_plain(left, rows, to);
    const std::int64_t whole = rows / tile_.rows * tile_.rows;
    if (whole < rows) {
      copy_rows(rest, left + whole * depth_, (rows - whole) * depth_);
      std::fill(rest + (rows - whole) * depth_, rest + tile_.rows * depth_, T(0));
    }
    for (std::int64_t k = 0; k < panels_; ++k) {
      const T* panel = memory_.get() + k * depth_ * tile_.columns;
      for (std::int64_t i = 0; i < rows; i += tile_.rows) {
        tile_.run(depth_, i < whole ? left + i * depth_ : rest, depth_, 1, panel, to + i * pitch() + k * tile_.columns,
                  pitch(), nullptr, false);
      }
    }
  }

 private:
  void multiply_plain(const T* left, std::int64_t rows, T* to) const {
    Gemm g;
    g.m = rows;
    g.n = columns_;
    g.k = depth_;
    g.a = left;
    g.b = from_;
    g.c = to;
    g.trans_b = trans_;
    g.lda = depth_;
    g.ldb = distance_;
    g.ldc = columns_;
    gemm(DTypeOf<T>::value, g);
  }

  PanelKernel<T> tile_;
  bool packed_;
  std::int64_t depth_, columns_, panels_;
  const T* from_;
  bool trans_;
  std::int64_t distance_;
  Workspace<T> memory_;
};

/// Rows of one step, forward. The state is changed in place.
template <class T>
struct ForwardRows {
  std::int64_t rows, units, pitch;  // pitch: between rows of the product
  T* gates;
  const T* product;
  const T* bias;
  T* h;
  T* c;
};
template <class C, class T>
struct ForwardLoop {
  VG_INLINE static void run(const ForwardRows<T>* r) {
    const std::int64_t units = r->units;
    for (std::int64_t i = 0; i < r->rows; ++i) {
      T* gates = r->gates + i * C::kKept * units;
      const T* product = r->product + i * r->pitch;
      const T* bias = r->bias;
      T* h = r->h + i * units;
      T* c = at(r->c, i * units);
#pragma GCC ivdep
      for (std::int64_t u = 0; u < units; ++u) {
        T none = 0;
        C::forward(Gates<T>{gates + u, units}, HiddenShare<T>{product + u, bias + u, units}, h[u],
                   C::kMemory ? c[u] : none);
      }
    }
  }
};

/// Rows of one step, backward; null where the cell has no such thing.
template <class T>
struct BackwardRows {
  std::int64_t rows, units, pitch;  // pitch: between rows of dh
  const T* kept;
  const T* dh;
  T* dc;
  const T* h;
  const T* c;
  const T* next_c;
  T* dx;
  T* da;
  T* direct;
};
template <class C, class T>
struct BackwardLoop {
  VG_INLINE static void run(const BackwardRows<T>* r) {
    const std::int64_t units = r->units;
    for (std::int64_t i = 0; i < r->rows; ++i) {
      const T* kept = r->kept + i * C::kKept * units;
      const T* dh = r->dh + i * r->pitch;
      T* dc = at(r->dc, i * units);
      const T* h = r->h + i * units;
      const T* c = at(r->c, i * units);
      const T* next_c = at(r->next_c, i * units);
      T* dx = r->dx + i * C::kGates * units;
      T* da = r->da + i * C::kGates * units;
      T* direct = r->direct + i * units;
#pragma GCC ivdep
      for (std::int64_t u = 0; u < units; ++u) {
        T none = 0;
        const T past = C::backward(Gates<const T>{kept + u, units}, dh[u], C::kMemory ? dc[u] : none,
                                   C::kDirect ? h[u] : T(0), C::kMemory ? c[u] : T(0), C::kMemory ? next_c[u] : T(0),
                                   Gates<T>{dx + u, units}, Gates<T>{da + u, units});
        if constexpr (C::kDirect) direct[u] = past;
      }
    }
  }
};

/// to[i] += from[i], rows with different distances.
template <class T>
struct AddRows {
  VG_INLINE static void run(T* to, const T* from, std::int64_t pitch, std::int64_t rows, std::int64_t columns) {
    for (std::int64_t i = 0; i < rows; ++i) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < columns; ++j) to[i * columns + j] += from[i * pitch + j];
    }
  }
};
template <class T>
void add_rows(T* to, const T* from, std::int64_t pitch, std::int64_t rows, std::int64_t columns) {
  simd_run<AddRows<T>, T*, const T*, std::int64_t, std::int64_t, std::int64_t>(to, from, pitch, rows, columns);
}
template <class T>
void take_rows(T* to, const T* from, std::int64_t pitch, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i) copy_rows(to + i * columns, from + i * pitch, columns);
}

bool packs(const Recurrent& r) { return r.steps >= boundary::recurrent_packed_steps; }

/// f(first sequence, their number) for groups that threads take. Without a packed weight there is one group, and its
/// products are shared.
template <class F>
void for_each_group(const Recurrent& r, std::int64_t columns, std::int64_t tile_rows, const F& f) {
  const std::int64_t group = packs(r) ? divide_up(boundary::recurrent_sequences, tile_rows) * tile_rows : r.batch;
  const bool serial = static_cast<double>(r.rows) * static_cast<double>(columns) * static_cast<double>(r.out) <
                      static_cast<double>(boundary::recurrent_serial_work);
  parallel_for(divide_up(r.batch, group), serial ? r.batch : 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) f(k * group, std::min(group, r.batch - k * group));
  });
}

/// How many of the sequences from `first` on a step of `size` sequences has.
std::int64_t inside(std::int64_t size, std::int64_t first, std::int64_t count) {
  return std::clamp<std::int64_t>(size - first, 0, count);
}

template <class C, class T>
void forward(const Recurrent& r) {
  const std::int64_t units = r.hidden, columns = C::kGates * units, out = r.out;
  const std::vector<Step> steps = steps_of(r.sizes, r.steps, r.rows, r.reverse);
  const std::int64_t tile_rows = step_kernel<T>().rows;
  const Weight<T> weight(packs(r), out, columns, static_cast<const T*>(r.weight), 1, out);
  std::optional<Weight<T>> projection;
  if (r.projection) projection.emplace(packs(r), units, out, static_cast<const T*>(r.projection), 1, units);
  const Workspace<T> no_bias(r.bias ? 1 : columns);
  if (!r.bias) std::fill_n(no_bias.get(), columns, T(0));
  const auto loop = simd_select<ForwardLoop<C, T>, const ForwardRows<T>*>();
  for_each_group(r, columns, tile_rows, [&](std::int64_t first, std::int64_t count) {
    const std::int64_t padded = divide_up(count, tile_rows) * tile_rows;
    const Workspace<T> rest(tile_rows * std::max(out, units));
    const Workspace<T> product(padded * std::max(weight.pitch(), projection ? projection->pitch() : 0));
    T* h = static_cast<T*>(r.h) + first * out;
    T* c = at(static_cast<T*>(r.c), first * units);
    for (const Step& step : steps) {
      const std::int64_t rows = inside(step.size, first, count), row = step.row + first;
      if (rows == 0) continue;
      if (r.previous) copy_rows(static_cast<T*>(r.previous) + row * out, h, rows * out);
      weight.multiply(h, rows, rest.get(), product.get());
      T* raw = at(static_cast<T*>(r.raw), row * units);
      const ForwardRows<T> part{rows,           units,
                                weight.pitch(), static_cast<T*>(r.gates) + row * C::kKept * units,
                                product.get(),  r.bias ? static_cast<const T*>(r.bias) : no_bias.get(),
                                raw ? raw : h,  c};
      loop(&part);
      if (projection) {
        projection->multiply(raw, rows, rest.get(), product.get());
        take_rows(h, product.get(), projection->pitch(), rows, out);
      }
      copy_rows(static_cast<T*>(r.y) + row * out, h, rows * out);
      if (C::kMemory) copy_rows(static_cast<T*>(r.cells) + row * units, c, rows * units);
    }
  });
}

template <class C, class T>
void backward(const Recurrent& r) {
  const std::int64_t units = r.hidden, columns = C::kGates * units, out = r.out;
  const std::vector<Step> steps = steps_of(r.sizes, r.steps, r.rows, r.reverse);
  const std::int64_t tile_rows = step_kernel<T>().rows;
  const Weight<T> weight(packs(r), columns, out, static_cast<const T*>(r.weight), out, 1);
  std::optional<Weight<T>> projection;
  if (r.projection) projection.emplace(packs(r), out, units, static_cast<const T*>(r.projection), units, 1);
  const auto loop = simd_select<BackwardLoop<C, T>, const BackwardRows<T>*>();
  for_each_group(r, columns, tile_rows, [&](std::int64_t first, std::int64_t count) {
    const std::int64_t padded = divide_up(count, tile_rows) * tile_rows;
    const Workspace<T> rest(tile_rows * std::max(out, columns));
    const Workspace<T> product(padded * std::max(weight.pitch(), projection ? projection->pitch() : 0));
    T* dh = static_cast<T*>(r.h) + first * out;
    T* dc = at(static_cast<T*>(r.c), first * units);
    const T* cells = static_cast<const T*>(r.cells);
    const T* first_c = at(static_cast<const T*>(r.first_c), first * units);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      const std::int64_t rows = inside(step->size, first, count), row = step->row + first;
      if (rows == 0) continue;
      add_rows(dh, static_cast<const T*>(r.grad_y) + row * out, out, rows, out);
      const T* by_h = dh;
      std::int64_t pitch = out;
      if (projection) {
        copy_rows(static_cast<T*>(r.grad_out) + row * out, dh, rows * out);
        projection->multiply(dh, rows, rest.get(), product.get());
        by_h = product.get();
        pitch = projection->pitch();
      }
      T* dx = static_cast<T*>(r.grad_input) + row * columns;
      T* da = r.grad_hidden ? static_cast<T*>(r.grad_hidden) + row * columns : dx;
      // `part_rows` rows from row `from` of the group on, whose c before the step is given.
      const auto run = [&](std::int64_t from, std::int64_t part_rows, const T* c) {
        if (part_rows == 0) return;
        const BackwardRows<T> part{part_rows,
                                   units,
                                   pitch,
                                   static_cast<const T*>(r.gates) + (row + from) * C::kKept * units,
                                   by_h + from * pitch,
                                   at(dc, from * units),
                                   static_cast<const T*>(r.previous) + (row + from) * out,
                                   c,
                                   at(cells, (row + from) * units),
                                   dx + from * columns,
                                   da + from * columns,
                                   dh + from * out};
        loop(&part);
      };
      const std::int64_t carried = C::kMemory ? inside(step->carried, first, rows) : rows;
      run(0, carried, at(cells, (step->before + first) * units));
      run(carried, rows - carried, at(first_c, carried * units));
      weight.multiply(da, rows, rest.get(), product.get());
      (C::kDirect ? add_rows<T> : take_rows<T>)(dh, product.get(), weight.pitch(), rows, out);
    }
  });
}

}  // namespace

void recurrent(RecurrentOp op, DType dtype, const Recurrent& r) {
  dispatch_floating("recurrent", dtype, [&]<class T>(TypeTag<T>) {
    with_cell(r.cell, [&]<class C>(C) { op == RecurrentOp::forward ? forward<C, T>(r) : backward<C, T>(r); });
  });
}

}  // namespace verigrad::kernels::cpu
