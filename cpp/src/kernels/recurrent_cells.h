// What the cells of recurrent layers compute in one unit, forward and backward.
//
// The formulas are PyTorch's. x: the input's share of a gate, a: the hidden share, both with their biases; h, c: the
// state; s = sigmoid.
//   rnn   h' = tanh(x + a), or relu
//   lstm  i, f, o = s(x + a), g = tanh(x + a);  c' = f c + i g;  h' = o tanh(c')
//   gru   r, z = s(x + a), n = tanh(x + r a);  h' = (1 - z) n + z h
//
// The gates stand in the order i, f, g, o, and r, z, n.
#pragma once

#include <cstdint>

#include "kernels/functors.h"
#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::recurrent {

/// The numbers of one unit in a row that holds the units of one gate after those of another.
template <class T>
struct Gates {
  T* first;
  std::int64_t units;
  VG_HD T& operator[](std::int64_t k) const { return first[k * units]; }
};
/// The hidden share: a product, and the bias.
template <class T>
struct HiddenShare {
  const T* product;
  const T* bias;
  std::int64_t units;
  VG_HD T operator[](std::int64_t k) const { return product[k * units] + bias[k * units]; }
};

// A cell has: kGates, the gates; kKept, the numbers of a unit that the backward pass reads; kMemory, whether there is a
// c; kDirect, whether a part of the gradient by h goes past the gates.
//   forward(gates, a, h, c): the gates hold x, and then what is kept; h and c become the next state.
//   backward(kept, dh, dc, h, c, next_c, dx, da): from the gradient by the next h and c, the state before and the next
//   c those by x, by a (of `gru` alone; the others' are the same) and by c (into dc). Returns what goes past the gates.

template <class Function>
struct Rnn {
  static constexpr int kGates = 1, kKept = 1;
  static constexpr bool kMemory = false, kDirect = false;

  template <class T>
  VG_HD static void forward(const Gates<T>& gates, const HiddenShare<T>& a, T& h, T&) {
    h = gates[0] = Function::value(gates[0] + a[0]);
  }
  template <class T>
  VG_HD static T backward(const Gates<const T>& kept, T dh, T&, T, T, T, const Gates<T>& dx, const Gates<T>&) {
    dx[0] = Function::gradient(dh, kept[0]);
    return T(0);
  }
};
struct Tanh {
  template <class T>
  VG_HD static T value(T x) {
    return functors::tanh()(x);
  }
  template <class T>
  VG_HD static T gradient(T g, T y) {
    return functors::tanh_backward()(g, y);
  }
};
struct Relu {
  template <class T>
  VG_HD static T value(T x) {
    return functors::relu()(x);
  }
  template <class T>
  VG_HD static T gradient(T g, T y) {
    return y > T(0) ? g : T(0);
  }
};

struct Lstm {
  static constexpr int kGates = 4, kKept = 4;
  static constexpr bool kMemory = true, kDirect = false;

  template <class T>
  VG_HD static void forward(const Gates<T>& gates, const HiddenShare<T>& a, T& h, T& c) {
    const functors::sigmoid sigmoid;
    const functors::tanh tanh;
    const T i = sigmoid(gates[0] + a[0]), f = sigmoid(gates[1] + a[1]);
    const T g = tanh(gates[2] + a[2]), o = sigmoid(gates[3] + a[3]);
    c = f * c + i * g;
    h = o * tanh(c);
    gates[0] = i;
    gates[1] = f;
    gates[2] = g;
    gates[3] = o;
  }
  template <class T>
  VG_HD static T backward(const Gates<const T>& kept, T dh, T& dc, T, T c, T next_c, const Gates<T>& dx,
                          const Gates<T>&) {
    const functors::sigmoid_backward by_sigmoid;
    const functors::tanh_backward by_tanh;
    const T i = kept[0], f = kept[1], g = kept[2], o = kept[3];
    const T y = functors::tanh()(next_c);
    const T d = dc + by_tanh(dh * o, y);
    dx[0] = by_sigmoid(d * g, i);
    dx[1] = by_sigmoid(d * c, f);
    dx[2] = by_tanh(d * i, g);
    dx[3] = by_sigmoid(dh * y, o);
    dc = d * f;
    return T(0);
  }
};

struct Gru {
  static constexpr int kGates = 3, kKept = 4;
  static constexpr bool kMemory = false, kDirect = true;

  template <class T>
  VG_HD static void forward(const Gates<T>& gates, const HiddenShare<T>& a, T& h, T&) {
    const functors::sigmoid sigmoid;
    const T r = sigmoid(gates[0] + a[0]), z = sigmoid(gates[1] + a[1]), share = a[2];
    const T n = functors::tanh()(gates[2] + r * share);
    h = n + z * (h - n);
    gates[0] = r;
    gates[1] = z;
    gates[2] = n;
    gates[3] = share;
  }
  template <class T>
  VG_HD static T backward(const Gates<const T>& kept, T dh, T&, T h, T, T, const Gates<T>& dx, const Gates<T>& da) {
    const functors::sigmoid_backward by_sigmoid;
    const T r = kept[0], z = kept[1], n = kept[2], share = kept[3];
    const T dn = functors::tanh_backward()(dh * (T(1) - z), n);
    dx[0] = da[0] = by_sigmoid(dn * share, r);
    dx[1] = da[1] = by_sigmoid(dh * (h - n), z);
    dx[2] = dn;
    da[2] = dn * r;
    return dh * z;
  }
};

/// f(cell) for the struct of a cell.
template <class F>
void with_cell(RecurrentCell cell, F&& f) {
  switch (cell) {
    case RecurrentCell::rnn_tanh: return f(Rnn<Tanh>());
    case RecurrentCell::rnn_relu: return f(Rnn<Relu>());
    case RecurrentCell::lstm: return f(Lstm());
    case RecurrentCell::gru: return f(Gru());
  }
}

}  // namespace verigrad::kernels::recurrent
